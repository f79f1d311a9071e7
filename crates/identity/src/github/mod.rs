//! GitHub: OAuth 2 without OpenID Connect, so who it is comes from its API.

mod api;
mod tokens;

use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use jansky_model::{Clock, ProviderId, Secret};
use jansky_settings::GithubProvider as Section;
use reqwest::Client;
use serde_json::{Value, json};
use url::Url;

use crate::attempt::{CallbackQuery, LoginAttempt, code_challenge};
use crate::error::{CallbackProblem, IdentityError, TokenProblem, clean};
use crate::identity::{Claims, ExternalIdentity, UpstreamTokens};
use crate::oidc::same;
use crate::provider::{
    IdentityProvider, LoginMethod, ProviderStatus, RedirectLogin, UpstreamSession,
};

/// How a GitHub is used, the public one or one's own: the section of the configuration, and what was read
/// for it.
#[derive(Clone, Debug)]
pub struct GitHubSettings {
    /// The provider's id in the configuration.
    pub id: ProviderId,
    /// What the operator wrote.
    pub section: Section,
    /// Our secrets there; the next is tried when one is refused.
    pub client_secrets: Vec<Secret>,
}

impl Deref for GitHubSettings {
    type Target = Section;

    fn deref(&self) -> &Section {
        &self.section
    }
}

/// The scope without which GitHub does not tell organizations and teams.
const READ_ORGANIZATIONS: &str = "read:org";

/// GitHub, seen from us.
pub struct GitHub {
    settings: GitHubSettings,
    /// Where its API is, such as `https://api.github.com`.
    api: Url,
    issuer: String,
    http: Client,
    clock: Arc<dyn Clock>,
}

impl GitHub {
    /// Takes the settings; contacts nobody.
    pub fn new(settings: GitHubSettings, http: Client, clock: Arc<dyn Clock>) -> Self {
        let issuer = settings.url.as_str().trim_end_matches('/').to_owned();
        let api = match &settings.api_url {
            Some(url) => Url::clone(url),
            None => Self::usual_api(&settings.url),
        };
        Self {
            settings,
            api,
            issuer,
            http,
            clock,
        }
    }

    /// The usual place of the API that belongs to `url`.
    fn usual_api(url: &Url) -> Url {
        let mut api = url.clone();
        let host = url.host_str().unwrap_or_default();
        if host == "github.com" || host.ends_with(".ghe.com") {
            // A host with a name in front is still a host, so this cannot fail.
            let _ = api.set_host(Some(&format!("api.{host}")));
            api.set_path("/");
        } else {
            api.set_path("/api/v3/");
        }
        api
    }

    /// An address below a base, whether that ends in `/` or not.
    fn below(base: &Url, path: &str) -> Url {
        let mut url = base.clone();
        let path = format!("{}/{path}", base.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    /// Reads everything about a person that the scopes allow, as claims of the usual names.
    async fn read_claims(&self, tokens: &UpstreamTokens) -> Result<Claims, IdentityError> {
        let user = self.user(&tokens.access).await?;
        let mut claims = Claims::new();
        claims.insert("iss".to_owned(), json!(self.issuer));
        claims.insert("sub".to_owned(), json!(user.id.to_string()));
        // Under GitHub's own name for it, too, which is the one that operators know.
        claims.insert("login".to_owned(), json!(user.login));
        claims.insert("preferred_username".to_owned(), json!(user.login));
        if let Some(name) = user.name {
            claims.insert("name".to_owned(), json!(name));
        }
        let granted = tokens.scope.as_deref().unwrap_or_default();
        let has = |scope: &str| granted.split([',', ' ']).any(|one| one == scope);
        if (has("user:email") || has("user"))
            && let Some(email) = self.primary_email(&tokens.access).await?
        {
            claims.insert("email".to_owned(), json!(email.address));
            claims.insert("email_verified".to_owned(), json!(email.verified));
        }
        // Without the scope the lists would be empty, which would mean "in no group".
        if has(READ_ORGANIZATIONS) || has("admin:org") || has("write:org") {
            claims.insert(
                "groups".to_owned(),
                json!(self.groups(&tokens.access).await?),
            );
        }
        Ok(claims)
    }

    fn check_callback(
        &self,
        attempt: &LoginAttempt,
        query: CallbackQuery,
    ) -> Result<Secret, IdentityError> {
        let state = query.state.as_deref().unwrap_or_default();
        if attempt.state.is_empty() || !same(state, &attempt.state) {
            return Err(CallbackProblem::WrongState.into());
        }
        let own = [self.issuer.clone(), format!("{}/login/oauth", self.issuer)];
        if query.iss.as_ref().is_some_and(|iss| !own.contains(iss)) {
            return Err(CallbackProblem::WrongIssuer.into());
        }
        if let Some(code) = query.error {
            let context = query.error_description.as_deref();
            return Err(IdentityError::Denied {
                code: clean(&code, &[]),
                context: clean(context.unwrap_or("no description"), &[]),
            });
        }
        query
            .code
            .filter(|code| !code.is_empty())
            .ok_or(CallbackProblem::MissingCode.into())
    }
}

#[async_trait]
impl IdentityProvider for GitHub {
    fn id(&self) -> &ProviderId {
        &self.settings.id
    }

    fn title(&self) -> &str {
        self.settings
            .title
            .as_deref()
            .unwrap_or(self.settings.id.as_str())
    }

    fn method(&self) -> LoginMethod<'_> {
        LoginMethod::Redirect(self)
    }

    fn status(&self) -> ProviderStatus {
        // There is nothing to find out beforehand.
        ProviderStatus::Ready
    }

    fn upstream_session(&self) -> Option<&dyn UpstreamSession> {
        Some(self)
    }
}

#[async_trait]
impl RedirectLogin for GitHub {
    async fn begin(&self, attempt: &LoginAttempt) -> Result<Url, IdentityError> {
        let mut url = Self::below(&self.settings.url, "login/oauth/authorize");
        let hints = &self.settings.hint_parameters;
        let hinted = attempt
            .extra
            .iter()
            .filter(|(name, _)| hints.contains(name));
        let fixed = self
            .settings
            .extra_authorize_parameters
            .iter()
            .filter(|(name, _)| !(hints.contains(name) && attempt.extra.contains_key(*name)));
        url.query_pairs_mut()
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &attempt.redirect_uri)
            .append_pair("scope", &self.settings.scopes.join(" "))
            .append_pair("state", &attempt.state)
            .append_pair("code_challenge", &code_challenge(&attempt.verifier))
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(hinted.chain(fixed));
        Ok(url)
    }

    async fn finish(
        &self,
        attempt: LoginAttempt,
        query: CallbackQuery,
    ) -> Result<ExternalIdentity, IdentityError> {
        let code = self.check_callback(&attempt, query)?;
        let grant = [
            ("code", code.expose()),
            ("redirect_uri", &attempt.redirect_uri),
            ("code_verifier", attempt.verifier.expose()),
        ];
        let tokens = self.tokens(&grant).await?;
        let claims = self.read_claims(&tokens).await?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(ExternalIdentity {
            provider: self.settings.id.clone(),
            issuer: self.issuer.clone(),
            subject: text("sub").ok_or(TokenProblem::Subject)?,
            claims,
            tokens,
        })
    }
}

#[async_trait]
impl UpstreamSession for GitHub {
    async fn refresh(&self, refresh_token: &Secret) -> Result<UpstreamTokens, IdentityError> {
        let grant = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
        ];
        self.tokens(&grant).await
    }

    async fn claims(
        &self,
        subject: &str,
        tokens: &UpstreamTokens,
    ) -> Result<Option<Claims>, IdentityError> {
        let claims = self.read_claims(tokens).await?;
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err(TokenProblem::OtherSubject.into());
        }
        Ok(Some(claims))
    }

    async fn revoke(&self, token: &Secret) -> Result<(), IdentityError> {
        self.delete_token(token).await
    }

    fn end_session_url(&self, _: Option<&Secret>, _: Option<&str>, _: Option<&str>) -> Option<Url> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_found_for_every_kind_of_github() {
        for (url, api) in [
            ("https://github.com", "https://api.github.com/"),
            ("https://octo.ghe.com", "https://api.octo.ghe.com/"),
            ("https://git.example.org", "https://git.example.org/api/v3/"),
        ] {
            let url = Url::parse(url).expect("the test writes a URL");
            assert_eq!(GitHub::usual_api(&url).as_str(), api);
        }
    }
}
