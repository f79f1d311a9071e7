//! Signing in with a real Unix account. Needs root, as CI has it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::browser::Browser;
use crate::house::{House, until};

const UNIX_PASSWORD: &str = "Reber-9.5m-Wheaton";

fn run(program: &str, arguments: &[&str], input: &str) {
    let mut command = Command::new(program);
    let command = command.args(arguments).stdin(Stdio::piped());
    let mut child = command.spawn().expect("the program is there");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

/// An account with a group of its name, both of which go away with this value.
struct UnixAccount(String);

impl UnixAccount {
    fn make(start: &str) -> Self {
        let account = Self(format!("{start}{}", std::process::id()));
        run("useradd", &["--user-group", &account.0], "");
        run("chpasswd", &[], &format!("{}:{UNIX_PASSWORD}\n", account.0));
        account
    }
}

impl Drop for UnixAccount {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0).output();
    }
}

/// D15, for the account database of the machine.
#[tokio::test]
async fn rights_follow_the_groups_of_a_unix_account_until_it_is_gone() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (member, staff) = (UnixAccount::make("jkmem"), UnixAccount::make("jkstaff"));
    run(
        "usermod",
        &["--append", "--groups", &staff.0, &member.0],
        "",
    );
    let house = House::new();
    let (allowed, admins) = (
        format!("provider.unix.allowed_groups=[{:?}]", member.0),
        format!("provider.unix.admin_groups=[{:?}]", staff.0),
    );
    let hub = house
        .start(&[
            "provider.unix.kind=pam",
            "provider.unix.service=other",
            "session.rights_refresh=1s",
            "hub.no_longer_allowed=stop",
            &allowed,
            &admins,
        ])
        .await;
    let visitor = Browser::new(&hub.url);
    let answer = visitor
        .give_password("unix", &member.0, UNIX_PASSWORD)
        .await;
    answer.must_be(302);
    let home = async || visitor.get("hub/home").await;
    assert!(home().await.must_be(200).text.contains("administrator"));

    run("gpasswd", &["--delete", &member.0, &staff.0], "");
    until("the admin flag stays", async || {
        let page = home().await.must_be(200);
        (!page.text.contains("administrator")).then_some(())
    })
    .await;
    run("userdel", &[&member.0], "");
    until("an account that is gone goes on", async || {
        (home().await.status == 302).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_unix_account_signs_in_by_its_groups_and_with_its_password_only() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let member = UnixAccount::make("jkin");
    let other = UnixAccount::make("jkout");
    let house = House::new();
    let groups = format!("provider.unix.allowed_groups=[{:?}]", member.0);
    let hub = house
        .start(&[
            "provider.unix.kind=pam",
            "provider.unix.service=other",
            &groups,
        ])
        .await;
    let attempt = async |name: &str, password: &str| {
        let visitor = Browser::new(&hub.url);
        let answer = visitor.give_password("unix", name, password).await;
        (answer, visitor)
    };

    // PAM makes those wait who are wrong.
    let (right, wrong, unknown, outside) = tokio::join!(
        attempt(&member.0, UNIX_PASSWORD),
        attempt(&member.0, "wrong"),
        attempt("no-such-account-here", UNIX_PASSWORD),
        attempt(&other.0, UNIX_PASSWORD),
    );

    let (answer, browser) = right;
    answer.must_be(302);
    let home = browser.get("hub/home").await.must_be(200);
    assert!(home.text.contains(&member.0));
    let told = |answer: &str| answer.contains("The user name or the password is wrong.");
    assert!(told(&wrong.0.must_be(403).text) && told(&unknown.0.must_be(403).text));
    let refused = outside.0.must_be(403).text;
    assert!(refused.contains("may not use this hub"), "{refused}");
    let said = house.said("stderr") + &house.said("stdout");
    assert!(!said.contains(UNIX_PASSWORD), "the password is in the log");
}
