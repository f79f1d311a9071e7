//! The page about the REST API: as new as the code, and true.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jansky_web::{Operation, operations};
use serde_json::json;

use crate::routes::{Row, Things, delete_made, rows, send};
use crate::support::TestWeb;

const HEAD: &str = "\
# The REST API

<!-- Made of the routes in `crates/web/src/api/routes.rs`; `cargo test -p jansky-web rest_api` says how. -->

The API of JupyterHub, and what Jansky adds to it. All paths are below `<public URL>hub/`. A request carries
`Authorization: Bearer TOKEN`, with a token from the page **Tokens** or from the API itself, or is made by a page of
the hub. Bodies and answers are JSON; an error is `{\"status\": …, \"message\": …}`.

A request needs one of the scopes that are named with it, on the user, group or server that the path names; without
scopes, none. People hold what they need on what is theirs, and admins on everything. Whoever may not know that
something exists is told 404, else 403. The answer is what an admin gets for a good request; `–` where that depends on
more than the path.
";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/rest-api.md")
}

fn row_of(operation: &Operation) -> Row {
    let mut rows = rows().into_iter();
    rows.find(|row| (row.method, row.route) == (operation.method, operation.path))
        .unwrap_or_else(|| panic!("no row for {} {}", operation.method, operation.path))
}

fn written() -> String {
    let mut sections: BTreeMap<&str, String> = BTreeMap::new();
    let operations = operations();
    for operation in &operations {
        let rows = sections.entry(operation.section).or_default();
        let Operation { method, path, .. } = operation;
        let scopes = operation.scopes.iter().map(|scope| format!("`{scope}`"));
        let scopes = scopes.collect::<Vec<_>>().join(", ");
        let status = row_of(operation).of("zoe-t");
        let answer = if status.starts_with('2') {
            status
        } else {
            "–"
        };
        let summary = operation.summary;
        let _ = writeln!(
            rows,
            "| `{method} {path}` | {scopes} | {answer} | {summary} |"
        );
    }
    let mut text = HEAD.to_owned();
    for operation in &operations {
        let section = operation.section;
        if let Some(rows) = sections.remove(section) {
            let _ = write!(text, "\n## {section}\n\n| request | scopes | answer | |\n");
            let _ = write!(text, "|---|---|---|---|\n{rows}");
        }
    }
    text
}

#[test]
fn the_page_about_the_rest_api_is_as_new_as_its_routes() {
    let expected = written();
    let found = std::fs::read_to_string(page()).unwrap_or_default();
    if found != expected {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rest-api.md");
        std::fs::write(&fresh, expected).expect("the directory is for this");
        panic!(
            "docs/reference/rest-api.md is stale; take the new one: cp {} {}",
            fresh.display(),
            page().display()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_scope_that_the_page_names_is_enough_and_none_is_needed_where_it_names_none() {
    let hub = TestWeb::new().await;
    hub.admin("zoe").await;
    let mut wrong = Vec::new();
    for (number, operation) in operations().iter().enumerate() {
        let Operation { method, path, .. } = operation;
        let expected = row_of(operation).of("zoe-t");
        let mut tried: Vec<String> = operation.scopes.iter().map(ToString::to_string).collect();
        if tried.is_empty() {
            tried.push("(no_scope)".to_owned());
        }
        for (which, scope) in tried.iter().enumerate() {
            let things = Things::make(&hub, &format!("river-{number}-{which}")).await;
            let client = hub.token("zoe", &[scope.as_str()]).await;
            let answer = if (*method, *path) == ("POST", "api/users/{user}/tokens") {
                // Whoever makes a token gives no more than they hold.
                let empty = Some(json!({ "scopes": [] }));
                client.api(method, &things.path(method, path), empty).await
            } else {
                send(&client, &things, method, path).await
            };
            if answer.status.as_str() != expected {
                wrong.push(format!("{method} {path} with {scope}: {}", answer.status));
            }
            delete_made(&hub).await;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
