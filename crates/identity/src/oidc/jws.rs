//! What all signed tokens of a provider have in common: the signature, the audience, the times.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jansky_model::Timestamp;
use serde_json::Value;

use super::keys::Jwks;
use super::lifetime::{NUMBER_OF_SECONDS, moment};
use super::settings::SigningAlgorithm;
use crate::claim_rules::Unreadable;
use crate::error::{TokenProblem, clean};
use crate::identity::Claims;

/// A kind of token, by what its header may say (RFC 8725 3.11).
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Values of `typ` that are accepted, `application/` left out.
    pub(crate) types: &'static [&'static str],
    /// Whether a token without `typ` is refused.
    pub(crate) typed: bool,
    /// The longest that it may be, in bytes.
    pub(crate) longest: usize,
}

/// Checks the signature and returns the algorithm and the encoded payload.
pub(crate) fn verify_signature<'t>(
    jwks: &Jwks,
    accepted: &[SigningAlgorithm],
    kind: Kind,
    token: &'t str,
) -> Result<(SigningAlgorithm, &'t str), TokenProblem> {
    if token.len() > kind.longest {
        return Err(TokenProblem::TooLong {
            bytes: token.len(),
            most: kind.longest,
        });
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenProblem::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenProblem::Malformed)?;
    let header: Claims = decode(header)?;
    let algorithm = needed_text(&header, "alg")?;
    let algorithm: SigningAlgorithm = algorithm.parse().map_err(|_| TokenProblem::Algorithm)?;
    if !accepted.contains(&algorithm) {
        return Err(TokenProblem::Algorithm);
    }
    // RFC 7515 4.1.11: whoever does not understand a critical field must refuse the token.
    let typ = optional_text(&header, "typ")?;
    let is_ours = typ.map_or(!kind.typed, |typ| kind.has(typ));
    if header.get("crit").is_some_and(|crit| !crit.is_null()) || !is_ours {
        return Err(TokenProblem::Header);
    }
    let kid = optional_text(&header, "kid")?;
    let mut keys = jwks.candidates(kid, algorithm).peekable();
    if keys.peek().is_none() {
        let other = kid.and_then(|kid| jwks.purpose_of(kid));
        return Err(match other {
            Some(key) => TokenProblem::OtherKey {
                token: algorithm,
                key: clean(key, &[]),
            },
            None => TokenProblem::UnknownKey,
        });
    }
    if keys.any(|key| key.verifies(signature, message.as_bytes(), algorithm)) {
        return Ok((algorithm, payload));
    }
    // Without a key id a new key looks like a wrong signature.
    Err(if kid.is_some() {
        TokenProblem::Signature
    } else {
        TokenProblem::UnknownKey
    })
}

impl Kind {
    fn has(self, typ: &str) -> bool {
        const PREFIX: &str = "application/";
        let prefixed = typ
            .get(..PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
        let typ = if prefixed { &typ[PREFIX.len()..] } else { typ };
        self.types.iter().any(|own| own.eq_ignore_ascii_case(typ))
    }
}

/// Reads a part of a token: JSON in base64url.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, TokenProblem> {
    let json = BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenProblem::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| TokenProblem::Malformed)
}

/// A text that has to be there.
pub(crate) fn needed_text<'a>(
    claims: &'a Claims,
    name: &'static str,
) -> Result<&'a str, TokenProblem> {
    optional_text(claims, name)?.ok_or(TokenProblem::NotSaid(name))
}

/// A text that may be there; anything else in its place is an error.
fn optional_text<'a>(claims: &'a Claims, name: &str) -> Result<Option<&'a str>, TokenProblem> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(value) => Err(unreadable(name, value, "a text")),
    }
}

fn unreadable(name: &str, value: &Value, expected: &'static str) -> TokenProblem {
    TokenProblem::Unreadable(Unreadable::new(name, value, expected))
}

/// A claim that is a text.
pub(crate) fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}

/// A claim that names somebody or something, if it is there; one that is unusable is an error.
pub(crate) fn name(claims: &Claims, claim: &str) -> Result<Option<String>, TokenProblem> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) if is_name(text) => Ok(Some(text.clone())),
        Some(value) => Err(unreadable(claim, value, "a text of 1 to 255 bytes")),
    }
}

/// OpenID Connect Core 3.1.3.7, 3 to 5: we are in the audience, and if others are too or `azp` is
/// there at all, the token was issued to us.
pub(crate) fn check_audience(claims: &Claims, client_id: &str) -> Result<(), TokenProblem> {
    let several = match claims.get("aud") {
        Some(Value::String(one)) if one == client_id => false,
        Some(Value::Array(all)) if all.iter().any(|one| one == client_id) => all.len() > 1,
        _ => return Err(TokenProblem::Audience),
    };
    match claims.get("azp") {
        Some(party) if party != client_id => Err(TokenProblem::AuthorizedParty),
        None if several => Err(TokenProblem::AuthorizedParty),
        _ => Ok(()),
    }
}

/// The token is of now: it has begun and not ended.
pub(crate) fn check_times(
    claims: &Claims,
    leeway: Duration,
    now: Timestamp,
) -> Result<(), TokenProblem> {
    let expires = time(claims, "exp")?.ok_or(TokenProblem::NotSaid("exp"))?;
    if expires.plus(leeway) <= now {
        return Err(TokenProblem::Expired);
    }
    let issued = time(claims, "iat")?.ok_or(TokenProblem::NotSaid("iat"))?;
    let not_before = time(claims, "nbf")?.unwrap_or(issued);
    if issued.max(not_before) > now.plus(leeway) {
        return Err(TokenProblem::NotYetValid);
    }
    Ok(())
}

/// A `NumericDate` (RFC 7519 2), which may have a fraction. In a signed token a text is none.
pub(crate) fn time(claims: &Claims, name: &str) -> Result<Option<Timestamp>, TokenProblem> {
    match claims.get(name) {
        Some(value @ Value::String(_)) => Err(unreadable(name, value, NUMBER_OF_SECONDS)),
        value => moment(name, value)
            .readable()
            .map_err(TokenProblem::Unreadable),
    }
}

/// Whether a text can name a person or a session: not empty, not long, nothing invisible.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && !text.contains(char::is_control)
}
