//! The right to enter servers of others, which a token does not have.

use jansky_model::{Filter, Scope, ScopeSet};

/// Takes out of what somebody may do the right to enter servers of others that comes from being an
/// administrator or from a role: with a token nobody would see them enter.
pub fn without_entering_others(scopes: &mut ScopeSet, own: &str) {
    if scopes.holds_unfiltered(Scope::ACCESS_SERVERS) {
        scopes.retain(|scope, _| scope != Scope::ACCESS_SERVERS);
        let own = Filter::User(own.to_owned());
        scopes.grant(Scope::ACCESS_SERVERS, Some(&own));
        return;
    }
    scopes.retain(|scope, filter| {
        scope != Scope::ACCESS_SERVERS
            || match filter {
                Some(Filter::User(user) | Filter::Server(user, _)) => user == own,
                _ => false,
            }
    });
}

#[cfg(test)]
mod tests {
    use jansky_model::scope::{Owner, Target};

    use super::*;

    const NOBODY: &dyn Fn(&str, &str) -> bool = &|_, _| false;

    #[test]
    fn only_the_right_to_enter_servers_of_others_goes() {
        let owner = Owner {
            user: Some("zoe"),
            server: None,
        };
        for texts in [
            &["access:servers", "admin:servers"][..],
            &[
                "access:servers!user=zoe",
                "access:servers!user=river",
                "admin:servers",
            ],
            &[
                "access:servers!group=/crew",
                "access:servers!server=zoe/gpu",
                "admin:servers",
            ],
        ] {
            let mut scopes = ScopeSet::expand(texts.iter().copied(), owner, None);
            without_entering_others(&mut scopes, "zoe");

            let river = Target::Server("river", "");
            let in_crew: &dyn Fn(&str, &str) -> bool = &|_, _| true;
            assert!(
                !scopes.allows(Scope::ACCESS_SERVERS, river, in_crew),
                "{texts:?}"
            );
            assert!(scopes.allows(Scope::SERVERS, river, NOBODY), "{texts:?}");
            let own = Target::Server("zoe", "gpu");
            assert!(
                scopes.allows(Scope::ACCESS_SERVERS, own, NOBODY),
                "{texts:?}"
            );
        }
    }
}
