//! Share codes over the API: links that share a server with whoever accepts them.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jansky_hub::action::{SeeShares, SeeSharesOfOwner, ShareServer};
use jansky_hub::{Actor, HubError, Server, ShareCode, USUAL_CODE_LIFETIME, WhichCodes};
use jansky_model::Secret;
use serde_json::{Value, json};

use crate::api::servers::ServerPath;
use crate::api::shares::{page_of, server_model};
use crate::api::{ApiResult, json_body};
use crate::visit::Visit;

/// What to share, and for how long the code is accepted.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ShareCodeRequest {
    scopes: Option<Vec<String>>,
    expires_in: Option<u64>,
}

fn model(visit: &Visit, actor: &Actor, server: &Server, code: &ShareCode) -> Value {
    json!({
        "server": server_model(visit, actor, server),
        "scopes": code.scopes,
        "id": format!("sc_{}", code.id),
        "created_at": code.created_at,
        "expires_at": code.expires_at,
        "exchange_count": code.exchange_count,
        "last_exchanged_at": code.last_exchanged_at,
    })
}

async fn answer(visit: &Visit, actor: &Actor, codes: Vec<ShareCode>) -> Result<Response, HubError> {
    let show = |server: &Server, code: &ShareCode| model(visit, actor, server, code);
    page_of(visit, &codes, |code| code.server_id, show).await
}

/// `GET /hub/api/share-codes/{owner}`
pub(crate) async fn list(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit
        .web
        .hub
        .permit::<SeeSharesOfOwner>(actor, &name)
        .await?;
    let codes = visit.web.hub.servers.share_codes_of_owner(&permit).await?;
    Ok(answer(&visit, actor, codes).await?)
}

/// `GET /hub/api/share-codes/{owner}/{server}`
pub(crate) async fn get(visit: Visit, Path(path): Path<ServerPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let named = (path.user(), path.server());
    let permit = visit.web.hub.permit::<SeeShares>(actor, named).await?;
    let codes = visit.web.hub.servers.share_codes_of_server(&permit).await?;
    Ok(answer(&visit, actor, codes).await?)
}

/// `POST /hub/api/share-codes/{owner}/{server}` makes a code, which is told this once.
pub(crate) async fn create(
    visit: Visit,
    Path(path): Path<ServerPath>,
    request: Request,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let named = (path.user(), path.server());
    let permit = visit.web.hub.permit::<ShareServer>(actor, named).await?;
    let asked: ShareCodeRequest = json_body(request).await?.unwrap_or_default();
    let scopes = asked.scopes.as_deref();
    let lifetime = asked
        .expires_in
        .map_or(USUAL_CODE_LIFETIME, Duration::from_secs);
    let hub = &visit.web.hub;
    let (made, code) = hub
        .servers
        .create_share_code(&permit, scopes, lifetime)
        .await?;
    let mut model = model(&visit, actor, permit.on(), &made);
    let accept_url = accept_url(&visit, &code);
    let public = hub.settings().public_url.as_ref();
    let full = public.and_then(|public| public.join(&accept_url).ok());
    model["code"] = json!(code.expose());
    model["full_accept_url"] = json!(full.map(String::from));
    model["accept_url"] = json!(accept_url);
    Ok(Json(model).into_response())
}

fn accept_url(visit: &Visit, code: &Secret) -> String {
    // A code has no character that means something in an address.
    visit.hub_path(&format!("accept-share?code={}", code.expose()))
}

/// `DELETE /hub/api/share-codes/{owner}/{server}` ends the code that `code` or `id` names, or all.
pub(crate) async fn end(visit: Visit, Path(path): Path<ServerPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let named = (path.user(), path.server());
    let permit = visit.web.hub.permit::<ShareServer>(actor, named).await?;
    let (code, id) = (visit.query("code"), visit.query("id"));
    let which = match (&code, &id) {
        (Some(code), _) => WhichCodes::Code(code),
        // A text that is no id names no code, and -1 is the id of none.
        (None, Some(id)) => WhichCodes::Id(parse_id(id).unwrap_or(-1)),
        (None, None) => WhichCodes::All,
    };
    visit
        .web
        .hub
        .servers
        .delete_share_codes(&permit, which)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn parse_id(text: &str) -> Option<i64> {
    text.strip_prefix("sc_")?.parse().ok()
}
