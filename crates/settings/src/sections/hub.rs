//! `[hub]`, `[database]` and `[session]`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use jansky_model::{ByteSize, ProviderId, UserName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::written;
use crate::notation::{DatabaseUrl, HttpUrl, Written};

/// The hub: where it listens, how people reach it and what they may do.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct Hub {
    /// The address and port on which Jansky listens, for browsers and for servers. With port 0 the
    /// system chooses a free one, which only suits trials: servers that outlive the hub then do not
    /// find it again.
    #[schemars(example = &"0.0.0.0:443")]
    pub bind: Written<SocketAddr>,

    /// The URL under which people reach the hub, with the base path if there is one.
    ///
    /// Identity providers send browsers back to this URL, so give it whenever people do not use the
    /// address in `bind`.
    #[schemars(extend("x-default" = "`subdomain_host`, or made from `bind`"), example = &"https://jupyter.example.org/")]
    pub public_url: Option<Written<HttpUrl>>,

    /// The URL of the hub's host, without a path, below which each person's servers get a host of their
    /// own: with `https://hub.example.org` those of river are at `https://river.hub.example.org`.
    ///
    /// Without it all servers are on the hub's origin, and whoever opens a page of somebody's server
    /// lets its owner use their own. Needed wherever people do not trust each other. DNS and
    /// certificate have to cover all names below the host. Servers that run when this is changed have to
    /// be started again.
    #[schemars(extend("x-default" = "none: one origin for all"), example = &"https://hub.example.org")]
    pub subdomain_host: Option<Written<HttpUrl>>,

    /// The URL under which single-user servers reach the API of the hub.
    ///
    /// Give it when servers run on other machines and cannot use the address in `bind`.
    #[schemars(extend("x-default" = "made from `bind`, or from `public_url` with TLS"), example = &"http://10.0.0.1:8000/hub/api")]
    pub api_url: Option<Written<HttpUrl>>,

    /// The directory in which Jansky keeps what it must not lose. Only its own account needs
    /// access to it.
    #[schemars(example = &"/srv/jansky")]
    pub data_dir: Written<PathBuf>,

    /// Whether people may have more than their one default server.
    #[schemars(example = false)]
    pub allow_named_servers: bool,

    /// How many named servers each person may have; 0 means any number.
    #[schemars(example = 3)]
    pub named_server_limit_per_user: u32,

    /// How many servers may be starting at the same time; further ones are asked to try again
    /// shortly. 0 means any number.
    #[schemars(example = 20)]
    pub concurrent_spawn_limit: u32,

    /// How many servers may run at the same time; 0 means any number.
    #[schemars(example = 200)]
    pub active_server_limit: u32,

    /// Where people land after signing in, as a path or URL. `{username}` is replaced.
    #[schemars(extend("x-default" = "their server or the home page, see `redirect_to_server`"), example = &"/hub/home")]
    pub default_url: Option<String>,

    /// Whether people land on their own server after signing in, if it is running. Otherwise, and with
    /// `false`, they land on the home page, where they can start it.
    #[schemars(example = false)]
    pub redirect_to_server: bool,

    /// Whether signing out stops the servers of the person.
    #[schemars(example = true)]
    pub shutdown_on_sign_out: bool,

    /// Whether servers are stopped when Jansky ends. Otherwise they keep running, and Jansky finds
    /// them again when it is started.
    #[schemars(example = true)]
    pub stop_servers_on_exit: bool,

    /// Whether browsers have to say how a request came about (Fetch Metadata, `Sec-Fetch-Mode`) before
    /// their cookie counts. Without it a page of somebody's server cannot be told from a person.
    ///
    /// All current browsers do, but only over https and on the machine itself. Somebody who comes in
    /// another way signs in and is then told why nothing is shown. With `false` they are served, and
    /// whoever owns a server that they open can do in their name what they could: only for people who
    /// trust each other.
    #[schemars(example = false)]
    pub require_fetch_metadata: bool,

    /// Whether `/hub/metrics` needs a token with the scope `read:metrics`.
    #[schemars(example = false)]
    pub authenticate_metrics: bool,

    /// The names of people who are administrators once they have signed in. They may come in
    /// whatever the rules of a provider say, unless it blocks them.
    ///
    /// The names count for every provider. Where there are several, a name counts for whoever comes
    /// with it first only from those in `prepared_accounts_from`. Prefer the `admin_groups` of a provider
    /// when several providers may know different people under the same name.
    #[schemars(extend("examples" = [["ada", "grace"]]))]
    pub admin_users: Vec<Written<UserName>>,

    /// The providers whose people may take over accounts that were made for them beforehand, over the
    /// API for instance, by signing in under that name for the first time; and who may come for the first
    /// time under a name of which this configuration speaks: in `admin_users`, and in `users` of a role and
    /// `allowed_users` of an audience.
    ///
    /// People of other providers are refused then, and told whom to ask. For a single account an
    /// administrator says it with `adopt_from` in the API. An empty list is for nobody.
    #[schemars(extend("x-default" = "the only provider, if there is one beside local accounts; nobody when there are several"), extend("examples" = [["keycloak"]]))]
    pub prepared_accounts_from: Option<Vec<Written<ProviderId>>>,

    /// What happens to the running servers of somebody whom a provider's rules no longer let in.
    ///
    /// In any case they lose groups, admin flag and tokens at once, can start nothing, and keep their
    /// files. Their sessions end at once, too, but with `drain`: then when the servers are stopped.
    #[schemars(example = NoLongerAllowed::Stop)]
    pub no_longer_allowed: NoLongerAllowed,

    /// How long the servers of such a person go on with `no_longer_allowed = "drain"`. The home page
    /// says until when.
    #[schemars(example = &"2h")]
    pub drain_timeout: Written<Duration>,

    /// How long the network addresses of people are kept in the audit trail. They say from where
    /// somebody signed in, tried to, or changed a right, and are about people, while the events
    /// themselves are kept for ever. With "0s" none is written down there; the log has them all the
    /// same.
    #[schemars(example = &"30d")]
    pub keep_addresses: Written<Duration>,

    /// The addresses of proxies in front of Jansky, from which `X-Forwarded-For`,
    /// `X-Forwarded-Proto` and `Forwarded` are believed.
    #[schemars(extend("examples" = [["10.0.0.0/8", "127.0.0.1"]]))]
    pub trusted_proxies: Vec<Written<IpNet>>,

    /// The largest form or call of the API that the hub takes. Larger ones are answered with 413. What is
    /// sent to people's servers has no limit.
    #[schemars(example = &"4 MiB")]
    pub max_body_size: Written<ByteSize>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            bind: written("127.0.0.1:8000"),
            public_url: None,
            subdomain_host: None,
            api_url: None,
            data_dir: written("/var/lib/jansky"),
            allow_named_servers: true,
            named_server_limit_per_user: 0,
            concurrent_spawn_limit: 100,
            active_server_limit: 0,
            default_url: None,
            redirect_to_server: true,
            shutdown_on_sign_out: false,
            stop_servers_on_exit: false,
            require_fetch_metadata: true,
            authenticate_metrics: true,
            admin_users: Vec::new(),
            prepared_accounts_from: None,
            no_longer_allowed: NoLongerAllowed::Drain,
            drain_timeout: written("30m"),
            keep_addresses: written("90d"),
            trusted_proxies: Vec::new(),
            max_body_size: written("1 MiB"),
        }
    }
}

/// What happens to the servers of somebody who may no longer come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum NoLongerAllowed {
    /// They go on, and nobody but an administrator can open them.
    Keep,
    /// They are stopped after `drain_timeout`, so that what is open can be saved.
    Drain,
    /// They are stopped at once.
    Stop,
}

/// The database with users, servers, sessions and tokens.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct Database {
    /// The URL of an SQLite file or of a PostgreSQL database, as text or, since it may hold a
    /// password, from a file or variable.
    #[schemars(extend("x-default" = "the file `jansky.sqlite` in `hub.data_dir`"), example = DATABASE_EXAMPLE)]
    pub url: Option<DatabaseUrl>,

    /// Lets several hubs run on one PostgreSQL at the same time, which is **not safe**: a server that one
    /// of them starts or stops is not known to the others, which may start it a second time or end it.
    /// It is for trials of everything else. Without it a second hub is refused at its start.
    #[schemars(example = true)]
    pub unsafe_several_processes: bool,
}

const DATABASE_EXAMPLE: &str = "postgres://jansky@db.example.org/jansky";

/// How long sign-ins and tokens are valid.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct Session {
    /// How long a person stays signed in without signing in again.
    #[schemars(example = &"12h")]
    pub lifetime: Written<Duration>,

    /// How long the tokens are valid that the hub gives to servers and services when a person opens
    /// them in a browser. It need not be longer than `lifetime`.
    #[schemars(example = &"12h")]
    pub token_lifetime: Written<Duration>,

    /// How long groups, the admin flag and the right to come in may be older than what the provider
    /// says, for people who are active: the provider is asked that often, or sooner when its token
    /// ends sooner; directories and Unix accounts, too. With "0s" only when the token ends.
    #[schemars(example = &"1m")]
    pub rights_refresh: Written<Duration>,

    /// How long the provider's token must at least be good for when a server starts; it is refreshed
    /// first if needed. With "0s" servers start without a look at it.
    ///
    /// Users with the scope `service-account` and those of providers that give nothing to refresh
    /// with can always start.
    #[schemars(example = &"5m")]
    pub token_lifetime_at_start: Written<Duration>,

    /// How long a person may take between "Sign in" and the return from the identity provider.
    #[schemars(example = &"5m")]
    pub sign_in_timeout: Written<Duration>,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            lifetime: written("14d"),
            token_lifetime: written("14d"),
            rights_refresh: written("5m"),
            token_lifetime_at_start: written("60s"),
            sign_in_timeout: written("15m"),
        }
    }
}
