//! Tokens at rest: only their digests are kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jansky_model::Secret;

/// SHA-256 of a token, which is what the database holds.
///
/// Tokens carry 256 random bits, so a plain hash is enough: there is nothing to guess.
pub type Digest = [u8; 32];

/// The longest token that is looked at; anything longer is refused before it is hashed.
pub const MAX_TOKEN_LENGTH: usize = 128;

/// The prefix of tokens for the REST API.
pub const API_TOKEN_PREFIX: &str = "jky_";

/// Computes the digest of a token or cookie.
pub fn digest(secret: &Secret) -> Digest {
    digest_text(secret.expose())
}

/// Computes the digest of a token as it came over the wire.
pub fn digest_text(text: &str) -> Digest {
    digest_bytes(text.as_bytes())
}

/// Computes the digest of bytes.
pub fn digest_bytes(bytes: &[u8]) -> Digest {
    let computed = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut digest = [0; 32];
    digest.copy_from_slice(computed.as_ref());
    digest
}

/// The base64url of the SHA-256 of a text: the challenge `S256` of RFC 7636 section 4.2.
pub fn s256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest_text(text))
}

/// Whether two texts are equal, in time that does not tell where they differ.
pub fn equal(left: &str, right: &str) -> bool {
    use subtle::ConstantTimeEq as _;

    left.as_bytes().ct_eq(right.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_sha256() {
        let known = digest_text("abc");

        assert_eq!(known[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(digest(&Secret::new("abc")), known);
    }

    #[test]
    fn equal_compares_whole_texts() {
        assert!(equal("abc", "abc"));
        assert!(!equal("abc", "abd"));
        assert!(!equal("abc", "ab"));
    }
}
