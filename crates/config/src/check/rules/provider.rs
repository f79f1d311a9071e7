//! Rules of `[provider.<id>]`.

use std::collections::{BTreeMap, BTreeSet};

use jansky_model::{ProviderId, UserName};

use super::Rules;
use jansky_settings::notation::{HttpUrl, Written};
use jansky_settings::{
    AdmissionKeys, ClaimsSource, ClientAuthentication, Config, GithubProvider, HeaderProvider,
    LdapProvider, LocalProvider, OidcProvider, PROTOCOL_PARAMETERS, PamProvider, Provider, RunAs,
    SignUp, Spawner, UsernameCase,
};

pub(super) fn check(config: &Config, rules: &mut Rules<'_, '_>) {
    if config.provider.is_empty() {
        rules.error(
            &["provider"],
            "no way to sign in",
            "add a section such as [provider.local] with kind = \"local\"",
        );
    }
    among_each_other(&config.provider, rules);
    for (id, provider) in &config.provider {
        if let Some(oidc) = provider.oidc() {
            let mut one = Examined { id, oidc, rules };
            one.urls();
            one.credentials();
            one.requests();
            one.claims();
            one.security_events();
            domains(id, &oidc.hosted_domains, rules);
        }
        match provider {
            Provider::Github(github) => {
                github_requests(id, github, rules);
                domains(id, &github.hosted_domains, rules);
            }
            Provider::Header(header) => header_trust(id, header, rules),
            Provider::Pam(pam) => pam_service(id, pam, rules),
            Provider::Ldap(ldap) => directory(id, ldap, rules),
            Provider::Local(local) => sign_up(id, local, config, rules),
            _ => {}
        }
        if let Some(keys) = provider.admission() {
            name_rules(id, keys, rules);
            admission(id, keys, config, rules);
        }
    }
}

fn among_each_other(providers: &BTreeMap<ProviderId, Provider>, rules: &mut Rules<'_, '_>) {
    let mut clients = BTreeMap::new();
    let mut local: Option<&ProviderId> = None;
    let mut automatic: Option<&ProviderId> = None;
    for (id, provider) in providers {
        if let Provider::Local(_) = provider {
            if let Some(first) = local {
                rules.error(
                    &["provider", id.as_str(), "kind"],
                    &format!("a second provider of local accounts, after `provider.{first}`"),
                    "all local accounts are in one provider; remove one of the two",
                );
            }
            local = Some(id);
        }
        if let Some(client) = client(provider)
            && let Some(first) = clients.insert(client, id)
        {
            rules.error(
                &["provider", id.as_str(), "client_id"],
                &format!("the issuer and client of `provider.{first}`"),
                "give each provider its own client, or remove one of the two",
            );
        }
        if provider.auto_login()
            && let Some(first) = automatic.replace(id)
        {
            rules.error(
                &["provider", id.as_str(), "auto_login"],
                &format!("a second automatic provider, after `provider.{first}`"),
                "only one provider can have `auto_login`",
            );
        }
    }
}

/// Where a provider is and what we are called there.
fn client(provider: &Provider) -> Option<(&str, &str)> {
    if let Provider::Github(github) = provider {
        return Some((github.url.as_written(), &github.client_id));
    }
    let oidc = provider.oidc()?;
    Some((oidc.issuer.as_written(), &oidc.client_id))
}

/// Two people must not get one name.
fn name_rules(id: &ProviderId, keys: &AdmissionKeys, rules: &mut Rules<'_, '_>) {
    if let Some(domain) = keys.username_domain.as_ref().filter(|it| !is_domain(it)) {
        rules.error(
            &["provider", id.as_str(), "username_domain"],
            &format!("`{domain}`, which is not a domain"),
            "write what follows the \"@\", such as \"example.org\"",
        );
    }
    let mut given: BTreeMap<&str, &str> = BTreeMap::new();
    let mut said: BTreeMap<String, &str> = BTreeMap::new();
    for (key, name) in &keys.username_map {
        if let Some(first) = given.insert(name.as_str(), key) {
            rules.error(
                &["provider", id.as_str(), "username_map", key],
                &format!("`{}`, the name of `{first}`", name.as_str()),
                "give each person a name of their own",
            );
        }
        let compared = match keys.username_case {
            UsernameCase::Lower => key.trim().to_lowercase(),
            UsernameCase::Keep => key.trim().to_owned(),
        };
        if let Some(first) = said.insert(compared, key) {
            rules.error(
                &["provider", id.as_str(), "username_map", key],
                &format!("a name that is the same as `{first}`"),
                "remove one of the two: case does not count unless `username_case` is \"keep\"",
            );
        }
    }
}

fn is_domain(text: &str) -> bool {
    let is_in = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let mut parts = text.split('.');
    parts.all(|part| !part.is_empty() && part.chars().all(is_in))
}

/// What is no domain matches nobody.
fn domains(id: &ProviderId, domains: &[String], rules: &mut Rules<'_, '_>) {
    for domain in domains.iter().filter(|domain| !is_domain(domain)) {
        rules.error(
            &["provider", id.as_str(), "hosted_domains"],
            &format!("`{domain}`, which is not a domain"),
            "write what follows the \"@\", such as \"example.org\"",
        );
    }
}

fn github_requests(id: &ProviderId, github: &GithubProvider, rules: &mut Rules<'_, '_>) {
    let urls = [
        ("url", Some(&github.url)),
        ("api_url", github.api_url.as_ref()),
    ];
    for (key, url) in urls {
        if url.is_some_and(|url| url.scheme() != "https" && !url.is_loopback()) {
            rules.error(
                &["provider", id.as_str(), key],
                "a URL with http that is not of this machine",
                "use https",
            );
        }
    }
    let added = github.extra_authorize_parameters.keys();
    for name in added.chain(&github.hint_parameters) {
        if PROTOCOL_PARAMETERS.contains(&name.as_str()) {
            rules.error(
                &["provider", id.as_str()],
                &format!("the parameter `{name}`"),
                "remove it: it is a part of the protocol that Jansky sets itself",
            );
        }
    }
    if github.admission.name_groups() && !github.scopes.iter().any(|scope| scope == "read:org") {
        rules.error(
            &["provider", id.as_str(), "scopes"],
            "rules that name groups, and scopes without `read:org`",
            "add \"read:org\": without it GitHub does not tell organizations and teams",
        );
    }
    let tells_address = |scope: &String| scope == "user:email" || scope == "user";
    if !github.hosted_domains.is_empty() && !github.scopes.iter().any(tells_address) {
        rules.error(
            &["provider", id.as_str(), "scopes"],
            "`hosted_domains`, and scopes without `user:email`",
            "add \"user:email\": without it GitHub does not tell the verified address",
        );
    }
}

fn header_trust(id: &ProviderId, header: &HeaderProvider, rules: &mut Rules<'_, '_>) {
    let names = [
        ("user_header", Some(&header.user_header)),
        ("secret_header", Some(&header.secret_header)),
        ("email_header", header.email_header.as_ref()),
        ("groups_header", header.groups_header.as_ref()),
    ];
    for (key, name) in names {
        if let Some(name) = name.filter(|name| !is_header_name(name)) {
            rules.error(
                &["provider", id.as_str(), key],
                &format!("`{name}`, which is not the name of a header"),
                "write letters, digits and \"-\", such as \"X-Remote-User\"",
            );
        }
    }
    let mut networks = header.trusted_addresses.iter();
    if header.secret.is_none() && networks.any(|network| holds_this_machine(network)) {
        rules.error(
            &["provider", id.as_str(), "secret"],
            "nothing, and this machine in `trusted_addresses`",
            "add a secret that the proxy sends along: people's servers run on this machine, and \
             each of them could sign in as anybody",
        );
    }
    if header.admission.name_groups() && header.groups_header.is_none() {
        rules.error(
            &["provider", id.as_str(), "groups_header"],
            "nothing, and rules that name groups",
            "name the header in which the proxy sends groups",
        );
    }
}

/// Whoever signs up chooses a name; on Unix accounts that would be to choose an account.
fn sign_up(id: &ProviderId, local: &LocalProvider, config: &Config, rules: &mut Rules<'_, '_>) {
    let is_unix = matches!(&config.spawner, Spawner::Process(process)
        if process.run_as == RunAs::UnixAccount);
    let key = &["provider", id.as_str(), "sign_up"];
    match local.sign_up {
        SignUp::Open if is_unix => rules.error(
            key,
            "`open`, and servers that run as the Unix account with the name of the user",
            "write \"approval\" or \"off\": whoever signed up as `ada` would get ada's files",
        ),
        SignUp::Approval if is_unix => rules.warning(
            key,
            "`approval`, and servers that run as the Unix account with the name of the user",
            "look at each name before you approve it: who asks for `ada` gets ada's files",
        ),
        _ => {}
    }
}

fn pam_service(id: &ProviderId, pam: &PamProvider, rules: &mut Rules<'_, '_>) {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !pam.service.bytes().all(is_name) || pam.service.starts_with('.') {
        rules.error(
            &["provider", id.as_str(), "service"],
            &format!("`{}`", pam.service),
            "write the name of a file in /etc/pam.d, such as \"login\"",
        );
    }
    rules.not_zero(&["provider", id.as_str(), "timeout"], &pam.timeout);
}

fn directory(id: &ProviderId, ldap: &LdapProvider, rules: &mut Rules<'_, '_>) {
    let mut error = |key: &str, found: &str, advice: &str| {
        rules.error(&["provider", id.as_str(), key], found, advice);
    };
    let url = url::Url::parse(&ldap.url).ok();
    let scheme = url.as_ref().map(url::Url::scheme);
    let host = url.as_ref().and_then(url::Url::host_str);
    match (scheme, host) {
        (Some("ldaps"), Some(_)) if !ldap.start_tls => {}
        (Some("ldaps"), Some(_)) => error(
            "start_tls",
            "`true`, and a URL with ldaps",
            "remove it: the connection is encrypted from the start",
        ),
        (Some("ldap"), Some(host)) => {
            let is_here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
            if !ldap.start_tls && !is_here {
                error(
                    "url",
                    "a URL with ldap that is not of this machine",
                    "use ldaps, or set `start_tls = true`: everybody on the way could read passwords",
                );
            }
        }
        _ => error(
            "url",
            &format!("`{}`", ldap.url),
            "write where the directory is, for example \"ldaps://ldap.example.org\"",
        ),
    }
    let has_name = |text: &str| text.contains("{username}");
    match (&ldap.user_dn, &ldap.search_base) {
        (None, None) => error(
            "user_dn",
            "nothing, and no `search_base`",
            "say where people are, for example \"uid={username},ou=people,dc=example,dc=org\"",
        ),
        (Some(_), Some(_)) => error(
            "user_dn",
            "a name beside `search_base`",
            "remove one of the two",
        ),
        (Some(template), None) if !has_name(template) => error(
            "user_dn",
            &format!("`{template}`"),
            "write \"{username}\" in it: else all people would be one",
        ),
        (None, Some(_)) if !has_name(&ldap.search_filter) => error(
            "search_filter",
            &format!("`{}`", ldap.search_filter),
            "write \"{username}\" in it: else all people would be one",
        ),
        _ => {}
    }
    if ldap.bind_dn.is_some() != ldap.bind_password.is_some() {
        error(
            if ldap.bind_dn.is_some() {
                "bind_password"
            } else {
                "bind_dn"
            },
            "nothing, and its counterpart",
            "`bind_dn` and `bind_password` belong together",
        );
    }
    if ldap.admission.name_groups() && ldap.groups_from.is_none() && ldap.groups_base.is_none() {
        error(
            "groups_base",
            "nothing, and rules that name groups",
            "say where groups are, or set `groups_from`",
        );
    }
    let finds = |text: &str| text.contains("{dn}") || has_name(text);
    if ldap.groups_base.is_some() && !finds(&ldap.groups_filter) {
        error(
            "groups_filter",
            &format!("`{}`", ldap.groups_filter),
            "write \"{dn}\" or \"{username}\" in it: else everybody is in every group",
        );
    }
    rules.not_zero(&["provider", id.as_str(), "timeout"], &ldap.timeout);
}

/// Whether a server on this machine can connect from an address in the network. An unspecified
/// network such as 0.0.0.0/0 holds it too.
fn holds_this_machine(network: &ipnet::IpNet) -> bool {
    let local = ["127.0.0.0/8", "::1/128"];
    local.into_iter().any(|local| {
        let local: ipnet::IpNet = local.parse().expect("a constant network");
        network.contains(&local) || local.contains(network)
    })
}

/// RFC 9110, 5.6.2.
fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

/// One provider under examination.
struct Examined<'a, 'b, 'c> {
    id: &'a ProviderId,
    oidc: &'a OidcProvider,
    rules: &'a mut Rules<'b, 'c>,
}

impl Examined<'_, '_, '_> {
    fn error(&mut self, key: &[&str], found: &str, advice: &str) {
        let path = [&["provider", self.id.as_str()], key].concat();
        self.rules.error(&path, found, advice);
    }

    fn warning(&mut self, key: &[&str], found: &str, advice: &str) {
        let path = [&["provider", self.id.as_str()], key].concat();
        self.rules.warning(&path, found, advice);
    }

    fn urls(&mut self) {
        let oidc = self.oidc;
        if oidc.issuer.query().is_some() {
            self.error(
                &["issuer"],
                "an issuer with a query",
                "write the issuer as the provider publishes it, without \"?\"",
            );
        }
        self.encrypted(&["issuer"], &oidc.issuer);
        if let Some(endpoints) = &oidc.endpoints {
            let all = [
                ("authorization", Some(&endpoints.authorization)),
                ("token", Some(&endpoints.token)),
                ("jwks", Some(&endpoints.jwks)),
                ("userinfo", endpoints.userinfo.as_ref()),
                ("end_session", endpoints.end_session.as_ref()),
                ("revocation", endpoints.revocation.as_ref()),
                (
                    "pushed_authorization",
                    endpoints.pushed_authorization.as_ref(),
                ),
            ];
            for (name, url) in all {
                if let Some(url) = url {
                    self.encrypted(&["endpoints", name], url);
                }
            }
        }
    }

    /// What a provider says must not be changed on the way.
    fn encrypted(&mut self, key: &[&str], url: &HttpUrl) {
        if url.scheme() == "https" || url.is_loopback() {
            return;
        }
        let found = "a URL with http that is not of this machine";
        if self.oidc.allow_insecure_issuer {
            self.warning(
                key,
                found,
                "use https: everybody on the way can sign in as anybody",
            );
        } else {
            self.error(
                key,
                found,
                "use https, or for a trial set `allow_insecure_issuer = true`",
            );
        }
    }

    fn credentials(&mut self) {
        let oidc = self.oidc;
        let by_key = oidc.client_authentication == Some(ClientAuthentication::PrivateKeyJwt);
        match (&oidc.client_secret, &oidc.client_key) {
            (None, None) => self.error(
                &["client_secret"],
                "nothing",
                "it is required unless there is a `client_key`; write for example client_secret = \
                 { file = \"/run/credentials/jansky.service/keycloak\" }",
            ),
            (Some(_), Some(_)) => self.error(
                &["client_secret"],
                "a secret beside `client_key`",
                "remove one of the two",
            ),
            (Some(_), None) if by_key => self.error(
                &["client_authentication"],
                "`private-key-jwt` and no `client_key`",
                "give the key in place of `client_secret`",
            ),
            (None, Some(_)) if !by_key && oidc.client_authentication.is_some() => self.error(
                &["client_authentication"],
                "a way to send a secret, and a `client_key`",
                "remove it, or write \"private-key-jwt\"",
            ),
            _ => {}
        }
        if oidc.client_key_id.is_some() && oidc.client_key.is_none() {
            self.error(
                &["client_key"],
                "nothing, and `client_key_id`",
                "add the key, or remove its id",
            );
        }
    }

    fn requests(&mut self) {
        let oidc = self.oidc;
        if !oidc.scopes.iter().any(|scope| scope == "openid") {
            self.error(
                &["scopes"],
                "scopes without `openid`",
                "add \"openid\": without it the provider does not say who signs in",
            );
        }
        if oidc
            .scopes
            .iter()
            .any(|scope| scope.is_empty() || scope.contains(char::is_whitespace))
        {
            self.error(
                &["scopes"],
                "a scope that is empty or has a space in it",
                "write each scope as its own text: [\"openid\", \"email\"]",
            );
        }
        for name in oidc.extra_authorize_parameters.keys() {
            self.not_of_protocol(&["extra_authorize_parameters", name.as_str()], name);
        }
        for name in &oidc.hint_parameters {
            self.not_of_protocol(&["hint_parameters"], name);
        }
        let parameter = oidc.idp_hint_parameter.as_str();
        self.not_of_protocol(&["idp_hint_parameter"], parameter);
        if oidc.idp_hint.is_some() && oidc.extra_authorize_parameters.contains_key(parameter) {
            self.error(
                &["idp_hint"],
                &format!("a hint that `extra_authorize_parameters` also gives as `{parameter}`"),
                "remove one of the two",
            );
        }
    }

    fn not_of_protocol(&mut self, key: &[&str], name: &str) {
        if PROTOCOL_PARAMETERS.contains(&name) {
            self.error(
                key,
                &format!("the parameter `{name}`"),
                "remove it: it is a part of the protocol that Jansky sets itself",
            );
        }
    }

    fn security_events(&mut self) {
        let Some(events) = &self.oidc.security_events else {
            return;
        };
        if let Some(url) = &events.jwks {
            self.encrypted(&["security_events", "jwks"], url);
        }
        let own = self.oidc.issuer.as_written();
        let is_other = events
            .issuer
            .as_ref()
            .is_some_and(|url| url.as_written() != own);
        if is_other && events.jwks.is_none() {
            self.error(
                &["security_events", "jwks"],
                "nothing, and another `issuer` than that of the provider",
                "add the address of the transmitter's keys, or remove `issuer`",
            );
        }
    }

    fn claims(&mut self) {
        let without_userinfo = self
            .oidc
            .endpoints
            .as_ref()
            .is_some_and(|endpoints| endpoints.userinfo.is_none());
        if self.oidc.claims_source == ClaimsSource::Userinfo && without_userinfo {
            self.error(
                &["claims_source"],
                "`userinfo`, and endpoints without `userinfo`",
                "add `endpoints.userinfo`, or write \"id-token\"",
            );
        }
        if self.oidc.entitlement_authority.is_some() && self.oidc.entitlement_namespace.is_none() {
            self.error(
                &["entitlement_namespace"],
                "nothing, and `entitlement_authority`",
                "add the namespace: without it entitlements are not taken apart",
            );
        }
        let by_provider = !self.oidc.identity_providers.is_empty();
        if by_provider && self.oidc.identity_provider_claim.is_none() {
            self.error(
                &["identity_provider_claim"],
                "nothing, and `identity_providers`",
                "name the claim that says where somebody comes from",
            );
        }
    }
}

fn admission(id: &ProviderId, keys: &AdmissionKeys, config: &Config, rules: &mut Rules<'_, '_>) {
    let mut warn = |key: &[&str], found: &str, advice: &str| {
        let path = [&["provider", id.as_str()], key].concat();
        rules.warning(&path, found, advice);
    };
    let named = !keys.allowed_users.is_empty() || !keys.allowed_groups.is_empty();
    let admins = !keys.admin_groups.is_empty() || !config.hub.admin_users.is_empty();
    if !keys.allow_all && !named && !admins {
        warn(
            &[],
            "no rule that lets anybody in",
            "set `allowed_users`, `allowed_groups` or `admin_groups`, or `allow_all = true`",
        );
    }
    if keys.allow_all && named {
        warn(
            &["allow_all"],
            "`true`, and rules that name people or groups",
            "remove `allow_all`, or the rules: they change nothing",
        );
    }
    let blocked = names(&keys.blocked_users);
    let both = |others: &[Written<UserName>]| {
        let others = names(others);
        blocked
            .intersection(&others)
            .next()
            .map(ToString::to_string)
    };
    if let Some(name) = both(&keys.allowed_users) {
        warn(
            &["blocked_users"],
            &format!("`{name}`, who is also in `allowed_users`"),
            "remove one of the two: blocked people stay out",
        );
    }
    if let Some(name) = both(&config.hub.admin_users) {
        warn(
            &["blocked_users"],
            &format!("`{name}`, who is also in `hub.admin_users`"),
            "remove one of the two: blocked people stay out",
        );
    }
}

fn names(users: &[Written<UserName>]) -> BTreeSet<&UserName> {
    users.iter().map(Written::get).collect()
}
