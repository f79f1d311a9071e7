//! ID tokens: whatever comes, nothing panics, and what is accepted was signed and is for us.
#![no_main]

use jansky_fuzz::{CLIENT, ISSUER, JWKS, NONCE, claims_of, expectations, is_for, now, token};
use jansky_identity::oidc::{Expectations, verify_id_token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(token) = token(data, "JWT") else {
        return;
    };
    for nonce in [None, Some(NONCE)] {
        let expected = Expectations {
            nonce,
            ..expectations()
        };
        let Ok(claims) = verify_id_token(&JWKS, &expected, &token.text, now()) else {
            continue;
        };
        assert!(token.is_signed, "accepted without a signature of the provider");
        assert_eq!(claims, claims_of(&token.text));
        assert_eq!(claims["iss"], ISSUER);
        assert!(is_for(&claims, CLIENT));
        let subject = claims["sub"].as_str().expect("there is a subject");
        assert!(!subject.is_empty() && subject.len() <= 255);
        assert!(nonce.is_none_or(|nonce| claims["nonce"] == nonce));
        assert!(claims["exp"].as_f64().expect("there is an end") >= 1_799_999_989.0);
    }
});
