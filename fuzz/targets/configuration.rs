//! Configuration files: whatever stands in one, reading it ends with a configuration that can be shown, or with
//! mistakes that each have a place.
//!
//! Lines after one that is `--` are settings of the command line, each `key=value`.
#![no_main]

use jansky_config::{Input, Origin, Problem, Severity, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(all) = str::from_utf8(data) else {
        return;
    };
    let (text, settings) = all.split_once("\n--\n").unwrap_or((all, ""));
    let settings = settings.lines().filter_map(|line| line.split_once('='));
    let input = Input {
        file_name: "jansky.toml".to_owned(),
        text: text.to_owned(),
        settings: settings
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect(),
        ..Input::default()
    };
    let lines = text.split('\n').count();
    match load(&input) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                assert_eq!(warning.severity, Severity::Warning);
                has_a_place(warning, lines);
            }
            assert!(loaded.show().contains("[hub]"));
        }
        Err(problems) => {
            let is_error = |problem: &Problem| problem.severity == Severity::Error;
            assert!(problems.0.iter().any(is_error), "refused without a mistake");
            for problem in &problems.0 {
                has_a_place(problem, lines);
                // What the checks let through and the types do not.
                assert!(!problem.advice.contains("please report"), "{problem}");
            }
        }
    }
});

fn has_a_place(problem: &Problem, lines: usize) {
    assert!(
        !problem.found.is_empty() && !problem.advice.is_empty(),
        "{problem:?}"
    );
    if let Origin::File { line, column } = problem.origin {
        assert!((1..=lines).contains(&line) && column > 0, "{problem}");
    }
}
