//! The keys with which the hub signs tokens of its own.

use jansky_model::Timestamp;

use crate::grants::Sealed;
use crate::row::Row;
use crate::statement::sql;
use crate::{Store, StoreError};

/// A key of the issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerKey {
    /// The row, for which the private half is sealed (table `issuer_keys`, column `private_key`).
    pub id: i64,
    /// The keys are counted; each has the next number.
    pub number: i64,
    /// Names the key in the headers of tokens (`kid`).
    pub key_id: String,
    /// The algorithm of its signatures, as JOSE names it.
    pub algorithm: String,
    /// The private half.
    pub private_key: Option<Sealed>,
    /// The public half, a JSON Web Key.
    pub public_jwk: String,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// Until when it signs.
    pub signs_until: Timestamp,
    /// Until when others are told of it: tokens that it signed may be about so long.
    pub published_until: Timestamp,
}

/// A key that is to be kept, except its private half.
#[derive(Clone, Debug)]
pub struct NewIssuerKey {
    /// One more than that of the last key.
    pub number: i64,
    /// Names the key in the headers of tokens (`kid`).
    pub key_id: String,
    /// The algorithm of its signatures, as JOSE names it.
    pub algorithm: String,
    /// The public half, a JSON Web Key.
    pub public_jwk: String,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// Until when it signs.
    pub signs_until: Timestamp,
    /// Until when others are told of it.
    pub published_until: Timestamp,
}

impl IssuerKey {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            number: row.get("number")?,
            key_id: row.get("key_id")?,
            algorithm: row.get("algorithm")?,
            private_key: row.get_optional("private_key")?,
            public_jwk: row.get("public_jwk")?,
            signs_from: row.get("signs_from")?,
            signs_until: row.get("signs_until")?,
            published_until: row.get("published_until")?,
        })
    }
}

impl Store {
    /// The keys that others are told of, the newest first.
    pub async fn issuer_keys(&self, now: Timestamp) -> Result<Vec<IssuerKey>, StoreError> {
        let statement = sql(
            "SELECT id, number, key_id, algorithm, private_key, public_jwk,
                 signs_from, signs_until, published_until
             FROM issuer_keys WHERE published_until > $1 ORDER BY number DESC",
        )
        .bind(now);
        let rows = self.db.fetch_all(statement).await?;
        rows.iter().map(IssuerKey::from_row).collect()
    }

    /// The number of the newest key there ever was that is still in the database; 0 for none.
    pub async fn last_issuer_key(&self) -> Result<i64, StoreError> {
        let statement = sql("SELECT COALESCE(MAX(number), 0) AS number FROM issuer_keys");
        let row = self.db.fetch_optional(statement).await?;
        row.map_or(Ok(0), |row| row.get("number"))
    }

    /// Keeps a key, unless another process has just made the one with this number; says whether it
    /// did.
    ///
    /// `seal` gets the row for which it has to seal the private half.
    pub async fn add_issuer_key(
        &self,
        new: &NewIssuerKey,
        seal: impl FnOnce(i64) -> Sealed + Send,
    ) -> Result<bool, StoreError> {
        let reserve = sql(
            "INSERT INTO issuer_keys (number, key_id, algorithm, public_jwk,
                 signs_from, signs_until, published_until)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (number) DO NOTHING RETURNING id",
        )
        .bind(new.number)
        .bind(&new.key_id)
        .bind(&new.algorithm)
        .bind(&new.public_jwk)
        .bind(new.signs_from)
        .bind(new.signs_until)
        .bind(new.published_until);
        let mut transaction = self.db.begin().await?;
        let Some(row) = transaction.fetch_optional(reserve).await? else {
            return Ok(false);
        };
        let id: i64 = row.get("id")?;
        let fill = sql("UPDATE issuer_keys SET private_key = $2 WHERE id = $1");
        transaction.execute(fill.bind(id).bind(&seal(id))).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Seals the private half of a key anew.
    pub async fn replace_issuer_key_seal(
        &self,
        id: i64,
        sealed: &Sealed,
    ) -> Result<(), StoreError> {
        let statement = sql("UPDATE issuer_keys SET private_key = $2 WHERE id = $1");
        self.db.execute(statement.bind(id).bind(sealed)).await?;
        Ok(())
    }
}
