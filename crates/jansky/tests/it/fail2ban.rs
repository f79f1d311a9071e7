//! The log line of a refused sign-in, and the filter for it that stands in `deploy/`.

use std::path::Path;
use std::process::Command;

use crate::browser::Browser;
use crate::house::{House, until};

/// How many lines of a log the filter takes for wrong passwords.
fn matches(log: &Path) -> usize {
    let filter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/fail2ban/jansky.conf");
    let output = Command::new("fail2ban-regex")
        .arg(log)
        .arg(filter)
        .output()
        .expect("fail2ban is installed (tests/run does it)");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find(|line| line.starts_with("Lines: "));
    let count = line.and_then(|line| {
        line.split(", ")
            .find_map(|part| part.strip_suffix(" matched"))
    });
    count
        .and_then(|count| count.parse().ok())
        .unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

/// How often the lines match that this hub writes about three wrong passwords.
async fn matches_of_three(format: &str) -> usize {
    let house = House::new();
    let hub = house.start(&[format]).await;
    hub.make_admin().await;
    let stranger = Browser::new(&hub.url);
    for _ in 0..3 {
        let fields = [("username", "nobody"), ("password", "a guess")];
        stranger.post("hub/login", &fields).await.must_be(403);
    }
    until("the log has the refusals", async || {
        (house.said("stderr").matches("wrong_password").count() == 3).then_some(())
    })
    .await;
    let log = house.path().join("for-fail2ban.log");
    // What somebody writes who wants another address to be shut out.
    let forged = "2026-11-30T21:20:00.000000Z  INFO jansky_hub::sign_in: sign-in refused: the claim \
                  WARN jansky_hub::record::refusals: sign-in refused client.address=198.51.100.1 \
                  provider.id=local reason=\"wrong_password\"\n";
    std::fs::write(&log, house.said("stderr") + forged).expect("the log is written");
    matches(&log)
}

#[tokio::test]
async fn fail2ban_finds_wrong_passwords_in_the_log() {
    assert_eq!(matches_of_three("log.format=text").await, 3);
}

#[tokio::test]
async fn fail2ban_finds_wrong_passwords_in_a_log_of_json() {
    assert_eq!(matches_of_three("log.format=json").await, 3);
}
