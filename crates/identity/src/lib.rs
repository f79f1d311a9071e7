//! Who is at the browser?
//!
//! An [`IdentityProvider`] answers with an [`ExternalIdentity`]: an issuer, a subject that never
//! changes, claims and upstream tokens. Whether that person may come in, and as which user, is the
//! hub's decision. This crate keeps nothing: random strings, attempts and tokens come in as
//! arguments and go out as values, so several processes can serve one sign-in.
//!
//! [`OidcProvider`] is the relying party of OpenID Connect: discovery, PKCE, ID-token checks and
//! key rotation; [`OidcKind`](oidc::OidcKind) names the providers whose ways it knows. [`GitHub`]
//! speaks OAuth 2 of its own; [`HeaderProvider`] takes the word of a reverse proxy,
//! [`PamProvider`] knows the Unix accounts of this machine and [`LdapProvider`] those of a directory. What a provider
//! can do beyond the sign-in is a trait for each thing: trade tokens ([`TokenExchange`]), hand out
//! those of providers behind it ([`ExternalTokens`]), give tokens to ourselves ([`ServiceAccount`]).
//! What claims mean is read by [`claim_rules`], alike for all. Local accounts need the database and
//! therefore live in the hub.
//!
//! May use `model`, `pam` and `settings`.
//!
//! What holds everywhere: what a provider says is checked before anything of it is believed; requests to
//! providers are bounded in time and size and follow no redirects; claims that are missing or unreadable are
//! told apart from those that say no.

mod attempt;
pub mod claim_rules;
mod error;
mod exchange;
mod external;
mod github;
mod header;
mod identity;
mod issued;
mod ldap;
pub mod oidc;
mod pam;
mod provider;
mod refresh;
mod service_account;
mod timeouts;

pub use attempt::{CallbackQuery, LoginAttempt, code_challenge};
pub use error::{CallbackProblem, IdentityError, TokenProblem};
pub use exchange::{ExchangeRequest, TokenExchange};
pub use external::{ExternalTokenMethod, ExternalTokens};
pub use github::{GitHub, GitHubSettings};
pub use header::{HeaderProvider, HeaderSettings, NoHeaderName};
pub use identity::{Claims, ExternalIdentity, ServiceTokens, UpstreamTokens, claim_at};
pub use issued::{IssuedToken, IssuedTokenProblem, NotIssued};
pub use ldap::{LdapProvider, LdapSettings};
pub use oidc::{OidcProvider, OidcSettings, http_client, http_client_trusting};
pub use pam::{PamProvider, PamSettings};
pub use provider::{
    EventSubject, FormLogin, HeaderLogin, IdentityProvider, LoginMethod, LogoutNotice,
    LogoutReceiver, PeopleLookup, ProviderStatus, RedirectLogin, SecurityEvent,
    SecurityEventReceiver, SecurityNotice, UpstreamSession,
};
pub use refresh::RefreshOutcome;
pub use reqwest::Client as HttpClient;
pub use service_account::{ServiceAccount, ServiceClient, ServiceRequest};
