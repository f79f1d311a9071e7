//! Values that the installation makes for itself once and keeps, such as the key of its signatures.

use crate::statement::sql;
use crate::{Store, StoreError};

impl Store {
    /// The value under this name.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let statement = sql("SELECT value FROM settings WHERE name = $1").bind(name);
        let row = self.db.fetch_optional(statement).await?;
        row.map(|row| row.get("value")).transpose()
    }

    /// Keeps a value, in place of the one that there is.
    pub async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let statement = sql("INSERT INTO settings (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value");
        let statement = statement.bind(name).bind(value);
        self.db.execute(statement).await.map(|_| ())
    }

    /// Keeps a value unless there is one, and gives back the one that counts.
    ///
    /// Several replicas that start at the same time all get the same.
    pub async fn put_setting_if_absent(
        &self,
        name: &str,
        value: &str,
    ) -> Result<String, StoreError> {
        let mut transaction = self.db.begin().await?;
        let insert = sql("INSERT INTO settings (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO NOTHING");
        transaction.execute(insert.bind(name).bind(value)).await?;
        let select = sql("SELECT value FROM settings WHERE name = $1").bind(name);
        let row = transaction.fetch_one(select).await?;
        transaction.commit().await?;
        row.get("value")
    }
}
