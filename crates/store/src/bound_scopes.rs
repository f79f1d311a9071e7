//! Scopes in tables mean rows, not names.
//!
//! A scope such as `access:servers!server=river/gpu` names a user and a server, and both can get other
//! names, or go and be made again by somebody else. So what is stored names rows (`!server_id=7`), which
//! are never used twice, and what is read has the names that those rows have now. A scope whose row is
//! gone is not there any more.

use std::collections::{BTreeSet, HashMap};

use crate::db::{Db, Transaction};
use crate::row::Row;
use crate::statement::{Composed, Statement, Value, sql};
use crate::users::MOST_AT_ONCE;
use crate::{Store, StoreError};

/// What is written once when the scopes of earlier versions have been bound.
const DONE: &str = "scopes_are_bound";

/// What a filter in a scope is about.
enum Filter<'a> {
    User(&'a str),
    Group(&'a str),
    Server(&'a str, &'a str),
}

/// The scope, and the filter if it is one with a name.
fn by_name(text: &str) -> Option<(&str, Filter<'_>)> {
    let (scope, filter) = text.split_once('!')?;
    let (kind, name) = filter.split_once('=')?;
    let filter = match kind {
        "user" => Filter::User(name),
        "group" => Filter::Group(name),
        "server" => {
            let (user, server) = name.split_once('/')?;
            Filter::Server(user, server)
        }
        _ => return None,
    };
    Some((scope, filter))
}

/// What the filter of a stored scope is about.
enum BoundFilter<'a> {
    User(i64),
    Group(i64),
    Server(i64),
    /// A server that was not there yet: the name and the user.
    ServerOf(i64, &'a str),
}

fn by_id(text: &str) -> Option<(&str, BoundFilter<'_>)> {
    let (scope, filter) = text.split_once('!')?;
    let (kind, id) = filter.split_once('=')?;
    let filter = match kind {
        "user_id" => BoundFilter::User(id.parse().ok()?),
        "group_id" => BoundFilter::Group(id.parse().ok()?),
        "server_id" => BoundFilter::Server(id.parse().ok()?),
        "server_of" => {
            let (user, server) = id.split_once('/')?;
            BoundFilter::ServerOf(user.parse().ok()?, server)
        }
        _ => return None,
    };
    Some((scope, filter))
}

/// Binds scopes to the rows that they name now.
///
/// # Errors
/// [`StoreError::NotFound`] for one that names a user or a group that is not there.
pub(crate) async fn bind(
    transaction: &mut Transaction,
    texts: &[String],
) -> Result<Vec<String>, StoreError> {
    let mut bound = Vec::with_capacity(texts.len());
    for (text, one) in texts.iter().zip(bind_each(transaction, texts).await?) {
        bound.push(one.ok_or_else(|| {
            StoreError::not_found(format!("what the scope `{text}` is limited to"))
        })?);
    }
    Ok(bound)
}

async fn bind_each(
    transaction: &mut Transaction,
    texts: &[String],
) -> Result<Vec<Option<String>>, StoreError> {
    let (mut users, mut groups) = (BTreeSet::new(), BTreeSet::new());
    for (_, filter) in texts.iter().filter_map(|text| by_name(text)) {
        match filter {
            Filter::User(name) | Filter::Server(name, _) => users.insert(name.to_owned()),
            Filter::Group(name) => groups.insert(name.to_owned()),
        };
    }
    let of_users = ids(
        transaction,
        "SELECT id, name FROM users WHERE name IN ",
        users,
    )
    .await?;
    let of_groups = ids(
        transaction,
        "SELECT id, name FROM groups WHERE name IN ",
        groups,
    )
    .await?;
    let mut bound = Vec::with_capacity(texts.len());
    for text in texts {
        let Some((scope, filter)) = by_name(text) else {
            bound.push(Some(text.clone()));
            continue;
        };
        bound.push(match filter {
            Filter::User(name) => of_users.get(name).map(|id| format!("{scope}!user_id={id}")),
            Filter::Group(name) => of_groups
                .get(name)
                .map(|id| format!("{scope}!group_id={id}")),
            Filter::Server(user, name) => match of_users.get(user) {
                None => None,
                Some(owner) => {
                    let found = sql("SELECT id FROM servers WHERE user_id = $1 AND name = $2");
                    let found = transaction.fetch_optional(found.bind(*owner).bind(name));
                    Some(match found.await? {
                        Some(row) => format!("{scope}!server_id={}", row.get::<i64>("id")?),
                        None => format!("{scope}!server_of={owner}/{name}"),
                    })
                }
            },
        });
    }
    Ok(bound)
}

async fn ids(
    transaction: &mut Transaction,
    question: &'static str,
    names: BTreeSet<String>,
) -> Result<HashMap<String, i64>, StoreError> {
    let mut found = HashMap::new();
    for statement in questions(question, names.iter().map(Value::from)) {
        for row in transaction.fetch_all(statement).await? {
            found.insert(row.get("name")?, row.get("id")?);
        }
    }
    Ok(found)
}

/// One question for each number of values that a statement can have.
fn questions(
    question: &'static str,
    values: impl Iterator<Item = Value>,
) -> impl Iterator<Item = Statement> {
    let values: Vec<Value> = values.collect();
    let chunks: Vec<Vec<Value>> = values.chunks(MOST_AT_ONCE).map(<[Value]>::to_vec).collect();
    chunks.into_iter().map(move |some| {
        let mut query = Composed::default();
        query.push(question).push_list(some);
        query.finish()
    })
}

/// Writes stored scopes with the names that are right now; those are left out whose row is gone.
pub(crate) async fn name<'t>(
    db: &Db,
    lists: impl IntoIterator<Item = &'t mut Vec<String>>,
) -> Result<(), StoreError> {
    let mut lists: Vec<&mut Vec<String>> = lists.into_iter().collect();
    let (mut users, mut groups, mut servers) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for text in lists.iter().flat_map(|list| list.iter()) {
        match by_id(text) {
            Some((_, BoundFilter::User(id) | BoundFilter::ServerOf(id, _))) => users.insert(id),
            Some((_, BoundFilter::Group(id))) => groups.insert(id),
            Some((_, BoundFilter::Server(id))) => servers.insert(id),
            None => false,
        };
    }
    let users = names(db, "SELECT id, name FROM users WHERE id IN ", users).await?;
    let groups = names(db, "SELECT id, name FROM groups WHERE id IN ", groups).await?;
    let servers = names(
        db,
        "SELECT servers.id AS id, users.name || '/' || servers.name AS name FROM servers
         JOIN users ON users.id = servers.user_id WHERE servers.id IN ",
        servers,
    )
    .await?;
    for list in &mut lists {
        let named = list.iter().filter_map(|text| match by_id(text) {
            None => match by_name(text) {
                // A program of an earlier version wrote it, and nobody knows whom it meant.
                Some(_) => None,
                None => Some(text.clone()),
            },
            Some((scope, BoundFilter::User(id))) => {
                users.get(&id).map(|name| format!("{scope}!user={name}"))
            }
            Some((scope, BoundFilter::Group(id))) => {
                groups.get(&id).map(|name| format!("{scope}!group={name}"))
            }
            Some((scope, BoundFilter::Server(id))) => servers
                .get(&id)
                .map(|name| format!("{scope}!server={name}")),
            Some((scope, BoundFilter::ServerOf(id, server))) => users
                .get(&id)
                .map(|name| format!("{scope}!server={name}/{server}")),
        });
        **list = named.collect();
    }
    Ok(())
}

async fn names(
    db: &Db,
    question: &'static str,
    ids: BTreeSet<i64>,
) -> Result<HashMap<i64, String>, StoreError> {
    let mut found = HashMap::new();
    for statement in questions(question, ids.into_iter().map(Value::from)) {
        for row in db.fetch_all(statement).await? {
            found.insert(row.get("id")?, row.get("name")?);
        }
    }
    Ok(found)
}

/// The scopes of a share as they read now: whatever name the server had, they are about this one.
pub(crate) fn of_server(row: &Row) -> Result<Vec<String>, StoreError> {
    let stored: Vec<String> = row.get("scopes")?;
    let owner: String = row.get("of_owner")?;
    let name: String = row.get("of_server")?;
    let mut texts: Vec<String> = stored
        .iter()
        .map(|text| {
            let scope = text.split('!').next().unwrap_or_default();
            format!("{scope}!server={owner}/{name}")
        })
        .collect();
    texts.sort();
    Ok(texts)
}

impl Store {
    /// Binds what earlier versions stored by name, once: to the rows that have those names today. What
    /// names nobody is left out.
    pub(crate) async fn bind_earlier_scopes(&self) -> Result<(), StoreError> {
        if self.setting(DONE).await?.is_some() {
            return Ok(());
        }
        let mut transaction = self.db.begin().await?;
        // Another process that opens the same database waits here and finds it done.
        transaction
            .execute(sql("UPDATE change_counter SET last_seq = last_seq"))
            .await?;
        let named = sql("SELECT id, scopes FROM tokens WHERE scopes LIKE '%!user=%'
             OR scopes LIKE '%!server=%' OR scopes LIKE '%!group=%'");
        for row in transaction.fetch_all(named).await? {
            let texts: Vec<String> = row.get("scopes")?;
            let bound = bind_each(&mut transaction, &texts).await?;
            let bound: Vec<String> = bound.into_iter().flatten().collect();
            let change = sql("UPDATE tokens SET scopes = $2 WHERE id = $1");
            let change = change.bind(row.get::<i64>("id")?).bind(bound.as_slice());
            transaction.execute(change).await?;
        }
        // They live for minutes, and a sign-in begins again without a word.
        transaction.execute(sql("DELETE FROM codes")).await?;
        transaction
            .execute(
                sql("INSERT INTO settings (name, value) VALUES ($1, '1')
                     ON CONFLICT (name) DO NOTHING")
                .bind(DONE),
            )
            .await?;
        transaction.commit().await
    }
}
