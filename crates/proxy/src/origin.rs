//! What a server's answers may not do to the origin that it shares with the hub and with other servers.
//!
//! A browser lets some response headers act on a whole origin, or on a whole site, and not on the answer
//! that carries them. Who owns a server decides what it answers, so such headers are taken out, or made
//! to act below the server's own path alone. A route with a host of its own owns its origin; then only
//! what reaches beyond that is taken out.

use std::borrow::Cow;

use http::header::{HeaderName, HeaderValue, SET_COOKIE};
use http::{HeaderMap, Method};

use crate::path;
use crate::route::Route;

const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");
const SERVICE_WORKER_ALLOWED: HeaderName = HeaderName::from_static("service-worker-allowed");

/// How far a header acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// On every page of the origin.
    Origin,
    /// On other origins of the same site, too.
    Site,
}

/// The headers that are taken out, in the order of their names, how far each acts, and why.
const TAKEN_OUT: &[(&str, Reach, &str)] = &[
    (
        "accept-ch",
        Reach::Origin,
        "what browsers tell the hub about themselves (client hints)",
    ),
    (
        "alt-svc",
        Reach::Origin,
        "another address for all requests to the origin (RFC 7838)",
    ),
    (
        "clear-site-data",
        Reach::Site,
        "signs people out and deletes what other servers keep",
    ),
    ("critical-ch", Reach::Origin, "as accept-ch"),
    (
        "cross-origin-opener-policy",
        Reach::Origin,
        "with the hub's own value a page stays together with those of the hub that it opens",
    ),
    (
        "expect-ct",
        Reach::Origin,
        "which certificates browsers take for the origin",
    ),
    (
        "nel",
        Reach::Origin,
        "reports about requests to the hub, to anybody (Network Error Logging)",
    ),
    (
        "origin-agent-cluster",
        Reach::Origin,
        "is decided once for all pages of the origin",
    ),
    (
        "public-key-pins",
        Reach::Origin,
        "which certificates browsers take for the origin",
    ),
    (
        "public-key-pins-report-only",
        Reach::Origin,
        "as public-key-pins",
    ),
    (
        "report-to",
        Reach::Origin,
        "where reports of the whole origin go",
    ),
    (
        "sec-session-registration",
        Reach::Origin,
        "device-bound sessions of the origin",
    ),
    (
        "secure-session-registration",
        Reach::Origin,
        "as sec-session-registration",
    ),
    (
        "set-login",
        Reach::Origin,
        "whether people are signed in at the origin (FedCM)",
    ),
    (
        "strict-transport-security",
        Reach::Origin,
        "how browsers reach the hub (RFC 6797)",
    ),
    (
        "use-as-dictionary",
        Reach::Origin,
        "a compression dictionary for other addresses",
    ),
];

/// Whether a header of an answer is taken out.
pub(crate) fn is_taken_out(route: &Route, name: &str) -> bool {
    let found = TAKEN_OUT.iter().find(|(taken, ..)| *taken == name);
    found.is_some_and(|(_, reach, _)| *reach == Reach::Site || route.shares_origin())
}

/// Whether a header of an answer is made to act less widely by [`narrow`].
pub(crate) fn is_narrowed(name: &str) -> bool {
    name == SET_COOKIE || name == SERVICE_WORKER_ALLOWED
}

/// Lets cookies and service workers of an answer to a request for `asked` act below the server's own
/// path alone.
pub(crate) fn narrow(headers: &mut HeaderMap, route: &Route, asked: &str) {
    if route.shares_origin()
        && headers.contains_key(SERVICE_WORKER_ALLOWED)
        && let Ok(own) = HeaderValue::from_str(route.path())
    {
        headers.insert(SERVICE_WORKER_ALLOWED, own);
    }
    let cookies: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for cookie in cookies {
        if let Some(cookie) = narrow_cookie(cookie, route, asked) {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

/// A cookie of a server without what makes other servers or the hub get it (RFC 6265 section 5.2);
/// `None` when nothing would be left of it.
fn narrow_cookie(cookie: HeaderValue, route: &Route, asked: &str) -> Option<HeaderValue> {
    let mut parts = cookie.as_bytes().split(|byte| *byte == b';');
    let pair = parts.next().unwrap_or_default();
    let attributes: Vec<&[u8]> = parts.collect();
    let is = |attribute: &[u8], name: &str| {
        let found = attribute.split(|byte| *byte == b'=').next();
        found.is_some_and(|found| found.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    };
    let has_domain = attributes.iter().any(|attribute| is(attribute, "domain"));
    let is_outside = route.shares_origin() && {
        let name = pair.trim_ascii();
        if name.len() >= HOST_PREFIX.len()
            && name[..HOST_PREFIX.len()].eq_ignore_ascii_case(HOST_PREFIX)
        {
            // Browsers take such a name for the path `/` alone.
            return None;
        }
        // The last of several counts, and a path that does not begin with a slash is none.
        let path = attributes
            .iter()
            .rev()
            .find(|attribute| is(attribute, "path"));
        let path = path.and_then(|attribute| attribute.splitn(2, |byte| *byte == b'=').nth(1));
        let path = path.map_or(&b""[..], <[u8]>::trim_ascii);
        let path = if path.starts_with(b"/") {
            String::from_utf8_lossy(path)
        } else {
            Cow::Borrowed(folder(asked))
        };
        !is_own(route, &path)
    };
    if !has_domain && !is_outside {
        return Some(cookie);
    }
    let mut narrowed = pair.to_vec();
    for attribute in attributes {
        if is(attribute, "domain") || (is_outside && is(attribute, "path")) {
            continue;
        }
        narrowed.push(b';');
        narrowed.extend_from_slice(attribute);
    }
    if is_outside {
        narrowed.extend_from_slice(b"; Path=");
        narrowed.extend_from_slice(route.path().as_bytes());
    }
    HeaderValue::from_bytes(&narrowed).ok()
}

const HOST_PREFIX: &[u8] = b"__Host-";

/// Whether a request asks for a script that would stand between browsers and more than the server's own
/// pages: without a header such a script is let act on the folder in which it is (Service Workers,
/// section 4).
pub(crate) fn asks_for_foreign_worker(
    route: &Route,
    method: &Method,
    headers: &HeaderMap,
    asked: &str,
) -> bool {
    *method == Method::GET
        && route.shares_origin()
        && !is_own(route, folder(asked))
        && headers.contains_key(SERVICE_WORKER)
}

/// The path of a request up to its last slash, as browsers take it when nothing else is said.
fn folder(asked: &str) -> &str {
    let end = asked.rfind('/').unwrap_or(0);
    &asked[..end.max(1).min(asked.len())]
}

/// Whether everything at or below a path, as a browser compares it, is the server's.
fn is_own(route: &Route, path: &str) -> bool {
    let key = &**route.key();
    path::decode(path).is_ok_and(|path| {
        let rest = path.strip_prefix(key);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use jansky_model::Timestamp;

    use super::*;
    use crate::route::Target;

    fn route(spec: &str) -> Route {
        let target = Target::http("http://127.0.0.1:1").expect("a valid target");
        Route::new(spec, target, Timestamp::from_seconds(0)).expect("a valid spec")
    }

    fn cookie(spec: &str, asked: &str, line: &'static str) -> Option<String> {
        let line = HeaderValue::from_static(line);
        let narrowed = narrow_cookie(line, &route(spec), asked)?;
        Some(narrowed.to_str().expect("text").to_owned())
    }

    #[test]
    fn names_are_sorted_once_each_and_have_a_reason() {
        let names: Vec<_> = TAKEN_OUT.iter().map(|(name, ..)| *name).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(names, sorted);
        assert!(TAKEN_OUT.iter().all(|(.., why)| !why.is_empty()));
        assert!(names.iter().all(|name| name.to_ascii_lowercase() == *name));
    }

    #[test]
    fn cookies_below_the_servers_path_are_left_as_they_are() {
        for line in [
            "_xsrf=2|a|b|1; Path=/user/river/",
            "a=b; HttpOnly; path=/user/river; SameSite=Lax",
            "a=b; Path=/user/river/lab/x",
            "a=b; Path=/user/r%69ver/",
            "a=b; Path=/; Path=/user/river/",
            "a=b",
            "a=path=/; Secure",
        ] {
            let after = cookie("/user/river/", "/user/river/lab", line);
            assert_eq!(after.as_deref(), Some(line));
        }
    }

    #[test]
    fn cookies_for_others_are_the_servers_own_afterwards() {
        for (line, after) in [
            ("a=b; Path=/", "a=b; Path=/user/river/"),
            (
                "a=b; Path=/hub/token; HttpOnly",
                "a=b; HttpOnly; Path=/user/river/",
            ),
            ("a=b; Path=/user/riverside/", "a=b; Path=/user/river/"),
            (
                "a=b; PATH = /hub ; Secure",
                "a=b; Secure; Path=/user/river/",
            ),
            (
                "a=b; Path=/user/river/; Path=/hub/",
                "a=b; Path=/user/river/",
            ),
            ("a=b; Path=/user/%zz", "a=b; Path=/user/river/"),
            ("a=b; Domain=hub.test", "a=b"),
            ("a=b; domain=.hub.test; path=/", "a=b; Path=/user/river/"),
        ] {
            let narrowed = cookie("/user/river/", "/user/river/lab", line);
            assert_eq!(narrowed.as_deref(), Some(after), "{line}");
        }
        for line in ["__Host-a=b; Path=/; Secure", " __hOST-a=b", "__Host-=b"] {
            assert_eq!(cookie("/user/river/", "/user/river/lab", line), None);
        }
    }

    #[test]
    fn a_cookie_without_a_path_gets_one_where_its_request_is_not_below_the_servers_own() {
        for asked in ["/user/river", "/user%2Friver%2Flab", "/user/river%2Flab"] {
            for line in ["a=b", "a=b; Path", "a=b; Path=x"] {
                let narrowed = cookie("/user/river/", asked, line);
                let narrowed = narrowed.expect("it is left");
                assert!(
                    narrowed.ends_with("; Path=/user/river/"),
                    "{asked}: {narrowed}"
                );
            }
        }
    }

    #[test]
    fn on_an_origin_of_its_own_only_the_domain_is_taken_from_a_cookie() {
        let spec = "river.hub.test/user/river/";
        for (line, after) in [
            ("a=b; Path=/", "a=b; Path=/"),
            ("__Host-a=b; Path=/; Secure", "__Host-a=b; Path=/; Secure"),
            ("a=b; Path=/; Domain=hub.test", "a=b; Path=/"),
        ] {
            let narrowed = cookie(spec, "/user/river/lab", line);
            assert_eq!(narrowed.as_deref(), Some(after));
        }
        assert!(!is_taken_out(&route(spec), "strict-transport-security"));
        assert!(is_taken_out(&route(spec), "clear-site-data"));
    }

    #[test]
    fn a_worker_may_stand_in_a_folder_of_its_own_server_alone() {
        let mut headers = HeaderMap::new();
        let river = route("/user/river/");
        let asks = |headers: &HeaderMap, asked| {
            asks_for_foreign_worker(&river, &Method::GET, headers, asked)
        };
        assert!(!asks(&headers, "/user/river"));
        headers.insert(SERVICE_WORKER, HeaderValue::from_static("script"));

        for (asked, is_foreign) in [
            ("/user/river", true),
            ("/user%2Friver%2Fsw.js", true),
            ("/user/river%2fsw.js", true),
            ("/user/river/", false),
            ("/user/river/sw.js", false),
            ("/user/river/x/sw.js", false),
        ] {
            assert_eq!(asks(&headers, asked), is_foreign, "{asked}");
        }
    }
}
