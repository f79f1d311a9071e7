//! Unix accounts that servers run as.

use std::ffi::CString;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use jansky_model::UserName;
use jansky_settings::RunAs;
use nix::unistd::{Gid, Uid, User};

use super::{ProcessSettings, new_account};
use crate::SpawnError;
use crate::launcher::Identity;

/// Held while an account is made, so that only one is made at a time.
static MAKING: Mutex<()> = Mutex::new(());

/// The account that a server runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) home: PathBuf,
    pub(crate) shell: PathBuf,
    /// The rights to take; none when the server runs as the hub does.
    pub(crate) identity: Option<Identity>,
}

impl Account {
    /// The account for the servers of `user`. Asks the account database, which may take a while.
    pub(crate) fn find(settings: &ProcessSettings, user: &UserName) -> Result<Self, SpawnError> {
        match settings.run_as {
            RunAs::Hub => Self::of_hub(),
            RunAs::UnixAccount => {
                let name = user.as_str();
                if settings.create_accounts {
                    let command = &settings.create_command;
                    Self::make_missing(name, command)?;
                }
                Self::named(name, settings.lowest_uid)
            }
        }
    }

    /// Makes the account if there is none of this name.
    fn make_missing(name: &str, command: &[String]) -> Result<(), SpawnError> {
        let exists = || {
            User::from_name(name)
                .map(|account| account.is_some())
                .map_err(|error| {
                    let reason = format!("could not look up the Unix account `{name}`");
                    SpawnError::unavailable_because(reason, error)
                })
        };
        if !is_safe_name(name) || exists()? {
            return Ok(());
        }
        // Two `useradd` of one name at the same time give the account another id when the first of
        // them is done: the second looks for the name before it waits for the lock.
        let _turn = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if exists()? {
            return Ok(());
        }
        match new_account::make(command, name) {
            // Another start of the same person was faster.
            Err(_) if exists()? => Ok(()),
            made => made,
        }
    }

    /// The hub's own account; in a container it may have no name.
    fn of_hub() -> Result<Self, SpawnError> {
        let uid = Uid::effective();
        let known = User::from_uid(uid).map_err(|error| {
            SpawnError::unavailable_because("could not look up the account of the hub", error)
        })?;
        Ok(match known {
            Some(account) => Self {
                name: account.name,
                home: account.dir,
                shell: account.shell,
                identity: None,
            },
            None => Self {
                name: uid.to_string(),
                home: std::env::var_os("HOME").map_or_else(|| "/".into(), PathBuf::from),
                shell: "/bin/sh".into(),
                identity: None,
            },
        })
    }

    fn named(name: &str, lowest_uid: u32) -> Result<Self, SpawnError> {
        if let Some(reason) = problem_with_name(name) {
            return Err(SpawnError::refused(reason));
        }
        let account = User::from_name(name)
            .map_err(|error| {
                let reason = format!("could not look up the Unix account `{name}`");
                SpawnError::unavailable_because(reason, error)
            })?
            // Some account databases do not tell cases apart, but the hub does.
            .filter(|account| account.name == name)
            .ok_or_else(|| {
                SpawnError::refused(format!(
                    "the Unix account `{name}` does not exist; create it, or let servers run as \
                     the account of the hub"
                ))
            })?;
        let uid = account.uid.as_raw();
        if uid == 0 || uid < lowest_uid {
            return Err(SpawnError::refused(format!(
                "the Unix account `{name}` has the uid {uid} and belongs to the system; servers \
                 run only as accounts with a uid of at least {}",
                lowest_uid.max(1)
            )));
        }
        let hub = Uid::effective();
        if !hub.is_root() {
            return Err(SpawnError::refused(format!(
                "the hub runs with the uid {hub} and cannot start a server as the Unix account \
                 `{name}`; run the hub as root, or let servers run as the account of the hub"
            )));
        }
        let groups = groups(name, account.gid).map_err(|error| {
            let reason = format!("could not look up the groups of the Unix account `{name}`");
            SpawnError::unavailable_because(reason, error)
        })?;
        Ok(Self {
            identity: Some(Identity {
                uid,
                gid: account.gid.as_raw(),
                groups,
            }),
            name: account.name,
            home: account.dir,
            shell: account.shell,
        })
    }
}

fn groups(name: &str, gid: Gid) -> nix::Result<Vec<u32>> {
    let name = CString::new(name).map_err(|_| nix::errno::Errno::EINVAL)?;
    let groups = nix::unistd::getgrouplist(&name, gid)?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

/// Why no server can run as the Unix account of this name, whether there is one or not; `None` if
/// nothing is wrong with the name.
pub fn problem_with_name(name: &str) -> Option<String> {
    let is_good = is_safe_name(name);
    (!is_good).then(|| {
        format!(
            "`{name}` is not the name of a Unix account: at most 32 of the characters A-Z, a-z, \
             0-9, `_`, `.` and `-` are allowed, with a letter or `_` in front"
        )
    })
}

/// Whether nothing that reads `/etc/passwd` could take the name for something else.
fn is_safe_name(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_not_plainly_unix_names_are_unsafe() {
        for bad in [
            "",
            "-rf",
            "1000",
            "a b",
            "a:b",
            "jürgen",
            "a@b",
            ".a",
            &"a".repeat(33),
        ] {
            assert!(!is_safe_name(bad), "`{bad}` passed");
        }
        for good in ["ada", "_x", "Ada.Lovelace-2"] {
            assert!(is_safe_name(good), "`{good}` did not pass");
        }
    }

    #[test]
    fn root_and_system_accounts_are_refused() {
        for name in ["root", "daemon"] {
            let refused = Account::named(name, 1000).expect_err("a system account");
            assert!(
                refused.to_string().contains("belongs to the system"),
                "{refused}"
            );
        }
        assert!(Account::named("root", 0).is_err());
    }
}
