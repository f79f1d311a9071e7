//! What belongs to a name before somebody with that name has started a server.

use std::io;

use jansky_model::UserName;
use jansky_settings::RunAs;

use super::ProcessSettings;
use super::home::Home;
use crate::SpawnError;

/// What a server of somebody with this name would find.
pub(super) fn of(settings: &ProcessSettings, name: &UserName) -> Result<Vec<String>, SpawnError> {
    if settings.run_as == RunAs::UnixAccount {
        // Also one that does not exist yet: whoever makes it means its own person.
        return Ok(vec![format!("the Unix account `{name}`")]);
    }
    let Some(own) = Home::own_directory(&settings.home, name) else {
        return Ok(Vec::new());
    };
    match std::fs::symlink_metadata(&own) {
        Ok(_) => Ok(vec![format!("the directory `{}`", own.display())]),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(SpawnError::unavailable_because(
            format!("could not look for the directory `{}`", own.display()),
            error,
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use jansky_settings::ProcessSpawner as Section;

    use super::*;

    fn found(section: Section, data: &Path, name: &str) -> Vec<String> {
        let settings = ProcessSettings::new(section, Vec::new(), data, "hub", BTreeMap::new());
        let name = name.parse().expect("a user name");
        of(&settings, &name).expect("it can be looked for")
    }

    #[test]
    fn an_account_of_the_machine_belongs_to_its_name_whether_it_is_there_or_not() {
        for name in ["root", "nobody-has-this-account"] {
            let found = found(Section::default(), Path::new("/nowhere"), name);

            assert_eq!(found, [format!("the Unix account `{name}`")]);
        }
    }

    #[test]
    fn a_home_that_is_left_belongs_to_its_name() {
        let data = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(data.path().join("all/x-river")).expect("a home");
        let found = |name: &str| {
            let section = Section {
                run_as: RunAs::Hub,
                home_dir: Some("{data_dir}/all/x-{username}/work".to_owned()),
                ..Section::default()
            };
            found(section, data.path(), name)
        };

        let home = data.path().join("all/x-river");
        assert_eq!(
            found("river"),
            [format!("the directory `{}`", home.display())]
        );
        assert_eq!(found("wash"), Vec::<String>::new());
    }
}
