//! The checks of an ID token (OpenID Connect Core 3.1.3.7), as pure functions.

use std::time::Duration;

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jansky_model::{Secret, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::keys::Jwks;
use super::settings::SigningAlgorithm;
use crate::error::TokenProblem;
use crate::identity::Claims;

/// Larger than the ID token of somebody with a thousand groups.
const LARGEST_TOKEN: usize = 256 << 10;

/// What an ID token must say to be accepted.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// The issuer, to the letter.
    pub issuer: &'a str,
    /// Our client id.
    pub client_id: &'a str,
    /// The nonce of the sign-in; `None` for an ID token that came with a refresh.
    pub nonce: Option<&'a str>,
    /// The access token that came along, against which `at_hash` is checked when it is there.
    pub access_token: Option<&'a Secret>,
    /// The algorithms that are accepted.
    pub algorithms: &'a [SigningAlgorithm],
    /// How far the clocks may differ.
    pub leeway: Duration,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
}

/// Checks an ID token and returns its claims. The signature comes first: nothing that is not
/// signed is judged.
///
/// # Errors
/// The first check that failed. [`TokenProblem::UnknownKey`] may mean that the provider has new
/// keys.
pub fn verify_id_token(
    jwks: &Jwks,
    expected: &Expectations<'_>,
    token: &str,
    now: Timestamp,
) -> Result<Claims, TokenProblem> {
    let (algorithm, payload) = verify_signature(jwks, expected.algorithms, token)?;
    let claims: Claims = decode(payload)?;
    if text(&claims, "iss") != Some(expected.issuer) {
        return Err(TokenProblem::Issuer);
    }
    check_audience(&claims, expected.client_id)?;
    check_times(&claims, expected.leeway, now)?;
    if let Some(nonce) = expected.nonce {
        let fits = text(&claims, "nonce").is_some_and(|found| same(found, nonce));
        fits.then_some(()).ok_or(TokenProblem::Nonce)?;
    }
    check_access_token_hash(&claims, expected.access_token, algorithm)?;
    let subject = text(&claims, "sub").unwrap_or_default();
    if subject.is_empty() || subject.len() > 255 || subject.contains(char::is_control) {
        return Err(TokenProblem::Subject);
    }
    Ok(claims)
}

/// Whether two texts are equal, in a time that does not tell how far they are.
pub(crate) fn same(left: &str, right: &str) -> bool {
    constant_time::verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}

/// Checks the signature and returns the algorithm and the encoded payload.
fn verify_signature<'t>(
    jwks: &Jwks,
    accepted: &[SigningAlgorithm],
    token: &'t str,
) -> Result<(SigningAlgorithm, &'t str), TokenProblem> {
    if token.len() > LARGEST_TOKEN {
        return Err(TokenProblem::Malformed);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenProblem::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenProblem::Malformed)?;
    let header: Header = decode(header)?;
    let algorithm: SigningAlgorithm = header.alg.parse().map_err(|_| TokenProblem::Algorithm)?;
    if !accepted.contains(&algorithm) {
        return Err(TokenProblem::Algorithm);
    }
    // RFC 7515 4.1.11: whoever does not understand a critical field must refuse the token. RFC 8725
    // 3.11: an access or logout token says so in `typ` and is no ID token.
    if header.crit.is_some() || header.typ.is_some_and(|typ| !is_jwt(&typ)) {
        return Err(TokenProblem::Header);
    }
    let mut keys = jwks.candidates(header.kid.as_deref(), algorithm).peekable();
    if keys.peek().is_none() {
        return Err(TokenProblem::UnknownKey);
    }
    let valid = keys.any(|key| {
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm.jws())
            .unwrap_or(false)
    });
    if valid {
        return Ok((algorithm, payload));
    }
    // Without a key id a new key looks like a wrong signature.
    Err(if header.kid.is_some() {
        TokenProblem::Signature
    } else {
        TokenProblem::UnknownKey
    })
}

fn is_jwt(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("JWT") || typ.eq_ignore_ascii_case("application/jwt")
}

fn decode<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, TokenProblem> {
    let json = BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenProblem::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| TokenProblem::Malformed)
}

fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}

/// OpenID Connect Core 3.1.3.7, 3 to 5: we are in the audience, and if others are too or `azp` is
/// there at all, the token was issued to us.
fn check_audience(claims: &Claims, client_id: &str) -> Result<(), TokenProblem> {
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

fn check_times(claims: &Claims, leeway: Duration, now: Timestamp) -> Result<(), TokenProblem> {
    let expires = time(claims, "exp")?.ok_or(TokenProblem::Expired)?;
    if expires.plus(leeway) <= now {
        return Err(TokenProblem::Expired);
    }
    let issued = time(claims, "iat")?.ok_or(TokenProblem::NotYetValid)?;
    let not_before = time(claims, "nbf")?.unwrap_or(issued);
    if issued.max(not_before) > now.plus(leeway) {
        return Err(TokenProblem::NotYetValid);
    }
    Ok(())
}

/// A `NumericDate` (RFC 7519 2), which may have a fraction.
fn time(claims: &Claims, name: &str) -> Result<Option<Timestamp>, TokenProblem> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    if let Some(seconds) = value.as_i64() {
        return Ok(Some(Timestamp::from_seconds(seconds)));
    }
    let seconds = value.as_f64().ok_or(TokenProblem::Malformed)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it saturates, and so do timestamps"
    )]
    Ok(Some(Timestamp::from_micros((seconds * 1e6) as i64)))
}

/// OpenID Connect Core 3.1.3.6: the left half of the hash that belongs to the algorithm.
fn check_access_token_hash(
    claims: &Claims,
    access_token: Option<&Secret>,
    algorithm: SigningAlgorithm,
) -> Result<(), TokenProblem> {
    use SigningAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let (Some(found), Some(token)) = (claims.get("at_hash"), access_token) else {
        return Ok(());
    };
    let hash = match algorithm {
        Rs256 | Ps256 | Es256 => &digest::SHA256,
        Rs384 | Ps384 | Es384 => &digest::SHA384,
        Rs512 | Ps512 | EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(hash, token.expose().as_bytes());
    let (half, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    let fits = found
        .as_str()
        .is_some_and(|f| same(f, &BASE64_URL_SAFE_NO_PAD.encode(half)));
    fits.then_some(()).ok_or(TokenProblem::AccessTokenHash)
}
