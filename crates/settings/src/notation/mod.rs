//! How values are written as text: one parser for each notation.
//!
//! The same parser reads the value when the configuration is deserialized and judges it when the
//! file is checked, so the two can never disagree. In the schema a notation is a `format`.

mod duration;
mod name;
mod network;
mod path;
mod secret;
mod size;
mod texts;
mod url;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::secret::{SecretError, SecretSource, SecretSources, TextOrSecret};
pub use self::texts::Texts;
pub use self::url::{DatabaseUrl, HttpUrl};

/// A kind of value that people write as text, such as a duration or a URL.
pub trait Notation: Sized {
    /// The name of the notation in the schema, for example `duration`.
    const FORMAT: &'static str;

    /// What an operator calls it, for example `a duration`.
    const MEANING: &'static str;

    /// How it is written, as the advice that follows a value that cannot be read.
    const ADVICE: &'static str;

    /// Reads the value; the error is advice that does not repeat the text.
    fn read(text: &str) -> Result<Self, String>;

    /// Writes the value so that [`Notation::read`] reads it again.
    fn write(&self) -> String;
}

/// A value that is written as text in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written<T>(pub T);

impl<T> Written<T> {
    /// The value itself.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The value itself, without its notation.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Written<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Notation> FromStr for Written<T> {
    /// Advice.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        T::read(text).map(Self)
    }
}

impl<T: Notation> fmt::Display for Written<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.write())
    }
}

impl<T: Notation> fmt::Debug for Written<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.write(), f)
    }
}

impl<T: Notation> Serialize for Written<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.write())
    }
}

impl<'de, T: Notation> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::read(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl<T: Notation> JsonSchema for Written<T> {
    fn schema_name() -> Cow<'static, str> {
        T::FORMAT.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": T::FORMAT })
    }
}

/// What the checker knows about a notation.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// As in [`Notation::FORMAT`].
    pub name: &'static str,
    /// As in [`Notation::MEANING`].
    pub meaning: &'static str,
    /// As in [`Notation::ADVICE`].
    pub advice: &'static str,
    /// Whether a text is written so; the error is advice.
    pub check: fn(&str) -> Result<(), String>,
    /// Whether a text in this notation may hold a password and is never shown.
    pub confidential: bool,
}

const fn format<T: Notation>() -> Format {
    Format {
        name: T::FORMAT,
        meaning: T::MEANING,
        advice: T::ADVICE,
        check: |text| T::read(text).map(drop),
        confidential: false,
    }
}

/// Every notation that may stand in the schema.
const FORMATS: [Format; 9] = [
    format::<std::time::Duration>(),
    format::<jansky_model::ByteSize>(),
    format::<HttpUrl>(),
    Format {
        confidential: true,
        ..format::<DatabaseUrl>()
    },
    format::<std::net::SocketAddr>(),
    format::<ipnet::IpNet>(),
    format::<std::path::PathBuf>(),
    format::<jansky_model::UserName>(),
    format::<jansky_model::ProviderId>(),
];

/// The notation with a name, if it is one of ours.
pub fn format_named(name: &str) -> Option<Format> {
    FORMATS.into_iter().find(|format| format.name == name)
}

/// Every notation, for the reference.
pub fn all_formats() -> impl Iterator<Item = Format> {
    FORMATS.into_iter()
}
