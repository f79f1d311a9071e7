//! Queries that want to break the parser.

use std::time::{Duration, Instant};

use jansky_adql::{ErrorKind, MAX_LENGTH, parse};

/// Parses in a thread with no more stack than a thread has by default.
fn parse_in_a_small_thread(query: String) -> Option<ErrorKind> {
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let thread = thread.spawn(move || match parse(&query) {
        Ok(tree) => {
            let again = parse(&tree.to_string());
            assert_eq!(again.as_ref(), Ok(&tree));
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
