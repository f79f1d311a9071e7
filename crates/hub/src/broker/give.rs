//! Giving a token: from the question of an agent to a token for one audience.

use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::dpop::token_hash;
use jansky_model::{ProviderId, Secret, Timestamp};
use serde_json::json;
use tracing::warn;

use super::BrokerError;
use super::cache::{CachedToken, Key, Slot};
use super::caller::Agent;
use super::check::look_at;
use super::source::{NotObtained, ObtainedToken, RefusedReason, SourceRequest};
use crate::broker::Broker;
use crate::shared::audience::Audience;
use crate::shared::record::{AuditEntry, Event};

/// The least that an agent may be left with, whatever it asks for.
const FLOOR: Duration = Duration::from_mins(1);

/// How long a token is taken for good of which nobody knows the end.
const UNKNOWN_END: Duration = Duration::from_mins(5);

/// The longest that a token can be asked to be good for.
const LONGEST_MIN_TTL: Duration = Duration::from_hours(24);

/// What an agent asks for.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The id of an audience.
    pub audience: String,
    /// Scopes separated by spaces; all when `None`.
    pub scope: Option<String>,
    /// For how long the token must be good at least.
    pub min_ttl: Duration,
}

/// What an agent gets.
#[derive(Debug)]
pub struct GivenToken {
    /// An access token.
    pub token: Arc<Secret>,
    /// For how long it is good from now on, in seconds; rounded down.
    pub expires_in: u64,
    /// Its scopes, separated by spaces.
    pub scope: String,
}

/// Where a token came from, for the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenOrigin {
    Cache,
    Source,
}

impl Broker {
    /// Gives an agent a token for one audience. It stands in the audit trail before it is given.
    pub async fn give_token(
        self: &Arc<Self>,
        agent: &Agent,
        request: &TokenRequest,
    ) -> Result<GivenToken, BrokerError> {
        let given = self.find_token(agent, request).await;
        let now = self.clock.now();
        let detail = match &given {
            Ok((audience, held, origin)) => json!({
                "key": agent.session.thumbprint,
                "audience": audience.id,
                "scope": held.scope,
                "token": token_hash(held.token.expose()),
                "expires_at": held.expires_at,
                "source": match origin {
                    TokenOrigin::Cache => "cache",
                    TokenOrigin::Source => audience.source.as_str(),
                },
            }),
            Err(error) => json!({
                "key": agent.session.thumbprint,
                "audience": request.audience,
                "scope": request.scope,
                "why": error.to_string(),
            }),
        };
        let outcome = given.as_ref().err().map_or("ok", BrokerError::as_str);
        self.metrics.token(
            match &given {
                Ok((_, _, TokenOrigin::Cache)) => "cache",
                Ok((audience, ..)) => audience.source.as_str(),
                Err(_) => "none",
            },
            outcome,
        );
        self.audit
            .write_audit(AuditEntry {
                event: Event::Token,
                actor: "agent".to_owned(),
                user: Some(&agent.user),
                server: Some(&agent.server),
                outcome,
                detail,
            })
            .await?;
        let (_, held, _) = given?;
        Ok(GivenToken {
            expires_in: held.expires_at.since(now).as_secs(),
            scope: held.scope.unwrap_or_default(),
            token: held.token,
        })
    }

    async fn find_token<'h>(
        self: &'h Arc<Self>,
        agent: &Agent,
        request: &TokenRequest,
    ) -> Result<(&'h Audience, CachedToken, TokenOrigin), BrokerError> {
        self.pass(agent.user.id)?;
        agent.is_frozen()?;
        let audience = self.audience(&request.audience)?;
        audience.permit(&agent.user, &agent.groups, &agent.server, &agent.others)?;
        let scopes = audience.scopes_for(request.scope.as_deref())?;
        if request.min_ttl > LONGEST_MIN_TTL {
            return Err(BrokerError::InvalidRequest(format!(
                "`min_ttl` is at most {} seconds",
                LONGEST_MIN_TTL.as_secs()
            )));
        }
        let request = SourceRequest {
            user: self.people.must_be_admitted(&agent.user).await?,
            groups: &agent.groups,
            server: &agent.server,
            audience,
            scopes: &scopes,
            least: request.min_ttl,
        };
        let (held, origin) = self
            .held_token(&request)
            .await
            .map_err(|error| Self::explain(&request, error))?;
        Ok((audience, held, origin))
    }

    fn audience(&self, id: &str) -> Result<&Audience, BrokerError> {
        let audiences = &self.settings.broker.audiences;
        let found = audiences.iter().find(|audience| audience.id == id);
        found.ok_or_else(|| BrokerError::NotInPolicy {
            audience: id.chars().take(100).collect(),
        })
    }

    /// A token from the cache, or one that is obtained by one caller for all who wait.
    pub(super) async fn held_token(
        self: &Arc<Self>,
        request: &SourceRequest<'_>,
    ) -> Result<(CachedToken, TokenOrigin), NotObtained> {
        let key = Key {
            server: request.server.id,
            audience: request.audience.id.clone(),
            scopes: request.scopes.join(" "),
        };
        let slot = self.cache.slot(request.user.id, key, self.clock.now());
        let attempts = {
            let state = slot.state();
            if let Some(held) = self.good_for(state.held.as_ref(), request.least) {
                return Ok((held, TokenOrigin::Cache));
            }
            state.attempts
        };
        let _turn = slot.turn.lock().await;
        {
            let state = slot.state();
            if let Some(held) = self.good_for(state.held.as_ref(), request.least) {
                return Ok((held, TokenOrigin::Cache));
            }
            // Whoever had the turn has just found out for all who waited.
            if state.attempts != attempts
                && let Some(failure) = &state.failure
            {
                return self.last_resort(&slot, request.least, failure.again());
            }
        }
        let began = tokio::time::Instant::now();
        let obtained = self.obtain(request).await;
        let source = request.audience.source.as_str();
        self.metrics
            .obtained(source, obtained.is_ok(), began.elapsed());
        let now = self.clock.now();
        let checked = obtained.and_then(|obtained| held(request, obtained, now));
        let mut state = slot.state();
        state.attempts += 1;
        match checked {
            Ok(held) => {
                state.failure = None;
                state.held = Some(held.clone());
                Ok((held, TokenOrigin::Source))
            }
            Err(error) => {
                state.failure = Some(error.again());
                drop(state);
                self.last_resort(&slot, request.least, error)
            }
        }
    }

    /// When nothing newer can be had, what is still good for as long as was asked is given.
    fn last_resort(
        &self,
        slot: &Slot,
        least: Duration,
        error: NotObtained,
    ) -> Result<(CachedToken, TokenOrigin), NotObtained> {
        let now = self.clock.now();
        if matches!(error, NotObtained::Later { .. } | NotObtained::Hub(_))
            && let Some(held) = &slot.state().held
            && held.expires_at > now
            && held.expires_at.since(now) >= least
        {
            return Ok((held.clone(), TokenOrigin::Cache));
        }
        Err(error)
    }

    /// A token that is good for as long as asked and has a fair part of its life before it. The part
    /// differs from token to token, so that not all are renewed at once.
    fn good_for(&self, held: Option<&CachedToken>, least: Duration) -> Option<CachedToken> {
        let held = held?;
        let now = self.clock.now();
        let life = held.expires_at.since(held.obtained_at);
        // Between 15 % and 25 % of its life, by a byte of the token itself.
        let share = held.token.expose().bytes().last().unwrap_or_default();
        let part = life / 100 * (15 + u32::from(share) % 11);
        let wanted = least.max(part.min(FLOOR));
        let is_good = held.expires_at > now && held.expires_at.since(now) >= wanted;
        is_good.then(|| held.clone())
    }

    /// What a failure means for the agent.
    fn explain(request: &SourceRequest<'_>, error: NotObtained) -> BrokerError {
        match error {
            NotObtained::SignInAgain { provider, behind } => {
                BrokerError::sign_in_again(provider.as_ref(), behind.as_deref())
            }
            NotObtained::Later { retry_after } => BrokerError::Later { retry_after },
            NotObtained::Refused {
                reason,
                description,
            } => {
                warn!(
                    audience = %request.audience.id,
                    user.name = %request.user.name,
                    "no token: {description}"
                );
                match reason {
                    RefusedReason::InvalidTarget => BrokerError::InvalidTarget(description),
                    RefusedReason::InvalidScope => BrokerError::InvalidScope(description),
                }
            }
            NotObtained::Hub(error) => BrokerError::Hub(error),
        }
    }
}

/// Where a person signs in again, below the hub's prefix. An account behind the provider is `behind`,
/// which only Keycloak has: it is told where to send somebody who is not signed in there, and to link
/// that account anew for somebody who is.
pub(super) fn sign_in_path(provider: Option<&ProviderId>, behind: Option<&str>) -> String {
    let Some(provider) = provider else {
        return "login".to_owned();
    };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("idp", provider.as_str());
    if let Some(alias) = behind {
        query.append_pair("kc_idp_hint", alias);
        query.append_pair("kc_action", &format!("idp_link:{alias}"));
    }
    format!("oauth_login?{}", query.finish())
}

/// Looks at what was obtained and makes of it what is kept.
fn held(
    request: &SourceRequest<'_>,
    obtained: ObtainedToken,
    now: Timestamp,
) -> Result<CachedToken, NotObtained> {
    if let Err(problem) = look_at(&obtained, now) {
        let description = format!("the issuer of `{}` {problem}", request.audience.id);
        return Err(NotObtained::invalid_target(description));
    }
    let expires_at = obtained.expires_at.unwrap_or(now.plus(UNKNOWN_END));
    if expires_at <= now || expires_at.since(now) < request.least {
        let description = format!(
            "tokens for `{}` do not live as long as was asked for",
            request.audience.id
        );
        // What ends before it arrives may be another one the next time.
        return Err(if expires_at <= now {
            NotObtained::Later {
                retry_after: Duration::from_secs(1),
            }
        } else {
            NotObtained::invalid_target(description)
        });
    }
    let asked = || Some(request.scopes.join(" ")).filter(|scopes| !scopes.is_empty());
    Ok(CachedToken {
        token: Arc::new(obtained.token),
        obtained_at: now,
        expires_at,
        scope: obtained.scope.or_else(asked),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_behind_a_provider_has_a_way_back_of_its_own() {
        let keycloak = "keycloak".parse().expect("an id");

        assert_eq!(sign_in_path(None, None), "login");
        assert_eq!(
            sign_in_path(Some(&keycloak), None),
            "oauth_login?idp=keycloak"
        );
        assert_eq!(
            sign_in_path(Some(&keycloak), Some("ext & co")),
            "oauth_login?idp=keycloak&kc_idp_hint=ext+%26+co&kc_action=idp_link%3Aext+%26+co"
        );
    }
}
