//! Rules of `[spawner]` with `kind = "firecrest"`.

use jansky_batch::is_plain;
use jansky_model::ProviderId;

use super::Rules;
use jansky_settings::notation::Written;
use jansky_settings::{AudienceSource, Config, FirecrestSpawner};

pub(super) fn check(firecrest: &FirecrestSpawner, config: &Config, rules: &mut Rules<'_, '_>) {
    cluster(firecrest, rules);
    tokens(firecrest, config, rules);
    paths(firecrest, rules);
    job(firecrest, rules);
    api_url(firecrest, config, rules);
    for (name, duration) in [
        ("look_interval", &firecrest.look_interval),
        ("request_timeout", &firecrest.request_timeout),
        ("stop_timeout", &firecrest.stop_timeout),
    ] {
        rules.not_zero(&["spawner", name], duration);
    }
}

fn cluster(firecrest: &FirecrestSpawner, rules: &mut Rules<'_, '_>) {
    match &firecrest.url {
        None => rules.error(
            &["spawner", "url"],
            "no address",
            "write where FirecREST answers, for example \"https://firecrest.example.org/\"",
        ),
        Some(url) if url.scheme() == "http" && !url.is_loopback() => rules.error(
            &["spawner", "url"],
            &format!("`{}`, which is not encrypted", url.as_written()),
            "write an address with https: people's tokens go there",
        ),
        Some(_) => {}
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if firecrest.system.is_empty() || !firecrest.system.chars().all(plain) {
        rules.error(
            &["spawner", "system"],
            &format!("`{}`", firecrest.system),
            "write the name of the cluster as `GET /status/systems` of FirecREST shows it",
        );
    }
}

fn tokens(firecrest: &FirecrestSpawner, config: &Config, rules: &mut Rules<'_, '_>) {
    let source = |id: &Option<Written<ProviderId>>| {
        let id = id.as_ref()?.get();
        Some((id.clone(), config.audience.get(id).map(|a| a.source)))
    };
    match source(&firecrest.user_token) {
        Some((id, None)) => rules.error(
            &["spawner", "user_token"],
            &format!("`{id}`, which is no audience"),
            "write the id of a section [audience.<id>]",
        ),
        Some((id, Some(AudienceSource::ClientCredentials))) => rules.error(
            &["spawner", "user_token"],
            &format!("`{id}`, which gives tokens of a service account"),
            "write an audience that gives tokens in people's names, or name it in `service_account`",
        ),
        Some(_) | None => {}
    }
    match source(&firecrest.service_account) {
        None => {
            if firecrest.service_account_may_cancel {
                rules.error(
                    &["spawner", "service_account_may_cancel"],
                    "`true` without a service account",
                    "name one in `service_account`, or remove it",
                );
            }
        }
        Some((_, Some(AudienceSource::ClientCredentials))) => {}
        Some((id, _)) => rules.error(
            &["spawner", "service_account"],
            &format!("`{id}`, which is no service account"),
            "write the id of a section [audience.<id>] with source = \"client-credentials\"",
        ),
    }
}

fn paths(firecrest: &FirecrestSpawner, rules: &mut Rules<'_, '_>) {
    for (key, template) in [
        ("agent", &firecrest.agent),
        ("home_dir", &firecrest.home_dir),
        ("runtime_dir", &firecrest.runtime_dir),
    ] {
        let path = match key {
            "home_dir" => template.replace("{username}", "x"),
            _ => template.clone(),
        };
        // It stands in a script, and in commands that FirecREST runs.
        if !is_plain(&path) {
            rules.error(
                &["spawner", key],
                &format!("`{template}`"),
                "write a path of the cluster that begins with \"/\" and is without \"..\" and quotes",
            );
        }
    }
    if !firecrest.home_dir.contains("{username}") {
        rules.error(
            &["spawner", "home_dir"],
            &format!("`{}`", firecrest.home_dir),
            "write \"{username}\" in it: it stands for the account on the cluster",
        );
    }
    let host = firecrest.node_address.replace("{node}", "n1");
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if host.is_empty() || !host.chars().all(plain) {
        rules.error(
            &["spawner", "node_address"],
            &format!("`{}`", firecrest.node_address),
            "write a host name with `{node}` in it, without a scheme and a port",
        );
    }
}

fn job(firecrest: &FirecrestSpawner, rules: &mut Rules<'_, '_>) {
    for option in &firecrest.options {
        if !option.starts_with('-') || option.contains(['\n', '\r']) {
            rules.error(
                &["spawner", "options"],
                &format!("`{option}`"),
                "write each option by itself, for example \"--gpus=1\"",
            );
        }
    }
    if firecrest
        .time_limit
        .as_ref()
        .is_some_and(|limit| limit.as_secs() < 60)
    {
        rules.error(
            &["spawner", "time_limit"],
            "less than a minute",
            "write for how long people may work, for example \"8h\"",
        );
    }
}

/// On a compute node, 127.0.0.1 is the compute node.
fn api_url(firecrest: &FirecrestSpawner, config: &Config, rules: &mut Rules<'_, '_>) {
    let api_url = config.api_url();
    let here = firecrest.url.as_ref().is_none_or(|url| url.is_loopback());
    let host = url::Url::parse(&api_url).ok();
    let is_loopback = host.is_some_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    });
    // With a FirecREST of this machine the nodes may be this machine as well.
    if is_loopback && !here {
        rules.error(
            &["hub", "api_url"],
            &format!("`{api_url}`, which on a compute node is that node itself"),
            "write how compute nodes reach Jansky, for example \"https://jupyter.example.org/\"",
        );
    }
}
