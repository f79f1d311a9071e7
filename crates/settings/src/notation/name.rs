//! Names of users and providers; the rules are those of the model.

use jansky_model::{ProviderId, UserName};

use super::Notation;

/// A name is trimmed and lowered here as it is at sign-in, so that `Alice` means `alice`.
impl Notation for UserName {
    const FORMAT: &'static str = "user-name";
    const MEANING: &'static str = "the name of a user";
    const ADVICE: &'static str = "write the name of a user; it is read in small letters";

    fn read(text: &str) -> Result<Self, String> {
        Self::normalize(text).map_err(|error| format!("not a name of a user: {}", error.reason))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Notation for ProviderId {
    const FORMAT: &'static str = "provider-id";
    const MEANING: &'static str = "the id of a provider";
    const ADVICE: &'static str = "write 1 to 40 characters of a-z, 0-9 and hyphens";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| Self::ADVICE.to_owned())
    }

    fn write(&self) -> String {
        self.to_string()
    }
}
