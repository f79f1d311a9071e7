//! The public keys of a provider (RFC 7517).

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk, PublicKeyUse,
};
use serde::Deserialize;

use super::json::read_json;
use super::settings::SigningAlgorithm;

/// More keys than any provider has; bounds the work for a token that names none.
const MOST_KEYS: usize = 64;

/// A provider's key set, reduced to keys that can check a signature that we accept.
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    kid: Option<String>,
    /// The one algorithm that the provider allows the key for, if it says so.
    only_for: Option<String>,
    kind: Kind,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Library(Box<DecodingKey>),
    /// The point of a key on P-521, uncompressed. The library does not know the curve.
    P521(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

/// The length of a coordinate on P-521, in bytes.
const P521_COORDINATE: usize = 66;

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA signatures",
            Self::P256 => "ES256",
            Self::P384 => "ES384",
            Self::P521 => "ES512",
            Self::Ed25519 => "EdDSA",
        }
    }
}

impl Jwks {
    /// Reads a key set. Keys of a kind we do not know, for encryption, or broken are left out: one
    /// strange key must not take the others away.
    ///
    /// # Errors
    /// When it is not a JSON object with a list `keys`: what it is instead.
    pub fn parse(document: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct JwkSet {
            keys: Vec<serde_json::Value>,
        }
        let document: JwkSet = read_json(document)?;
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
    ) -> impl Iterator<Item = &Key> {
        self.keys
            .iter()
            .filter(move |key| kid.is_none() || key.kid.as_deref() == kid)
            .filter(move |key| key.fits(algorithm))
    }

    /// What the key with this id is for; `None` if there is no such key.
    pub(crate) fn purpose_of(&self, kid: &str) -> Option<&str> {
        let mut keys = self.keys.iter();
        let key = keys.find(|key| key.kid.as_deref() == Some(kid))?;
        Some(key.only_for.as_deref().unwrap_or(key.kind.name()))
    }
}

impl Key {
    fn usable(key: serde_json::Value) -> Option<Self> {
        // Read from the document itself: the library has one name for all that it does not know.
        let only_for = key
            .get("alg")
            .and_then(|alg| alg.as_str())
            .map(str::to_owned);
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
                EllipticCurve::P521 => Kind::P521,
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
            only_for,
            kind,
            material: match &jwk.algorithm {
                AlgorithmParameters::EllipticCurve(key) if kind == Kind::P521 => {
                    Material::P521(point(key)?)
                }
                _ => Material::Library(Box::new(DecodingKey::from_jwk(&jwk).ok()?)),
            },
        })
    }

    /// Whether a signature, in base64url, is of this key. The key must be one for the algorithm.
    pub(crate) fn verifies(
        &self,
        signature: &str,
        message: &[u8],
        algorithm: SigningAlgorithm,
    ) -> bool {
        match (&self.material, algorithm.jws()) {
            (Material::Library(key), Some(jws)) => {
                jsonwebtoken::crypto::verify(signature, message, key, jws).unwrap_or(false)
            }
            (Material::P521(point), None) => {
                let signature = BASE64_URL_SAFE_NO_PAD.decode(signature);
                let key = UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point);
                signature.is_ok_and(|signature| key.verify(message, &signature).is_ok())
            }
            _ => false,
        }
    }

    fn fits(&self, algorithm: SigningAlgorithm) -> bool {
        use SigningAlgorithm::{
            EdDsa, Es256, Es384, Es512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
        };
        let kind = match algorithm {
            Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512 => Kind::Rsa,
            Es256 => Kind::P256,
            Es384 => Kind::P384,
            Es512 => Kind::P521,
            EdDsa => Kind::Ed25519,
        };
        let only_for = self.only_for.as_deref();
        kind == self.kind && only_for.is_none_or(|only| only == algorithm.as_str())
    }
}

/// The point of a key, uncompressed (SEC 1, 2.3.3); `None` if its coordinates cannot be of the curve.
fn point(key: &EllipticCurveKeyParameters) -> Option<Vec<u8>> {
    let mut point = vec![4];
    for coordinate in [&key.x, &key.y] {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(coordinate).ok()?;
        // RFC 7518 6.2.1.2 wants them whole; some leave zeros in front out.
        let missing = P521_COORDINATE.checked_sub(bytes.len())?;
        point.extend(std::iter::repeat_n(0, missing));
        point.extend(bytes);
    }
    Some(point)
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
