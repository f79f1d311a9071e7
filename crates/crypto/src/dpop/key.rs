//! The side that proves.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jansky_model::Timestamp;
use serde_json::json;

use super::{ALGORITHM, COORDINATE, TYPE, thumbprint, token_hash};
use crate::Random;

/// A key that proofs are made with. It cannot be read out.
pub struct ProofKey {
    pair: EcdsaKeyPair,
    /// The encoded header, which is the same in all proofs.
    header: String,
    thumbprint: String,
}

/// What a proof is for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// Its address; query and fragment are left out of the proof.
    pub url: &'a str,
    /// The token that is sent with it, if one is.
    pub token: Option<&'a str>,
    /// The nonce that the server asked for, if it did.
    pub nonce: Option<&'a str>,
    /// The time.
    pub at: Timestamp,
}

impl ProofKey {
    /// Makes a key with the randomness of the machine: a key is worth nothing with another one.
    pub fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .expect("the machine can make keys");
        // 0x04, then both coordinates.
        let point = pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(COORDINATE);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let header = json!({
            "typ": TYPE,
            "alg": ALGORITHM,
            "jwk": { "kty": "EC", "crv": "P-256", "x": x, "y": y },
        });
        Self {
            pair,
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            thumbprint: thumbprint(&x, &y),
        }
    }

    /// The fingerprint of the public key (RFC 7638).
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Makes a proof for one request: the value of its header `DPoP`.
    pub fn prove(&self, random: &dyn Random, request: Request<'_>) -> String {
        let end = request.url.find(['?', '#']).unwrap_or(request.url.len());
        let mut claims = json!({
            "jti": random.hex_id(),
            "htm": request.method,
            "htu": request.url[..end],
            "iat": request.at.seconds(),
        });
        if let Some(token) = request.token {
            claims["ath"] = json!(token_hash(token));
        }
        if let Some(nonce) = request.nonce {
            claims["nonce"] = json!(nonce);
        }
        self.sign(&claims)
    }

    pub(super) fn sign(&self, claims: &serde_json::Value) -> String {
        self.sign_with(&self.header, claims)
    }

    /// Signs claims under an encoded header.
    pub(super) fn sign_with(&self, header: &str, claims: &serde_json::Value) -> String {
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let message = format!("{header}.{payload}");
        let signature = self
            .pair
            .sign(&SystemRandom::new(), message.as_bytes())
            .expect("a key of ours signs");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProofKey({})", self.thumbprint)
    }
}
