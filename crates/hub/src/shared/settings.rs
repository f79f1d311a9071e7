//! What an operator decides about the hub, as the use cases need it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::time::Duration;

use jansky_crypto::SignatureAlgorithm;
use jansky_model::{ProviderId, Secret};
use jansky_settings::{Config, IssuerAlgorithm, Provider};
use url::Url;

use crate::shared::audience::BrokerSettings;
use jansky_access::Roles;

/// How long a call of the API waits for a start or a stop before it answers that it goes on.
const CALL_PATIENCE: Duration = Duration::from_secs(10);

pub use jansky_settings::{SecondFactor as SecondFactorRule, SignUp as SignUpRule};

/// What the operator decides about the issuer.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// How long a key signs before the next one does.
    pub key_lifetime: Duration,
    /// How tokens are signed.
    pub algorithm: SignatureAlgorithm,
    /// Those who may ask about tokens, and programs that may get some, by their client ids.
    pub clients: BTreeMap<String, IssuerClient>,
}

impl IssuerSettings {
    /// What a section says; clients have sections of their own.
    pub fn new(section: &jansky_settings::Issuer) -> Self {
        Self {
            key_lifetime: *section.key_lifetime,
            algorithm: match section.algorithm {
                IssuerAlgorithm::Es256 => SignatureAlgorithm::Es256,
                IssuerAlgorithm::Rs256 => SignatureAlgorithm::Rs256,
            },
            clients: BTreeMap::new(),
        }
    }
}

impl Default for IssuerSettings {
    fn default() -> Self {
        Self::new(&jansky_settings::Issuer::default())
    }
}

/// A client of the issuer: a service that asks about tokens, or a program on a command line.
#[derive(Clone, Debug, Default)]
pub struct IssuerClient {
    /// Its name for people.
    pub title: Option<String>,
    /// Its secrets, any of which is good. Without one it is a public client, which may ask people
    /// for a token and give its own back, and nothing else.
    pub secrets: Vec<Secret>,
}

/// The settings of a hub. The binary makes them from the configuration; tests make them directly.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// Path in front of everything, beginning and ending with `/`.
    pub base: String,
    /// Address at which people reach the hub, with `base`; `None` when only the request knows.
    pub public_url: Option<Url>,
    /// Where people's servers have hosts of their own below this one, which is the hub's: scheme, host
    /// and port. `None` when all share the hub's origin.
    pub subdomain_host: Option<Url>,
    /// Address of the REST API as single-user servers reach it, without a slash at the end.
    pub api_url: String,
    /// Whether the cookie of a browser counts only where the browser says how a request came about
    /// (Fetch Metadata).
    pub require_fetch_metadata: bool,
    /// How long a browser stays signed in.
    pub session_lifetime: Duration,
    /// How long a person may take at their provider.
    pub sign_in_timeout: Duration,
    /// How long a token lives that a server gets for a visitor.
    pub oauth_token_lifetime: Duration,
    /// Whether people may have servers beside their default one.
    pub allow_named_servers: bool,
    /// How many named servers one person may have; 0 for any number.
    pub named_server_limit_per_user: u64,
    /// How many servers may be starting at the same time.
    pub concurrent_spawn_limit: usize,
    /// How many servers may be active at the same time; 0 for any number.
    pub active_server_limit: usize,
    /// How long a spawner may take.
    pub start_timeout: Duration,
    /// How long a server may take to answer after its spawner is done.
    pub http_timeout: Duration,
    /// How long a call of the API waits for a start or a stop before it answers that it goes on.
    pub call_patience: Duration,
    /// How often running servers are looked at.
    pub poll_interval: Duration,
    /// Where a person lands after sign-in; `None` for the server or the home page.
    pub default_url: Option<String>,
    /// Whether `/hub/` leads to the person's server when it runs.
    pub redirect_to_server: bool,
    /// Whether signing out stops the person's servers.
    pub shutdown_on_sign_out: bool,
    /// Page inside a server on which people land, for example `/lab`.
    pub server_default_url: Option<String>,
    /// Folder that a server shows, for example `~/work`.
    pub notebook_dir: Option<String>,
    /// What people call local accounts.
    pub local_title: String,
    /// Sign-in attempts per minute for one name before it has to wait.
    pub sign_in_attempts_per_minute: u32,
    /// The shortest password that a local account may have, in characters.
    pub minimum_password_length: usize,
    /// Whether local accounts have a second factor.
    pub second_factor: SecondFactorRule,
    /// Whether people make local accounts themselves.
    pub sign_up: SignUpRule,
    /// Names that are admins whenever they sign in.
    pub admin_users: BTreeSet<String>,
    /// The providers whose people may take over accounts that were made beforehand, and names of which
    /// the configuration speaks. `None` for the only one that there is.
    pub prepared_accounts_from: Option<BTreeSet<ProviderId>>,
    /// How the hub issues tokens itself.
    pub issuer: IssuerSettings,
    /// What happens to the servers of somebody whom a provider's rules no longer let in.
    pub no_longer_allowed: NoLongerAllowed,
    /// How old the last word of a provider about somebody's rights may get while they are active;
    /// zero for as old as their token lives.
    pub rights_refresh: Duration,
    /// How long the token of the sign-in must be good for when a server starts; zero to start
    /// without a look at it.
    pub token_lifetime_at_start: Duration,
    /// The roles, beside those that every hub has.
    pub roles: Roles,
    /// What tokens servers can ask for.
    pub broker: BrokerSettings,
    /// How long the network addresses in the audit trail are kept; zero for not at all.
    pub keep_addresses: Duration,
    /// The largest body of a request that the hub reads, in bytes.
    pub max_body_size: usize,
}

/// What happens to the servers of somebody who may no longer come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoLongerAllowed {
    /// They go on, and end when they are culled or their work is done.
    Keep,
    /// They are stopped after this long, until which their owner can save what is open.
    Drain(Duration),
    /// They are stopped at once. Files are kept.
    Stop,
}

impl NoLongerAllowed {
    fn new(hub: &jansky_settings::Hub) -> Self {
        match hub.no_longer_allowed {
            jansky_settings::NoLongerAllowed::Keep => Self::Keep,
            jansky_settings::NoLongerAllowed::Drain => Self::Drain(*hub.drain_timeout),
            jansky_settings::NoLongerAllowed::Stop => Self::Stop,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(&Config::default())
    }
}

impl Settings {
    /// What the configuration says. Roles, audiences and clients are left out: their names have another
    /// form here, and some have secrets that are read first.
    pub fn new(config: &Config) -> Self {
        let Config { hub, session, .. } = config;
        let spawner = config.spawner.common();
        let mut providers = config.provider.values();
        let local = providers.find_map(|provider| match provider {
            Provider::Local(local) => Some(local.clone()),
            _ => None,
        });
        let local = local.unwrap_or_default();
        let has_address = hub.public_url.is_some() || hub.subdomain_host.is_some();
        let prepared = hub.prepared_accounts_from.as_ref();
        Self {
            base: config.base_path(),
            public_url: has_address.then(|| config.public_url()),
            subdomain_host: hub
                .subdomain_host
                .as_ref()
                .map(|written| written.get().deref().clone()),
            api_url: config.api_url(),
            require_fetch_metadata: hub.require_fetch_metadata,
            session_lifetime: *session.lifetime,
            sign_in_timeout: *session.sign_in_timeout,
            oauth_token_lifetime: *session.token_lifetime,
            allow_named_servers: hub.allow_named_servers,
            named_server_limit_per_user: hub.named_server_limit_per_user.into(),
            concurrent_spawn_limit: hub.concurrent_spawn_limit as usize,
            active_server_limit: hub.active_server_limit as usize,
            start_timeout: **spawner.start_timeout,
            http_timeout: **spawner.http_timeout,
            call_patience: CALL_PATIENCE,
            poll_interval: **spawner.poll_interval,
            default_url: hub.default_url.clone(),
            redirect_to_server: hub.redirect_to_server,
            shutdown_on_sign_out: hub.shutdown_on_sign_out,
            server_default_url: spawner.default_url.map(str::to_owned),
            notebook_dir: spawner.notebook_dir.map(str::to_owned),
            local_title: local.title,
            sign_in_attempts_per_minute: local.attempts_per_minute,
            minimum_password_length: local.minimum_password_length as usize,
            second_factor: local.second_factor,
            sign_up: local.sign_up,
            admin_users: hub.admin_users.iter().map(ToString::to_string).collect(),
            prepared_accounts_from: prepared
                .map(|ids| ids.iter().map(|id| id.get().clone()).collect()),
            issuer: IssuerSettings::new(&config.issuer),
            no_longer_allowed: NoLongerAllowed::new(hub),
            rights_refresh: *session.rights_refresh,
            token_lifetime_at_start: *session.token_lifetime_at_start,
            roles: Roles::default(),
            broker: BrokerSettings::new(&config.broker),
            keep_addresses: *hub.keep_addresses,
            max_body_size: hub.max_body_size.as_usize(),
        }
    }

    /// The prefix of the hub's own pages, for example `/hub/`.
    pub fn hub_prefix(&self) -> String {
        format!("{}hub/", self.base)
    }

    /// The address of the broker as servers reach it, for example
    /// `http://127.0.0.1:8000/hub/broker/v1/`.
    pub fn broker_url(&self) -> String {
        let api = self.api_url.trim_end_matches('/');
        let hub = api.strip_suffix("/api").unwrap_or(api);
        format!("{hub}/broker/v1/")
    }

    /// The addresses under which an endpoint of the broker can be reached: the one for servers and
    /// the one for everybody.
    pub(crate) fn broker_addresses(&self, endpoint: &str) -> Vec<String> {
        let own = format!("{}{endpoint}", self.broker_url());
        let path = format!("{}broker/v1/{endpoint}", self.hub_prefix());
        let public = self
            .public_url
            .as_ref()
            .and_then(|url| url.join(&path).ok());
        std::iter::once(own)
            .chain(public.map(String::from))
            .collect()
    }

    /// Whether a browser has to say how its requests come about, because pages of people's servers
    /// could have made them.
    pub const fn needs_fetch_metadata(&self) -> bool {
        self.require_fetch_metadata && self.subdomain_host.is_none()
    }

    /// Whether browsers reach the hub over TLS, so that cookies must be `Secure`.
    pub fn is_public_secure(&self) -> bool {
        self.public_url
            .as_ref()
            .is_some_and(|url| url.scheme() == "https")
    }
}
