//! What GitHub's API says about a person.

use jansky_model::Secret;
use reqwest::{StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::GitHub;
use crate::IdentityError;
use crate::oidc::send;

/// The most entries that a page of the API has.
const PAGE: usize = 100;
/// The most pages that are read of one list.
const MOST_PAGES: usize = 10;

#[derive(Deserialize)]
pub(super) struct User {
    /// Never changes and is never given to another.
    pub(super) id: u64,
    /// People may change it.
    pub(super) login: String,
    pub(super) name: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Email {
    #[serde(rename = "email")]
    pub(super) address: String,
    pub(super) verified: bool,
    primary: bool,
}

#[derive(Deserialize)]
struct Organization {
    login: String,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
    organization: Organization,
}

impl GitHub {
    pub(super) async fn user(&self, access: &Secret) -> Result<User, IdentityError> {
        self.read("user", access, None).await
    }

    pub(super) async fn primary_email(
        &self,
        access: &Secret,
    ) -> Result<Option<Email>, IdentityError> {
        let emails: Vec<Email> = self.list("user/emails", access).await?;
        Ok(emails.into_iter().find(|email| email.primary))
    }

    /// Organizations as `org` and teams as `org:team`, as JupyterHub's authenticator names them.
    pub(super) async fn groups(&self, access: &Secret) -> Result<Vec<String>, IdentityError> {
        let organizations: Vec<Organization> = self.list("user/orgs", access).await?;
        let teams: Vec<Team> = self.list("user/teams", access).await?;
        let organizations = organizations.into_iter().map(|one| one.login);
        let teams = teams
            .into_iter()
            .map(|team| format!("{}:{}", team.organization.login, team.slug));
        Ok(organizations.chain(teams).collect())
    }

    /// Reads a whole list.
    ///
    /// # Errors
    /// Also when it has more than a thousand entries: a part of the groups is not the groups.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &'static str,
        access: &Secret,
    ) -> Result<Vec<T>, IdentityError> {
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let entries: Vec<T> = self.read(path, access, Some(page)).await?;
            let is_last = entries.len() < PAGE;
            all.extend(entries);
            if is_last {
                return Ok(all);
            }
        }
        Err(IdentityError::BadAnswer {
            endpoint: path,
            reason: format!("it has more than {} entries", PAGE * MOST_PAGES),
        })
    }

    async fn read<T: DeserializeOwned>(
        &self,
        path: &'static str,
        access: &Secret,
        page: Option<usize>,
    ) -> Result<T, IdentityError> {
        let mut url = Self::below(&self.api, path);
        if let Some(page) = page {
            url.query_pairs_mut()
                .append_pair("per_page", &PAGE.to_string())
                .append_pair("page", &page.to_string());
        }
        let request = self
            .http
            .get(url)
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .bearer_auth(access.expose());
        let answer = send(path, request, *self.settings.http_timeout).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let context = format!("{path} endpoint does not accept the access token");
            return Err(IdentityError::InvalidGrant { context });
        }
        answer.json(path)
    }
}
