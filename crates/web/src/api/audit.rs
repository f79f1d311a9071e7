//! The audit trail over the API.

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use jansky_hub::action::{SeeAudit, SeeWholeAudit};
use jansky_hub::{AuditEvent, HubError};
use serde_json::{Value, json};

use crate::api::ApiResult;
use crate::visit::Visit;

/// How many events one answer has unless it is asked for another number.
const USUAL: u32 = 100;

/// The most that one answer has.
const MOST: u32 = 1000;

/// `GET /hub/api/users/{name}/audit`: what was done with somebody's tokens.
pub(crate) async fn of_user(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let hub = &visit.web.hub;
    let permit = hub.permit::<SeeAudit>(actor, &name).await?;
    let (before, limit) = page(&visit)?;
    let events = hub.audit().events_of(&permit, before, limit).await?;
    Ok(answer(&events))
}

/// `GET /hub/api/audit`: the whole trail.
pub(crate) async fn all(visit: Visit) -> ApiResult {
    let actor = visit.api_caller()?;
    let hub = &visit.web.hub;
    let permit = hub.permit::<SeeWholeAudit>(actor, ()).await?;
    let (before, limit) = page(&visit)?;
    let events = hub.audit().all_events(&permit, before, limit).await?;
    Ok(answer(&events))
}

/// Before which event, and how many.
fn page(visit: &Visit) -> Result<(Option<i64>, u32), HubError> {
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
    let limit = u32::try_from(limit).unwrap_or(MOST).min(MOST);
    Ok((number("before")?, limit))
}

fn answer(events: &[AuditEvent]) -> Response {
    let shown: Vec<Value> = events.iter().map(model).collect();
    Json(json!({ "events": shown })).into_response()
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
