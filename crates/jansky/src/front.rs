//! Where hub and proxy meet: the hub's router as a local service of the proxy, the proxy's routes
//! as the hub's route table, and the pages that the proxy shows.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use http::{Response, request};
use jansky_hub::{RouteTable, ServerRoute};
use jansky_model::{Clock, ServerId, Timestamp};
use jansky_proxy::{
    ClientInfo, ErrorPages, LocalService, ProxyBody, ProxyStats, Refusal, Route, Routes, Target,
};
use jansky_web::{Peer, WebState};
use serde_json::json;
use tower::ServiceExt as _;
use tracing::error;

/// Makes the hub's router a service inside the proxy.
pub(crate) fn local_service(router: Router) -> LocalService {
    Arc::new(move |request| {
        let router = router.clone();
        Box::pin(async move {
            let mut request = request.map(Body::new);
            if let Some(peer) = request.extensions().get::<ClientInfo>().map(peer_of) {
                request.extensions_mut().insert(peer);
            }
            let Ok(response) = router.oneshot(request).await;
            response.map(ProxyBody::new)
        })
    })
}

fn peer_of(client: &ClientInfo) -> Peer {
    Peer {
        address: client.addr.ip(),
        connection: client.peer,
        secure: client.secure,
    }
}

/// The proxy in this process, as the hub sees it.
pub(crate) struct ProxyRoutes {
    routes: Routes,
    clock: Arc<dyn Clock>,
    servers: Mutex<HashMap<String, Known>>,
}

/// A server that has a route.
struct Known {
    server: ServerId,
    reported: Timestamp,
}

impl ProxyRoutes {
    pub(crate) fn new(routes: Routes, clock: Arc<dyn Clock>) -> Self {
        Self {
            routes,
            clock,
            servers: Mutex::default(),
        }
    }

    fn servers(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RouteTable for ProxyRoutes {
    fn add(&self, added: &ServerRoute<'_>) {
        let now = self.clock.now();
        let data =
            json!({ "user": added.user, "server_name": added.server_name, "jupyterhub": true });
        let target = Target::http(added.url);
        let route = target.and_then(|target| Route::new(added.path, target, now));
        match route {
            Ok(route) => {
                let data = data.as_object().cloned().unwrap_or_default();
                self.routes.add(route.with_data(data));
                let known = Known {
                    server: added.server,
                    reported: now,
                };
                self.servers().insert(added.path.to_owned(), known);
            }
            Err(error) => {
                error!(server.id = %added.server, error = %error, "could not add a route");
            }
        }
    }

    fn remove(&self, path: &str) {
        self.routes.remove(path);
        self.servers().remove(path);
    }

    fn has(&self, path: &str) -> bool {
        self.servers().contains_key(path)
    }

    fn activity(&self) -> Vec<(ServerId, Timestamp)> {
        let mut servers = self.servers();
        let mut used = Vec::new();
        for route in self.routes.list() {
            let Some(known) = servers.get_mut(route.spec()) else {
                continue;
            };
            let at = route.last_activity();
            if at > known.reported {
                known.reported = at;
                used.push((known.server, at));
            }
        }
        used
    }
}

/// The hub's pages for the answers of the proxy itself.
pub(crate) struct HubPages(pub(crate) WebState);

impl ErrorPages for HubPages {
    fn page(
        &self,
        refusal: Refusal,
        head: &request::Parts,
        client: &ClientInfo,
    ) -> Response<ProxyBody> {
        let words = match refusal {
            Refusal::NoAnswer => {
                "The server does not answer. It may have ended: look at the home page.".to_owned()
            }
            other => other.to_string(),
        };
        let peer = peer_of(client);
        jansky_web::proxy_page(&self.0, refusal.status(), &words, head, peer).map(ProxyBody::new)
    }
}

/// The proxy's counters as Prometheus text.
pub(crate) fn proxy_metrics(stats: &ProxyStats) -> String {
    let mut text = String::new();
    let mut write = |name: &str, kind: &str, help: &str, value: u64| {
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        );
    };
    write(
        "jansky_proxy_connections",
        "gauge",
        "Open client connections",
        stats.connections.get(),
    );
    write(
        "jansky_proxy_upgrades",
        "gauge",
        "Open upgraded connections",
        stats.upgrades.get(),
    );
    write(
        "jansky_proxy_unfinished_bytes",
        "gauge",
        "Memory of requests that have not come as a whole",
        stats.unfinished_bytes.get(),
    );
    write(
        "jansky_proxy_turned_away_total",
        "counter",
        "Connections for which there was no place",
        stats.turned_away.get(),
    );
    write(
        "jansky_proxy_upstream_errors_total",
        "counter",
        "Requests that reached no server",
        stats.upstream_errors.get(),
    );
    write(
        "jansky_proxy_received_bytes_total",
        "counter",
        "Body bytes from clients",
        stats.received_bytes.get(),
    );
    write(
        "jansky_proxy_sent_bytes_total",
        "counter",
        "Body bytes to clients",
        stats.sent_bytes.get(),
    );
    let name = "jansky_proxy_responses_total";
    let _ = writeln!(
        text,
        "# HELP {name} Answers by class of status\n# TYPE {name} counter"
    );
    for (class, counter) in (1..).zip(&stats.responses) {
        let _ = writeln!(text, "{name}{{class=\"{class}xx\"}} {}", counter.get());
    }
    text
}
