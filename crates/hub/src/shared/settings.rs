//! What an operator decides about the hub, as the use cases need it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jansky_crypto::SignatureAlgorithm;
use jansky_model::{ProviderId, Secret};
use url::Url;

use crate::shared::audience::BrokerSettings;
use jansky_access::Roles;

/// Whether local accounts have a second factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondFactorRule {
    /// Nobody is asked for one.
    Off,
    /// Whoever has set it up is asked.
    #[default]
    Optional,
    /// Everybody has to set it up before they get anywhere.
    Required,
}

/// Whether people make local accounts themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignUpRule {
    /// Only administrators make accounts.
    #[default]
    Off,
    /// An administrator says yes or no to each.
    Approval,
    /// Whoever reaches the page gets an account at once.
    Open,
}

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

impl Default for IssuerSettings {
    fn default() -> Self {
        Self {
            key_lifetime: Duration::from_hours(30 * 24),
            algorithm: SignatureAlgorithm::Es256,
            clients: BTreeMap::new(),
        }
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

impl Default for NoLongerAllowed {
    fn default() -> Self {
        Self::Drain(Duration::from_mins(30))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base: "/".to_owned(),
            public_url: None,
            subdomain_host: None,
            api_url: "http://127.0.0.1:8000/hub/api".to_owned(),
            require_fetch_metadata: true,
            session_lifetime: Duration::from_hours(14 * 24),
            sign_in_timeout: Duration::from_mins(15),
            oauth_token_lifetime: Duration::from_hours(14 * 24),
            allow_named_servers: true,
            named_server_limit_per_user: 0,
            concurrent_spawn_limit: 100,
            active_server_limit: 0,
            start_timeout: Duration::from_mins(1),
            http_timeout: Duration::from_secs(30),
            call_patience: Duration::from_secs(10),
            poll_interval: Duration::from_secs(30),
            default_url: None,
            redirect_to_server: true,
            shutdown_on_sign_out: false,
            server_default_url: None,
            notebook_dir: None,
            local_title: "Local account".to_owned(),
            sign_in_attempts_per_minute: 10,
            minimum_password_length: 8,
            second_factor: SecondFactorRule::default(),
            sign_up: SignUpRule::default(),
            admin_users: BTreeSet::new(),
            prepared_accounts_from: None,
            issuer: IssuerSettings::default(),
            no_longer_allowed: NoLongerAllowed::default(),
            rights_refresh: Duration::from_mins(5),
            token_lifetime_at_start: Duration::from_mins(1),
            roles: Roles::default(),
            broker: BrokerSettings::default(),
            keep_addresses: Duration::from_hours(90 * 24),
            max_body_size: 1 << 20,
        }
    }
}

impl Settings {
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
