//! Reads a configuration and finds every mistake in it in one go.

mod rules;
mod secrets;
mod structure;
mod suggestion;

use std::fmt;

use crate::document::Node;
use crate::overrides::Override;
use crate::problem::{Origin, Problem, Problems, Severity};
use jansky_settings::Config;

/// What a configuration is read from. Nothing is opened: the caller reads the file and the
/// environment.
#[derive(Clone, Default)]
pub struct Input {
    /// The name of the file, for messages.
    pub file_name: String,
    /// The text of the file.
    pub text: String,
    /// Variables of the environment, of which those that begin with `JANSKY_` and contain `__` are
    /// used. They take the place of what the file says.
    pub environment: Vec<(String, String)>,
    /// Keys such as `hub.bind` and values from the command line. They take the place of both.
    pub settings: Vec<(String, String)>,
}

/// A configuration without errors.
#[derive(Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is allowed and still probably wrong.
    pub warnings: Vec<Problem>,
    pub(crate) file_name: String,
    pub(crate) document: Node,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("config", &self.config)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Reads a configuration.
///
/// # Errors
/// Every mistake at once, in the order of the file, together with the warnings.
pub fn load(input: &Input) -> Result<Loaded, Problems> {
    let (mut document, syntax_errors) = Node::parse(&input.text);
    let mut report = Report::new(&input.file_name);
    let whole = syntax_errors.is_empty();
    for error in syntax_errors {
        report.error(
            &error.origin,
            "",
            error.message,
            "correct the TOML of this line",
        );
    }
    for found in overrides(input) {
        found.apply(&mut document);
    }

    // What has mistakes is taken out of `sound`, so that the rest can be read and its mistakes be
    // found as well.
    let mut sound = document.clone();
    structure::check(&mut sound, &mut report);
    if !whole {
        // What is missing or wrong may only look so because a line could not be read.
        report.keep_syntax_errors_and_unrelated();
        return Err(report.into_problems());
    }
    match serde_path_to_error::deserialize::<_, Config>(sound.json()) {
        Ok(config) => {
            rules::check(&config, &document, &mut report);
            if report.has_errors() {
                return Err(report.into_problems());
            }
            Ok(Loaded {
                config,
                warnings: report.into_problems().0,
                file_name: input.file_name.clone(),
                document,
            })
        }
        Err(error) => {
            if !report.has_errors() {
                let advice = "this is a mistake in the checks of Jansky; please report it";
                let key = error.path().to_string();
                report.error(&document.origin, &key, error.inner().to_string(), advice);
            }
            Err(report.into_problems())
        }
    }
}

/// Reads a configuration from the text of one file alone.
///
/// # Errors
/// As [`load`].
pub fn check(text: &str, file_name: &str) -> Result<Config, Vec<Problem>> {
    let input = Input {
        file_name: file_name.to_owned(),
        text: text.to_owned(),
        ..Input::default()
    };
    match load(&input) {
        Ok(loaded) => Ok(loaded.config),
        Err(problems) => Err(problems.0),
    }
}

fn overrides(input: &Input) -> impl Iterator<Item = Override> {
    let mut variables: Vec<_> = input
        .environment
        .iter()
        .filter_map(|(name, value)| Override::from_variable(name, value))
        .collect();
    // The environment has no order; messages should.
    variables.sort_by(|one, other| one.key.cmp(&other.key));
    let settings = input
        .settings
        .iter()
        .map(|(key, value)| Override::from_setting(key, value));
    variables.into_iter().chain(settings)
}

/// The mistakes found so far.
struct Report<'a> {
    file_name: &'a str,
    problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    fn new(file_name: &'a str) -> Self {
        Self {
            file_name,
            problems: Vec::new(),
        }
    }

    fn error(
        &mut self,
        origin: &Origin,
        key: &str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) {
        self.add(Severity::Error, origin, key, found.into(), advice.into());
    }

    fn add(
        &mut self,
        severity: Severity,
        origin: &Origin,
        key: &str,
        found: String,
        advice: String,
    ) {
        self.problems.push(Problem {
            severity,
            file: self.file_name.to_owned(),
            origin: origin.clone(),
            key: key.to_owned(),
            found,
            advice,
        });
    }

    /// Whether there is a mistake at `key`, below it or above it.
    fn knows(&self, key: &str) -> bool {
        let below = |short: &str, long: &str| {
            long.strip_prefix(short)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.problems
            .iter()
            .filter(|problem| !problem.key.is_empty())
            .any(|problem| below(key, &problem.key) || below(&problem.key, key))
    }

    fn has_errors(&self) -> bool {
        let mut severities = self.problems.iter().map(|problem| problem.severity);
        severities.any(|severity| severity == Severity::Error)
    }

    /// Drops what may only follow from a line that could not be read: what is missing, and what is
    /// on the same line.
    fn keep_syntax_errors_and_unrelated(&mut self) {
        let broken: Vec<_> = self
            .problems
            .iter()
            .filter(|problem| problem.key.is_empty())
            .filter_map(Problem::line)
            .collect();
        self.problems.retain(|problem| {
            let on_broken_line = problem.line().is_some_and(|line| broken.contains(&line));
            problem.key.is_empty() || (!on_broken_line && problem.found != structure::NOTHING)
        });
    }

    fn into_problems(mut self) -> Problems {
        self.problems
            .sort_by(|one, other| one.origin.cmp(&other.origin));
        Problems(self.problems)
    }
}
