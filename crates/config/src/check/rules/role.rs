//! Rules of `[role.<name>]`.

use jansky_model::scope::check_scopes;

use super::Rules;
use jansky_settings::Config;

/// Roles that every hub has and whose meaning is fixed.
const FIXED: [&str; 3] = ["admin", "server", "token"];

/// The role of everybody.
const EVERYBODY: &str = "user";

pub(super) fn check(config: &Config, rules: &mut Rules<'_, '_>) {
    for (name, role) in &config.role {
        let section = ["role", name.as_str()];
        let key = |key| ["role", name.as_str(), key];
        if FIXED.contains(&name.as_str()) {
            rules.error(
                &section,
                &format!("the role `{name}`, which every hub has"),
                "choose another name",
            );
        }
        if !is_name(name) {
            rules.error(
                &section,
                "a name that is no name of a role",
                "write 3 to 255 letters, digits and - _ . ~ that begin with a letter",
            );
        }
        if let Err(unknown) = check_scopes(role.scopes.iter().map(String::as_str)) {
            rules.error(
                &key("scopes"),
                &format!("`{}`, which is no scope", unknown.0),
                "write scopes of JupyterHub or `service-account`",
            );
        }
        let is_given = !role.users.is_empty() || !role.groups.is_empty();
        match (name == EVERYBODY, is_given) {
            (true, true) => rules.error(
                &section,
                "people or groups, and the role `user`, which everybody has",
                "leave out `users` and `groups`, or choose another name",
            ),
            (false, false) => rules.warning(
                &section,
                "a role that nobody has",
                "name people in `users` or groups in `groups`",
            ),
            _ => {}
        }
    }
}

/// What JupyterHub takes for the name of a role.
fn is_name(name: &str) -> bool {
    let is_in = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    (3..=255).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(is_in)
}
