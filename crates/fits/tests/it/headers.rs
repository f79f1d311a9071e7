//! What cards say.

use std::io::Cursor;

use jansky_fits::{Card, Fits, FitsWriter, Value};

/// A file of one header with these cards.
fn file(cards: &[&str]) -> Vec<u8> {
    let mut all = vec![
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    0",
    ];
    all.extend(cards);
    all.push("END");
    let mut bytes: Vec<u8> = all
        .iter()
        .flat_map(|card| format!("{card:<80}").into_bytes())
        .collect();
    bytes.resize(bytes.len().next_multiple_of(2880), b' ');
    bytes
}

fn value(card: &str) -> Value {
    let fits = Fits::open(Cursor::new(file(&[card]))).expect("a header");
    fits.hdus()[0].header.cards[3].value.clone()
}

#[test]
fn values_of_all_kinds_are_read() {
    for (card, expected) in [
        (
            "KEY     =                    T / a comment",
            Value::Logical(true),
        ),
        ("KEY     =                  -42", Value::Integer(-42)),
        ("KEY     = 1.5", Value::Real(1.5)),
        (
            "KEY     =          1.23D+04 / in double precision",
            Value::Real(12_300.0),
        ),
        (
            "KEY     = 123456789012345678901",
            Value::Real(123_456_789_012_345_680_000.0),
        ),
        ("KEY     = (1.0, -2.5)", Value::Complex([1.0, -2.5])),
        (
            "KEY     = 'it''s / here ' / a comment",
            Value::Text("it's / here".to_owned()),
        ),
        ("KEY     = ''", Value::Text(String::new())),
        ("KEY     = inf", Value::None),
        ("KEY     =", Value::None),
        ("COMMENT = 'no value'", Value::None),
        ("HIERARCH ESO DET DIT = 0.5 / s", Value::Real(0.5)),
    ] {
        assert_eq!(value(card), expected, "{card}");
    }
}

#[test]
fn the_keyword_of_a_hierarch_is_its_words() {
    let fits = Fits::open(Cursor::new(file(&["HIERARCH eso det dit = 3"]))).expect("a header");

    assert_eq!(fits.hdus()[0].header.integer("ESO DET DIT"), Some(3));
}

#[test]
fn a_long_string_goes_on_in_the_next_cards() {
    let fits = file(&[
        "LONG    = 'one &'",
        "CONTINUE  'two &' / a",
        "CONTINUE  'three' / b",
        "NEXT    = 'x&'",
        "OTHER   = 1",
    ]);
    let fits = Fits::open(Cursor::new(fits)).expect("a header");

    let header = &fits.hdus()[0].header;
    assert_eq!(header.text("LONG"), Some("one two three"));
    assert_eq!(header.text("NEXT"), Some("x&"));
}

#[test]
fn cards_that_are_written_come_back() {
    let long = "it's ".repeat(60) + "end";
    let cards = [
        Card::new("TEXT", "short"),
        Card::new("LONG", long.as_str()),
        Card::new("NEGATIVE", -1_i64),
        Card::new("TINY", 1e-300),
        Card::new("HUGE", 1.5e300),
        Card::new("ONE", 1.0),
        Card::new("FALSE", false),
        Card::new("PAIR", Value::Complex([0.5, -1e-9])),
        Card::new("A LONG KEYWORD", "with a value"),
    ];
    let writer = FitsWriter::new(Cursor::new(Vec::new()), &cards).expect("memory takes all");
    let file = writer.finish().expect("memory takes all").into_inner();

    let fits = Fits::open(Cursor::new(file)).expect("a header");

    assert_eq!(fits.hdus()[0].header.cards[4..], cards);
}
