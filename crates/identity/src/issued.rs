//! Tokens that a provider makes for a service, and the checks before anybody gets one.

use std::time::Duration;

use jansky_model::{Secret, Timestamp};
use serde_json::Value;

use crate::IdentityError;
use crate::identity::Claims;
use crate::oidc::{moment, token_claims};

/// A token for a service.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The access token.
    pub token: Secret,
    /// When it ends; `None` if neither the provider nor the token says.
    pub expires_at: Option<Timestamp>,
    /// The scope that was granted, if the provider named it.
    pub scope: Option<String>,
}

/// Why a provider gave no token for a service, by what has to be done about it.
///
/// The display text is for the operator's log: where something has to be set up at the provider, it
/// says what.
#[derive(Debug, thiserror::Error)]
pub enum NotIssued {
    /// The token that speaks for the person is not accepted (any more): it is refreshed, and if
    /// that does not help the person signs in again.
    #[error("the provider does not accept the person's token: {0}")]
    SignInAgain(IdentityError),
    /// What the provider keeps of an account behind it has ended: the person links that account again.
    #[error("the token of `{alias}` that the provider keeps has ended")]
    LinkAgain {
        /// The provider's name for the one behind it.
        alias: String,
    },
    /// The provider did not carry it out; the same request may work after the pause.
    #[error("{error}")]
    Later {
        /// What happened.
        error: IdentityError,
        /// How long to wait at least.
        pause: Duration,
    },
    /// The provider makes no tokens for this service.
    #[error("the provider makes no token for `{target}`: {advice}")]
    InvalidTarget {
        /// The service.
        target: String,
        /// What is missing.
        advice: String,
    },
    /// The provider does not know a scope or does not give it to us.
    #[error(
        "the provider refuses the scope `{scope}` ({context}); let our client ask for it there"
    )]
    InvalidScope {
        /// What was asked for.
        scope: String,
        /// What the provider says, cleaned.
        context: String,
    },
    /// The provider does not let our client do this for anybody.
    #[error("the provider does not let this client do it: {advice}")]
    ClientNotAllowed {
        /// What has to be switched on.
        advice: String,
    },
    /// What the provider gave is not what was asked for, so nobody gets it.
    #[error("the token that the provider gave is refused: {0}")]
    IssuedTokenProblem(IssuedTokenProblem),
}

impl NotIssued {
    /// One word for metrics, tests and audit.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SignInAgain(_) => "sign_in_again",
            Self::LinkAgain { .. } => "link_again",
            Self::Later { .. } => "later",
            Self::InvalidTarget { .. } => "invalid_target",
            Self::InvalidScope { .. } => "invalid_scope",
            Self::ClientNotAllowed { .. } => "client_not_allowed",
            Self::IssuedTokenProblem(_) => "unfit",
        }
    }

    /// Judges an error that means the same whatever was asked for.
    pub(crate) fn of_error(error: IdentityError) -> Self {
        const PAUSE: Duration = Duration::from_secs(5);
        match error {
            IdentityError::InvalidGrant { .. } => Self::SignInAgain(error),
            IdentityError::Unavailable { retry, .. } => Self::Later {
                error,
                pause: retry,
            },
            IdentityError::Timeout { .. }
            | IdentityError::BadAnswer { .. }
            | IdentityError::AnswerLost { .. } => Self::Later {
                error,
                pause: PAUSE,
            },
            other => Self::ClientNotAllowed {
                advice: other.to_string(),
            },
        }
    }
}

impl From<IssuedTokenProblem> for NotIssued {
    fn from(reason: IssuedTokenProblem) -> Self {
        Self::IssuedTokenProblem(reason)
    }
}

/// What is wrong with a token that a provider gave for a service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuedTokenProblem {
    /// It is not an access token, or not one that can be sent as it is.
    #[error("it is no bearer access token")]
    Kind,
    /// `aud` is not the service that was asked for, or holds others beside it.
    #[error("`aud` is {found} and not `{expected}` alone")]
    Audience {
        /// What was asked for.
        expected: String,
        /// What came.
        found: String,
    },
    /// It was made for another client than ours.
    #[error("`azp` or `client_id` names another client")]
    Client,
    /// It is about somebody else.
    #[error("`sub` is somebody else")]
    Subject,
    /// It has expired already.
    #[error("it has expired already")]
    Expired,
    /// It may do more than was asked for, and more than the person's own token.
    #[error("it has the scope `{0}`, which nobody asked for")]
    Scope(String),
}

/// What a token for a service must be. `None` and an empty list are not checked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokenRequirements<'a> {
    pub(crate) target: Option<&'a str>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    /// The scopes that it may have; any if `None`.
    pub(crate) scopes: Option<&'a [&'a str]>,
}

/// Checks a token before it is handed out. A token that is a JWT is read without its signature: it
/// came from the provider itself over TLS, and it is the service that has to trust it.
pub(crate) fn check(
    token: IssuedToken,
    wanted: TokenRequirements<'_>,
    now: Timestamp,
) -> Result<IssuedToken, IssuedTokenProblem> {
    let claims = token_claims(&token.token).unwrap_or_default();
    if let Some(expected) = wanted.target
        && let Some(found) = claims.get("aud")
        && !is_alone(found, expected)
    {
        return Err(IssuedTokenProblem::Audience {
            expected: expected.to_owned(),
            found: found.to_string().chars().take(200).collect(),
        });
    }
    let names_another = |claim: &str, own: Option<&str>| {
        let found = claims.get(claim).filter(|_| own.is_some());
        found.is_some_and(|found| found.as_str() != own)
    };
    if names_another("azp", wanted.client_id) || names_another("client_id", wanted.client_id) {
        return Err(IssuedTokenProblem::Client);
    }
    if names_another("sub", wanted.subject) {
        return Err(IssuedTokenProblem::Subject);
    }
    let expires_at = earlier(token.expires_at, expiry(&claims));
    if expires_at.is_some_and(|at| at <= now) {
        return Err(IssuedTokenProblem::Expired);
    }
    let scope = token
        .scope
        .as_deref()
        .or_else(|| claims.get("scope")?.as_str());
    if let (Some(allowed), Some(scope)) = (wanted.scopes, scope)
        && let Some(more) = scope.split_whitespace().find(|one| !allowed.contains(one))
    {
        return Err(IssuedTokenProblem::Scope(more.chars().take(100).collect()));
    }
    let scope = scope.map(str::to_owned);
    Ok(IssuedToken {
        expires_at,
        scope,
        ..token
    })
}

fn is_alone(audience: &Value, expected: &str) -> bool {
    match audience {
        Value::String(one) => one == expected,
        Value::Array(all) => all.len() == 1 && all[0] == expected,
        _ => false,
    }
}

fn expiry(claims: &Claims) -> Option<Timestamp> {
    // Some providers write the number as a text.
    moment("exp", claims.get("exp")).said()
}

/// The earlier of two times that may not be known.
pub(crate) fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn token(claims: &Value) -> IssuedToken {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        IssuedToken {
            token: Secret::new(format!("e30.{payload}.c2ln")),
            expires_at: Some(Timestamp::from_seconds(1_300)),
            scope: None,
        }
    }

    fn wanted() -> TokenRequirements<'static> {
        TokenRequirements {
            target: Some("rs-a"),
            client_id: Some("jansky"),
            subject: Some("river"),
            scopes: Some(&["read"]),
        }
    }

    #[test]
    fn a_token_that_is_what_was_asked_for_passes_with_its_earlier_end() {
        for claims in [
            json!({ "aud": "rs-a", "azp": "jansky", "sub": "river", "exp": 1_200, "scope": "read" }),
            json!({ "aud": ["rs-a"], "exp": 1_200 }),
        ] {
            let checked = check(token(&claims), wanted(), NOW).expect("it fits");
            assert_eq!(checked.expires_at, Some(Timestamp::from_seconds(1_200)));
        }
        let opaque = IssuedToken {
            token: Secret::new("opaque"),
            ..token(&json!({}))
        };
        assert!(check(opaque, wanted(), NOW).is_ok());
    }

    #[test]
    fn a_token_for_others_of_others_too_old_or_too_strong_is_refused() {
        let audience = |found: &str| IssuedTokenProblem::Audience {
            expected: "rs-a".to_owned(),
            found: found.to_owned(),
        };
        for (claims, reason) in [
            (json!({ "aud": "rs-b" }), audience(r#""rs-b""#)),
            (
                json!({ "aud": ["rs-a", "rs-b"] }),
                audience(r#"["rs-a","rs-b"]"#),
            ),
            (
                json!({ "aud": "rs-a", "azp": "other" }),
                IssuedTokenProblem::Client,
            ),
            (
                json!({ "aud": "rs-a", "client_id": "other" }),
                IssuedTokenProblem::Client,
            ),
            (
                json!({ "aud": "rs-a", "sub": "wash" }),
                IssuedTokenProblem::Subject,
            ),
            (
                json!({ "aud": "rs-a", "exp": 1_000 }),
                IssuedTokenProblem::Expired,
            ),
            (
                json!({ "aud": "rs-a", "exp": 999.5 }),
                IssuedTokenProblem::Expired,
            ),
            (
                json!({ "aud": "rs-a", "exp": "999" }),
                IssuedTokenProblem::Expired,
            ),
            (
                json!({ "aud": "rs-a", "exp": 0 }),
                IssuedTokenProblem::Expired,
            ),
            (
                json!({ "aud": "rs-a", "scope": "read write" }),
                IssuedTokenProblem::Scope("write".to_owned()),
            ),
        ] {
            let refused = check(token(&claims), wanted(), NOW).expect_err("it does not fit");
            assert_eq!(refused, reason, "{claims}");
        }
    }
}
