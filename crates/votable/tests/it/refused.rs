//! Documents that are refused, and in which words: `refused.txt`.
//!
//! Each begins with `== ` and a title; after `-- ` comes the error, with those that caused it.

use std::fmt::Write as _;

use crate::support::read;

fn error(document: &str) -> String {
    match read(document.as_bytes()) {
        Ok(_) => "it was read".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_document_that_is_wrong_is_refused_with_the_place_and_the_reason() {
    let mut found = String::new();
    let cases = include_str!("refused.txt");
    for case in cases.split("== ").skip(1) {
        let (title, rest) = case.split_once('\n').expect("a title");
        let (document, _) = rest.split_once("\n-- ").expect("an error");
        let error = error(document);
        write!(found, "== {title}\n{document}\n-- {error}\n\n").expect("a string takes all");
    }

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/refused.txt");
    if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        std::fs::write(path, found.trim_end().to_owned() + "\n").expect("it can be written");
        return;
    }
    for (found, expected) in found
        .trim_end()
        .split("\n== ")
        .zip(cases.trim_end().split("\n== "))
    {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_document_in_another_encoding_is_refused() {
    let utf16: Vec<u8> = "<VOTABLE/>"
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let latin = b"<VOTABLE><DESCRIPTION>Fran\xE7ois</DESCRIPTION></VOTABLE>";
    let gzip = [0x1F, 0x8B, 8, 0];

    let errors = [&utf16[..], &latin[..], &gzip[..]].map(|document| {
        let error = read(document).expect_err("it is not UTF-8");
        error.to_string()
    });

    assert_eq!(
        errors,
        [
            "line 1, column 1: the document is in UTF-16 or UTF-32; send it in UTF-8",
            "line 1, column 23: the document is not in UTF-8, whatever it says; send it in UTF-8",
            "line 1, column 1: the document is compressed with gzip; send it in UTF-8",
        ]
    );
}

#[test]
fn nothing_is_read_after_an_error() {
    let mut reader =
        jansky_votable::Reader::new(&b"<VOTABLE></X>"[..], jansky_votable::Limits::default());

    assert!(reader.read().is_err());
    let again = reader.read().expect_err("it has failed");
    assert!(
        again
            .to_string()
            .ends_with("reading has ended with an error before"),
        "{again}"
    );
}
