//! Who else than its owner has entered a server since it was started.

use jansky_model::{ServerId, StartId, Timestamp, UserName};

use crate::changes::{USER_CHANGED, record_change};
use crate::row::Row;
use crate::statement::sql;
use crate::{Server, Store, StoreError, User};

/// Somebody who has entered a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVisit {
    /// The name that they had then.
    pub user: UserName,
    /// When they first did.
    pub at: Timestamp,
}

impl ServerVisit {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            user: row.get("user_name")?,
            at: row.get("at")?,
        })
    }
}

impl Store {
    /// Records that somebody else than its owner enters a server; says whether it is the first time
    /// since `start`. What was recorded of earlier starts is dropped.
    ///
    /// It is a change of the owner, whose tokens depend on who has been in there.
    pub async fn record_server_visit(
        &self,
        server: &Server,
        start: StartId,
        who: &User,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        // Most enter again and again, which a look shows.
        let look = sql("SELECT 1 AS one FROM entries
             WHERE server_id = $1 AND start_id = $2 AND user_id = $3");
        let look = look.bind(server.id).bind(start).bind(who.id);
        if self.db.fetch_optional(look).await?.is_some() {
            return Ok(false);
        }
        let mut transaction = self.db.begin().await?;
        let earlier = sql("DELETE FROM entries WHERE server_id = $1 AND start_id < $2");
        transaction
            .execute(earlier.bind(server.id).bind(start))
            .await?;
        let insert = sql(
            "INSERT INTO entries (server_id, start_id, user_id, user_name, at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (server_id, start_id, user_id) DO NOTHING",
        );
        let insert = insert.bind(server.id).bind(start).bind(who.id);
        let inserted = transaction.execute(insert.bind(&who.name).bind(at)).await?;
        record_change(&mut transaction, USER_CHANGED, server.user_id.0, at).await?;
        transaction.commit().await?;
        Ok(inserted > 0)
    }

    /// Who else than its owner has entered a server since `start`, the first before others.
    pub async fn entries(
        &self,
        server: ServerId,
        start: StartId,
    ) -> Result<Vec<ServerVisit>, StoreError> {
        let statement = sql("SELECT user_name, at FROM entries
             WHERE server_id = $1 AND start_id = $2 ORDER BY at, user_id");
        let rows = self
            .db
            .fetch_all(statement.bind(server).bind(start))
            .await?;
        rows.iter().map(ServerVisit::from_row).collect()
    }
}
