//! Files of queries and what is said of them.
//!
//! A record is a word, a query, a line of four dashes and the expected answer; an empty line ends it. `\u{a0}`
//! stands for a character that nobody could see. With `ADQL_DATA=write` the answers are written anew.

use std::fmt::Write as _;
use std::path::PathBuf;

/// A query of a file.
pub(crate) struct Record {
    /// What is done with it.
    pub(crate) kind: String,
    /// Its text.
    pub(crate) query: String,
    /// The query as it stands in the file.
    written: String,
    expected: String,
    /// Comments before it.
    before: String,
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// The records of a file, and what stands after the last one.
fn records(name: &str) -> (Vec<Record>, String) {
    let text = std::fs::read_to_string(path(name)).expect("the file is there");
    let mut lines = text.lines();
    let mut records = Vec::new();
    let mut before = String::new();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            before.push_str(line);
            before.push('\n');
            continue;
        }
        let mut part = |end: &str| {
            let lines = lines.by_ref().take_while(|line| *line != end);
            lines.collect::<Vec<_>>().join("\n")
        };
        let written = part("----");
        records.push(Record {
            kind: line.to_owned(),
            query: unescaped(&written),
            written,
            expected: part(""),
            before: std::mem::take(&mut before),
        });
    }
    (records, before)
}

/// The queries of a file.
pub(crate) fn queries(name: &str) -> Vec<Record> {
    records(name).0
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').expect("an escape has an end");
        let code = u32::from_str_radix(code, 16).expect("an escape is a number");
        result.push(char::from_u32(code).expect("an escape is a character"));
        result.push_str(rest);
    }
    result
}

/// Compares what is said of each query of a file with what the file says.
pub(crate) fn check(name: &str, answer: impl Fn(&Record) -> String) {
    let (records, after) = records(name);
    assert!(!records.is_empty(), "{name} has no queries");
    let mut wrong = String::new();
    let mut anew = String::new();
    for record in &records {
        let found = answer(record);
        // An empty line would end the answer.
        assert!(!found.contains("\n\n"), "{found}");
        if found != record.expected {
            let (query, expected) = (&record.written, &record.expected);
            let _ = write!(
                wrong,
                "{query}\n---- expected\n{expected}\n---- found\n{found}\n\n"
            );
        }
        let (before, kind, query) = (&record.before, &record.kind, &record.written);
        let _ = write!(anew, "{before}{kind}\n{query}\n----\n{found}\n\n");
    }
    if std::env::var("ADQL_DATA").is_ok_and(|value| value == "write") {
        let text = format!("{}\n", (anew + &after).trim_end());
        std::fs::write(path(name), text).expect("the file can be written");
    } else {
        assert!(wrong.is_empty(), "{name}:\n\n{wrong}");
    }
}
