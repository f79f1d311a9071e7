//! Proofs of possession: whatever comes, nothing panics, and what is accepted was made with the key in it for
//! this request, this token and this minute.
//!
//! The first byte decides how the rest becomes a proof, see `proof`.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jansky_crypto::dpop::{Expected, check, thumbprint, token_hash};
use jansky_fuzz::now;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const TOKEN: &str = "session";
const URLS: [&str; 2] = [
    "https://hub.test/hub/broker/v1/token",
    "http://127.0.0.1:8000/x",
];

/// The time of the proof, the hash of the token and the key stand for these in what is fuzzed, so that
/// a proof that was found stays one.
const HASH: &str = "HASH";
const JWK: &str = "\"JWK\"";

static KEYS: LazyLock<[Key; 2]> = LazyLock::new(|| [Key::new(), Key::new()]);

struct Key {
    pair: EcdsaKeyPair,
    x: String,
    y: String,
}

impl Key {
    fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        Self { pair, x, y }
    }

    fn jwk(&self) -> String {
        json!({ "kty": "EC", "crv": "P-256", "x": self.x, "y": self.y }).to_string()
    }

    fn sign(&self, message: &str) -> String {
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(signature.expect("a signature"))
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((proof, may_hold)) = proof(data) else {
        return;
    };
    let urls = URLS.map(str::to_owned);
    for token in [None, Some(TOKEN)] {
        let expected = Expected {
            method: "POST",
            urls: &urls,
            token,
            now: now(),
        };
        let Ok(checked) = check(&proof, &expected) else {
            continue;
        };
        assert!(may_hold, "accepted without a signature of the key in it");
        assert_eq!(checked.thumbprint, thumbprint(&KEYS[0].x, &KEYS[0].y));
        let header = part(&proof, 0);
        assert!(
            header["jwk"].get("d").is_none(),
            "a private key was sent and taken"
        );
        let claims = part(&proof, 1);
        assert_eq!(claims["htm"], "POST");
        assert_eq!(claims["jti"], checked.id.as_str());
        assert!(!checked.id.is_empty() && checked.id.len() <= 128);
        assert_eq!(
            claims.get("nonce").and_then(Value::as_str),
            checked.nonce.as_deref()
        );
        let htu = claims["htu"].as_str().expect("an address");
        let address = htu
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        assert!(URLS.contains(&address.as_str()), "{htu}");
        let iat = claims["iat"].as_f64().expect("a time");
        assert!((1_799_999_939.0..1_800_000_062.0).contains(&iat), "{iat}");
        if let Some(token) = token {
            assert_eq!(claims["ath"], token_hash(token));
        }
    }
});

/// Makes a proof of any bytes, and says whether it may hold: the text as it stands; claims, signed with
/// another key; header and claims with a line break in between; claims under a good header.
fn proof(data: &[u8]) -> Option<(String, bool)> {
    let (how, data) = data.split_first()?;
    let text = str::from_utf8(data).ok()?;
    let [key, stranger] = &*KEYS;
    let good = r#"{"typ":"dpop+jwt","alg":"ES256","jwk":"JWK"}"#;
    let (header, claims, signer) = match how % 8 {
        0 => return Some((text.to_owned(), false)),
        1 => (good, text, stranger),
        2 | 3 => {
            let (header, claims) = text.split_once('\n')?;
            (header, claims, key)
        }
        _ => (good, text, key),
    };
    let header = BASE64_URL_SAFE_NO_PAD.encode(header.replace(JWK, &key.jwk()));
    let claims = BASE64_URL_SAFE_NO_PAD.encode(claims.replace(HASH, &token_hash(TOKEN)));
    let message = format!("{header}.{claims}");
    let signature = signer.sign(&message);
    Some((format!("{message}.{signature}"), how % 8 != 1))
}

fn part(proof: &str, index: usize) -> Value {
    let part = proof.split('.').nth(index).expect("it was accepted");
    let json = BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .expect("it was accepted");
    serde_json::from_slice(&json).expect("it was accepted")
}
