//! Rules of `[spawner]`.

use jansky_handover::{can_be_a_name, variables};

use super::Rules;
use crate::looks_secret;
use jansky_settings::notation::TextOrSecret;
use jansky_settings::{Cgroups, CommonSpawner, Config, ProcessSpawner, RunAs, Spawner};

pub(super) fn check(config: &Config, rules: &mut Rules<'_, '_>) {
    let common = config.spawner.common();
    command(common, rules);
    environment(common, rules);
    memory_limit(common, rules);
    for (name, duration) in [
        ("start_timeout", common.start_timeout),
        ("http_timeout", common.http_timeout),
        ("poll_interval", common.poll_interval),
    ] {
        rules.not_zero(&["spawner", name], duration);
    }
    if let Some(path) = common.default_url
        && !path.starts_with('/')
    {
        rules.error(
            &["spawner", "default_url"],
            &format!("`{path}`"),
            "write a path that begins with \"/\", for example \"/lab\"",
        );
    }
    match &config.spawner {
        Spawner::Process(process) => {
            account(process, rules);
            new_accounts(process, rules);
            home_dir(process, config, rules);
            limits_without_groups(process, rules);
        }
        Spawner::Docker(docker) => super::docker::check(docker, config, rules),
        Spawner::Firecrest(firecrest) => super::firecrest::check(firecrest, config, rules),
    }
}

fn command(common: CommonSpawner<'_>, rules: &mut Rules<'_, '_>) {
    if common.command.first().is_some_and(String::is_empty) {
        rules.error(
            &["spawner", "command"],
            "a program without a name",
            "write the program first, for example [\"jupyterhub-singleuser\"]",
        );
    }
    let mut all = common.command.iter().chain(common.arguments);
    if all.any(|argument| argument.contains('\0')) {
        rules.error(
            &["spawner", "command"],
            "a command with a NUL character",
            "remove it: no program can be started so",
        );
    }
}

/// Whoever shares the account of the hub shares all that it has.
fn account(process: &ProcessSpawner, rules: &mut Rules<'_, '_>) {
    const TRUSTED: &str = "users_are_trusted_with_everything";
    let key = &["spawner", "run_as"];
    match (process.run_as, process.users_are_trusted_with_everything) {
        (RunAs::Hub, false) => rules.error(
            key,
            "`hub`, with which code in every notebook can read Jansky's keys, its database and the \
             tokens of everybody",
            "write \"unix-account\" and run Jansky as root, or take containers; only where all \
             users may do all that, add `users_are_trusted_with_everything = true`",
        ),
        (RunAs::Hub, true) => rules.warning(
            key,
            "`hub`, so that everybody who starts a server can read Jansky's keys, its database and \
             the tokens of everybody",
            "right only where all users are trusted with everything, as the configuration says",
        ),
        (RunAs::UnixAccount, true) => rules.error(
            &["spawner", TRUSTED],
            "`true`, and servers that run as the accounts of their users",
            "remove it: users need not be trusted with anything",
        ),
        (RunAs::UnixAccount, false) => {}
    }
    if process.servers_may_run_as_root && process.run_as != RunAs::Hub {
        rules.error(
            &["spawner", "servers_may_run_as_root"],
            "`true`, and servers that run as the accounts of their users",
            "remove it: those are never root",
        );
    }
}

fn new_accounts(process: &ProcessSpawner, rules: &mut Rules<'_, '_>) {
    if process.create_accounts && process.run_as != RunAs::UnixAccount {
        rules.error(
            &["spawner", "create_accounts"],
            "`true`, and servers that do not run as Unix accounts",
            "add `run_as = \"unix-account\"`, or remove it",
        );
    }
    let arguments = process.create_command.iter().skip(1);
    if !arguments
        .into_iter()
        .any(|word| word.contains("{username}"))
    {
        rules.error(
            &["spawner", "create_command"],
            "a command without the name of the account",
            "write \"{username}\" as one of its arguments",
        );
    }
}

fn home_dir(process: &ProcessSpawner, config: &Config, rules: &mut Rules<'_, '_>) {
    let key = &["spawner", "home_dir"];
    let Some(given) = &process.home_dir else {
        return;
    };
    let found = format!("`{given}`");
    let template = process
        .home_template(&config.hub.data_dir)
        .unwrap_or_default();
    let plain = template.replace("{username}", "");
    if plain.contains(['{', '}']) {
        rules.error(
            key,
            &found,
            "only `{username}` and `{data_dir}` are replaced",
        );
    } else if !template.contains("{username}") {
        rules.error(
            key,
            &found,
            "write \"{username}\" in it: without it all people share one directory",
        );
    } else if !template.starts_with('/') || template.split('/').any(|part| part == "..") {
        rules.error(
            key,
            &found,
            "write a path that begins with \"/\" and is without \"..\"",
        );
    }
}

fn environment(common: CommonSpawner<'_>, rules: &mut Rules<'_, '_>) {
    for (name, value) in common.environment {
        let key = &["spawner", "environment", name.as_str()];
        if !can_be_a_name(name) {
            rules.error(
                key,
                "a variable that cannot exist",
                "a name has no \"=\" in it",
            );
        } else if variables::RESERVED.contains(&name.as_str()) {
            rules.error(
                key,
                "a variable that Jansky sets for each server",
                "remove it: no server would work with another value",
            );
        } else if matches!(value, TextOrSecret::Text(_)) && looks_secret(name) {
            rules.warning(
                key,
                "a text in a variable that seems to be secret",
                "give it as { file = \"…\" } or { env = \"…\" }",
            );
        }
    }
}

fn limits_without_groups(process: &ProcessSpawner, rules: &mut Rules<'_, '_>) {
    if process.cgroups == Cgroups::Off {
        for (name, limited) in [
            ("memory_limit", process.memory_limit.is_some()),
            ("cpu_limit", process.cpu_limit.is_some()),
        ] {
            if limited {
                rules.error(
                    &["spawner", name],
                    "a limit although control groups are off",
                    "remove it, or set `cgroups = \"auto\"`",
                );
            }
        }
    }
}

fn memory_limit(common: CommonSpawner<'_>, rules: &mut Rules<'_, '_>) {
    if common
        .memory_limit
        .is_some_and(|limit| limit.get().0 < 32 << 20)
    {
        rules.error(
            &["spawner", "memory_limit"],
            "less memory than any server needs",
            "write at least \"32 MiB\"; JupyterLab alone needs about \"150 MiB\"",
        );
    }
}
