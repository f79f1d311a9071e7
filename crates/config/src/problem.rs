//! One mistake in the configuration, and where it is.

use std::fmt;

/// Whether a mistake keeps Jansky from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Jansky does not start.
    Error,
    /// Jansky starts, and probably does not do what was meant.
    Warning,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The configuration file.
    File {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A `--set` of the command line.
    CommandLine,
    /// The program itself.
    Default,
}

/// One mistake: what was found where, and what to do.
///
/// Printed as `jansky.toml:41: hub.bind: found …; write …`. Values that may be secret are never
/// part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Whether Jansky starts all the same.
    pub severity: Severity,
    /// The name of the file, as it was given.
    pub file: String,
    /// Where the mistake is.
    pub origin: Origin,
    /// The key, for example `provider.jive.client_id`; empty for a mistake in the writing of TOML.
    pub key: String,
    /// What was found there.
    pub found: String,
    /// What is allowed, or what to do.
    pub advice: String,
}

impl Problem {
    /// The line in the file, if the mistake is there.
    pub fn line(&self) -> Option<usize> {
        match self.origin {
            Origin::File { line, .. } => Some(line),
            _ => None,
        }
    }

    /// The column in the file in characters, if the mistake is there.
    pub fn column(&self) -> Option<usize> {
        match self.origin {
            Origin::File { column, .. } => Some(column),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File { line, .. } => write!(f, "{}:{line}: ", self.file)?,
            Origin::Environment { variable } => write!(f, "environment variable {variable}: ")?,
            Origin::CommandLine => f.write_str("--set: ")?,
            Origin::Default => write!(f, "{}: ", self.file)?,
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.found, self.advice)
    }
}

/// All mistakes of a configuration in the order of the file; at least one is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
