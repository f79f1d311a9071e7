//! What an operator decides about a directory.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use jansky_model::{ProviderId, Secret};
use jansky_settings::LdapProvider as Section;
use rustls::ClientConfig;

use super::{DN, USERNAME};

/// How a directory is used: the section of the configuration, and what was read for it.
#[derive(Clone)]
pub struct LdapSettings {
    /// The provider's id in the configuration.
    pub id: ProviderId,
    /// What the operator wrote.
    pub section: Section,
    /// Whose certificates are believed; `None` for those that the system believes.
    pub tls: Option<Arc<ClientConfig>>,
    /// The password of the entry that searches.
    pub bind_password: Option<Secret>,
}

impl Deref for LdapSettings {
    type Target = Section;

    fn deref(&self) -> &Section {
        &self.section
    }
}

impl DerefMut for LdapSettings {
    fn deref_mut(&mut self) -> &mut Section {
        &mut self.section
    }
}

impl LdapSettings {
    /// How the entry of a person is found.
    pub(super) fn lookup(&self) -> Lookup<'_> {
        if let Some(template) = &self.user_dn {
            return Lookup::Template(template);
        }
        Lookup::Search {
            base: self.search_base.as_deref().unwrap_or_default(),
            filter: &self.search_filter,
            bind: self.bind_dn.as_deref().zip(self.bind_password.as_ref()),
        }
    }

    /// How groups are found by a search, if they are.
    pub(super) fn group_search(&self) -> Option<GroupSearch<'_>> {
        Some(GroupSearch {
            base: self.groups_base.as_deref()?,
            filter: &self.groups_filter,
            attribute: &self.groups_name,
        })
    }

    /// A filter that nobody can read (RFC 4515), with the key that it is configured by.
    pub fn unreadable_filter(&self) -> Option<(&'static str, &str)> {
        let people = match self.lookup() {
            Lookup::Search { filter, .. } => Some(("search_filter", filter)),
            Lookup::Template(_) => None,
        };
        let groups = self.group_search();
        let groups = groups.map(|groups| ("groups_filter", groups.filter));
        let mut filters = people.into_iter().chain(groups);
        filters.find(|(_, filter)| {
            let filled = filter.replace(USERNAME, "x").replace(DN, "x");
            ldap3::parse_filter(filled).is_err()
        })
    }
}

/// How the entry of a person is found.
pub(super) enum Lookup<'a> {
    /// The name of the entry, in which `{username}` stands for what was typed.
    Template(&'a str),
    /// By a search.
    Search {
        /// Below which entry.
        base: &'a str,
        /// With which filter, in which `{username}` stands for what was typed.
        filter: &'a str,
        /// Name and password for the search; `None` where anybody may search.
        bind: Option<(&'a str, &'a Secret)>,
    },
}

/// How the groups of a person are found by a search.
pub(super) struct GroupSearch<'a> {
    /// Below which entry.
    pub(super) base: &'a str,
    /// With which filter, in which `{dn}` stands for the person's entry and `{username}` for their
    /// name.
    pub(super) filter: &'a str,
    /// The attribute with the name of a group.
    pub(super) attribute: &'a str,
}
