//! What an operator decides about a directory.

use std::sync::Arc;
use std::time::Duration;

use jansky_model::{ProviderId, Secret};
use rustls::ClientConfig;

use super::{DN, USERNAME};

/// The settings of one directory.
#[derive(Clone)]
pub struct LdapSettings {
    /// The provider's id in the configuration.
    pub id: ProviderId,
    /// What people call these accounts.
    pub title: String,
    /// Where the server is: `ldaps://…` or `ldap://…`.
    pub url: String,
    /// Whether a connection by `ldap://` is encrypted before anything else (RFC 4511, 4.14).
    pub start_tls: bool,
    /// Whose certificates are believed; `None` for those that the system believes.
    pub tls: Option<Arc<ClientConfig>>,
    /// How the entry of a person is found.
    pub lookup: LdapLookup,
    /// The attribute with the user name.
    pub username_attribute: String,
    /// The attribute that names a person for good, or `dn`.
    pub subject_attribute: String,
    /// The attribute with the e-mail address.
    pub email_attribute: String,
    /// The attribute with the name of the person.
    pub name_attribute: String,
    /// The attribute of a person with the names of their groups.
    pub member_of: Option<String>,
    /// How groups are found by a search.
    pub groups: Option<LdapGroups>,
    /// How long a sign-in may take.
    pub timeout: Duration,
    /// How many wrong passwords per minute one name may have.
    pub attempts_per_minute: u32,
}

impl LdapSettings {
    /// A filter that nobody can read (RFC 4515), with the key that it is configured by.
    pub fn unreadable_filter(&self) -> Option<(&'static str, &str)> {
        let people = match &self.lookup {
            LdapLookup::Search { filter, .. } => Some(("search_filter", filter.as_str())),
            LdapLookup::Template(_) => None,
        };
        let groups = self.groups.as_ref();
        let groups = groups.map(|groups| ("groups_filter", groups.filter.as_str()));
        let mut filters = people.into_iter().chain(groups);
        filters.find(|(_, filter)| {
            let filled = filter.replace(USERNAME, "x").replace(DN, "x");
            ldap3::parse_filter(filled).is_err()
        })
    }
}

/// How the entry of a person is found.
#[derive(Clone)]
pub enum LdapLookup {
    /// The name of the entry, in which `{username}` stands for what was typed.
    Template(String),
    /// By a search.
    Search {
        /// Below which entry.
        base: String,
        /// With which filter, in which `{username}` stands for what was typed.
        filter: String,
        /// Name and password for the search; `None` where anybody may search.
        bind: Option<(String, Secret)>,
    },
}

/// How the groups of a person are found by a search.
#[derive(Clone, Debug)]
pub struct LdapGroups {
    /// Below which entry.
    pub base: String,
    /// With which filter, in which `{dn}` stands for the person's entry and `{username}` for their
    /// name.
    pub filter: String,
    /// The attribute with the name of a group.
    pub attribute: String,
}
