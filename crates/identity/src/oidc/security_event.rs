//! The checks of a security event token (RFC 8417, OpenID Shared Signals Framework 1.0), as pure
//! functions.

use std::time::Duration;

use jansky_model::Timestamp;
use serde_json::Value;

use super::id_token::Expectations;
use super::jws::{Kind, decode, is_name, name, text, time, verify_signature};
use super::keys::Jwks;
use super::logout_token::LONGEST_NOTICE;
use crate::error::TokenProblem;
use crate::identity::Claims;
use crate::provider::{EventSubject, SecurityEvent, SecurityNotice};

/// Shared Signals wants the type in every token (4.1.1), so that no ID token passes for one.
const SECURITY_EVENT_TOKEN: Kind = Kind {
    types: &["secevent+jwt"],
    typed: true,
    longest: LONGEST_NOTICE,
};

/// A transmitter sends again what did not arrive, over days if we were away. A token that is older
/// is refused, which bounds how long received ones have to be remembered.
const LONGEST_USE: Duration = Duration::from_hours(7 * 24);

/// More events than one token ever has; bounds the work that one token causes.
const MOST_EVENTS: usize = 16;

/// The parts of the names of events before their last words.
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";

/// Checks a security event token. The signature comes first: nothing that is not signed is judged.
///
/// Of `expected` the nonce and the access token do not matter, and the client id is what the
/// transmitter calls us. `accounts` is the issuer of the accounts that events are about. Whether the
/// token was received before is the caller's to know, by [`SecurityNotice::id`].
///
/// # Errors
/// The first check that failed. [`TokenProblem::UnknownKey`] may mean that the transmitter has new
/// keys.
pub fn verify_security_event(
    jwks: &Jwks,
    expected: &Expectations<'_>,
    accounts: &str,
    token: &str,
    now: Timestamp,
) -> Result<SecurityNotice, TokenProblem> {
    let (_, payload) = verify_signature(jwks, expected.algorithms, SECURITY_EVENT_TOKEN, token)?;
    let claims: Claims = decode(payload)?;
    if text(&claims, "iss") != Some(expected.issuer) {
        return Err(TokenProblem::Issuer);
    }
    let is_ours = match claims.get("aud") {
        Some(Value::String(one)) => one == expected.client_id,
        Some(Value::Array(all)) => all.iter().any(|one| one == expected.client_id),
        _ => false,
    };
    is_ours.then_some(()).ok_or(TokenProblem::Audience)?;
    let issued_at = time(&claims, "iat")?.ok_or(TokenProblem::NotSaid("iat"))?;
    let not_before = time(&claims, "nbf")?.unwrap_or(issued_at);
    if issued_at.max(not_before) > now.plus(expected.leeway) {
        return Err(TokenProblem::NotYetValid);
    }
    // Shared Signals 4.1.7 forbids `exp`, but where one is sent it is respected.
    let end = issued_at.plus(LONGEST_USE);
    let end = time(&claims, "exp")?.map_or(end, |exp| exp.min(end));
    let replayable_until = end.plus(expected.leeway);
    if replayable_until <= now {
        return Err(TokenProblem::Expired);
    }
    let id = name(&claims, "jti")?.ok_or(TokenProblem::NoTokenId)?;
    let named = claims.get("events").and_then(Value::as_object);
    let named = named
        .filter(|events| (1..=MOST_EVENTS).contains(&events.len()))
        .ok_or(TokenProblem::NoEvents)?;
    let mut events = Vec::new();
    for (kind, event) in named {
        let event = event.as_object().ok_or(TokenProblem::NoEvents)?;
        events.extend(read_event(kind, event, &claims, accounts)?);
    }
    Ok(SecurityNotice {
        transmitter: expected.issuer.to_owned(),
        id,
        issued_at,
        replayable_until,
        events,
    })
}

/// Reads one event; `None` if it means nothing to us.
fn read_event(
    kind: &str,
    event: &Claims,
    claims: &Claims,
    accounts: &str,
) -> Result<Option<SecurityEvent>, TokenProblem> {
    let subject = || {
        // Before Shared Signals 1.0 the subject was in the event.
        let subject = claims.get("sub_id").or_else(|| event.get("subject"));
        read_subject(subject, accounts).ok_or(TokenProblem::EventSubject)
    };
    let is = |family: &str, words: &[&str]| {
        kind.strip_prefix(family)
            .is_some_and(|word| words.contains(&word))
    };
    Ok(if is(CAEP, &["session-revoked"]) {
        Some(SecurityEvent::SessionRevoked(subject()?))
    } else if is(RISC, &["account-disabled", "account-purged"]) {
        Some(SecurityEvent::AccountDisabled(subject()?))
    } else if is(CAEP, &["token-claims-change", "credential-change"]) {
        Some(SecurityEvent::AskAgain(subject()?))
    } else if is(SSF, &["verification"]) {
        Some(SecurityEvent::Verification)
    } else if is(SSF, &["stream-updated"]) {
        let status = name(event, "status")?.ok_or(TokenProblem::NotSaid("status"))?;
        Some(SecurityEvent::StreamUpdated { status })
    } else {
        None
    })
}

/// Reads whom an event is about (RFC 9493, Shared Signals 3).
///
/// A complex subject is about the session or the person in it; what else it has only narrows it down
/// to things that we do not know, such as a device, and an event is rather heard too widely than not
/// at all. An address of e-mail names nobody: people can change it.
fn read_subject(subject: Option<&Value>, accounts: &str) -> Option<EventSubject> {
    let subject = subject?.as_object()?;
    if text(subject, "format") != Some("complex") {
        return Some(EventSubject {
            issuer: accounts.to_owned(),
            subject: Some(read_person(subject, accounts)?),
            provider_session: None,
        });
    }
    let member = |name: &str| subject.get(name).and_then(Value::as_object);
    let person = member("user").and_then(|user| read_person(user, accounts));
    let provider_session = member("session").and_then(read_opaque);
    let names_somebody = person.is_some() || provider_session.is_some();
    names_somebody.then(|| EventSubject {
        issuer: accounts.to_owned(),
        subject: person,
        provider_session,
    })
}

fn read_person(subject: &Claims, accounts: &str) -> Option<String> {
    match text(subject, "format")? {
        "iss_sub" if text(subject, "iss")? == accounts => usable(text(subject, "sub")?),
        "opaque" => read_opaque(subject),
        _ => None,
    }
}

fn read_opaque(subject: &Claims) -> Option<String> {
    let is_opaque = text(subject, "format")? == "opaque";
    is_opaque.then(|| usable(text(subject, "id")?)).flatten()
}

fn usable(name: &str) -> Option<String> {
    is_name(name).then(|| name.to_owned())
}
