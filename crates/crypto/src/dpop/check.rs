//! The side that checks.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jansky_model::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ALGORITHM, COORDINATE, MAX_PROOF_LENGTH, TYPE, thumbprint, token_hash};

/// How far the time of a proof may be from ours, in both directions.
const WINDOW: Duration = Duration::from_mins(1);

/// What a proof must be about.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// The addresses under which the resource can be reached; the proof must name one of them.
    pub urls: &'a [String],
    /// The token that came with the request, if one did: the proof must be tied to it.
    pub token: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
}

/// A valid proof, apart from nonce and replay, which need state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedProof {
    /// The fingerprint of the key that made it (RFC 7638).
    pub thumbprint: String,
    /// Names the proof; it must be used once.
    pub id: String,
    /// The nonce in it, which must be a recent one of the server's.
    pub nonce: Option<String>,
}

/// What is wrong with a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofProblem {
    /// There is none, or more than one.
    #[error("the request must carry one header `DPoP` with a proof")]
    Missing,
    /// It is not a signed token with the fields of a proof.
    #[error("the proof is malformed")]
    Malformed,
    /// Its type, algorithm or key is not one that is taken.
    #[error("the proof must be of type `dpop+jwt` with `ES256` and a public key on P-256")]
    Kind,
    /// The signature is not by the key in it.
    #[error("the signature of the proof does not hold")]
    Signature,
    /// It is for another method.
    #[error("`htm` is not the method of the request")]
    Method,
    /// It is for another address.
    #[error("`htu` is not the address of the request")]
    Address,
    /// It is too old, or from the future.
    #[error("`iat` is more than a minute from the time here")]
    Time,
    /// It is not tied to the token of the request.
    #[error("`ath` is not the hash of the access token")]
    Token,
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Jwk,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    y: String,
    /// A private key has no business in a proof.
    d: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: serde_json::Number,
    ath: Option<String>,
    nonce: Option<String>,
}

/// Checks a proof (RFC 9449 section 4.3) but for its nonce and whether it was used before.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(proof: &str, expected: &Expected<'_>) -> Result<CheckedProof, ProofProblem> {
    if proof.len() > MAX_PROOF_LENGTH {
        return Err(ProofProblem::Malformed);
    }
    let (message, signature) = proof.rsplit_once('.').ok_or(ProofProblem::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(ProofProblem::Malformed)?;
    let header: Header = decode(header)?;
    let thumbprint = verify(&header, message, signature)?;
    let claims: Claims = decode(payload)?;
    if claims.jti.is_empty() || claims.jti.len() > 128 {
        return Err(ProofProblem::Malformed);
    }
    if claims.htm != expected.method {
        return Err(ProofProblem::Method);
    }
    if !expected
        .urls
        .iter()
        .any(|url| same_address(url, &claims.htu))
    {
        return Err(ProofProblem::Address);
    }
    let issued = seconds(&claims.iat).ok_or(ProofProblem::Malformed)?;
    if issued.since(expected.now) > WINDOW || expected.now.since(issued) > WINDOW {
        return Err(ProofProblem::Time);
    }
    if let Some(token) = expected.token {
        let tied = claims.ath.as_deref() == Some(&token_hash(token));
        if !tied {
            return Err(ProofProblem::Token);
        }
    }
    Ok(CheckedProof {
        thumbprint,
        id: claims.jti,
        nonce: claims.nonce,
    })
}

/// Checks the signature and returns the fingerprint of the key.
fn verify(header: &Header, message: &str, signature: &str) -> Result<String, ProofProblem> {
    let Jwk { kty, crv, x, y, d } = &header.jwk;
    let is_ours = header.typ.eq_ignore_ascii_case(TYPE)
        && header.alg == ALGORITHM
        && header.crit.is_none()
        && kty == "EC"
        && crv == "P-256"
        && d.is_none();
    if !is_ours {
        return Err(ProofProblem::Kind);
    }
    let mut point = [4; 1 + 2 * COORDINATE];
    for (place, text) in [(1, x), (1 + COORDINATE, y)] {
        let bytes = URL_SAFE_NO_PAD.decode(text);
        let bytes = bytes.map_err(|_| ProofProblem::Malformed)?;
        let part = point.get_mut(place..place + bytes.len());
        match part {
            Some(part) if bytes.len() == COORDINATE => part.copy_from_slice(&bytes),
            _ => return Err(ProofProblem::Malformed),
        }
    }
    let signature = URL_SAFE_NO_PAD.decode(signature);
    let signature = signature.map_err(|_| ProofProblem::Malformed)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(message.as_bytes(), &signature)
        .map_err(|_| ProofProblem::Signature)?;
    Ok(thumbprint(x, y))
}

fn decode<T: DeserializeOwned>(part: &str) -> Result<T, ProofProblem> {
    let json = URL_SAFE_NO_PAD.decode(part);
    let json = json.map_err(|_| ProofProblem::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| ProofProblem::Malformed)
}

/// Whether two addresses are the same but for query and fragment, and for upper case in scheme and
/// host, which do not matter.
fn same_address(own: &str, theirs: &str) -> bool {
    let end = theirs.find(['?', '#']).unwrap_or(theirs.len());
    let theirs = &theirs[..end];
    if own == theirs {
        return true;
    }
    let split = |url: &str| {
        let start = url.find("://")? + 3;
        let path = url[start..].find('/').map_or(url.len(), |at| start + at);
        Some(path)
    };
    match (split(own), split(theirs)) {
        (Some(mine), Some(other)) => {
            own[..mine].eq_ignore_ascii_case(&theirs[..other]) && own[mine..] == theirs[other..]
        }
        _ => false,
    }
}

/// A `NumericDate`, which may have a fraction.
fn seconds(number: &serde_json::Number) -> Option<Timestamp> {
    if let Some(whole) = number.as_i64() {
        return Some(Timestamp::from_seconds(whole));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it saturates, and so do timestamps"
    )]
    let whole = number.as_f64()? as i64;
    Some(Timestamp::from_seconds(whole))
}
