//! What people may choose when they start a server.

use std::collections::BTreeSet;

/// Something that a person may choose, such as the image of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The key in [`ServerSpec::options`](crate::ServerSpec::options) that holds what was chosen.
    pub key: String,
    /// What it is called, for people: `Image`.
    pub title: String,
    /// What is offered. The first is for those who choose nothing.
    pub offers: Vec<Offer>,
}

/// One thing that can be chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// What stands in the options when it is chosen.
    pub value: String,
    /// Its name for people.
    pub title: String,
    /// What it is good for, in a sentence or two.
    pub description: Option<String>,
    /// The names of people who may choose it.
    pub allowed_users: BTreeSet<String>,
    /// The groups whose members may choose it. Without any name or group everybody may.
    pub allowed_groups: BTreeSet<String>,
}

impl Offer {
    /// Whether somebody may choose it.
    pub fn is_for(&self, user: &str, groups: &[String]) -> bool {
        let is_for_all = self.allowed_users.is_empty() && self.allowed_groups.is_empty();
        is_for_all
            || self.allowed_users.contains(user)
            || groups
                .iter()
                .any(|group| self.allowed_groups.contains(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_without_rules_is_for_everybody_and_one_with_rules_for_those_it_names() {
        let crew = ["crew".to_owned()];
        let mut offer = Offer::default();
        assert!(offer.is_for("river", &[]));

        offer.allowed_groups.insert("crew".to_owned());
        assert!(offer.is_for("river", &crew));
        assert!(!offer.is_for("river", &[]));
        assert!(!offer.is_for("crew", &[]));

        offer.allowed_users.insert("wash".to_owned());
        assert!(offer.is_for("wash", &[]));
    }
}
