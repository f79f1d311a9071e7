//! From the configuration to the parts of a hub.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context as _;
use jansky_config::{
    AdmissionKeys, AudienceSource, Config, GithubProvider, OidcProvider, Provider, SecretSource,
    UsernameCase,
};
use jansky_crypto::{Random, SystemRandom};
use jansky_hub::{
    AdmissionRules, Audience, AudienceRules, Authority, ConfiguredProvider, Hub, IssuerClient,
    Parts, Role, Roles, RouteTable, ServiceClient, Settings, SignOutAtProvider, Source,
};
use jansky_identity::claim_rules::{EntitlementRules, GroupRules, HomeRules, NameRules};
use jansky_identity::oidc::{ClientKey, OidcKind, OidcSettings};
use jansky_identity::{
    GitHub, GitHubSettings, HeaderProvider, HeaderSettings, LdapProvider, PamProvider, PamSettings,
};
use jansky_model::name::group_name;
use jansky_model::{Clock, ProviderId, Secret, UserName};
use jansky_store::{DatabaseLock, Store};

use crate::authorities;
use crate::cli;
use crate::directory;
use crate::files::{self, make_private_dir};
use crate::spawners::{spawner, tokens};

/// The claim with the user name of GitHub.
const GITHUB_NAME: &str = "login";

/// The setting in the database that tells this hub from others on the same machine.
const INSTANCE: &str = "instance";

/// How many hexadecimal digits that has.
const INSTANCE_LENGTH: usize = 12;

/// Opens the database, making the data directory if needed.
///
/// What comes with it keeps other hubs from the database, unless several may use it.
pub(crate) async fn open_store(
    config: &Config,
) -> anyhow::Result<(Arc<Store>, Option<DatabaseLock>)> {
    make_private_dir(&config.hub.data_dir)?;
    let url = config
        .database_url()
        .context("database.url cannot be read")?;
    let opened = if config.database.unsafe_several_processes {
        let store = Store::open(url.expose()).await;
        store.map(|store| (store, None))
    } else {
        let opened = Store::open_alone(url.expose(), &ourselves()).await;
        opened.map(|(store, hold)| (store, Some(hold)))
    };
    let (store, hold) = opened.with_context(|| match sqlite_file(&url) {
        Some(path) => format!("the database `{path}` cannot be used"),
        // Its URL may hold a password.
        None => "the database that `database.url` names cannot be used".to_owned(),
    })?;
    Ok((Arc::new(store), hold))
}

/// What another hub is told that finds the database in use.
fn ourselves() -> String {
    let machine = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let mut text = format!("jansky, process {} on {machine}", std::process::id());
    // PostgreSQL takes no more as the name of a connection.
    text.truncate(text.floor_char_boundary(63));
    text
}

/// The file of a database that is one.
pub(crate) fn sqlite_file(url: &Secret) -> Option<&str> {
    url.expose().strip_prefix("sqlite://")
}

/// Whether a text may be the id by which a hub knows what it has started.
pub(crate) fn is_instance(text: &str) -> bool {
    text.len() == INSTANCE_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Makes a hub on an open database, with the authority over it.
pub(crate) async fn hub(
    config: &Config,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    routes: Arc<dyn RouteTable>,
) -> anyhow::Result<(Arc<Hub>, Authority)> {
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let instance = store
        .put_setting_if_absent(INSTANCE, &random.hex_id()[..INSTANCE_LENGTH])
        .await?;
    let tokens = tokens(config);
    let spawner = spawner(config, &instance, &tokens)?;
    let providers = providers(config, &clock)?;
    let local_accounts = config
        .provider
        .iter()
        .find_map(|(id, provider)| matches!(provider, Provider::Local(_)).then(|| id.clone()));
    let http = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .context("could not make an HTTP client")?;
    let (hub, authority) = Hub::new(Parts {
        store,
        clock,
        random,
        spawner,
        routes,
        providers,
        local_accounts,
        keys: files::sealing_keys(&config.hub.data_dir, &SystemRandom)?,
        settings: settings(config)?,
        http,
    });
    tokens.serve_from(&hub.servers);
    Ok((hub, authority))
}

fn settings(config: &Config) -> anyhow::Result<Settings> {
    let mut settings = Settings::new(config);
    settings.roles = roles(config);
    let audiences = config.audience.iter().map(|(id, it)| audience(id, it));
    settings.broker.audiences = audiences.collect::<anyhow::Result<_>>()?;
    settings.issuer.clients = issuer_clients(config)?;
    Ok(settings)
}

fn audience(id: &ProviderId, audience: &jansky_config::Audience) -> anyhow::Result<Audience> {
    let provider = audience.provider.as_ref().map(|id| id.get().clone());
    let or_id = |given: &Option<String>| given.clone().unwrap_or_else(|| id.to_string());
    let source = match audience.source {
        AudienceSource::Jansky => Source::Jansky {
            audience: or_id(&audience.audience),
            lifetime: *audience.lifetime,
        },
        AudienceSource::Login => Source::Login {
            provider,
            audience: audience.audience.clone(),
        },
        AudienceSource::Exchange => Source::Exchange {
            provider,
            audience: or_id(&audience.audience),
        },
        AudienceSource::IdentityBroker => Source::IdentityBroker {
            provider,
            alias: or_id(&audience.alias),
            mode: audience.mode,
        },
        AudienceSource::Service => Source::Service {
            provider,
            service: or_id(&audience.service),
        },
        AudienceSource::ClientCredentials => Source::ClientCredentials {
            provider,
            audience: audience.audience.clone(),
            client: service_client(id, audience)?,
        },
    };
    let names = audience.allowed_users.iter().map(ToString::to_string);
    Ok(Audience {
        id: id.to_string(),
        title: audience.title.clone().unwrap_or_else(|| id.to_string()),
        source,
        scopes: audience.scopes.clone(),
        rules: AudienceRules {
            allow_all: audience.allow_all,
            allowed_users: names.collect(),
            allowed_groups: group_names(&audience.allowed_groups),
            server_options: audience
                .server_options
                .iter()
                .map(|(key, values)| (key.clone(), values.iter().cloned().collect()))
                .collect(),
        },
        shared: audience.shared,
        token_file: audience.token_file,
    })
}

fn service_client(
    id: &ProviderId,
    audience: &jansky_config::Audience,
) -> anyhow::Result<Option<ServiceClient>> {
    let (Some(client), Some(secret)) = (&audience.client_id, &audience.client_secret) else {
        return Ok(None);
    };
    let secrets = secret
        .read()
        .with_context(|| format!("audience.{id}.client_secret cannot be read"))?;
    Ok(Some(ServiceClient {
        id: client.clone(),
        secrets,
    }))
}

/// The shortest secret that a client of the issuer may have, in characters: it is never typed.
const SHORTEST_SECRET: usize = 20;

fn issuer_clients(config: &Config) -> anyhow::Result<BTreeMap<String, IssuerClient>> {
    let mut clients = BTreeMap::new();
    for (id, client) in &config.client {
        let secrets = match &client.secret {
            Some(secret) => secret
                .read()
                .with_context(|| format!("client.{id}.secret cannot be read"))?,
            None => Vec::new(),
        };
        let too_short = |secret: &Secret| secret.expose().chars().count() < SHORTEST_SECRET;
        anyhow::ensure!(
            !secrets.iter().any(too_short),
            "client.{id}.secret is shorter than {SHORTEST_SECRET} characters; make a random one, \
             for example with `openssl rand -hex 32`"
        );
        let title = client.title.clone();
        clients.insert(id.to_string(), IssuerClient { title, secrets });
    }
    Ok(clients)
}

/// The roles that the configuration names.
pub(crate) fn roles(config: &Config) -> Roles {
    let roles = config.role.iter().map(|(name, role)| {
        let role = Role {
            scopes: role
                .scopes
                .iter()
                .map(|scope| with_group_name(scope))
                .collect(),
            users: role.users.iter().map(ToString::to_string).collect(),
            groups: group_names(&role.groups),
        };
        (name.clone(), role)
    });
    Roles(roles.collect())
}

/// Names of groups in the form in which the hub keeps them.
pub(crate) fn group_names(names: &[String]) -> BTreeSet<String> {
    names.iter().map(|name| group_name(name)).collect()
}

/// A scope whose filter names a group in the form in which the hub keeps it.
fn with_group_name(scope: &str) -> String {
    match scope.split_once("!group=") {
        Some((scope, group)) => format!("{scope}!group={}", group_name(group)),
        None => scope.to_owned(),
    }
}

/// Makes the providers, local accounts left out, in the order of their ids.
pub(crate) fn providers(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Vec<ConfiguredProvider>> {
    let mut providers = Vec::new();
    for (id, provider) in &config.provider {
        let http = || authorities::http_client(id, provider);
        if let Some(oidc) = provider.oidc() {
            let settings = oidc_settings(id, oidc, oidc_kind(provider))?;
            let made = jansky_identity::OidcProvider::new(settings, http()?, Arc::clone(clock))
                .with_context(|| format!("provider.{id} cannot be used"))?;
            providers.push(ConfiguredProvider {
                provider: Arc::new(made),
                rules: rules(config, provider),
                callback_url: as_written(oidc.callback_url.as_ref()),
                auto_login: oidc.auto_login,
                hint_parameters: oidc.hint_parameters.clone(),
                client_id: oidc.client_id.clone(),
                widens_logout: oidc.logout_ends_all_sessions,
                sign_out: oidc.sign_out,
            });
        }
        if let Provider::Github(github) = provider {
            let secrets = github.client_secret.read();
            let settings = GitHubSettings {
                id: id.clone(),
                section: GithubProvider::clone(github),
                client_secrets: secrets
                    .with_context(|| format!("provider.{id}.client_secret cannot be read"))?,
            };
            let made = GitHub::new(settings, http()?, Arc::clone(clock));
            providers.push(ConfiguredProvider {
                provider: Arc::new(made),
                rules: rules(config, provider),
                callback_url: as_written(github.callback_url.as_ref()),
                auto_login: github.auto_login,
                hint_parameters: github.hint_parameters.clone(),
                client_id: github.client_id.clone(),
                widens_logout: false,
                sign_out: SignOutAtProvider::Hub,
            });
        }
        if let Provider::Pam(pam) = provider {
            let made = PamProvider::new(PamSettings {
                id: id.clone(),
                section: jansky_config::PamProvider::clone(pam),
                helper: cli::ourselves(cli::PAM),
            });
            providers.push(ConfiguredProvider::new(
                Arc::new(made),
                rules(config, provider),
            ));
        }
        if let Provider::Ldap(ldap) = provider {
            let made = LdapProvider::new(directory::settings(
                id,
                ldap,
                authorities::of(id, provider)?,
            )?);
            providers.push(ConfiguredProvider::new(
                Arc::new(made),
                rules(config, provider),
            ));
        }
        if let Provider::Header(header) = provider {
            let secret = header.secret.as_ref().map(SecretSource::read).transpose();
            let settings = HeaderSettings {
                id: id.clone(),
                section: jansky_config::HeaderProvider::clone(header),
                secret: secret.with_context(|| format!("provider.{id}.secret cannot be read"))?,
            };
            let made = HeaderProvider::new(settings)
                .map_err(|wrong| anyhow::anyhow!("provider.{id}.{wrong}"))?;
            providers.push(ConfiguredProvider {
                auto_login: header.auto_login,
                ..ConfiguredProvider::new(Arc::new(made), rules(config, provider))
            });
        }
    }
    Ok(providers)
}

fn as_written(url: Option<&jansky_config::Written<jansky_config::HttpUrl>>) -> Option<String> {
    url.map(|url| url.as_written().to_owned())
}

fn oidc_kind(provider: &Provider) -> OidcKind {
    match provider {
        Provider::Keycloak(_) => OidcKind::Keycloak,
        Provider::IndigoIam(_) => OidcKind::IndigoIam,
        Provider::Globus(_) => OidcKind::Globus,
        Provider::Google(_) => OidcKind::Google,
        Provider::Cilogon(_) => OidcKind::CiLogon,
        Provider::EgiCheckin(_) => OidcKind::EgiCheckin,
        _ => OidcKind::Generic,
    }
}

/// What the section says, with the secrets and the key that it names.
fn oidc_settings(
    id: &ProviderId,
    oidc: &OidcProvider,
    kind: OidcKind,
) -> anyhow::Result<OidcSettings> {
    let mut settings = OidcSettings::of(id.clone(), oidc.clone());
    settings.kind = kind;
    if let Some(secrets) = &oidc.client_secret {
        settings.client_secrets = secrets
            .read()
            .with_context(|| format!("provider.{id}.client_secret cannot be read"))?;
    }
    if let Some(source) = &oidc.client_key {
        let pem = source
            .read()
            .with_context(|| format!("provider.{id}.client_key cannot be read"))?;
        let key = ClientKey::from_pem(&pem, oidc.client_key_id.clone(), Arc::new(SystemRandom))
            .with_context(|| format!("provider.{id}.client_key cannot be used"))?;
        settings.client_key = Some(key);
    }
    let events = oidc.security_events.as_ref();
    if let Some(source) = events.and_then(|events| events.authorization.as_ref()) {
        let authorization = source.read().with_context(|| {
            format!("provider.{id}.security_events.authorization cannot be read")
        })?;
        settings.events_authorization = Some(authorization);
    }
    Ok(settings)
}

/// The rules for those who come from a provider.
pub(crate) fn rules(config: &Config, provider: &Provider) -> AdmissionRules {
    let mut rules = admission_rules(config, provider);
    if let Some(oidc) = provider.oidc() {
        rules.groups = GroupRules {
            absent_is_none: matches!(provider, Provider::Keycloak(_)),
            ..group_rules(oidc)
        };
        rules.home = home_rules(oidc);
    } else {
        rules.groups.claims = vec!["groups".to_owned()];
    }
    if let Provider::Header(header) = provider {
        rules.groups.separator = Some(header.groups_separator.clone());
    }
    if let Provider::Github(github) = provider {
        rules.home.hosted_domains.clone_from(&github.hosted_domains);
    }
    rules
}

/// How the names of users are made.
fn name_rules(provider: &Provider, keys: &AdmissionKeys) -> NameRules {
    let usual = NameRules::default();
    let map = keys.username_map.iter();
    NameRules {
        claim: match provider {
            Provider::Github(_) => GITHUB_NAME.to_owned(),
            _ => provider
                .oidc()
                .map_or(usual.claim, |oidc| oidc.username_claim.clone()),
        },
        keeps_case: keys.username_case == UsernameCase::Keep,
        domain: keys.username_domain.clone(),
        map: map
            .map(|(said, name)| (said.clone(), UserName::clone(name)))
            .collect(),
    }
}

/// The rules that all providers have.
fn admission_rules(config: &Config, provider: &Provider) -> AdmissionRules {
    let Some(keys) = provider.admission() else {
        return AdmissionRules::default();
    };
    let names = |names: &[jansky_config::Written<UserName>]| {
        let mut all: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
        // A rule that names `River` means the account `river`, unless names keep their case; and
        // whatever the spelling is, the one that names have at a sign-in.
        let form = match keys.username_case {
            UsernameCase::Lower => UserName::normalize,
            UsernameCase::Keep => UserName::compose,
        };
        let meant = names.iter().filter_map(|name| form(name.as_str()).ok());
        all.extend(meant.map(|name| name.to_string()));
        all
    };
    let mut allowed_users = names(&keys.allowed_users);
    allowed_users.extend(names(&config.hub.admin_users));
    AdmissionRules {
        allow_all: keys.allow_all,
        allowed_users,
        allowed_groups: keys.allowed_groups.iter().cloned().collect(),
        blocked_users: names(&keys.blocked_users),
        admin_groups: keys.admin_groups.iter().cloned().collect(),
        name: name_rules(provider, keys),
        groups: GroupRules::default(),
        home: HomeRules::default(),
    }
}

fn group_rules(oidc: &OidcProvider) -> GroupRules {
    let all =
        |texts: &Option<jansky_config::Texts>| texts.as_ref().map(|texts| texts.all().to_vec());
    let namespaces = all(&oidc.entitlement_namespace);
    GroupRules {
        claims: oidc.groups_claim.all().to_vec(),
        separator: oidc.groups_separator.clone(),
        entitlements: namespaces.map(|namespaces| EntitlementRules {
            namespaces,
            authorities: all(&oidc.entitlement_authority).unwrap_or_default(),
        }),
        absent_is_none: false,
    }
}

fn home_rules(oidc: &OidcProvider) -> HomeRules {
    HomeRules {
        hosted_domains: oidc.hosted_domains.clone(),
        hosted_domain_claim: oidc.hosted_domain_claim.clone(),
        identity_providers: oidc.identity_providers.clone(),
        identity_provider_claim: oidc.identity_provider_claim.clone(),
    }
}
