//! What Prometheus reads, under JupyterHub's names where those exist.

use std::fmt::Write as _;
use std::time::Duration;

use jansky_hub::HubError;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::state::Web;

/// Upper ends of the buckets for requests, in seconds.
const BUCKETS: [f64; 8] = [0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0];

/// What requests are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    handler: String,
    code: u16,
}

/// How long requests take.
pub struct RequestMetrics {
    durations: Family<RequestLabels, Histogram>,
    registry: Registry,
}

impl Default for RequestMetrics {
    fn default() -> Self {
        let durations = Family::new_with_constructor(new_histogram as fn() -> Histogram);
        let mut registry = Registry::default();
        registry.register(
            "jupyterhub_request_duration_seconds",
            "Request duration for all HTTP requests",
            durations.clone(),
        );
        Self {
            durations,
            registry,
        }
    }
}

fn new_histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl RequestMetrics {
    /// Notes a request. `handler` is the pattern of its route, never its path.
    pub(crate) fn observe(&self, method: &str, handler: &str, code: u16, duration: Duration) {
        let labels = RequestLabels {
            method: method.to_owned(),
            handler: handler.to_owned(),
            code,
        };
        self.durations
            .get_or_create(&labels)
            .observe(duration.as_secs_f64());
    }
}

/// All metrics as text.
pub(crate) async fn render(web: &Web) -> Result<String, HubError> {
    let mut text = String::new();
    encode(&mut text, &web.request_metrics.registry)
        .map_err(|error| HubError::internal("could not write the metrics", error))?;
    // The encoder ends the text; more follows.
    let body = text.strip_suffix("# EOF\n").unwrap_or(&text).to_owned();
    let mut text = body;
    let running = web.hub.count_running().await?;
    let users = web.hub.count_users().await?;
    let counts = web.hub.metrics().counts();
    let mut write = |name: &str, kind: &str, help: &str, samples: &[(&str, u64)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    write(
        "jupyterhub_running_servers",
        "gauge",
        "Number of running servers",
        &[("", running)],
    );
    write(
        "jupyterhub_total_users",
        "gauge",
        "Total number of users",
        &[("", users)],
    );
    write(
        "jupyterhub_server_spawns_total",
        "counter",
        "Server starts by their outcome",
        &[
            ("{status=\"success\"}", counts.started),
            ("{status=\"failure\"}", counts.failed),
        ],
    );
    write(
        "jupyterhub_logins_total",
        "counter",
        "Attempts to sign in by their outcome",
        &[
            ("{status=\"success\"}", counts.sign_ins),
            ("{status=\"failure\"}", counts.refused_sign_ins),
        ],
    );
    if let Some(more) = &web.more_metrics {
        text.push_str(&more());
    }
    Ok(text)
}
