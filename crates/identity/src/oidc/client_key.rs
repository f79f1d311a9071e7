//! Our own key at a provider: client authentication without a shared secret (`private_key_jwt`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jansky_model::{Random, Secret, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;

use super::settings::SigningAlgorithm;

/// How long an assertion can be used. It is made anew for each request.
const LIFETIME: Duration = Duration::from_mins(1);

/// The type of an assertion in a form (RFC 7523 2.2).
pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A private key that the provider knows the public half of.
#[derive(Clone)]
pub struct ClientKey {
    key: EncodingKey,
    algorithm: SigningAlgorithm,
    /// The same for the library that signs.
    jws: Algorithm,
    id: Option<String>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("algorithm", &self.algorithm)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Why a text is not a key that we can sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a PEM file with an RSA, P-256, P-384 or Ed25519 private key (PKCS #8)")]
pub struct UnusableKey;

impl ClientKey {
    /// Reads a private key from PEM. An RSA key signs with RS256, which every provider knows; the
    /// others have one algorithm each. `id` goes into the header as `kid`; from `random` comes the id
    /// of each assertion.
    ///
    /// # Errors
    /// [`UnusableKey`] when it is no private key of a kind that can sign.
    pub fn from_pem(
        pem: &Secret,
        id: Option<String>,
        random: Arc<dyn Random>,
    ) -> Result<Self, UnusableKey> {
        use SigningAlgorithm::{EdDsa, Es256, Es384, Rs256};
        let pem = pem.expose().as_bytes();
        let readers = [
            (EncodingKey::from_rsa_pem(pem), [Rs256].as_slice()),
            (EncodingKey::from_ec_pem(pem), &[Es256, Es384]),
            (EncodingKey::from_ed_pem(pem), &[EdDsa]),
        ];
        for (key, algorithms) in readers {
            let Ok(key) = key else { continue };
            for &algorithm in algorithms {
                let Some(jws) = algorithm.jws() else { continue };
                // Only signing tells the curves apart, and whether the key is whole.
                if jsonwebtoken::crypto::sign(b"", &key, jws).is_ok() {
                    return Ok(Self {
                        key,
                        algorithm,
                        jws,
                        id,
                        random,
                    });
                }
            }
        }
        Err(UnusableKey)
    }

    /// Signs an assertion that we are `client_id` (RFC 7523 3, OpenID Connect Core 9).
    ///
    /// Its only audience is the issuer: one that also named an endpoint could be taken from one
    /// provider to another, and Keycloak refuses several since 26.2.
    pub(crate) fn assertion(&self, client_id: &str, issuer: &str, now: Timestamp) -> Secret {
        let mut unique = [0; 16];
        self.random.fill(&mut unique);
        let mut header = json!({ "alg": self.algorithm.as_str(), "typ": "JWT" });
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": client_id,
            "sub": client_id,
            "aud": issuer,
            "jti": BASE64_URL_SAFE_NO_PAD.encode(unique),
            "iat": now.seconds(),
            "exp": now.plus(LIFETIME).seconds(),
        });
        let part = |json: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.jws)
            .expect("a key that has signed once signs again");
        Secret::new(format!("{message}.{signature}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoRandom;

    impl Random for NoRandom {
        fn fill(&self, _bytes: &mut [u8]) {}
    }

    #[test]
    fn what_is_no_private_key_is_refused_without_being_shown() {
        let public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

        for text in ["", "canary", public] {
            let random: Arc<dyn Random> = Arc::new(NoRandom);
            let error = ClientKey::from_pem(&Secret::new(text), None, random);
            let error = error.expect_err("no private key");
            assert!(!error.to_string().contains("canary"));
        }
    }
}
