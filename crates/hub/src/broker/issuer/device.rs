//! A token for a program on a command line, by way of a person's browser (RFC 8628).
//!
//! The program shows a short code; the person, signed in, types it and says yes. What the person
//! may have is decided by the rules of the audience, at that moment and again when the program
//! fetches the token.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::Quota;
use jansky_crypto::dpop::token_hash;
use jansky_crypto::token::{digest, digest_text, equal, s256};
use jansky_model::{Clock, Secret, UserId};
use jansky_store::{DeviceRequest, DeviceState, StoreError, User};
use serde_json::{Value, json};
use tracing::info;

use super::client::AuthenticatedClient;
use super::tokens::TokenContent;
use super::{ClientCredentials, IssuedAccess, IssuerError};
use crate::broker::Broker;
use crate::people::admitted_user::NotAdmitted;
use crate::shared::audience::{Audience, Source};
use crate::shared::error::HubError;
use crate::shared::rate_limit::RateLimit;
use crate::shared::record::{AuditEntry, Event};
use crate::shared::request_context::network_of;
use jansky_access::Actor;

/// How long a program waits for the person.
const PATIENCE: Duration = Duration::from_mins(10);

/// Between two questions of a program; it grows by as much with each that comes too soon.
const PAUSE: Duration = Duration::from_secs(5);

/// The letters of a code that a person types: without vowels, so that no words come about.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// How many there are in one.
const CODE_LENGTH: usize = 8;

/// What a program may begin from one address, and what a person may type, in a minute.
const PER_MINUTE: NonZeroU32 = NonZeroU32::new(20).expect("it is not zero");

/// Keeps programs from filling the database, and people from trying codes.
pub(crate) struct DeviceThrottle(RateLimit<String>);

impl DeviceThrottle {
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self(RateLimit::new(Quota::per_minute(PER_MINUTE), clock))
    }

    fn check(&self, who: &str) -> Result<(), IssuerError> {
        self.0
            .check(&who.to_owned())
            .map_err(|wait| IssuerError::Busy {
                retry_after: wait + Duration::from_secs(1),
            })
    }

    fn shrink(&self) {
        self.0.shrink();
    }
}

/// What a program asks for.
#[derive(Clone, Debug, Default)]
pub struct DeviceAuthorizationRequest {
    /// The program.
    pub client: ClientCredentials,
    /// The audience; it can be left out where there is only one.
    pub audience: Option<String>,
    /// Scopes, with spaces between them; all when `None`.
    pub scope: Option<String>,
    /// The challenge of RFC 7636.
    pub challenge: Option<String>,
    /// How the challenge was made; only `S256` is good.
    pub challenge_method: Option<String>,
    /// The network address that it asks from.
    pub address: String,
}

/// What a program gets before a person has answered.
#[derive(Debug)]
pub struct DeviceAuthorization {
    /// With this the program asks for the token.
    pub device_code: Secret,
    /// This the person types.
    pub user_code: String,
    /// How long both are good.
    pub expires_in: Duration,
    /// How long the program waits between two questions.
    pub pause: Duration,
}

/// What a person is asked.
#[derive(Debug)]
pub struct DeviceQuestion {
    /// The code, as it is written.
    pub user_code: String,
    /// What the program calls itself.
    pub client: String,
    /// What the token is for.
    pub audience: String,
    /// What it would allow.
    pub scopes: Vec<String>,
}

impl Broker {
    /// Begins a request of a program for a token.
    pub async fn begin_device_request(
        &self,
        request: &DeviceAuthorizationRequest,
    ) -> Result<DeviceAuthorization, IssuerError> {
        self.issuer
            .device_throttle
            .check(&format!("address {}", network_of(&request.address)))?;
        let client = self.issuer.recognize(&request.client)?;
        let audience = self.issued_audience(request.audience.as_deref())?;
        let scopes = scopes_of(audience, request.scope.as_deref())?;
        let method = request.challenge_method.as_deref();
        if request.challenge.is_some() && method != Some("S256") {
            let message = "`code_challenge_method` must be S256".to_owned();
            return Err(IssuerError::InvalidRequest(message));
        }
        let device_code = self.random.secret("");
        let request = DeviceRequest {
            client_id: client.id,
            audience: audience.id.clone(),
            scope: scopes.join(" "),
            challenge: request.challenge.clone(),
            state: DeviceState::Pending,
            user_id: None,
            pause: PAUSE,
            asked_at: None,
            expires_at: self.clock.now().plus(PATIENCE),
        };
        let code = digest(&device_code);
        let user_code = loop {
            let user_code = self.user_code();
            let typed = digest_text(&user_code);
            match self.store.add_device_request(&code, &typed, &request).await {
                Ok(()) => break user_code,
                // Somebody else is typing the same one at this moment.
                Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        };
        Ok(DeviceAuthorization {
            device_code,
            user_code: written(&user_code),
            expires_in: PATIENCE,
            pause: PAUSE,
        })
    }

    /// What the program asks for whose code a person typed; `None` if nothing waits under it.
    pub async fn device_question(
        &self,
        actor: &Actor,
        typed: &str,
    ) -> Result<Option<DeviceQuestion>, HubError> {
        self.count_typed_code(actor)?;
        let code = bare(typed);
        let now = self.clock.now();
        let found = self
            .store
            .pending_device_request(&digest_text(&code), now)
            .await?;
        let Some(request) = found else {
            return Ok(None);
        };
        let presented = |id: String| ClientCredentials {
            id: Some(id),
            secret: None,
        };
        let client = match self.issuer.settings.clients.get(&request.client_id) {
            Some(client) => client.title.clone().unwrap_or(request.client_id),
            None => match self.issuer.recognize(&presented(request.client_id)) {
                Ok(AuthenticatedClient { title, .. }) => title,
                Err(_) => return Ok(None),
            },
        };
        let Ok(audience) = self.issued_audience(Some(&request.audience)) else {
            return Ok(None);
        };
        Ok(Some(DeviceQuestion {
            user_code: written(&code),
            client,
            audience: audience.title.clone(),
            scopes: words(&request.scope),
        }))
    }

    /// A person answers. Says whether something waited under the code.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] when the person may not have such a token themselves.
    pub async fn answer_device_question(
        &self,
        actor: &Actor,
        typed: &str,
        allow: bool,
    ) -> Result<bool, HubError> {
        self.count_typed_code(actor)?;
        let code = digest_text(&bare(typed));
        let now = self.clock.now();
        let Some(request) = self.store.pending_device_request(&code, now).await? else {
            return Ok(false);
        };
        if allow && !self.may_have(&actor.user, &request.audience).await? {
            self.note_answer(actor, &request, "not_in_policy").await?;
            return Err(HubError::forbidden(
                "You may not have tokens for this service. Ask the operator.",
            ));
        }
        let state = if allow {
            DeviceState::Allowed
        } else {
            DeviceState::Denied
        };
        let answered = self
            .store
            .answer_device_request(&code, actor.user.id, state, now)
            .await?;
        if answered {
            let outcome = if allow { "ok" } else { "denied" };
            self.note_answer(actor, &request, outcome).await?;
            info!(user.name = %actor.user.name, client.id = %request.client_id, audience.id = %request.audience,
                "a command line was answered: {}", state.as_str());
        }
        Ok(answered)
    }

    /// A program asks whether there is a token for it.
    pub async fn device_token(
        self: &Arc<Self>,
        client: &ClientCredentials,
        device_code: &Secret,
        verifier: Option<&Secret>,
    ) -> Result<IssuedAccess, IssuerError> {
        let client = self.issuer.recognize(client)?;
        let code = digest(device_code);
        let now = self.clock.now();
        let unknown = || IssuerError::InvalidGrant("the device code is not known here".to_owned());
        let request = self.store.ask_device_request(&code, now, PAUSE).await?;
        let request = request
            .filter(|request| request.client_id == client.id)
            .ok_or_else(unknown)?;
        if request.expires_at <= now {
            return Err(IssuerError::ExpiredToken);
        }
        if let Some(challenge) = &request.challenge {
            let fits = verifier.is_some_and(|verifier| equal(&s256(verifier.expose()), challenge));
            if !fits {
                let message = "`code_verifier` does not fit the challenge".to_owned();
                return Err(IssuerError::InvalidGrant(message));
            }
        }
        if request
            .asked_at
            .is_some_and(|at| at.plus(request.pause) > now)
        {
            return Err(IssuerError::SlowDown);
        }
        match (request.state, request.user_id) {
            (DeviceState::Pending, _) => Err(IssuerError::AuthorizationPending),
            (DeviceState::Denied, _) | (DeviceState::Allowed, None) => {
                self.store.take_device_request(&code).await?;
                Err(IssuerError::AccessDenied("the person said no".to_owned()))
            }
            (DeviceState::Allowed, Some(user)) => {
                // Taken first: one answer is one token.
                if !self.store.take_device_request(&code).await? {
                    return Err(unknown());
                }
                self.token_of_device(&client, &request, user).await
            }
        }
    }

    async fn token_of_device(
        self: &Arc<Self>,
        client: &AuthenticatedClient,
        request: &DeviceRequest,
        user: UserId,
    ) -> Result<IssuedAccess, IssuerError> {
        let denied = || IssuerError::AccessDenied("the person may not have it any more".to_owned());
        let user = self.store.user(user).await?.ok_or_else(denied)?;
        let user = match self.people.must_be_admitted(&user).await {
            Ok(user) if self.is_signed_in(&user).await? => user,
            Err(NotAdmitted::Hub(error)) => return Err(error.into()),
            Ok(_) | Err(NotAdmitted::Excluded | NotAdmitted::SignInAgain(_)) => {
                self.note_device_token(&user, request, "not_let_in", json!({}))
                    .await?;
                return Err(denied());
            }
        };
        if !self.may_have(&user, &request.audience).await? {
            self.note_device_token(&user, request, "not_in_policy", json!({}))
                .await?;
            return Err(denied());
        }
        let audience = self.issued_audience(Some(&request.audience))?;
        let Source::Jansky {
            audience: name,
            lifetime,
        } = &audience.source
        else {
            return Err(denied());
        };
        let groups = self.store.groups_of(user.id).await?;
        let issued = self
            .issue_access_token(TokenContent {
                user,
                groups: &groups,
                client_id: &client.id,
                audience: name,
                scopes: &words(&request.scope),
                lifetime: *lifetime,
            })
            .await?;
        let made = json!({
            "source": audience.source.as_str(),
            "token": token_hash(issued.token.expose()),
            "expires_at": issued.expires_at,
        });
        self.note_device_token(&user, request, "ok", made).await?;
        info!(user.name = %user.name, client.id = %client.id, audience.id = %audience.id,
            "a command line got a token");
        Ok(issued)
    }

    /// Writes down what a person answered.
    async fn note_answer(
        &self,
        actor: &Actor,
        request: &DeviceRequest,
        outcome: &str,
    ) -> Result<(), HubError> {
        self.audit
            .write_audit(AuditEntry {
                event: Event::DeviceAnswer,
                actor: actor.user.name.to_string(),
                user: Some(&actor.user),
                server: None,
                outcome,
                detail: about(request),
            })
            .await
    }

    /// Writes down that a program fetched a token, before it has it, or why it does not get one.
    async fn note_device_token(
        &self,
        user: &User,
        request: &DeviceRequest,
        outcome: &str,
        made: Value,
    ) -> Result<(), HubError> {
        let mut detail = about(request);
        if let (Some(detail), Value::Object(made)) = (detail.as_object_mut(), made) {
            detail.extend(made);
        }
        self.audit
            .write_audit(AuditEntry {
                event: Event::DeviceToken,
                actor: "command line".to_owned(),
                user: Some(user),
                server: None,
                outcome,
                detail,
            })
            .await
    }

    /// An audience whose tokens this issuer makes.
    fn issued_audience(&self, id: Option<&str>) -> Result<&Audience, IssuerError> {
        let mut issued = self
            .settings
            .broker
            .audiences
            .iter()
            .filter(|audience| matches!(audience.source, Source::Jansky { .. }));
        let Some(id) = id else {
            return match (issued.next(), issued.next()) {
                (Some(only), None) => Ok(only),
                _ => Err(IssuerError::InvalidTarget(
                    "name the service that the token is for in `audience`".to_owned(),
                )),
            };
        };
        issued
            .find(|audience| audience.id == id)
            .ok_or_else(|| IssuerError::InvalidTarget(format!("there is no audience `{id}` here")))
    }

    /// Whether a browser is still signed in: what was allowed in one that has signed out since is not
    /// given to a command line.
    async fn is_signed_in(&self, user: &User) -> Result<bool, HubError> {
        let now = self.clock.now();
        let sessions = self.store.sessions_of(user.id).await?;
        Ok(sessions.iter().any(|session| session.expires_at > now))
    }

    async fn may_have(&self, user: &User, audience: &str) -> Result<bool, HubError> {
        let groups = self.store.groups_of(user.id).await?;
        let audience = self.issued_audience(Some(audience));
        Ok(audience.is_ok_and(|audience| {
            // A command line is no server, whatever options that would have.
            audience.rules.allow(user, &groups) && audience.rules.fit(None)
        }))
    }

    fn count_typed_code(&self, actor: &Actor) -> Result<(), HubError> {
        let counted = self
            .issuer
            .device_throttle
            .check(&format!("user {}", actor.user.id));
        counted.map_err(|_| HubError::Busy {
            message: "Too many codes at once. Try again in a minute.".to_owned(),
            retry_after: Duration::from_mins(1),
        })
    }

    /// Drops counts that no longer matter.
    pub(crate) fn shrink_device_counts(&self) {
        self.issuer.device_throttle.shrink();
    }

    fn user_code(&self) -> String {
        let mut code = String::with_capacity(CODE_LENGTH);
        while code.len() < CODE_LENGTH {
            let mut byte = [0];
            self.random.fill(&mut byte);
            // Twelve times as many letters as there are: all are equally likely.
            if let Some(letter) = LETTERS.repeat(12).get(usize::from(byte[0])) {
                code.push(char::from(*letter));
            }
        }
        code
    }
}

fn scopes_of(audience: &Audience, asked: Option<&str>) -> Result<Vec<String>, IssuerError> {
    let scopes = audience.scopes_for(asked);
    scopes.map_err(|error| IssuerError::InvalidScope(error.to_string()))
}

/// What the audit trail says about a request.
fn about(request: &DeviceRequest) -> Value {
    json!({
        "client": request.client_id,
        "audience": request.audience,
        "scope": request.scope,
    })
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A code as the person reads it: two halves.
fn written(code: &str) -> String {
    match code.split_at_checked(CODE_LENGTH / 2) {
        Some((first, second)) => format!("{first}-{second}"),
        None => code.to_owned(),
    }
}

/// A code as it is compared: however the person typed it.
fn bare(typed: &str) -> String {
    typed
        .chars()
        .filter(char::is_ascii_alphabetic)
        .take(CODE_LENGTH)
        .map(|letter| letter.to_ascii_uppercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_typed() {
        for typed in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "BCDF–GHJK"] {
            assert_eq!(bare(typed), "BCDFGHJK", "{typed}");
        }
        assert_eq!(written("BCDFGHJK"), "BCDF-GHJK");
        assert_eq!(bare(""), "");
    }
}
