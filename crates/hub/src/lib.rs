//! The use cases of the hub, in three parts: [`People`] sign in and have accounts, the [`Broker`] gives
//! tokens to the code beside them, and [`Servers`] are started and stopped.
//!
//! This crate decides. It knows no HTTP status, no page and no format of a file; the store, the
//! spawner, the providers and the proxy are handed in. It does know the addresses of the hub's pages and
//! endpoints, which people, servers and providers are sent to, and names the configuration's keys where
//! a message says what to change. The state of every server is in the database before anything happens,
//! so a hub that is killed goes on where it was (see [`Servers::resume`]).
//!
//! The parts use each other in one direction: servers use the broker and people, the broker uses
//! people, people use neither. What people do that concerns servers is recorded in the database, as
//! that their servers are to stop; the change feed wakes whoever runs servers, and what nobody heard
//! of is found by the next look at the database. What goes through all parts, such as the end of a
//! user, is done by the [`Hub`] itself.
//!
//! May use `access`, `crypto`, `identity`, `model`, `settings`, `spawn` and `store`; the proxy is behind a trait of its
//! own.
//!
//! What holds everywhere: the database first: what is going to be done is committed before the first side
//! effect, and every step can be repeated. Unknown is not gone: a look that failed changes nothing. What is
//! remembered may be lost at any time, and is dropped when the change feed says so. No refresh token leaves
//! the hub.
//!
//! Nobody but a completed check makes the proof with which a session is opened:
//!
//! ```compile_fail
//! # async fn forge(hub: &jansky_hub::Hub, user: jansky_hub::User, client: jansky_hub::SignInClient<'_>) {
//! let provider = hub.people.local_provider();
//! let proof = jansky_hub::CompletedSignIn { user, provider, next: None, identity: None };
//! hub.people.enter(proof, None, None, client).await;
//! # }
//! ```
//!
//! And nothing is changed by whoever has not asked whether they may: each use case takes the caller, a
//! permit for just that ([`Hub::permit`]), or the authority over the hub, which no surface has. A user
//! in hand is not enough, and neither is a permit for something else:
//!
//! ```compile_fail
//! # async fn delete(hub: &jansky_hub::Hub, user: jansky_hub::User) {
//! hub.delete_user(&user).await;
//! # }
//! ```
//!
//! ```compile_fail
//! # use jansky_hub::{Permit, action::SeeUser};
//! # async fn delete(hub: &jansky_hub::Hub, permit: Permit<'_, SeeUser>) {
//! hub.delete_user(&permit).await;
//! # }
//! ```
//!
//! With the right permit it is:
//!
//! ```
//! # use jansky_hub::{Actor, Hub, HubError, action::DeleteUser};
//! # async fn delete(hub: &Hub, actor: &Actor, name: &str) -> Result<(), HubError> {
//! let permit = hub.permit::<DeleteUser>(actor, name).await?;
//! hub.delete_user(&permit).await
//! # }
//! ```

mod broker;
mod changes;
mod context;
mod deletion;
mod health;
mod housekeeping;
mod metrics_text;
mod people;
mod privileges;
mod servers;
mod shared;
#[cfg(feature = "testing")]
mod testing;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jansky_crypto::Random;
use jansky_crypto::sealed::KeyRing;
use jansky_model::{Clock, ProviderId};
use jansky_spawn::Spawner;
use jansky_store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

// What the surfaces see of the layers below comes through here, so that they need no other crate.
pub use jansky_access::{
    Access, Action, Actor, Authority, Credential, Detail, Members, NewName, OnBehalfOf, Permit,
    Place, ProvenOwner, REMEMBERED_FOR, Role, Roles, SharedActor, Subject, TheHub, action,
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

pub use broker::issuer::{
    COMMAND_LINE_CLIENT, ClientCredentials, DeviceAuthorization, DeviceAuthorizationRequest,
    DeviceQuestion, IssuedAccess, IssuerError, LONGEST_TOKEN_LIFETIME,
};
pub use broker::server_visitors::ServerVisitors;
pub use broker::{
    Agent, AgentCredentials, AgentNotice, AgentWatch, AudienceState, Broker, BrokerError, Enrolled,
    ExpectedClaims, ExposedToken, ExposedTokens, GivenToken, NotObtained, ObtainedToken, Overview,
    OverviewAudience, OverviewIdentity, ProofRefusal, Proofs, RefusedReason, SourceRequest,
    TokenRequest,
};
use context::Context;
pub use people::People;
pub use people::admission::{Admission, AdmissionRules, Decision, Refusal, Step, Verdict};
pub use people::admitted_user::AdmittedUser;
pub use people::direct_sign_in::{Credentials, PasswordSignIn};
pub use people::grants::{FreshToken, NoToken};
pub use people::linking::Linked;
pub use people::provider_events::EventRefusal;
pub use people::second_factor::{
    Finished, SecondFactorSetUp, SecondFactorState, SecondStepUnderWay, SetUpBrowser,
};
pub use people::sessions::{
    CompletedSignIn, MissingStep, NewBrowserSession, SignInClient, SignInProgress,
};
pub use people::sign_in::{CallbackOutcome, ConfiguredProvider, LOCAL_PROVIDER, ProviderRedirect};
pub use people::sign_ins::{GrantStatus, SignIns};
pub use people::sign_out::{ProviderSignOut, SignOutAtProvider};
pub use people::sign_up::{LONGEST_EMAIL, LONGEST_REASON, SignUpForm, SignedUp};
pub use people::tokens::NewApiToken;
pub use privileges::Privileges;
pub use servers::Servers;
pub use servers::activity::{ActivityReport, ServerActivity};
pub use servers::credential_watch::{Revocation, VisitorCredentials};
pub use servers::oauth::{
    Authorization, AuthorizeRequest, TokenError, TokenExchange, TokenResponse,
};
pub use servers::operations::Progress;
pub use servers::reconcile::Resumed;
pub use servers::routes::{RouteTable, ServerRoute};
pub use servers::share_codes::{ShareOffer, USUAL_CODE_LIFETIME, WhichCodes};
pub use servers::shares::SharePartner;
pub use servers::spawner_tokens::SpawnerTokens;
pub use shared::audience::{Audience, AudienceRules, BrokerMode, BrokerSettings, Source};
pub use shared::ended::EndedSessions;
pub use shared::error::{FormError, HubError};
pub use shared::metrics::Metrics;
pub use shared::record::{AuditTrail, Event, check_audit};
pub use shared::request_context::{note_caller, with_request_context};
pub use shared::settings::{
    IssuerClient, IssuerSettings, NoLongerAllowed, SecondFactorRule, Settings, SignUpRule,
};
use shared::signals::Signals;

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

/// What the three parts have in common.
fn context_of(parts: &Parts) -> Context {
    let settings = Arc::new(parts.settings.clone());
    let signals: Arc<Signals> = Arc::default();
    // The local accounts, if all of them have to have a second factor.
    let is_required = settings.second_factor == SecondFactorRule::Required;
    let second_factor_of_all = parts.local_accounts.clone().filter(|_| is_required);
    let (access, authority) = Access::new(
        Arc::clone(&parts.store),
        Arc::clone(&parts.clock),
        settings.roles.clone(),
        Arc::clone(&signals) as _,
        second_factor_of_all,
        settings.broker.gives_tokens(),
    );
    let access = Arc::new(access);
    Context {
        privileges: Arc::new(Privileges::new(
            Arc::clone(&parts.store),
            Arc::clone(&access),
            Arc::clone(&settings),
            Arc::clone(&parts.spawner),
        )),
        audit: Arc::new(AuditTrail::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.random),
            settings.keep_addresses,
        )),
        store: Arc::clone(&parts.store),
        clock: Arc::clone(&parts.clock),
        random: Arc::clone(&parts.random),
        settings,
        access,
        authority,
        signals,
        ended: Arc::default(),
        metrics: Arc::default(),
        tasks: TaskTracker::new(),
        stopping: CancellationToken::new(),
    }
}

/// The hub: its three parts, and what it does by itself.
pub struct Hub {
    /// The people.
    pub people: Arc<People>,
    /// The broker of tokens.
    pub broker: Arc<Broker>,
    /// The servers.
    pub servers: Arc<Servers>,
    context: Context,
    spawner: Arc<dyn Spawner>,
    last_look: health::LastLook,
}

impl Deref for Hub {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

impl Hub {
    /// Puts a hub together, and gives the authority over it to whoever did. It does nothing by itself
    /// until [`Servers::resume`] and [`Hub::spawn_housekeeping`] are called.
    pub fn new(parts: Parts) -> (Arc<Self>, Authority) {
        let context = context_of(&parts);
        let keys = Arc::new(parts.keys);
        let people = People::new(
            context.clone(),
            parts.providers,
            parts.local_accounts,
            &keys,
        );
        let people = Arc::new(people);
        let broker = Arc::new(Broker::new(context.clone(), Arc::clone(&people), keys));
        let servers = Servers::new(
            context.clone(),
            Arc::clone(&people),
            Arc::clone(&broker),
            Arc::clone(&parts.spawner),
            parts.routes,
            parts.http,
        );
        let authority = context.authority.clone();
        let hub = Arc::new(Self {
            people,
            broker,
            servers: Arc::new(servers),
            context,
            spawner: parts.spawner,
            last_look: health::LastLook::default(),
        });
        (hub, authority)
    }

    /// Asks whether somebody may do something to what `name` names, and finds it.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] for who may do this to nothing at all; [`HubError::NotFound`] when it
    /// is not there, and for who may do it to something else.
    pub fn permit<'a: 'f, 'f, A: Action>(
        &'f self,
        by: impl Into<OnBehalfOf<'a>>,
        name: <A::On as Subject>::Name<'f>,
    ) -> BoxFuture<'f, Result<Permit<'a, A>, HubError>> {
        let answer = self.access.permit(by, name);
        Box::pin(async move { Ok(answer.await?) })
    }

    /// What the operator decided.
    pub fn settings(&self) -> &Settings {
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

    /// What callers must not reach by what they may do.
    pub fn privileges(&self) -> &Privileges {
        &self.privileges
    }

    /// What is on record.
    pub fn audit(&self) -> &AuditTrail {
        &self.audit
    }

    /// The sessions that have ended a short while ago.
    pub fn ended_sessions(&self) -> &Arc<EndedSessions> {
        &self.ended
    }

    /// Counters since the process began.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Cancelled when the hub shuts down; long answers end then.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
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
        self.audit.write_refusals(true).await;
    }
}
