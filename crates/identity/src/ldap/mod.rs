//! Accounts in a directory: name and password are checked by binding with them.
//!
//! A server takes a bind with a name and an empty password for an anonymous one and says yes
//! (RFC 4513, 5.1.2), so an empty password never gets there. What is typed is escaped in names and
//! filters, and everything about a person comes from their entry, not from what they typed.

mod connection;
mod lookup;
mod settings;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use async_trait::async_trait;
use jansky_model::{ProviderId, Secret};
use ldap3::{Scope, SearchEntry, dn_escape, ldap_escape};
use serde_json::json;

use crate::error::IdentityError;
use crate::identity::ExternalIdentity;
use crate::provider::{FormLogin, IdentityProvider, LoginMethod, PeopleLookup, ProviderStatus};
use crate::timeouts::in_time;

use connection::{Connection, misconfigured, not_shown};
use lookup::must_show;
pub use settings::LdapSettings;
use settings::Lookup;

/// What stands for the name that was typed.
const USERNAME: &str = "{username}";
/// What stands for the name of the person's entry.
const DN: &str = "{dn}";

/// A directory.
pub struct LdapProvider {
    settings: LdapSettings,
    issuer: String,
}

impl LdapProvider {
    /// Takes the settings; contacts nobody.
    pub fn new(settings: LdapSettings) -> Self {
        let issuer = format!("ldap:{}", settings.id);
        Self { settings, issuer }
    }

    /// Asks whether the directory is there, takes the account that searches, and shows that account
    /// where people are.
    ///
    /// # Errors
    /// What would be in the way of a sign-in.
    pub async fn check(&self) -> Result<(), IdentityError> {
        let asking = async {
            let mut connection = Connection::open(&self.settings).await?;
            let Lookup::Search { base, bind, .. } = self.settings.lookup() else {
                return Ok(());
            };
            if let Some((dn, password)) = bind {
                connection.become_service(dn, password).await?;
            }
            must_show(&mut connection, base).await
        };
        in_time(*self.settings.timeout, "directory", asking).await
    }

    async fn sign_in(
        &self,
        name: &str,
        password: &Secret,
    ) -> Result<ExternalIdentity, IdentityError> {
        let mut connection = Connection::open(&self.settings).await?;
        let found = match self.settings.lookup() {
            Lookup::Template(template) => {
                let dn = template.replace(USERNAME, &dn_escape(name));
                connection.prove(&dn, password).await?;
                self.person(&mut connection, &dn, Scope::Base, "(objectClass=*)")
                    .await?
            }
            Lookup::Search { base, filter, bind } => {
                if let Some((dn, password)) = bind {
                    connection.become_service(dn, password).await?;
                }
                let filter = filter.replace(USERNAME, &ldap_escape(name));
                let found = self
                    .person(&mut connection, base, Scope::Subtree, &filter)
                    .await?;
                // The service may see more than the person, so it looks for groups, too.
                let groups = self.groups(&mut connection, &found).await?;
                connection.prove(&found.dn, password).await?;
                return self.identity(&found, groups.as_ref());
            }
        };
        let groups = self.groups(&mut connection, &found).await?;
        self.identity(&found, groups.as_ref())
    }

    /// The one entry that is meant.
    async fn person(
        &self,
        connection: &mut Connection,
        base: &str,
        scope: Scope,
        filter: &str,
    ) -> Result<SearchEntry, IdentityError> {
        let settings = &self.settings;
        let mut wanted = vec![
            settings.username_attribute.as_str(),
            settings.subject_attribute.as_str(),
            settings.email_attribute.as_str(),
            settings.name_attribute.as_str(),
        ];
        if let Some(attribute) = &settings.groups_from {
            wanted.push(attribute);
        }
        let mut found = match connection.search(base, scope, filter, &wanted).await? {
            Some(found) => found,
            // The person themselves.
            None if matches!(scope, Scope::Base) => Vec::new(),
            None => return Err(not_shown(base)),
        };
        let Some(entry) = found.pop() else {
            return Err(IdentityError::InvalidCredentials);
        };
        if !found.is_empty() {
            return Err(misconfigured(
                "ambiguous",
                "the filter finds several people",
            ));
        }
        Ok(entry)
    }

    /// The groups of a person; `None` when nothing says where to look.
    async fn groups(
        &self,
        connection: &mut Connection,
        person: &SearchEntry,
    ) -> Result<Option<BTreeSet<String>>, IdentityError> {
        let mut groups = None;
        if let Some(attribute) = &self.settings.groups_from {
            if is_binary(person, attribute) {
                return Err(unreadable(attribute, "the person"));
            }
            groups
                .get_or_insert_with(BTreeSet::new)
                .extend(values(person, attribute).iter().cloned());
        }
        if let Some(search) = self.settings.group_search() {
            let mut filter = search.filter.replace(DN, &ldap_escape(&*person.dn));
            if filter.contains(USERNAME) {
                // Without the name the filter would find nothing, and nobody would be in any group.
                let attribute = &self.settings.username_attribute;
                let name = first(person, attribute);
                let name = name.ok_or_else(|| unreadable(attribute, "the person"))?;
                filter = filter.replace(USERNAME, &ldap_escape(name));
            }
            let attributes = [search.attribute];
            let found = connection
                .search(search.base, Scope::Subtree, &filter, &attributes)
                .await?;
            // A group whose name cannot be read is not the same as no group.
            let names = found.iter().flatten().map(|group| {
                let name = first(group, search.attribute).map(str::to_owned);
                name.ok_or_else(|| unreadable(search.attribute, "a group that was found"))
            });
            let names: BTreeSet<String> = names.collect::<Result<_, _>>()?;
            groups.get_or_insert_with(BTreeSet::new).extend(names);
        }
        Ok(groups)
    }

    fn identity(
        &self,
        person: &SearchEntry,
        groups: Option<&BTreeSet<String>>,
    ) -> Result<ExternalIdentity, IdentityError> {
        let settings = &self.settings;
        let subject = subject(person, &settings.subject_attribute).ok_or_else(|| {
            let attribute = &settings.subject_attribute;
            let reason = format!("the entry shows no `{attribute}`; set `subject_attribute`");
            misconfigured("no_subject", &reason)
        })?;
        let username = first(person, &settings.username_attribute);
        let groups = groups.map(|groups| json!(groups));
        Ok(
            ExternalIdentity::named(&settings.id, &self.issuer, &subject, username, groups)
                .with_text("email", first(person, &settings.email_attribute))
                .with_text("name", first(person, &settings.name_attribute)),
        )
    }
}

impl IdentityProvider for LdapProvider {
    fn id(&self) -> &ProviderId {
        &self.settings.id
    }

    fn title(&self) -> &str {
        &self.settings.title
    }

    fn method(&self) -> LoginMethod<'_> {
        LoginMethod::Form(self)
    }

    fn status(&self) -> ProviderStatus {
        ProviderStatus::Ready
    }

    fn people(&self) -> Option<&dyn PeopleLookup> {
        // Without a search, only people themselves can bind, and only they know their password.
        let can_search = matches!(self.settings.lookup(), Lookup::Search { .. });
        can_search.then_some(self)
    }
}

#[async_trait]
impl FormLogin for LdapProvider {
    fn attempts_per_minute(&self) -> u32 {
        self.settings.attempts_per_minute
    }

    async fn verify(
        &self,
        name: &str,
        password: &Secret,
    ) -> Result<ExternalIdentity, IdentityError> {
        if name.is_empty() || password.expose().is_empty() {
            return Err(IdentityError::InvalidCredentials);
        }
        let signing_in = self.sign_in(name, password);
        in_time(*self.settings.timeout, "directory", signing_in).await
    }
}

/// Names of attributes do not tell cases apart (RFC 4512, 2.5), and servers answer in their own.
fn values<'e>(entry: &'e SearchEntry, attribute: &str) -> &'e [String] {
    let found = entry
        .attrs
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(attribute));
    found.map_or(&[], |(_, values)| values)
}

/// Whether there are values of an attribute that are not all text.
fn is_binary(entry: &SearchEntry, attribute: &str) -> bool {
    let mut binary = entry.bin_attrs.keys();
    binary.any(|name| name.eq_ignore_ascii_case(attribute))
}

fn unreadable(attribute: &str, whose: &str) -> IdentityError {
    misconfigured(
        "unreadable",
        &format!(
            "the attribute `{attribute}` of {whose} is not shown or is no text; let the directory \
             show it, or name another one"
        ),
    )
}

fn first<'e>(entry: &'e SearchEntry, attribute: &str) -> Option<&'e str> {
    let value = values(entry, attribute).first()?;
    (!value.is_empty()).then_some(value)
}

/// What names a person for good; Active Directory's `objectGUID` is no text.
fn subject(entry: &SearchEntry, attribute: &str) -> Option<String> {
    if attribute.eq_ignore_ascii_case("dn") {
        return Some(entry.dn.clone());
    }
    if let Some(text) = first(entry, attribute) {
        return Some(text.to_owned());
    }
    let mut binary = entry.bin_attrs.iter();
    let (_, values) = binary.find(|(name, _)| name.eq_ignore_ascii_case(attribute))?;
    let bytes = values.first().filter(|bytes| !bytes.is_empty())?;
    Some(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
