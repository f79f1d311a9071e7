//! The agents beside servers: who is there, and how to stop giving them tokens.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jansky_hub::action::{SeeServers, StopServer};
use jansky_hub::{AgentSession, Detail};
use serde_json::{Value, json};

use crate::api::ApiResult;
use crate::api::servers::{ServerPath, find};
use crate::visit::Visit;

/// `GET /hub/api/users/{name}/agents`
pub(crate) async fn list(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<SeeServers>(actor, &name).await?;
    let user = permit.on();
    let hub = &visit.web.hub;
    let servers = hub.servers.servers_of(actor, user).await?;
    let agents = hub.broker.agents_of(actor, user).await?;
    let shown: Vec<Value> = agents
        .iter()
        .filter_map(|agent| {
            let server = servers.iter().find(|server| server.id == agent.server)?;
            actor
                .sees_of_server(Detail::Server, server)
                .then(|| model(agent, server.name.as_str()))
        })
        .collect();
    Ok(Json(json!({ "agents": shown })).into_response())
}

fn model(agent: &AgentSession, server: &str) -> Value {
    json!({
        "server": server,
        "key": agent.thumbprint,
        "since": agent.created_at,
        "state": if agent.frozen.is_some() { "frozen" } else { "active" },
        "frozen_reason": agent.frozen.map(jansky_hub::FreezeReason::as_str),
        "frozen_at": agent.frozen_at,
    })
}

/// `POST …/tokens/freeze`: who may stop a server may also stop it from getting tokens.
pub(crate) async fn freeze(visit: Visit, Path(path): Path<ServerPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = find::<StopServer>(&visit, actor, &path).await?;
    visit.web.hub.broker.freeze_tokens(&permit).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
