//! The checks of an ID token (OpenID Connect Core 3.1.3.7), as pure functions.

use std::time::Duration;

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jansky_model::{Secret, Timestamp};

use super::jws::{
    Kind, check_audience, check_times, decode, is_name, needed_text, text, verify_signature,
};
use super::keys::Jwks;
use super::settings::SigningAlgorithm;
use crate::error::TokenProblem;
use crate::identity::Claims;

/// An access or logout token says so in `typ` and is no ID token.
const ID_TOKEN: Kind = Kind {
    types: &["JWT"],
    typed: false,
    // Longer than the ID token of somebody with a thousand groups.
    longest: 256 << 10,
};

/// Userinfo that is signed has no type of its own.
const USERINFO: Kind = ID_TOKEN;

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
    let (algorithm, payload) = verify_signature(jwks, expected.algorithms, ID_TOKEN, token)?;
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
    if !is_name(needed_text(&claims, "sub")?) {
        return Err(TokenProblem::Subject);
    }
    Ok(claims)
}

/// Checks a userinfo answer that is signed (OpenID Connect Core 5.3.2) and returns its claims. Whom it
/// is about is the caller's to compare. A provider need not say there who it is and whom it tells; if
/// it does, it must be the right ones.
///
/// # Errors
/// As [`verify_id_token`].
pub(crate) fn verify_userinfo(
    jwks: &Jwks,
    expected: &Expectations<'_>,
    token: &str,
) -> Result<Claims, TokenProblem> {
    let (_, payload) = verify_signature(jwks, expected.algorithms, USERINFO, token)?;
    let claims: Claims = decode(payload)?;
    if claims.contains_key("iss") && text(&claims, "iss") != Some(expected.issuer) {
        return Err(TokenProblem::Issuer);
    }
    if claims.contains_key("aud") {
        check_audience(&claims, expected.client_id)?;
    }
    Ok(claims)
}

/// What a token says, without looking at its signature; `None` if it is no JWT.
pub(crate) fn token_claims(token: &Secret) -> Option<Claims> {
    let (_, payload) = token.expose().rsplit_once('.')?.0.split_once('.')?;
    decode(payload).ok()
}

/// Whether two texts are equal, in a time that does not tell how far they are.
pub(crate) fn same(left: &str, right: &str) -> bool {
    constant_time::verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}

/// OpenID Connect Core 3.1.3.6: the left half of the hash that belongs to the algorithm.
fn check_access_token_hash(
    claims: &Claims,
    access_token: Option<&Secret>,
    algorithm: SigningAlgorithm,
) -> Result<(), TokenProblem> {
    use SigningAlgorithm::{EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let (Some(found), Some(token)) = (claims.get("at_hash"), access_token) else {
        return Ok(());
    };
    let hash = match algorithm {
        Rs256 | Ps256 | Es256 => &digest::SHA256,
        Rs384 | Ps384 | Es384 => &digest::SHA384,
        Rs512 | Ps512 | Es512 | EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(hash, token.expose().as_bytes());
    let (half, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    let fits = found
        .as_str()
        .is_some_and(|f| same(f, &BASE64_URL_SAFE_NO_PAD.encode(half)));
    fits.then_some(()).ok_or(TokenProblem::AccessTokenHash)
}
