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

/// What one rule found out about somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The key of the rule in the configuration.
    pub rule: &'static str,
    /// What it means for the decision.
    pub verdict: Verdict,
    /// What was found, as a sentence without a full stop.
    pub words: String,
}

/// What a step means for the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It decides nothing by itself.
    Noted,
    /// It lets the person in, unless another rule keeps them out.
    LetsIn,
    /// It keeps the person out, whatever other rules say.
    KeepsOut,
}

/// A decision, with the way to it.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What was looked at, in order.
    pub steps: Vec<Step>,
    /// What came of it.
    pub outcome: Result<Admission, Refusal>,
    /// The claims that the rules asked for and that were not there. What is not there says nothing:
    /// somebody who is here already keeps what they have.
    pub missing: Vec<String>,
}

impl AdmissionRules {
    /// Decides about an identity.
    ///
    /// # Errors
    /// [`Refusal`] with the first rule that says no.
    pub fn admit(&self, identity: &ExternalIdentity) -> Result<Admission, Refusal> {
        self.decide(identity).outcome
    }

    /// Decides about an identity and says how.
    pub fn decide(&self, identity: &ExternalIdentity) -> Decision {
        let mut steps = Vec::new();
        let outcome = self.walk(identity, &mut steps);
        Decision {
            steps,
            outcome,
            missing: self.missing(identity),
        }
    }

    /// Whether an identity may be linked to the account of somebody who is here already: of the
    /// rules only those count that keep people out.
    ///
    /// # Errors
    /// [`Refusal`] with the first rule that says no.
    pub fn may_link(&self, identity: &ExternalIdentity) -> Result<(), Refusal> {
        let mut steps = Vec::new();
        let name = match identity.username.as_deref().map(UserName::normalize) {
            Some(Ok(name)) => name.to_string(),
            // A name is only needed to make an account.
            _ => identity.subject.clone(),
        };
        self.keep_out(&name, identity, &mut steps)
    }

    fn walk(
        &self,
        identity: &ExternalIdentity,
        steps: &mut Vec<Step>,
    ) -> Result<Admission, Refusal> {
        let name = name_of(identity, steps)?;
        self.keep_out(name.as_str(), identity, steps)?;
        let groups = self.find_groups(identity, steps)?;
        let (is_allowed, is_admin) = self.let_in(&name, groups.as_deref(), steps);
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

    /// The rules that keep people out.
    fn keep_out(
        &self,
        name: &str,
        identity: &ExternalIdentity,
        steps: &mut Vec<Step>,
    ) -> Result<(), Refusal> {
        let is_blocked = self.blocked_users.contains(name);
        if !self.blocked_users.is_empty() {
            let verdict = if is_blocked {
                Verdict::KeepsOut
            } else {
                Verdict::Noted
            };
            let not = if is_blocked { "" } else { "not " };
            steps.push(step(
                "blocked_users",
                verdict,
                format!("`{name}` is {not}among them"),
            ));
        }
        if is_blocked {
            return Err(Refusal::NotAllowed(name.to_owned()));
        }
        let checked = self.home.check(&identity.claims);
        for rule in self.home.keys() {
            let problem = checked.err().filter(|problem| problem.rule() == rule);
            let (verdict, words) = match problem {
                Some(problem) => (Verdict::KeepsOut, problem.to_string()),
                None => (
                    Verdict::Noted,
                    "the person comes from one of them".to_owned(),
                ),
            };
            steps.push(step(rule, verdict, words));
            if verdict == Verdict::KeepsOut {
                break;
            }
        }
        checked.map_err(|problem| Refusal::Elsewhere {
            name: name.to_owned(),
            problem,
        })
    }

    fn groups_decide(&self) -> bool {
        !self.allowed_groups.is_empty() || !self.admin_groups.is_empty()
    }

    fn find_groups(
        &self,
        identity: &ExternalIdentity,
        steps: &mut Vec<Step>,
    ) -> Result<Option<Vec<String>>, Refusal> {
        let mut note = |verdict, words| steps.push(step("groups_claim", verdict, words));
        match self.groups.groups(&identity.claims) {
            Ok(Some(groups)) if groups.is_empty() => {
                note(Verdict::Noted, "the person is in no group".to_owned());
                Ok(Some(groups))
            }
            Ok(Some(groups)) => {
                note(
                    Verdict::Noted,
                    format!("the groups are {}", quoted(&groups)),
                );
                Ok(Some(groups))
            }
            Ok(None) => {
                let claims = quoted(&self.groups.claims);
                let words = format!("no groups are known: none of the claims {claims} is there");
                note(Verdict::Noted, words);
                // Who is let in by groups has none when none are told: old ones must not stay.
                Ok(self.groups_decide().then(Vec::new))
            }
            Err(problem) if self.groups_decide() => {
                note(Verdict::KeepsOut, problem.to_string());
                Err(Refusal::Groups(problem))
            }
            Err(problem) => {
                note(Verdict::Noted, problem.to_string());
                Ok(None)
            }
        }
    }

    /// The rules that let people in: whether one of them does, and whether it makes an admin.
    fn let_in(
        &self,
        name: &UserName,
        groups: Option<&[String]>,
        steps: &mut Vec<Step>,
    ) -> (bool, bool) {
        let shared = |wanted: &BTreeSet<String>| {
            let mut groups = groups.unwrap_or_default().iter();
            groups.find(|group| wanted.contains(*group)).cloned()
        };
        let mut is_allowed = self.allow_all;
        if self.allow_all {
            let words = "everybody may come in whom the provider vouches for".to_owned();
            steps.push(step("allow_all", Verdict::LetsIn, words));
        }
        if !self.allowed_users.is_empty() {
            let is_named = self.allowed_users.contains(name.as_str());
            is_allowed |= is_named;
            let (verdict, not) = if is_named {
                (Verdict::LetsIn, "")
            } else {
                (Verdict::Noted, "not ")
            };
            let words = format!("`{name}` is {not}among them");
            steps.push(step("allowed_users", verdict, words));
        }
        let mut in_group = |rule, wanted: &BTreeSet<String>, effect: &str| {
            if wanted.is_empty() {
                return false;
            }
            let found = shared(wanted);
            let (verdict, words) = match &found {
                Some(group) => (Verdict::LetsIn, format!("`{name}` is in `{group}`{effect}")),
                None => (Verdict::Noted, format!("`{name}` is in none of them")),
            };
            steps.push(step(rule, verdict, words));
            found.is_some()
        };
        is_allowed |= in_group("allowed_groups", &self.allowed_groups, "");
        let is_admin = in_group("admin_groups", &self.admin_groups, " and becomes an admin");
        (is_allowed || is_admin, is_admin)
    }

    /// Whether everything is there that the rules read, also where they would do without it.
    pub(crate) fn are_answered_by(&self, identity: &ExternalIdentity) -> bool {
        self.groups.are_all_in(&identity.claims) && self.missing(identity).is_empty()
    }

    /// The claims that the rules need and that are not there.
    fn missing(&self, identity: &ExternalIdentity) -> Vec<String> {
        let mut missing = self.home.missing(&identity.claims);
        if identity.username.is_none() {
            missing.push("the user name".to_owned());
        }
        let groups = self.groups.groups(&identity.claims);
        let is_unknown = matches!(groups, Ok(None) | Err(GroupsProblem::LeftOut(_)));
        if self.groups_decide() && is_unknown {
            missing.extend(self.groups.claims.iter().cloned());
        }
        missing
    }
}

fn name_of(identity: &ExternalIdentity, steps: &mut Vec<Step>) -> Result<UserName, Refusal> {
    let claimed = identity
        .username
        .as_deref()
        .ok_or_else(|| "the claim is missing".to_owned());
    let name =
        claimed.and_then(|claimed| UserName::normalize(claimed).map_err(|error| error.to_string()));
    let (verdict, words) = match &name {
        Ok(name) => (
            Verdict::Noted,
            format!("the name of a new user would be `{name}`"),
        ),
        Err(problem) => (Verdict::KeepsOut, problem.clone()),
    };
    steps.push(step("username_claim", verdict, words));
    name.map_err(Refusal::NoName)
}

const fn step(rule: &'static str, verdict: Verdict, words: String) -> Step {
    Step {
        rule,
        verdict,
        words,
    }
}

fn quoted(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
    quoted.join(", ")
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
    fn a_decision_names_every_rule_on_its_way() {
        let rules = AdmissionRules {
            allowed_users: set(&["wash"]),
            blocked_users: set(&["mallory"]),
            ..rules()
        };
        let decision = rules.decide(&person(json!({ "groups": ["/operators"] })));

        let rules: Vec<_> = decision.steps.iter().map(|s| (s.rule, s.verdict)).collect();
        assert_eq!(
            rules,
            [
                ("username_claim", Verdict::Noted),
                ("blocked_users", Verdict::Noted),
                ("groups_claim", Verdict::Noted),
                ("allowed_users", Verdict::Noted),
                ("allowed_groups", Verdict::Noted),
                ("admin_groups", Verdict::LetsIn),
            ]
        );
        assert_eq!(
            decision.steps[5].words,
            "`river` is in `/operators` and becomes an admin"
        );
    }

    #[test]
    fn a_claim_that_is_not_there_is_told_apart_from_one_that_says_no() {
        let mut rules = rules();
        rules.home.hosted_domains = vec!["good.org".to_owned()];
        let silent = rules.decide(&person(json!({})));
        let clear = rules.decide(&person(json!({
            "email": "a@bad.org", "email_verified": true, "groups": []
        })));

        assert_eq!(silent.missing, ["email", "email_verified", "groups"]);
        assert!(clear.missing.is_empty(), "{:?}", clear.missing);
        assert!(silent.outcome.is_err() && clear.outcome.is_err());
    }

    #[test]
    fn linking_asks_only_the_rules_that_keep_people_out() {
        let nobody = AdmissionRules {
            blocked_users: set(&["mallory"]),
            ..AdmissionRules::default()
        };
        let mut mallory = person(json!({}));
        mallory.username = Some("Mallory".to_owned());

        assert!(nobody.admit(&person(json!({}))).is_err());
        assert_eq!(nobody.may_link(&person(json!({}))), Ok(()));
        assert!(nobody.may_link(&mallory).is_err());
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
