//! Signatures of tokens that others check with our public keys (RFC 7515, RFC 7517).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jansky_model::Secret;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::token::digest_text;

/// The length of a coordinate of P-256, in bytes.
const COORDINATE: usize = 32;

/// An algorithm that we sign with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    Es256,
    /// RSA PKCS #1 with SHA-256, for services that know nothing else. Keys have 2048 bits.
    Rs256,
}

impl SignatureAlgorithm {
    /// Its name in JOSE.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

impl FromStr for SignatureAlgorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Es256, Self::Rs256]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not ES256 or RS256"))
    }
}

/// The text is not the private half of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signing key cannot be read")]
pub struct UnreadableKey;

enum Pair {
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// A key that signs.
pub struct SigningKey {
    pair: Pair,
    /// The private half in PKCS #8.
    der: Zeroizing<Vec<u8>>,
    id: String,
    public: Value,
}

impl SigningKey {
    /// Makes a key with the randomness of the machine: a key is worth nothing with another one.
    pub fn generate(algorithm: SignatureAlgorithm) -> Self {
        let der = match algorithm {
            SignatureAlgorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| Ok(pair.to_pkcs8v1()?.as_ref().to_vec())),
            SignatureAlgorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).and_then(|pair| {
                let der: Pkcs8V1Der<'_> = pair.as_der()?;
                Ok(der.as_ref().to_vec())
            }),
        };
        let der = Zeroizing::new(der.expect("the machine can make keys"));
        Self::from_der(algorithm, der).expect("a key of ours can be read")
    }

    /// Reads what [`SigningKey::to_secret`] wrote.
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_secret(
        algorithm: SignatureAlgorithm,
        text: &Secret,
    ) -> Result<Self, UnreadableKey> {
        let der = URL_SAFE_NO_PAD.decode(text.expose());
        Self::from_der(algorithm, Zeroizing::new(der.map_err(|_| UnreadableKey)?))
    }

    fn from_der(
        algorithm: SignatureAlgorithm,
        der: Zeroizing<Vec<u8>>,
    ) -> Result<Self, UnreadableKey> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (pair, mut public, id) = match algorithm {
            SignatureAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
                    .map_err(|_| UnreadableKey)?;
                // 0x04, then both coordinates.
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(COORDINATE);
                let (x, y) = (encode(x), encode(y));
                // RFC 7638: the fingerprint is over these members in this order.
                let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
                let public = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
                (Pair::P256(pair), public, thumbprint)
            }
            SignatureAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(&der).map_err(|_| UnreadableKey)?;
                let key = pair.public_key();
                let n = encode(key.modulus().big_endian_without_leading_zero());
                let e = encode(key.exponent().big_endian_without_leading_zero());
                let thumbprint = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
                (
                    Pair::Rsa(pair),
                    json!({ "kty": "RSA", "n": n, "e": e }),
                    thumbprint,
                )
            }
        };
        let id = URL_SAFE_NO_PAD.encode(digest_text(&id));
        public["kid"] = json!(id);
        public["alg"] = json!(algorithm.as_str());
        public["use"] = json!("sig");
        Ok(Self {
            pair,
            der,
            id,
            public,
        })
    }

    /// The private half as text, to be sealed.
    pub fn to_secret(&self) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(self.der.as_slice()))
    }

    /// Names the key in the headers of tokens: its fingerprint (RFC 7638).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half, a JSON Web Key.
    pub const fn public_jwk(&self) -> &Value {
        &self.public
    }

    /// Signs claims as a token of this type (`typ`).
    pub fn sign(&self, kind: &str, claims: &Value) -> Secret {
        let algorithm = match self.pair {
            Pair::P256(_) => SignatureAlgorithm::Es256,
            Pair::Rsa(_) => SignatureAlgorithm::Rs256,
        };
        let header = json!({ "typ": kind, "alg": algorithm.as_str(), "kid": self.id });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = match &self.pair {
            Pair::P256(pair) => pair
                .sign(&SystemRandom::new(), token.as_bytes())
                .map(|signature| signature.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    token.as_bytes(),
                    &mut signature,
                )
                .map(|()| signature)
            }
        };
        let signature = signature.expect("a key of ours signs");
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Secret::new(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

/// The id of the key that a token says it was signed with, if it is a token at all.
pub fn key_id_of_token(token: &str) -> Option<String> {
    let header: Value = part(token.split('.').next()?)?;
    Some(header.get("kid")?.as_str()?.to_owned())
}

/// The claims of a token, if its type is `kind` and its signature is that of a public key of ours.
/// Nothing in the token says which algorithm is used: the key does.
pub fn verified_claims(public: &Value, kind: &str, token: &str) -> Option<Value> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    let header: Value = part(header)?;
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let fits = text("typ") == Some(kind)
        && text("kid") == public.get("kid").and_then(Value::as_str)
        && text("alg") == public.get("alg").and_then(Value::as_str)
        && header.get("crit").is_none();
    if !fits {
        return None;
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let member = |name: &str| URL_SAFE_NO_PAD.decode(public.get(name)?.as_str()?).ok();
    let verified = match public.get("kty")?.as_str()? {
        "EC" => {
            let point = [vec![4], member("x")?, member("y")?].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message.as_bytes(), &signature)
        }
        "RSA" => {
            let (n, e) = (member("n")?, member("e")?);
            RsaPublicKeyComponents { n: &n, e: &e }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message.as_bytes(),
                &signature,
            )
        }
        _ => return None,
    };
    verified.ok()?;
    part(payload)
}

fn part(encoded: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALGORITHMS: [SignatureAlgorithm; 2] =
        [SignatureAlgorithm::Es256, SignatureAlgorithm::Rs256];

    #[test]
    fn a_key_signs_the_same_after_it_was_written_down_and_read_again() {
        for algorithm in ALGORITHMS {
            let key = SigningKey::generate(algorithm);
            let read =
                SigningKey::from_secret(algorithm, &key.to_secret()).expect("it was written");
            let claims = json!({ "sub": "1" });

            let token = read.sign("at+jwt", &claims);

            assert_eq!(read.id(), key.id());
            let verified = verified_claims(key.public_jwk(), "at+jwt", token.expose());
            assert_eq!(verified, Some(claims), "{algorithm:?}");
            assert_eq!(key_id_of_token(token.expose()).as_deref(), Some(key.id()));
            assert!(!format!("{key:?}").contains(key.to_secret().expose()));
        }
    }

    #[test]
    fn what_was_changed_or_is_another_kind_of_token_is_not_verified() {
        for algorithm in ALGORITHMS {
            let key = SigningKey::generate(algorithm);
            let token = key.sign("at+jwt", &json!({ "sub": "1" }));
            let other = SigningKey::generate(algorithm);
            let parts: Vec<&str> = token.expose().split('.').collect();
            let stranger = other.sign("at+jwt", &json!({ "sub": "1" }));
            let none = URL_SAFE_NO_PAD
                .encode(json!({ "typ": "at+jwt", "alg": "none", "kid": key.id() }).to_string());
            let changed = URL_SAFE_NO_PAD.encode(json!({ "sub": "2" }).to_string());

            let verify = |token: &str| verified_claims(key.public_jwk(), "at+jwt", token);
            assert!(verify(token.expose()).is_some());
            assert!(verified_claims(key.public_jwk(), "JWT", token.expose()).is_none());
            assert!(verify(stranger.expose()).is_none());
            assert!(verify(&format!("{}.{changed}.{}", parts[0], parts[2])).is_none());
            assert!(verify(&format!("{none}.{}.", parts[1])).is_none());
            assert!(verify("").is_none() && verify("a.b.c").is_none());
        }
    }
}
