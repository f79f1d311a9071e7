//! Queries that want to break the parser.

use std::time::{Duration, Instant};

use jansky_adql::catalogue::{Column, Listing, Signature, Table};
use jansky_adql::{ErrorKind, MAX_COLUMNS, MAX_LENGTH, Type, parse, resolve};

/// Parses in a thread with no more stack than a thread has by default.
fn parse_in_a_small_thread(query: String) -> Option<ErrorKind> {
    understand(query, false)
}

/// A catalogue for queries that only look.
fn nothing() -> Listing {
    let columns = ["a", "x", "b"].map(|name| Column::new(name, Type::Integer));
    let mut listing = Listing::new();
    listing.add_table(Table::new("s", "t", columns));
    let both = [("a", Type::Integer), ("b", Type::Integer)];
    listing.add_function(Signature::new("f", &both, Type::Integer));
    listing
}

fn understand(query: String, must_mean_something: bool) -> Option<ErrorKind> {
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let thread = thread.spawn(move || match parse(&query) {
        Ok(tree) => {
            let again = parse(&tree.to_string());
            assert!(again.as_ref() == Ok(&tree));
            let plan = resolve(&tree, &nothing()).map(|mut plan| {
                let mut scans = 0;
                plan.scans(|_| scans += 1);
                plan.to_string().len() + scans
            });
            assert!(plan.is_ok() || !must_mean_something, "{plan:?}");
            None
        }
        Err(error) => {
            let _ = (error.to_string(), error.excerpt(&query));
            Some(*error.kind)
        }
    });
    thread.expect("a thread begins").join().expect("no panic")
}

#[test]
fn no_depth_of_nesting_takes_the_stack() {
    let deep = [
        ("(", "x", ")"),
        ("((SELECT a FROM t WHERE a IN ", "(1)", "))"),
        ("-(", "x", ")"),
        ("~", "x", ""),
        ("ABS(", "x", ")"),
        ("f(1, ", "x", ")"),
        ("CAST(", "x", " AS REAL)"),
        ("COUNT(", "x", ")"),
        ("1 + 2 * (", "x", ")"),
        ("(1 | 2 ^ 3 & 4 || 5 + 6 * ", "x", ")"),
    ];
    for (before, middle, after) in deep {
        for depth in [20, 63, 65, 20_000] {
            let value = before.repeat(depth) + middle + &after.repeat(depth);
            let error = parse_in_a_small_thread(format!("SELECT {value} FROM t"));
            if depth > 64 {
                assert!(error.is_some(), "{before}");
            }
            parse_in_a_small_thread(format!("SELECT a FROM t WHERE {value} > 1"));
            parse_in_a_small_thread(format!("SELECT a FROM t WHERE a IN {value}"));
            parse_in_a_small_thread(format!("SELECT a FROM {value} AS x"));
        }
    }
    for depth in [63, 65, 20_000] {
        let nots = "NOT ".repeat(depth);
        let error = parse_in_a_small_thread(format!("SELECT a FROM t WHERE {nots} a = 1"));
        assert_eq!(error.is_some(), depth > 64);
        let query = "SELECT a FROM (".repeat(depth) + "SELECT a FROM t" + &") AS x".repeat(depth);
        let error = parse_in_a_small_thread(query);
        assert_eq!(error.is_some(), depth > 64);
        let query = "(".repeat(depth) + "SELECT a FROM t" + &")".repeat(depth);
        let error = parse_in_a_small_thread(query);
        assert_eq!(error.is_some(), depth > 64);
        let query = format!(
            "SELECT a FROM t WHERE a IN ({})",
            "SELECT a FROM t WHERE EXISTS (".repeat(depth)
        );
        assert!(parse_in_a_small_thread(query).is_some());
        let brackets = "(".repeat(depth);
        assert!(parse_in_a_small_thread(format!("SELECT a FROM {brackets}")).is_some());
    }
}

#[test]
fn chains_of_any_length_are_lists() {
    let chain = |one: &str, between: &str| vec![one; 50_000].join(between);

    for (one, between) in [("x", " + "), ("x", " * "), ("x", " || "), ("-x", " - ")] {
        let value = chain(one, between);
        assert_eq!(
            parse_in_a_small_thread(format!("SELECT {value} FROM t")),
            None
        );
    }
    for between in [" OR ", " AND "] {
        let condition = chain("x = 1", between);
        assert_eq!(
            parse_in_a_small_thread(format!("SELECT x FROM t WHERE {condition}")),
            None
        );
    }
    for list in [chain("'x'", ","), chain("x", ", ")] {
        assert_eq!(
            parse_in_a_small_thread(format!("SELECT x FROM t WHERE x IN ({list})")),
            None
        );
    }
    let unions = chain("SELECT a FROM t", " UNION ");
    assert!(parse_in_a_small_thread(unions).is_some());
    let joins = chain("t", " NATURAL JOIN ");
    assert!(parse_in_a_small_thread(format!("SELECT a FROM {joins}")).is_some());
}

#[test]
fn the_time_is_in_proportion_to_the_length() {
    // Each of these once was slow in some parser: going back, looking ahead, looking for an end.
    let length = MAX_LENGTH / 16;
    for part in [
        "(",
        "'",
        "\"",
        "((SELECT ",
        "a.",
        "NOT ",
        "--",
        "x AS ",
        "f(",
        "- ",
        "1e",
        "''",
        "a b, ",
        "/*",
        "\u{e4}",
        "a JOIN ",
        "SELECT (",
        "(SELECT a FROM t) ",
        "\n",
    ] {
        for begin in ["", "SELECT ", "SELECT a FROM ", "SELECT a FROM t WHERE "] {
            let query = begin.to_owned() + &part.repeat(length / part.len());
            #[expect(
                clippy::disallowed_methods,
                reason = "this measures, and nothing waits"
            )]
            let begun = Instant::now();
            if let Err(error) = parse(&query) {
                let _ = (error.to_string(), error.excerpt(&query));
            }
            assert!(begun.elapsed() < Duration::from_secs(2), "{begin}{part}…");
        }
    }
    let error = parse(&" ".repeat(MAX_LENGTH + 1)).expect_err("it is too long");
    assert!(matches!(*error.kind, ErrorKind::TooLong(_)));
}

#[test]
fn the_deepest_queries_have_a_meaning() {
    for depth in [10, 60] {
        let queries = [
            format!(
                "SELECT {}x{} AS y FROM t",
                "(1 + 2 * ".repeat(depth),
                ")".repeat(depth)
            ),
            format!(
                "SELECT {}x{} AS y FROM t",
                "f(1, ".repeat(depth),
                ")".repeat(depth)
            ),
            format!(
                "SELECT {}x{} AS y FROM t",
                "ABS(".repeat(depth),
                ")".repeat(depth)
            ),
            format!("SELECT x FROM t WHERE {}x = 1", "NOT ".repeat(depth)),
            format!(
                "SELECT x FROM t WHERE {}x = 1{}",
                "(x = 2 AND (x = 3 OR ".repeat(depth / 2),
                "))".repeat(depth / 2)
            ),
            format!(
                "SELECT x FROM {}t{}",
                "(SELECT x FROM ".repeat(depth),
                ") AS y".repeat(depth)
            ),
            format!(
                "SELECT x FROM t WHERE {}x = 1{}",
                "EXISTS (SELECT x FROM t WHERE ".repeat(depth),
                ")".repeat(depth)
            ),
            format!(
                "SELECT x FROM t WHERE {}x = 1{}",
                "x IN (SELECT x FROM t WHERE ".repeat(depth),
                ")".repeat(depth)
            ),
            format!(
                "SELECT x FROM t GROUP BY x HAVING {}x = 1{}",
                "EXISTS (SELECT 1 FROM t WHERE t.a = 1 AND ".repeat(depth),
                ")".repeat(depth)
            ),
            format!(
                "{}SELECT x FROM t{}",
                "(SELECT x FROM t UNION ".repeat(depth),
                ")".repeat(depth)
            ),
        ];
        for query in queries {
            assert_eq!(understand(query.clone(), true), None, "{query}");
        }
    }
    let names: Vec<String> = (0..100).map(|number| format!("t AS t{number}")).collect();
    assert_eq!(
        understand(format!("SELECT 1 AS y FROM {}", names.join(", ")), true),
        None
    );
    assert_eq!(
        understand(
            format!("SELECT 1 AS y FROM {}", names.join(" NATURAL JOIN ")),
            true
        ),
        None
    );
    assert_eq!(
        understand(vec!["SELECT a FROM t"; 100].join(" EXCEPT "), true),
        None
    );
}

#[test]
fn stars_do_not_make_more_columns_than_an_engine_has() {
    let stars = vec!["*"; 300_000].join(",");
    let mut queries = vec![
        format!("SELECT {stars} FROM t"),
        format!("SELECT {} FROM t", stars.replace('*', "t.*")),
    ];
    let mut doubled = "WITH q0 AS (SELECT a AS c0 FROM t)".to_owned();
    for number in 1..40 {
        let before = number - 1;
        let more = format!(", q{number} AS (SELECT q{before}.*, q{before}.* FROM q{before})");
        doubled.push_str(&more);
    }
    queries.push(doubled + " SELECT 1 FROM q39");
    for query in queries {
        let tree = parse(&query).expect("it is a query");
        let error = resolve(&tree, &nothing()).expect_err("it is too wide");
        assert_eq!(*error.kind, ErrorKind::TooManyColumns(MAX_COLUMNS));
    }
}

#[test]
fn what_is_long_is_understood_in_proportion_to_its_length() {
    let many = |one: &str, between: &str| vec![one; 20_000].join(between);
    for query in [
        format!("SELECT {} AS y FROM t", many("COUNT(x)", " + ")),
        format!("SELECT x FROM t WHERE {}", many("t.x = 1", " OR ")),
        format!("SELECT x FROM t WHERE x IN ({})", many("-1", ", ")),
        format!(
            "SELECT x FROM t WHERE {}",
            many("DISTANCE(a, b, 1, 2) < x", " AND ")
        ),
        format!(
            "SELECT SUM({}) AS y FROM t GROUP BY {}",
            many("x", " * "),
            "a + ".repeat(500) + "b"
        ),
        format!(
            "SELECT {} AS y FROM t GROUP BY {}",
            many("x", " + "),
            (0..150)
                .map(|n| format!("x + {n}"))
                .collect::<Vec<_>>()
                .join(", ")
                + ", x"
        ),
    ] {
        #[expect(
            clippy::disallowed_methods,
            reason = "this measures, and nothing waits"
        )]
        let begun = Instant::now();
        let tree = parse(&query).expect("it is a query");
        let plan = resolve(&tree, &nothing()).expect("it has a meaning");
        drop(plan.to_string());
        assert!(begun.elapsed() < Duration::from_secs(10), "{query:.100}");
    }
}

#[test]
fn wide_tables_are_joined_and_searched_in_time() {
    let columns: Vec<String> = (0..MAX_COLUMNS)
        .map(|number| format!("1 AS c{number}"))
        .collect();
    let wide = format!("WITH w AS (SELECT {} FROM t)", columns.join(", "));
    let names: Vec<String> = (0..99).map(|number| format!("w AS w{number}")).collect();
    let references = vec!["C1999 = c0"; 20_000].join(" OR ");
    for (query, is_too_wide) in [
        (
            format!("{wide} SELECT 1 AS y FROM {}", names.join(" NATURAL JOIN ")),
            true,
        ),
        (
            format!(
                "{wide} SELECT 1 AS y FROM {}",
                names.join(" NATURAL FULL JOIN ")
            ),
            true,
        ),
        (
            format!("{wide} SELECT c5 FROM w NATURAL FULL JOIN w AS v WHERE {references}"),
            false,
        ),
        (
            format!(
                "{wide} SELECT 1 AS y FROM {} WHERE w98.c1999 = w0.c0",
                names.join(", ")
            ),
            false,
        ),
    ] {
        #[expect(
            clippy::disallowed_methods,
            reason = "this measures, and nothing waits"
        )]
        let begun = Instant::now();
        let tree = parse(&query).expect("it is a query");
        let plan = resolve(&tree, &nothing());
        assert_eq!(plan.is_err(), is_too_wide, "{:?}", plan.err());
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
