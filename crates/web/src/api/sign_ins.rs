//! How users are signed in, over the API. JupyterHub has nothing like it; the scopes are its closest.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jansky_hub::action::{DemandSignIn, EndSessions, SeeSignIns};
use jansky_hub::{GrantStatus, Identity, Session};
use serde_json::{Value, json};

use crate::api::ApiResult;
use crate::visit::Visit;

/// `GET /hub/api/users/{user}/sign-ins`
pub(crate) async fn get(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<SeeSignIns>(actor, &name).await?;
    let sign_ins = visit.web.hub.people.sign_ins(&permit).await?;
    let exclusion = sign_ins.exclusion.as_ref().map(|exclusion| {
        json!({
            "provider": exclusion.provider,
            "since": exclusion.since,
            "servers_stop_at": exclusion.ends_at,
        })
    });
    let own = actor.session_id();
    let body = json!({
        "user": permit.on().name,
        "identities": sign_ins.identities.iter().map(identity).collect::<Vec<_>>(),
        "sessions": sign_ins
            .sessions
            .iter()
            .map(|one| session(one, own))
            .collect::<Vec<_>>(),
        "grants": sign_ins.grants.iter().map(grant).collect::<Vec<_>>(),
        "no_longer_allowed": exclusion,
    });
    Ok(Json(body).into_response())
}

fn identity(identity: &Identity) -> Value {
    json!({
        "provider": identity.provider,
        "issuer": identity.issuer,
        "subject": identity.subject,
        "linked": identity.created_at,
        "last_used": identity.last_login_at,
    })
}

fn session(session: &Session, own: Option<&str>) -> Value {
    json!({
        "session_id": session.session_id,
        "provider": session.provider,
        "browser": session.browser,
        "created": session.created_at,
        "expires_at": session.expires_at,
        "current": Some(session.session_id.as_str()) == own,
    })
}

fn grant(grant: &GrantStatus) -> Value {
    json!({
        "provider": grant.provider,
        "service": grant.service,
        "state": grant.state.as_str(),
        "failing_since": grant.failing_since,
        "refreshed": grant.refreshed_at,
        "outcome": grant.last_outcome,
        "next_try": grant.next_try_at,
        "expires_at": grant.expires_at,
        "scopes": grant.scope.split_whitespace().collect::<Vec<_>>(),
        "renewable": grant.is_renewable,
    })
}

/// `POST /hub/api/users/{user}/reauthenticate`
pub(crate) async fn reauthenticate(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<DemandSignIn>(actor, &name).await?;
    visit.web.hub.people.demand_sign_in(&permit).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /hub/api/users/{user}/sessions`: signs out everywhere.
pub(crate) async fn end(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<EndSessions>(actor, &name).await?;
    visit.web.hub.people.sign_out_everywhere(&permit).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
