//! Keycloak's ways to hand out the tokens of the providers behind it.
//!
//! Keycloak does not always look at the end of what it kept, so we do. And the answer of V1 is
//! all that the provider behind once sent, a refresh token among it: of that nothing is kept.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use jansky_model::{Secret, Timestamp};
use reqwest::{StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::exchange::{ACCESS_TOKEN, ENDPOINT as EXCHANGE_ENDPOINT, EXCHANGE};
use super::http::{Answer, send};
use super::relying_party::OidcProvider;
use super::token_endpoint::IssuedAnswer;
use crate::error::{IdentityError, clean};
use crate::external::{ExternalTokenMethod, ExternalTokens};
use crate::issued::{
    IssuedToken, IssuedTokenProblem, NotIssued, TokenRequirements, check, earlier,
};

const ENDPOINT: &str = "identity brokering";

/// The way that worked last, for each alias.
#[derive(Default)]
pub(crate) struct KnownWays(RwLock<HashMap<String, ExternalTokenMethod>>);

/// Why one way brought nothing.
enum Failed {
    /// This provider, or our client there, does not have it: another way may work.
    NotOffered(String),
    /// It brought a token that is no longer valid: another way may bring a fresh one.
    Expired,
    /// Another way would bring nothing else.
    Final(NotIssued),
}

impl From<IdentityError> for Failed {
    fn from(error: IdentityError) -> Self {
        Self::Final(NotIssued::of_error(error))
    }
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "errorMessage")]
    message: String,
}

#[async_trait]
impl ExternalTokens for OidcProvider {
    async fn external_token(
        &self,
        alias: &str,
        way: Option<ExternalTokenMethod>,
        subject_token: &Secret,
    ) -> Result<IssuedToken, NotIssued> {
        let ways = match way {
            Some(only) => vec![only],
            None => self.ways_to_try(alias),
        };
        let mut expired = false;
        let mut reasons = Vec::new();
        for way in ways {
            match self.external_token_by(way, alias, subject_token).await {
                Ok(token) => {
                    self.remember(alias, way);
                    return Ok(token);
                }
                Err(Failed::NotOffered(reason)) => reasons.push(format!("{way}: {reason}")),
                Err(Failed::Expired) => expired = true,
                Err(Failed::Final(error)) => return Err(error),
            }
        }
        if expired {
            // Signing in by way of that provider brings a new one.
            return Err(NotIssued::LinkAgain {
                alias: alias.to_owned(),
            });
        }
        Err(NotIssued::ClientNotAllowed {
            advice: format!(
                "it gives out no tokens of `{alias}` ({}); switch its Identity Brokering API on, \
                 store the tokens of `{alias}`, and let the client `{}` retrieve them",
                reasons.join("; "),
                self.settings().client_id
            ),
        })
    }

    fn known_ways(&self) -> Vec<(String, ExternalTokenMethod)> {
        let known = self.known_ways.0.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        let mut known: Vec<_> = known.iter().map(|(a, way)| (a.clone(), *way)).collect();
        known.sort();
        known
    }
}

impl OidcProvider {
    /// The way that worked last comes first.
    fn ways_to_try(&self, alias: &str) -> Vec<ExternalTokenMethod> {
        let known = self.known_ways.0.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        let known = known.get(alias).copied();
        let others = ExternalTokenMethod::ALL
            .into_iter()
            .filter(|way| Some(*way) != known);
        known.into_iter().chain(others).collect()
    }

    fn remember(&self, alias: &str, way: ExternalTokenMethod) {
        let mut known = self
            .known_ways
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if known.insert(alias.to_owned(), way) != Some(way) {
            tracing::info!(provider.id = %self.settings().id, alias, %way, "external tokens come this way");
        }
    }

    async fn external_token_by(
        &self,
        way: ExternalTokenMethod,
        alias: &str,
        subject_token: &Secret,
    ) -> Result<IssuedToken, Failed> {
        let token = match way {
            ExternalTokenMethod::V2 => self.by_v2(alias, subject_token).await?,
            ExternalTokenMethod::V1 => self.by_v1(alias, subject_token).await?,
            ExternalTokenMethod::Legacy => self.by_requested_issuer(alias, subject_token).await?,
        };
        // Whose token it is only the provider behind can say; we know when it ends.
        match check(token, TokenRequirements::default(), self.clock.now()) {
            Ok(token) => Ok(token),
            Err(IssuedTokenProblem::Expired) => Err(Failed::Expired),
            Err(other) => Err(Failed::Final(other.into())),
        }
    }

    fn broker_url(&self, alias: &str) -> Result<Url, Failed> {
        let mut url = Url::clone(&self.settings().issuer);
        url.path_segments_mut()
            .map_err(|()| IdentityError::BadAnswer {
                endpoint: ENDPOINT,
                reason: "the issuer is no URL".to_owned(),
            })?
            .pop_if_empty()
            .extend(["broker", alias, "token"]);
        Ok(url)
    }

    async fn by_v2(&self, alias: &str, subject_token: &Secret) -> Result<IssuedToken, Failed> {
        let metadata = self.metadata().await?;
        let form = [("token", subject_token.expose())];
        let url = self.broker_url(alias)?;
        let answer = self.caller(&metadata).issue(ENDPOINT, &url, &form).await;
        match answer {
            Ok(answer) => Ok(answer.token),
            Err(IdentityError::Refused { code, context, .. }) => Err(judge(alias, &code, &context)),
            // There is nothing at this address, or nothing that takes a form.
            Err(IdentityError::BadAnswer { reason, .. }) => Err(Failed::NotOffered(reason)),
            Err(error) => Err(error.into()),
        }
    }

    async fn by_v1(&self, alias: &str, subject_token: &Secret) -> Result<IssuedToken, Failed> {
        let request = self
            .http
            .get(self.broker_url(alias)?)
            .header(header::ACCEPT, "application/json")
            .bearer_auth(subject_token.expose());
        let asked_at = self.clock.now();
        let answer = send(ENDPOINT, request, *self.settings().http_timeout).await?;
        if !answer.status.is_success() {
            return Err(refused_by_v1(alias, &answer));
        }
        stored_token(&answer, asked_at).ok_or_else(|| {
            Failed::Final(NotIssued::of_error(IdentityError::BadAnswer {
                endpoint: ENDPOINT,
                reason: "it holds no access token".to_owned(),
            }))
        })
    }

    async fn by_requested_issuer(
        &self,
        alias: &str,
        subject_token: &Secret,
    ) -> Result<IssuedToken, Failed> {
        let metadata = self.metadata().await?;
        let form = [
            ("grant_type", EXCHANGE),
            ("subject_token", subject_token.expose()),
            ("subject_token_type", ACCESS_TOKEN),
            ("requested_token_type", ACCESS_TOKEN),
            ("requested_issuer", alias),
        ];
        let caller = self.caller(&metadata);
        let answer = caller.issue(EXCHANGE_ENDPOINT, &metadata.token, &form);
        match answer.await {
            Ok(answer) => Ok(answer.token),
            Err(IdentityError::Refused { code, context, .. }) => Err(judge(alias, &code, &context)),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a refusal means, in the ways that answer as OAuth does.
fn judge(alias: &str, code: &str, context: &str) -> Failed {
    let says = |text: &str| context.to_ascii_lowercase().contains(text);
    if code == "not_linked" || says("not associated to identity provider") {
        return not_linked(alias);
    }
    if code == "invalid_token" || says("invalid token") {
        return Failed::Final(NotIssued::SignInAgain(IdentityError::InvalidGrant {
            context: context.to_owned(),
        }));
    }
    if says("invalid issuer") {
        return Failed::Final(NotIssued::InvalidTarget {
            target: alias.to_owned(),
            advice: "it has no identity provider of this name; correct `alias`".to_owned(),
        });
    }
    Failed::NotOffered(format!("`{code}` ({context})"))
}

fn not_linked(alias: &str) -> Failed {
    Failed::Final(NotIssued::InvalidTarget {
        target: alias.to_owned(),
        advice: format!("the person has no account of `{alias}` there, or its token is not kept"),
    })
}

fn refused_by_v1(alias: &str, answer: &Answer) -> Failed {
    let message = serde_json::from_slice::<Message>(&answer.body);
    let message = clean(&message.map(|one| one.message).unwrap_or_default(), &[]);
    let says = |text: &str| message.to_ascii_lowercase().contains(text);
    if says("no token stored") || says("not associated") {
        return not_linked(alias);
    }
    if answer.status == StatusCode::UNAUTHORIZED || says("invalid token") {
        return Failed::Final(NotIssued::SignInAgain(IdentityError::InvalidGrant {
            context: message,
        }));
    }
    Failed::NotOffered(format!("status {} {message}", answer.status.as_u16()))
}

/// Reads what Keycloak kept: the answer of the provider behind, JSON or a form, with the time at
/// which the token ends added by Keycloak if it knows. A lifetime counts from when that answer
/// came, which may be long ago, so it says nothing, unless there is none left.
fn stored_token(answer: &Answer, asked_at: Timestamp) -> Option<IssuedToken> {
    let mut stored = IssuedAnswer::read(&answer.body, asked_at)
        .ok()
        .or_else(|| form_token(&answer.body))?;
    let ended = stored.has_ended.then_some(asked_at);
    stored.token.expires_at = earlier(ended, stored.ends_at);
    (!stored.token.token.is_empty()).then_some(stored.token)
}

fn form_token(body: &[u8]) -> Option<IssuedAnswer> {
    let mut pairs = url::form_urlencoded::parse(body);
    let (_, token) = pairs.find(|(name, _)| name == "access_token")?;
    Some(IssuedAnswer::bare(Secret::new(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Option<IssuedToken> {
        let answer = Answer {
            status: StatusCode::OK,
            content_type: String::new(),
            body: body.as_bytes().to_vec(),
        };
        stored_token(&answer, Timestamp::from_seconds(1_000))
    }

    #[test]
    fn the_end_of_a_kept_token_is_the_one_that_was_kept_and_not_a_new_lifetime() {
        let dated = read(r#"{"access_token":"a","expires_in":300,"accessTokenExpiration":900}"#);
        let undated = read(r#"{"access_token":"a","expires_in":300}"#);
        let form = read("access_token=a&expires_in=300");

        assert_eq!(
            dated.expect("a token").expires_at,
            Some(Timestamp::from_seconds(900))
        );
        assert_eq!(undated.expect("a token").expires_at, None);
        let texts = read(r#"{"access_token":"a","expires_in":"x","accessTokenExpiration":"900"}"#);
        assert_eq!(
            texts.expect("a token").expires_at,
            Some(Timestamp::from_seconds(900))
        );
        assert_eq!(form.expect("a token").token.expose(), "a");
        assert!(read("<html>").is_none());
    }

    #[test]
    fn a_kept_token_without_any_life_left_is_never_given_out() {
        for said in [
            r#""expires_in":0"#,
            r#""expires_in":-5"#,
            r#""expires_in":"0""#,
            r#""expires_in":300,"accessTokenExpiration":1000"#,
            r#""accessTokenExpiration":0"#,
            r#""accessTokenExpiration":"999.5""#,
        ] {
            let token = read(&format!(r#"{{"access_token":"a",{said}}}"#)).expect("a token");

            let checked = check(
                token,
                TokenRequirements::default(),
                Timestamp::from_seconds(1_000),
            );

            assert_eq!(checked.err(), Some(IssuedTokenProblem::Expired), "{said}");
        }
    }
}
