//! What the account database knows.

use std::ffi::CString;

use nix::unistd::{Group, User, getgrouplist};

use crate::Account;

/// Looks an account up, with its groups.
pub(crate) fn find(name: &str) -> Result<Account, String> {
    let trouble = |error| format!("could not look up the account `{name}`: {error}");
    let user = User::from_name(name)
        .map_err(trouble)?
        .ok_or_else(|| format!("PAM knows `{name}` and the account database does not"))?;
    let c_name = CString::new(user.name.as_str())
        .map_err(|_| format!("the name of the account `{name}` has a NUL in it"))?;
    let gids = getgrouplist(&c_name, user.gid).map_err(trouble)?;
    let mut groups = Vec::with_capacity(gids.len());
    for gid in gids {
        // A group without a name cannot stand in a rule.
        if let Some(group) = Group::from_gid(gid).map_err(trouble)? {
            groups.push(group.name);
        }
    }
    // By convention the GECOS field has parts separated by commas, and the name is the first.
    let gecos = user.gecos.to_string_lossy();
    let full_name = gecos.split(',').next().map(str::trim);
    let full_name = full_name.filter(|name| !name.is_empty()).map(str::to_owned);
    Ok(Account {
        full_name,
        name: user.name,
        groups,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_comes_with_its_groups() {
        let root = find("root").expect("there is always one");

        assert_eq!(root.name, "root");
        assert!(root.groups.contains(&"root".to_owned()), "{root:?}");
        assert!(find("no-such-account-here").is_err());
    }
}
