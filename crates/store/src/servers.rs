//! Servers and their lives.
//!
//! Every change of a server's state is a compare-and-set on its `version` that goes through
//! [`ServerState::next`], so of several who decide on the same reading exactly one succeeds.

use jansky_model::name::server_client_id;
use jansky_model::{
    ServerEvent, ServerId, ServerName, ServerState, StartId, Timestamp, UserId, UserName,
};

use crate::agents::{end_agent, forget_agents};
use crate::changes::{SERVERS_STOPPING, USER_CHANGED, record_change, record_users};
use crate::db::Transaction;
use crate::row::Row;
use crate::statement::{Composed, Statement, sql};
use crate::tokens::insert_token;
use crate::users::user_ids;
use crate::{NewToken, Store, StoreError, Token};

/// One of a user's servers, running or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The row; it stays the same when the server is renamed.
    pub id: ServerId,
    /// Whose server it is.
    pub user_id: UserId,
    /// The name of that user.
    pub user: UserName,
    /// Its name, unique for the user; empty for the default server.
    pub name: ServerName,
    /// Its name for people, possibly empty.
    pub display_name: String,
    /// Where it is in its life.
    pub state: ServerState,
    /// How the spawner finds it again; only while it is active.
    pub handle: Option<serde_json::Value>,
    /// The spawner of the last start; empty before the first.
    pub spawner: String,
    /// What the user chose for the last start.
    pub user_options: serde_json::Value,
    /// Its OAuth client id, unique.
    pub client_id: String,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the present run was asked for; `None` when it is stopped or failed.
    pub started_at: Option<Timestamp>,
    /// When it was last used, if ever.
    pub last_activity_at: Option<Timestamp>,
    /// How many starts there were so far; the next one gets the [`StartId`] one above.
    pub starts: i64,
    /// Grows with every change of the state.
    pub version: i64,
}

/// A server that is to be made, stopped.
#[derive(Clone, Debug)]
pub struct NewServer {
    /// Whose server it is.
    pub user_id: UserId,
    /// Its name, unique for the user.
    pub name: ServerName,
    /// Its OAuth client id, unique.
    pub client_id: String,
    /// Its name for people, possibly empty.
    pub display_name: String,
    /// What it is to be started with if nothing else is asked for: a JSON object, or null.
    pub user_options: serde_json::Value,
    /// When it is made.
    pub created_at: Timestamp,
}

/// What is written down before anything is started.
#[derive(Clone, Debug)]
pub struct BeginStart {
    /// The id of this start: one above [`Server::starts`].
    pub start: StartId,
    /// What the user chose.
    pub user_options: serde_json::Value,
    /// Which spawner is going to start it.
    pub spawner: String,
    /// The token that the server gets; it is bound to the server whatever `server_id` says.
    pub token: NewToken,
    /// The time of the start.
    pub at: Timestamp,
}

macro_rules! select_servers {
    ($condition:literal) => {
        concat!(
            "SELECT servers.id AS id, servers.user_id AS user_id, users.name AS user_name, \
             servers.name AS name, display_name, state, start_id, state_since, url, reason, \
             log_tail, handle, spawner, user_options, client_id, \
             servers.created_at AS created_at, started_at, \
             servers.last_activity_at AS last_activity_at, starts, version \
             FROM servers JOIN users ON users.id = servers.user_id ",
            $condition
        )
    };
}

impl Server {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            user_id: row.get("user_id")?,
            user: row.get("user_name")?,
            name: row.get("name")?,
            display_name: row.get("display_name")?,
            state: state_from_row(row)?,
            handle: row.get_optional("handle")?,
            spawner: row.get("spawner")?,
            user_options: row.get("user_options")?,
            client_id: row.get("client_id")?,
            created_at: row.get("created_at")?,
            started_at: row.get_optional("started_at")?,
            last_activity_at: row.get_optional("last_activity_at")?,
            starts: row.get("starts")?,
            version: row.get("version")?,
        })
    }
}

fn state_from_row(row: &Row) -> Result<ServerState, StoreError> {
    let word: String = row.get("state")?;
    if word == "stopped" {
        return Ok(ServerState::Stopped);
    }
    let start = row.get("start_id")?;
    let since = row.get("state_since")?;
    Ok(match word.as_str() {
        "starting" => ServerState::Starting { start, since },
        "ready" => ServerState::Ready {
            start,
            since,
            url: row.get("url")?,
        },
        "stopping" => ServerState::Stopping { start, since },
        "failed" => ServerState::Failed {
            start,
            since,
            reason: row.get("reason")?,
            log_tail: row.get("log_tail")?,
        },
        _ => {
            return Err(StoreError::InconsistentRow {
                column: "state",
                reason: format!("`{word}` is not a state"),
            });
        }
    })
}

/// Writes a state if the version is still `version`, and counts the version up.
fn write_state(id: ServerId, version: i64, state: &ServerState) -> Statement {
    let (mut since, mut url, mut reason, mut log_tail) = (None, None, None, None);
    match state {
        ServerState::Stopped => {}
        ServerState::Starting { since: at, .. } | ServerState::Stopping { since: at, .. } => {
            since = Some(*at);
        }
        ServerState::Ready {
            since: at,
            url: address,
            ..
        } => {
            since = Some(*at);
            url = Some(address);
        }
        ServerState::Failed {
            since: at,
            reason: why,
            log_tail: tail,
            ..
        } => {
            since = Some(*at);
            reason = Some(why);
            log_tail = Some(tail);
        }
    }
    sql(
        "UPDATE servers SET version = version + 1, state = $3, start_id = $4,
             state_since = $5, url = $6, reason = $7, log_tail = $8
         WHERE id = $1 AND version = $2",
    )
    .bind(id)
    .bind(version)
    .bind(state.as_str())
    .bind(state.start())
    .bind(since)
    .bind(url)
    .bind(reason)
    .bind(log_tail)
}

/// Reads a server that somebody saw at `version`.
async fn read_at(
    transaction: &mut Transaction,
    id: ServerId,
    version: i64,
) -> Result<Server, StoreError> {
    let server = read(transaction, id).await?;
    if server.version != version {
        return Err(StoreError::conflict(named(id)));
    }
    Ok(server)
}

async fn read(transaction: &mut Transaction, id: ServerId) -> Result<Server, StoreError> {
    let statement = sql(select_servers!("WHERE servers.id = $1")).bind(id);
    let row = transaction.fetch_optional(statement).await?;
    let row = row.ok_or_else(|| StoreError::not_found(named(id)))?;
    Server::from_row(&row)
}

/// The servers of a user that run and are not to stop already.
async fn running_servers_of(
    transaction: &mut Transaction,
    user: UserId,
) -> Result<Vec<Server>, StoreError> {
    let statement = sql(select_servers!(
        "WHERE servers.user_id = $1 AND servers.state IN ('starting', 'ready') ORDER BY servers.id"
    ));
    let rows = transaction.fetch_all(statement.bind(user)).await?;
    rows.iter().map(Server::from_row).collect()
}

/// Takes back what a server and its visitors hold: its own tokens, and OAuth tokens and codes for
/// it. Says whose tokens those were.
async fn revoke(
    transaction: &mut Transaction,
    id: ServerId,
    client_id: &str,
) -> Result<Vec<UserId>, StoreError> {
    let codes = sql("DELETE FROM codes WHERE client_id = $1").bind(client_id);
    transaction.execute(codes).await?;
    let tokens = sql("DELETE FROM tokens WHERE server_id = $1 OR client_id = $2 RETURNING user_id");
    let rows = transaction
        .fetch_all(tokens.bind(id).bind(client_id))
        .await?;
    user_ids(&rows)
}

fn named(id: ServerId) -> String {
    format!("server with id `{id}`")
}

/// An update of a row by its id that must have found it.
fn found(touched: u64, id: ServerId) -> Result<(), StoreError> {
    if touched == 0 {
        return Err(StoreError::not_found(named(id)));
    }
    Ok(())
}

impl Store {
    /// Makes a server, stopped.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when the user has one of this name or the client id is taken;
    /// [`StoreError::NotFound`] when the user is gone.
    pub async fn create_server(&self, new: &NewServer) -> Result<Server, StoreError> {
        let insert = sql(
            "INSERT INTO servers (user_id, name, display_name, state, spawner,
                 user_options, client_id, created_at, starts, version)
             VALUES ($1, $2, $3, 'stopped', '', $4, $5, $6, 0, 0) RETURNING id",
        )
        .bind(new.user_id)
        .bind(&new.name)
        .bind(&new.display_name)
        .bind(&new.user_options.to_string())
        .bind(&new.client_id)
        .bind(new.created_at);
        let mut transaction = self.db.begin().await?;
        let row = transaction
            .fetch_one(insert)
            .await
            .map_err(|error| error.naming(|| format!("server `{}`", new.client_id)))?;
        let server = read(&mut transaction, row.get("id")?).await?;
        transaction.commit().await?;
        Ok(server)
    }

    async fn one_server(&self, statement: Statement) -> Result<Option<Server>, StoreError> {
        let row = self.db.fetch_optional(statement).await?;
        row.as_ref().map(Server::from_row).transpose()
    }

    async fn many_servers(&self, statement: Statement) -> Result<Vec<Server>, StoreError> {
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(Server::from_row).collect()
    }

    /// The server with this id.
    pub async fn server(&self, id: ServerId) -> Result<Option<Server>, StoreError> {
        self.one_server(sql(select_servers!("WHERE servers.id = $1")).bind(id))
            .await
    }

    /// The server of a user with this name.
    pub async fn server_by_name(
        &self,
        user: UserId,
        name: &ServerName,
    ) -> Result<Option<Server>, StoreError> {
        let statement = sql(select_servers!(
            "WHERE servers.user_id = $1 AND servers.name = $2"
        ));
        self.one_server(statement.bind(user).bind(name)).await
    }

    /// The server with this OAuth client id.
    pub async fn server_by_client_id(&self, client_id: &str) -> Result<Option<Server>, StoreError> {
        self.one_server(sql(select_servers!("WHERE client_id = $1")).bind(client_id))
            .await
    }

    /// All servers of a user, by name, the default server first.
    pub async fn servers_of(&self, user: UserId) -> Result<Vec<Server>, StoreError> {
        let statement = sql(select_servers!(
            "WHERE servers.user_id = $1 ORDER BY servers.name"
        ));
        self.many_servers(statement.bind(user)).await
    }

    /// All servers of several users in one question, by user and name.
    pub async fn servers_of_users(&self, users: &[UserId]) -> Result<Vec<Server>, StoreError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = Composed::default();
        query
            .push(select_servers!("WHERE servers.user_id IN "))
            .push_list(users.iter().copied())
            .push(" ORDER BY servers.user_id, servers.name");
        self.many_servers(query.finish()).await
    }

    /// All servers that are starting, ready or stopping, by id.
    pub async fn active_servers(&self) -> Result<Vec<Server>, StoreError> {
        self.many_servers(sql(select_servers!(
            "WHERE state IN ('starting', 'ready', 'stopping') ORDER BY servers.id"
        )))
        .await
    }

    /// Claims a start: the server is [`ServerState::Starting`] with its token when this returns.
    ///
    /// Nothing may be started before. Tokens of earlier starts stop working.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the server is no longer at `version` or `start` is not the
    /// next id; [`StoreError::InvalidTransition`] when it is active; [`StoreError::NotFound`].
    pub async fn begin_start(
        &self,
        id: ServerId,
        version: i64,
        begin: BeginStart,
    ) -> Result<Server, StoreError> {
        let mut transaction = self.db.begin().await?;
        let server = read_at(&mut transaction, id, version).await?;
        if begin.start.0 != server.starts + 1 {
            return Err(StoreError::conflict(named(id)));
        }
        let event = ServerEvent::Start { start: begin.start };
        let state = server.state.next(event, begin.at)?;
        if transaction
            .execute(write_state(id, version, &state))
            .await?
            == 0
        {
            return Err(StoreError::conflict(named(id)));
        }
        let start = sql(
            "UPDATE servers SET starts = $2, user_options = $3, spawner = $4,
                 handle = NULL, started_at = $5,
                 last_activity_at = CASE WHEN last_activity_at > $5
                     THEN last_activity_at ELSE $5 END
             WHERE id = $1",
        )
        .bind(id)
        .bind(begin.start)
        .bind(&begin.user_options)
        .bind(&begin.spawner)
        .bind(begin.at);
        transaction.execute(start).await?;
        forget_agents(&mut transaction, id).await?;
        give_token(&mut transaction, id, begin.token).await?;
        let server = read(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(server)
    }

    /// Gives a server another token and takes the present one back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the server is gone.
    pub async fn replace_server_token(
        &self,
        id: ServerId,
        token: NewToken,
    ) -> Result<Token, StoreError> {
        let mut transaction = self.db.begin().await?;
        let token = give_token(&mut transaction, id, token).await?;
        record_change(
            &mut transaction,
            USER_CHANGED,
            token.user_id.0,
            token.created_at,
        )
        .await?;
        transaction.commit().await?;
        Ok(token)
    }

    /// Keeps the spawner's handle for a start that is under way. The version stays.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when this start is over or another one took its place.
    pub async fn save_handle(
        &self,
        id: ServerId,
        start: StartId,
        handle: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let statement = sql(
            "UPDATE servers SET handle = $3 WHERE id = $1 AND start_id = $2
             AND state IN ('starting', 'ready', 'stopping')",
        )
        .bind(id)
        .bind(start)
        .bind(handle);
        if self.db.execute(statement).await? == 0 {
            return Err(StoreError::conflict(named(id)));
        }
        Ok(())
    }

    /// Applies an event to a server that was seen at `version`, and gives back the server after it.
    ///
    /// A server that becomes stopped or failed loses, in the same transaction, its handle, its
    /// token, its agent's session and all OAuth tokens and codes that were given out for it. A start
    /// goes through [`Store::begin_start`] instead.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the server is no longer at `version`;
    /// [`StoreError::InvalidTransition`]; [`StoreError::NotFound`].
    pub async fn apply_event(
        &self,
        id: ServerId,
        version: i64,
        event: ServerEvent,
        at: Timestamp,
    ) -> Result<Server, StoreError> {
        let mut transaction = self.db.begin().await?;
        let server = read_at(&mut transaction, id, version).await?;
        let state = server.state.next(event, at)?;
        if transaction
            .execute(write_state(id, version, &state))
            .await?
            == 0
        {
            return Err(StoreError::conflict(named(id)));
        }
        let mut changed = Vec::new();
        if !state.is_active() {
            // One that ran under a client id of an earlier version gets that of this one.
            let ended = sql(
                "UPDATE servers SET handle = NULL, started_at = NULL, client_id = $3,
                     last_activity_at = CASE WHEN last_activity_at > $2
                         THEN last_activity_at ELSE $2 END
                 WHERE id = $1",
            );
            let client_id = server_client_id(&server.user, &server.name);
            transaction
                .execute(ended.bind(id).bind(at).bind(&client_id))
                .await?;
            end_agent(&mut transaction, id, at).await?;
            changed = revoke(&mut transaction, id, &server.client_id).await?;
            changed.push(server.user_id);
        }
        let server = read(&mut transaction, id).await?;
        record_users(&mut transaction, changed, at).await?;
        transaction.commit().await?;
        Ok(server)
    }

    /// Records that all servers of a user that run are to stop, and tells whoever runs servers.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one of them changed meanwhile: nothing is recorded, try again.
    pub async fn stop_servers_of(&self, user: UserId, at: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.db.begin().await?;
        let running = running_servers_of(&mut transaction, user).await?;
        let is_any = !running.is_empty();
        for server in running {
            let state = server.state.next(ServerEvent::Stop, at)?;
            let write = write_state(server.id, server.version, &state);
            if transaction.execute(write).await? == 0 {
                return Err(StoreError::conflict(named(server.id)));
            }
        }
        if is_any {
            record_change(&mut transaction, SERVERS_STOPPING, user.0, at).await?;
        }
        transaction.commit().await
    }

    /// Gives a server another name and the client id that goes with it.
    ///
    /// # Errors
    /// [`StoreError::AlreadyExists`] when either is taken, [`StoreError::NotFound`].
    pub async fn rename_server(
        &self,
        id: ServerId,
        name: &ServerName,
        client_id: &str,
    ) -> Result<(), StoreError> {
        let statement = sql("UPDATE servers SET name = $2, client_id = $3 WHERE id = $1")
            .bind(id)
            .bind(name)
            .bind(client_id);
        let touched = self
            .db
            .execute(statement)
            .await
            .map_err(|error| error.naming(|| format!("server `{client_id}`")))?;
        found(touched, id)
    }

    /// Gives a server another name for people.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_display_name(
        &self,
        id: ServerId,
        display_name: &str,
    ) -> Result<(), StoreError> {
        let statement = sql("UPDATE servers SET display_name = $2 WHERE id = $1");
        let touched = self
            .db
            .execute(statement.bind(id).bind(display_name))
            .await?;
        found(touched, id)
    }

    /// Keeps what the user chose for the next start.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_user_options(
        &self,
        id: ServerId,
        user_options: &serde_json::Value,
    ) -> Result<(), StoreError> {
        let statement = sql("UPDATE servers SET user_options = $2 WHERE id = $1");
        let touched = self
            .db
            .execute(statement.bind(id).bind(user_options))
            .await?;
        found(touched, id)
    }

    /// Records that a server was used at `at`, unless a later use is known.
    pub async fn touch_server(&self, id: ServerId, at: Timestamp) -> Result<(), StoreError> {
        let statement = sql("UPDATE servers SET last_activity_at = $2
             WHERE id = $1 AND (last_activity_at IS NULL OR last_activity_at < $2)");
        self.db
            .execute(statement.bind(id).bind(at))
            .await
            .map(|_| ())
    }

    /// Deletes a server with all tokens and codes for it; says whether there was one.
    ///
    /// It does not stop anything: that is the caller's business before.
    pub async fn delete_server(&self, id: ServerId, at: Timestamp) -> Result<bool, StoreError> {
        let mut transaction = self.db.begin().await?;
        let statement =
            sql("DELETE FROM servers WHERE id = $1 RETURNING user_id, client_id").bind(id);
        let Some(row) = transaction.fetch_optional(statement).await? else {
            return Ok(false);
        };
        let client_id: String = row.get("client_id")?;
        let mut changed = revoke(&mut transaction, id, &client_id).await?;
        changed.push(row.get("user_id")?);
        record_users(&mut transaction, changed, at).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Takes back the tokens of a server and gives it this one.
async fn give_token(
    transaction: &mut Transaction,
    id: ServerId,
    token: NewToken,
) -> Result<Token, StoreError> {
    let older = sql("DELETE FROM tokens WHERE server_id = $1").bind(id);
    transaction.execute(older).await?;
    let token = NewToken {
        server_id: Some(id),
        ..token
    };
    insert_token(transaction, token).await
}
