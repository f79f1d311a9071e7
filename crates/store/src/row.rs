//! Rows of an answer, read by the names of their columns.

use jansky_model::{
    ProviderId, Secret, ServerId, ServerName, StartId, Timestamp, UserId, UserName,
};
use sqlx::postgres::{PgRow, Postgres};
use sqlx::{Decode, Row as _, Type};

use crate::StoreError;
use crate::sqlite::{SqliteRow, SqliteValue};

/// A row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What both databases can decode.
pub(crate) trait Raw: for<'r> Decode<'r, Postgres> + Type<Postgres> {
    /// Decodes it; `None` when the value is of another kind.
    fn from_sqlite(value: &SqliteValue) -> Option<Self>
    where
        Self: Sized;
}

macro_rules! raw {
    ($($raw:ty: $kind:ident;)*) => {$(
        impl Raw for $raw {
            fn from_sqlite(value: &SqliteValue) -> Option<Self> {
                match value {
                    SqliteValue::$kind(value) => Some(value.clone()),
                    _ => None,
                }
            }
        }
    )*};
}

raw! {
    String: Text;
    i64: Integer;
    Vec<u8>: Blob;
}

/// A type that a column can be read as.
pub(crate) trait FromColumn: Sized {
    /// How the databases store it.
    type Raw: Raw;

    /// Reads it, or says what is wrong.
    fn from_raw(raw: Self::Raw) -> Result<Self, String>;
}

macro_rules! from_column {
    ($($target:ty: $raw:ty => |$value:ident| $convert:expr;)*) => {$(
        impl FromColumn for $target {
            type Raw = $raw;

            fn from_raw($value: $raw) -> Result<Self, String> {
                $convert
            }
        }
    )*};
}

from_column! {
    String: String => |raw| Ok(raw);
    i64: i64 => |raw| Ok(raw);
    bool: i64 => |raw| Ok(raw != 0);
    Timestamp: i64 => |raw| Ok(Self::from_micros(raw));
    UserId: i64 => |raw| Ok(Self(raw));
    ServerId: i64 => |raw| Ok(Self(raw));
    StartId: i64 => |raw| Ok(Self(raw));
    crate::TokenId: i64 => |raw| Ok(Self(raw));
    crate::IdentityId: i64 => |raw| Ok(Self(raw));
    crate::GrantId: i64 => |raw| Ok(Self(raw));
    crate::GroupId: i64 => |raw| Ok(Self(raw));
    crate::AgentSessionId: i64 => |raw| Ok(Self(raw));
    crate::Sealed: Vec<u8> => |raw| Ok(Self(raw));
    Secret: String => |raw| Ok(Self::new(raw));
    UserName: String => |raw| raw.parse().map_err(|error| format!("{error}"));
    ServerName: String => |raw| raw.parse().map_err(|error| format!("{error}"));
    ProviderId: String => |raw| raw.parse().map_err(|error| format!("{error}"));
    crate::TokenKind: String => |raw| raw.parse();
    crate::GrantKind: String => |raw| raw.parse();
    crate::GrantState: String => |raw| raw.parse();
    crate::DeviceState: String => |raw| raw.parse();
    crate::FreezeReason: String => |raw| raw.parse();
    crate::Digest: Vec<u8> => |raw| {
        raw.try_into().map_err(|raw: Vec<u8>| format!("{} bytes instead of 32", raw.len()))
    };
    serde_json::Value: String => |raw| {
        serde_json::from_str(&raw).map_err(|error| error.to_string())
    };
    Vec<String>: String => |raw| {
        serde_json::from_str(&raw).map_err(|error| error.to_string())
    };
}

impl Row {
    /// Reads a column that is never NULL.
    pub(crate) fn get<T: FromColumn>(&self, column: &'static str) -> Result<T, StoreError> {
        self.get_optional(column)?
            .ok_or(StoreError::InconsistentRow {
                column,
                reason: "it is NULL".to_owned(),
            })
    }

    /// Reads a column that may be NULL.
    pub(crate) fn get_optional<T: FromColumn>(
        &self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let raw: Result<Option<T::Raw>, String> = match self {
            Self::Sqlite(row) => match row.value(column) {
                Some(SqliteValue::Null) => Ok(None),
                Some(value) => T::Raw::from_sqlite(value)
                    .map(Some)
                    .ok_or_else(|| format!("it is of type {}", value.data_type())),
                None => Err("the statement does not ask for it".to_owned()),
            },
            Self::Postgres(row) => Ok(row.try_get(column)?),
        };
        raw.and_then(|raw| raw.map(T::from_raw).transpose())
            .map_err(|reason| StoreError::InconsistentRow { column, reason })
    }
}
