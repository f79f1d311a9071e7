//! Who of those that a provider vouches for may come in, and with what rights.

use std::collections::BTreeSet;

use jansky_identity::ExternalIdentity;
use jansky_model::UserName;
use serde_json::Value;

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
    /// The claim that lists the groups; dots lead into objects.
    pub groups_claim: Option<String>,
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
        let groups = self.groups_claim.as_deref().and_then(|path| {
            let claims = Value::Object(identity.claims.clone());
            texts_at(&claims, path)
        });
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
        if self.blocked_users.contains(name.as_str()) || !is_allowed {
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

/// The texts in a claim: one text, or a list of them.
fn texts_at(claims: &Value, path: &str) -> Option<Vec<String>> {
    // A claim whose own name has dots wins over the way into objects.
    let found = claims.get(path).or_else(|| {
        path.split('.')
            .try_fold(claims, |value, key| value.get(key))
    })?;
    match found {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(values) => Some(
            values
                .iter()
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn groups_of(claims: &Value, path: &str) -> Option<Vec<String>> {
        texts_at(claims, path)
    }

    #[test]
    fn groups_are_found_by_a_dotted_path() {
        let claims = json!({ "realm_access": { "roles": ["a", "b", 3] }, "x.y": "z" });

        let roles = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(groups_of(&claims, "realm_access.roles"), roles);
        assert_eq!(groups_of(&claims, "x.y"), Some(vec!["z".to_owned()]));
        assert_eq!(groups_of(&claims, "realm_access.missing"), None);
    }
}
