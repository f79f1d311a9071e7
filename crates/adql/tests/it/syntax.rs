//! What is a query and what is none, and how that is said.

use jansky_adql::{ErrorKind, Version, parse, parse_as};

use crate::data;

#[test]
fn queries_of_the_standard_are_accepted_and_printed_in_normal_form() {
    data::check("accepted.slt", |record| {
        assert_eq!(record.kind, "accept");
        match parse(&record.query) {
            Ok(query) => query.to_string(),
            Err(error) => format!("{error}\n{}", error.excerpt(&record.query)),
        }
    });
    for record in data::queries("accepted.slt") {
        let query =
            parse(&record.query).unwrap_or_else(|error| panic!("{}: {error}", record.query));
        assert_eq!(parse(&query.to_string()), Ok(query), "{}", record.query);
    }
}

#[test]
fn what_is_no_query_is_refused_with_its_place_and_what_to_do() {
    data::check("refused.slt", |record| {
        assert_eq!(record.kind, "refuse");
        match parse(&record.query) {
            Ok(query) => query.to_string(),
            Err(error) => format!("{error}\n{}", error.excerpt(&record.query)),
        }
    });
    for record in data::queries("refused.slt") {
        assert!(parse(&record.query).is_err(), "{}", record.query);
    }
}

#[test]
fn words_that_2_1_reserves_are_names_in_2_0() {
    let query = "SELECT offset, bigint FROM ilike WHERE in_unit = 1";

    assert!(parse_as(Version::V2_0, query).is_ok());
    let error = parse(query).expect_err("they are reserved");
    assert!(matches!(*error.kind, ErrorKind::Reserved { ref word } if word == "offset"));
}

#[test]
fn an_excerpt_shows_the_place_also_of_long_lines_and_of_other_letters() {
    let error_of = |query: &str| {
        let error = parse(query).expect_err("it is wrong");
        error.excerpt(query)
    };

    assert_eq!(
        error_of("SELECT 'ä€' AS\n\tx, y == 1\nFROM t"),
        "2 |  x, y == 1\n  |       ^^"
    );
    let long = format!(
        "SELECT {}== 1 FROM t{}",
        "x + ".repeat(100),
        " ".repeat(200)
    );
    let (before, spaces) = ("x + ".repeat(15), " ".repeat(60));
    let expected = format!("1 | …{before}== 1 FROM t\n  |  {spaces}^^");
    assert_eq!(error_of(&long), expected);
    assert_eq!(error_of(""), "1 | \n  | ^");
}
