//! A provider for the fuzz targets: it signs whatever it is given.

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jansky_identity::Claims;
use jansky_identity::oidc::{Expectations, Jwks, SigningAlgorithm};
use jansky_model::Timestamp;
use serde_json::json;

/// The issuer of all tokens that are good.
pub const ISSUER: &str = "https://op.example";
/// Our name there.
pub const CLIENT: &str = "jansky";
/// The nonce of the sign-in.
pub const NONCE: &str = "n-1";
/// How far the clocks may differ.
pub const LEEWAY: Duration = Duration::from_secs(10);

const KEY_ID: &str = "key-1";

static KEY: LazyLock<Ed25519KeyPair> = LazyLock::new(|| key(7));
static STRANGER: LazyLock<Ed25519KeyPair> = LazyLock::new(|| key(8));

/// The key set of the provider.
pub static JWKS: LazyLock<Jwks> = LazyLock::new(|| {
    let public = BASE64_URL_SAFE_NO_PAD.encode(KEY.public_key());
    let keys = json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "x": public, "kid": KEY_ID, "use": "sig" },
    ] });
    Jwks::parse(keys.to_string().as_bytes()).expect("it is a key set")
});

fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any 32 bytes are a seed")
}

/// The time of all checks.
pub fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000)
}

/// What every token must say.
pub fn expectations() -> Expectations<'static> {
    Expectations {
        issuer: ISSUER,
        client_id: CLIENT,
        nonce: None,
        access_token: None,
        algorithms: &SigningAlgorithm::DEFAULT,
        leeway: LEEWAY,
    }
}

/// A token, and whether the provider signed it.
pub struct Token {
    /// The token.
    pub text: String,
    /// Whether anything about it may be believed.
    pub is_signed: bool,
}

/// Makes a token of any bytes. The first byte decides how:
///
/// - the text as it stands;
/// - claims, signed by the provider under a good header of the type `typ`;
/// - header and claims, with a line break in between, signed by the provider;
/// - claims, signed by a stranger who calls the key by the same name;
/// - claims, with the signature of others.
pub fn token(data: &[u8], typ: &str) -> Option<Token> {
    let (how, data) = data.split_first()?;
    let header = json!({ "alg": "EdDSA", "kid": KEY_ID, "typ": typ }).to_string();
    let header = header.as_bytes();
    Some(match how % 8 {
        0 => Token {
            text: str::from_utf8(data).ok()?.to_owned(),
            is_signed: false,
        },
        1 => {
            let at = data.iter().position(|byte| *byte == b'\n')?;
            signed(&data[..at], &data[at + 1..], &KEY, true)
        }
        2 => signed(header, data, &STRANGER, false),
        3 => {
            let others = signed(header, b"{}", &KEY, true).text;
            let (_, signature) = others.rsplit_once('.')?;
            let text = format!("{}.{signature}", message(header, data));
            Token {
                is_signed: data == b"{}",
                text,
            }
        }
        _ => signed(header, data, &KEY, true),
    })
}

fn message(header: &[u8], claims: &[u8]) -> String {
    let encode = |bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    format!("{}.{}", encode(header), encode(claims))
}

fn signed(header: &[u8], claims: &[u8], key: &Ed25519KeyPair, is_signed: bool) -> Token {
    let message = message(header, claims);
    let signature = BASE64_URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    Token {
        text: format!("{message}.{signature}"),
        is_signed,
    }
}

/// The claims of a token that was accepted: they are still readable, and read the same again.
///
/// # Panics
/// When they are not.
pub fn claims_of(token: &str) -> Claims {
    let payload = token.split('.').nth(1).expect("it was accepted");
    let json = BASE64_URL_SAFE_NO_PAD
        .decode(payload)
        .expect("it was accepted");
    let claims: Claims = serde_json::from_slice(&json).expect("it was accepted");
    let again = serde_json::to_vec(&claims).expect("claims can be written");
    let again: Claims = serde_json::from_slice(&again).expect("what was written can be read");
    assert_eq!(claims, again);
    claims
}

/// Whether `audience` is in the audience of claims.
pub fn is_for(claims: &Claims, audience: &str) -> bool {
    match &claims["aud"] {
        serde_json::Value::Array(all) => all.iter().any(|one| one == audience),
        one => one == audience,
    }
}
