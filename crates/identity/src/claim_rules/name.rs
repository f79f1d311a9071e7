//! From what a provider calls somebody to the name of an account here.

use std::collections::BTreeMap;

use jansky_model::{InvalidName, UserName};

use super::reading::{Reading, text_at};
use crate::identity::Claims;

/// The claim with the name where nothing else is said (OpenID Connect Core 5.1).
pub const USUAL_NAME_CLAIM: &str = "preferred_username";

/// How names are made. Two people whom the provider calls differently never get the same name, but
/// for cases where those do not count.
#[derive(Clone, Debug)]
pub struct NameRules {
    /// The claim with the name: a name, or a path with dots.
    pub claim: String,
    /// Whether names keep the case in which the provider writes them.
    pub keeps_case: bool,
    /// The domain that is taken off: of `river@example.org` the name is `river`. Names with another
    /// one stay as they are.
    pub domain: Option<String>,
    /// Names by what the provider says, in place of what the other rules would make of it.
    pub map: BTreeMap<String, UserName>,
}

impl Default for NameRules {
    fn default() -> Self {
        Self {
            claim: USUAL_NAME_CLAIM.to_owned(),
            keeps_case: false,
            domain: None,
            map: BTreeMap::new(),
        }
    }
}

/// Why no name can be made of what the provider says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// It is not what a name may be.
    #[error(transparent)]
    Invalid(#[from] InvalidName),
    /// Without its domain it would be equal to the name of a person in another domain.
    #[error(
        "`{name}` has no domain, and without `@{domain}` it would be the name of somebody else"
    )]
    NoDomain {
        /// What the provider says.
        name: String,
        /// The domain that is taken off.
        domain: String,
    },
    /// The name is given to somebody else by the map.
    #[error("`{0}` is the name that `username_map` gives to somebody else")]
    GivenAway(UserName),
}

impl NameRules {
    /// What the provider calls somebody.
    pub fn said(&self, claims: &Claims) -> Reading<String> {
        text_at(claims, &self.claim)
    }

    /// The name of the account of somebody whom the provider calls `said`.
    ///
    /// # Errors
    /// [`NameProblem`] when there is none for them.
    pub fn name_of(&self, said: &str) -> Result<UserName, NameProblem> {
        let said = said.trim();
        let mapped = self.map.iter().find(|(key, _)| self.same(key, said));
        if let Some((_, name)) = mapped {
            return Ok(name.clone());
        }
        let name = self.cased(self.without_domain(said)?)?;
        if self.map.values().any(|given| *given == name) {
            return Err(NameProblem::GivenAway(name));
        }
        Ok(name)
    }

    /// Whether two names of the provider are the same one.
    pub fn same(&self, one: &str, other: &str) -> bool {
        one == other || (!self.keeps_case && one.to_lowercase() == other.to_lowercase())
    }

    fn cased(&self, name: &str) -> Result<UserName, InvalidName> {
        if self.keeps_case {
            UserName::compose(name)
        } else {
            UserName::normalize(name)
        }
    }

    /// What is left has no `@`, and what stays as it is has one, so that none is like the other.
    fn without_domain<'n>(&self, said: &'n str) -> Result<&'n str, NameProblem> {
        let Some(own) = &self.domain else {
            return Ok(said);
        };
        match said.rsplit_once('@') {
            None => Err(NameProblem::NoDomain {
                name: said.to_owned(),
                domain: own.clone(),
            }),
            Some((name, domain)) => {
                let is_plain = !name.is_empty() && !name.contains('@') && name.trim() == name;
                let is_own = domain.eq_ignore_ascii_case(own) && is_plain;
                Ok(if is_own { name } else { said })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn named(rules: &NameRules, said: &str) -> Option<String> {
        rules.name_of(said).ok().map(|name| name.to_string())
    }

    fn name(text: &str) -> UserName {
        text.parse().expect("it is a name")
    }

    #[test]
    fn names_are_lowered_unless_their_case_is_kept() {
        let lowered = NameRules::default();
        let kept = NameRules {
            keeps_case: true,
            ..NameRules::default()
        };

        assert_eq!(named(&lowered, " JSmith ").as_deref(), Some("jsmith"));
        assert_eq!(named(&kept, " JSmith ").as_deref(), Some("JSmith"));
        assert_eq!(named(&kept, "a/b"), None);
        // Rules and accounts have names in one spelling.
        assert_eq!(
            named(&kept, "Ju\u{308}rgen").as_deref(),
            Some("J\u{fc}rgen")
        );
    }

    #[test]
    fn only_the_domain_that_is_named_is_taken_off() {
        let rules = NameRules {
            domain: Some("example.org".to_owned()),
            ..NameRules::default()
        };

        for (said, expected) in [
            ("River@Example.ORG", Some("river")),
            ("river@other.org", Some("river@other.org")),
            ("river@sub.example.org", Some("river@sub.example.org")),
            ("a@b@example.org", Some("a@b@example.org")),
            ("@example.org", Some("@example.org")),
            // It could be another person than river@example.org.
            ("river", None),
        ] {
            assert_eq!(named(&rules, said).as_deref(), expected, "{said}");
        }
    }

    #[test]
    fn a_name_that_the_map_gives_to_one_is_nobody_elses() {
        let rules = NameRules {
            domain: Some("example.org".to_owned()),
            map: [
                ("R.Tam@example.org".to_owned(), name("river")),
                ("boss".to_owned(), name("Zoe")),
            ]
            .into(),
            ..NameRules::default()
        };

        assert_eq!(named(&rules, "r.tam@EXAMPLE.org").as_deref(), Some("river"));
        assert_eq!(named(&rules, "boss").as_deref(), Some("Zoe"));
        assert_eq!(named(&rules, "wash@example.org").as_deref(), Some("wash"));
        assert_eq!(
            rules.name_of("river@example.org"),
            Err(NameProblem::GivenAway(name("river")))
        );
    }

    proptest! {
        #[test]
        fn two_whom_the_provider_calls_differently_never_get_one_name(
            one in "[a-cA-C@.]{1,6}(@(example|other)\\.org)?",
            other in "[a-cA-C@.]{1,6}(@(example|other)\\.org)?",
            keeps_case: bool,
            domain in prop::option::of(Just("example.org".to_owned())),
            map in prop::collection::btree_map("[a-c@]{1,4}", "[a-c]{1,2}", 0..3),
        ) {
            let mut map: BTreeMap<String, UserName> = map
                .into_iter()
                .filter_map(|(key, value)| Some((key, value.parse().ok()?)))
                .collect();
            // What the check of the configuration refuses.
            let mut given = std::collections::BTreeSet::new();
            map.retain(|_, value| given.insert(value.clone()));
            let rules = NameRules { keeps_case, domain, map, ..NameRules::default() };
            prop_assume!(!rules.same(&one, &other));
            if let (Ok(one), Ok(other)) = (rules.name_of(&one), rules.name_of(&other)) {
                prop_assert_ne!(one, other);
            }
        }
    }
}
