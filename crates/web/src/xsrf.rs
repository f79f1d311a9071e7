//! Tokens against cross-site request forgery.
//!
//! The token is a signature over the browser session, or over the random value of a cookie for
//! somebody who is not signed in. It stands in a cookie (clients read it there and send it back in a
//! header) and in a hidden field of every form. Because it is bound to the session, a page of another
//! user's server, which shares the origin, cannot plant one of its own.

use axum::http::{HeaderMap, Method};
use jansky_crypto::Random;
use jansky_hub::Actor;

use crate::cookies;
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
    /// The one that sent a request. Nobody else knows the value of a new one, so no token that was
    /// made before is good for it. What a script asks for comes from a new one in any case: it must
    /// not find the token of the browser's own forms in an answer.
    pub(crate) fn of(headers: &HeaderMap, random: &dyn Random) -> Self {
        let known = cookies::values(headers, cookies::VISITOR).find(|id| !id.is_empty());
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

/// Whether a request that came with a cookie has to carry the token: all but navigations, and
/// scripts' reads too, because another server's page on the same origin could make those.
fn is_needed(method: &Method, headers: &HeaderMap) -> bool {
    let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (is_read, text("sec-fetch-mode")) {
        (_, Some("websocket")) | (true, None | Some("navigate")) => false,
        (true, Some("no-cors")) => text("sec-fetch-site") != Some("same-origin"),
        _ => true,
    }
}

/// Whether the browser shows the answer as a page, as far as it says.
pub(crate) fn is_navigation(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-mode")
        .is_none_or(|mode| mode == "navigate")
}

/// Checks the token of a request that came with a cookie, in words for programs when it fails.
pub(crate) fn check(
    method: &Method,
    headers: &HeaderMap,
    query: Option<&str>,
    expected: impl FnOnce() -> String,
) -> Result<(), &'static str> {
    if !is_needed(method, headers) {
        return Ok(());
    }
    match sent(headers, query) {
        Some(sent) if jansky_crypto::token::equal(&sent, &expected()) => Ok(()),
        Some(_) => Err("XSRF cookie does not match the argument"),
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

    #[test]
    fn scripts_need_the_token_also_to_read() {
        let by_script = headers(&[("sec-fetch-mode", "cors")]);
        let by_address_bar = headers(&[("sec-fetch-mode", "navigate")]);

        assert!(is_needed(&Method::GET, &by_script));
        assert!(!is_needed(&Method::GET, &by_address_bar));
        assert!(!is_needed(&Method::GET, &headers(&[])));
        assert!(is_needed(&Method::POST, &by_address_bar));
        assert!(is_needed(&Method::DELETE, &headers(&[])));
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
