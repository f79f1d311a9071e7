//! Scopes: whatever a role or a token names, expanding it grants what was named and nothing else, and what two
//! lists allow together is allowed by each.
//!
//! The first line is the owner of the lists, the second the owner's server; then come scopes, and after an
//! empty line others.
#![no_main]

use jansky_model::scope::{Filter, Owner, Scope, ScopeSet, Target, check_scopes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let (user, server) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    // No name of a user has one, so that a server can be named after it.
    if user.contains('/') {
        return;
    }
    let owner = Owner {
        user: (!user.is_empty()).then_some(user),
        server: (!user.is_empty()).then_some((user, server)),
    };
    let mine: Vec<&str> = lines
        .by_ref()
        .take_while(|line| !line.is_empty())
        .take(16)
        .collect();
    let theirs: Vec<&str> = lines.take(16).collect();
    let b = ScopeSet::expand(theirs.iter().copied(), owner, None);
    let a = ScopeSet::expand(mine.iter().copied(), owner, Some(&b));

    // A list grants what its entries grant.
    let mut merged = ScopeSet::default();
    for text in &mine {
        let one = ScopeSet::expand([*text], owner, Some(&b));
        assert!(
            check_scopes([*text]).is_ok() || one.is_empty(),
            "`{text}` is no scope and grants"
        );
        assert!(
            one.is_within(&a, &is_member),
            "`{text}` grants less among others"
        );
        merged.merge(&one);
    }
    assert_eq!(merged, a);

    // What is written is read again as the same.
    let texts = a.to_texts();
    let again = ScopeSet::expand(texts.iter().map(String::as_str), owner, None);
    assert_eq!(check_scopes(texts.iter().map(String::as_str)), Ok(()));
    assert_eq!(again, a);
    assert_eq!(a.renamed(user, user), a);

    let is_within = a.is_within(&b, &is_member);
    let both = a.intersect(&b, &is_member);
    assert!(a.is_within(&a, &is_member));
    assert!(both.is_within(&a, &is_member) && both.is_within(&b, &is_member));
    assert!(both.is_within(&b.intersect(&a, &is_member), &is_member));
    if is_within {
        assert!(a.is_within(&both, &is_member), "less than both");
    }
    for target in targets(&a, &b) {
        for scope in Scope::all() {
            let allowed = |set: &ScopeSet| set.allows(scope, target, &is_member);
            assert!(
                !allowed(&both) || allowed(&a) && allowed(&b),
                "{scope} for {target:?}"
            );
            assert!(
                !is_within || !allowed(&a) || allowed(&b),
                "{scope} for {target:?}"
            );
        }
    }
});

/// Somebody is in the groups that begin as their name does.
fn is_member(group: &str, user: &str) -> bool {
    group.chars().next() == user.chars().next()
}

/// Everything that the filters name.
fn targets<'a>(a: &'a ScopeSet, b: &'a ScopeSet) -> impl Iterator<Item = Target<'a>> {
    let named = a.iter().chain(b.iter()).filter_map(|(_, filter)| filter);
    let named = named.filter_map(|filter| match filter {
        Filter::User(user) => Some(Target::User(user)),
        Filter::Group(group) => Some(Target::Group(group)),
        Filter::Server(user, server) => Some(Target::Server(user, server)),
        Filter::Service(_) => None,
    });
    named.take(32).chain([Target::Hub])
}
