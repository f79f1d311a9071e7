//! The two schemas are one.

use sqlx::Row as _;

use crate::harness::{TestStore, postgres_connection, sqlite_connection};

/// Table, column, kind of value and whether it may be NULL.
type Columns = Vec<(String, String, &'static str, bool)>;

fn kind(declared: &str) -> &'static str {
    match declared.to_ascii_lowercase().as_str() {
        "bigint" | "integer" => "int",
        "text" => "text",
        "blob" | "bytea" => "bytes",
        other => panic!("`{other}` is not one of the types that both databases have"),
    }
}

fn sqlite_columns(url: &str) -> Columns {
    let connection = sqlite_connection(url);
    let mut statement = connection
        .prepare(
            "SELECT tables.name AS table_name, columns.name AS column_name, columns.type AS kind,
                 columns.\"notnull\" = 0 AND columns.pk = 0 AS nullable
             FROM sqlite_schema AS tables JOIN pragma_table_info(tables.name) AS columns
             WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'",
        )
        .expect("the schema can be asked for");
    let column = |row: &rusqlite::Row<'_>| {
        Ok((
            row.get("table_name")?,
            row.get("column_name")?,
            kind(row.get_ref("kind")?.as_str()?),
            row.get("nullable")?,
        ))
    };
    let mut columns = statement
        .query_map((), column)
        .and_then(Iterator::collect::<rusqlite::Result<Columns>>)
        .expect("the schema can be read");
    columns.sort_unstable();
    columns
}

async fn postgres_columns(url: &str) -> Columns {
    let mut connection = postgres_connection(url).await;
    let rows = sqlx::query(
        "SELECT table_name::text AS table_name, column_name::text AS column_name,
             data_type::text AS kind, is_nullable = 'YES' AS nullable
         FROM information_schema.columns WHERE table_schema = 'public'",
    )
    .fetch_all(&mut connection)
    .await
    .expect("the schema can be read");
    let mut columns = rows
        .iter()
        .map(|row| {
            (
                row.get("table_name"),
                row.get("column_name"),
                kind(row.get("kind")),
                row.get("nullable"),
            )
        })
        .collect::<Columns>();
    columns.sort_unstable();
    columns
}

#[tokio::test]
async fn both_databases_have_the_same_columns() {
    let sqlite = TestStore::sqlite().await;
    let postgres = TestStore::postgres().await;

    let in_sqlite = sqlite_columns(&sqlite.url);
    let in_postgres = postgres_columns(&postgres.url).await;

    assert!(in_sqlite.len() > 50, "the schema was read");
    assert_eq!(in_sqlite, in_postgres);
}

#[tokio::test]
async fn hot_look_ups_use_an_index() {
    let store = TestStore::sqlite().await;
    let connection = sqlite_connection(&store.url);
    for (table, condition) in [
        ("tokens", "digest = x'00'"),
        ("tokens", "user_id = 1"),
        ("tokens", "server_id = 1"),
        ("tokens", "client_id = ''"),
        ("tokens", "session_id = ''"),
        ("tokens", "expires_at <= 1"),
        ("sessions", "digest = x'00'"),
        ("sessions", "user_id = 1"),
        ("sessions", "expires_at <= 1"),
        ("users", "name = ''"),
        ("users", "admin = 1"),
        ("identities", "issuer = '' AND subject = ''"),
        ("identities", "user_id = 1"),
        ("servers", "user_id = 1 AND name = ''"),
        ("servers", "client_id = ''"),
        ("servers", "state IN ('ready', 'starting')"),
        ("codes", "digest = x'00'"),
        ("codes", "client_id = ''"),
        ("codes", "session_id = ''"),
        ("login_attempts", "state_digest = x'00'"),
        ("links", "digest = x'00'"),
        ("share_codes", "digest = x'00'"),
        ("share_codes", "server_id = 1"),
        ("share_codes", "expires_at <= 1"),
        ("grants", "user_id = 1"),
        ("grants", "user_id = 1 AND provider = '' AND kind = 'login'"),
        ("grants", "issuer = '' AND subject = ''"),
        ("grants", "issuer = '' AND provider_session = ''"),
        ("grants", "access_expires_at < 1"),
        ("sessions", "provider = '' AND provider_session = ''"),
        ("sessions", "grant_id = 1"),
        ("changes", "seq > 1"),
        ("changes", "at < 1"),
        ("logout_tokens_seen", "jti_digest = x'00'"),
        ("logout_tokens_seen", "expires_at <= 1"),
        ("agent_tickets", "digest = x'00'"),
        ("agent_tickets", "server_id = 1"),
        ("agent_tickets", "user_id = 1"),
        ("agent_sessions", "digest = x'00'"),
        ("agent_sessions", "server_id = 1"),
        ("agent_sessions", "user_id = 1"),
        ("audit_events", "seq > 1"),
        ("audit_events", "user_id = 1 AND seq < 9"),
    ] {
        let text = format!("EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {condition}");
        let plan: String = connection
            .query_row(&text, (), |row| row.get("detail"))
            .expect("the plan can be read");
        assert!(plan.contains("USING"), "{table} by {condition}: {plan}");
    }
}
