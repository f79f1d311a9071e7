//! The words of `docs/development/glossary.md`: what it says to avoid names nothing in the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The last column of the glossary's table, and the first.
fn table() -> Vec<(String, String)> {
    let path = Path::new(ROOT).join("docs/development/glossary.md");
    let text = std::fs::read_to_string(path).expect("the glossary is there");
    let rows = text.lines().filter(|line| line.starts_with("| "));
    rows.skip(1)
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 4, "a row has four cells: {row}");
            (cells[0].to_owned(), cells[3].to_owned())
        })
        .collect()
}

/// What stands in code font.
fn in_code_font(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The Rust sources of the program without its tests.
fn sources() -> Vec<PathBuf> {
    let crates = std::fs::read_dir(Path::new(ROOT).join("crates")).expect("the crates");
    let mut directories: Vec<PathBuf> = crates
        .map(|found| found.expect("readable").path().join("src"))
        .collect();
    let mut sources = Vec::new();
    while let Some(directory) = directories.pop() {
        for found in std::fs::read_dir(directory).into_iter().flatten() {
            let path = found.expect("readable").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                sources.push(path);
            }
        }
    }
    sources
}

/// The names that a source declares: after a keyword, or before the type of a field or parameter.
fn declared(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
        .flat_map(|line| {
            let words: Vec<&str> = line
                .split(|c: char| !(c.is_alphanumeric() || c == '_'))
                .collect();
            let after_keyword = words.windows(2).filter_map(|pair| {
                const KEYWORDS: [&str; 8] =
                    ["struct", "enum", "trait", "type", "fn", "mod", "let", "mut"];
                KEYWORDS.contains(&pair[0]).then_some(pair[1])
            });
            let field = line.split_once(": ").map(|(before, _)| before);
            let field = field.and_then(|before| before.rsplit([' ', '(']).next());
            after_keyword.chain(field).collect::<Vec<_>>()
        })
}

#[test]
fn no_word_that_the_glossary_avoids_names_anything() {
    let table = table();
    let avoided: BTreeSet<&str> = table
        .iter()
        .flat_map(|(_, avoid)| in_code_font(avoid))
        .collect();
    assert!(avoided.len() > 30, "the glossary was not understood");

    let mut found = Vec::new();
    for path in sources() {
        let source = std::fs::read_to_string(&path).expect("text");
        let names: BTreeSet<&str> = declared(&source).collect();
        for name in names.intersection(&avoided) {
            let path = path.strip_prefix(ROOT).unwrap_or(&path).display();
            found.push(format!("`{name}` in {path}"));
        }
    }
    assert_eq!(
        found,
        Vec::<String>::new(),
        "docs/development/glossary.md has another word for it"
    );
}

#[test]
fn the_glossary_is_in_the_order_of_the_alphabet() {
    let terms: Vec<String> = table().into_iter().map(|(term, _)| term).collect();

    let mut sorted = terms.clone();
    sorted.sort();
    assert_eq!(terms, sorted);
}

#[test]
fn every_file_that_a_page_for_developers_names_is_there() {
    let pages = std::fs::read_dir(Path::new(ROOT).join("docs/development")).expect("the pages");
    let pages = pages.map(|page| page.expect("readable").path());
    let pages = pages.filter(|page| page.extension().is_some_and(|end| end == "md"));
    let own = ["ARCHITECTURE.md", "CONTRIBUTING.md"].map(|page| Path::new(ROOT).join(page));

    let mut missing = Vec::new();
    for page in pages.chain(own) {
        let text = std::fs::read_to_string(&page).expect("text");
        for name in in_code_font(&text).filter(|name| name.starts_with("crates/")) {
            // A number that is not taken yet.
            if !name.contains("NNNN") && !Path::new(ROOT).join(name).exists() {
                missing.push(format!("`{name}` in {}", page.display()));
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn names_are_found_where_they_are_declared() {
    let source = "pub struct Wish<'a> {\n    pub(crate) ear: u8,\n}\nasync fn heed(stake: Stake) {\n\
                  // let farewell = 1;\n    let mut garbage = x::<Told>();\n}";

    let names: BTreeSet<&str> = declared(source).collect();

    for name in ["Wish", "ear", "heed", "stake", "garbage"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    for name in ["farewell", "Told", "Stake"] {
        assert!(!names.contains(name), "{name} in {names:?}");
    }
}
