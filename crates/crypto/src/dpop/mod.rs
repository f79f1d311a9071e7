//! DPoP: proofs that a request comes from the holder of a key (RFC 9449).
//!
//! Only ES256 is spoken, on both sides. A [`ProofKey`] exists in memory only and cannot be read out;
//! each request carries a proof that it made. [`check()`] looks at the proof alone; whether its nonce
//! is a recent one and its `jti` new is for the caller to know, who has the memory for it.

mod check;
mod key;
#[cfg(test)]
mod tests;

pub use check::{CheckedProof, Expected, ProofProblem, check};
pub use key::{ProofKey, Request};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::token::digest_text;

/// The `typ` of a proof.
const TYPE: &str = "dpop+jwt";

/// The only algorithm that is spoken.
const ALGORITHM: &str = "ES256";

/// The longest proof that is looked at, in bytes; one of ours has about 700.
pub const MAX_PROOF_LENGTH: usize = 4096;

/// The length of a coordinate of P-256, in bytes.
const COORDINATE: usize = 32;

/// The fingerprint of a public key on P-256 (RFC 7638): what a session is bound to.
///
/// `x` and `y` are its coordinates in base64url, as a JWK has them.
pub fn thumbprint(x: &str, y: &str) -> String {
    let digest = digest_text(&format!(
        r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#
    ));
    URL_SAFE_NO_PAD.encode(digest)
}

/// The `ath` of a token: what ties a proof to it.
pub fn token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest_text(token))
}
