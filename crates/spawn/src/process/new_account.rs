//! Unix accounts that are made for people who come for the first time.

use std::process::{Command, Stdio};

use nix::unistd::Group;
use tracing::info;

use crate::SpawnError;

/// What stands for the name in the command.
pub(crate) const PLACEHOLDER: &str = "{username}";

/// The most of what the command says that goes into the message.
const SAID: usize = 500;

/// Makes the account `name` with a command, which is run as it stands, without a shell.
///
/// Whether there is a usable account afterwards is the caller's to see: another start of the same
/// person may have been first, and then the command fails.
pub(crate) fn make(command: &[String], name: &str) -> Result<(), SpawnError> {
    if !is_new_name(name) {
        return Err(SpawnError::refused(format!(
            "there is no Unix account `{name}`, and none is made by this name: at most 32 of the \
             characters a-z, 0-9, `_` and `-` are allowed, with a letter or `_` in front; make it \
             by hand, or choose another `username_claim`"
        )));
    }
    let group = Group::from_name(name).map_err(|error| {
        let reason = format!("could not look up the Unix group `{name}`");
        SpawnError::unavailable_because(reason, error)
    })?;
    // An account gets a group of its name, and this one may open more than its name says.
    if group.is_some() {
        return Err(SpawnError::refused(format!(
            "there is no Unix account `{name}`, and none is made because the group `{name}` \
             exists; make it by hand if that is meant"
        )));
    }
    let words: Vec<String> = command
        .iter()
        .map(|word| word.replace(PLACEHOLDER, name))
        .collect();
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| SpawnError::refused("the command that makes accounts is empty"))?;
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("JANSKY_USER", name)
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            let reason = format!("could not run `{program}` to make the Unix account `{name}`");
            SpawnError::unavailable_because(reason, error)
        })?;
    if output.status.success() {
        info!(account = name, "made a Unix account");
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.trim().chars().take(SAID).collect();
    Err(SpawnError::unavailable(format!(
        "could not make the Unix account `{name}`: `{program}` ended with {}: {said}",
        output.status
    )))
}

/// Whether a new account may have this name: what every system takes, and less than what an
/// account that exists may be called.
fn is_new_name(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> String {
        // Whoever gets so far makes a file.
        let command = ["sh", "-c", "exit 7", "{username}"].map(str::to_owned);
        make(&command, name).expect_err("it fails").to_string()
    }

    #[test]
    fn the_command_never_sees_a_name_that_is_not_plain() {
        let long = "a".repeat(33);
        for bad in [
            "",
            "-rf",
            "--help",
            "1000",
            "a b",
            "a;b",
            "$(id)",
            "a:b",
            "a/b",
            "..",
            "a.b",
            "a@b",
            "River",
            "jürgen",
            "a\nb",
            "a\0b",
            "{username}",
            &long,
        ] {
            let message = refused(bad);
            assert!(message.contains("none is made by this name"), "{message}");
        }
        assert!(refused("ada-lovelace_2").contains("ended with exit status: 7"));
    }

    #[test]
    fn nobody_becomes_a_member_of_a_group_by_their_name() {
        let message = refused("root");

        assert!(message.contains("the group `root` exists"), "{message}");
    }
}
