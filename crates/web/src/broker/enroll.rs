//! How an agent exchanges its ticket for a session.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use jansky_hub::BrokerError;
use jansky_model::Secret;
use serde_json::json;

use super::{answer, presented};
use crate::state::{Peer, WebState};
use crate::visit::read_body;

#[derive(serde::Deserialize)]
struct EnrollRequest {
    ticket: Secret,
}

/// `POST /hub/broker/v1/enroll`
pub(crate) async fn post(State(web): State<WebState>, request: Request) -> Response {
    let result = enroll(&web, request).await;
    answer(&web, result)
}

async fn enroll(web: &WebState, request: Request) -> Result<Response, BrokerError> {
    let peer = Peer::of(request.extensions())?;
    let headers = request.headers().clone();
    let body = read_body(request).await?;
    let asked: EnrollRequest = serde_json::from_slice(&body).map_err(|_| {
        BrokerError::InvalidRequest("the body must be JSON with the text `ticket`".to_owned())
    })?;
    let presented = presented("POST", "enroll", &headers, peer);
    let enrolled = web.hub.broker.enroll(&presented, &asked.ticket).await?;
    let body = json!({
        // Exposed to the agent, and to nobody else ever.
        "session": enrolled.session.expose(),
        "user": enrolled.user.name,
        "server": enrolled.server.name,
        "events": true,
    });
    Ok(Json(body).into_response())
}
