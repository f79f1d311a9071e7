//! What claims mean, alike for all providers: groups, and whose people somebody is.
//!
//! Pure functions of claims and rules. Every provider writes groups in its own way; here they all
//! become texts that an operator can name in `allowed_groups`:
//!
//! | provider says | group |
//! |---|---|
//! | a list, or a text with spaces between | each as it stands, such as Keycloak's `/radio/evn` |
//! | `wlcg.groups` | each as it stands, such as `/escape/vlbi` |
//! | `urn:mace:egi.eu:group:radio:evn#aai.egi.eu` | `/radio/evn` |
//! | `urn:mace:egi.eu:group:radio:role=chief#aai.egi.eu` | `/radio:role=chief` |

mod entitlement;
mod home;
mod name;
mod reading;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::identity::{Claims, claim_at, prefixes};

pub use self::entitlement::{Entitlement, EntitlementRules};
pub use self::home::{HomeProblem, HomeRules};
pub use self::name::{NameProblem, NameRules, USUAL_NAME_CLAIM};
pub use self::reading::{Reading, Shape, Unreadable, text_at, texts_at, truth_at};

/// Where the groups of a person are found.
#[derive(Clone, Debug, Default)]
pub struct GroupRules {
    /// The claims with groups: names, or paths with dots. All of them count.
    pub claims: Vec<String>,
    /// What stands between two groups where they are in one text; white space if nothing is said.
    pub separator: Option<String>,
    /// Which entitlements are groups. Without them an entitlement is a text like any other.
    pub entitlements: Option<EntitlementRules>,
    /// Whether a provider that sends no claim at all says that there are no groups. Keycloak leaves
    /// the claim out when a person is in none.
    pub absent_is_none: bool,
}

/// Why the groups of a person cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupsProblem {
    /// There are so many that the provider left them out and points elsewhere (OpenID Connect Core
    /// 5.6.2). That is not the same as none.
    #[error(
        "the claim `{0}` was left out as too long (`_claim_names`); let the provider send fewer \
         groups, such as only those assigned to this client"
    )]
    LeftOut(String),
    /// The claim holds something else than texts.
    #[error("the claim {0}")]
    Unreadable(Unreadable),
}

impl GroupRules {
    /// Finds the groups in claims, sorted and each once. `None` when no claim is there at all,
    /// which means that nothing is known, unless [`absent_is_none`](Self::absent_is_none).
    ///
    /// # Errors
    /// [`GroupsProblem`] when a claim was there for groups and they cannot be told.
    pub fn groups(&self, claims: &Claims) -> Result<Option<Vec<String>>, GroupsProblem> {
        let mut groups: Option<BTreeSet<String>> = self.absent_is_none.then(BTreeSet::new);
        for path in &self.claims {
            match texts_at(claims, path, self.separator.as_deref()) {
                Reading::Said(texts) => {
                    let found = texts.iter().filter_map(|text| self.group(text));
                    groups.get_or_insert_default().extend(found);
                }
                Reading::NotSaid if is_left_out(claims, path) => {
                    return Err(GroupsProblem::LeftOut(path.clone()));
                }
                Reading::NotSaid => {}
                Reading::Unreadable(problem) => return Err(GroupsProblem::Unreadable(problem)),
            }
        }
        Ok(groups.map(|groups| groups.into_iter().collect()))
    }

    /// Whether each claim that can hold groups is there.
    pub fn are_all_in(&self, claims: &Claims) -> bool {
        let is_there = |path: &String| claim_at(claims, path).is_some_and(|value| !value.is_null());
        self.claims.iter().all(is_there)
    }

    /// The group that a text stands for; `None` for an entitlement that is none of ours.
    fn group(&self, text: &str) -> Option<String> {
        match &self.entitlements {
            Some(rules) if Entitlement::is_urn(text) => {
                let entitlement = Entitlement::parse(text)?;
                rules.accept(&entitlement).then(|| entitlement.group())
            }
            _ => (!text.is_empty()).then(|| text.to_owned()),
        }
    }
}

/// Whether the provider says that a claim is elsewhere.
fn is_left_out(claims: &Claims, path: &str) -> bool {
    let Some(elsewhere) = claims.get("_claim_names").and_then(Value::as_object) else {
        return false;
    };
    elsewhere.contains_key(path) || prefixes(path).any(|(first, _)| elsewhere.contains_key(first))
}

#[cfg(test)]
mod tests;
