//! What an identity provider can do: one value per configured provider.

use std::net::IpAddr;

use async_trait::async_trait;
use http::HeaderMap;
use jansky_model::{ProviderId, Secret, Timestamp};
use url::Url;

use crate::{
    CallbackQuery, Claims, ExternalIdentity, ExternalTokens, IdentityError, LoginAttempt,
    RefreshOutcome, ServiceAccount, TokenExchange, UpstreamTokens,
};

/// A configured way to sign in.
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// The provider's id in the configuration and in URLs.
    fn id(&self) -> &ProviderId;

    /// The text on its sign-in button.
    fn title(&self) -> &str;

    /// How a person signs in with it.
    fn method(&self) -> LoginMethod<'_>;

    /// Whether it can be used now. Answers at once, from what is known.
    fn status(&self) -> ProviderStatus;

    /// What can be done with the tokens of a finished sign-in; `None` if the provider gives none.
    fn upstream_session(&self) -> Option<&dyn UpstreamSession> {
        None
    }

    /// What takes the provider's word that a session has ended; `None` if it never says so.
    fn logout_receiver(&self) -> Option<&dyn LogoutReceiver> {
        None
    }

    /// What takes the provider's word on the security of accounts; `None` if it is not believed.
    fn security_event_receiver(&self) -> Option<&dyn SecurityEventReceiver> {
        None
    }

    /// What trades a person's token for that of a service; `None` if it cannot.
    fn exchanger(&self) -> Option<&dyn TokenExchange> {
        None
    }

    /// What hands out tokens of the providers behind it; `None` if it keeps none.
    fn external_tokens(&self) -> Option<&dyn ExternalTokens> {
        None
    }

    /// What can be asked about people who are not at the browser; `None` if it tells only at a
    /// sign-in.
    fn people(&self) -> Option<&dyn PeopleLookup> {
        None
    }

    /// What gives tokens to ourselves; `None` if we cannot have an account there.
    fn service_account(&self) -> Option<&dyn ServiceAccount> {
        None
    }

    /// Keeps [`IdentityProvider::status`] true: looks at the provider now and again, forever.
    ///
    /// It ends when the future is dropped. Signing in works without it; the status is then only as recent
    /// as the last sign-in.
    async fn watch(&self) {
        std::future::pending::<()>().await;
    }
}

/// How a person signs in.
pub enum LoginMethod<'a> {
    /// The browser goes to the provider and comes back.
    Redirect(&'a dyn RedirectLogin),
    /// A name and a password are typed into our own page.
    Form(&'a dyn FormLogin),
    /// A reverse proxy in front of us says in each request who is there.
    Header(&'a dyn HeaderLogin),
}

/// Sign-in by a round trip of the browser.
#[async_trait]
pub trait RedirectLogin: Send + Sync {
    /// Whether it can be told to ask the person again ([`LoginAttempt::reauthenticate`]).
    fn can_ask_again(&self) -> bool {
        false
    }

    /// Makes the URL at the provider to which the browser is sent.
    async fn begin(&self, attempt: &LoginAttempt) -> Result<Url, IdentityError>;

    /// Turns the provider's answer into an identity.
    ///
    /// Takes the attempt by value because an attempt is good for one answer: the caller removes it
    /// from where it was kept *before* it calls this, so a replayed callback finds none.
    async fn finish(
        &self,
        attempt: LoginAttempt,
        query: CallbackQuery,
    ) -> Result<ExternalIdentity, IdentityError>;

    /// Adds the claims that the provider has elsewhere (userinfo), for rules that need a claim the ID token
    /// lacks. There may be none.
    async fn add_claims(
        &self,
        identity: ExternalIdentity,
    ) -> Result<ExternalIdentity, IdentityError> {
        Ok(identity)
    }
}

/// Sign-in by headers of a trusted reverse proxy.
pub trait HeaderLogin: Send + Sync {
    /// Reads who is there. `peer` is the other end of the connection itself, whatever its headers
    /// say.
    ///
    /// # Errors
    /// [`IdentityError::UntrustedProxy`] when anybody but the proxy says something, and
    /// [`IdentityError::NotTold`] when the proxy says nothing, or nothing clear.
    fn identify(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<ExternalIdentity, IdentityError>;
}

/// Sign-in by name and password.
#[async_trait]
pub trait FormLogin: Send + Sync {
    /// How many wrong passwords per minute one name may have before it has to wait.
    fn attempts_per_minute(&self) -> u32;

    /// Checks a name and a password.
    ///
    /// # Errors
    /// [`IdentityError::InvalidCredentials`] for a wrong name and for a wrong password alike, and
    /// [`IdentityError::AccountUnusable`] only when both are right.
    async fn verify(
        &self,
        name: &str,
        password: &Secret,
    ) -> Result<ExternalIdentity, IdentityError>;
}

/// Looks people up while they are away and without a token of theirs, as a directory can.
#[async_trait]
pub trait PeopleLookup: Send + Sync {
    /// What a sign-in of the person with this subject would bring now, but for the password.
    ///
    /// # Errors
    /// [`IdentityError::AccountUnusable`] when there is no such person any more or they may not use
    /// their account. Every other error says nothing about them.
    async fn look_up(&self, subject: &str) -> Result<ExternalIdentity, IdentityError>;
}

/// What can be done with upstream tokens after the sign-in.
#[async_trait]
pub trait UpstreamSession: Send + Sync {
    /// Trades a refresh token for new tokens. One request, no check of claims: once the provider
    /// has answered, the old token may be dead, so the caller stores the answer before all else
    /// and then calls [`UpstreamSession::claims`].
    ///
    /// [`UpstreamTokens::refresh`] is `None` when the provider did not rotate: keep the old one.
    ///
    /// # Errors
    /// [`IdentityError::InvalidGrant`] when the person has to sign in again; with
    /// [`IdentityError::Unavailable`] and [`IdentityError::Timeout`] the old token may still live.
    async fn refresh(&self, refresh_token: &Secret) -> Result<UpstreamTokens, IdentityError>;

    /// Refreshes tokens of `subject` and says what the outcome means.
    async fn renew(&self, subject: &str, refresh_token: &Secret) -> RefreshOutcome {
        RefreshOutcome::of(subject, self.refresh(refresh_token).await)
    }

    /// Reads the claims again from refreshed tokens, from the source that the settings name, and
    /// checks that they are about `subject`. `None` when the provider sent no ID token and has no
    /// userinfo endpoint: nothing new is known.
    async fn claims(
        &self,
        subject: &str,
        tokens: &UpstreamTokens,
    ) -> Result<Option<Claims>, IdentityError>;

    /// Asks the userinfo endpoint, whatever source the settings name: for when a claim that was
    /// there before is not in what that source says. `None` if there is no such endpoint.
    async fn claims_from_userinfo(
        &self,
        _subject: &str,
        _tokens: &UpstreamTokens,
    ) -> Result<Option<Claims>, IdentityError> {
        Ok(None)
    }

    /// Revokes an access or refresh token (RFC 7009); does nothing if the provider cannot.
    async fn revoke(&self, token: &Secret) -> Result<(), IdentityError>;

    /// The URL that ends the session at the provider (OpenID Connect RP-Initiated Logout), if it
    /// has one. `id_token_hint` ends up in the URL, as that standard wants it.
    fn end_session_url(
        &self,
        id_token_hint: Option<&Secret>,
        post_logout_redirect_uri: Option<&str>,
        state: Option<&str>,
    ) -> Option<Url>;
}

/// Takes logout tokens (OpenID Connect Back-Channel Logout 1.0).
#[async_trait]
pub trait LogoutReceiver: Send + Sync {
    /// Who signs the tokens: their `iss`.
    fn issuer(&self) -> &str;

    /// Checks a logout token that anybody may have sent. Whether it was used before is the
    /// caller's to know.
    ///
    /// # Errors
    /// [`IdentityError::InvalidToken`] with the check that failed.
    async fn receive(&self, token: &Secret) -> Result<LogoutNotice, IdentityError>;
}

/// A provider's word that sessions have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// The issuer.
    pub issuer: String,
    /// The person; all their sessions have ended unless a session is named.
    pub subject: Option<String>,
    /// The session at the provider, the `sid` of the ID token.
    pub provider_session: Option<String>,
    /// Names this notice (`jti`), so that it takes effect once.
    pub id: String,
    /// When the provider wrote it.
    pub issued_at: Timestamp,
    /// Until when the same token would pass the checks again: its id must be remembered so long.
    pub replayable_until: Timestamp,
}

/// Takes security event tokens (RFC 8417) of the OpenID Shared Signals Framework.
#[async_trait]
pub trait SecurityEventReceiver: Send + Sync {
    /// The `iss` of the tokens that it takes.
    fn issuer(&self) -> &str;

    /// Whether this `Authorization` header is the one that was agreed with the transmitter.
    fn admits(&self, authorization: Option<&Secret>) -> bool;

    /// Checks a token that anybody may have sent. Whether it was received before is the caller's to
    /// know.
    ///
    /// # Errors
    /// [`IdentityError::InvalidToken`] with the check that failed.
    async fn receive(&self, token: &Secret) -> Result<SecurityNotice, IdentityError>;
}

/// A provider's word on the security of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityNotice {
    /// Who says it; not always the issuer of the accounts.
    pub transmitter: String,
    /// Names this notice (`jti`), so that it takes effect once.
    pub id: String,
    /// When it was written. It may arrive much later, and says nothing about what began since.
    pub issued_at: Timestamp,
    /// Until when the same token would pass the checks again: its id must be remembered so long.
    pub replayable_until: Timestamp,
    /// What it says. Events of kinds that mean nothing to us are left out.
    pub events: Vec<SecurityEvent>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecurityEvent {
    /// The sessions have ended (CAEP `session-revoked`).
    SessionRevoked(EventSubject),
    /// The account may not be used any more, or is gone (RISC `account-disabled`,
    /// `account-purged`).
    AccountDisabled(EventSubject),
    /// What the provider would say about the person has changed, or how they sign in (CAEP
    /// `token-claims-change`, `credential-change`): ask it again.
    AskAgain(EventSubject),
    /// The transmitter tries whether its events arrive (SSF `verification`).
    Verification,
    /// The transmitter sends no more events, or does so again (SSF `stream-updated`).
    StreamUpdated {
        /// `enabled`, `paused` or `disabled`.
        status: String,
    },
}

/// Whom an event is about: a person at the provider, or one of their sessions there. At least one of
/// the two is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSubject {
    /// The issuer of the account.
    pub issuer: String,
    /// The person, OpenID Connect's `sub`.
    pub subject: Option<String>,
    /// The session, OpenID Connect's `sid`.
    pub provider_session: Option<String>,
}

/// Whether a provider can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderStatus {
    /// Nobody has asked the provider yet.
    Unknown,
    /// It answered, and with what we expect.
    Ready,
    /// It did not answer usefully; the next attempt is automatic.
    Unavailable {
        /// What happened, for the operator.
        reason: String,
        /// When this was first seen.
        since: Timestamp,
        /// When it is asked again.
        retry_at: Timestamp,
    },
    /// It calls itself by another name than the configuration: refused until one of them changes.
    IssuerMismatch {
        /// The issuer in the configuration.
        expected: String,
        /// The issuer that the provider published.
        found: String,
    },
}

impl ProviderStatus {
    /// One word for health answers and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ready => "ready",
            Self::Unavailable { .. } => "unavailable",
            Self::IssuerMismatch { .. } => "issuer_mismatch",
        }
    }

    /// Whether it makes sense to offer this provider.
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Unknown | Self::Ready)
    }
}
