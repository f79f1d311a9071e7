//! What becomes of requests to people's servers. What they must not see is taken out: the ids of ended
//! sessions, see [`EndedSessions`], and what proves that a request comes through the trusted proxy. What
//! a connection hangs on is found: the session or token with which its visitor came.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, request};
use jansky_config::{Config, Provider};
use jansky_hub::{EndedSessions, Hub, VisitorCredentials};
use jansky_proxy::{RequestFilter, Revocation, Route};
use serde_json::Value;
use tokio::runtime::Handle;
use url::form_urlencoded;

/// The cookie in which single-user servers find the session id.
const SESSION_ID: &str = "jupyterhub-session-id";

/// How the names of the cookies begin in which single-user servers keep the token of a visitor.
const SERVER_COOKIE: &str = "jupyterhub-user-";

/// The filter of the proxy.
pub(crate) struct ForServers {
    hub: Arc<Hub>,
    ended: Arc<EndedSessions>,
    /// Where is watched what connections hang on.
    runtime: Handle,
    /// Whoever knows what is in these could sign in as anybody.
    proofs: Vec<HeaderName>,
}

impl ForServers {
    /// The filter for the servers of this hub, which watches in the present runtime.
    pub(crate) fn new(hub: &Arc<Hub>, config: &Config) -> Self {
        Self {
            hub: Arc::clone(hub),
            ended: Arc::clone(hub.ended_sessions()),
            runtime: Handle::current(),
            proofs: proofs(config),
        }
    }
}

fn proofs(config: &Config) -> Vec<HeaderName> {
    let proofs = config.provider.values().filter_map(|provider| {
        let Provider::Header(header) = provider else {
            return None;
        };
        HeaderName::try_from(&header.secret_header).ok()
    });
    proofs.collect()
}

impl RequestFilter for ForServers {
    fn filter(&self, _: &Route, head: &mut request::Parts) {
        take_proofs_out(&mut head.headers, &self.proofs);
        if !self.ended.is_empty() {
            take_out(&mut head.headers, &|id| self.ended.contains(id));
        }
    }

    fn revocation(&self, route: &Route, head: &request::Parts) -> Option<Revocation> {
        let text = |key: &str| route.data().get(key).and_then(Value::as_str);
        let (owner, server) = (text("user")?, text("server_name")?);
        self.hub
            .servers
            .revocation(owner, server, brought(head), &self.runtime)
    }
}

fn take_proofs_out(headers: &mut HeaderMap, proofs: &[HeaderName]) {
    for name in proofs {
        headers.remove(name);
    }
}

/// What a request brought that single-user servers take for a visitor's: the session's id, and tokens
/// in the header, in the query and in the server's own cookie.
fn brought(head: &request::Parts) -> VisitorCredentials {
    let mut brought = VisitorCredentials::default();
    for (name, value) in cookies(&head.headers) {
        if name == SESSION_ID {
            brought.session_ids.push(value);
        } else if name.starts_with(SERVER_COOKIE) {
            brought.tokens.extend(signed_value(&value));
        }
    }
    for line in head.headers.get_all(AUTHORIZATION) {
        let line = String::from_utf8_lossy(line.as_bytes());
        if let Some((_, token)) = line.trim().split_once(char::is_whitespace) {
            brought.tokens.push(token.trim().to_owned());
        }
    }
    let query = head.uri.query().unwrap_or_default();
    let query = form_urlencoded::parse(query.as_bytes());
    let in_query = query.filter(|(name, _)| name == "token");
    brought
        .tokens
        .extend(in_query.map(|(_, token)| token.into_owned()));
    brought
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (String, String)> {
    let lines = headers.get_all(COOKIE).iter();
    lines.flat_map(pairs).filter_map(cookie)
}

/// The cookies of a line, as they are written.
fn pairs(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b';')
}

/// Name and value of a cookie as single-user servers read it, so that no spelling which they understand
/// passes by: a line may have any bytes, and names and values have spaces around them.
fn cookie(pair: &[u8]) -> Option<(String, String)> {
    let pair = String::from_utf8_lossy(pair);
    let (name, value) = pair.split_once('=')?;
    Some((name.trim().to_owned(), unquoted(value.trim())))
}

/// A value without its quotation marks and the escapes within them (Python's `http.cookies`).
fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let Some(mut rest) = inner else {
        return value.to_owned();
    };
    let mut plain = String::with_capacity(rest.len());
    while let Some((before, escaped)) = rest.split_once('\\') {
        plain.push_str(before);
        let digits = escaped.get(..3);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            plain.push(char::from(byte));
            rest = &escaped[3..];
        } else {
            let mut letters = escaped.chars();
            plain.extend(letters.next());
            rest = letters.as_str();
        }
    }
    plain.push_str(rest);
    plain
}

/// The value in a cookie that Tornado has signed (`set_secure_cookie`, version 2): fields with their
/// length before a colon, the fourth of which is the value in base64. Who may write it does not matter
/// here: it only says what the connection hangs on, beside what else the request brought.
fn signed_value(cookie: &str) -> Option<String> {
    let mut fields = cookie.split('|');
    if fields.next() != Some("2") {
        return None;
    }
    let (_, value) = fields.nth(3)?.split_once(':')?;
    let value = STANDARD.decode(value).ok()?;
    String::from_utf8(value).ok()
}

fn take_out(headers: &mut HeaderMap, has_ended: &dyn Fn(&str) -> bool) {
    let is_ended = |pair: &[u8]| {
        pair.trim_ascii().starts_with(SESSION_ID.as_bytes())
            && cookie(pair).is_some_and(|(name, value)| name == SESSION_ID && has_ended(&value))
    };
    // Over HTTP/2 each cookie may come in a header of its own.
    let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    if !lines.iter().any(|line| pairs(line).any(is_ended)) {
        return;
    }
    headers.remove(COOKIE);
    for line in lines {
        let kept: Vec<&[u8]> = pairs(&line).filter(|pair| !is_ended(pair)).collect();
        let kept = kept.join(&b';');
        if let Ok(line) = HeaderValue::from_bytes(kept.trim_ascii())
            && !line.is_empty()
        {
            headers.append(COOKIE, line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies_after(lines: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_static(line));
        }
        take_out(&mut headers, &|id| id == "gone");
        let left = headers.get_all(COOKIE).iter();
        left.map(|line| line.to_str().expect("text").to_owned())
            .collect()
    }

    #[test]
    fn the_secret_of_the_trusted_proxy_ends_here() {
        let text = "[provider.sso]\nkind = \"header\"\nuser_header = \"X-Remote-User\"\n\
                    trusted_addresses = [\"10.0.0.1\"]\nsecret_header = \"X-Gateway\"\n";
        let input = jansky_config::Input {
            file_name: "jansky.toml".to_owned(),
            text: text.to_owned(),
            environment: Vec::new(),
            settings: Vec::new(),
        };
        let config = jansky_config::load(&input).expect("it is right").config;
        let request = http::Request::builder()
            .header("x-gateway", "eleven stars")
            .header("x-gateway", "again")
            .header("x-remote-user", "river");
        let (mut head, ()) = request.body(()).expect("a request").into_parts();

        take_proofs_out(&mut head.headers, &proofs(&config));

        assert!(!head.headers.contains_key("x-gateway"));
        assert!(head.headers.contains_key("x-remote-user"));
    }

    #[test]
    fn all_that_a_server_takes_for_a_visitors_is_found() {
        // Written by Tornado: create_signed_value("secret", "jupyterhub-user-river", "a token").
        let signed = "2|1:0|10:1700000000|21:jupyterhub-user-river|12:YSB0b2tlbg==|f00";
        let request = http::Request::builder()
            .uri("/user/river/api/kernels/1/channels?session_id=x&token=in+query")
            .header("authorization", "token in-header")
            .header("cookie", "_xsrf=2|a|b|1; jupyterhub-session-id=\"s1\"")
            .header("cookie", format!("jupyterhub-user-river=\"{signed}\"; x=1"));
        let (head, ()) = request.body(()).expect("a request").into_parts();

        let found = brought(&head);

        assert_eq!(found.session_ids, ["s1"]);
        assert_eq!(found.tokens, ["a token", "in-header", "in query"]);
        for other in [
            "",
            "2",
            "2|1:0",
            "1|x|y|z|12:YSB0b2tlbg==|f",
            "2|a|b|c|12:?|f",
            "2|a|b|c|d",
        ] {
            assert_eq!(signed_value(other), None, "{other}");
        }
    }

    #[test]
    fn no_spelling_that_a_server_understands_passes_by() {
        let signed = "2|1:0|10:1700000000|21:jupyterhub-user-river|12:YSB0b2tlbg\\075\\075|f00";
        let mut line = format!("jupyterhub-user-river = \"{signed}\"; ").into_bytes();
        line.extend_from_slice(b"x=\xff\xc3\xa9; jupyterhub-session-id =\"s\\1\"");
        let request = http::Request::builder()
            .header("authorization", "token\tin-header")
            .header("cookie", HeaderValue::from_bytes(&line).expect("a value"));
        let (head, ()) = request.body(()).expect("a request").into_parts();

        let found = brought(&head);

        assert_eq!(found.session_ids, ["s1"]);
        assert_eq!(found.tokens, ["a token", "in-header"]);

        let mut headers = HeaderMap::new();
        let line =
            HeaderValue::from_bytes(b"x=\xff; jupyterhub-session-id =gone").expect("a value");
        headers.append(COOKIE, line);
        take_out(&mut headers, &|id| id == "gone");
        assert_eq!(headers[COOKIE].as_bytes(), b"x=\xff");
    }

    #[test]
    fn only_the_id_of_an_ended_session_is_taken_out() {
        assert_eq!(
            cookies_after(&["a=1; jupyterhub-session-id=gone; b=2"]),
            ["a=1; b=2"]
        );
        assert_eq!(
            cookies_after(&["jupyterhub-session-id=\"gone\"", "c=3"]),
            ["c=3"]
        );
        assert_eq!(
            cookies_after(&["a=gone; jupyterhub-session-id=alive"]),
            ["a=gone; jupyterhub-session-id=alive"]
        );
    }
}
