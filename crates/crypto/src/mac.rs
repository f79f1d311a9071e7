//! Keyed signatures: what the hub hands to a browser and wants to recognize again.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Random;

/// A key for HMAC-SHA-256.
#[derive(Clone)]
pub struct MacKey(hmac::Key);

impl MacKey {
    /// Makes a key of 32 random bytes.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = [0; 32];
        random.fill(&mut bytes);
        Self::from_bytes(&bytes)
    }

    /// Takes a key from bytes; fewer than 32 make a weak key.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Signs the parts, each with its length in front so that no two lists read the same.
    pub fn sign(&self, parts: &[&str]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(context.sign())
    }

    /// Whether `signature` was made by [`MacKey::sign`] for these parts, in constant time.
    pub fn verify(&self, parts: &[&str], signature: &str) -> bool {
        crate::token::equal(&self.sign(parts), signature)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_parts_and_its_key_only() {
        let key = MacKey::from_bytes(&[1; 32]);
        let other = MacKey::from_bytes(&[2; 32]);

        let signature = key.sign(&["a", "bc"]);

        assert!(key.verify(&["a", "bc"], &signature));
        assert!(!key.verify(&["ab", "c"], &signature));
        assert!(!other.verify(&["a", "bc"], &signature));
    }
}
