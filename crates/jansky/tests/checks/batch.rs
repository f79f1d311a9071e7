//! Servers as batch jobs: whose token does what, what is left when a session is over, and what lies
//! about (D33, D34, and D35 for jobs). FirecREST is scripted; the jobs, the agent and its tokens are
//! real.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use jansky_testing::firecrest::{Fault, FirecrestCall, SYSTEM};
use jansky_testing::{Person, ScriptedFirecrest};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::beside;
use crate::browser::Browser;
use crate::house::{House, Hub, PATIENCE};
use crate::person::PROVIDER;
use crate::processes::HOUSE;
use crate::site::{EVERYBODY, Site, scripted_provider, within};
use crate::tokens::ARCHIVE;

/// The subject of the service account.
const SERVICE: &str = "service-account-jansky";

/// A site whose servers are jobs of a cluster.
struct Cluster {
    site: Site,
    firecrest: ScriptedFirecrest,
    directory: TempDir,
}

impl Cluster {
    /// One with further keys in `[spawner]`. Tokens live for so many seconds.
    async fn new(lifetime: i64, keys: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let op = scripted_provider().await;
        op.script().lifetimes.access = lifetime;
        let firecrest = ScriptedFirecrest::start(directory.path(), op.judge());
        firecrest.add_account("subject-1", "river1002");
        firecrest.add_account(SERVICE, "svc");
        let agent = directory.path().join("jansky-agent");
        let program = std::env::var_os("JANSKY_TEST_BINARY");
        let program = program.map_or(env!("CARGO_BIN_EXE_jansky").into(), PathBuf::from);
        let text = format!("#!/bin/sh\nexec '{}' agent\n", program.display());
        std::fs::write(&agent, text).expect("the directory is ours");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&agent, mode).expect("the file is ours");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/single_user.py");
        let house = House::with_config(|path| {
            format!(
                "[hub]\n\
                 bind = \"127.0.0.1:0\"\n\
                 data_dir = \"{path}/data\"\n\
                 [spawner]\n\
                 kind = \"firecrest\"\n\
                 url = \"{url}\"\n\
                 system = \"{SYSTEM}\"\n\
                 service_account = \"poller\"\n\
                 command = [\"python3\", \"{script}\"]\n\
                 agent = \"{agent}\"\n\
                 home_dir = \"{home}\"\n\
                 runtime_dir = \"{runtime}\"\n\
                 node_address = \"127.0.0.1\"\n\
                 environment = {{ {HOUSE} = \"{path}\" }}\n\
                 poll_interval = \"1s\"\n\
                 look_interval = \"100ms\"\n\
                 request_timeout = \"3s\"\n\
                 {keys}\n\
                 [audience.poller]\n\
                 source = \"client-credentials\"\n\
                 provider = \"{PROVIDER}\"\n\
                 {ARCHIVE}",
                path = path.display(),
                url = firecrest.url,
                agent = agent.display(),
                home = firecrest.home_template(),
                runtime = directory.path().display(),
            )
        });
        let site = Site { house, op };
        site.add_provider(PROVIDER, &site.op, EVERYBODY);
        Self {
            site,
            firecrest,
            directory,
        }
    }

    async fn start(&self) -> Hub<'_> {
        self.site.start().await
    }

    /// Somebody who signed in, with a program of theirs.
    async fn somebody(&self, hub: &Hub<'_>) -> (Browser, Browser) {
        let browser = Browser::new(&hub.url);
        browser.sign_in(&self.site.op, "subject-1").await;
        let program = browser.new_token().await;
        (browser, program)
    }

    /// Ends the person's session at the provider, and waits until the token at hand is of no use for
    /// another minute.
    async fn end_session(&self) {
        self.site.op.script().records.end_sessions_of("subject-1");
        let judge = self.site.op.judge();
        within(
            PATIENCE,
            "the person's token has no minute left",
            async || {
                let script = self.site.op.script();
                let all = script.records.issued("access");
                drop(script);
                let now = jansky_model::Clock::now(&jansky_model::SystemClock).seconds();
                let of_river = all.iter().filter_map(|token| judge(token));
                let of_river = of_river.filter(|access| access.subject == "subject-1");
                of_river.map(|access| access.expires_at - now).max() < Some(60)
            },
        )
        .await;
    }

    /// Waits for so many more looks at jobs; all must be the service account's.
    async fn looks(&self, more: usize) {
        let before = self.firecrest.calls("job").len();
        within(PATIENCE, "jobs are looked at", async || {
            self.firecrest.calls("job").len() >= before + more
        })
        .await;
        let by = self.firecrest.calls("job");
        assert!(by.iter().all(|call| call.subject == SERVICE), "{by:#?}");
    }
}

/// Starts a server and waits until it is ready.
async fn start(program: &Browser, user: &str) {
    let path = format!("hub/api/users/{user}/server");
    let answer = program.api("POST", &path, Some(json!({}))).await;
    assert!(matches!(answer.status, 201 | 202), "{answer:#?}");
    within(PATIENCE, "the server is ready", async || {
        server(program, user).await["ready"] == true
    })
    .await;
}

/// A person's default server, as the API shows it.
async fn server(program: &Browser, user: &str) -> Value {
    let path = format!("hub/api/users/{user}");
    let model = program.api("GET", &path, None).await.must_be(200).json();
    model["servers"][""].clone()
}

/// Asks for a stop and waits until the job has ended.
async fn stop(cluster: &Cluster, program: &Browser, user: &str) {
    let path = format!("hub/api/users/{user}/server");
    let answer = program.api("DELETE", &path, None).await;
    assert!(matches!(answer.status, 202 | 204), "{answer:#?}");
    within(PATIENCE, "the job has ended", async || {
        cluster.firecrest.jobs().iter().all(|job| !job.is_live())
    })
    .await;
}

fn subjects(calls: &[FirecrestCall]) -> Vec<&str> {
    calls.iter().map(|call| call.subject.as_str()).collect()
}

/// D33
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_when_the_session_of_its_owner_is_over_and_silence_proves_nothing() {
    let cluster = Cluster::new(66, "").await;
    let boss = Person::new("subject-3", "boss");
    cluster.site.op.script().people.push(boss);
    let settings = ["hub.admin_users=[\"boss\"]"];
    let hub = cluster.site.start_with(&settings).await;
    let (browser, program) = cluster.somebody(&hub).await;
    let operator = Browser::new(&hub.url);
    operator.sign_in(&cluster.site.op, "subject-3").await;
    let operator = operator.new_token().await;
    start(&program, "river").await;
    let pid = browser.server_pid("river").await;
    assert!(pid.is_some());
    let socket = beside::variable_of_server(&cluster.site.house, "river", "JANSKY_AGENT_SOCKET");
    let socket = socket.await;

    cluster.end_session().await;
    cluster.looks(3).await;
    assert_eq!(server(&program, "river").await["ready"], true);

    // Nothing that FirecREST says or does not say ends it.
    for fault in [
        Fault::Status(500, "Error executing Slurm command."),
        Fault::Status(404, "Job not found."),
        Fault::Silence,
    ] {
        cluster.firecrest.script().faults.insert("job", fault);
        cluster.looks(2).await;
        assert_eq!(server(&program, "river").await["ready"], true);
    }
    cluster.firecrest.script().faults.clear();
    // What is away is said once, so it has to come back first.
    cluster.looks(2).await;
    cluster.firecrest.close().await;
    let log = || cluster.site.house.said("stderr");
    within(PATIENCE, "it cannot be reached", async || {
        log().contains("FirecREST cannot be reached")
    })
    .await;
    assert_eq!(server(&program, "river").await["ready"], true);
    cluster.firecrest.open().await;
    cluster.looks(1).await;
    let other = Browser::new(&hub.url);
    assert_eq!(other.server_pid("river").await, pid, "the same server");

    // A start asks for a sign-in, and nothing is submitted.
    let path = "hub/api/users/river/servers/second";
    let refused = program.api("POST", path, Some(json!({}))).await;
    assert_eq!(refused.status, 403, "{refused:#?}");
    assert_eq!(refused.json()["error"], "reauth_required", "{refused:#?}");
    assert!(browser.get("hub/home").await.asks_to_sign_in());
    assert_eq!(cluster.firecrest.jobs().len(), 1);

    // A stop waits for the person, and the operator reads why. What the person has is refused, too.
    let path = "hub/api/users/river/server";
    program.api("DELETE", path, None).await.must_be(403);
    operator.api("DELETE", path, None).await.must_be(202);
    within(PATIENCE, "the operator is told", async || {
        log().contains("job 8 on `lab` goes on, because `river` has to sign in again")
    })
    .await;
    assert!(cluster.firecrest.jobs()[0].is_live());
    assert_eq!(cluster.firecrest.calls("cancel").len(), 0);
    let (_, status) = beside::ask(&socket, "/v1/token?audience=poller", "")
        .await
        .expect("the agent answers");
    assert!(status["access_token"].is_null(), "{status}");

    browser.sign_in(&cluster.site.op, "subject-1").await;
    within(PATIENCE, "the job has ended", async || {
        !cluster.firecrest.jobs()[0].is_live()
    })
    .await;
    assert_eq!(subjects(&cluster.firecrest.calls("cancel")), ["subject-1"]);
    within(PATIENCE, "the server has stopped", async || {
        let now = server(&program, "river").await;
        now["ready"] != true && now["pending"].is_null()
    })
    .await;
    start(&program, "river").await;
}

/// D33, where the service account may end jobs
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_account_that_may_ends_the_job_of_somebody_whose_session_is_over() {
    let cluster = Cluster::new(66, "service_account_may_cancel = true").await;
    let operators = ["svc".to_owned()].into();
    cluster.firecrest.script().operators = operators;
    let hub = cluster.start().await;
    let (_, program) = cluster.somebody(&hub).await;
    start(&program, "river").await;
    cluster.end_session().await;

    stop(&cluster, &program, "river").await;

    assert_eq!(subjects(&cluster.firecrest.calls("cancel")), [SERVICE]);
    assert_eq!(subjects(&cluster.firecrest.calls("submit")), ["subject-1"]);
}

/// D34
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_and_a_stop_come_with_a_token_that_is_good_for_a_minute() {
    let cluster = Cluster::new(66, "").await;
    let hub = cluster.start().await;
    let (_, program) = cluster.somebody(&hub).await;
    let newest_has_aged = async || {
        let script = cluster.site.op.script();
        let newest = script.records.latest("access");
        let known = script.records.access(&newest).expect("it is known");
        let now = jansky_model::Clock::now(&jansky_model::SystemClock).seconds();
        known.subject == "subject-1" && known.expires_at - now < 60
    };
    within(
        PATIENCE,
        "the token has less than a minute left",
        newest_has_aged,
    )
    .await;
    let before = cluster.site.op.refresh_calls();

    start(&program, "river").await;
    let refreshed = cluster.site.op.refresh_calls();
    tokio::time::sleep(Duration::from_secs(7)).await;
    stop(&cluster, &program, "river").await;

    assert!(refreshed > before, "it was refreshed before the start");
    assert!(
        cluster.site.op.refresh_calls() > refreshed,
        "and before the stop"
    );
    for kind in ["userinfo", "mkdir", "upload", "submit", "cancel"] {
        let calls = cluster.firecrest.calls(kind);
        assert!(!calls.is_empty(), "{kind}");
        for call in calls {
            // A second may pass on the way.
            assert!(call.left >= 59, "{kind}: {} s are left", call.left);
            assert!(call.status < 400, "{call:#?}");
        }
    }
}

/// D35, for jobs
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_and_what_it_leaves_hold_no_token() {
    let cluster = Cluster::new(66, "").await;
    let secret = "canary-secret-of-the-cluster-41c0de";
    cluster.site.op.script().secrets = vec![secret.to_owned()];
    let file = cluster.site.house.path().join("secret-of-op");
    std::fs::write(&file, secret).expect("it is ours");
    let hub = cluster.site.house.start(&["log.filter=trace"]).await;
    let (_, program) = cluster.somebody(&hub).await;
    start(&program, "river").await;
    let socket = beside::variable_of_server(&cluster.site.house, "river", "JANSKY_AGENT_SOCKET");
    let socket = socket.await;
    let mut leaks = Vec::new();
    let mut look = |when: &str| {
        let mut places = beside::everything(&cluster.site, &socket);
        let mut files = Vec::new();
        beside::files(cluster.directory.path(), &mut files);
        assert!(
            files.iter().any(|path| path.ends_with("spool/8.sh")),
            "{files:?}"
        );
        for path in files {
            let bytes = std::fs::read(&path).unwrap_or_default();
            places.push((path.display().to_string(), bytes));
        }
        for job in cluster.firecrest.jobs() {
            places.push(("the job".to_owned(), job.request.to_string().into_bytes()));
        }
        let mut canaries = cluster.site.op.canaries();
        canaries.extend(["jkt_", "jka_"].map(|own| ("own".to_owned(), own.to_owned())));
        for (place, bytes) in places {
            for (kind, text) in &canaries {
                if beside::holds(&bytes, text) {
                    leaks.push(format!("{when}: the {kind} is in {place}"));
                }
            }
        }
    };

    beside::token(&socket).await;
    look("while it runs");
    stop(&cluster, &program, "river").await;
    within(PATIENCE, "its directory is gone", async || {
        !cluster.firecrest.calls("rm").is_empty()
    })
    .await;
    look("after it has ended");

    leaks.sort();
    leaks.dedup();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(!socket.parent().expect("a directory").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_with_the_scope_service_account_drives_servers_by_a_token_alone() {
    let cluster = Cluster::new(300, "").await;
    let roles = "[role.pipelines]\nscopes = [\"service-account\"]\nusers = [\"pipeline\"]\n";
    cluster.site.configure(roles);
    let hub = cluster
        .site
        .house
        .start(&["hub.admin_users=[\"river\"]"])
        .await;
    let (_, admin) = cluster.somebody(&hub).await;
    let path = "hub/api/users/pipeline";
    admin.api("POST", path, None).await.must_be(201);
    let path = "hub/api/users/pipeline/tokens";
    let made = admin.api("POST", path, Some(json!({}))).await.must_be(201);
    let token = made.json()["token"].as_str().expect("told once").to_owned();
    let pipeline = Browser::program(&hub.url, &token);

    start(&pipeline, "pipeline").await;
    stop(&cluster, &pipeline, "pipeline").await;

    for kind in ["submit", "cancel"] {
        assert_eq!(
            subjects(&cluster.firecrest.calls(kind)),
            [SERVICE],
            "{kind}"
        );
    }
    assert_eq!(cluster.firecrest.jobs()[0].account, "svc");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_the_hub_and_is_found_by_the_next_one() {
    let cluster = Cluster::new(300, "").await;
    cluster.firecrest.script().holds_queue = true;
    let hub = cluster.start().await;
    let (browser, program) = cluster.somebody(&hub).await;
    let path = "hub/api/users/river/server";
    let answer = program.api("POST", path, Some(json!({}))).await;
    assert_eq!(answer.status, 202, "it waits in the queue: {answer:#?}");

    // It dies while the job waits, and again while it runs.
    hub.kill().await;
    let hub = cluster.start().await;
    let program = program.at(&hub.url);
    cluster.firecrest.release_queue();
    within(PATIENCE, "the server is ready", async || {
        server(&program, "river").await["ready"] == true
    })
    .await;
    let pid = browser.at(&hub.url).server_pid("river").await;
    hub.kill().await;
    let hub = cluster.start().await;

    assert_eq!(browser.at(&hub.url).server_pid("river").await, pid);
    assert_eq!(cluster.firecrest.jobs().len(), 1);
    stop(&cluster, &program.at(&hub.url), "river").await;
}
