//! Statements: texts with parameters that mean the same to SQLite and PostgreSQL.

use jansky_model::{
    ProviderId, Secret, ServerId, ServerName, StartId, Timestamp, UserId, UserName,
};
use sqlx::{AssertSqlSafe, SqlStr};

/// A value for a parameter; each kind has its own NULL because PostgreSQL types it.
#[derive(Clone)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Bytes(Option<Vec<u8>>),
}

/// A text and the values of its parameters.
pub(crate) struct Statement {
    pub(crate) text: SqlStr,
    pub(crate) values: Vec<Value>,
}

/// A statement with a fixed text.
pub(crate) fn sql(text: &'static str) -> Statement {
    Statement {
        text: SqlStr::from_static(text),
        values: Vec::new(),
    }
}

impl Statement {
    /// Binds the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// A statement whose text depends on the question; it is put together from fixed pieces only.
#[derive(Clone, Default)]
pub(crate) struct Composed {
    text: String,
    values: Vec<Value>,
}

impl Composed {
    /// Appends a fixed piece.
    pub(crate) fn push(&mut self, piece: &'static str) -> &mut Self {
        self.text.push_str(piece);
        self
    }

    /// Appends a parameter with this value.
    pub(crate) fn push_value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
        self
    }

    /// Appends a list of parameters in parentheses, for `IN`; `values` must not be empty.
    pub(crate) fn push_list<V: Into<Value>>(
        &mut self,
        values: impl IntoIterator<Item = V>,
    ) -> &mut Self {
        let mut separator = "(";
        for value in values {
            self.push(separator).push_value(value);
            separator = ", ";
        }
        self.push(")")
    }

    /// Appends another composition, which must not have parameters if this one has some already.
    pub(crate) fn append(&mut self, other: Self) -> &mut Self {
        debug_assert!(self.values.is_empty() || other.values.is_empty());
        self.text.push_str(&other.text);
        self.values.extend(other.values);
        self
    }

    /// The finished statement.
    pub(crate) fn finish(self) -> Statement {
        Statement {
            text: sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(self.text)),
            values: self.values,
        }
    }
}

macro_rules! value_from {
    ($($source:ty => $kind:ident($value:ident) $convert:expr;)*) => {$(
        impl From<$source> for Value {
            fn from($value: $source) -> Self {
                Self::$kind(Some($convert))
            }
        }
        impl From<Option<$source>> for Value {
            fn from(value: Option<$source>) -> Self {
                Self::$kind(value.map(|$value| $convert))
            }
        }
    )*};
}

value_from! {
    &str => Text(value) storable(value);
    &String => Text(value) storable(value);
    &UserName => Text(value) value.as_str().to_owned();
    &ServerName => Text(value) value.as_str().to_owned();
    &ProviderId => Text(value) value.as_str().to_owned();
    &Secret => Text(value) value.expose().to_owned();
    &serde_json::Value => Text(value) value.to_string();
    i64 => Int(value) value;
    bool => Int(value) i64::from(value);
    Timestamp => Int(value) value.micros();
    UserId => Int(value) value.0;
    ServerId => Int(value) value.0;
    StartId => Int(value) value.0;
    crate::TokenId => Int(value) value.0;
    crate::IdentityId => Int(value) value.0;
    crate::GrantId => Int(value) value.0;
    crate::GroupId => Int(value) value.0;
    crate::AgentSessionId => Int(value) value.0;
    &crate::Sealed => Bytes(value) value.0.clone();
    &[u8] => Bytes(value) value.to_vec();
    &crate::Digest => Bytes(value) value.to_vec();
}

/// PostgreSQL refuses the character NUL in a text; a log can hold one.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

impl From<&[String]> for Value {
    /// A list of texts is stored as JSON.
    fn from(texts: &[String]) -> Self {
        let list = texts.iter().map(String::as_str).collect::<Vec<_>>();
        Self::Text(Some(serde_json::Value::from(list).to_string()))
    }
}
