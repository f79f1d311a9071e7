//! What was done with accounts and tokens: one's own, and for operators everybody's.

use axum::response::Response;
use jansky_hub::action::SeeWholeAudit;
use jansky_hub::{AuditEvent, Event, HubError, Permit};
use serde_json::Value;

use crate::user_agent::browser_in_words;
use crate::views::{AuditPage, AuditRow};
use crate::visit::Visit;

/// How many events one page has.
const ROWS: u32 = 50;

/// `GET /hub/account/audit`
pub(crate) async fn own(visit: Visit) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let permit = Permit::own(actor)?;
        let audit = visit.web.hub.audit();
        let events = audit.events_of(&permit, before(&visit), ROWS + 1).await?;
        Ok(show(&visit, events, "account/audit", false))
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
        let hub = &visit.web.hub;
        let permit = hub.permit::<SeeWholeAudit>(actor, ()).await?;
        let events = hub.audit().all_events(&permit, before(&visit), ROWS + 1);
        Ok(show(&visit, events.await?, "admin/audit", true))
    }
    .await;
    visit.answer(result)
}

fn before(visit: &Visit) -> Option<i64> {
    visit.query("before").and_then(|text| text.parse().ok())
}

fn show(visit: &Visit, mut events: Vec<AuditEvent>, path: &str, is_all: bool) -> Response {
    let has_more = events.len() > ROWS as usize;
    events.truncate(ROWS as usize);
    let older = events
        .last()
        .filter(|_| has_more)
        .map(|last| visit.hub_path(&format!("{path}?before={}", last.seq)));
    let page = AuditPage {
        rows: events.iter().map(row).collect(),
        of_everybody: is_all,
        older,
    };
    visit.page("Audit trail", &page)
}

fn row(event: &AuditEvent) -> AuditRow {
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    let text = |name: &str| detail.get(name).and_then(Value::as_str).map(str::to_owned);
    // Events of older versions have the address among the rest.
    let kept = event.address.as_ref().map(|address| address.text.clone());
    let known = Event::find(&event.event);
    AuditRow {
        at: event.at,
        words: known.map_or_else(|| event.event.clone(), |known| words(known, event, &detail)),
        user: event.user_name.clone(),
        server: known
            .is_some_and(is_of_server)
            .then(|| event.server.clone()),
        actor: event.actor.clone(),
        outcome: (event.outcome != "ok").then(|| outcome(&event.outcome)),
        source: text("source"),
        scope: text("scope").filter(|scope| !scope.is_empty()),
        address: kept.or_else(|| text("address")),
        browser: text("browser").map(|browser| browser_in_words(Some(&browser))),
        key: text("key").map(|key| key.chars().take(8).collect()),
    }
}

/// Whether an event is about a server, and not about an account or a command line.
const fn is_of_server(event: Event) -> bool {
    matches!(
        event,
        Event::ShareGiven
            | Event::ShareTaken
            | Event::SharesTaken
            | Event::ShareCodeMade
            | Event::ShareCodesEnded
            | Event::ShareAccepted
            | Event::Token
            | Event::ExposedPath
            | Event::AuthState
            | Event::Enroll
            | Event::TicketReplay
            | Event::Tampering
            | Event::Refused
            | Event::ServerEntered
            | Event::Freeze
            | Event::Thaw
    )
}

/// What happened, in words that a person understands who has not read the documentation.
fn words(event: Event, row: &AuditEvent, detail: &Value) -> String {
    let of = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or("?");
    let number = |name: &str| detail.get(name).and_then(Value::as_u64).unwrap_or_default();
    let words = match event {
        Event::SignIn => return format!("Signed in ({})", of("provider")),
        Event::SignInRefused => "Sign-in refused",
        Event::SignInsRefused => return format!("{} more sign-ins refused", number("count")),
        Event::SignOut => "Signed out",
        Event::SessionEnded => "Session in another browser ended",
        Event::SignedOutEverywhere => "Signed out everywhere",
        Event::SignInDemanded => "New sign-in demanded",
        Event::EndedByProvider => "Sessions ended by the identity provider",
        Event::NoLongerAllowed => "No longer allowed to come in",
        Event::IdentityLinked => return format!("Way to sign in added: {}", of("provider")),
        Event::SubjectChanged => {
            return format!(
                "Another identity at {} came under this name",
                of("provider")
            );
        }
        Event::IdentityUnlinked => return format!("Way to sign in removed: {}", of("provider")),
        Event::PasswordChanged => "Password changed",
        Event::PasswordLink => "Link for a new password made",
        Event::PasswordChosen => "Password chosen with a link",
        Event::SecondFactorOn => "Second factor set up",
        Event::SecondFactorOff => "Second factor turned off",
        Event::SecondFactorReset => "Second factor reset",
        Event::RecoveryCode => "Recovery code used",
        Event::RecoveryCodes => "New recovery codes made",
        Event::SignUp => "Signed up",
        Event::SignUpAsked => return format!("Account asked for: {}", of("name")),
        Event::SignUpApproved => "Account approved",
        Event::SignUpRefused => return format!("Account refused: {}", of("name")),
        Event::FirstAdminLink => "Link for the first administrator made",
        Event::FirstAdmin => "First administrator made",
        Event::UserMade => "Account made",
        Event::UserRenamed => return format!("Renamed from {} to {}", of("from"), of("to")),
        Event::UserDeleted => "Account deleted",
        Event::AdoptFrom => {
            return format!("Account prepared for somebody from {}", of("provider"));
        }
        Event::LookAlikeName => {
            let (name, other) = (of("name"), of("other"));
            return format!("Name given that looks like another: {name} and {other}");
        }
        Event::AdminGiven => "Made an administrator",
        Event::AdminTaken => "No longer an administrator",
        Event::RightsFollow => "Groups and rights follow the identity provider",
        Event::GroupMade => return format!("Group made: {}", of("group")),
        Event::GroupDeleted => return format!("Group deleted: {}", of("group")),
        Event::GroupJoined => return format!("Put into the group {}", of("group")),
        Event::GroupLeft => return format!("Taken out of the group {}", of("group")),
        Event::GroupProperties => {
            return format!("Properties of the group {} changed", of("group"));
        }
        Event::ApiTokenMade => return with_note("API token made", of("note")),
        Event::ApiTokenRevoked => return format!("API token {} revoked", number("id")),
        Event::ShareGiven => return format!("Server shared with {}", of("with")),
        Event::ShareTaken => return format!("Server no longer shared with {}", of("with")),
        Event::SharesTaken => "Server no longer shared with anybody",
        Event::ShareCodeMade => "Link that shares a server made",
        Event::ShareCodesEnded => "Links that share a server ended",
        Event::ShareAccepted => return format!("Shared server accepted by {}", of("with")),
        Event::Token => return format!("Token for {}", of("audience")),
        Event::ExposedPath | Event::AuthState => {
            return format!("Token for {} over the API", of("audience"));
        }
        Event::DeviceAnswer if row.outcome == "ok" => {
            return format!(
                "Command line allowed to have a token for {}",
                of("audience")
            );
        }
        Event::DeviceAnswer => {
            return format!("Command line asked for a token for {}", of("audience"));
        }
        Event::DeviceToken => return format!("Token for {} on a command line", of("audience")),
        Event::Enroll => "Server began to ask for tokens",
        Event::TicketReplay => "Somebody used the secret of a server's start a second time",
        Event::Tampering => "Somebody acted inside a server from outside",
        Event::Refused => "Token request refused",
        Event::ServerEntered => "Somebody else entered the server: no tokens until its next start",
        Event::Freeze => return format!("Tokens frozen: {}", of("reason").replace('_', " ")),
        Event::Thaw => "Tokens given again",
    };
    words.to_owned()
}

fn with_note(words: &str, note: &str) -> String {
    if note.is_empty() {
        words.to_owned()
    } else {
        format!("{words}: {note}")
    }
}

/// How something ended that did not work, in words.
fn outcome(word: &str) -> String {
    let words = match word {
        "wrong_password" => "wrong password",
        "wrong_code" => "wrong code",
        "too_many_attempts" => "too many attempts",
        "not_allowed" => "not allowed",
        "not_begun" => "it did not begin in that browser, or took too long",
        "invalid_grant" => "the secret was used already or too old",
        "invalid_token" => "no credential that is good",
        "no_proof" | "proof_malformed" | "proof_kind" | "proof_signature" | "proof_method"
        | "proof_address" | "proof_time" | "proof_token" => "the key was not shown rightly",
        "proof_replayed" => "the request was sent a second time",
        "other_key" => "it came from somebody with another key",
        "session_frozen" => "the tokens of this server are frozen",
        "server_shared" => "others can use the server, too",
        "server_entered" => "somebody else has entered the server since its start",
        "not_in_policy" => "no rule allows it",
        "not_let_in" => "the person has to sign in again, or may no longer come in",
        "other_server" => "it is for servers with other options",
        "reauth_required" => "a new sign-in is needed",
        "temporarily_unavailable" => "the identity provider did not answer",
        other => return other.replace('_', " "),
    };
    words.to_owned()
}
