//! The use cases of the hub: signing people in, giving them tokens, running their servers.
//!
//! This crate decides. It knows no HTTP status, no page and no format of a file; the store, the
//! spawner, the providers and the proxy are handed in. It does know the addresses of the hub's pages and
//! endpoints, which people, servers and providers are sent to, and names the configuration's keys where
//! a message says what to change. The state of every server is in the database before anything happens,
//! so a hub that is killed goes on where it was (see [`Hub::resume`]).
//!
//! May use `access`, `crypto`, `identity`, `model`, `spawn` and `store`; the proxy is behind a trait of its
//! own.
//!
//! What holds everywhere: the database first: what is going to be done is committed before the first side
//! effect, and every step can be repeated. Unknown is not gone: a look that failed changes nothing. What is
//! remembered may be lost at any time, and is dropped when the change feed says so. No refresh token leaves
//! the hub.

mod accounts;
mod activity;
mod admission;
mod admitted_user;
mod broker;
mod changes;
mod choices;
mod credential_watch;
mod direct_sign_in;
mod ended;
mod environment;
mod error;
mod exclusion;
mod fair_share;
mod grants;
mod groups;
mod hashing;
mod health;
mod issuer;
mod launch;
mod linking;
mod lookups;
mod metrics;
mod names;
mod oauth;
mod operations;
mod passwords;
mod privileges;
mod provider_claims;
mod provider_events;
mod proxy_headers;
mod rate_limit;
mod reauthentication;
mod reconcile;
mod record;
mod request_context;
mod routes;
mod second_factor;
mod server_visitors;
mod servers;
mod settings;
mod share_codes;
mod shares;
mod sign_in;
mod sign_ins;
mod sign_out;
mod sign_up;
mod spawner_tokens;
mod subdomains;
#[cfg(feature = "testing")]
mod testing;
mod throttle;
mod tokens;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jansky_crypto::Random;
use jansky_crypto::sealed::KeyRing;
use jansky_model::{Clock, ProviderId};
use jansky_spawn::Spawner;
use jansky_store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

// What the surfaces see of the layers below comes through here, so that they need no other crate.
pub use jansky_access::{
    Access, Actor, Authority, Credential, Members, OnBehalfOf, ProvenOwner, REMEMBERED_FOR, Role,
    Roles, SharedActor, visible_groups, visible_users,
};
pub use jansky_identity::{
    CallbackQuery, ExternalIdentity, LoginMethod, ProviderStatus, ServiceClient,
};
pub use jansky_spawn::{Choice, Offer};
pub use jansky_store::{
    ActivityFilter, AgentSession, AuditCheck, AuditEvent, AuditQuery, Exclusion, FreezeReason,
    GrantState, Group, GroupId, GroupQuery, Identity, IdentityId, LocalAccount, Server,
    ServerVisit, Session, Share, ShareCode, SignUp, Token, TokenId, TokenKind, User, UserQuery,
    UserSort,
};

pub use activity::{ActivityReport, ServerActivity};
pub use admission::{Admission, AdmissionRules, Decision, Refusal, Step, Verdict};
pub use admitted_user::AdmittedUser;
pub use broker::{
    Agent, AgentCredentials, AgentNotice, AgentWatch, Audience, AudienceRules, AudienceState,
    BrokerError, BrokerMode, BrokerSettings, Enrolled, ExpectedClaims, ExposedToken, ExposedTokens,
    GivenToken, NotObtained, ObtainedToken, Overview, OverviewAudience, OverviewIdentity,
    ProofRefusal, Proofs, RefusedReason, Source, SourceRequest, TokenRequest, check_audit,
};
pub use credential_watch::{Revocation, VisitorCredentials};
pub use direct_sign_in::{Credentials, PasswordSignIn};
pub use ended::EndedSessions;
pub use error::{FormError, HubError};
pub use grants::{FreshToken, NoToken};
pub use issuer::{
    COMMAND_LINE_CLIENT, ClientCredentials, DeviceAuthorization, DeviceAuthorizationRequest,
    DeviceQuestion, IssuedAccess, IssuerClient, IssuerError, IssuerSettings,
    LONGEST_TOKEN_LIFETIME,
};
pub use linking::Linked;
pub use metrics::Metrics;
pub use oauth::{Authorization, AuthorizeRequest, TokenError, TokenExchange, TokenResponse};
pub use operations::Progress;
pub use provider_events::EventRefusal;
pub use reconcile::Resumed;
pub use record::Event;
pub use request_context::{note_caller, with_request_context};
pub use routes::RouteTable;
pub use second_factor::{
    Finished, MissingStep, SecondFactorRule, SecondFactorSetUp, SecondFactorState,
    SecondStepUnderWay, SetUpBrowser, SignInProgress,
};
pub use server_visitors::ServerVisitors;
pub use settings::{NoLongerAllowed, Settings};
pub use share_codes::{ShareOffer, USUAL_CODE_LIFETIME, WhichCodes};
pub use shares::SharePartner;
pub use sign_in::{
    CallbackOutcome, CompletedSignIn, ConfiguredProvider, LOCAL_PROVIDER, NewBrowserSession,
    ProviderRedirect, SignInClient,
};
pub use sign_ins::{GrantStatus, SignIns};
pub use sign_out::{ProviderSignOut, SignOutAtProvider};
pub use sign_up::{LONGEST_EMAIL, LONGEST_REASON, SignUpForm, SignUpRule, SignedUp};
pub use spawner_tokens::SpawnerTokens;
pub use tokens::NewApiToken;

/// How many logout and security event tokens are checked at the same time: each costs a signature.
const EVENTS_AT_ONCE: usize = 4;

/// The version of JupyterHub whose contract the hub keeps; clients compare it with theirs.
pub const JUPYTERHUB_VERSION: &str = "6.1.1";

/// Everything that a hub is made of.
pub struct Parts {
    /// The database.
    pub store: Arc<Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// What starts servers.
    pub spawner: Arc<dyn Spawner>,
    /// What carries traffic to them.
    pub routes: Arc<dyn RouteTable>,
    /// The ways to sign in, in the order in which people see them.
    pub providers: Vec<ConfiguredProvider>,
    /// Whether local accounts can sign in, and under which id their sessions are kept.
    pub local_accounts: Option<ProviderId>,
    /// The keys with which tokens of providers are sealed.
    pub keys: KeyRing,
    /// What the operator decided.
    pub settings: Settings,
    /// The client with which servers are asked whether they answer. It follows no redirects.
    pub http: reqwest::Client,
}

/// The limit of attempts of a provider whose passwords are typed into our own page.
fn throttle_of(
    configured: &ConfiguredProvider,
    clock: &Arc<dyn Clock>,
) -> Option<(ProviderId, throttle::Throttle)> {
    let LoginMethod::Form(form) = configured.provider.method() else {
        return None;
    };
    let throttle = throttle::Throttle::new(form.attempts_per_minute(), clock);
    Some((configured.provider.id().clone(), throttle))
}

/// The local accounts, if all of them have to have a second factor.
fn second_factor_of_all(parts: &Parts) -> Option<ProviderId> {
    let is_required = parts.settings.second_factor == SecondFactorRule::Required;
    parts.local_accounts.clone().filter(|_| is_required)
}

/// The hub. All methods that begin something lasting need it in an [`Arc`].
pub struct Hub {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    spawner: Arc<dyn Spawner>,
    routes: Arc<dyn RouteTable>,
    providers: Vec<ConfiguredProvider>,
    local_accounts: Option<ProviderId>,
    settings: Settings,
    http: reqwest::Client,
    hashing: hashing::Hashing,
    access: Access,
    authority: Authority,
    broker: broker::Broker,
    grants: grants::Grants,
    confirmed: admitted_user::RecentAdmissions,
    issuer: issuer::Issuer,
    event_permits: Semaphore,
    invalid_tokens: throttle::InvalidTokenThrottle,
    proxy_headers: proxy_headers::ProxyHeaders,
    ended: Arc<EndedSessions>,
    credential_watches: credential_watch::CredentialWatches,
    throttle: throttle::Throttle,
    second_factors: second_factor::SecondFactors,
    refusals: record::Refusals,
    missing_servers: std::sync::Mutex<std::collections::BTreeSet<jansky_model::ServerId>>,
    sign_ups: sign_up::SignUps,
    throttles: BTreeMap<ProviderId, throttle::Throttle>,
    operations: Arc<operations::Operations>,
    metrics: Metrics,
    last_look: health::LastLook,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Hub {
    /// Puts a hub together, and gives the authority over it to whoever did. It does nothing by itself
    /// until [`Hub::resume`] and [`Hub::spawn_housekeeping`] are called.
    pub fn new(parts: Parts) -> (Arc<Self>, Authority) {
        let second_factor_of_all = second_factor_of_all(&parts);
        let keys = Arc::new(parts.keys);
        let cache: Arc<broker::BrokerCache> = Arc::default();
        let (access, authority) = Access::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.clock),
            parts.settings.roles.clone(),
            Arc::clone(&cache) as _,
            second_factor_of_all,
            parts.settings.broker.gives_tokens(),
        );
        let given = authority.clone();
        let hub = Arc::new(Self {
            access,
            authority,
            second_factors: second_factor::SecondFactors::new(
                Arc::clone(&parts.store),
                Arc::clone(&parts.clock),
                Arc::clone(&parts.random),
                Arc::clone(&keys),
                parts.settings.sign_in_attempts_per_minute,
            ),
            hashing: hashing::Hashing::new(Arc::clone(&parts.random)),
            refusals: record::Refusals::default(),
            missing_servers: std::sync::Mutex::default(),
            sign_ups: sign_up::SignUps::new(&parts.clock),
            broker: broker::Broker::new(
                &parts.settings.broker,
                &parts.store,
                &parts.clock,
                &*parts.random,
                cache,
            ),
            grants: grants::Grants::new(
                Arc::clone(&parts.store),
                Arc::clone(&parts.clock),
                Arc::clone(&parts.random),
                Arc::clone(&keys),
            ),
            confirmed: admitted_user::RecentAdmissions::default(),
            issuer: issuer::Issuer::new(
                Arc::clone(&parts.store),
                Arc::clone(&parts.clock),
                Arc::clone(&parts.random),
                keys,
                parts.settings.issuer.clone(),
            ),
            event_permits: Semaphore::new(EVENTS_AT_ONCE),
            invalid_tokens: throttle::InvalidTokenThrottle::new(&parts.clock),
            proxy_headers: proxy_headers::ProxyHeaders::default(),
            ended: Arc::default(),
            credential_watches: credential_watch::CredentialWatches::default(),
            throttle: throttle::Throttle::new(
                parts.settings.sign_in_attempts_per_minute,
                &parts.clock,
            ),
            throttles: parts
                .providers
                .iter()
                .filter_map(|configured| throttle_of(configured, &parts.clock))
                .collect(),
            operations: Arc::default(),
            metrics: Metrics::default(),
            last_look: health::LastLook::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            store: parts.store,
            clock: parts.clock,
            random: parts.random,
            spawner: parts.spawner,
            routes: parts.routes,
            providers: parts.providers,
            local_accounts: parts.local_accounts,
            settings: parts.settings,
            http: parts.http,
        });
        (hub, given)
    }

    /// What the operator decided.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Randomness.
    pub fn random(&self) -> &dyn Random {
        &*self.random
    }

    /// What starts servers.
    pub fn spawner(&self) -> &dyn Spawner {
        &*self.spawner
    }

    /// The id of local accounts, when people can sign in with them.
    pub const fn local_accounts(&self) -> Option<&ProviderId> {
        self.local_accounts.as_ref()
    }

    /// The sessions that have ended a short while ago.
    pub const fn ended_sessions(&self) -> &Arc<EndedSessions> {
        &self.ended
    }

    /// Counters since the process began.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Cancelled when the hub shuts down; long answers end then.
    pub const fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Stops every server and waits for it, at most for `patience`.
    pub async fn stop_all_servers(self: &Arc<Self>, patience: Duration) -> Result<(), HubError> {
        let servers = self.store.active_servers().await?;
        for server in &servers {
            self.stop_server(server).await?;
        }
        let all_gone = async {
            for server in &servers {
                self.operations.finished(server.id).await;
            }
        };
        let _ = tokio::time::timeout(patience, all_gone).await;
        Ok(())
    }

    /// Ends the work of this process and leaves the servers running. Starts and stops under way are
    /// taken up by the next process.
    pub async fn shut_down_process(&self, patience: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
        if let Err(error) = self.write_activity().await {
            tracing::warn!(error = %error, "could not write activity down");
        }
        self.write_refusals(true).await;
    }
}
