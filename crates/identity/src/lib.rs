//! Who is at the browser?
//!
//! An [`IdentityProvider`] answers with an [`ExternalIdentity`]: an issuer, a subject that never
//! changes, claims and upstream tokens. Whether that person may come in, and as which user, is the
//! hub's decision. This crate keeps nothing: random strings, attempts and tokens come in as
//! arguments and go out as values, so several processes can serve one sign-in.
//!
//! [`OidcProvider`] is the relying party of OpenID Connect: discovery, PKCE, ID-token checks and
//! key rotation; [`OidcKind`](oidc::OidcKind) names the providers whose ways it knows. [`GitHub`]
//! speaks OAuth 2 of its own. What claims mean is read by [`claim_rules`], alike for all. Local accounts need the database and therefore live in the hub.

mod attempt;
pub mod claim_rules;
mod error;
mod github;
mod identity;
pub mod oidc;
mod provider;
mod refresh;

pub use attempt::{CallbackQuery, LoginAttempt, code_challenge};
pub use error::{CallbackProblem, IdentityError, TokenProblem};
pub use github::{GitHub, GitHubSettings};
pub use identity::{Claims, ExternalIdentity, ServiceTokens, UpstreamTokens, claim_at};
pub use oidc::{OidcProvider, OidcSettings, http_client};
pub use provider::{
    EventSubject, FormLogin, IdentityProvider, LoginMethod, LogoutNotice, LogoutReceiver,
    ProviderStatus, RedirectLogin, SecurityEvent, SecurityEventReceiver, SecurityNotice,
    UpstreamSession,
};
pub use refresh::RefreshOutcome;
