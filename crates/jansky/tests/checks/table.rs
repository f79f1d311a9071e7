//! Holds the pages that name tests to what there is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const TABLE: &str = "docs/development/checks.md";
const THREATS: &str = "docs/concepts/threat-model.md";

/// Every test of the workspace by its name, as the sources have them.
fn tests(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).expect("a directory of ours") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !matches!(&*name, "target" | "node_modules" | ".git") {
            tests(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = std::fs::read_to_string(&path).expect("a file of ours");
            for word in text.split("fn ").skip(1) {
                let name: String = word
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                found.insert(name);
            }
        }
    }
}

#[test]
fn every_test_in_the_table_of_checks_exists_and_every_number_has_a_line() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join(TABLE)).expect("the table is there");
    let mut known = BTreeSet::new();
    tests(&root.join("crates"), &mut known);

    // What follows below a heading is about these tests and names none.
    let table = text.split("\n## ").next().unwrap_or_default();
    let lines = table.lines().filter(|line| line.starts_with("| D"));
    let mut numbers = BTreeSet::new();
    let mut missing = Vec::new();
    for line in lines {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let number = cells.next().expect("a number");
        numbers.insert(number.to_owned());
        let named = cells.next().unwrap_or_default();
        for name in named.split('`').skip(1).step_by(2) {
            let name = name.rsplit("::").next().unwrap_or_default();
            if !known.contains(name) {
                missing.push(format!("{number}: there is no test `{name}`"));
            }
        }
    }

    assert!(missing.is_empty(), "{TABLE}: {missing:#?}");
    // D5, D14, D18, D21, D25, D31 and D47 were never given out.
    let unused = [5, 14, 18, 21, 25, 31, 47];
    let expected = (1..=50).filter(|number| !unused.contains(number));
    let without: Vec<String> = expected
        .map(|number| format!("D{number}"))
        .filter(|number| !numbers.contains(number))
        .collect();
    assert!(without.is_empty(), "{TABLE} says nothing about {without:?}");
}

#[test]
fn every_sentence_of_the_threat_model_names_tests_that_exist() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join(THREATS)).expect("the page is there");
    let mut known = BTreeSet::new();
    tests(&root.join("crates"), &mut known);
    let is_there =
        |name: &str| known.contains(name) || root.join("tests/browser").join(name).is_file();

    let rows = text.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter(|row| !row.ends_with("| held by |"));
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in rows {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let (claim, held_by) = (
            cells.next().unwrap_or_default(),
            cells.next().unwrap_or_default(),
        );
        let named: Vec<_> = held_by.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            wrong.push(format!("nothing holds: {claim}"));
        }
        let missing = named.into_iter().filter(|name| !is_there(name));
        wrong.extend(missing.map(|name| format!("there is no test `{name}`")));
        count += 1;
    }

    assert!(wrong.is_empty(), "{THREATS}: {wrong:#?}");
    assert!(count > 30, "only {count} sentences were read");
}
