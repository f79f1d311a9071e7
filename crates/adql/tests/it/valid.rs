//! Random queries that have a meaning: each gets a plan, and what holds of every plan holds of theirs.

use jansky_adql::{parse, resolve};
use proptest::prelude::*;

use crate::meaning::archive;

/// Numbers over `cat.sources` as `s`.
fn number(around: &'static [&'static str]) -> BoxedStrategy<String> {
    let columns: Vec<&str> = ["s.id", "s.ra", "s.dec", "s.flux"]
        .iter()
        .chain(around)
        .copied()
        .collect();
    let leaf = prop_oneof![
        prop::sample::select(columns).prop_map(str::to_owned),
        prop::sample::select(vec![
            "1",
            "-2.5",
            "1e3",
            "0x1F",
            "NULL",
            "PI()",
            "COORD1(s.p)",
            "AREA(s.c)"
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 12, 3, |number| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/"]);
        let function = prop::sample::select(vec!["ABS", "SQRT", "LOG10", "FLOOR", "SIN", "ROUND"]);
        prop_oneof![
            (number.clone(), operator, number.clone())
                .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            (function, number.clone()).prop_map(|(function, a)| format!("{function}({a})")),
            (number.clone(), number.clone()).prop_map(|(a, b)| format!("COALESCE({a}, {b})")),
            number
                .clone()
                .prop_map(|a| format!("CAST({a} AS BIGINT) & 7")),
            number
                .clone()
                .prop_map(|a| format!("DISTANCE(s.p, POINT({a}, 1))")),
            number.prop_map(|a| format!("ivo_healpix_index({a}, 2, 5)")),
        ]
    })
    .boxed()
}

fn text() -> BoxedStrategy<String> {
    let leaf = prop::sample::select(vec![
        "s.name",
        "s.\"size\"",
        "'x''y'",
        "NULL",
        "CAST(s.id AS VARCHAR(9))",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(2, 6, 2, |text| {
        prop_oneof![
            (text.clone(), text.clone()).prop_map(|(a, b)| format!("{a} || {b}")),
            text.prop_map(|a| format!("LOWER({a})")),
        ]
    })
    .boxed()
}

/// Conditions over `cat.sources` as `s`, and over what is around a sub-query.
fn condition(depth: u32, around: &'static [&'static str]) -> BoxedStrategy<String> {
    let comparison = prop::sample::select(vec!["=", "<>", "<", ">="]);
    let mut leaf = vec![
        (number(around), comparison, number(around))
            .prop_map(|(a, op, b)| format!("{a} {op} {b}"))
            .boxed(),
        (text(), text())
            .prop_map(|(a, b)| format!("{a} NOT LIKE {b}"))
            .boxed(),
        (text(), text())
            .prop_map(|(a, b)| format!("{a} IN ({b}, 'z')"))
            .boxed(),
        number(around)
            .prop_map(|a| format!("{a} BETWEEN 1 AND 2.5"))
            .boxed(),
        number(around)
            .prop_map(|a| format!("({a}) IS NOT NULL"))
            .boxed(),
        number(around)
            .prop_map(|a| format!("1 = CONTAINS(s.p, CIRCLE({a}, 2, 3))"))
            .boxed(),
        number(around)
            .prop_map(|a| format!("DISTANCE(s.p, POINT(s.ra, {a})) > 1"))
            .boxed(),
        Just("s.is_good = TRUE".to_owned()).boxed(),
    ];
    if depth > 0 {
        let inner: &'static [&'static str] = &["o.s_ra", "o.calib_level"];
        let exists = condition(depth - 1, inner).prop_map(|inner| {
            format!("EXISTS (SELECT 1 FROM ivoa.obscore AS o, cat.sources AS s WHERE {inner})")
        });
        let correlated = "s.id IN (SELECT m.id FROM other.mine m WHERE m.id < s.flux)";
        leaf.push(exists.boxed());
        leaf.push(Just(correlated.to_owned()).boxed());
    }
    let leaf = proptest::strategy::Union::new(leaf);
    leaf.prop_recursive(2, 8, 2, |condition| {
        prop_oneof![
            (condition.clone(), condition.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            (condition.clone(), condition.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            condition.prop_map(|a| format!("NOT ({a})")),
        ]
    })
    .boxed()
}

/// Tables of which one is `cat.sources` as `s`.
fn from() -> BoxedStrategy<String> {
    let kind = || prop::sample::select(vec!["", "LEFT ", "RIGHT ", "FULL "]);
    prop_oneof![
        Just("cat.sources AS s".to_owned()),
        Just("cat.sources AS s, tap_upload.mine".to_owned()),
        Just("(SELECT * FROM cat.sources) AS s".to_owned()),
        Just("ivoa.obscore NATURAL JOIN ivoa.obscore_radio, sources s".to_owned()),
        kind().prop_map(|kind| format!("cat.sources s {kind}JOIN other.mine USING (id)")),
        kind().prop_map(|kind| format!(
            "other.mine {kind}JOIN (cat.sources s NATURAL {kind}JOIN tap_upload.mine) USING (id)"
        )),
        (kind(), condition(0, &["m.id"]))
            .prop_map(|(kind, on)| format!("other.mine m {kind}JOIN cat.sources s ON {on}")),
    ]
    .boxed()
}

/// A query of two numbers, `x` and `y`.
fn query() -> BoxedStrategy<String> {
    let plain = (
        from(),
        number(&[]),
        number(&[]),
        condition(1, &[]),
        number(&[]),
        0..4,
    )
        .prop_map(|(from, x, y, condition, key, how)| {
            let (start, end) = match how {
                0 => ("", format!(" ORDER BY {key} DESC, y")),
                1 => ("DISTINCT TOP 5 ", " ORDER BY 2, x".to_owned()),
                2 => ("TOP 3 ", " OFFSET 2".to_owned()),
                _ => ("", String::new()),
            };
            format!("SELECT {start}{x} AS x, {y} AS y FROM {from} WHERE {condition}{end}")
        });
    let grouped = (from(), number(&[]), number(&[]), condition(1, &[])).prop_map(
        |(from, key, inner, condition)| {
            format!(
                "SELECT {key} AS x, 1 + SUM({inner}) AS y FROM {from} WHERE {condition} GROUP BY {key} \
                 HAVING COUNT(DISTINCT {inner}) > 1 AND MIN(s.id) IN (SELECT id FROM other.mine WHERE {key} > 0) \
                 ORDER BY MAX({inner}), x"
            )
        },
    );
    let leaf = prop_oneof![plain, grouped];
    leaf.prop_recursive(2, 6, 2, |query| {
        let operator = prop::sample::select(vec!["UNION", "UNION ALL", "EXCEPT", "INTERSECT ALL"]);
        prop_oneof![
            (query.clone(), operator, query.clone())
                .prop_map(|(a, op, b)| format!("({a}) {op} ({b}) ORDER BY y, x + 1 OFFSET 1")),
            query.prop_map(|a| format!("SELECT q.x, q.y + q.x AS y FROM ({a}) AS q WHERE q.y > 0")),
        ]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_query_that_makes_sense_gets_a_plan_that_does(one in query(), other in query()) {
        let text = format!(
            "WITH a AS ({one}), b AS (SELECT a.x, r.y FROM a JOIN a AS r ON a.x = r.x) \
             SELECT x, y FROM b UNION ({other})"
        );
        let archive = archive();
        for text in [&one, &text] {
            let tree = parse(text);
            prop_assert!(tree.is_ok(), "{}\n{:?}", text, tree);
            let tree = tree.expect("it was checked");
            let plan = resolve(&tree, &archive);
            prop_assert!(plan.is_ok(), "{}\n{}", text, plan.err().map(|error| error.to_string()).unwrap_or_default());
            let plan = plan.expect("it was checked");
            prop_assert_eq!(plan.check(), Ok(()), "{}\n{}", text, plan);
            let again = parse(&tree.to_string()).expect("it was printed");
            let again = resolve(&again, &archive).expect("it means the same");
            prop_assert_eq!(&plan.root, &again.root);
        }
    }
}
