//! About the hub itself: its version, the caller, metrics and the end of the process.

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jansky_hub::action::{SeeHubInfo, SeeMetrics, ShutDown};
use jansky_hub::{Credential, HubError, JUPYTERHUB_VERSION};
use serde_json::{Value, json};

use crate::api::{ApiResult, json_body, models};
use crate::visit::Visit;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `GET /hub/api`: the version, for anybody.
pub(crate) async fn version() -> Response {
    let any_origin = [(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))];
    (any_origin, Json(json!({ "version": JUPYTERHUB_VERSION }))).into_response()
}

/// `GET /hub/api/info`
pub(crate) async fn info(visit: Visit) -> ApiResult {
    let actor = visit.api_caller()?;
    visit.web.hub.permit::<SeeHubInfo>(actor, ()).await?;
    let own = env!("CARGO_PKG_VERSION");
    let ways = visit.web.hub.broker.external_ways().into_iter();
    let ways = ways.map(
        |(provider, alias, mode)| json!({ "provider": provider, "alias": alias, "mode": mode }),
    );
    let body = json!({
        "version": JUPYTERHUB_VERSION,
        "python": "",
        "sys_executable": "",
        "jansky": own,
        "authenticator": { "class": "jansky", "version": own },
        "spawner": { "class": visit.web.hub.spawner().kind(), "version": own },
        // By which of Keycloak's APIs the last token of each provider behind it came.
        "external_tokens": ways.collect::<Vec<_>>(),
    });
    Ok(Json(body).into_response())
}

/// `GET /hub/api/user`: who the caller is. Every single-user server asks this for every visitor,
/// so the answer is kept as long as what is known about the caller.
pub(crate) async fn whoami(visit: Visit) -> ApiResult {
    let actor = visit.api_caller()?;
    // A query can ask for a different answer, so with one the kept answer is neither used nor replaced.
    let is_plain = visit.uri.query().is_none();
    let kept = actor.whoami.get().filter(|_| is_plain);
    let bytes = if let Some(bytes) = kept {
        bytes.clone()
    } else {
        let mut model = Box::pin(models::load_user(&visit, actor, &actor.user)).await?;
        if let Value::Object(fields) = &mut model {
            fields.insert("scopes".to_owned(), json!(actor.scopes.to_texts()));
            fields.insert("session_id".to_owned(), json!(actor.session_id()));
            let token = match &actor.credential {
                Credential::Token { id, .. } => Some(format!("a{}", id.0)),
                Credential::Session { .. } => None,
            };
            fields.insert("token_id".to_owned(), json!(token));
        }
        let bytes = axum::body::Bytes::from(model.to_string());
        if is_plain {
            let _ = actor.whoami.set(bytes.clone());
        }
        bytes
    };
    Ok(([(CONTENT_TYPE, JSON)], Body::from(bytes)).into_response())
}

/// `GET /hub/metrics` and `/hub/api/metrics`
pub(crate) async fn metrics(visit: Visit) -> Response {
    if visit.web.authenticate_metrics {
        let allowed = async {
            let actor = visit.caller()?;
            visit.web.hub.permit::<SeeMetrics>(actor, ()).await
        };
        if let Err(error) = allowed.await {
            return visit.error(&error);
        }
    }
    match visit.web.hub.metrics_text().await {
        Ok(mut text) => {
            if let Some(more) = &visit.web.more_metrics {
                text.push_str(&more());
            }
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            ([(CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => visit.error(&error),
    }
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Shutdown {
    proxy: Option<bool>,
    servers: Option<bool>,
}

/// `POST /hub/api/shutdown`
pub(crate) async fn shutdown(visit: Visit, request: Request) -> ApiResult {
    let actor = visit.api_caller()?;
    visit.web.hub.permit::<ShutDown>(actor, ()).await?;
    let wanted: Shutdown = json_body(request).await?.unwrap_or_default();
    let Some(on_shutdown) = &visit.web.on_shutdown else {
        return Err(HubError::invalid("this hub cannot be shut down over the API").into());
    };
    // The proxy runs in the same process, so it ends with it, whatever the body says.
    let _ = wanted.proxy;
    on_shutdown(wanted.servers.unwrap_or(false));
    let body = Json(json!({ "message": "Shutting down Hub" }));
    Ok((StatusCode::ACCEPTED, body).into_response())
}

/// Every other path below `/hub/api/`.
pub(crate) async fn nothing() -> ApiResult {
    Err(HubError::not_found("Not Found").into())
}
