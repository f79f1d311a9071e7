//! What tokens can be asked for, how they are obtained and who may have them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jansky_identity::ServiceClient;
use jansky_model::ProviderId;
use jansky_store::{Server, User};

/// Something that takes tokens: a service, an archive, an issuer's API.
#[derive(Clone, Debug)]
pub struct Audience {
    /// Its name here.
    pub id: String,
    /// Its name for people.
    pub title: String,
    /// How tokens for it are obtained.
    pub source: Source,
    /// The scopes that may be asked for; who names none gets all of them.
    pub scopes: Vec<String>,
    /// Who may have tokens for it.
    pub rules: AudienceRules,
    /// Whether tokens are given to a server that is shared with others, too.
    pub shared: bool,
    /// Whether the agent keeps a token for it in the file that `BEARER_TOKEN_FILE` names.
    pub token_file: bool,
}

/// How the tokens of an audience are obtained.
///
/// Where `provider` is `None`, it is the one with which the person signed in.
#[derive(Clone, Debug)]
pub enum Source {
    /// Jansky itself issues them.
    Jansky {
        /// What stands in `aud`.
        audience: String,
        /// How long each is valid.
        lifetime: Duration,
    },
    /// The access token that the provider gave at sign-in, as it is; with the provider of a linked
    /// identity, that one's.
    Login {
        /// The provider.
        provider: Option<ProviderId>,
        /// What must stand in `aud`, if the token is a JWT and this is to be checked.
        audience: Option<String>,
    },
    /// Token exchange (RFC 8693) at the provider.
    Exchange {
        /// The provider.
        provider: Option<ProviderId>,
        /// The name of the service at the provider.
        audience: String,
    },
    /// A token of an identity provider behind Keycloak.
    IdentityBroker {
        /// The Keycloak.
        provider: Option<ProviderId>,
        /// What the provider behind it is called there.
        alias: String,
        /// Which of Keycloak's ways is used.
        mode: BrokerMode,
    },
    /// A token of its own for one service, with a refresh token of its own, as Globus has them.
    Service {
        /// The provider.
        provider: Option<ProviderId>,
        /// The service: `resource_server` at Globus.
        service: String,
    },
    /// Client credentials of the hub: a service account, the same for everybody.
    ClientCredentials {
        /// The provider.
        provider: Option<ProviderId>,
        /// The name of the service at the provider, if it wants one.
        audience: Option<String>,
        /// The service account, if it is another client than the one with which people sign in.
        client: Option<ServiceClient>,
    },
}

pub use jansky_settings::IdentityBrokerMode as BrokerMode;

impl Source {
    /// The source in one word, as the configuration and the audit trail have it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Jansky { .. } => "jansky",
            Self::Login { .. } => "login",
            Self::Exchange { .. } => "exchange",
            Self::IdentityBroker { .. } => "identity-broker",
            Self::Service { .. } => "service",
            Self::ClientCredentials { .. } => "client-credentials",
        }
    }
}

/// Who may have the tokens of an audience, and on which servers. Without any rule nobody may.
#[derive(Clone, Debug, Default)]
pub struct AudienceRules {
    /// Everybody.
    pub allow_all: bool,
    /// These users.
    pub allowed_users: BTreeSet<String>,
    /// Members of these groups.
    pub allowed_groups: BTreeSet<String>,
    /// Only on servers that were started with one of these values for each of these options.
    pub server_options: BTreeMap<String, BTreeSet<String>>,
}

impl AudienceRules {
    /// Whether somebody may, on a server that fits.
    pub fn allow(&self, user: &User, groups: &[String]) -> bool {
        self.allow_all
            || self.allowed_users.contains(user.name.as_str())
            || groups
                .iter()
                .any(|group| self.allowed_groups.contains(group))
    }

    /// Whether a server fits. Where there is none, as on a command line, only an audience that asks
    /// for no options does.
    pub fn fit(&self, server: Option<&Server>) -> bool {
        self.server_options.iter().all(|(key, values)| {
            let option = server.and_then(|server| server.user_options.get(key)?.as_str());
            option.is_some_and(|option| values.contains(option))
        })
    }
}

/// What an operator decides about the broker.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// What tokens can be asked for.
    pub audiences: Vec<Audience>,
    /// How many tokens the servers of one person may ask for in a minute.
    pub requests_per_minute: u32,
    /// JupyterHub's `TokenExchangeAuthenticator`: the path below the hub at which a server reads its
    /// user's tokens with its own token; `None` switches it off.
    pub local_user_exposed_path: Option<String>,
    /// Whether `GET /hub/api/users/{name}` shows access tokens in `auth_state` to who holds
    /// `admin:auth_state`.
    pub auth_state: bool,
}

impl BrokerSettings {
    /// What a section says; audiences have sections of their own.
    pub fn new(section: &jansky_settings::Broker) -> Self {
        Self {
            audiences: Vec::new(),
            requests_per_minute: section.requests_per_minute,
            local_user_exposed_path: section.local_user_exposed_path.clone(),
            auth_state: section.auth_state,
        }
    }

    /// Whether servers get tokens at all.
    pub const fn gives_tokens(&self) -> bool {
        !self.audiences.is_empty() || self.local_user_exposed_path.is_some()
    }
}

impl Default for BrokerSettings {
    fn default() -> Self {
        Self::new(&jansky_settings::Broker::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn river() -> User {
        User {
            id: jansky_model::UserId(1),
            name: "river".parse().expect("a valid name"),
            admin: true,
            created_at: jansky_model::Timestamp::from_seconds(0),
            last_activity_at: None,
        }
    }

    #[test]
    fn without_a_rule_nobody_gets_tokens_not_even_an_admin() {
        let crew = ["crew".to_owned()];
        let rules = |change: fn(&mut AudienceRules)| {
            let mut rules = AudienceRules::default();
            change(&mut rules);
            rules.allow(&river(), &crew)
        };

        assert!(!rules(|_| {}));
        assert!(rules(|rules| rules.allow_all = true));
        assert!(rules(|rules| {
            rules.allowed_users.insert("river".to_owned());
        }));
        assert!(rules(|rules| {
            rules.allowed_groups.insert("crew".to_owned());
        }));
        assert!(!rules(|rules| {
            rules.allowed_groups.insert("river".to_owned());
            rules.allowed_users.insert("crew".to_owned());
        }));
    }
}
