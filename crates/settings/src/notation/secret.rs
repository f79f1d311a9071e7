//! Secrets: the configuration says where they are, never what they are.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use jansky_model::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// More than this is not a secret but the wrong file.
const LARGEST_FILE: u64 = 64 * 1024;

/// Where a secret is read from: `{ file = "/path" }` or `{ env = "NAME" }`.
///
/// A file given by systemd's `LoadCredential=` is a file like any other, for example
/// `/run/credentials/jansky.service/keycloak`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SecretSource {
    /// A file that only the hub may read; one line break at its end is not part of the secret.
    File(PathBuf),
    /// A variable of the hub's environment.
    Env(String),
}

/// Why a secret could not be read. It names the source, never the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file does not exist or may not be read.
    #[error("could not read the secret file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Everybody on the machine can read or change the file.
    #[error(
        "the secret file `{}` can be read by everybody (mode {mode:04o}); run `chmod o= {}`",
        path.display(), path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is a directory.
    #[error("the secret file `{}` is a directory; name the file in it that holds the secret", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// The file is larger than any secret.
    #[error("the secret file `{}` is larger than 64 KiB; it is not a secret", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not text.
    #[error("the secret file `{}` is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The variable does not exist.
    #[error("the environment variable `{name}` is not set; it should hold a secret")]
    NotSet {
        /// The variable.
        name: String,
    },
    /// There is nothing in the file or variable.
    #[error("the secret in {source_name} is empty")]
    Empty {
        /// As in the `Display` of the source.
        source_name: String,
    },
}

impl SecretSource {
    /// Reads the secret and takes one line break off its end.
    ///
    /// # Errors
    /// When the source does not exist, is empty, is not text, or is a file that everybody can read.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let text = match self {
            Self::File(path) => read_file(path)?,
            Self::Env(name) => {
                std::env::var(name).map_err(|_| SecretError::NotSet { name: name.clone() })?
            }
        };
        let trimmed = text
            .strip_suffix("\r\n")
            .or_else(|| text.strip_suffix('\n'))
            .unwrap_or(&text);
        let secret = Secret::new(trimmed);
        if secret.is_empty() {
            return Err(SecretError::Empty {
                source_name: self.to_string(),
            });
        }
        Ok(secret)
    }
}

fn read_file(path: &PathBuf) -> Result<String, SecretError> {
    let unreadable = |source| SecretError::Unreadable {
        path: path.clone(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // The mode of what was opened, so that nobody can swap the file in between.
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(SecretError::Directory { path: path.clone() });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o006 != 0 {
        return Err(SecretError::TooOpen {
            path: path.clone(),
            mode,
        });
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(SecretError::TooLarge { path: path.clone() });
    }
    String::from_utf8(bytes).map_err(|_| SecretError::NotText { path: path.clone() })
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Env(name) => write!(f, "the environment variable `{name}`"),
        }
    }
}

impl JsonSchema for SecretSource {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a secret is read from: { file = \"/path\" } or { env = \"NAME\" }.",
            "type": "object",
            "format": "secret",
            "properties": {
                "file": {
                    "description": "A file that only the hub may read.",
                    "type": "string",
                    "format": "absolute-path",
                },
                "env": {
                    "description": "A variable of the hub's environment.",
                    "type": "string",
                    "minLength": 1,
                },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
        })
    }
}

/// One secret, or several of which each is valid: two during the time in which one replaces the
/// other. The first is the one to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSources(Vec<SecretSource>);

impl SecretSources {
    /// The sources in the order in which they should be tried; at least one.
    pub fn sources(&self) -> &[SecretSource] {
        &self.0
    }

    /// Reads all secrets.
    pub fn read(&self) -> Result<Vec<Secret>, SecretError> {
        self.0.iter().map(SecretSource::read).collect()
    }
}

impl Serialize for SecretSources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [only] => only.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SecretSources {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(SecretSource),
            Many(Vec<SecretSource>),
        }
        match Form::deserialize(deserializer)? {
            Form::One(source) => Ok(Self(vec![source])),
            Form::Many(sources) if sources.is_empty() => {
                Err(serde::de::Error::custom("the list of secrets is empty"))
            }
            Form::Many(sources) => Ok(Self(sources)),
        }
    }
}

impl JsonSchema for SecretSources {
    fn schema_name() -> Cow<'static, str> {
        "Secrets".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<SecretSource>();
        json_schema!({
            "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }]
        })
    }
}

/// A text that may also come from a secret source, such as a variable for servers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TextOrSecret {
    /// The text itself.
    Text(String),
    /// Where the text is read from.
    Secret(SecretSource),
}

impl TextOrSecret {
    /// The text, read from its source if it has one.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Text(text) => Ok(Secret::new(text.clone())),
            Self::Secret(source) => source.read(),
        }
    }
}

impl fmt::Debug for TextOrSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It may be a password all the same.
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Secret(source) => source.fmt(f),
        }
    }
}

impl JsonSchema for TextOrSecret {
    fn schema_name() -> Cow<'static, str> {
        "TextOrSecret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "string" }, generator.subschema_for::<SecretSource>()]
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    fn file_with(content: &[u8], mode: u32) -> (tempfile::TempDir, SecretSource) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("secret");
        write(&path, content).expect("the file is written");
        set_permissions(&path, Permissions::from_mode(mode)).expect("the mode is set");
        (directory, SecretSource::File(path))
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_a_secret() {
        for content in ["hunter2", "hunter2\n", "hunter2\r\n"] {
            let (_directory, source) = file_with(content.as_bytes(), 0o600);

            assert_eq!(source.read().expect("readable").expose(), "hunter2");
        }
        let (_directory, source) = file_with(b" hunter2 \n\n", 0o600);
        assert_eq!(source.read().expect("readable").expose(), " hunter2 \n");
    }

    #[test]
    fn a_secret_that_everybody_can_read_or_change_is_refused() {
        for mode in [0o644, 0o602] {
            let (_directory, source) = file_with(b"hunter2", mode);

            let error = source.read().expect_err("too open");

            assert!(matches!(error, SecretError::TooOpen { .. }));
            assert!(error.to_string().contains("chmod o="), "{error}");
        }
        let (_directory, source) = file_with(b"hunter2", 0o640);
        assert!(source.read().is_ok());
    }

    #[test]
    fn secrets_that_are_not_there_say_where_they_should_be() {
        let (_directory, empty) = file_with(b"\n", 0o600);
        let (_other, binary) = file_with(b"\xff\xfe", 0o600);
        let (_third, large) = file_with("a".repeat(70_000).as_bytes(), 0o600);
        let missing = SecretSource::File(PathBuf::from("/nonexistent/secret"));
        let unset = SecretSource::Env("JANSKY_TEST_THIS_IS_NOT_SET".to_owned());
        let directory = tempfile::tempdir().expect("a temporary directory");
        let directory = SecretSource::File(directory.path().to_owned());

        assert!(matches!(empty.read(), Err(SecretError::Empty { .. })));
        assert!(matches!(binary.read(), Err(SecretError::NotText { .. })));
        assert!(matches!(large.read(), Err(SecretError::TooLarge { .. })));
        assert!(matches!(
            missing.read(),
            Err(SecretError::Unreadable { .. })
        ));
        assert!(matches!(
            directory.read(),
            Err(SecretError::Directory { .. })
        ));
        let error = unset.read().expect_err("not set").to_string();
        assert!(error.contains("`JANSKY_TEST_THIS_IS_NOT_SET`"), "{error}");
    }

    #[test]
    fn a_secret_is_read_from_the_environment() {
        let source = SecretSource::Env("PATH".to_owned());

        assert_eq!(
            source.read().expect("PATH is set").expose(),
            std::env::var("PATH").expect("PATH is set")
        );
    }
}
