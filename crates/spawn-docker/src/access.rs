//! Who may ask the engine, which is as good as being root on its machine.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use jansky_spawn::Finding;

/// What this is about.
const SUBJECT: &str = "Docker rights";

const ADVICE: &str = "who may write to this socket can read everything in every server and is an \
     administrator of this machine: let nobody but Jansky be in the group, or see docs/how-to/docker.md";

/// Says who may use the socket of the engine, besides root and this very account.
pub(crate) fn of_socket(path: &Path) -> Finding {
    let shown = path.display();
    let Ok(found) = std::fs::metadata(path) else {
        return Finding::warning(
            SUBJECT,
            format!("`{shown}` cannot be looked at"),
            "look yourself who may write to the socket of the engine",
        );
    };
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (accounts, groups) = (read("/etc/passwd"), read("/etc/group"));
    let own = rustix::process::geteuid().as_raw();
    if found.mode() & 0o002 != 0 {
        return Finding::warning(
            SUBJECT,
            format!("every account of this machine may write to `{shown}`"),
            ADVICE,
        );
    }
    let mut others = Vec::new();
    if found.mode() & 0o020 != 0 {
        others = members(found.gid(), &accounts, &groups);
    }
    if found.mode() & 0o200 != 0
        && let Some(owner) = name_of(found.uid(), &accounts)
    {
        others.push(owner);
    }
    let ours = name_of(own, &accounts);
    others.retain(|name| name != "root" && Some(name) != ours.as_ref());
    others.sort();
    others.dedup();
    if others.is_empty() {
        Finding::good(
            SUBJECT,
            format!("only root and Jansky's account may write to `{shown}`"),
        )
    } else {
        Finding::warning(
            SUBJECT,
            format!(
                "these accounts may write to `{shown}`: {}",
                others.join(", ")
            ),
            ADVICE,
        )
    }
}

/// The accounts that are in a group, by their own entry or by the group's.
fn members(gid: u32, accounts: &str, groups: &str) -> Vec<String> {
    let gid = gid.to_string();
    let first = accounts.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.get(3) == Some(&gid.as_str())).then(|| fields[0].to_owned())
    });
    let listed = groups.lines().flat_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let names = if fields.get(2) == Some(&gid.as_str()) {
            fields.get(3).copied().unwrap_or_default()
        } else {
            ""
        };
        names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    first.chain(listed).collect()
}

/// The name of an account, if it has one.
fn name_of(uid: u32, accounts: &str) -> Option<String> {
    let uid = uid.to_string();
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(uid.as_str())).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use jansky_spawn::Severity;

    use super::*;

    const ACCOUNTS: &str =
        "root:x:0:0::/root:/bin/sh\nada:x:1000:998::/:/bin/sh\nbo:x:1001:5::/:\n";

    #[test]
    fn members_are_found_in_both_files() {
        let groups = "root:x:0:\ndocker:x:998:bo,jansky\nusers:x:5:\n";

        assert_eq!(members(998, ACCOUNTS, groups), ["ada", "bo", "jansky"]);
        assert_eq!(members(7, ACCOUNTS, groups), Vec::<String>::new());
        assert_eq!(name_of(1001, ACCOUNTS), Some("bo".to_owned()));
        assert_eq!(name_of(4, ACCOUNTS), None);
    }

    #[test]
    fn a_socket_that_everybody_may_write_to_is_told_of() {
        let socket = tempfile::NamedTempFile::new().expect("a file");
        let set = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(socket.path(), permissions).expect("ours");
            of_socket(socket.path()).severity
        };

        assert_eq!(set(0o600), Severity::Good);
        assert_eq!(set(0o666), Severity::Warning);
    }
}
