//! Command lines that wait for a person to allow them (RFC 8628).

use std::str::FromStr;
use std::time::Duration;

use jansky_model::{Timestamp, UserId};

use crate::row::Row;
use crate::statement::sql;
use crate::{Digest, Store, StoreError};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody has answered yet.
    Pending,
    /// The person said yes.
    Allowed,
    /// The person said no.
    Denied,
}

impl DeviceState {
    /// The state as one word, as the database has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }
}

impl FromStr for DeviceState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Pending, Self::Allowed, Self::Denied]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not the state of a device request"))
    }
}

/// What a command line asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// The program, as it calls itself.
    pub client_id: String,
    /// The service that the token is for.
    pub audience: String,
    /// The scopes, with spaces between them.
    pub scope: String,
    /// The challenge of RFC 7636 (`S256`), if the program sent one.
    pub challenge: Option<String>,
    /// What became of it.
    pub state: DeviceState,
    /// Who answered.
    pub user_id: Option<UserId>,
    /// Between two questions of the program.
    pub pause: Duration,
    /// When the program last asked.
    pub asked_at: Option<Timestamp>,
    /// Until when it waits.
    pub expires_at: Timestamp,
}

macro_rules! select_request {
    ($condition:literal) => {
        concat!(
            "SELECT client_id, audience, scope, challenge, state, user_id, pause, asked_at,
                 expires_at FROM device_requests ",
            $condition
        )
    };
}

impl DeviceRequest {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let pause: i64 = row.get("pause")?;
        Ok(Self {
            client_id: row.get("client_id")?,
            audience: row.get("audience")?,
            scope: row.get("scope")?,
            challenge: row.get_optional("challenge")?,
            state: row.get("state")?,
            user_id: row.get_optional("user_id")?,
            pause: Duration::from_micros(u64::try_from(pause).unwrap_or_default()),
            asked_at: row.get_optional("asked_at")?,
            expires_at: row.get("expires_at")?,
        })
    }
}

impl Store {
    /// Keeps what a command line asks for, under the digests of its own code and of the one that
    /// the person types.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when one of the codes is taken.
    pub async fn add_device_request(
        &self,
        digest: &Digest,
        user_code: &Digest,
        request: &DeviceRequest,
    ) -> Result<(), StoreError> {
        let statement = sql(
            "INSERT INTO device_requests (digest, user_code_digest, client_id,
                 audience, scope, challenge, state, pause, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(digest)
        .bind(user_code)
        .bind(&request.client_id)
        .bind(&request.audience)
        .bind(&request.scope)
        .bind(request.challenge.as_ref())
        .bind(request.state.as_str())
        .bind(micros(request.pause))
        .bind(request.expires_at);
        let made = self.db.execute(statement).await;
        made.map_err(|error| error.naming(|| "a request with this code".to_owned()))?;
        Ok(())
    }

    /// The request that still waits under the code that a person typed.
    pub async fn pending_device_request(
        &self,
        user_code: &Digest,
        now: Timestamp,
    ) -> Result<Option<DeviceRequest>, StoreError> {
        let statement = sql(select_request!(
            "WHERE user_code_digest = $1 AND state = 'pending' AND expires_at > $2"
        ));
        let row = self
            .db
            .fetch_optional(statement.bind(user_code).bind(now))
            .await?;
        row.as_ref().map(DeviceRequest::from_row).transpose()
    }

    /// Answers a request that still waits; says whether there was one.
    pub async fn answer_device_request(
        &self,
        user_code: &Digest,
        user: UserId,
        state: DeviceState,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = sql("UPDATE device_requests SET state = $3, user_id = $2
             WHERE user_code_digest = $1 AND state = 'pending' AND expires_at > $4")
        .bind(user_code)
        .bind(user)
        .bind(state.as_str())
        .bind(now);
        Ok(self.db.execute(statement).await? > 0)
    }

    /// The request of a command line as it was before this poll, which is recorded. A poll before the
    /// interval is over makes the interval longer by `more` (RFC 8628 section 3.5, `slow_down`).
    pub async fn ask_device_request(
        &self,
        digest: &Digest,
        now: Timestamp,
        more: Duration,
    ) -> Result<Option<DeviceRequest>, StoreError> {
        let mut transaction = self.db.begin().await?;
        let select = sql(select_request!("WHERE digest = $1")).bind(digest);
        let Some(row) = transaction.fetch_optional(select).await? else {
            return Ok(None);
        };
        let request = DeviceRequest::from_row(&row)?;
        let note = sql("UPDATE device_requests SET asked_at = $2, pause = pause
                 + CASE WHEN asked_at + pause > $2 THEN $3 ELSE 0 END
             WHERE digest = $1")
        .bind(digest)
        .bind(now)
        .bind(micros(more));
        transaction.execute(note).await?;
        transaction.commit().await?;
        Ok(Some(request))
    }

    /// Takes an answered request away, so that it brings one token; says whether it was there.
    pub async fn take_device_request(&self, digest: &Digest) -> Result<bool, StoreError> {
        let statement = sql("DELETE FROM device_requests WHERE digest = $1").bind(digest);
        Ok(self.db.execute(statement).await? > 0)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
