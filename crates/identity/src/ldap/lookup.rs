//! Looks up a person without their password, to see whether they still have an account and which groups.
//!
//! The search is by the subject, which does not change. The filter of sign-ins applies as well, except for
//! the name in it: operators use it to say who may sign in.

use std::fmt::Write as _;

use async_trait::async_trait;
use ldap3::{Scope, ldap_escape};

use super::connection::{Connection, misconfigured, not_shown};
use super::{LdapProvider, Lookup, USERNAME};
use crate::error::IdentityError;
use crate::identity::ExternalIdentity;
use crate::provider::PeopleLookup;
use crate::timeouts::in_time;

/// Asks for no attribute (RFC 4511, 4.5.1.8).
const NO_ATTRIBUTES: [&str; 1] = ["1.1"];

const ANYTHING: &str = "(objectClass=*)";

#[async_trait]
impl PeopleLookup for LdapProvider {
    async fn look_up(&self, subject: &str) -> Result<ExternalIdentity, IdentityError> {
        let limit = *self.settings.timeout;
        in_time(limit, "directory", self.find_again(subject)).await
    }
}

impl LdapProvider {
    async fn find_again(&self, subject: &str) -> Result<ExternalIdentity, IdentityError> {
        let Lookup::Search { base, filter, bind } = self.settings.lookup() else {
            let reason = "people are not searched, so they can only be looked up at a sign-in";
            return Err(misconfigured("no_search", reason));
        };
        let mut connection = Connection::open(&self.settings).await?;
        if let Some((dn, password)) = bind {
            connection.become_service(dn, password).await?;
        }
        let anybody = for_anybody(filter).unwrap_or_else(|| ANYTHING.to_owned());
        let attribute = &self.settings.subject_attribute;
        let found = if attribute.eq_ignore_ascii_case("dn") {
            self.person(&mut connection, subject, Scope::Base, &anybody)
                .await
        } else {
            let filter = format!("(&{anybody}{})", names(attribute, subject));
            self.person(&mut connection, base, Scope::Subtree, &filter)
                .await
        };
        let person = match found {
            Err(IdentityError::InvalidCredentials) => {
                must_show(&mut connection, base).await?;
                return Err(IdentityError::AccountUnusable {
                    context: "the directory does not have this person any more".to_owned(),
                });
            }
            found => found?,
        };
        let groups = self.groups(&mut connection, &person).await?;
        if let Some(search) = self.settings.group_search()
            && groups
                .as_ref()
                .is_some_and(std::collections::BTreeSet::is_empty)
        {
            must_show(&mut connection, search.base).await?;
        }
        self.identity(&person, groups.as_ref())
    }
}

/// A directory answers "no such entry" also to an account that may not see the entry, so an entry below
/// one that cannot be seen may exist all the same.
pub(super) async fn must_show(
    connection: &mut Connection,
    base: &str,
) -> Result<(), IdentityError> {
    let seen = connection
        .search(base, Scope::Base, ANYTHING, &NO_ATTRIBUTES)
        .await?;
    if seen.is_none_or(|seen| seen.is_empty()) {
        return Err(not_shown(base));
    }
    Ok(())
}

/// The filter of sign-ins with any name at all; `None` where the name is compared in another way than
/// with `=`, which no name fits.
fn for_anybody(filter: &str) -> Option<String> {
    for (position, _) in filter.match_indices(USERNAME) {
        let before = &filter[..position];
        let operator = before.rfind('=')?;
        if before[..operator].ends_with([':', '~', '<', '>']) {
            return None;
        }
    }
    let mut any = filter.replace(USERNAME, "*");
    while any.contains("**") {
        any = any.replace("**", "*");
    }
    Some(if any.starts_with('(') {
        any
    } else {
        format!("({any})")
    })
}

/// The filter for a subject, as `subject` of this module wrote it: text as it is, other bytes in
/// hexadecimal digits.
fn names(attribute: &str, subject: &str) -> String {
    let text = format!("({attribute}={})", ldap_escape(subject));
    let is_hex = subject.len().is_multiple_of(2) && subject.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_hex {
        return text;
    }
    let mut bytes = String::new();
    for pair in subject.as_bytes().chunks(2) {
        let _ = write!(bytes, "\\{}", String::from_utf8_lossy(pair));
    }
    format!("(|{text}({attribute}={bytes}))")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_of_sign_ins_holds_for_people_without_their_name() {
        let any = |filter: &str| for_anybody(filter);

        assert_eq!(any("(uid={username})").as_deref(), Some("(uid=*)"));
        assert_eq!(any("uid={username}").as_deref(), Some("(uid=*)"));
        assert_eq!(
            any("(&(|(uid={username})(mail={username}@x.org))(memberOf=cn=staff))").as_deref(),
            Some("(&(|(uid=*)(mail=*@x.org))(memberOf=cn=staff))")
        );
        assert_eq!(any("(cn=*{username}*)").as_deref(), Some("(cn=*)"));
        let disabled =
            "(&(sAMAccountName={username})(!(userAccountControl:1.2.840.113556.1.4.803:=2)))";
        assert!(any(disabled).is_some_and(|filter| filter.contains(":=2")));
        for other in [
            "(uid:caseExactMatch:={username})",
            "(uid~={username})",
            "(uid>={username})",
        ] {
            assert_eq!(any(other), None, "{other}");
        }
    }

    #[test]
    fn a_subject_is_looked_for_as_text_and_as_bytes() {
        assert_eq!(names("entryUUID", "1-2*"), "(entryUUID=1-2\\2a)");
        assert_eq!(
            names("objectGUID", "0aff"),
            "(|(objectGUID=0aff)(objectGUID=\\0a\\ff))"
        );
    }
}
