//! The working directory of a server.

use std::io;
use std::path::{Component, Path, PathBuf};

use jansky_guard::Place;
use jansky_model::UserName;

use super::HomePolicy;
use super::account::Account;
use super::settings::USERNAME;
use crate::SpawnError;

/// The working directory of a server, and whether the server's account still has to make it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) directory: PathBuf,
    pub(crate) make: bool,
}

impl Home {
    /// Finds the working directory, and makes as much of it as only the hub can.
    ///
    /// The hub makes the directories down to the one that is the user's own. What lies below is
    /// left to the launcher, which does it with the rights of the account.
    pub(crate) fn prepare(
        policy: &HomePolicy,
        user: &UserName,
        account: &Account,
    ) -> Result<Self, SpawnError> {
        let HomePolicy::Directory { root, template } = policy else {
            return Ok(Self {
                directory: account.home.clone(),
                make: false,
            });
        };
        check_template(template).map_err(SpawnError::refused)?;
        let mut directory = root.clone();
        let mut own = false;
        make_shared(&directory)?;
        for part in Path::new(template) {
            let part = part.to_string_lossy();
            let name = part.replace(USERNAME, user.as_str());
            let above = directory.clone();
            directory.push(&name);
            if own {
                continue;
            }
            own = part.contains(USERNAME);
            if own {
                make_own(&above, &name, account).map_err(|error| because(&directory, error))?;
            } else {
                make_shared(&directory)?;
            }
        }
        Ok(Self {
            directory,
            make: true,
        })
    }
}

impl Home {
    /// The first directory that is a user's own; `None` where the account says where it is.
    pub(crate) fn own_directory(policy: &HomePolicy, user: &UserName) -> Option<PathBuf> {
        let HomePolicy::Directory { root, template } = policy else {
            return None;
        };
        let parts: Vec<_> = Path::new(template)
            .iter()
            .map(|part| part.to_string_lossy())
            .collect();
        let own = parts.iter().position(|part| part.contains(USERNAME))?;
        let names = parts.iter().take(own + 1);
        let names = names.map(|part| part.replace(USERNAME, user.as_str()));
        Some(names.fold(root.clone(), |path, name| path.join(name)))
    }
}

/// Whether a template leads to a directory of the user's own below the root.
pub(crate) fn check_template(template: &str) -> Result<(), String> {
    let inside = Path::new(template)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if inside && template.contains(USERNAME) {
        Ok(())
    } else {
        Err(format!(
            "`{template}` is not a path below the root with `{USERNAME}` in it, such as \
             \"{USERNAME}\" or \"home/{USERNAME}\""
        ))
    }
}

fn make_shared(directory: &Path) -> Result<(), SpawnError> {
    let made = Place::make(directory, 0o755);
    made.map(drop).map_err(|error| because(directory, error))
}

fn make_own(above: &Path, name: &str, account: &Account) -> io::Result<()> {
    let identity = account.identity.as_ref();
    let owner = identity.map(|of| (of.uid, of.gid));
    match Place::open(above)?.directory(name, 0o700, owner) {
        // Something else was put there on purpose; the launcher enters it with the rights of the account.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
        made => made.map(drop),
    }
}

fn because(directory: &Path, error: io::Error) -> SpawnError {
    let reason = format!("could not make the directory `{}`", directory.display());
    SpawnError::unavailable_because(reason, error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn account() -> Account {
        Account {
            name: "hub".to_owned(),
            home: "/home/hub".into(),
            shell: "/bin/sh".into(),
            identity: None,
        }
    }

    #[test]
    fn templates_that_leave_the_root_are_refused() {
        for bad in [
            "",
            "/abs/{username}",
            "../{username}",
            "{username}/..",
            "same-for-all",
        ] {
            assert!(check_template(bad).is_err(), "`{bad}` passed");
        }
        for good in ["{username}", "home/{username}/work", "u-{username}"] {
            assert_eq!(check_template(good), Ok(()));
        }
    }

    #[test]
    fn the_users_own_directory_is_made_for_the_user_only() {
        let root = tempfile::tempdir().expect("a directory");
        let policy = HomePolicy::Directory {
            root: root.path().join("homes"),
            template: "all/{username}/work".to_owned(),
        };
        let user: UserName = "al@ex b".parse().expect("a valid name");

        let home = Home::prepare(&policy, &user, &account()).expect("prepared");

        let own = root.path().join("homes/all/al@ex b");
        let mode = std::fs::metadata(&own)
            .expect("it was made")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(home.directory, own.join("work"));
        assert!(home.make && !home.directory.exists());
    }
}
