//! The environment of a server, whose values may be secret.

use std::collections::BTreeMap;

use jansky_model::Secret;
use serde::Deserialize;

/// Variables and their values. All values are kept as secrets, since some are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Environment(BTreeMap<String, Secret>);

/// Why a server cannot be told what it was to be told. It names no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No process can have a variable of this name.
    #[error("`{0}` cannot be the name of a variable of the environment")]
    Name(String),
    /// No process can have a variable with this value.
    #[error("the value of the variable `{0}` contains a zero byte")]
    Value(String),
    /// The agent would not read all of it.
    #[error(
        "command and environment of the server take {bytes} bytes, and at most {most} are handed \
         over; set fewer or shorter variables"
    )]
    TooLarge {
        /// How much it is.
        bytes: usize,
        /// How much it may be.
        most: usize,
    },
    /// A path in it is not UTF-8.
    #[error("a path that the server is told is not UTF-8")]
    Path,
}

impl Environment {
    /// Sets a variable, in place of an earlier value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Secret>) {
        self.0.insert(name.into(), value.into());
    }

    /// All variables in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether every variable can exist.
    ///
    /// # Errors
    /// [`Unfit::Name`] or [`Unfit::Value`] for the first one that cannot.
    pub fn check(&self) -> Result<(), Unfit> {
        for (name, value) in self.iter() {
            if !can_be_a_name(name) {
                return Err(Unfit::Name(name.to_owned()));
            }
            // Exposed to a look for one byte.
            if value.expose().contains('\0') {
                return Err(Unfit::Value(name.to_owned()));
            }
        }
        Ok(())
    }
}

/// Whether a variable of this name can exist (environ(7)).
pub fn can_be_a_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

impl<N: Into<String>, V: Into<Secret>> Extend<(N, V)> for Environment {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, variables: I) {
        for (name, value) in variables {
            self.set(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_cannot_exist_is_named_without_its_value() {
        for (name, value, unfit) in [
            ("", "s3cret", Unfit::Name(String::new())),
            ("A=B", "s3cret", Unfit::Name("A=B".to_owned())),
            ("A\0", "s3cret", Unfit::Name("A\0".to_owned())),
            ("A", "s3cret\0", Unfit::Value("A".to_owned())),
        ] {
            let mut environment = Environment::default();
            environment.set("FINE", Secret::new("a=b"));
            assert_eq!(environment.check(), Ok(()));
            environment.set(name, Secret::new(value));

            let found = environment.check().expect_err("it cannot exist");

            assert_eq!(found, unfit);
            assert!(!found.to_string().contains("s3cret"), "{found}");
        }
    }
}
