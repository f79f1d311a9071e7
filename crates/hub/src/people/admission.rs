//! Who of those that a provider vouches for may come in, and with what rights.

use std::collections::BTreeSet;

use jansky_identity::ExternalIdentity;
use jansky_identity::claim_rules::{
    GroupRules, GroupsProblem, HomeProblem, HomeRules, NameRules, Reading,
};
use jansky_model::UserName;
use jansky_model::name::group_name;

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
    /// How the name of an account is made.
    pub name: NameRules,
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
    /// They have come with more names than are kept.
    #[error(
        "Your provider has named you in {0} ways, and no more are kept here. Sign in with one of them, \
         or ask the operator."
    )]
    TooManyNames(usize),
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
    #[error(
        "Your groups decide whether you may come in, and your provider does not say them: {0}."
    )]
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
    /// What came of it for somebody who signs in.
    pub outcome: Result<Admission, Refusal>,
    /// The claims that the rules asked for and that were not there.
    pub missing: Vec<String>,
    /// What was there for a rule and cannot be read, each as a sentence without a full stop.
    pub unreadable: Vec<String>,
    /// Whether no other answer could come of what is missing or cannot be read. Without certainty
    /// somebody who is here already keeps what they have.
    pub is_certain: bool,
}

/// What is found on the way to a decision.
#[derive(Default)]
struct DecisionTrace {
    steps: Vec<Step>,
    unreadable: Vec<String>,
    /// The first reason to refuse somebody that is none to take anything away.
    doubt: Option<Refusal>,
}

impl DecisionTrace {
    fn note(&mut self, rule: &'static str, verdict: Verdict, words: String) {
        self.steps.push(Step {
            rule,
            verdict,
            words,
        });
    }

    fn doubt(&mut self, refusal: Refusal) {
        self.doubt.get_or_insert(refusal);
    }
}

impl Decision {
    /// Keeps somebody out for a name that they have or had, whatever the rest says.
    pub(crate) fn keep_out_by_name(&mut self, name: &str) {
        let words = format!("`{name}` is among them, and this person has or had that name");
        self.steps.push(Step {
            rule: "blocked_users",
            verdict: Verdict::KeepsOut,
            words,
        });
        self.outcome = Err(Refusal::NotAllowed(name.to_owned()));
        self.is_certain = true;
    }

    /// Keeps somebody out who has come with so many names that another one is not kept.
    pub(crate) fn keep_out_by_names(&mut self, count: usize) {
        self.steps.push(Step {
            rule: "blocked_users",
            verdict: Verdict::KeepsOut,
            words: format!("this person has come with {count} names, and no more are kept"),
        });
        self.outcome = Err(Refusal::TooManyNames(count));
        self.is_certain = true;
    }
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
        let mut trace = DecisionTrace::default();
        let (outcome, missing, is_certain) = match self.walk(identity, &mut trace) {
            // A rule that says no for certain needs nothing else.
            Err(Rejection::Certain(refusal)) => (Err(refusal), Vec::new(), true),
            Err(Rejection::Doubt(refusal)) => (Err(refusal), self.missing(identity), false),
            Ok(admission) => {
                let missing = self.missing(identity);
                let is_certain = missing.is_empty();
                (Ok(admission), missing, is_certain)
            }
        };
        Decision {
            steps: trace.steps,
            outcome,
            missing,
            unreadable: trace.unreadable,
            is_certain,
        }
    }

    /// Whether an identity may be linked to the account of somebody who is here already: of the
    /// rules only those count that keep people out.
    ///
    /// # Errors
    /// [`Refusal`] with the first rule that says no.
    pub fn may_link(&self, identity: &ExternalIdentity) -> Result<(), Refusal> {
        let mut trace = DecisionTrace::default();
        let name = self.name.said(&identity.claims).said();
        let name = match name.map(|said| self.name.name_of(&said)) {
            Some(Ok(name)) => name.to_string(),
            // A name is only needed to make an account.
            _ => identity.subject.clone(),
        };
        self.keep_out(&name, identity, &mut trace)?;
        trace.doubt.map_or(Ok(()), Err)
    }

    fn walk(
        &self,
        identity: &ExternalIdentity,
        trace: &mut DecisionTrace,
    ) -> Result<Admission, Rejection> {
        let name = self.find_name(identity, trace);
        let called = name.as_ref().map_or(&*identity.subject, UserName::as_str);
        self.keep_out(called, identity, trace)
            .map_err(Rejection::Certain)?;
        let groups = self.find_groups(identity, trace);
        if let Some(name) = &name {
            let (is_allowed, is_admin) = self.check_admission(name, &groups, trace);
            if is_allowed && trace.doubt.is_none() {
                return Ok(self.admission(name.clone(), is_admin, groups));
            }
            if !is_allowed {
                let refusal = Refusal::NotAllowed(name.to_string());
                return Err(match groups {
                    _ if !self.groups_decide() => Rejection::Certain(refusal),
                    KnownGroups::Groups(_) => Rejection::Certain(refusal),
                    KnownGroups::Nothing => Rejection::Doubt(trace.doubt.take().unwrap_or(refusal)),
                    KnownGroups::Problem(problem) => {
                        Rejection::Doubt(trace.doubt.take().unwrap_or(Refusal::Groups(problem)))
                    }
                });
            }
        }
        let nameless = || Refusal::NoName("there is none".to_owned());
        Err(Rejection::Doubt(
            trace.doubt.take().unwrap_or_else(nameless),
        ))
    }

    fn admission(&self, name: UserName, is_admin: bool, groups: KnownGroups) -> Admission {
        let (admin, groups) = match groups {
            // What cannot be told changes nothing.
            KnownGroups::Problem(_) => (None, None),
            KnownGroups::Groups(groups) => (Some(is_admin), Some(groups)),
            // Who is let in by groups has none when none are told: old ones must not stay.
            KnownGroups::Nothing => (Some(is_admin), self.groups_decide().then(Vec::new)),
        };
        Admission {
            name,
            admin: admin.filter(|_| !self.admin_groups.is_empty()),
            groups,
        }
    }

    /// The name for an account; `None` with a doubt when there is none.
    fn find_name(
        &self,
        identity: &ExternalIdentity,
        trace: &mut DecisionTrace,
    ) -> Option<UserName> {
        let problem = match self.name.said(&identity.claims) {
            Reading::Said(said) => match self.name.name_of(&said) {
                Ok(name) => {
                    let words = format!("the name of a new user would be `{name}`");
                    trace.note("username_claim", Verdict::Noted, words);
                    return Some(name);
                }
                Err(problem) => {
                    trace.unreadable.push(problem.to_string());
                    problem.to_string()
                }
            },
            Reading::NotSaid => format!("the claim `{}` is missing", self.name.claim),
            Reading::Unreadable(problem) => {
                let problem = format!("the claim {problem}");
                trace.unreadable.push(problem.clone());
                problem
            }
        };
        trace.note("username_claim", Verdict::KeepsOut, problem.clone());
        trace.doubt(Refusal::NoName(problem));
        None
    }

    /// The rules that keep people out.
    ///
    /// # Errors
    /// [`Refusal`] where one of them says no for certain; what cannot be told is a doubt.
    fn keep_out(
        &self,
        name: &str,
        identity: &ExternalIdentity,
        trace: &mut DecisionTrace,
    ) -> Result<(), Refusal> {
        let is_blocked = self.blocked_users.contains(name);
        if !self.blocked_users.is_empty() {
            let verdict = if is_blocked {
                Verdict::KeepsOut
            } else {
                Verdict::Noted
            };
            let not = if is_blocked { "" } else { "not " };
            let words = format!("`{name}` is {not}among them");
            trace.note("blocked_users", verdict, words);
        }
        if is_blocked {
            return Err(Refusal::NotAllowed(name.to_owned()));
        }
        let problem = self.home.check(&identity.claims).err();
        for rule in self.home.keys() {
            match problem.as_ref().filter(|problem| problem.rule() == rule) {
                None => {
                    let words = "the person comes from one of them".to_owned();
                    trace.note(rule, Verdict::Noted, words);
                }
                Some(problem) => {
                    trace.note(rule, Verdict::KeepsOut, problem.to_string());
                    break;
                }
            }
        }
        let Some(problem) = problem else {
            return Ok(());
        };
        let is_certain = problem.is_certain();
        if matches!(problem, HomeProblem::Unreadable { .. }) {
            trace.unreadable.push(problem.to_string());
        }
        let refusal = Refusal::Elsewhere {
            name: name.to_owned(),
            problem,
        };
        if is_certain {
            return Err(refusal);
        }
        trace.doubt(refusal);
        Ok(())
    }

    /// The name that is said of somebody, in the form that it would have here.
    pub(crate) fn name_said(&self, identity: &ExternalIdentity) -> Option<UserName> {
        match self.name.said(&identity.claims) {
            Reading::Said(said) => self.name.name_of(&said).ok(),
            Reading::NotSaid | Reading::Unreadable(_) => None,
        }
    }

    fn groups_decide(&self) -> bool {
        !self.allowed_groups.is_empty() || !self.admin_groups.is_empty()
    }

    fn find_groups(&self, identity: &ExternalIdentity, trace: &mut DecisionTrace) -> KnownGroups {
        let (found, words) = match self.groups.groups(&identity.claims) {
            Ok(Some(groups)) if groups.is_empty() => (
                KnownGroups::Groups(groups),
                "the person is in no group".to_owned(),
            ),
            Ok(Some(groups)) => {
                let words = format!("the groups are {}", quoted(&groups));
                // Names of entries in directories are compared as directories do.
                let names: BTreeSet<String> = groups.iter().map(|name| group_name(name)).collect();
                (KnownGroups::Groups(names.into_iter().collect()), words)
            }
            Ok(None) => {
                let claims = quoted(&self.groups.claims);
                let words = format!("no groups are known: none of the claims {claims} is there");
                (KnownGroups::Nothing, words)
            }
            Err(problem) => {
                let words = problem.to_string();
                trace.unreadable.push(words.clone());
                (KnownGroups::Problem(problem), words)
            }
        };
        trace.note("groups_claim", Verdict::Noted, words);
        found
    }

    /// The rules that let people in: whether one of them does, and whether it makes an admin.
    fn check_admission(
        &self,
        name: &UserName,
        groups: &KnownGroups,
        trace: &mut DecisionTrace,
    ) -> (bool, bool) {
        let mut is_allowed = self.allow_all;
        if self.allow_all {
            let words = "everybody may come in whom the provider vouches for".to_owned();
            trace.note("allow_all", Verdict::LetsIn, words);
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
            trace.note("allowed_users", verdict, words);
        }
        let mut in_group = |rule, wanted: &BTreeSet<String>, effect: &str| {
            if wanted.is_empty() {
                return false;
            }
            let wanted: BTreeSet<String> = wanted.iter().map(|name| group_name(name)).collect();
            let found = match groups {
                KnownGroups::Groups(groups) => groups.iter().find(|group| wanted.contains(*group)),
                KnownGroups::Nothing | KnownGroups::Problem(_) => None,
            };
            let (verdict, words) = match found {
                Some(group) => (Verdict::LetsIn, format!("`{name}` is in `{group}`{effect}")),
                None if matches!(groups, KnownGroups::Problem(_)) => (
                    Verdict::Noted,
                    format!("nobody can tell whether `{name}` is in one"),
                ),
                None => (Verdict::Noted, format!("`{name}` is in none of them")),
            };
            trace.note(rule, verdict, words);
            found.is_some()
        };
        is_allowed |= in_group("allowed_groups", &self.allowed_groups, "");
        let is_admin = in_group("admin_groups", &self.admin_groups, " and becomes an admin");
        (is_allowed || is_admin, is_admin)
    }

    /// Whether everything is there that the rules read, also where they would do without it.
    pub(crate) fn are_answered_by(&self, identity: &ExternalIdentity) -> bool {
        let decision = self.decide(identity);
        let is_told = decision.missing.is_empty() && decision.unreadable.is_empty();
        self.groups.are_all_in(&identity.claims) && is_told
    }

    /// The claims that the rules need and that are not there.
    fn missing(&self, identity: &ExternalIdentity) -> Vec<String> {
        let mut missing = self.home.missing(&identity.claims);
        if self.name.said(&identity.claims) == Reading::NotSaid {
            missing.push(self.name.claim.clone());
        }
        let groups = self.groups.groups(&identity.claims);
        let is_unknown = matches!(groups, Ok(None) | Err(GroupsProblem::LeftOut(_)));
        if self.groups_decide() && is_unknown {
            missing.extend(self.groups.claims.iter().cloned());
        }
        missing
    }
}

/// Why somebody does not come in.
enum Rejection {
    /// Whatever else is said or not.
    Certain(Refusal),
    /// Because something is missing, or cannot be read.
    Doubt(Refusal),
}

/// What is known about somebody's groups.
enum KnownGroups {
    Groups(Vec<String>),
    /// Nothing is said about them.
    Nothing,
    Problem(GroupsProblem),
}

fn quoted(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use jansky_identity::claim_rules::EntitlementRules;
    use jansky_identity::{Claims, UpstreamTokens};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Somebody who is called river unless the claims say otherwise.
    fn person(claims: Value) -> ExternalIdentity {
        let Value::Object(said) = claims else {
            panic!("the test writes an object")
        };
        let mut claims = Claims::from_iter([("preferred_username".to_owned(), json!("river"))]);
        claims.extend(said);
        ExternalIdentity {
            provider: "op".parse().expect("it is a provider id"),
            issuer: "https://id.example.org".to_owned(),
            subject: "subject-1".to_owned(),
            claims,
            tokens: UpstreamTokens::none(),
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
        assert!(!silent.is_certain && clear.is_certain);
    }

    #[test]
    fn linking_asks_only_the_rules_that_keep_people_out() {
        let nobody = AdmissionRules {
            blocked_users: set(&["mallory"]),
            ..AdmissionRules::default()
        };
        let mallory = person(json!({ "preferred_username": "Mallory" }));

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

    #[test]
    fn what_cannot_be_read_keeps_nobody_out_whom_another_rule_lets_in_for_good() {
        let mut rules = rules();
        rules.allowed_users = set(&["river"]);
        let decision = rules.decide(&person(json!({ "groups": { "radio": true } })));

        let admission = decision.outcome.expect("her name lets her in");
        assert_eq!((admission.admin, admission.groups), (None, None));
        assert_eq!(
            decision.unreadable,
            ["the claim `groups` is an object where a list of texts is expected"]
        );
    }

    #[test]
    fn a_rule_that_says_no_for_certain_does_not_wait_for_other_claims() {
        let rules = AdmissionRules {
            blocked_users: set(&["river"]),
            ..rules()
        };
        let blocked = rules.decide(&person(json!({})));
        let mut only_good = self::rules();
        only_good.home.hosted_domains = vec!["good.org".to_owned()];
        let foreign = only_good.decide(&person(
            json!({ "email": "a@evil.org", "email_verified": true }),
        ));

        for decision in [blocked, foreign] {
            assert!(
                decision.outcome.is_err() && decision.is_certain,
                "{decision:?}"
            );
        }
    }

    #[test]
    fn a_name_that_cannot_be_read_is_a_doubt_and_a_number_is_a_name() {
        let decide = |name: Value| {
            rules().decide(&person(json!({
                "preferred_username": name, "groups": ["/radio"]
            })))
        };

        let number = decide(json!(1042)).outcome.expect("digits are a name");
        assert_eq!(number.name.as_str(), "1042");
        for name in [
            json!({}),
            json!(["river"]),
            json!(1.5),
            json!("a/b"),
            json!(null),
        ] {
            let decision = decide(name);
            assert!(matches!(decision.outcome, Err(Refusal::NoName(_))));
            assert!(!decision.is_certain);
        }
    }

    /// Any JSON, not too deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            prop_oneof![
                Just("/radio"),
                Just("/operators"),
                Just("/radio,/operators"),
                Just("true")
            ]
            .prop_map(Value::from),
            "[a-z/@,;. ]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z/]{1,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever shape a claim has: if it cannot be read, the decision is not certain or it is
        /// the same as without this rule, and no right comes of it.
        #[test]
        fn what_cannot_be_read_gives_nothing_and_takes_nothing(
            groups in any_json(),
            verified in any_json(),
            email in any_json(),
            name in any_json(),
            allow_all: bool,
            domains: bool,
        ) {
            let mut rules = rules();
            rules.allow_all = allow_all;
            if domains {
                rules.home.hosted_domains = vec!["good.org".to_owned()];
            }
            let claims = json!({
                "preferred_username": name, "groups": groups, "email": email,
                "email_verified": verified,
            });
            let person = person(claims);
            let decision = rules.decide(&person);
            let reads_groups = rules.groups.groups(&person.claims);
            if reads_groups.is_err() {
                match &decision.outcome {
                    Ok(admission) => {
                        prop_assert!(allow_all, "no group let them in");
                        prop_assert_eq!(admission.admin, None);
                        prop_assert_eq!(&admission.groups, &None);
                    }
                    // What another rule says for certain is as certain as before.
                    Err(Refusal::Elsewhere { problem, .. }) => {
                        prop_assert_eq!(decision.is_certain, problem.is_certain());
                    }
                    Err(_) => prop_assert!(!decision.is_certain),
                }
                prop_assert!(!decision.unreadable.is_empty() || decision.is_certain);
            }
            if let Err(HomeProblem::Unreadable { .. } | HomeProblem::NotSaid { .. }) =
                rules.home.check(&person.claims)
            {
                prop_assert!(decision.outcome.is_err(), "a domain that is not told is not ours");
                let no_group = matches!(&decision.outcome, Err(Refusal::NotAllowed(_)));
                prop_assert!(no_group || !decision.is_certain);
            }
            if rules.name.said(&person.claims).said().is_none() {
                prop_assert!(decision.outcome.is_err());
                let elsewhere = matches!(&decision.outcome, Err(Refusal::Elsewhere { .. }));
                prop_assert!(elsewhere || !decision.is_certain);
            }
        }
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
