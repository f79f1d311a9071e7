//! Security event tokens: whatever comes, nothing panics, and what is accepted was signed, is for us,
//! names somebody, and has an end.
#![no_main]

use std::time::Duration;

use jansky_fuzz::{CLIENT, ISSUER, JWKS, LEEWAY, claims_of, expectations, is_for, now, token};
use jansky_identity::SecurityEvent;
use jansky_identity::oidc::verify_security_event;
use libfuzzer_sys::fuzz_target;

const ACCOUNTS: &str = "https://accounts.example";

fuzz_target!(|data: &[u8]| {
    let Some(token) = token(data, "secevent+jwt") else {
        return;
    };
    let verified = verify_security_event(&JWKS, &expectations(), ACCOUNTS, &token.text, now());
    let Ok(notice) = verified else {
        return;
    };
    assert!(token.is_signed, "accepted without a signature of the transmitter");
    let claims = claims_of(&token.text);
    assert_eq!(notice.transmitter, ISSUER);
    assert_eq!(claims["iss"], ISSUER);
    assert!(is_for(&claims, CLIENT));
    assert_eq!(claims["jti"], notice.id.as_str());
    assert!(notice.replayable_until > now(), "it would be forgotten at once");
    let furthest = now().plus(Duration::from_hours(7 * 24) + LEEWAY + LEEWAY);
    assert!(notice.replayable_until <= furthest, "it would be remembered for ever");
    let told = claims["events"].as_object().expect("there are events").len();
    assert!(notice.events.len() <= told && told <= 16);
    for event in &notice.events {
        let (SecurityEvent::SessionRevoked(whom)
        | SecurityEvent::AccountDisabled(whom)
        | SecurityEvent::AskAgain(whom)) = event
        else {
            continue;
        };
        assert_eq!(whom.issuer, ACCOUNTS);
        let names = [&whom.subject, &whom.provider_session];
        let mut names = names.into_iter().flatten().peekable();
        assert!(names.peek().is_some(), "it is about nobody");
        assert!(names.all(|name| !name.is_empty() && name.len() <= 255));
    }
});
