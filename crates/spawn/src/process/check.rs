//! Whether servers could be started, for `jansky doctor`.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jansky_settings::RunAs;
use tokio::process::Command;

use super::cgroup::Cgroups;
use super::machine::Machine;
use super::{HomePolicy, ProcessSettings, home};
use crate::Finding;

/// What to do when control groups cannot be used.
const CGROUP_ADVICE: &str = "run the hub as root or, under systemd, with `Delegate=yes` and \
     `DelegateSubgroup=hub`; or run servers without limits";

/// How long `--version` may take: a large Python environment on a slow disk needs seconds.
const VERSION_TIMEOUT: Duration = Duration::from_secs(30);

/// Says what is wrong with the settings themselves.
pub(super) fn settings(
    settings: &ProcessSettings,
    cgroups: &Result<Cgroups, String>,
) -> Result<(), String> {
    if settings.command.is_empty() || settings.launcher.is_empty() {
        return Err("the command of servers or that of the launcher is empty".to_owned());
    }
    let instance = &settings.instance;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if instance.is_empty() || instance.len() > 40 || !instance.bytes().all(plain) {
        return Err(format!(
            "the instance `{instance}` must be 1 to 40 characters of A-Z, a-z, 0-9, `_` and `-`"
        ));
    }
    let is_root = rustix::process::geteuid().is_root();
    match settings.run_as {
        RunAs::Hub if is_root && !settings.servers_may_run_as_root => {
            return Err(
                "the hub runs as root, so all code in notebooks would be root; let \
                        servers run as their users' accounts (run_as = \"unix-account\"), or \
                        run the hub as an account of its own"
                    .to_owned(),
            );
        }
        RunAs::UnixAccount if !is_root => {
            return Err(
                "servers are to run as their users' accounts, which only root can start; \
                        run the hub as root, or take containers (kind = \"docker\")"
                    .to_owned(),
            );
        }
        _ => {}
    }
    if let HomePolicy::Directory { template, .. } = &settings.home {
        home::check_template(template)?;
    }
    if let Some(cores) = settings.cpu_limit
        && !(cores.is_finite() && cores > 0.0)
    {
        return Err(format!(
            "the processor limit `{cores}` must be a number above 0"
        ));
    }
    for (set, limit, controller) in [
        (settings.memory_limit.is_some(), "memory", "memory"),
        (settings.cpu_limit.is_some(), "processor", "cpu"),
    ] {
        let missing = match cgroups {
            Ok(cgroups) if cgroups.has(controller) => continue,
            Ok(_) => format!("the controller `{controller}` may not be used"),
            Err(reason) => reason.clone(),
        };
        if set {
            return Err(format!(
                "the {limit} limit needs control groups, but {missing}; {CGROUP_ADVICE}"
            ));
        }
    }
    Ok(())
}

/// Looks at everything that a start needs.
pub(super) async fn machine(machine: &Machine) -> Vec<Finding> {
    let settings = &machine.settings;
    vec![
        command(settings).await,
        state_dir(&settings.state_dir),
        account(settings),
        match &machine.cgroups {
            Ok(_) => Finding::good("control groups", "control groups can be used"),
            Err(reason) => Finding::warning(
                "control groups",
                format!("control groups cannot be used: {reason}"),
                CGROUP_ADVICE,
            ),
        },
    ]
}

async fn command(settings: &ProcessSettings) -> Finding {
    let subject = "command";
    let name = &settings.command[0];
    let path = settings
        .environment
        .get("PATH")
        .map(OsString::from)
        .or_else(|| std::env::var_os("PATH"))
        .unwrap_or_default();
    let Some(program) = find_program(name, &path) else {
        return Finding::error(
            subject,
            format!("the command `{name}` does not exist or may not be run"),
            "install it, for example with `pip install jupyterhub jupyterlab`, or write its whole \
             path",
        );
    };
    let answer = Command::new(&program)
        .args(&settings.command[1..])
        .arg("--version")
        .env("PATH", &path)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let program = program.display();
    match tokio::time::timeout(VERSION_TIMEOUT, answer).await {
        Ok(Ok(output)) if output.status.success() => {
            let version = String::from_utf8_lossy(&output.stdout);
            let version = version.lines().next().unwrap_or_default().trim().to_owned();
            Finding::good(
                subject,
                format!("`{program}` answers with version `{version}`"),
            )
        }
        Ok(Ok(output)) => Finding::warning(
            subject,
            format!("`{program} --version` failed ({})", output.status),
            "run it by hand to see why; servers may not start",
        ),
        Ok(Err(error)) => Finding::error(
            subject,
            format!("`{program}` cannot be run: {error}"),
            "look at its permissions and at its first line",
        ),
        Err(_) => Finding::warning(
            subject,
            format!(
                "`{program} --version` took longer than {} s",
                VERSION_TIMEOUT.as_secs()
            ),
            "run it by hand to see why; servers may not start in time",
        ),
    }
}

fn find_program(name: &str, path: &OsString) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| {
        std::fs::metadata(file)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(is_program);
    }
    std::env::split_paths(path)
        .map(|directory| directory.join(name))
        .find(is_program)
}

fn state_dir(state_dir: &Path) -> Finding {
    let subject = "state directory";
    // It is made when the first server starts, so its parent decides.
    let existing = state_dir.ancestors().find(|directory| directory.exists());
    let writable = existing.is_some_and(|directory| {
        rustix::fs::access(directory, rustix::fs::Access::WRITE_OK).is_ok()
    });
    let shown = state_dir.display();
    if writable {
        Finding::good(subject, format!("`{shown}` can be written to"))
    } else {
        Finding::error(
            subject,
            format!("`{shown}` cannot be written to"),
            "make it a directory of the account that the hub runs as",
        )
    }
}

fn account(settings: &ProcessSettings) -> Finding {
    let subject = "account";
    match settings.run_as {
        RunAs::UnixAccount => Finding::good(
            subject,
            format!(
                "servers run as their users' accounts, from uid {}",
                settings.lowest_uid
            ),
        ),
        RunAs::Hub if rustix::process::geteuid().is_root() => Finding::warning(
            subject,
            "servers run as root, so every user is an administrator of this machine",
            "let servers run as their users' accounts, or run the hub as an account of its own",
        ),
        RunAs::Hub => Finding::warning(
            subject,
            "all servers run as the account of the hub, so everybody who starts one can read the \
             keys, the database and the tokens of all, and everybody's files",
            "run the hub as root and let servers run as their users' accounts, unless all users \
             are trusted with everything",
        ),
    }
}
