//! The last look at what was obtained, before anybody gets it.
//!
//! A token may be opaque; then there is nothing to look at. A JWT of the issuer that was asked must
//! be an access token for the audience that was asked for, about the person, and of now. Its
//! signature is for the service to check, which trusts the issuer and not us.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jansky_model::Timestamp;
use serde_json::Value;

use super::source::{ExpectedClaims, ObtainedToken};

/// What is wrong with what was obtained, as the end of a sentence that begins with the issuer.
pub(super) fn look_at(obtained: &ObtainedToken, now: Timestamp) -> Result<(), String> {
    let Some(about) = &obtained.about else {
        return Ok(());
    };
    let token = obtained.token.expose();
    let Some(claims) = claims_of(token) else {
        return Ok(());
    };
    if claims.get("iss").and_then(Value::as_str) != Some(about.issuer.as_str()) {
        return Ok(());
    }
    // Keycloak says in the claims what a token is; elsewhere an ID token is one with a nonce or a
    // hash of the access token.
    let kind = claims
        .get("typ")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_other = ["Refresh", "Offline", "ID", "Logout"]
        .iter()
        .any(|other| kind.eq_ignore_ascii_case(other));
    if is_other || claims.get("at_hash").is_some() || claims.get("nonce").is_some() {
        return Err("gave a token that is no access token".to_owned());
    }
    is_for(&claims, about)?;
    let expires = claims.get("exp").and_then(Value::as_i64);
    if expires.is_some_and(|at| Timestamp::from_seconds(at) <= now) {
        return Err("gave a token that has ended".to_owned());
    }
    Ok(())
}

fn is_for(claims: &Value, about: &ExpectedClaims) -> Result<(), String> {
    if let Some(subject) = &about.subject
        && claims
            .get("sub")
            .is_some_and(|found| found.as_str() != Some(subject))
    {
        return Err("gave a token about somebody else".to_owned());
    }
    let Some(audience) = &about.audience else {
        return Ok(());
    };
    let found: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if found.contains(&audience.as_str()) {
        return Ok(());
    }
    Err(format!(
        "gave a token that is not for `{audience}` but for `{}`; an audience mapper may be missing",
        found.join("`, `")
    ))
}

/// The claims of a JWT; `None` when it is none.
fn claims_of(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&json).ok()?;
    claims.is_object().then_some(claims)
}

#[cfg(test)]
mod tests {
    use jansky_model::Secret;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1000);

    fn look(claims: &Value) -> Result<(), String> {
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        look_at(
            &ObtainedToken {
                token: Secret::new(format!("e30.{payload}.c2ln")),
                expires_at: None,
                scope: None,
                about: Some(ExpectedClaims {
                    issuer: "https://sso.test".to_owned(),
                    subject: Some("river".to_owned()),
                    audience: Some("rs-a".to_owned()),
                }),
            },
            NOW,
        )
    }

    fn good() -> Value {
        json!({ "iss": "https://sso.test", "sub": "river", "aud": ["rs-a"], "exp": 1001 })
    }

    #[test]
    fn an_access_token_for_the_audience_passes() {
        assert_eq!(look(&good()), Ok(()));
        let mut one = good();
        one["aud"] = json!("rs-a");
        one["typ"] = json!("Bearer");
        assert_eq!(look(&one), Ok(()));
    }

    #[test]
    fn what_is_none_of_that_does_not() {
        for (claim, value, words) in [
            ("aud", json!("rs-b"), "not for `rs-a` but for `rs-b`"),
            ("aud", Value::Null, "not for `rs-a`"),
            ("sub", json!("wash"), "somebody else"),
            ("exp", json!(1000), "has ended"),
            ("typ", json!("Refresh"), "no access token"),
            ("typ", json!("ID"), "no access token"),
            ("nonce", json!("x"), "no access token"),
            ("at_hash", json!("x"), "no access token"),
        ] {
            let mut claims = good();
            claims[claim] = value;
            let found = look(&claims).expect_err(claim);
            assert!(found.contains(words), "{claim}: {found}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_is_of_another_issuer_is_not_judged() {
        let mut other = good();
        other["iss"] = json!("https://other.test");
        other["aud"] = json!("whatever");
        assert_eq!(look(&other), Ok(()));
        for token in ["opaque", "a.b.c", "a.W10.c", "a.e30.c", "a.e30.c.d.e"] {
            let obtained = ObtainedToken {
                token: Secret::new(token),
                expires_at: None,
                scope: None,
                about: Some(ExpectedClaims::default()),
            };
            assert_eq!(look_at(&obtained, NOW), Ok(()), "{token}");
        }
    }
}
