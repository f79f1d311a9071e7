//! The sign-in itself: to the provider, back, and from a code to an identity.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jansky_model::{Clock, ProviderId, Secret};
use reqwest::Client;
use serde_json::Value;
use url::Url;

use super::ClaimsSource;
use super::discovery::Discovery;
use super::external::KnownWays;
use super::http::send;
use super::id_token::{Expectations, same, verify_id_token, verify_userinfo};
use super::jws::needed_text;
use super::key_cache::{KeyCache, KeySource};
use super::kind::OidcKind;
use super::logout_token::verify_logout_token;
use super::metadata::Metadata;
use super::security_event::verify_security_event;
use super::service_account::ServiceTokenCache;
use super::settings::{InvalidSettings, OidcSettings, SettingsProblem};
use super::token_endpoint::{Caller, ClientCredentials};
use crate::attempt::{CallbackQuery, LoginAttempt, code_challenge};
use crate::error::{CallbackProblem, IdentityError, TokenProblem, clean};
use crate::exchange::TokenExchange;
use crate::external::ExternalTokens;
use crate::identity::{Claims, ExternalIdentity, UpstreamTokens};
use crate::provider::{
    IdentityProvider, LoginMethod, LogoutNotice, LogoutReceiver, ProviderStatus, RedirectLogin,
    SecurityEventReceiver, SecurityNotice, UpstreamSession,
};
use crate::service_account::ServiceAccount;

/// The shortest and longest sleep between looks at a provider.
const WATCH: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// How a provider is told to let the person prove who they are, and to say when that was in
/// `auth_time` (OpenID Connect Core 3.1.2.1).
const ASK_AGAIN: [(&str, &str); 2] = [("prompt", "login"), ("max_age", "0")];

/// How many parts a JWT has that is encrypted (RFC 7516 3.1).
const PARTS_OF_ENCRYPTED: usize = 5;

/// What an ID token says about itself, which userinfo cannot replace.
const ABOUT_THE_TOKEN: [&str; 14] = [
    "acr",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "sid",
];

/// An OpenID Connect provider, seen from us, its relying party.
pub struct OidcProvider {
    settings: OidcSettings,
    pub(super) http: Client,
    pub(super) clock: Arc<dyn Clock>,
    discovery: Discovery,
    keys: KeyCache,
    /// Only of a transmitter of security events that has keys of its own.
    event_keys: KeyCache,
    credentials: ClientCredentials,
    pub(super) service_tokens: ServiceTokenCache,
    pub(super) known_ways: KnownWays,
}

impl OidcProvider {
    /// Takes the settings of a provider. Does not contact it: a provider that is down must not
    /// keep the hub from starting.
    ///
    /// # Errors
    /// [`InvalidSettings`] with everything that is wrong with the settings by themselves.
    pub fn new(
        settings: OidcSettings,
        http: Client,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidSettings> {
        let mut problems = settings.problems();
        let discovery = match &settings.endpoints {
            None => Discovery::new(),
            Some(endpoints) => {
                if settings.claims_source == ClaimsSource::Userinfo && endpoints.userinfo.is_none()
                {
                    problems.push(SettingsProblem::NoUserinfoEndpoint);
                }
                match Metadata::by_hand(endpoints, &settings) {
                    Ok(metadata) => Discovery::settled(metadata),
                    Err(refused) => {
                        problems.extend(refused);
                        Discovery::new()
                    }
                }
            }
        };
        if !problems.is_empty() {
            return Err(InvalidSettings {
                provider: settings.id,
                problems,
            });
        }
        Ok(Self {
            settings,
            http,
            clock,
            discovery,
            keys: KeyCache::default(),
            event_keys: KeyCache::default(),
            credentials: ClientCredentials::default(),
            service_tokens: ServiceTokenCache::default(),
            known_ways: KnownWays::default(),
        })
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &OidcSettings {
        &self.settings
    }

    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, IdentityError> {
        self.discovery
            .metadata(&self.settings, &self.http, &*self.clock)
            .await
    }

    pub(super) fn caller<'a>(&'a self, metadata: &'a Metadata) -> Caller<'a> {
        Caller {
            settings: &self.settings,
            metadata,
            http: &self.http,
            clock: &*self.clock,
            credentials: &self.credentials,
        }
    }

    /// Checks what the browser brought back, before anything is asked of the provider.
    fn check_callback(
        &self,
        metadata: &Metadata,
        attempt: &LoginAttempt,
        query: CallbackQuery,
    ) -> Result<Secret, IdentityError> {
        let state = query.state.as_deref().unwrap_or_default();
        if attempt.state.is_empty() || !same(state, &attempt.state) {
            return Err(CallbackProblem::WrongState.into());
        }
        // RFC 9207 2.4: before the rest of the answer, error or not, is looked at.
        match query.iss.as_deref() {
            Some(issuer) if issuer != self.settings.issuer() => {
                return Err(CallbackProblem::WrongIssuer.into());
            }
            None if metadata.sends_issuer => return Err(CallbackProblem::MissingIssuer.into()),
            _ => {}
        }
        if let Some(code) = query.error {
            return Err(authorize_error(&code, query.error_description.as_deref()));
        }
        query
            .code
            .filter(|code| !code.is_empty())
            .ok_or(CallbackProblem::MissingCode.into())
    }

    async fn check_id_token(
        &self,
        metadata: &Metadata,
        tokens: &UpstreamTokens,
        nonce: Option<&str>,
    ) -> Result<Option<Claims>, IdentityError> {
        let Some(id_token) = &tokens.id_token else {
            return Ok(None);
        };
        let expected = Expectations {
            nonce,
            access_token: Some(&tokens.access),
            ..self.expectations()
        };
        let check =
            |keys: &_| verify_id_token(keys, &expected, id_token.expose(), self.clock.now());
        let source = self.key_source(metadata);
        self.keys.with_keys(&source, check).await.map(Some)
    }

    /// What every token of the provider must say.
    fn expectations(&self) -> Expectations<'_> {
        Expectations {
            issuer: self.settings.issuer(),
            client_id: &self.settings.client_id,
            nonce: None,
            access_token: None,
            algorithms: &self.settings.accepted_algorithms,
            leeway: *self.settings.clock_leeway,
        }
    }

    fn key_source<'a>(&'a self, metadata: &'a Metadata) -> KeySource<'a> {
        self.key_source_at(&metadata.jwks)
    }

    fn key_source_at<'a>(&'a self, url: &'a Url) -> KeySource<'a> {
        KeySource {
            http: &self.http,
            url,
            timeout: *self.settings.http_timeout,
            clock: &*self.clock,
        }
    }

    /// The parameters of the authorize request, the client id first.
    fn authorize_parameters(&self, attempt: &LoginAttempt) -> Vec<(String, String)> {
        let asks_again = attempt.reauthenticate && self.settings.kind.can_ask_again();
        let mut parameters = self.usual_parameters(attempt);
        if asks_again {
            parameters.retain(|(name, _)| !ASK_AGAIN.iter().any(|(ours, _)| ours == name));
            let ours = ASK_AGAIN.map(|(name, value)| (name.to_owned(), value.to_owned()));
            parameters.extend(ours);
        }
        parameters
    }

    fn usual_parameters(&self, attempt: &LoginAttempt) -> Vec<(String, String)> {
        let hints = &self.settings.hint_parameters;
        let hinted = attempt
            .extra
            .iter()
            .filter(|(name, _)| hints.contains(name));
        let fixed = self.settings.authorize_parameters();
        let fixed = fixed
            .iter()
            .filter(|(name, _)| !(hints.contains(name) && attempt.extra.contains_key(*name)));
        let ours = [
            ("client_id", self.settings.client_id.clone()),
            ("response_type", "code".to_owned()),
            ("redirect_uri", attempt.redirect_uri.clone()),
            ("state", attempt.state.clone()),
            ("nonce", attempt.nonce.clone()),
            ("code_challenge", code_challenge(&attempt.verifier)),
            ("code_challenge_method", "S256".to_owned()),
        ];
        let own = |(name, value): (&str, String)| (name.to_owned(), value);
        let copied = |(name, value): (&String, &String)| (name.clone(), value.clone());
        ours.into_iter()
            .chain(self.settings.scope_parameters())
            .map(own)
            .chain(hinted.chain(fixed).map(copied))
            .collect()
    }

    /// Adds the claims of the userinfo endpoint where the settings want them.
    async fn add_userinfo(
        &self,
        metadata: &Metadata,
        subject: &str,
        tokens: &UpstreamTokens,
        from_token: Option<Claims>,
    ) -> Result<Option<Claims>, IdentityError> {
        let wanted = match self.settings.claims_source {
            // A refresh may bring no ID token; userinfo is then the only place to look.
            ClaimsSource::IdToken => from_token.is_none(),
            ClaimsSource::Userinfo | ClaimsSource::Both | ClaimsSource::Auto => true,
        };
        let url = match &metadata.userinfo {
            Some(url) if wanted => url,
            None if self.settings.claims_source == ClaimsSource::Userinfo => {
                let reason = "the provider has none, and claims are to come from it".to_owned();
                return Err(IdentityError::BadAnswer {
                    endpoint: "userinfo",
                    reason,
                });
            }
            _ => return Ok(from_token),
        };
        let fresh = self.userinfo(metadata, url, subject, &tokens.access);
        let fresh = fresh.await?;
        let mut claims = from_token.unwrap_or_default();
        if self.settings.claims_source == ClaimsSource::Userinfo {
            claims.retain(|name, _| ABOUT_THE_TOKEN.contains(&name.as_str()));
        }
        let fresh = fresh
            .into_iter()
            .filter(|(name, _)| !ABOUT_THE_TOKEN.contains(&name.as_str()));
        claims.extend(fresh);
        Ok(Some(claims))
    }

    /// Somebody who has come back, with these claims.
    fn identity(
        &self,
        subject: String,
        tokens: UpstreamTokens,
        claims: Claims,
    ) -> ExternalIdentity {
        ExternalIdentity {
            provider: self.settings.id.clone(),
            issuer: self.settings.issuer().to_owned(),
            subject,
            claims,
            tokens,
        }
    }

    async fn with_userinfo(
        &self,
        metadata: &Metadata,
        identity: ExternalIdentity,
    ) -> Result<ExternalIdentity, IdentityError> {
        let ExternalIdentity {
            subject,
            tokens,
            claims,
            ..
        } = identity;
        let claims = self
            .add_userinfo(metadata, &subject, &tokens, Some(claims))
            .await?;
        Ok(self.identity(subject, tokens, claims.unwrap_or_default()))
    }

    /// Asks for the claims of whoever an access token is of, as JSON or signed (OpenID Connect Core
    /// 5.3).
    async fn userinfo(
        &self,
        metadata: &Metadata,
        url: &Url,
        subject: &str,
        access: &Secret,
    ) -> Result<Claims, IdentityError> {
        const ENDPOINT: &str = "userinfo";
        let request = self
            .http
            .get(url.clone())
            .header(reqwest::header::ACCEPT, "application/json, application/jwt")
            .bearer_auth(access.expose());
        let answer = send(ENDPOINT, request, *self.settings.http_timeout).await?;
        answer.expect_success(ENDPOINT)?;
        let unusable = |reason: String| IdentityError::BadAnswer {
            endpoint: ENDPOINT,
            reason,
        };
        let claims: Claims = if answer.content_type.starts_with("application/jwt") {
            let token = String::from_utf8(answer.body).unwrap_or_default();
            let token = token.trim();
            if token.split('.').count() == PARTS_OF_ENCRYPTED {
                let reason = "it is encrypted; let the provider send it signed or as plain JSON";
                return Err(unusable(reason.to_owned()));
            }
            let check = |keys: &_| verify_userinfo(keys, &self.expectations(), token);
            let checked = self.keys.with_keys(&self.key_source(metadata), check).await;
            checked.map_err(|error| match error {
                IdentityError::InvalidToken { reason } => unusable(format!("as a JWT, {reason}")),
                other => other,
            })?
        } else {
            answer.json(ENDPOINT)?
        };
        // OpenID Connect Core 5.3.2: otherwise the answer may be about somebody else.
        let found = needed_text(&claims, "sub").map_err(|problem| unusable(problem.to_string()))?;
        if found != subject {
            let reason = "its `sub` is another one than that of the ID token";
            return Err(unusable(reason.to_owned()));
        }
        Ok(claims)
    }
}

#[async_trait]
impl IdentityProvider for OidcProvider {
    fn id(&self) -> &ProviderId {
        &self.settings.id
    }

    fn title(&self) -> &str {
        self.settings.title()
    }

    fn method(&self) -> LoginMethod<'_> {
        LoginMethod::Redirect(self)
    }

    fn status(&self) -> ProviderStatus {
        self.discovery.status()
    }

    fn upstream_session(&self) -> Option<&dyn UpstreamSession> {
        Some(self)
    }

    fn logout_receiver(&self) -> Option<&dyn LogoutReceiver> {
        Some(self)
    }

    fn security_event_receiver(&self) -> Option<&dyn SecurityEventReceiver> {
        let is_on = self.settings.security_events.is_some();
        is_on.then_some(self)
    }

    fn exchanger(&self) -> Option<&dyn TokenExchange> {
        Some(self)
    }

    fn external_tokens(&self) -> Option<&dyn ExternalTokens> {
        (self.settings.kind == OidcKind::Keycloak).then_some(self as _)
    }

    fn service_account(&self) -> Option<&dyn ServiceAccount> {
        Some(self)
    }

    async fn watch(&self) {
        loop {
            // The outcome is kept as the status.
            let _ = self.metadata().await;
            let (shortest, longest) = WATCH;
            let pause = self.discovery.due_in(&*self.clock).clamp(shortest, longest);
            tokio::time::sleep(pause).await;
        }
    }
}

#[async_trait]
impl RedirectLogin for OidcProvider {
    fn can_ask_again(&self) -> bool {
        self.settings.kind.can_ask_again()
    }

    async fn begin(&self, attempt: &LoginAttempt) -> Result<Url, IdentityError> {
        let metadata = self.metadata().await?;
        let mut url = metadata.authorization.clone();
        let parameters = self.authorize_parameters(attempt);
        let push = self.settings.pushed_authorization || metadata.requires_pushed_authorization;
        match &metadata.pushed_authorization {
            Some(endpoint) if push => {
                let form: Vec<_> = parameters
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()))
                    .collect();
                let request_uri = self.caller(&metadata).push(endpoint, &form).await?;
                url.query_pairs_mut()
                    .append_pair("client_id", &self.settings.client_id)
                    .append_pair("request_uri", &request_uri);
            }
            _ => {
                url.query_pairs_mut().extend_pairs(parameters);
            }
        }
        Ok(url)
    }

    async fn finish(
        &self,
        attempt: LoginAttempt,
        query: CallbackQuery,
    ) -> Result<ExternalIdentity, IdentityError> {
        let metadata = self.metadata().await?;
        let code = self.check_callback(&metadata, &attempt, query)?;
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &attempt.redirect_uri),
            ("code_verifier", attempt.verifier.expose()),
        ];
        let tokens = self.caller(&metadata).tokens(&grant).await?;
        let from_token = self
            .check_id_token(&metadata, &tokens, Some(&attempt.nonce))
            .await?
            .ok_or(TokenProblem::Missing)?;
        let subject = from_token
            .get("sub")
            .and_then(Value::as_str)
            .ok_or(TokenProblem::Subject)?
            .to_owned();
        let identity = self.identity(subject, tokens, from_token);
        match self.settings.claims_source {
            ClaimsSource::Auto => Ok(identity),
            _ => self.with_userinfo(&metadata, identity).await,
        }
    }

    async fn add_claims(
        &self,
        identity: ExternalIdentity,
    ) -> Result<ExternalIdentity, IdentityError> {
        match self.settings.claims_source {
            ClaimsSource::Auto => {
                let metadata = self.metadata().await?;
                self.with_userinfo(&metadata, identity).await
            }
            // It was asked for everything that it is to be asked for.
            _ => Ok(identity),
        }
    }
}

#[async_trait]
impl UpstreamSession for OidcProvider {
    async fn refresh(&self, refresh_token: &Secret) -> Result<UpstreamTokens, IdentityError> {
        let metadata = self.metadata().await?;
        let grant = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
        ];
        self.caller(&metadata).tokens(&grant).await
    }

    async fn claims(
        &self,
        subject: &str,
        tokens: &UpstreamTokens,
    ) -> Result<Option<Claims>, IdentityError> {
        let metadata = self.metadata().await?;
        // OpenID Connect Core 12.2: the same issuer and subject, and no nonce of its own.
        let from_token = self.check_id_token(&metadata, tokens, None).await?;
        if let Some(claims) = &from_token
            && claims.get("sub").and_then(Value::as_str) != Some(subject)
        {
            return Err(TokenProblem::OtherSubject.into());
        }
        self.add_userinfo(&metadata, subject, tokens, from_token)
            .await
    }

    async fn claims_from_userinfo(
        &self,
        subject: &str,
        tokens: &UpstreamTokens,
    ) -> Result<Option<Claims>, IdentityError> {
        let metadata = self.metadata().await?;
        match &metadata.userinfo {
            Some(url) => {
                let asked = self.userinfo(&metadata, url, subject, &tokens.access);
                asked.await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn revoke(&self, token: &Secret) -> Result<(), IdentityError> {
        let metadata = self.metadata().await?;
        match &metadata.revocation {
            Some(url) => self.caller(&metadata).revoke(url, token).await,
            None => Ok(()),
        }
    }

    fn end_session_url(
        &self,
        id_token_hint: Option<&Secret>,
        post_logout_redirect_uri: Option<&str>,
        state: Option<&str>,
    ) -> Option<Url> {
        let mut url = self.discovery.kept()?.end_session.clone()?;
        let parameters = [
            ("client_id", Some(self.settings.client_id.as_str())),
            ("id_token_hint", id_token_hint.map(Secret::expose)),
            ("post_logout_redirect_uri", post_logout_redirect_uri),
            ("state", state),
        ];
        for (name, value) in parameters {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        Some(url)
    }
}

#[async_trait]
impl LogoutReceiver for OidcProvider {
    fn issuer(&self) -> &str {
        self.settings.issuer()
    }

    async fn receive(&self, token: &Secret) -> Result<LogoutNotice, IdentityError> {
        let metadata = self.metadata().await?;
        let expected = self.expectations();
        let check =
            |keys: &_| verify_logout_token(keys, &expected, token.expose(), self.clock.now());
        self.keys
            .with_keys(&self.key_source(&metadata), check)
            .await
    }
}

#[async_trait]
impl SecurityEventReceiver for OidcProvider {
    fn issuer(&self) -> &str {
        let own = self.settings.security_events.as_ref();
        own.and_then(|events| events.issuer.as_ref())
            .map_or_else(|| self.settings.issuer(), |issuer| issuer.as_written())
    }

    fn admits(&self, authorization: Option<&Secret>) -> bool {
        match &self.settings.events_authorization {
            Some(expected) => {
                authorization.is_some_and(|found| same(found.expose(), expected.expose()))
            }
            None => true,
        }
    }

    async fn receive(&self, token: &Secret) -> Result<SecurityNotice, IdentityError> {
        let events = self.settings.security_events.as_ref();
        let events = events.ok_or(TokenProblem::Audience)?;
        let expected = Expectations {
            issuer: SecurityEventReceiver::issuer(self),
            client_id: &events.audience,
            ..self.expectations()
        };
        let about = self.settings.issuer();
        let check = |keys: &_| {
            verify_security_event(keys, &expected, about, token.expose(), self.clock.now())
        };
        if let Some(url) = &events.jwks {
            let source = self.key_source_at(url);
            return self.event_keys.with_keys(&source, check).await;
        }
        let metadata = self.metadata().await?;
        self.keys
            .with_keys(&self.key_source(&metadata), check)
            .await
    }
}

/// Reads an error that the authorize endpoint sent through the browser (RFC 6749 4.1.2.1, OpenID
/// Connect Core 3.1.2.6).
fn authorize_error(code: &str, description: Option<&str>) -> IdentityError {
    const ENDPOINT: &str = "authorization";
    let context = clean(description.unwrap_or("no description"), &[]);
    match code {
        "server_error" | "temporarily_unavailable" => IdentityError::Unavailable {
            context: format!("{ENDPOINT} endpoint answered `{code}` ({context})"),
            retry: Duration::from_secs(5),
            source: None,
        },
        "invalid_request"
        | "invalid_scope"
        | "unauthorized_client"
        | "unsupported_response_type" => IdentityError::Refused {
            endpoint: ENDPOINT,
            code: code.to_owned(),
            context,
        },
        _ => IdentityError::Denied {
            code: clean(code, &[]),
            context,
        },
    }
}
