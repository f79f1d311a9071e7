//! What an agent can ask for.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use jansky_hub::BrokerError;
use serde_json::{Value, json};

use super::{agent, answer, page};
use crate::state::WebState;

/// `GET /hub/broker/v1/audiences`
pub(crate) async fn get(State(web): State<WebState>, request: Request) -> Response {
    let result = audiences(&web, request).await;
    answer(&web, result)
}

async fn audiences(web: &WebState, request: Request) -> Result<Response, BrokerError> {
    let agent = agent(web, "audiences", &request.into_parts().0).await?;
    let overview = web.hub.broker.overview(&agent).await?;
    let identities = overview.identities.iter().map(|identity| {
        json!({
            "provider": identity.provider,
            "title": identity.title,
            "state": identity.state.as_str(),
            "reauth_url": page(web, &identity.sign_in),
        })
    });
    let audiences = overview.audiences.iter().map(|audience| {
        let mut shown = json!({
            "id": audience.id,
            "title": audience.title,
            "scopes": audience.scopes,
            "state": audience.state.as_str(),
            "token_file": audience.token_file,
        });
        if let Some(path) = &audience.sign_in {
            shown["reauth_url"] = Value::from(page(web, path));
        }
        shown
    });
    let mut body = json!({
        "user": agent.user.name,
        "server": agent.server.name,
        "state": if overview.frozen.is_some() { "frozen" } else { "active" },
        "identities": identities.collect::<Vec<_>>(),
        "audiences": audiences.collect::<Vec<_>>(),
    });
    if let Some(reason) = overview.frozen {
        body["frozen_reason"] = Value::from(reason.as_str());
    }
    Ok(Json(body).into_response())
}
