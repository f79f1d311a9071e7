//! The checks of a logout token (OpenID Connect Back-Channel Logout 1.0, 2.6), as pure functions.

use std::time::Duration;

use jansky_model::{Secret, Timestamp};
use serde_json::Value;

use super::id_token::Expectations;
use super::jws::{Kind, check_audience, check_times, decode, name, text, time, verify_signature};
use super::keys::Jwks;
use crate::error::TokenProblem;
use crate::identity::Claims;
use crate::provider::LogoutNotice;

/// The longest token, in bytes, in which a provider tells us something by itself: it names one
/// person and one session.
pub(crate) const LONGEST_NOTICE: usize = 16 << 10;

/// Providers that do not type their logout tokens are common; the other checks tell them apart.
const LOGOUT_TOKEN: Kind = Kind {
    types: &["logout+jwt", "JWT"],
    typed: false,
    longest: LONGEST_NOTICE,
};

/// The member of `events` that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// An older logout token is refused whatever its `exp` says, which bounds how long used ones have
/// to be remembered.
const LONGEST_USE: Duration = Duration::from_mins(10);

/// Checks a logout token. The signature comes first: nothing that is not signed is judged.
///
/// [`Expectations::nonce`] and [`Expectations::access_token`] do not matter here. Whether the
/// token was used before is the caller's to know, by [`LogoutNotice::id`].
///
/// # Errors
/// The first check that failed. [`TokenProblem::UnknownKey`] may mean that the provider has new
/// keys.
pub fn verify_logout_token(
    jwks: &Jwks,
    expected: &Expectations<'_>,
    token: &str,
    now: Timestamp,
) -> Result<LogoutNotice, TokenProblem> {
    let (_, payload) = verify_signature(jwks, expected.algorithms, LOGOUT_TOKEN, token)?;
    let claims: Claims = decode(payload)?;
    if text(&claims, "iss") != Some(expected.issuer) {
        return Err(TokenProblem::Issuer);
    }
    check_audience(&claims, expected.client_id)?;
    check_times(&claims, expected.leeway, now)?;
    let issued_at = time(&claims, "iat")?.ok_or(TokenProblem::NotSaid("iat"))?;
    let expires_at = time(&claims, "exp")?.ok_or(TokenProblem::NotSaid("exp"))?;
    let replayable_until = issued_at
        .plus(LONGEST_USE)
        .min(expires_at)
        .plus(expected.leeway);
    if replayable_until <= now {
        return Err(TokenProblem::Expired);
    }
    // An ID token that somebody got hold of must not pass, so what ID tokens have is forbidden.
    if claims.contains_key("nonce") {
        return Err(TokenProblem::NonceInLogoutToken);
    }
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(TokenProblem::NoLogoutEvent);
    }
    let id = name(&claims, "jti")?.ok_or(TokenProblem::NoTokenId)?;
    let subject = name(&claims, "sub")?;
    let provider_session = name(&claims, "sid")?;
    if subject.is_none() && provider_session.is_none() {
        return Err(TokenProblem::NobodyToLogOut);
    }
    Ok(LogoutNotice {
        issuer: expected.issuer.to_owned(),
        subject,
        provider_session,
        id,
        issued_at,
        replayable_until,
    })
}

/// The issuer that a token of an unknown provider names, to find the provider that can check it.
/// Nothing is verified: it must not be used for anything else.
pub fn claimed_issuer(token: &Secret) -> Option<String> {
    if token.expose().len() > LONGEST_NOTICE {
        return None;
    }
    let (_, payload) = token.expose().rsplit_once('.')?.0.split_once('.')?;
    let claims: Claims = decode(payload).ok()?;
    text(&claims, "iss").map(str::to_owned)
}
