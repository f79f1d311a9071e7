//! URLs of pages, and of databases.

use std::fmt;
use std::ops::Deref;

use jansky_model::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use super::{Notation, SecretError, SecretSource};

/// An `http` or `https` URL with a host and without user name, password or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    url: Url,
    /// As it was written: an issuer is compared as text, and `Url` adds a slash to a bare host.
    text: String,
}

impl HttpUrl {
    /// The text as it was written, for example an issuer without a slash at its end.
    pub fn as_written(&self) -> &str {
        &self.text
    }

    /// Whether the host is this machine's own loopback address or `localhost`.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

impl Deref for HttpUrl {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.url
    }
}

impl Notation for HttpUrl {
    const FORMAT: &'static str = "http-url";
    const MEANING: &'static str = "a URL";
    const ADVICE: &'static str = "write a URL that begins with \"https://\" or \"http://\", for example \"https://jupyter.example.org/\"";

    fn read(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| Self::ADVICE.to_owned())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(Self::ADVICE.to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a user name or password does not belong into this URL".to_owned());
        }
        if url.fragment().is_some() {
            return Err("this URL cannot have a part after \"#\"".to_owned());
        }
        Ok(Self {
            url,
            text: text.to_owned(),
        })
    }

    fn write(&self) -> String {
        self.text.clone()
    }
}

/// Where the database is: a text, or a secret since the text may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The URL itself.
    Inline(Secret),
    /// Where the URL is read from.
    Source(SecretSource),
}

impl DatabaseUrl {
    /// Reads the URL.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Inline(url) => Ok(url.clone()),
            Self::Source(source) => source.read(),
        }
    }

    /// The URL without what could be a password.
    pub fn redacted(&self) -> String {
        let Self::Inline(url) = self else {
            return "…".to_owned();
        };
        let Ok(mut url) = Url::parse(url.expose()) else {
            return "…".to_owned();
        };
        if url.password().is_some() && url.set_password(Some("…")).is_err() {
            return "…".to_owned();
        }
        if url.query().is_some() && url.scheme() != "sqlite" {
            url.set_query(Some("…"));
        }
        url.to_string().replace("%E2%80%A6", "…")
    }
}

impl Notation for DatabaseUrl {
    const FORMAT: &'static str = "database-url";
    const MEANING: &'static str = "the URL of a database";
    const ADVICE: &'static str =
        "write \"sqlite:///path/of/the/file\" or \"postgres://user@host/name\"";

    fn read(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| <Self as Notation>::ADVICE.to_owned())?;
        match url.scheme() {
            "sqlite" if url.path().len() > 1 => Ok(Self::Inline(Secret::new(text))),
            "postgres" | "postgresql" => Ok(Self::Inline(Secret::new(text))),
            _ => Err(<Self as Notation>::ADVICE.to_owned()),
        }
    }

    fn write(&self) -> String {
        self.redacted()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => write!(f, "{:?}", self.redacted()),
            Self::Source(source) => source.fmt(f),
        }
    }
}

impl Serialize for DatabaseUrl {
    /// Writes the URL without its password.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Inline(_) => serializer.serialize_str(&self.redacted()),
            Self::Source(source) => source.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(Secret),
            Source(SecretSource),
        }
        match Form::deserialize(deserializer)? {
            Form::Text(text) => {
                <Self as Notation>::read(text.expose()).map_err(serde::de::Error::custom)
            }
            Form::Source(source) => Ok(Self::Source(source)),
        }
    }
}

impl JsonSchema for DatabaseUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DatabaseUrl".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "format": <Self as Notation>::FORMAT },
                generator.subschema_for::<SecretSource>(),
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_keeps_its_text() {
        let issuer = HttpUrl::read("https://sso.example.org").expect("valid");

        assert_eq!(issuer.as_written(), "https://sso.example.org");
        assert_eq!(issuer.path(), "/");
    }

    #[test]
    fn urls_that_are_not_of_a_page_are_refused() {
        for bad in [
            "",
            "example.org",
            "ftp://example.org/",
            "https://",
            "https://user:password@example.org/",
            "https://example.org/#top",
            "/hub",
        ] {
            assert!(HttpUrl::read(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn the_password_of_a_database_is_not_shown() {
        for text in [
            "postgres://jansky:hunter2@db.example.org/jansky",
            "postgres://db.example.org/jansky?password=hunter2",
        ] {
            let url = <DatabaseUrl as Notation>::read(text).expect("valid");

            assert!(!url.redacted().contains("hunter2"), "{}", url.redacted());
            assert!(!format!("{url:?}").contains("hunter2"));
            assert!(url.redacted().contains("db.example.org/jansky"));
        }
    }

    #[test]
    fn only_databases_that_exist_are_accepted() {
        for good in [
            "sqlite:///var/lib/jansky/jansky.sqlite",
            "postgresql:///jansky",
        ] {
            assert!(<DatabaseUrl as Notation>::read(good).is_ok(), "{good:?}");
        }
        for bad in [
            "mysql://host/db",
            "jansky.sqlite",
            "sqlite://",
            "sqlite:///",
        ] {
            assert!(<DatabaseUrl as Notation>::read(bad).is_err(), "{bad:?}");
        }
    }
}
