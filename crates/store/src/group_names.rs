//! Names of groups in the form in which they are kept and compared.

use std::collections::BTreeSet;

use jansky_model::name::group_name;

use crate::statement::sql;
use crate::{Store, StoreError};

/// What is written once when the groups of earlier versions have their names.
const DONE: &str = "group_names_have_one_form";

impl Store {
    /// Gives groups of earlier versions their names in the form that rules and providers' words have now,
    /// once: nobody would come into them any more, and what is shared with them would be lost. Of several
    /// that have the same form the first gets it, and the others stay as they are.
    pub(crate) async fn name_earlier_groups(&self) -> Result<(), StoreError> {
        if self.setting(DONE).await?.is_some() {
            return Ok(());
        }
        let mut transaction = self.db.begin().await?;
        let groups = sql("SELECT id, name FROM groups ORDER BY id");
        let groups = transaction.fetch_all(groups).await?;
        let taken = groups.iter().map(|row| row.get("name"));
        let mut taken = taken.collect::<Result<BTreeSet<String>, _>>()?;
        for row in &groups {
            let form = group_name(&row.get::<String>("name")?);
            if taken.insert(form.clone()) {
                let change = sql("UPDATE groups SET name = $2 WHERE id = $1");
                let change = change.bind(row.get::<i64>("id")?).bind(&form);
                transaction.execute(change).await?;
            }
        }
        transaction.commit().await?;
        self.put_setting_if_absent(DONE, "1").await.map(|_| ())
    }
}
