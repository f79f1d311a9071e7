//! Tokens against cross-site request forgery.
//!
//! The token is a signature over the browser session, or over the random value of a cookie for
//! somebody who is not signed in. It stands in a cookie (programs read it there and send it back in a
//! header) and in a hidden field of every form. Because it is bound to the session, a page of another
//! user's server, which may share the origin, cannot plant one of its own. It must not be able to read
//! it either, so pages are shown to persons alone: see [`check`].

use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, Method};
use jansky_crypto::Random;
use jansky_hub::Actor;
use url::Url;

use crate::state::Web;

/// The token of a browser session.
pub(crate) fn of_session(web: &Web, session_id: &str) -> String {
    web.key.sign(&["xsrf", "session", session_id])
}

/// The session of a browser; programs have none, whatever their token came from.
pub(crate) fn session(actor: Option<&Actor>) -> Option<&str> {
    actor.filter(|actor| actor.is_browser())?.session_id()
}

/// The token of a browser in which nobody is signed in.
pub(crate) fn of_visitor(web: &Web, visitor: &Visitor) -> String {
    web.key.sign(&["xsrf", "visitor", &visitor.id])
}

/// A browser in which nobody is signed in.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// The value of its cookie.
    pub(crate) id: String,
    /// Whether the browser does not have the cookie yet.
    pub(crate) is_new: bool,
}

impl Visitor {
    /// The visitor of a request: the one in the cookie, `known`, or a new one. Nobody knows the value of a new one,
    /// so no token exists for it yet. A script always gets a new one: otherwise it could read in the answer
    /// the token of the forms that the browser shows.
    pub(crate) fn of(headers: &HeaderMap, known: Option<&str>, random: &dyn Random) -> Self {
        match known.filter(|_| is_navigation(headers)) {
            Some(id) => Self {
                id: id.to_owned(),
                is_new: false,
            },
            None => Self {
                id: random.text(),
                is_new: true,
            },
        }
    }
}

/// The token that a request carries outside its body.
pub(crate) fn sent(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    for name in ["x-xsrftoken", "x-csrftoken"] {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            return Some(value.to_owned());
        }
    }
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs
        .into_iter()
        .find(|(key, _)| key == "_xsrf")
        .map(|(_, value)| value.into_owned())
}

/// What caused a request, as the browser says it (Fetch Metadata). Scripts cannot set these headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// A person, who is going to look at the answer: by a link, a form or the address bar.
    Person,
    /// Something on a page: a script, a picture, a frame, a worker, a prefetch.
    Page,
    /// The browser is older than these headers or the connection is not secure, or it is a program.
    Unsaid,
}

impl Sender {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap_or_default())
        };
        // Nobody is looking at what a browser fetches ahead, and it may never be shown.
        let is_ahead = |name| headers.contains_key(name);
        if ["sec-purpose", "purpose", "x-moz"]
            .into_iter()
            .any(is_ahead)
        {
            return Self::Page;
        }
        match (text("sec-fetch-mode"), text("sec-fetch-dest")) {
            (None, None) => Self::Unsaid,
            (Some("navigate"), None | Some("document")) => Self::Person,
            _ => Self::Page,
        }
    }
}

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// To a person. The answer has the token in it, so no script on another page may get the answer.
    Pages,
    /// To a program, or to a script of ours, which has the token.
    Api,
}

/// Whether a request that came with a cookie has to carry the token.
///
/// It has to unless a person is going to look at the answer: pages of people's servers may share the hub's
/// origin, and their scripts could read it. `is_unsaid_believed` says whether a request without Fetch
/// Metadata counts as a person's.
fn is_needed(
    surface: Surface,
    method: &Method,
    headers: &HeaderMap,
    is_unsaid_believed: bool,
) -> bool {
    let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let may_go_without = match Sender::of(headers) {
        Sender::Person => surface == Surface::Pages,
        Sender::Page => false,
        Sender::Unsaid => is_unsaid_believed,
    };
    !(is_read && may_go_without)
}

/// Whether the browser shows the answer as a page, as far as it says.
pub(crate) fn is_navigation(headers: &HeaderMap) -> bool {
    Sender::of(headers) != Sender::Page
}

/// Whether the browser says that a page of another origin caused the request: with Fetch Metadata, or with
/// `Origin` if it is older or the connection is not secure. `own` are the addresses at which it may see the
/// hub. A page that hides its origin is none of ours.
pub(crate) fn is_from_elsewhere(headers: &HeaderMap, own: &[Url]) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let told = origin.to_str().ok().and_then(|told| Url::parse(told).ok());
    // Not the scheme: TLS may end before us.
    let is_own =
        |own: &Url, told: &Url| (own.host_str(), own.port()) == (told.host_str(), told.port());
    !told.is_some_and(|told| own.iter().any(|own| is_own(own, &told)))
}

/// Checks the token of a request that came with a cookie, in words for programs when it fails.
pub(crate) fn check(
    surface: Surface,
    method: &Method,
    headers: &HeaderMap,
    query: Option<&str>,
    is_unsaid_believed: bool,
    own: &[Url],
    expected: impl FnOnce() -> String,
) -> Result<(), &'static str> {
    if !is_needed(surface, method, headers, is_unsaid_believed) {
        return Ok(());
    }
    if !method.is_safe() && is_from_elsewhere(headers, own) {
        return Err("the request comes from a page of another site");
    }
    match sent(headers, query) {
        Some(sent) if jansky_crypto::token::equal(&sent, &expected()) => Ok(()),
        Some(_) => Err("XSRF cookie does not match the argument"),
        None if Sender::of(headers) == Sender::Unsaid && method.is_safe() => Err(
            "This browser does not say how its requests come about (Sec-Fetch-Mode), so they could \
             come from a page of somebody else's server. Use a current browser, and an address that \
             begins with https.",
        ),
        None if method.is_safe() => Err("'_xsrf' argument missing from GET"),
        None => Err("'_xsrf' argument missing from POST"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (k.parse().expect("a name"), v.parse().expect("a value")))
            .collect()
    }

    /// All that browsers say today, and what they may add.
    const MODES: [&str; 6] = [
        "navigate",
        "cors",
        "no-cors",
        "same-origin",
        "websocket",
        "new",
    ];
    const DESTINATIONS: [&str; 26] = [
        "document",
        "empty",
        "audio",
        "audioworklet",
        "embed",
        "fencedframe",
        "font",
        "frame",
        "iframe",
        "image",
        "json",
        "manifest",
        "model",
        "object",
        "paintworklet",
        "report",
        "script",
        "serviceworker",
        "sharedworker",
        "style",
        "text",
        "track",
        "video",
        "webidentity",
        "worker",
        "xslt",
    ];

    #[test]
    fn only_what_a_person_looks_at_goes_without_the_token() {
        for mode in MODES {
            for destination in DESTINATIONS {
                let sent = headers(&[("sec-fetch-mode", mode), ("sec-fetch-dest", destination)]);
                let is_person = mode == "navigate" && destination == "document";
                for believed in [true, false] {
                    let needed = |surface| is_needed(surface, &Method::GET, &sent, believed);
                    assert_eq!(needed(Surface::Pages), !is_person, "{mode} {destination}");
                    assert!(needed(Surface::Api), "{mode} {destination}");
                }
            }
        }
        // Older browsers do not send `sec-fetch-dest`.
        let older = headers(&[("sec-fetch-mode", "navigate")]);
        assert!(!is_needed(Surface::Pages, &Method::GET, &older, false));
        let opaque = HeaderMap::from_iter([(
            "sec-fetch-mode".parse().expect("a name"),
            axum::http::HeaderValue::from_bytes(b"\xff").expect("an opaque value"),
        )]);
        assert!(is_needed(Surface::Pages, &Method::GET, &opaque, true));
    }

    #[test]
    fn what_browsers_do_not_say_is_believed_only_where_that_is_safe() {
        for surface in [Surface::Pages, Surface::Api] {
            let needed = |believed| is_needed(surface, &Method::GET, &headers(&[]), believed);
            assert!(needed(false));
            assert!(!needed(true));
        }
    }

    #[test]
    fn whatever_changes_something_needs_the_token() {
        let by_person = headers(&[("sec-fetch-mode", "navigate")]);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            for surface in [Surface::Pages, Surface::Api] {
                assert!(is_needed(surface, &method, &by_person, true));
                assert!(is_needed(surface, &method, &headers(&[]), true));
            }
        }
    }

    #[test]
    fn a_page_of_another_origin_changes_nothing_even_with_the_token() {
        for (site, passes) in [
            ("same-origin", true),
            ("none", true),
            ("same-site", false),
            ("cross-site", false),
        ] {
            let sent = headers(&[("sec-fetch-site", site), ("x-xsrftoken", "t")]);
            let expected = || "t".to_owned();
            let post = Method::POST;
            let checked = check(Surface::Api, &post, &sent, None, false, &[], expected);
            assert_eq!(checked.is_ok(), passes, "{site}");
        }
    }

    #[test]
    fn a_browser_that_says_only_the_origin_is_believed_when_it_is_ours() {
        let own = ["https://hub.test/jansky/", "http://127.0.0.1:8000/"]
            .map(|own| Url::parse(own).expect("a URL"));
        for (origin, is_ours) in [
            ("https://hub.test", true),
            // TLS ends before us.
            ("http://hub.test", true),
            ("http://127.0.0.1:8000", true),
            ("https://hub.test:8443", false),
            ("https://river.hub.test", false),
            ("https://hub.test.evil.test", false),
            ("http://127.0.0.1:8001", false),
            ("null", false),
            ("", false),
        ] {
            let sent = headers(&[("origin", origin)]);
            assert_eq!(!is_from_elsewhere(&sent, &own), is_ours, "{origin:?}");
        }
        assert!(!is_from_elsewhere(&headers(&[]), &own), "a program");
        let newer = headers(&[("origin", "null"), ("sec-fetch-site", "same-origin")]);
        assert!(!is_from_elsewhere(&newer, &own));
    }

    #[test]
    fn the_token_is_found_in_header_and_query() {
        assert_eq!(
            sent(&headers(&[("x-xsrftoken", "a")]), None).as_deref(),
            Some("a")
        );
        assert_eq!(
            sent(&headers(&[]), Some("x=1&_xsrf=b%2Bc")).as_deref(),
            Some("b+c")
        );
        assert_eq!(sent(&headers(&[]), Some("x=1")), None);
    }
}
