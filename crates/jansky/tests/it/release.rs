//! What a release says of itself.

use std::path::Path;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn text_of(file: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let text = std::fs::read_to_string(Path::new(root).join(file));
    text.unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Whether a text is a day such as `2026-12-01`.
fn is_day(text: &str) -> bool {
    let lengths = text.split('-').map(|part| {
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then_some(part.len())
    });
    lengths.eq([Some(4), Some(2), Some(2)])
}

#[test]
fn the_changelog_has_this_version_below_a_place_for_what_comes() {
    let changelog = text_of("CHANGELOG.md");
    let mut sections = changelog
        .lines()
        .filter_map(|line| line.strip_prefix("## "));

    assert_eq!(sections.next(), Some("Unreleased"));
    let newest = sections.next().expect("there is a release");
    let (version, day) = newest.split_once(' ').expect("a version and its day");
    assert_eq!(version, VERSION, "CHANGELOG.md and Cargo.toml");
    let day = day.strip_prefix('(').and_then(|day| day.strip_suffix(')'));
    assert!(day.is_some_and(is_day), "{newest}");
}

#[test]
fn the_package_for_notebooks_has_the_version_of_the_program() {
    for (file, line) in [
        ("python/pyproject.toml", format!("version = \"{VERSION}\"")),
        (
            "python/jansky/__init__.py",
            format!("__version__ = \"{VERSION}\""),
        ),
        (
            "python/lab/package.json",
            format!("  \"version\": \"{VERSION}\","),
        ),
    ] {
        let text = text_of(file);
        assert!(text.lines().any(|found| found == line), "{file}: no {line}");
    }
}
