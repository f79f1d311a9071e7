//! What was done with accounts and tokens: one's own, and for operators everybody's.

use axum::response::Response;
use jansky_hub::{AuditEvent, AuditQuery, HubError};
use serde_json::Value;

use crate::views::{AuditPage, AuditRow};
use crate::visit::{PageResult, Visit};

/// How many events one page has.
const ROWS: u32 = 50;

/// `GET /hub/account/audit`
pub(crate) async fn own(visit: Visit) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let user = Some(actor.user.id);
        show(&visit, user, "account/audit").await
    }
    .await;
    visit.answer(result)
}

/// `GET /hub/admin/audit`
pub(crate) async fn all(visit: Visit) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        if !actor.user.admin {
            return Err(HubError::forbidden("This page is for administrators.").into());
        }
        show(&visit, None, "admin/audit").await
    }
    .await;
    visit.answer(result)
}

async fn show(visit: &Visit, user: Option<jansky_model::UserId>, path: &str) -> PageResult {
    let before = visit.query("before").and_then(|text| text.parse().ok());
    let query = AuditQuery {
        user,
        before,
        limit: ROWS + 1,
    };
    let mut events = visit.web.hub.audit(&query).await?;
    let has_more = events.len() > ROWS as usize;
    events.truncate(ROWS as usize);
    let older = events
        .last()
        .filter(|_| has_more)
        .map(|last| visit.hub_path(&format!("{path}?before={}", last.seq)));
    let page = AuditPage {
        rows: events.iter().map(row).collect(),
        of_everybody: user.is_none(),
        older,
    };
    Ok(visit.page("Audit trail", &page))
}

fn row(event: &AuditEvent) -> AuditRow {
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    let text = |name: &str| detail.get(name).and_then(Value::as_str).map(str::to_owned);
    AuditRow {
        at: event.at,
        words: words(event, &detail),
        user: event.user_name.clone(),
        server: server(event, &detail),
        actor: event.actor.clone(),
        worked: event.outcome == "ok",
        outcome: event.outcome.clone(),
        source: text("source"),
        scope: text("scope").filter(|scope| !scope.is_empty()),
        address: text("address"),
        key: text("key").map(|key| key.chars().take(8).collect()),
    }
}

/// Which server an event is about, if it is about one: neither accounts nor command lines are.
fn server(event: &AuditEvent, detail: &Value) -> Option<String> {
    let is_of_server = !event.event.starts_with("device_")
        && !event.user_name.is_empty()
        && account_words(event, detail).is_none();
    is_of_server.then(|| event.server.clone())
}

/// What was done with an account, in words; `None` for what is about a server.
fn account_words(event: &AuditEvent, detail: &Value) -> Option<String> {
    let words = match event.event.as_str() {
        "signed_out_everywhere" => "Signed out everywhere",
        "sign_in_demanded" => "New sign-in demanded",
        "password_changed" => "Password changed",
        "password_link" => "Link for a new password made",
        "password_chosen" => "Password chosen with a link",
        "second_factor_on" => "Second factor set up",
        "second_factor_off" => "Second factor turned off",
        "second_factor_reset" => "Second factor reset",
        "recovery_code" => "Recovery code used",
        "recovery_codes" => "New recovery codes made",
        "sign_up" => "Signed up",
        "sign_up_approved" => "Account approved",
        "sign_up_refused" => {
            let name = detail.get("name").and_then(Value::as_str).unwrap_or("?");
            return Some(format!("Account refused: {name}"));
        }
        _ => return None,
    };
    Some(words.to_owned())
}

/// What happened, in words.
fn words(event: &AuditEvent, detail: &Value) -> String {
    if let Some(words) = account_words(event, detail) {
        return words;
    }
    let of = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or("?");
    match event.event.as_str() {
        "token" => format!("Token for {}", of("audience")),
        "exposed_path" | "auth_state" => {
            format!("Token for {} over the API", of("audience"))
        }
        "device_answer" if event.outcome == "ok" => {
            format!(
                "Command line allowed to have a token for {}",
                of("audience")
            )
        }
        "device_answer" => format!("Command line asked for a token for {}", of("audience")),
        "device_token" => format!("Token for {} on a command line", of("audience")),
        "enroll" => "Agent came in".to_owned(),
        "ticket_replay" => "A ticket was used twice".to_owned(),
        "refused" => format!("Request refused at {}", of("endpoint")),
        "freeze" => format!("Tokens frozen: {}", of("reason").replace('_', " ")),
        "thaw" => "Tokens given again".to_owned(),
        other => other.to_owned(),
    }
}
