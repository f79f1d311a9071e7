//! Takes out of requests what people's servers must not see: the ids of ended sessions, see
//! [`EndedSessions`], and what proves that a request comes through the trusted proxy.

use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, request};
use jansky_config::{Config, Provider};
use jansky_hub::EndedSessions;
use jansky_proxy::{RequestFilter, Route};

/// The cookie in which single-user servers find the session id.
const SESSION_ID: &str = "jupyterhub-session-id";

/// The filter of the proxy.
pub(crate) struct ForServers {
    ended: Arc<EndedSessions>,
    /// Whoever knows what is in these could sign in as anybody.
    proofs: Vec<HeaderName>,
}

impl ForServers {
    pub(crate) fn new(ended: &Arc<EndedSessions>, config: &Config) -> Self {
        let proofs = config.provider.values().filter_map(|provider| {
            let Provider::Header(header) = provider else {
                return None;
            };
            HeaderName::try_from(&header.secret_header).ok()
        });
        Self {
            ended: Arc::clone(ended),
            proofs: proofs.collect(),
        }
    }
}

impl RequestFilter for ForServers {
    fn filter(&self, _: &Route, head: &mut request::Parts) {
        for name in &self.proofs {
            head.headers.remove(name);
        }
        if !self.ended.is_empty() {
            take_out(&mut head.headers, &|id| self.ended.contains(id));
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
        let route = jansky_proxy::Route::new(
            "/user/river/",
            jansky_proxy::Target::http("http://127.0.0.1:1").expect("a target"),
            jansky_model::Timestamp::from_seconds(0),
        );
        let request = http::Request::builder()
            .header("x-gateway", "eleven stars")
            .header("x-gateway", "again")
            .header("x-remote-user", "river");
        let (mut head, ()) = request.body(()).expect("a request").into_parts();

        let filter = ForServers::new(&Arc::default(), &config);
        filter.filter(&route.expect("a route"), &mut head);

        assert!(!head.headers.contains_key("x-gateway"));
        assert!(head.headers.contains_key("x-remote-user"));
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
