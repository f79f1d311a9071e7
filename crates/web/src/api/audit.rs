//! The audit trail over the API.

use axum::Json;
use axum::extract::Path;
use axum::response::IntoResponse;
use jansky_hub::{AuditEvent, AuditQuery, HubError, User};
use jansky_model::Scope;
use jansky_model::scope::Target;
use serde_json::{Value, json};

use crate::api::{ApiResult, find_user, need};
use crate::visit::Visit;

/// How many events one answer has unless it is asked for another number.
const USUAL: u32 = 100;

/// The most that one answer has.
const MOST: u32 = 1000;

/// `GET /hub/api/users/{name}/audit`: what was done with somebody's tokens.
pub(crate) async fn of_user(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let user = find_user(&visit, actor, &name, &[Scope::READ_TOKENS]).await?;
    answer(&visit, Some(&user)).await
}

/// `GET /hub/api/audit`: the whole trail.
pub(crate) async fn all(visit: Visit) -> ApiResult {
    let actor = visit.api_caller()?;
    need(actor, &[Scope::ADMIN_USERS], Target::Hub)?;
    answer(&visit, None).await
}

async fn answer(visit: &Visit, user: Option<&User>) -> ApiResult {
    let number = |name: &str| -> Result<Option<i64>, HubError> {
        let Some(text) = visit.query(name) else {
            return Ok(None);
        };
        let number = text.parse().ok().filter(|number| *number > 0);
        number
            .map(Some)
            .ok_or_else(|| HubError::invalid(format!("`{name}` must be a number above 0")))
    };
    let limit = number("limit")?.unwrap_or(USUAL.into());
    let query = AuditQuery {
        user: user.map(|user| user.id),
        before: number("before")?,
        limit: u32::try_from(limit).unwrap_or(MOST).min(MOST),
    };
    let events = visit.web.hub.audit().events(&query).await?;
    let shown: Vec<Value> = events.iter().map(model).collect();
    Ok(Json(json!({ "events": shown })).into_response())
}

fn model(event: &AuditEvent) -> Value {
    let hex = |bytes: &[u8]| {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let mut detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    if let (Some(address), Some(fields)) = (&event.address, detail.as_object_mut()) {
        fields.insert("address".to_owned(), json!(address.text));
    }
    json!({
        "seq": event.seq,
        "at": event.at,
        "event": event.event,
        "actor": event.actor,
        "user": event.user_name,
        "server": event.server,
        "outcome": event.outcome,
        "detail": detail,
        "hash": hex(&event.hash),
    })
}
