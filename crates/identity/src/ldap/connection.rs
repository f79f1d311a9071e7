//! A connection to a directory, and what its answers mean for a sign-in.

use std::time::Duration;

use jansky_model::Secret;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, Scope, SearchEntry, SearchOptions};
use tokio::task::JoinHandle;

use super::LdapSettings;
use crate::error::{IdentityError, clean};

/// Codes of RFC 4511, appendix A.
mod code {
    pub(super) const SUCCESS: u32 = 0;
    pub(super) const SIZE_LIMIT_EXCEEDED: u32 = 4;
    pub(super) const NO_SUCH_OBJECT: u32 = 32;
    pub(super) const INVALID_DN_SYNTAX: u32 = 34;
    pub(super) const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
    pub(super) const INVALID_CREDENTIALS: u32 = 49;
    pub(super) const BUSY: u32 = 51;
    pub(super) const UNAVAILABLE: u32 = 52;
    pub(super) const UNWILLING_TO_PERFORM: u32 = 53;
}

/// The most entries that one search may bring: nobody is in more groups.
const MOST_ENTRIES: i32 = 5_000;

/// A connection that ends with this value.
pub(super) struct Connection {
    ldap: Ldap,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    pub(super) async fn open(settings: &LdapSettings) -> Result<Self, IdentityError> {
        let mut how = LdapConnSettings::new()
            .set_conn_timeout(*settings.timeout)
            .set_starttls(settings.start_tls);
        if let Some(tls) = &settings.tls {
            how = how.set_config(tls.clone());
        }
        let (connection, ldap) = LdapConnAsync::with_settings(how, &settings.url)
            .await
            .map_err(|error| unavailable(&error))?;
        let driver = tokio::spawn(async move {
            // The pending request reports how it ended.
            let _ = connection.drive().await;
        });
        Ok(Self { ldap, driver })
    }

    /// Binds as a person, which proves the password.
    pub(super) async fn prove(&mut self, dn: &str, password: &Secret) -> Result<(), IdentityError> {
        // To the directory, which has to read it.
        let bound = self.ldap.simple_bind(dn, password.expose()).await;
        let result = bound.map_err(|error| unavailable(&error))?;
        match result.rc {
            code::SUCCESS => Ok(()),
            code::NO_SUCH_OBJECT
            | code::INVALID_DN_SYNTAX
            | code::INAPPROPRIATE_AUTHENTICATION
            | code::INVALID_CREDENTIALS => Err(IdentityError::InvalidCredentials),
            // How password policies refuse an account that is locked or has to be changed first.
            rc @ code::UNWILLING_TO_PERFORM => Err(IdentityError::AccountUnusable {
                context: answered(rc, &result.text),
            }),
            rc => Err(refused(rc, &result.text)),
        }
    }

    /// Binds as the account that may search.
    pub(super) async fn become_service(
        &mut self,
        dn: &str,
        password: &Secret,
    ) -> Result<(), IdentityError> {
        let bound = self.ldap.simple_bind(dn, password.expose()).await;
        let result = bound.map_err(|error| unavailable(&error))?;
        match result.rc {
            code::SUCCESS => Ok(()),
            code::INVALID_CREDENTIALS => Err(misconfigured(
                "invalid_credentials",
                "the directory refuses `bind_dn` or its password",
            )),
            rc => Err(refused(rc, &result.text)),
        }
    }

    /// The entries that a filter finds; `None` when there is no such place, or none that may be seen.
    pub(super) async fn search(
        &mut self,
        base: &str,
        scope: Scope,
        filter: &str,
        attributes: &[&str],
    ) -> Result<Option<Vec<SearchEntry>>, IdentityError> {
        let limits = SearchOptions::new().sizelimit(MOST_ENTRIES);
        self.ldap.with_search_options(limits);
        let searched = self.ldap.search(base, scope, filter, attributes.to_vec());
        let found = searched.await.map_err(|error| match error {
            LdapError::FilterParsing => misconfigured("filter", "the filter cannot be read"),
            other => unavailable(&other),
        })?;
        let result = &found.1;
        match result.rc {
            code::SUCCESS => {}
            code::NO_SUCH_OBJECT => return Ok(None),
            code::SIZE_LIMIT_EXCEEDED => {
                let reason = "the filter finds more than the directory gives out";
                return Err(misconfigured("size_limit", reason));
            }
            rc => return Err(refused(rc, &result.text)),
        }
        let entries = found.0.into_iter();
        // Referrals are not followed: the password would go to whomever they name.
        let entries = entries.filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        Ok(Some(entries.map(SearchEntry::construct).collect()))
    }
}

/// The entry below which something is searched is not there, or may not be seen.
pub(super) fn not_shown(base: &str) -> IdentityError {
    misconfigured(
        "not_shown",
        &format!("the directory does not show `{base}`"),
    )
}

/// The configuration has to change.
pub(super) fn misconfigured(code: &str, reason: &str) -> IdentityError {
    IdentityError::Refused {
        endpoint: "directory",
        code: code.to_owned(),
        context: reason.to_owned(),
    }
}

/// What an answer means that says nothing about a person.
fn refused(rc: u32, text: &str) -> IdentityError {
    match rc {
        code::BUSY | code::UNAVAILABLE | code::UNWILLING_TO_PERFORM => IdentityError::Unavailable {
            context: answered(rc, text),
            retry: Duration::from_secs(10),
            source: None,
        },
        _ => misconfigured(&rc.to_string(), &clean(text, &[])),
    }
}

fn answered(rc: u32, text: &str) -> String {
    format!("directory answered {rc} ({})", clean(text, &[]))
}

fn unavailable(error: &LdapError) -> IdentityError {
    IdentityError::Unavailable {
        context: format!("no connection to the directory: {error}"),
        retry: Duration::from_secs(10),
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only the answer to a person's own bind is about that person. Taking the answer to the search account
    /// for one would end the access of everybody who is looked up.
    #[test]
    fn what_is_answered_to_the_account_that_searches_says_of_nobody_that_they_are_gone() {
        for rc in 1..=130 {
            let error = refused(rc, "canary");

            assert!(
                matches!(error.code(), "unavailable" | "refused"),
                "{rc} is {}",
                error.code()
            );
        }
        let unwilling = refused(code::UNWILLING_TO_PERFORM, "shutting down");
        assert_eq!(unwilling.code(), "unavailable");
    }
}
