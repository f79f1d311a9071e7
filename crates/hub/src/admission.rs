//! Who of those that a provider vouches for may come in, and with what rights.

use std::collections::BTreeSet;

use jansky_identity::ExternalIdentity;
use jansky_identity::claim_rules::{GroupRules, GroupsProblem, HomeProblem, HomeRules};
use jansky_model::UserName;

/// The rules of one provider. Without any allow rule nobody gets in.
#[derive(Clone, Debug, Default)]
pub struct AdmissionRules {
    /// Everybody whom the provider vouches for may come in.
    pub allow_all: bool,
    /// These users may come in.
    pub allowed_users: BTreeSet<String>,
    /// Members of these groups may come in.
    pub allowed_groups: BTreeSet<String>,
    /// These users may not, whatever the other rules say.
    pub blocked_users: BTreeSet<String>,
    /// Members of these groups are admins, and only they, when the set is not empty.
    pub admin_groups: BTreeSet<String>,
    /// Where groups are found.
    pub groups: GroupRules,
    /// Where people must come from.
    pub home: HomeRules,
}

/// What somebody comes in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The name for a user who is new here.
    pub name: UserName,
    /// Whether they are an admin; `None` leaves it as it is.
    pub admin: Option<bool>,
    /// Their groups; `None` leaves them as they are.
    pub groups: Option<Vec<String>>,
}

/// Why somebody does not come in, as a sentence for them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The provider did not say a usable name.
    #[error("Your provider did not send a usable user name: {0}.")]
    NoName(String),
    /// A rule says no.
    #[error("You signed in as `{0}`, but this account may not use this hub. Ask its operator.")]
    NotAllowed(String),
    /// They come from an organization that may not.
    #[error(
        "You signed in as `{name}`, but only accounts of certain organizations may use this hub: {problem}."
    )]
    Elsewhere {
        /// Who they are.
        name: String,
        /// Which rule says no.
        problem: HomeProblem,
    },
    /// Groups decide, and they cannot be told.
    #[error("Your provider did not send your groups, which decide whether you may come in: {0}.")]
    Groups(GroupsProblem),
}

impl AdmissionRules {
    /// Decides about an identity.
    pub fn admit(&self, identity: &ExternalIdentity) -> Result<Admission, Refusal> {
        let claimed = identity
            .username
            .as_deref()
            .ok_or_else(|| Refusal::NoName("the claim is missing".to_owned()))?;
        let name =
            UserName::normalize(claimed).map_err(|error| Refusal::NoName(error.to_string()))?;
        if self.blocked_users.contains(name.as_str()) {
            return Err(Refusal::NotAllowed(name.to_string()));
        }
        self.home
            .check(&identity.claims)
            .map_err(|problem| Refusal::Elsewhere {
                name: name.to_string(),
                problem,
            })?;
        let groups_decide = !self.allowed_groups.is_empty() || !self.admin_groups.is_empty();
        let groups = match self.groups.groups(&identity.claims) {
            // Who is let in by groups has none when none are told: old ones must not stay.
            Ok(None) if groups_decide => Some(Vec::new()),
            Ok(groups) => groups,
            Err(problem) if groups_decide => return Err(Refusal::Groups(problem)),
            Err(_) => None,
        };
        let in_any = |wanted: &BTreeSet<String>| {
            groups
                .as_ref()
                .is_some_and(|groups| groups.iter().any(|g| wanted.contains(g)))
        };
        let is_admin = in_any(&self.admin_groups);
        let is_allowed = self.allow_all
            || self.allowed_users.contains(name.as_str())
            || in_any(&self.allowed_groups)
            || is_admin;
        if !is_allowed {
            return Err(Refusal::NotAllowed(name.to_string()));
        }
        let admin = (!self.admin_groups.is_empty()).then_some(is_admin);
        Ok(Admission {
            name,
            admin,
            groups,
        })
    }
}

#[cfg(test)]
mod tests {
    use jansky_identity::claim_rules::EntitlementRules;
    use jansky_identity::{Claims, UpstreamTokens};
    use jansky_model::Secret;
    use serde_json::{Value, json};

    use super::*;

    fn person(claims: Value) -> ExternalIdentity {
        let Value::Object(claims) = claims else {
            panic!("the test writes an object")
        };
        ExternalIdentity {
            provider: "op".parse().expect("it is a provider id"),
            issuer: "https://id.example.org".to_owned(),
            subject: "subject-1".to_owned(),
            username: Some("river".to_owned()),
            claims,
            tokens: UpstreamTokens {
                access: Secret::new("access"),
                refresh: None,
                id_token: None,
                expires_at: None,
                scope: None,
                other: Vec::new(),
            },
        }
    }

    fn set(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn rules() -> AdmissionRules {
        AdmissionRules {
            allowed_groups: set(&["/radio"]),
            admin_groups: set(&["/operators"]),
            groups: GroupRules {
                claims: vec!["groups".to_owned()],
                ..GroupRules::default()
            },
            ..AdmissionRules::default()
        }
    }

    #[test]
    fn groups_let_people_in_and_make_admins() {
        let member = rules().admit(&person(json!({ "groups": ["/radio", "/x"] })));
        let admin = rules().admit(&person(json!({ "groups": ["/operators"] })));
        let neither = rules().admit(&person(json!({ "groups": ["/radio/evn", "radio"] })));
        let unknown = rules().admit(&person(json!({})));

        let member = member.expect("a member");
        assert_eq!(member.admin, Some(false));
        assert_eq!(
            member.groups,
            Some(vec!["/radio".to_owned(), "/x".to_owned()])
        );
        assert_eq!(admin.expect("an admin").admin, Some(true));
        for refused in [neither, unknown] {
            assert_eq!(refused, Err(Refusal::NotAllowed("river".to_owned())));
        }
    }

    #[test]
    fn old_groups_do_not_stay_when_none_are_told_and_groups_decide() {
        let rules = AdmissionRules {
            allow_all: true,
            ..rules()
        };

        let admission = rules.admit(&person(json!({}))).expect("all may come");

        assert_eq!(admission.groups, Some(Vec::new()));
        assert_eq!(admission.admin, Some(false));
    }

    #[test]
    fn groups_that_cannot_be_told_keep_people_out_only_where_groups_decide() {
        let too_many = person(json!({ "_claim_names": { "groups": "src1" } }));
        let by_name = AdmissionRules {
            allow_all: true,
            allowed_groups: BTreeSet::new(),
            admin_groups: BTreeSet::new(),
            ..rules()
        };

        let refused = rules().admit(&too_many);
        let accepted = by_name.admit(&too_many).expect("groups decide nothing");

        assert!(matches!(refused, Err(Refusal::Groups(_))), "{refused:?}");
        assert_eq!((accepted.admin, accepted.groups), (None, None));
    }

    #[test]
    fn an_entitlement_of_a_foreign_authority_opens_nothing() {
        let rules = AdmissionRules {
            groups: GroupRules {
                claims: vec!["entitlements".to_owned()],
                entitlements: Some(EntitlementRules {
                    namespaces: vec!["urn:mace:egi.eu".to_owned()],
                    authorities: vec!["aai.egi.eu".to_owned()],
                }),
                ..GroupRules::default()
            },
            ..rules()
        };
        let with = |urn: &str| rules.admit(&person(json!({ "entitlements": [urn] })));

        assert!(with("urn:mace:egi.eu:group:radio#aai.egi.eu").is_ok());
        assert!(with("urn:mace:egi.eu:group:radio#evil.example").is_err());
        assert!(with("urn:mace:evil.example:group:radio#aai.egi.eu").is_err());
    }

    /// D11: who may come in when only one domain may.
    #[test]
    fn a_domain_is_that_of_a_verified_address_or_what_the_provider_vouches_for() {
        let mut rules = AdmissionRules {
            allow_all: true,
            ..AdmissionRules::default()
        };
        rules.home.hosted_domains = vec!["good.org".to_owned()];
        let email = |email: &str, verified: bool| {
            person(json!({ "email": email, "email_verified": verified }))
        };
        let foreign = |outcome| matches!(outcome, Err(Refusal::Elsewhere { .. }));

        assert!(foreign(rules.admit(&email("a@good.org", false))));
        assert!(foreign(rules.admit(&email("a@evil.org@good.org", true))));
        assert!(rules.admit(&email("A@GOOD.ORG", true)).is_ok());
        rules.home.hosted_domain_claim = Some("hd".to_owned());
        assert!(foreign(rules.admit(&email("a@good.org", true))), "no `hd`");
        rules.allow_all = false;
        let mut vouched = email("a@good.org", true);
        vouched
            .claims
            .extend(Claims::from_iter([("hd".to_owned(), json!("good.org"))]));
        assert_eq!(
            rules.admit(&vouched),
            Err(Refusal::NotAllowed("river".to_owned())),
            "the right domain alone lets nobody in"
        );
    }
}
