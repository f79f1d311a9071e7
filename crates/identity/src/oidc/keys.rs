//! The public keys of a provider (RFC 7517).

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use serde::Deserialize;

use super::settings::SigningAlgorithm;

/// More keys than any provider has; bounds the work for a token that names none.
const MOST_KEYS: usize = 64;

/// A provider's key set, reduced to keys that can check a signature that we accept.
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    kid: Option<String>,
    /// The one algorithm that the provider allows the key for, if it says so.
    only_for: Option<KeyAlgorithm>,
    kind: Kind,
    decoding: DecodingKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Jwks {
    /// Reads a key set. Keys of a kind we do not know, for encryption, or broken are left out: one
    /// strange key must not take the others away.
    ///
    /// # Errors
    /// When it is not a JSON object with a list `keys`.
    pub fn parse(document: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(document)?;
        let keys = document
            .keys
            .into_iter()
            .filter_map(Key::usable)
            .take(MOST_KEYS)
            .collect();
        Ok(Self { keys })
    }

    /// Whether no key is usable.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that may have made a signature of this algorithm under this key id. A token
    /// without a key id may be by any of them.
    pub(crate) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: SigningAlgorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        self.keys
            .iter()
            .filter(move |key| kid.is_none() || key.kid.as_deref() == kid)
            .filter(move |key| key.fits(algorithm))
            .map(|key| &key.decoding)
    }
}

impl Key {
    fn usable(key: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(key).ok()?;
        let for_signing = match &jwk.common.public_key_use {
            None | Some(PublicKeyUse::Signature) => true,
            Some(_) => false,
        };
        let kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Kind::Rsa,
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => Kind::P256,
                EllipticCurve::P384 => Kind::P384,
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Kind::Ed25519
            }
            // A symmetric key that everybody can read checks nothing.
            _ => return None,
        };
        for_signing.then_some(())?;
        Some(Self {
            kid: jwk.common.key_id.clone(),
            only_for: jwk.common.key_algorithm,
            kind,
            decoding: DecodingKey::from_jwk(&jwk).ok()?,
        })
    }

    fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        use SigningAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
        let kind = match algorithm {
            Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 => Kind::Rsa,
            Es256 => Kind::P256,
            Es384 => Kind::P384,
            EdDsa => Kind::Ed25519,
        };
        let allowed = self
            .only_for
            .is_none_or(|only| only == algorithm.jws().into());
        kind == self.kind && allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_strange_key_does_not_take_the_others_away() {
        let document = br#"{"keys": [
            {"kty": "new-kind", "kid": "1"},
            {"kty": "oct", "kid": "2", "k": "c2VjcmV0"},
            {"kty": "RSA", "kid": "3", "n": "!", "e": "AQAB"},
            {"kty": "RSA", "kid": "4", "n": "0A", "e": "AQAB", "use": "enc"},
            17,
            {"kty": "RSA", "kid": "5", "n": "0A", "e": "AQAB", "use": "sig", "alg": "RS256"}
        ]}"#;

        let keys = Jwks::parse(document).expect("it is a key set");

        assert_eq!(keys.keys.len(), 1);
        assert_eq!(
            keys.candidates(Some("5"), SigningAlgorithm::Rs256).count(),
            1
        );
        assert_eq!(keys.candidates(None, SigningAlgorithm::Rs256).count(), 1);
        assert_eq!(
            keys.candidates(Some("5"), SigningAlgorithm::Ps256).count(),
            0
        );
        assert_eq!(
            keys.candidates(Some("5"), SigningAlgorithm::Es256).count(),
            0
        );
        assert_eq!(
            keys.candidates(Some("4"), SigningAlgorithm::Rs256).count(),
            0
        );
    }

    #[test]
    fn a_key_set_must_be_one() {
        assert!(Jwks::parse(b"[]").is_err());
        assert!(Jwks::parse(br#"{"keys": {}}"#).is_err());
        assert!(
            Jwks::parse(br#"{"keys": []}"#)
                .expect("it is a key set")
                .is_empty()
        );
    }
}
