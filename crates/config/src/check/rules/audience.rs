//! Rules of `[audience.<id>]` and `[broker]`.

use jansky_model::ProviderId;

use super::Rules;
use jansky_settings::{Audience, AudienceSource, Config, IdentityBrokerMode, Provider, Spawner};

pub(super) fn check(config: &Config, rules: &mut Rules<'_, '_>) {
    for (id, audience) in &config.audience {
        let mut one = Examined {
            id,
            audience,
            config,
            rules,
        };
        one.provider();
        one.keys_of_source();
        one.who();
        one.scopes();
        one.server_options();
    }
    let with_file = config.audience.iter().filter(|(_, a)| a.token_file);
    for (id, _) in with_file.skip(1) {
        rules.error(
            &["audience", id.as_str(), "token_file"],
            "a second audience with a token file",
            "`BEARER_TOKEN_FILE` names one file; set it for one audience only",
        );
    }
    broker(config, rules);
}

struct Examined<'a, 'b, 'c, 'd> {
    id: &'a ProviderId,
    audience: &'a Audience,
    config: &'a Config,
    rules: &'b mut Rules<'c, 'd>,
}

impl Examined<'_, '_, '_, '_> {
    fn error(&mut self, key: &str, found: &str, advice: &str) {
        let key = ["audience", self.id.as_str(), key];
        self.rules.error(&key, found, advice);
    }

    fn provider(&mut self) {
        let source = self.audience.source;
        let Some(provider) = &self.audience.provider else {
            if source == AudienceSource::ClientCredentials {
                self.error(
                    "provider",
                    "no provider",
                    "write the id of the provider at which the service account is",
                );
            }
            return;
        };
        if source == AudienceSource::Jansky {
            self.error(
                "provider",
                "a provider for tokens of Jansky itself",
                "leave it out, or choose another source",
            );
            return;
        }
        match self.config.provider.get(provider.get()) {
            None => self.error(
                "provider",
                &format!("`{}`, which is no provider", provider.get()),
                "write the id of a section [provider.<id>]",
            ),
            Some(Provider::Local(_)) => self.error(
                "provider",
                "a provider of local accounts, which has no tokens",
                "write the id of another provider, or choose the source `jansky`",
            ),
            Some(found) => {
                let is_globus = matches!(found, Provider::Globus(_));
                if source == AudienceSource::Service && !is_globus {
                    self.error(
                        "provider",
                        "a provider that is not Globus",
                        "only Globus sends tokens for other services along with a sign-in",
                    );
                }
                if matches!(found, Provider::Github(_)) && source != AudienceSource::Login {
                    self.error(
                        "provider",
                        "GitHub, which makes no tokens for others",
                        "set source = \"login\" for the token of GitHub itself",
                    );
                }
                let is_keycloak = matches!(found, Provider::Keycloak(_));
                if source == AudienceSource::IdentityBroker && !is_keycloak {
                    self.error(
                        "provider",
                        "a provider that is not Keycloak",
                        "only Keycloak hands on tokens of providers behind it",
                    );
                }
            }
        }
    }

    fn keys_of_source(&mut self) {
        let audience = self.audience;
        let source = audience.source;
        let is_only_for = [
            (
                "alias",
                audience.alias.is_some(),
                AudienceSource::IdentityBroker,
            ),
            (
                "mode",
                audience.mode != IdentityBrokerMode::Auto,
                AudienceSource::IdentityBroker,
            ),
            (
                "service",
                audience.service.is_some(),
                AudienceSource::Service,
            ),
            (
                "client_id",
                audience.client_id.is_some(),
                AudienceSource::ClientCredentials,
            ),
            (
                "client_secret",
                audience.client_secret.is_some(),
                AudienceSource::ClientCredentials,
            ),
        ];
        for (key, is_there, wanted) in is_only_for {
            if is_there && source != wanted {
                let word = match wanted {
                    AudienceSource::Service => "service",
                    AudienceSource::ClientCredentials => "client-credentials",
                    _ => "identity-broker",
                };
                self.error(
                    key,
                    "a key of another source",
                    &format!("leave it out, or set source = \"{word}\""),
                );
            }
        }
        if audience.client_id.is_some() != audience.client_secret.is_some() {
            self.error(
                "client_id",
                "half of a service account",
                "give both `client_id` and `client_secret`, or neither",
            );
        }
        if source == AudienceSource::Jansky && audience.lifetime.is_zero() {
            self.error(
                "lifetime",
                "no time at all",
                "write a duration longer than \"0s\"",
            );
        }
    }

    fn who(&mut self) {
        let audience = self.audience;
        let is_open = audience.allow_all
            || !audience.allowed_users.is_empty()
            || !audience.allowed_groups.is_empty();
        // The hub's own service account may well be for the hub alone.
        if !is_open && audience.source != AudienceSource::ClientCredentials {
            self.rules.warning(
                &["audience", self.id.as_str()],
                "an audience that nobody gets tokens for",
                "add allowed_users, allowed_groups or allow_all = true",
            );
        }
    }

    /// An option that no choice governs is whatever people say it is, so it can be no rule.
    fn server_options(&mut self) {
        let config = self.config;
        for (option, values) in &self.audience.server_options {
            let images = match &config.spawner {
                Spawner::Docker(docker) if option == "image" => &docker.images,
                _ => {
                    self.error(
                        "server_options",
                        &format!("`{option}`, which people can set as they like"),
                        "the only option that is looked at is `image`, of kind = \"docker\"",
                    );
                    continue;
                }
            };
            if let Some(unknown) = values.iter().find(|id| !images.contains_key(*id)) {
                self.error(
                    "server_options",
                    &format!("`{unknown}`, which is no image"),
                    "write ids of `spawner.images`",
                );
            }
        }
    }

    fn scopes(&mut self) {
        let is_one = |scope: &String| {
            !scope.is_empty()
                && scope
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
        };
        if !self.audience.scopes.iter().all(is_one) {
            self.error(
                "scopes",
                "a text that is no scope",
                "write each scope by itself, without spaces",
            );
        }
    }
}

fn broker(config: &Config, rules: &mut Rules<'_, '_>) {
    let Some(path) = &config.broker.local_user_exposed_path else {
        return;
    };
    let is_path = path.starts_with('/')
        && path.len() > 1
        && path.split('/').skip(1).all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        });
    let first = path.split('/').nth(1).unwrap_or_default();
    let is_ours = ["api", "broker", "oidc", "static", "login", "logout", "user"].contains(&first);
    if !is_path || is_ours {
        rules.error(
            &["broker", "local_user_exposed_path"],
            &format!("`{path}`"),
            "write a path of its own such as \"/custom/userinfo\"; it is below `/hub`",
        );
    }
}
