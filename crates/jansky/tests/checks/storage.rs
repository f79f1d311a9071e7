//! What the database holds is of no use without the keys, and of no use in another row (D49).

use std::path::Path;
use std::time::Duration;

use jansky_testing::Person;

use crate::browser::Browser;
use crate::house::run;
use crate::site::{Site, within};

/// Runs statements on a database file and returns what they say, line by line.
pub(crate) fn sqlite(file: &Path, statements: &str) -> String {
    let script = "import sqlite3, sys\n\
                  base = sqlite3.connect(sys.argv[1], timeout=30)\n\
                  for statement in sys.argv[2].split(';'):\n\
                  \x20   for row in base.execute(statement): print(*row)\n\
                  base.commit()\n";
    let output = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(file)
        .arg(statements)
        .output()
        .expect("Python runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// D49
#[tokio::test]
async fn a_copy_of_the_database_holds_nothing_that_opens_a_door() {
    let site = Site::new().await;
    site.op
        .script()
        .people
        .push(Person::new("subject-2", "wash"));
    let hub = site.start().await;
    for subject in ["subject-1", "subject-2"] {
        Browser::new(&hub.url).sign_in(&site.op, subject).await;
    }
    assert!(hub.terminate().await.success());

    let canaries = site.op.canaries();
    for entry in std::fs::read_dir(site.house.path().join("data")).expect("it is ours") {
        let path = entry.expect("an entry").path();
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).expect("it is ours");
        for (kind, text) in &canaries {
            let found = bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes());
            assert!(!found, "the {kind} `{text}` is in {}", path.display());
        }
    }
}

/// D49
#[tokio::test]
async fn without_the_key_people_sign_in_again_and_nothing_breaks() {
    let site = Site::new().await;
    site.op.script().lifetimes.access = 20;
    let hub = site.start().await;
    let browser = Browser::new(&hub.url);
    browser.sign_in(&site.op, "subject-1").await;
    browser.start_server("river").await;
    let pid = browser.server_pid("river").await;
    assert!(hub.terminate().await.success());
    let keys = site.house.path().join("data/sealing.keys");
    std::fs::remove_file(&keys).expect("it is there");

    let hub = site.start().await;
    let browser = browser.at(&hub.url);
    for path in ["hub/home", "hub/token", "hub/login", "hub/api/user"] {
        let answer = browser.get(path).await;
        assert!(answer.status < 500, "{answer:#?}");
    }
    browser.post("hub/logout", &[]).await;
    let again = Browser::new(&hub.url);
    again.sign_in(&site.op, "subject-1").await;

    assert_eq!(again.whoami().await["name"], "river");
    assert_eq!(again.server_pid("river").await, pid, "the server runs on");
}

/// D49
#[tokio::test]
async fn a_new_key_seals_all_again_while_people_work() {
    let site = Site::new().await;
    let people = 8;
    for number in 2..=people {
        let name = format!("person-{number}");
        site.op.script().people.push(Person::new(&name, &name));
    }
    let hub = site.start().await;
    Browser::new(&hub.url).sign_in(&site.op, "subject-1").await;
    for number in 2..=people {
        let name = format!("person-{number}");
        Browser::new(&hub.url).sign_in(&site.op, &name).await;
    }
    let database = site.house.path().join("data/jansky.sqlite");
    let sealed = "select access_token, refresh_token, id_token from grants;
                  select id_token from sessions where session_id in
                      (select session_id from sessions order by created_at limit 8)";
    let before = sqlite(&database, sealed);
    assert!(hub.terminate().await.success());

    let config = site.house.config().display().to_string();
    let rotated = run(&["keys", "rotate", "--config", &config]).await;
    assert!(rotated.status.success(), "{rotated:?}");
    let hub = site.start().await;
    let busy = Browser::new(&hub.url);
    within(
        Duration::from_secs(20),
        "all rows are sealed again",
        async || {
            busy.sign_in(&site.op, "subject-1").await;
            let after = sqlite(&database, sealed);
            let old: Vec<&str> = before.lines().collect();
            after.lines().all(|row| !old.contains(&row))
        },
    )
    .await;

    let log = site.house.said("stderr");
    assert!(log.contains("sealed tokens again"), "{log}");
    assert!(!log.contains("could not seal"), "{log}");
}

/// D49
#[tokio::test]
async fn what_was_sealed_for_one_person_opens_for_nobody_else() {
    let site = Site::new().await;
    site.configure(crate::tokens::ARCHIVE);
    site.op
        .script()
        .people
        .push(Person::new("subject-2", "wash"));
    let hub = crate::tokens::start(&site).await;
    let (_, agent) = crate::tokens::somebody_at_work(&site, &hub).await;
    Browser::new(&hub.url).sign_in(&site.op, "subject-2").await;
    assert!(hub.terminate().await.success());

    let database = site.house.path().join("data/jansky.sqlite");
    let columns = ["access_token", "refresh_token", "id_token"];
    let other = |column: &str| {
        format!("(select {column} from grants as other where other.id <> grants.id)")
    };
    let assignments: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} = {}", other(column)))
        .collect();
    sqlite(
        &database,
        &format!("update grants set {}", assignments.join(", ")),
    );
    let hub = crate::tokens::start(&site).await;
    let refused = agent.at(&hub.url).token("archive").await;

    assert_eq!(refused.status, 401, "{refused:#?}");
    assert_eq!(refused.json()["error"], "reauth_required");
    let log = site.house.said("stderr");
    assert!(log.contains("does not open"), "the operator is told: {log}");
}
