//! Real Unix accounts, made for the test and removed again. Without root there is nothing to make.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use jansky_pam::{Outcome, Request, check};

/// The service that Debian and others have for programs without rules of their own.
const SERVICE: &str = "other";
const PASSWORD: &str = "Reber-9.5m-Wheaton";

fn run(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program is there");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

/// An account of this machine that goes away with this value.
struct Account(String);

impl Account {
    fn make(suffix: &str) -> Self {
        let name = format!("jkpam{}{suffix}", std::process::id());
        run(
            "useradd",
            &["--no-create-home", "--comment", "River Tam,,,", &name],
            "",
        );
        let account = Self(name);
        run("chpasswd", &[], &format!("{}:{PASSWORD}\n", account.0));
        account
    }

    fn try_with(&self, password: &str) -> Outcome {
        sign_in(&self.0, password)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0).status();
    }
}

fn sign_in(name: &str, password: &str) -> Outcome {
    check(Request {
        service: SERVICE.to_owned(),
        name: name.to_owned(),
        password: Some(password.to_owned()),
    })
}

fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

#[test]
fn the_right_password_of_a_usable_account_is_good_and_nothing_else_is() {
    if !is_root() {
        return;
    }
    let plain = Account::make("a");
    let expired = Account::make("b");
    let stale = Account::make("c");
    let locked = Account::make("d");
    let open = Account::make("e");
    run("chage", &["--expiredate", "1970-01-02", &expired.0], "");
    run("chage", &["--lastday", "0", &stale.0], "");
    run("usermod", &["--lock", &locked.0], "");
    run("passwd", &["--quiet", "--delete", &open.0], "");

    // PAM waits after every wrong password, so they are all asked at once.
    thread::scope(|scope| {
        let ask = |name: &str, password: &str| {
            let (name, password) = (name.to_owned(), password.to_owned());
            scope.spawn(move || sign_in(&name, &password))
        };
        let wrong = [
            ask(&plain.0, "wrong"),
            ask(&plain.0, ""),
            ask(&plain.0, &format!("{PASSWORD}\0")),
            ask("no-such-account-here", PASSWORD),
            ask("", PASSWORD),
            ask(&expired.0, "wrong"),
            ask(&locked.0, PASSWORD),
            ask(&open.0, ""),
            ask(&open.0, "anything"),
        ];
        for asked in wrong {
            assert_eq!(asked.join().expect("no panic"), Outcome::Wrong);
        }
    });

    let Outcome::Good(account) = plain.try_with(PASSWORD) else {
        panic!("the right password was refused");
    };
    assert_eq!(account.name, plain.0);
    assert_eq!(account.full_name.as_deref(), Some("River Tam"));
    assert_eq!(
        account.groups,
        std::slice::from_ref(&plain.0),
        "its own group"
    );
    for unusable in [&expired, &stale] {
        let told = unusable.try_with(PASSWORD);
        assert!(matches!(told, Outcome::Unusable(_)), "{told:?}");
    }
}

#[test]
fn an_account_is_looked_up_without_its_password() {
    if !is_root() {
        return;
    }
    let plain = Account::make("f");
    let expired = Account::make("g");
    let stale = Account::make("h");
    let group = Account::make("i");
    run("chage", &["--expiredate", "1970-01-02", &expired.0], "");
    run("chage", &["--lastday", "0", &stale.0], "");
    let ask = |name: &str| {
        check(Request {
            service: SERVICE.to_owned(),
            name: name.to_owned(),
            password: None,
        })
    };
    let groups = |outcome: Outcome| match outcome {
        Outcome::Good(account) => account.groups,
        other => panic!("it is not good: {other:?}"),
    };

    assert_eq!(groups(ask(&plain.0)), std::slice::from_ref(&plain.0));
    run("usermod", &["--append", "--groups", &group.0, &plain.0], "");
    assert!(groups(ask(&plain.0)).contains(&group.0));
    groups(ask(&stale.0));
    for gone in [expired.0.as_str(), "no-such-account-here"] {
        let told = ask(gone);
        assert!(matches!(told, Outcome::Unusable(_)), "{gone}: {told:?}");
    }
    assert_eq!(ask(""), Outcome::Wrong);
}

#[test]
fn a_request_leaves_no_trace_of_the_password_in_the_outcome() {
    let outcome = check(Request {
        service: "no-such-service\0".to_owned(),
        name: "river".to_owned(),
        password: Some(PASSWORD.to_owned()),
    });

    assert_eq!(outcome, Outcome::Wrong);
    assert!(!format!("{outcome:?}").contains(PASSWORD));
}
