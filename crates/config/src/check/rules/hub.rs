//! Rules of `[hub]`, `[tls]`, `[session]`, `[proxy]` and `[log]`.

use jansky_model::ByteSize;

use super::Rules;
use jansky_settings::notation::{HttpUrl, Written};
use jansky_settings::{Config, Provider};

pub(super) fn check(config: &Config, rules: &mut Rules<'_, '_>) {
    addresses(config, rules);
    hosts_of_servers(config, rules);
    prepared_accounts(config, rules);
    transport(config, rules);
    limits(config, rules);
    wire(config, rules);
    times(config, rules);
    log(config, rules);
}

fn prepared_accounts(config: &Config, rules: &mut Rules<'_, '_>) {
    let named = config.hub.prepared_accounts_from.iter().flatten();
    for id in named {
        let problem = match config.provider.get(id.get()) {
            Some(Provider::Local(_)) => "which has local accounts: those have no first sign-in",
            Some(_) => continue,
            None => "which is no provider",
        };
        rules.error(
            &["hub", "prepared_accounts_from"],
            &format!("`{}`, {problem}", id.get()),
            "write the ids of sections [provider.<id>]",
        );
    }
}

fn addresses(config: &Config, rules: &mut Rules<'_, '_>) {
    let bind = &["hub", "bind"];
    let public_url = &["hub", "public_url"];
    let api_url = &["hub", "api_url"];
    match &config.hub.public_url {
        Some(url) if url.query().is_some() => {
            rules.error(
                public_url,
                "a URL with a query",
                "leave out the \"?\" and what follows it",
            );
        }
        Some(url) if url.path().trim_end_matches('/').ends_with("/hub") => rules.warning(
            public_url,
            "a URL that ends in \"/hub\"",
            "leave that out: the hub is at \"hub/\" below this URL",
        ),
        None if config.hub.bind.ip().is_unspecified() && config.hub.subdomain_host.is_none() => {
            rules.warning(
                bind,
                "an address that listens everywhere, and no `hub.public_url`",
                "give the URL that people use as `hub.public_url`",
            );
        }
        _ => {}
    }
    if let Some(url) = &config.hub.default_url
        && !is_path_or_url(url)
    {
        rules.error(
            &["hub", "default_url"],
            &format!("`{url}`"),
            "write a path that begins with \"/\", or a URL",
        );
    }
    let Some(api) = &config.hub.api_url else {
        return;
    };
    let end = format!("{}hub/api", config.base_path());
    if api.query().is_some() || !api.path().trim_end_matches('/').ends_with(&end) {
        rules.error(
            api_url,
            &format!("the URL `{}`", api.as_written()),
            &format!("the URL of the API ends in \"{end}\""),
        );
    } else if api.is_loopback() && api.port_or_known_default() != Some(config.hub.bind.port()) {
        rules.warning(
            api_url,
            "a port of this machine on which Jansky does not listen",
            &format!("Jansky listens on port {}", config.hub.bind.port()),
        );
    }
}

fn hosts_of_servers(config: &Config, rules: &mut Rules<'_, '_>) {
    let key = &["hub", "subdomain_host"];
    let Some(url) = &config.hub.subdomain_host else {
        return;
    };
    if url.path() != "/" || url.query().is_some() {
        rules.error(
            key,
            &format!("the URL `{}`", url.as_written()),
            "write scheme, host and port alone; a path belongs into `hub.public_url`",
        );
    } else if !matches!(url.host(), Some(url::Host::Domain(_))) {
        rules.error(
            key,
            &format!("the URL `{}`", url.as_written()),
            "nothing can be below an address; write the name of a host",
        );
    } else if config.public_url().origin() != url.origin() {
        rules.error(
            key,
            "another host than in `hub.public_url`",
            "the hub is on this host: both begin with the same scheme, host and port",
        );
    }
}

fn is_path_or_url(text: &str) -> bool {
    use jansky_settings::notation::Notation;

    let is_path = text.starts_with('/') && !text.starts_with("//") && !text.contains('\\');
    is_path || HttpUrl::read(text).is_ok()
}

fn transport(config: &Config, rules: &mut Rules<'_, '_>) {
    let hub = &config.hub;
    let public_url = match &hub.public_url {
        None if hub.subdomain_host.is_some() => &["hub", "subdomain_host"],
        _ => &["hub", "public_url"],
    };
    match (hub.public_url.as_ref().or(hub.subdomain_host.as_ref()), &config.tls) {
        (Some(url), Some(_)) if url.scheme() == "http" => rules.error(
            public_url,
            "a URL with http although there is a section `[tls]`",
            "write https, or remove `[tls]`",
        ),
        (Some(url), None) if url.scheme() == "https" && hub.trusted_proxies.is_empty() => rules
            .warning(
                public_url,
                "a URL with https, and neither `[tls]` nor `hub.trusted_proxies`",
                "name the proxy that does TLS in `hub.trusted_proxies`, or add a section `[tls]`",
            ),
        (Some(url), None) if url.scheme() == "http" && !url.is_loopback() => rules.warning(
            public_url,
            "a URL with http that is not of this machine",
            "use https: passwords and cookies can be read on the way",
        ),
        (None, None) if !hub.bind.ip().is_loopback() && !hub.bind.ip().is_unspecified() => rules
            .warning(
                &["hub", "bind"],
                "an address that others can reach, and no TLS",
                "add a section `[tls]`, or give the https URL of the proxy in front as `hub.public_url`",
            ),
        _ => {}
    }
    let is_plain = config.public_url().scheme() == "http";
    let is_local = match hub.public_url.as_ref().or(hub.subdomain_host.as_ref()) {
        Some(url) => url.is_loopback(),
        None => hub.bind.ip().is_loopback() || hub.bind.ip().is_unspecified(),
    };
    let is_shared = hub.subdomain_host.is_none();
    if hub.require_fetch_metadata && is_shared && is_plain && !is_local {
        rules.warning(
            &["hub", "require_fetch_metadata"],
            "an address without https, over which browsers do not say what this key wants to know",
            "use https; `hub.require_fetch_metadata = false` is for people who trust each other",
        );
    }
}

fn wire(config: &Config, rules: &mut Rules<'_, '_>) {
    let proxy = &config.proxy;
    let mut size = |section, key, size: &Written<ByteSize>, least: u64, most: u64| {
        if !(least..=most).contains(&size.get().0) {
            let advice = format!(
                "write a size from \"{}\" to \"{}\"",
                ByteSize(least),
                ByteSize(most)
            );
            rules.error(&[section, key], &format!("`{size}`"), &advice);
        }
    };
    let (head, uri) = (&proxy.max_header_size, &proxy.max_uri_size);
    size("proxy", "max_header_size", head, 4 << 10, 1 << 20);
    size("proxy", "max_uri_size", uri, 1 << 10, 63 << 10);
    let unfinished = &proxy.max_unfinished_size;
    size("proxy", "max_unfinished_size", unfinished, 4 << 20, 1 << 40);
    let body = &config.hub.max_body_size;
    size("hub", "max_body_size", body, 64 << 10, 64 << 20);
    let mut number = |key, number: u32, least: u32| {
        if number < least {
            let advice = format!("write a number from {least}");
            rules.error(&["proxy", key], &format!("`{number}`"), &advice);
        }
    };
    number("max_header_fields", proxy.max_header_fields.into(), 32);
    let connections = proxy.max_connections_per_address;
    number("max_connections_per_address", connections, 16);
}

fn limits(config: &Config, rules: &mut Rules<'_, '_>) {
    if !config.hub.allow_named_servers && config.hub.named_server_limit_per_user > 0 {
        rules.warning(
            &["hub", "named_server_limit_per_user"],
            "a limit for named servers, which are not allowed",
            "remove it, or set `hub.allow_named_servers = true`",
        );
    }
}

fn times(config: &Config, rules: &mut Rules<'_, '_>) {
    let session = &config.session;
    rules.not_zero(&["session", "lifetime"], &session.lifetime);
    rules.not_zero(&["session", "token_lifetime"], &session.token_lifetime);
    rules.not_zero(&["session", "sign_in_timeout"], &session.sign_in_timeout);
    rules.not_zero(&["proxy", "connect_timeout"], &config.proxy.connect_timeout);
    rules.not_zero(&["proxy", "idle_timeout"], &config.proxy.idle_timeout);
    let servers = &config.proxy.server_idle_timeout;
    rules.not_zero(&["proxy", "server_idle_timeout"], servers);
    rules.not_zero(&["proxy", "client_timeout"], &config.proxy.client_timeout);
    rules.not_zero(&["proxy", "send_timeout"], &config.proxy.send_timeout);
}

fn log(config: &Config, rules: &mut Rules<'_, '_>) {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

    let is_level = |text: &str| LEVELS.contains(&text.trim().to_ascii_lowercase().as_str());
    let mut directives = config.log.filter.split(',');
    // A word alone may also be a part of the program, so one level anywhere is enough.
    if !directives.any(|one| one.rsplit('=').next().is_some_and(is_level)) {
        rules.error(
            &["log", "filter"],
            "no level of logging",
            "write `error`, `warn`, `info`, `debug` or `trace`, for example \"info,jansky_proxy=debug\"",
        );
    }
}
