//! Routing: whatever the table and the request are, nothing panics, and the route that is found is the longest
//! of whole segments that the decoded path begins with, that of the host before that of all hosts.
#![no_main]

use std::sync::Arc;

use jansky_model::Timestamp;
use jansky_proxy::{Route, RouteTable, Target};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;

// The lines are: the host of the request, its path, and the specs of routes.
fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let (Some(host), Some(path)) = (lines.next(), lines.next()) else {
        return;
    };
    // What a request asks for begins there, whatever stands in its first line.
    if !path.starts_with('/') {
        return;
    }
    let target = Target::http("http://127.0.0.1:1").expect("a URL");
    let routes: Vec<_> = lines
        .take(16)
        .filter_map(|spec| Route::new(spec, target.clone(), Timestamp::from_seconds(0)).ok())
        .map(Arc::new)
        .collect();
    let table = RouteTable::new(routes.clone());
    let host = (!host.is_empty()).then_some(host);
    let Ok(found) = table.find(host, path) else {
        assert!(
            decoded(path).is_none(),
            "a path that can be decoded was refused"
        );
        return;
    };
    let path = decoded(path).expect("it was taken");
    let Some(found) = found else {
        // A route for everything would have been found.
        assert!(
            !routes
                .iter()
                .any(|route| route.spec().chars().all(|c| c == '/'))
        );
        return;
    };
    let at = found.spec().find('/').expect("it is a spec");
    let (of_host, prefix) = found.spec().split_at(at);
    let prefix = decoded(prefix).expect("it is a spec");
    let prefix = prefix.trim_end_matches('/');
    let rest = path
        .strip_prefix(prefix)
        .expect("the path begins with the spec");
    assert!(rest.is_empty() || rest.starts_with('/'), "half a segment");
    if !of_host.is_empty() {
        let host = host.expect("only with a host").to_ascii_lowercase();
        assert!(host.starts_with(&of_host.to_ascii_lowercase()));
    }
    for other in &routes {
        let at = other.spec().find('/').expect("it is a spec");
        let (other_host, other_prefix) = other.spec().split_at(at);
        let other_prefix = decoded(other_prefix).expect("it is a spec");
        let other_prefix = other_prefix.trim_end_matches('/');
        let is_same_host = other_host.eq_ignore_ascii_case(of_host);
        let matches = path
            .strip_prefix(other_prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        assert!(
            !(is_same_host && matches && other_prefix.len() > prefix.len()),
            "a longer route was passed over"
        );
    }
});

/// The path without its encoding, if it has one that makes sense.
fn decoded(path: &str) -> Option<String> {
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
        }
    }
    percent_decode_str(path).decode_utf8().ok().map(Into::into)
}
