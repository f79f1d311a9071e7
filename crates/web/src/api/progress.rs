//! The progress of a start as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jansky_hub::Server;
use jansky_hub::action::WatchServer;
use jansky_hub::{HubError, Progress};
use jansky_model::{ProgressEvent, ServerState};

use crate::api::ApiResult;
use crate::api::servers::ServerPath;
use crate::state::WebState;
use crate::visit::Visit;

/// How often an empty line tells proxies and browsers that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(8);

/// `GET …/progress`
pub(crate) async fn get(visit: Visit, Path(path): Path<ServerPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let hub = &visit.web.hub;
    let named = (path.user(), path.server());
    let permit = hub.permit::<WatchServer>(actor, named).await?;
    let server = permit.on();
    match last_event(&visit.web, server) {
        Some(event) => Ok(respond(Body::from(frame(&event)))),
        None if matches!(server.state, ServerState::Starting { .. }) => {
            let follower = Follower {
                web: visit.web.clone(),
                progress: hub.servers.progress(server),
                server: server.clone(),
                sent: 0,
                ready: VecDeque::from([Bytes::from_static(b"\n\n")]),
                is_done: false,
            };
            let frames = stream::unfold(follower, |mut follower| async move {
                let bytes = follower.next().await?;
                Some((Ok::<_, Infallible>(bytes), follower))
            });
            Ok(respond(Body::from_stream(frames)))
        }
        None => Err(HubError::invalid(format!(
            "{} is not starting...",
            hub.servers.title_of(server)
        ))
        .into()),
    }
}

fn respond(body: Body) -> Response {
    let kind = HeaderValue::from_static("text/event-stream");
    ([(CONTENT_TYPE, kind)], body).into_response()
}

fn frame(event: &ProgressEvent) -> Bytes {
    let json = serde_json::to_string(event).unwrap_or_default();
    Bytes::from(format!("data: {json}\n\n"))
}

/// The event with which a start has ended, if it has.
fn last_event(web: &WebState, server: &Server) -> Option<ProgressEvent> {
    match &server.state {
        ServerState::Ready { .. } => {
            let path = web.hub.servers.server_url(server);
            Some(ProgressEvent::ready(
                format!("Server ready at {path}"),
                path,
            ))
        }
        ServerState::Failed { reason, .. } => {
            Some(ProgressEvent::failed(format!("Spawn failed: {reason}")))
        }
        _ => None,
    }
}

/// Follows a start until its last event.
struct Follower {
    web: WebState,
    server: Server,
    progress: Option<Progress>,
    sent: usize,
    ready: VecDeque<Bytes>,
    is_done: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Some(bytes);
            }
            if self.is_done {
                return None;
            }
            self.take_new();
            if self.ready.is_empty() && !self.is_done {
                self.wait().await;
            }
        }
    }

    /// Takes the events that have not been sent yet.
    fn take_new(&mut self) {
        let Some(progress) = &mut self.progress else {
            return;
        };
        let events = progress.borrow_and_update();
        for event in &events[self.sent.min(events.len())..] {
            self.ready.push_back(frame(event));
            self.is_done |= event.is_last();
        }
        self.sent = events.len();
    }

    /// Waits for an event, for the end of the start, or until it is time to show life.
    async fn wait(&mut self) {
        let stopping = self.web.hub.stopping().clone();
        let changed = async {
            match &mut self.progress {
                Some(progress) => progress.changed().await.is_ok(),
                None => false,
            }
        };
        tokio::select! {
            is_open = changed => if !is_open {
                self.look_at_row().await;
            },
            () = tokio::time::sleep(KEEP_ALIVE) => {
                self.ready.push_back(Bytes::from_static(b"\n\n"));
            }
            () = stopping.cancelled() => self.is_done = true,
        }
    }

    /// Without messages in this process the row says how it goes.
    async fn look_at_row(&mut self) {
        self.take_new();
        if self.is_done {
            return;
        }
        let row = self.web.hub.servers.reread(&self.server).await;
        let last = match &row {
            Ok(Some(server)) => last_event(&self.web, server),
            Ok(None) | Err(_) => Some(ProgressEvent::failed("Spawn cancelled")),
        };
        let is_starting =
            matches!(&row, Ok(Some(s)) if matches!(s.state, ServerState::Starting { .. }));
        match last {
            Some(event) => {
                self.ready.push_back(frame(&event));
                self.is_done = true;
            }
            None if is_starting => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                self.progress = self.web.hub.servers.progress(&self.server);
                self.sent = 0;
            }
            None => {
                self.ready
                    .push_back(frame(&ProgressEvent::failed("Spawn cancelled")));
                self.is_done = true;
            }
        }
    }
}
