//! What the hub counts and times, under JupyterHub's names where those exist.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::shared::error::HubError;

/// Upper ends of the buckets for requests, in seconds.
const REQUEST_BUCKETS: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0];

/// Upper ends of the buckets for starts and stops of servers, in seconds.
const SERVER_BUCKETS: [f64; 10] = [0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0];

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(
    non_camel_case_types,
    reason = "the labels are written as they are called"
)]
enum Status {
    success,
    failure,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    status: Status,
}

impl Outcome {
    const fn of(worked: bool) -> Self {
        let status = if worked {
            Status::success
        } else {
            Status::failure
        };
        Self { status }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    handler: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenAsked {
    source: &'static str,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Obtained {
    source: &'static str,
    status: Status,
}

type Timings<L> = Family<L, Histogram, fn() -> Histogram>;

/// Timings since the process began.
pub struct Metrics {
    registry: Registry,
    requests: Timings<Request>,
    starts: Timings<Outcome>,
    stops: Timings<Outcome>,
    sign_ins: Timings<Outcome>,
    tokens: Family<TokenAsked, Counter>,
    obtained: Timings<Obtained>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let requests: Timings<Request> =
            Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS));
        let outcomes = || -> Timings<Outcome> {
            Family::new_with_constructor(|| Histogram::new(SERVER_BUCKETS))
        };
        let (starts, stops, sign_ins) = (outcomes(), outcomes(), outcomes());
        registry.register(
            "jupyterhub_request_duration_seconds",
            "Time to answer a request",
            requests.clone(),
        );
        registry.register(
            "jupyterhub_server_spawn_duration_seconds",
            "Time from the wish for a server until it answers or fails",
            starts.clone(),
        );
        registry.register(
            "jupyterhub_server_stop_seconds",
            "Time to stop a server",
            stops.clone(),
        );
        registry.register(
            "jupyterhub_login_duration_seconds",
            "Time to check a password or an answer of a provider",
            sign_ins.clone(),
        );
        let tokens = Family::<TokenAsked, Counter>::default();
        registry.register(
            "jansky_tokens",
            "Tokens that agents asked for, by where they came from and how it ended",
            tokens.clone(),
        );
        let obtained: Timings<Obtained> =
            Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS));
        registry.register(
            "jansky_token_obtained_seconds",
            "Time to obtain a token that was not kept, by where it came from",
            obtained.clone(),
        );
        Self {
            registry,
            requests,
            starts,
            stops,
            sign_ins,
            tokens,
            obtained,
        }
    }
}

impl Metrics {
    /// All of it as Prometheus reads it, without the mark of the end.
    pub(crate) fn encode(&self) -> Result<String, HubError> {
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .map_err(|error| HubError::internal("could not write the metrics", error))?;
        text.truncate(text.trim_end_matches("# EOF\n").len());
        Ok(text)
    }

    /// Notes a request. `handler` is the pattern of its route, never its path.
    pub fn request(&self, method: &'static str, handler: &str, code: u16, took: Duration) {
        let labels = Request {
            method,
            handler: handler.to_owned(),
            code,
        };
        self.requests
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    /// Notes an attempt to sign in and how it ended.
    pub fn sign_in(&self, worked: bool, took: Duration) {
        self.sign_ins
            .get_or_create(&Outcome::of(worked))
            .observe(took.as_secs_f64());
    }

    /// Notes that an agent asked for a token.
    pub(crate) fn token(&self, source: &'static str, outcome: &str) {
        let asked = TokenAsked {
            source,
            outcome: outcome.to_owned(),
        };
        self.tokens.get_or_create(&asked).inc();
    }

    /// Notes that a token was obtained from a source, or not.
    pub(crate) fn obtained(&self, source: &'static str, worked: bool, took: Duration) {
        let Outcome { status } = Outcome::of(worked);
        self.obtained
            .get_or_create(&Obtained { source, status })
            .observe(took.as_secs_f64());
    }

    pub(crate) fn start(&self, worked: bool, took: Duration) {
        self.starts
            .get_or_create(&Outcome::of(worked))
            .observe(took.as_secs_f64());
    }

    pub(crate) fn stop(&self, worked: bool, took: Duration) {
        self.stops
            .get_or_create(&Outcome::of(worked))
            .observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_told_apart_under_the_names_of_jupyterhub() {
        let metrics = Metrics::default();
        metrics.start(true, Duration::from_secs(3));
        metrics.start(false, Duration::from_secs(3));

        let mut text = String::new();
        encode(&mut text, &metrics.registry).expect("text can be written");

        for status in ["success", "failure"] {
            let line =
                format!("jupyterhub_server_spawn_duration_seconds_count{{status=\"{status}\"}} 1");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }
}
