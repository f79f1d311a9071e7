//! Takes the ids of ended sessions out of requests to servers, see [`EndedSessions`].

use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, request};
use jansky_hub::EndedSessions;
use jansky_proxy::{RequestFilter, Route};

/// The cookie in which single-user servers find the session id.
const SESSION_ID: &str = "jupyterhub-session-id";

/// The filter of the proxy.
pub(crate) struct WithoutEndedSessions(pub(crate) Arc<EndedSessions>);

impl RequestFilter for WithoutEndedSessions {
    fn filter(&self, _: &Route, head: &mut request::Parts) {
        if !self.0.is_empty() {
            take_out(&mut head.headers, &|id| self.0.contains(id));
        }
    }
}

fn take_out(headers: &mut HeaderMap, has_ended: &dyn Fn(&str) -> bool) {
    let is_ended = |pair: &str| {
        pair.trim()
            .split_once('=')
            .is_some_and(|(name, value)| name == SESSION_ID && has_ended(value.trim_matches('"')))
    };
    // Over HTTP/2 each cookie may come in a header of its own.
    let lines: Vec<HeaderValue> = headers.get_all(COOKIE).iter().cloned().collect();
    let ended = |line: &HeaderValue| {
        line.to_str()
            .is_ok_and(|line| line.split(';').any(is_ended))
    };
    if !lines.iter().any(ended) {
        return;
    }
    headers.remove(COOKIE);
    for line in lines {
        let Ok(text) = line.to_str() else { continue };
        let kept: Vec<&str> = text.split(';').filter(|pair| !is_ended(pair)).collect();
        if let Ok(line) = HeaderValue::from_str(kept.join(";").trim())
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
