//! The real agent beside a server: its socket, its files, and what it does not leave lying about
//! (D35, D41 to D43).

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::browser::Browser;
use crate::house::{House, Hub, until};
use crate::site::{self, Line, Site, within};
use crate::tokens::ARCHIVE;

/// The variable with the agent's socket, in the environment of a person's running server.
pub(crate) async fn variable_of_server(house: &House, user: &str, name: &str) -> PathBuf {
    until("the server has no agent", async || {
        let processes = house.processes();
        let server = processes.iter().find(|process| {
            process.variable("JUPYTERHUB_USER") == user && !process.variable(name).is_empty()
        })?;
        Some(PathBuf::from(server.variable(name)))
    })
    .await
}

/// Asks the agent, as the code on a server does. `None` when it does not answer.
pub(crate) async fn ask(socket: &Path, path: &str, headers: &str) -> Option<(u16, Value)> {
    let mut stream = UnixStream::connect(socket).await.ok()?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: agent\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

/// Asks for a token that is good for some seconds until there is one.
pub(crate) async fn token(socket: &Path) -> String {
    until("the agent gives no token", async || {
        let path = "/v1/token?audience=archive&min_ttl=6";
        let (status, body) = ask(socket, path, "").await?;
        let token = body["access_token"].as_str()?.to_owned();
        (status == 200).then_some(token)
    })
    .await
}

/// A site whose servers stay in the control group of this test: it asks their agents itself, and they
/// answer only what is where their server is.
async fn site_within_reach() -> Site {
    let site = Site::new().await;
    let config = std::fs::read_to_string(site.house.config()).expect("it is there");
    let config = config.replace("[spawner]\n", "[spawner]\ncgroups = \"off\"\n");
    std::fs::write(site.house.config(), config).expect("it is ours");
    site
}

/// Somebody with a running server and the real agent beside it.
async fn somebody_at_work(site: &Site, hub: &Hub<'_>) -> (Browser, PathBuf) {
    let browser = Browser::new(&hub.url);
    browser.sign_in(&site.op, "subject-1").await;
    browser.start_server("river").await;
    let socket = variable_of_server(&site.house, "river", "JANSKY_AGENT_SOCKET").await;
    (browser, socket)
}

/// The setting with which an agent finds the next hub where this one was.
fn address(hub: &Hub<'_>) -> String {
    format!("hub.bind={}", site::address(hub))
}

/// Whether a text is in a file, a process's environment, or the like.
pub(crate) fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// Every file below a directory.
pub(crate) fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// Everything that can be looked into: files of the hub and of the person, what every process was
/// started with, and the logs.
pub(crate) fn everything(site: &Site, socket: &Path) -> Vec<(String, Vec<u8>)> {
    let mut places = Vec::new();
    let house = site.house.path();
    let mut paths = Vec::new();
    files(&house.join("data"), &mut paths);
    files(socket.parent().expect("a directory"), &mut paths);
    paths.extend(["stdout", "stderr", "jansky.toml"].map(|name| house.join(name)));
    for path in paths {
        let bytes = std::fs::read(&path).unwrap_or_default();
        places.push((path.display().to_string(), bytes));
    }
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc")
        .expect("there is /proc")
        .flatten()
    {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if !pid.bytes().all(|byte| byte.is_ascii_digit()) || pid == own {
            continue;
        }
        for what in ["environ", "cmdline"] {
            let path = entry.path().join(what);
            let bytes = std::fs::read(&path).unwrap_or_default();
            places.push((path.display().to_string(), bytes));
        }
    }
    places
}

/// D35, for servers that are processes: half a minute of use stands for a day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_of_tokens_leaves_none_of_them_lying_about() {
    let site = site_within_reach().await;
    site.configure(ARCHIVE);
    {
        let mut script = site.op.script();
        script.lifetimes.access = 12;
        script.rotates = true;
        // A secret that no other test has, since theirs are in the same process table.
        script.secrets = vec![SECRET.to_owned()];
    }
    let secret = site.house.path().join("secret-of-op");
    std::fs::write(&secret, SECRET).expect("it is ours");
    let settings = ["log.filter=trace"];
    let hub = site.house.start(&settings).await;
    let (browser, socket) = somebody_at_work(&site, &hub).await;
    let mut leaks = Vec::new();
    let mut look = |when: &str| {
        let canaries = site.op.canaries();
        assert!(canaries.len() > 5, "{when}: {} canaries", canaries.len());
        for (place, bytes) in everything(&site, &socket) {
            for (kind, text) in &canaries {
                if holds(&bytes, text) {
                    leaks.push(format!("{when}: the {kind} is in {place}"));
                }
            }
            for ticket in ["jkt_", "jka_"] {
                if holds(&bytes, ticket) {
                    leaks.push(format!("{when}: something with `{ticket}` is in {place}"));
                }
            }
        }
    };

    let began = Instant::now();
    let mut seen = std::collections::BTreeSet::new();
    while began.elapsed() < Duration::from_secs(20) {
        seen.insert(token(&socket).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(seen.len() >= 3, "{} tokens", seen.len());
    look("while it runs");
    browser.post("hub/logout", &[]).await;
    browser.sign_in(&site.op, "subject-1").await;
    token(&socket).await;
    let bind = address(&hub);
    assert!(hub.terminate().await.success());
    let hub = site.house.start(&[settings[0], &bind]).await;
    token(&socket).await;
    look("after a restart");
    let browser = browser.at(&hub.url);
    let path = "hub/api/users/river/server";
    browser.api("DELETE", path, None).await.must_be(204);
    look("after the server has ended");

    leaks.sort();
    leaks.dedup();
    assert!(leaks.is_empty(), "{leaks:#?}");
    let log = site.house.said("stderr");
    assert!(log.contains("TRACE"), "it was logged");
}

/// The client secret of the check that looks everywhere.
const SECRET: &str = "canary-secret-of-one-day-6b1f0c";

/// D41
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_file_is_whole_at_every_read_and_goes_with_the_tokens() {
    let site = site_within_reach().await;
    site.configure(&format!("{ARCHIVE}token_file = true\n"));
    site.op.script().lifetimes.access = 12;
    let hub = site.house.start(&[]).await;
    let (browser, socket) = somebody_at_work(&site, &hub).await;
    token(&socket).await;
    let file = variable_of_server(&site.house, "river", "BEARER_TOKEN_FILE").await;
    within(Duration::from_secs(10), "the file is there", async || {
        file.exists()
    })
    .await;

    let mut seen = std::collections::BTreeSet::new();
    let began = Instant::now();
    for round in 0..10_000 {
        let text = std::fs::read_to_string(&file).expect("it is there at every moment");
        assert!(text.starts_with("canary-access-"), "read {round}: {text}");
        seen.insert(text);
        if round % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
    assert!(
        seen.len() >= 3,
        "{} tokens in {:?}",
        seen.len(),
        began.elapsed()
    );
    let issued = site.op.script().records.issued("access");
    assert!(
        seen.iter().all(|token| issued.contains(token)),
        "each is whole"
    );
    let found = std::fs::metadata(&file).expect("it is there");
    assert_eq!(found.mode() & 0o777, 0o600);
    assert_eq!(found.uid(), rustix::process::geteuid().as_raw());

    browser.post("hub/logout", &[]).await;
    within(Duration::from_secs(1), "the file is gone", async || {
        !file.exists()
    })
    .await;
    browser.sign_in(&site.op, "subject-1").await;
    within(Duration::from_secs(10), "it is there again", async || {
        file.exists()
    })
    .await;
    let path = "hub/api/users/river/server";
    browser.api("DELETE", path, None).await.must_be(204);
    within(
        Duration::from_secs(5),
        "it goes with the server",
        async || !file.exists(),
    )
    .await;
}

/// D40, for the file: tools that only know files would go on with what lies there.
#[tokio::test]
async fn a_token_file_is_gone_while_its_server_is_shared_and_comes_back() {
    let site = site_within_reach().await;
    site.configure(&format!("{ARCHIVE}token_file = true\n"));
    site.op
        .script()
        .people
        .push(jansky_testing::Person::new("subject-2", "wash"));
    let hub = site.house.start(&["hub.admin_users=[\"wash\"]"]).await;
    let (_, socket) = somebody_at_work(&site, &hub).await;
    let admin = Browser::new(&hub.url);
    admin.sign_in(&site.op, "subject-2").await;
    token(&socket).await;
    let file = variable_of_server(&site.house, "river", "BEARER_TOKEN_FILE").await;
    let is_there = async |expected: bool, limit: u64| {
        let limit = Duration::from_secs(limit);
        let look = async || file.exists() == expected;
        within(limit, &format!("the file is there: {expected}"), look).await;
    };
    is_there(true, 10).await;

    let path = "hub/api/shares/river/";
    let with_wash = serde_json::json!({ "user": "wash" });
    admin.api("POST", path, Some(with_wash)).await.must_be(200);
    is_there(false, 2).await;
    admin.api("DELETE", path, None).await.must_be(204);
    is_there(true, 10).await;
}

/// D42, for the agent's socket, which is the only way to it.
#[tokio::test]
async fn the_agent_answers_no_browser_and_no_proxy() {
    let site = site_within_reach().await;
    site.configure(ARCHIVE);
    let hub = site.house.start(&[]).await;
    let (_, socket) = somebody_at_work(&site, &hub).await;
    token(&socket).await;

    for header in [
        "X-Forwarded-For: 10.0.0.1\r\n",
        "Origin: https://evil.example\r\n",
        "Cookie: a=b\r\n",
        "Forwarded: for=10.0.0.1\r\n",
        "Referer: https://evil.example/\r\n",
    ] {
        let answer = ask(&socket, "/v1/token?audience=archive", header).await;
        let (status, body) = answer.expect("it answers");
        assert_eq!(status, 403, "{header}: {body}");
        assert!(body["access_token"].is_null(), "{header}: {body}");
    }
    let found = std::fs::metadata(&socket).expect("it is there");
    assert_eq!(found.mode() & 0o777, 0o600);
}

/// D43
#[tokio::test]
async fn code_goes_on_with_its_tokens_while_the_hub_is_restarted() {
    let site = site_within_reach().await;
    site.configure(ARCHIVE);
    site.op.script().rotates = true;
    let hub = site.house.start(&[]).await;
    let (_, socket) = somebody_at_work(&site, &hub).await;
    let before = token(&socket).await;
    let bind = address(&hub);

    assert!(hub.terminate().await.success());
    for _ in 0..20 {
        let answer = ask(&socket, "/v1/token?audience=archive", "").await;
        let (status, body) = answer.expect("it answers");
        assert_eq!(status, 200, "while the hub is away: {body}");
        assert_eq!(body["access_token"], before.as_str());
    }
    let hub = site.house.start(&[&bind]).await;
    let after = within(
        Duration::from_secs(5),
        "new tokens come again",
        async || {
            let path = "/v1/token?audience=archive&min_ttl=1";
            matches!(ask(&socket, path, "").await, Some((200, _)))
                && matches!(
                    ask(&socket, "/v1/status", "").await,
                    Some((200, status)) if status["hub"] == "connected"
                )
        },
    )
    .await;

    assert!(after < Duration::from_secs(5), "{after:?}");
    assert_eq!(site.op.refresh_calls(), 0, "no second refresh");
    drop(hub);
}

/// D43 and D46 for the real agent, which a balancer moves from one process to the next while both are
/// replaced, one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_keeps_its_tokens_while_all_processes_are_replaced_and_loses_them_with_the_session()
 {
    let site = site_within_reach().await.on_postgres().await;
    site.configure(ARCHIVE);
    site.op.script().rotates = true;
    site.op.script().lifetimes.access = 12;
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let balancer = Line::to(nowhere).await;
    let public = format!("http://127.0.0.1:{}/", balancer.port);
    let settings = [
        format!("hub.public_url={public}"),
        format!("hub.api_url={public}hub/api"),
    ];
    let settings = settings.each_ref().map(String::as_str);
    let first = site.start_with(&settings).await;
    balancer.lead_to(site::address(&first));
    let second = site.start_with(&settings).await;
    let of_second = site::address(&second);
    let browser = Browser::new(&public);
    browser.sign_in(&site.op, "subject-1").await;
    browser.start_server("river").await;
    let socket = variable_of_server(&site.house, "river", "JANSKY_AGENT_SOCKET").await;
    let mut seen = std::collections::BTreeSet::from([token(&socket).await]);
    let pid = browser.server_pid("river").await;

    balancer.lead_to(of_second);
    assert!(first.terminate().await.success());
    seen.insert(new_token(&socket, &seen).await);
    let third = site.start_with(&settings).await;
    balancer.lead_to(site::address(&third));
    assert!(second.terminate().await.success());
    seen.insert(new_token(&socket, &seen).await);
    let fourth = site.start_with(&settings).await;
    let of_fourth = site::address(&fourth);

    assert_eq!(seen.len(), 3, "one more at each process");
    assert_eq!(site.op.script().records.reuses, 0);
    let browser = browser.at(&public);
    browser.get("hub/home").await.must_be(200);
    assert_eq!(browser.server_pid("river").await, pid);
    // The provider tells the process to which nobody is connected.
    let everywhere = site.op.logout_token(Some("subject-1"), None);
    let told = crate::sign_out::tell(&format!("http://{of_fourth}/"), &everywhere).await;
    told.must_be(200);
    within(Duration::from_secs(1), "no more tokens", async || {
        let answer = ask(&socket, "/v1/token?audience=archive", "").await;
        answer.is_some_and(|(status, _)| status == 401)
    })
    .await;
    balancer.lead_to(of_fourth);
    assert!(browser.at(&public).get("hub/home").await.asks_to_sign_in());
}

/// A token that was not seen before; until there is one, what is asked for is never refused.
async fn new_token(socket: &Path, seen: &std::collections::BTreeSet<String>) -> String {
    until("no new token comes", async || {
        let answer = ask(socket, "/v1/token?audience=archive", "").await;
        let (status, body) = answer.expect("the agent answers");
        assert_eq!(status, 200, "{body}");
        let token = body["access_token"].as_str()?.to_owned();
        (!seen.contains(&token)).then_some(token)
    })
    .await
}
