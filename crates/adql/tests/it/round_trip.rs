//! What is printed is read again as the same.

use jansky_adql::parse;
use proptest::prelude::*;

/// Texts of values. Not all of them make sense, but all are values of the grammar.
fn value() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("NULL".to_owned()),
        "[0-9]{1,3}",
        "[0-9]{1,2}\\.[0-9]{0,2}",
        "\\.[0-9]{1,2}[eE][+-]?[0-9]",
        "0x[0-9a-fA-F]{1,4}",
        "'([a-z ;%\"]|''){0,4}'",
        "q[a-z0-9_]{0,3}",
        "\"([A-Z .;]|\"\"){1,3}\"",
        "q[a-z]\\.q[a-z](\\.\"s\"){0,2}",
        Just("COUNT(*)".to_owned()),
        Just("PI()".to_owned()),
    ];
    leaf.prop_recursive(4, 32, 4, |value| {
        let two = (value.clone(), value.clone());
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "||", "&", "|", "^"]);
        prop_oneof![
            (two.clone(), operator).prop_map(|((a, b), operator)| format!("{a} {operator} {b}")),
            value.clone().prop_map(|a| format!("({a})")),
            value.clone().prop_map(|a| format!("-({a})")),
            value.clone().prop_map(|a| format!("~ ({a})")),
            two.clone().prop_map(|(a, b)| format!("q_f({a}, {b})")),
            two.clone()
                .prop_map(|(a, b)| format!("circle('ICRS', 0 - ({a}), {b}, 1)")),
            two.clone().prop_map(|(a, b)| format!("coalesce({a}, {b})")),
            two.prop_map(|(a, b)| format!("Contains(Point(1 + ({a}), 2), {b})")),
            value.clone().prop_map(|a| format!("SUM(DISTINCT {a})")),
            value
                .clone()
                .prop_map(|a| format!("CAST({a} AS varchar(3))")),
            value.prop_map(|a| format!("in_unit({a}, 'mas')")),
        ]
    })
    .boxed()
}

fn condition(query: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let not = prop::sample::select(vec!["", "NOT "]);
    let comparison = prop::sample::select(vec!["=", "<>", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (value(), comparison, value())
            .prop_map(|(a, comparison, b)| format!("{a} {comparison} {b}")),
        (value(), not.clone(), value(), value())
            .prop_map(|(a, not, b, c)| format!("{a} {not}BETWEEN {b} AND {c}")),
        (value(), not.clone(), value()).prop_map(|(a, not, b)| format!("{a} {not}LIKE {b}")),
        (value(), not.clone(), value()).prop_map(|(a, not, b)| format!("{a} {not}ILIKE {b}")),
        (value(), not.clone()).prop_map(|(a, not)| format!("{a} IS {not}NULL")),
        (value(), not.clone(), value(), value())
            .prop_map(|(a, not, b, c)| format!("{a} {not}IN ({b}, {c})")),
        (value(), not, query.clone()).prop_map(|(a, not, query)| format!("{a} {not}IN ({query})")),
        query.prop_map(|query| format!("EXISTS ({query})")),
    ];
    leaf.prop_recursive(3, 16, 3, |condition| {
        let two = (condition.clone(), condition.clone());
        prop_oneof![
            two.clone().prop_map(|(a, b)| format!("{a} AND {b}")),
            two.prop_map(|(a, b)| format!("{a} OR {b}")),
            condition.clone().prop_map(|a| format!("({a})")),
            condition.prop_map(|a| format!("NOT ({a})")),
        ]
    })
    .boxed()
}

fn table(query: &BoxedStrategy<String>) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("t".to_owned()),
        Just("s.t AS qa".to_owned()),
        Just("c.s.\"T\" qb".to_owned()),
        query.clone().prop_map(|query| format!("({query}) AS qc")),
    ];
    let kind = prop::sample::select(vec!["", "INNER ", "LEFT ", "RIGHT OUTER ", "FULL "]);
    let on = condition(Just("SELECT a FROM t".to_owned()).boxed());
    leaf.clone()
        .prop_recursive(2, 8, 2, move |table| {
            // Joins on the right need brackets.
            let joined = table
                .clone()
                .prop_map(|table| format!("({table} NATURAL JOIN t)"));
            let right = prop_oneof![leaf.clone(), joined];
            let right = right.boxed();
            prop_oneof![
                (table.clone(), kind.clone(), right.clone())
                    .prop_map(|(a, kind, b)| format!("{a} NATURAL {kind}JOIN {b}")),
                (table.clone(), kind.clone(), right.clone(), on.clone())
                    .prop_map(|(a, kind, b, on)| format!("{a} {kind}JOIN {b} ON {on}")),
                (table, right).prop_map(|(a, b)| format!("({a} JOIN {b} USING (x, y))")),
            ]
        })
        .boxed()
}

/// A query without brackets around it.
fn query() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        Just("SELECT * FROM t".to_owned()),
        Just("SELECT a FROM t WHERE b > 1 ORDER BY 1".to_owned()),
    ];
    leaf.prop_recursive(3, 24, 3, |query| {
        let item = prop_oneof![
            Just("*".to_owned()),
            Just("t.*".to_owned()),
            Just("s.\"T\".*".to_owned()),
            value(),
            value().prop_map(|value| format!("{value} AS qx")),
            value().prop_map(|value| format!("{value} \"q y\"")),
        ];
        let start =
            prop::sample::select(vec!["", "ALL ", "DISTINCT ", "TOP 5 ", "DISTINCT TOP 0 "]);
        let items = prop::collection::vec(item, 1..3).prop_map(|items| items.join(", "));
        let tail = prop_oneof![
            Just(String::new()),
            condition(query.clone()).prop_map(|condition| format!(" WHERE {condition}")),
            value().prop_map(|value| format!(" GROUP BY {value}, x HAVING COUNT(*) > 1")),
        ];
        let order = prop_oneof![
            Just(String::new()),
            value().prop_map(|value| format!(" ORDER BY {value} DESC, 2")),
            Just(" OFFSET 3".to_owned()),
        ];
        let select = (start, items, table(&query), tail).prop_map(|(start, items, table, tail)| {
            format!("SELECT {start}{items} FROM u, {table}{tail}")
        });
        let operator = prop::sample::select(vec![
            "UNION",
            "UNION ALL",
            "EXCEPT",
            "EXCEPT ALL",
            "INTERSECT",
            "INTERSECT ALL",
        ]);
        let simple = Just("SELECT a FROM t".to_owned());
        prop_oneof![
            (select.clone(), order.clone()).prop_map(|(select, order)| select + &order),
            (
                query.clone(),
                operator.clone(),
                simple.clone(),
                operator.clone(),
                query.clone()
            )
                .prop_map(|(a, one, b, other, c)| format!("({a}) {one} {b} {other} ({c})")),
            (simple.clone(), operator, simple, order)
                .prop_map(|(a, operator, b, order)| format!("{a} {operator} {b}{order}")),
            query.prop_map(|query| format!("({query})")),
        ]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_query_that_is_printed_is_read_again_as_the_same(text in query()) {
        let tree = parse(&text);
        prop_assert!(tree.is_ok(), "{}\n{:?}", text, tree);
        let tree = tree.expect("it was checked");
        let printed = tree.to_string();
        let again = parse(&printed);
        prop_assert!(again.as_ref() == Ok(&tree), "{}\n{}\n{:?}", text, printed, again);
        // The normal form is one.
        prop_assert_eq!(again.expect("it was checked").to_string(), printed);
    }

    #[test]
    fn any_text_is_a_query_or_an_error_inside_of_it(text in "\\PC{0,80}|([a-zA-Z0-9_'\"(),.*;=<>|/ \n-]|SELECT |FROM |WHERE |’|\u{a0}){0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.span.range().end <= text.len());
            prop_assert!(text.is_char_boundary(error.span.range().start));
            let shown = error.excerpt(&text);
            prop_assert_eq!(shown.lines().count(), 2, "{}", shown);
        }
    }
}
