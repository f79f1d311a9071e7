//! What happens to an agent's session, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jansky_hub::{AgentNotice, AgentWatch, BrokerError};
use serde_json::json;

use super::{agent, answer};
use crate::state::WebState;

/// How often a comment shows that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /hub/broker/v1/events`
pub(crate) async fn get(State(web): State<WebState>, request: Request) -> Response {
    let result = events(&web, request).await;
    answer(&web, result)
}

async fn events(web: &WebState, request: Request) -> Result<Response, BrokerError> {
    let agent = agent(web, "events", &request.into_parts().0).await?;
    let follower = Follower {
        web: web.clone(),
        watch: web.hub.broker.watch_agent(&agent),
    };
    let frames = stream::unfold(follower, |mut follower| async move {
        let bytes = follower.next().await?;
        Some((Ok::<_, Infallible>(bytes), follower))
    });
    let kind = HeaderValue::from_static("text/event-stream");
    Ok(([(CONTENT_TYPE, kind)], Body::from_stream(frames)).into_response())
}

struct Follower {
    web: WebState,
    watch: AgentWatch,
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            notice = self.watch.next() => Some(frame(notice?)),
            () = tokio::time::sleep(KEEP_ALIVE) => Some(Bytes::from_static(b":\n\n")),
            // The agent connects again, to the next process.
            () = self.web.hub.stopping().cancelled() => None,
        }
    }
}

fn frame(notice: AgentNotice) -> Bytes {
    let (event, data) = match notice {
        AgentNotice::Active => ("active", json!({})),
        AgentNotice::Changed => ("changed", json!({})),
        AgentNotice::Frozen(reason) => ("frozen", json!({ "reason": reason.as_str() })),
    };
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}
