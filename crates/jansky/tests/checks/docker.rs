//! What people with Docker rights find of a server that is a container (D35).

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::browser::Browser;
use crate::harbour::{ASK, Harbour, engine, engine_bytes, execute, variable};
use crate::house::until;
use crate::person::PROVIDER;
use crate::site::{EVERYBODY, add_oidc, scripted_provider};
use crate::tokens::ARCHIVE;

/// The client secret of the check that looks everywhere.
const SECRET: &str = "canary-secret-of-containers-93f1c2";

/// D35, the part of Docker: after real use with the tokens of a provider, what was handed over is in
/// the memory of the container's processes and nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_secret_is_where_people_with_docker_rights_or_a_disk_can_read_it() {
    let harbour = Harbour::new(&format!(
        "tripwire = \"off\"\n[log]\nfilter = \"trace\"\n{ARCHIVE}"
    ));
    let op = scripted_provider().await;
    {
        let mut script = op.script();
        script.lifetimes.access = 12;
        script.rotates = true;
        script.secrets = vec![SECRET.to_owned()];
    }
    let client = [&op.issuer, jansky_testing::provider::CLIENT_ID, SECRET];
    add_oidc(&harbour.house, PROVIDER, "oidc", client, EVERYBODY);
    let hub = harbour.start().await;
    let river = Browser::new(&hub.url);
    river.sign_in(&op, "subject-1").await;
    river.start_server("river").await;
    let (id, _) = harbour.containers().remove(0);
    // That of the agent cannot be read, not even by its own account.
    let of_server = "import glob, os; print([v for p in glob.glob('/proc/[0-9]*/environ') \
         if os.access(p, os.R_OK) for v in open(p, 'rb').read().split(b'\\0') if v.startswith(b'JUPYTERHUB_API_TOKEN=')])";
    let said = execute(&id, "1000", &["python3", "-c", of_server]);
    let api_token = said.split(['=', '\'']).nth(2).expect("a token").to_owned();
    assert!(api_token.len() > 20, "{said}");
    let mut seen = std::collections::BTreeSet::new();
    until(
        "the agent gives no three tokens, one after the other",
        async || {
            let said = execute(&id, "1000", &["python3", "-c", ASK]);
            let start = said.find("\"access_token\":\"")? + 16;
            let length = said[start..].find('"')?;
            seen.insert(said[start..start + length].to_owned());
            (seen.len() >= 3).then_some(())
        },
    )
    .await;
    let mut secrets = op.canaries();
    for kind in ["access", "refresh", "id"] {
        let latest = op.script().records.latest(kind);
        assert!(
            secrets.iter().any(|(_, text)| *text == latest),
            "no {kind} token is looked for"
        );
    }
    assert!(
        seen.iter()
            .all(|token| secrets.iter().any(|(_, text)| text == token))
    );
    // The first letters of every ticket and of every session of an agent.
    for (kind, text) in [
        ("API token of the server", api_token.as_str()),
        ("ticket", "jkt_"),
        ("session", "jka_"),
    ] {
        secrets.push((kind.to_owned(), text.to_owned()));
    }

    let path = |what: &str| format!("/containers/{id}/{what}");
    let commit = format!("/commit?container={id}&repo=jansky-test/stolen&tag={id}");
    let image = engine("POST", &commit, &Value::Null);
    let image = image["Id"].as_str().expect("an image").to_owned();
    let mut places = vec![
        ("inspect", engine_bytes("GET", &path("json"), &Value::Null)),
        ("export", engine_bytes("GET", &path("export"), &Value::Null)),
        (
            "save",
            engine_bytes("GET", &format!("/images/{image}/get"), &Value::Null),
        ),
        ("log of the hub", harbour.house.said("stderr").into_bytes()),
    ];
    engine("DELETE", &format!("/images/{image}?force=1"), &Value::Null);
    let root = PathBuf::from(variable("JANSKY_TEST_DOCKER_ROOT"));
    let mut files = Vec::new();
    read_all(&root.join("data/containers").join(&id), &mut files);
    read_all(&root.join("run"), &mut files);
    read_all(&harbour.house.path().join("data"), &mut files);
    assert!(files.len() > 5, "only {} files were looked at", files.len());
    places.extend(files.into_iter().map(|bytes| ("files", bytes)));
    places.extend(outside(&id).into_iter().map(|bytes| ("processes", bytes)));
    for (what, bytes) in &places {
        let text = String::from_utf8_lossy(bytes);
        for (kind, secret) in &secrets {
            assert!(
                !text.contains(secret.as_str()),
                "{what}: the {kind} is there"
            );
        }
    }
}

/// The contents of all files below a directory.
fn read_all(directory: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => read_all(&entry.path(), found),
            Ok(kind) if kind.is_file() => {
                found.push(std::fs::read(entry.path()).unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// Environments and command lines of all processes that are not in a container.
fn outside(id: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("proc(5)").flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        if !String::from_utf8_lossy(&read("cgroup")).contains(id) {
            found.extend([read("environ"), read("cmdline")]);
        }
    }
    found
}
