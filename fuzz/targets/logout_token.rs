//! Logout tokens: whatever comes, nothing panics, and what is accepted was signed, is for us, names
//! somebody, and has an end.
#![no_main]

use jansky_fuzz::{CLIENT, ISSUER, JWKS, LEEWAY, claims_of, expectations, is_for, now, token};
use jansky_identity::oidc::{claimed_issuer, verify_logout_token};
use jansky_model::Secret;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(token) = token(data, "logout+jwt") else {
        return;
    };
    let claimed = claimed_issuer(&Secret::new(token.text.as_str()));
    let Ok(notice) = verify_logout_token(&JWKS, &expectations(), &token.text, now()) else {
        return;
    };
    assert!(token.is_signed, "accepted without a signature of the provider");
    let claims = claims_of(&token.text);
    assert_eq!(claimed.as_deref(), Some(ISSUER));
    assert!(is_for(&claims, CLIENT));
    assert!(!claims.contains_key("nonce"));
    assert!(notice.subject.is_some() || notice.provider_session.is_some());
    assert_eq!(claims.get("sub").and_then(|sub| sub.as_str()), notice.subject.as_deref());
    assert_eq!(claims["jti"], notice.id.as_str());
    assert!(notice.replayable_until > now(), "it would be forgotten at once");
    // Ten minutes from when it was written, which may be as far ahead as the clocks may differ.
    let furthest = now().plus(std::time::Duration::from_mins(10) + LEEWAY + LEEWAY);
    assert!(notice.replayable_until <= furthest, "it would be remembered for ever");
});
