//! Nothing that the hub does can be asked for by nobody: every use case takes somebody who asks, a
//! permit, the authority over the hub, or a proof of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What says in whose name something is done. None of these can be made by who calls a use case.
const CALLERS: [&str; 7] = [
    "Permit<",
    "&Actor",
    "OnBehalfOf<",
    "&Authority",
    "agent: &Agent",
    "SetUpBrowser<",
    "CompletedSignIn",
];

/// Use cases that take none of them, and why.
const WITHOUT: &[(&str, &str)] = &[
    // Who asks is found out here, from what they brought.
    ("session_caller", "finds the caller of a cookie"),
    ("token_caller", "finds the caller of a token"),
    ("agent", "checks the session and the proof of an agent"),
    ("enroll", "checks the ticket of a start, which works once"),
    (
        "exchange_code",
        "checks the secret of an OAuth client and its code",
    ),
    (
        "begin_device_request",
        "checks which client it is; a person answers",
    ),
    (
        "device_token",
        "checks the client and the code of its request",
    ),
    ("introspect", "checks the secret of the client"),
    (
        "revoke_issued",
        "checks the secret of the client, and the token is the proof",
    ),
    (
        "receive_logout",
        "checks the signature of the provider's logout token",
    ),
    (
        "receive_security_event",
        "checks the signature of the provider's event",
    ),
    // Nobody is signed in yet: these are the ways in.
    (
        "begin_sign_in",
        "leaves for a provider, which asks who is there",
    ),
    ("finish_sign_in", "checks what came back from the provider"),
    ("sign_in_with_password", "checks a password"),
    ("sign_in_by_header", "checks what a trusted proxy says"),
    ("check_credentials", "checks a password and a second factor"),
    ("second_step", "the cookie of the step is the proof"),
    (
        "finish_second_step",
        "the cookie of the step and a code are the proof",
    ),
    (
        "sign_up",
        "anybody may ask for an account where the operator says so",
    ),
    ("is_first_admin_code", "the one-time code is the proof"),
    ("set_up_first_admin", "the one-time code is the proof"),
    ("user_of_password_link", "the one-time code is the proof"),
    ("choose_password", "the one-time code is the proof"),
    // Shows how something stands that a use case which asked has given out.
    ("settled", "waits for a server in hand"),
    ("reread", "looks at a server in hand again"),
    ("server_of_share", "the server of a share in hand"),
    ("next", "the next notice for an agent that watches"),
    // About the hub, for everybody.
    ("issuer_keys", "public keys"),
    (
        "metrics_text",
        "numbers, for which surfaces may ask for a permit",
    ),
    ("takes_changes", "whether the database takes changes"),
    // What the hub does by itself: it finds out what is due, and to repeat it changes nothing.
    ("resume", "takes up what the last process began"),
    ("spawn_listening", "begins to follow the change feed"),
    ("look_at_servers", "compares the database with what runs"),
    (
        "finish_exclusions",
        "stops the servers of those whose time is over",
    ),
    ("refresh_due", "refreshes grants that end soon"),
    ("write_activity", "writes down what was seen"),
    (
        "shut_down_process",
        "ends the work of this process and leaves servers running",
    ),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
}

/// The public asynchronous methods in a source, with their arguments.
fn methods(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("\n    pub async fn ") {
        let (name, signature) = after.split_once('(').expect("a function has arguments");
        let (arguments, _) = signature.split_once(") ").expect("they end");
        let is_for_tests = before
            .rsplit("\n\n")
            .next()
            .is_some_and(|above| above.contains("cfg(feature = \"testing\")"));
        if !is_for_tests {
            found.push((name.to_owned(), arguments.to_owned()));
        }
        rest = after;
    }
    found
}

#[test]
fn every_use_case_takes_somebody_who_may_ask_for_it() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&source, &mut files);
    let is_for_tests = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        matches!(name, Some("testing.rs" | "tests.rs"))
    };
    files.retain(|path| !is_for_tests(path));

    let mut seen = BTreeSet::new();
    let mut open = Vec::new();
    let mut count = 0;
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a source is text");
        for (name, arguments) in methods(&text) {
            count += 1;
            if CALLERS.iter().any(|caller| arguments.contains(caller)) && name != "finish_sign_in" {
                continue;
            }
            if WITHOUT.iter().any(|(known, _)| *known == name) {
                seen.insert(name);
            } else {
                open.push(format!("{}: {name}({arguments})", file.display()));
            }
        }
    }
    assert!(count > 80, "only {count} use cases were found");
    assert!(
        open.is_empty(),
        "these ask nobody: let them take a permit or the caller, or be `pub(crate)`: {open:#?}"
    );
    let stale: Vec<&str> = WITHOUT
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !seen.contains(*name))
        .collect();
    assert!(stale.is_empty(), "these are no more or ask now: {stale:?}");
}
