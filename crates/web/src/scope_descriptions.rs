//! The scopes in words, for people who decide what an application or a token may do.

/// What a scope allows, as the end of the sentence "It may …".
///
/// A filter such as `!user=river` is left out; a text that is no scope gets a general answer, so a
/// consent page never hides that something unknown was asked for.
pub fn scope_description(scope: &str) -> &'static str {
    let name = scope.split_once('!').map_or(scope, |(name, _)| name);
    match name {
        "(no_scope)" | "identify" => "see your user name",
        "self" => "do everything with your own servers and tokens",
        "inherit" => "do everything that you may do",
        "access:servers" => "open and use servers",
        "access:services" => "open and use services",
        "admin-ui" => "open the administration page",
        "admin:auth_state" => "read and change what identity providers said about users",
        "admin:groups" => "make, change and delete groups",
        "admin:server_state" => "read the internal state of servers",
        "admin:servers" => "start, stop and delete servers and read their internal state",
        "admin:services" => "read everything about services",
        "admin:users" => "make, change and delete users",
        "delete:groups" => "delete groups",
        "delete:servers" => "stop and delete servers",
        "delete:users" => "delete users",
        "groups" => "read groups and change their members",
        "groups:shares" => "share servers with groups, and end that",
        "list:groups" => "list the names of groups",
        "list:services" => "list the names of services",
        "list:users" => "list the names of users",
        "proxy" => "read and change the routes of the proxy",
        "read:groups" => "read groups and their members",
        "read:groups:name" => "read the names of groups",
        "read:groups:shares" => "see which servers are shared with groups",
        "read:hub" => "read facts about the hub, such as its version",
        "read:metrics" => "read the hub's metrics",
        "read:roles" => "see which roles users, services and groups have",
        "read:roles:groups" => "see which roles groups have",
        "read:roles:services" => "see which roles services have",
        "read:roles:users" => "see which roles users have",
        "read:servers" => "see servers and whether they run",
        "read:services" => "read about services",
        "read:services:name" => "read the names of services",
        "read:shares" => "see with whom servers are shared",
        "read:tokens" => "list tokens, but not their secret values",
        "read:users" => "read user names, groups and when users were last active",
        "read:users:activity" => "see when users were last active",
        "read:users:groups" => "see which groups users are in",
        "read:users:name" => "read user names",
        "read:users:shares" => "see which servers are shared with users",
        "servers" => "start, stop and see servers",
        "service-account" => "start servers without signing in at an identity provider",
        "shares" => "share servers with others, and open servers that are shared",
        "shutdown" => "shut the hub down",
        "start:servers" => "start servers",
        "tokens" => "make, list and revoke tokens",
        "users" => "read and change users, but not make or delete them",
        "users:activity" => "report when users were last active",
        "users:shares" => "share servers with users, and end that",
        custom if custom.starts_with("custom:") => {
            "use a service in a way that the service defines"
        }
        _ => "do something that this hub does not know",
    }
}

/// What a scope allows and what its filter limits that to, told to the user `reader`.
pub fn scope_in_words(scope: &str, reader: &str) -> String {
    let words = scope_description(scope);
    let Some((_, filter)) = scope.split_once('!') else {
        return words.to_owned();
    };
    match filter.split_once('=') {
        Some(("user", user)) if user == reader => format!("{words}, only your own"),
        Some(("user", user)) => format!("{words}, only for the user {user}"),
        Some(("group", group)) => format!("{words}, only for the group {group}"),
        Some(("service", service)) => format!("{words}, only for the service {service}"),
        Some(("server", path)) => {
            let (user, server) = path.split_once('/').unwrap_or((path, ""));
            let whose = if user == reader {
                "your".to_owned()
            } else {
                format!("{user}'s")
            };
            if server.is_empty() {
                format!("{words}, only {whose} server")
            } else {
                format!("{words}, only {whose} server {server}")
            }
        }
        _ if filter == "user" => format!("{words}, only your own"),
        _ if filter == "server" => format!("{words}, only this server"),
        _ => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use jansky_model::Scope;

    use super::*;

    #[test]
    fn every_scope_has_its_own_words() {
        let mut seen = std::collections::BTreeMap::new();
        for scope in Scope::all() {
            let words = scope_description(scope.name());
            assert_ne!(
                words,
                scope_description("rule the sky"),
                "`{scope}` has no words"
            );
            if let Some(other) = seen.insert(words, scope) {
                panic!("`{scope}` and `{other}` have the same words: {words}");
            }
        }
    }

    #[test]
    fn words_begin_small_and_end_without_a_full_stop() {
        for scope in Scope::all() {
            let words = scope_description(scope.name());
            assert!(words.starts_with(char::is_lowercase), "{words}");
            assert!(!words.ends_with('.'), "{words}");
        }
    }

    #[test]
    fn a_filter_is_told_from_where_the_reader_stands() {
        for (scope, words) in [
            (
                "access:servers!server=wash/gpu",
                "open and use servers, only wash's server gpu",
            ),
            (
                "access:servers!server=river/",
                "open and use servers, only your server",
            ),
            (
                "tokens!user=river",
                "make, list and revoke tokens, only your own",
            ),
            (
                "tokens!user=wash",
                "make, list and revoke tokens, only for the user wash",
            ),
            (
                "groups!group=crew",
                "read groups and change their members, only for the group crew",
            ),
            ("read:hub", "read facts about the hub, such as its version"),
        ] {
            assert_eq!(scope_in_words(scope, "river"), words);
        }
    }
}
