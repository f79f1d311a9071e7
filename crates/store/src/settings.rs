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

    /// Stores a value, replacing the present one.
    pub async fn put_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let statement = sql("INSERT INTO settings (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value");
        let statement = statement.bind(name).bind(value);
        self.db.execute(statement).await.map(|_| ())
    }

    /// Stores a value unless there is one already; returns the stored one.
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
