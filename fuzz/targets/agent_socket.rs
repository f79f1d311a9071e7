//! The agent's socket: whatever the code of a server sends, the agent answers and goes on, and the token is
//! given to a plain request for it alone.
#![no_main]

use std::cell::LazyCell;

use jansky_agent::fuzzing::{AUDIENCE, FuzzedAgent, TOKEN};
use libfuzzer_sys::fuzz_target;

thread_local! {
    static AGENT: LazyCell<FuzzedAgent> = LazyCell::new(FuzzedAgent::new);
}

/// Headers that a browser or a proxy sends.
const FORBIDDEN: [&str; 6] = [
    "cookie",
    "forwarded",
    "origin",
    "referer",
    "via",
    "x-real-ip",
];

fuzz_target!(|data: &[u8]| {
    let answers = AGENT.with(|agent| agent.answers(data));
    let answers = str::from_utf8(&answers).expect("answers are text");
    let asked = data
        .windows(10)
        .filter(|part| *part == b"/v1/token?")
        .count();
    assert!(
        answers.matches(TOKEN).count() <= asked,
        "more tokens than questions"
    );
    // Only the first question is known to begin where it seems to.
    let first = answers.split("HTTP/1.1 ").nth(1).unwrap_or_default();
    let known = ["200", "400", "403", "404", "405", "414", "431", "503"];
    assert!(
        first.is_empty() || known.iter().any(|status| first.starts_with(status)),
        "{first}"
    );
    if !first.contains(TOKEN) {
        return;
    }
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(data).expect("it was answered");
    assert_eq!(request.method, Some("GET"));
    let (path, query) = request
        .path
        .and_then(|path| path.split_once('?'))
        .expect("a wish");
    assert!(path.ends_with("/v1/token"), "{path}");
    let named = query
        .split(['&', '#'])
        .any(|part| part.starts_with("audience="));
    assert!(
        named || query.contains('%') || query.contains('+'),
        "nobody named `{AUDIENCE}`"
    );
    for header in request.headers {
        let name = header.name.to_ascii_lowercase();
        let is_forwarded = FORBIDDEN.contains(&name.as_str()) || name.starts_with("x-forwarded-");
        assert!(!is_forwarded, "a token was given with `{name}`");
    }
});
