//! The two accounts of the demo. Their passwords are made at the first start and kept in a file
//! that only this account can read, so that the second start can say them again.

use std::path::Path;

use anyhow::Context as _;
use jansky_crypto::{Random as _, SystemRandom};
use jansky_model::Secret;
use serde_json::{Map, Value};

use crate::files::write_private;

/// The note of the token that scripts get.
pub(crate) const TOKEN_NOTE: &str = "made by jansky demo";

/// Name of each account and whether it is an admin.
const ACCOUNTS: [(&str, bool); 2] = [("grote", true), ("reber", false)];

/// An account of the demo.
pub(crate) struct Account {
    pub(crate) name: &'static str,
    pub(crate) password: Secret,
    pub(crate) admin: bool,
}

/// Reads the accounts, or makes them.
pub(crate) fn load_or_make(home: &Path) -> anyhow::Result<Vec<Account>> {
    let path = home.join("accounts.json");
    let known: Map<String, Value> = match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| {
            format!("`{}` is damaged; remove it and start again", path.display())
        })?,
        Err(_) => Map::new(),
    };
    let accounts: Vec<Account> = ACCOUNTS
        .iter()
        .map(|&(name, admin)| {
            let kept = known.get(name).and_then(Value::as_str).map(Secret::new);
            let password = kept.unwrap_or_else(|| Secret::new(&SystemRandom.text()[..16]));
            Account {
                name,
                password,
                admin,
            }
        })
        .collect();
    let all: Map<String, Value> = accounts
        .iter()
        .map(|account| {
            (
                account.name.to_owned(),
                Value::from(account.password.expose()),
            )
        })
        .collect();
    write_private(&path, &format!("{:#}\n", Value::Object(all)))?;
    Ok(accounts)
}
