//! Keys and signatures of the scripted provider, made without the crate that checks them.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED,
    ECDSA_P521_SHA512_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256, RsaKeyPair,
    RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jansky_model::Secret;
use serde_json::{Value, json};

/// A signing key with its id.
pub struct Key {
    /// The id.
    pub kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P521(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Base64url without padding.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    /// A new RSA key.
    pub fn rsa(kid: &str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("the machine makes RSA keys");
        Self {
            kid: kid.to_owned(),
            pair: Pair::Rsa(pair),
        }
    }

    /// A new key on P-256.
    pub fn p256(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .expect("the machine makes P-256 keys");
        Self {
            kid: kid.to_owned(),
            pair: Pair::P256(pair),
        }
    }

    /// A new key on P-521.
    pub fn p521(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING)
            .expect("the machine makes P-521 keys");
        Self {
            kid: kid.to_owned(),
            pair: Pair::P521(pair),
        }
    }

    /// A new Ed25519 key.
    pub fn ed25519(kid: &str) -> Self {
        let pair = Ed25519KeyPair::generate().expect("the machine makes Ed25519 keys");
        Self {
            kid: kid.to_owned(),
            pair: Pair::Ed25519(pair),
        }
    }

    /// The public half as a JWK.
    pub fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "n": encode(public.n), "e": encode(public.e) })
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
            }
            Pair::P521(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = point[1..].split_at(66);
                json!({ "kty": "EC", "crv": "P-521", "x": encode(x), "y": encode(y) })
            }
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key()) })
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The private half in PEM, as openssl writes it.
    pub fn pem(&self) -> Secret {
        let der = match &self.pair {
            Pair::Rsa(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec())
            }
            Pair::P256(pair) | Pair::P521(pair) => {
                pair.to_pkcs8v1().map(|der| der.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
        };
        let body = BASE64_STANDARD.encode(der.expect("the key can be written"));
        Secret::new(format!(
            "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
        ))
    }

    /// Whether a token was signed with this key.
    pub fn verifies(&self, token: &str) -> bool {
        let (message, signature) = token.rsplit_once('.').expect("it is signed");
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let (algorithm, key): (&dyn VerificationAlgorithm, &[u8]) = match &self.pair {
            Pair::Rsa(pair) => (&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()),
            Pair::P256(pair) => (&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Pair::P521(pair) => (&ECDSA_P521_SHA512_FIXED, pair.public_key().as_ref()),
            Pair::Ed25519(pair) => (&ED25519, pair.public_key().as_ref()),
        };
        let key = UnparsedPublicKey::new(algorithm, key);
        key.verify(message.as_bytes(), &signature).is_ok()
    }

    /// The algorithm that fits the key best.
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::P521(_) => "ES512",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// A signed JWT with exactly this header and these claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = self.signature(header["alg"].as_str().unwrap_or_default(), &message);
        format!("{message}.{}", encode(signature))
    }

    fn signature(&self, algorithm: &str, message: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        let message = message.as_bytes();
        match (&self.pair, algorithm) {
            (_, "none") => Vec::new(),
            // The attack: the public key, which everybody knows, as the shared secret.
            (Pair::Rsa(pair), "HS256") => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, pair.public_key().as_ref());
                hmac::sign(&key, message).as_ref().to_vec()
            }
            (Pair::Rsa(pair), name) => {
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = match name {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "PS256" => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature)
                    .expect("the key signs");
                signature
            }
            (Pair::P256(pair) | Pair::P521(pair), _) => pair
                .sign(&random, message)
                .expect("the key signs")
                .as_ref()
                .to_vec(),
            (Pair::Ed25519(pair), _) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

/// The header and the claims of a token.
pub fn decode(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let json = BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&json).unwrap_or_default()
    });
    let header = parts.next().expect("a header");
    (header, parts.next().expect("claims"))
}

/// `at_hash` for the algorithm of a header (OpenID Connect Core 3.1.3.6).
pub fn at_hash(algorithm: &str, access_token: &str) -> String {
    let hash = match algorithm {
        "RS384" => &digest::SHA384,
        "EdDSA" | "ES512" => &digest::SHA512,
        _ => &digest::SHA256,
    };
    let hash = digest::digest(hash, access_token.as_bytes());
    encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}
