//! Sign-ins without a round trip of the browser: with a password, of a local account or one that somebody
//! else checks, or by the word of a reverse proxy.

use std::net::IpAddr;
use std::sync::Arc;

use jansky_access::ProvenOwner;
use jansky_identity::{ExternalIdentity, IdentityError, LoginMethod};
use jansky_model::dn::compared;
use jansky_model::{ProviderId, Secret, UserName};
use jansky_store::User;
use reqwest::header::HeaderMap;
use serde_json::json;

use crate::people::People;
use crate::people::sessions::{CompletedSignIn, MissingStep};
use crate::people::sign_in::{ConfiguredProvider, sign_in_error};
use crate::shared::error::HubError;
use crate::shared::record::{Event, OPERATOR, SignInRefusal, reason_of};
use crate::shared::settings::SignUpRule;

/// What somebody reads who typed a wrong name or a wrong password, wherever it was checked.
const WRONG_PASSWORD: &str = "The user name or the password is wrong.";

/// The longest name that a directory or the account database is asked about, in bytes.
const LONGEST_NAME: usize = 255;

/// What came of a name and a password.
enum PasswordCheck {
    /// They belong to this user.
    Right(User),
    /// They belong to somebody who waits for an administrator.
    Waits,
    /// They belong to nobody.
    Wrong,
}

/// What came of a right name and password.
pub enum PasswordSignIn {
    /// The person may come in.
    Arrived(Box<CompletedSignIn>),
    /// They have signed up, and no administrator has said yes yet.
    Waits,
}

/// What a program shows in the name of a local account.
#[derive(Debug, serde::Deserialize)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
    /// The code of the second factor.
    #[serde(default)]
    pub otp: Option<Secret>,
}

impl People {
    /// Every way to sign in with name and password, by id and title; local accounts come first.
    pub fn password_providers(&self) -> Vec<(&ProviderId, &str)> {
        let title = self.settings.local_title.as_str();
        let local = self.local_accounts().map(|id| (id, title));
        let others = self.providers().iter().filter_map(|configured| {
            let provider = &configured.provider;
            matches!(provider.method(), LoginMethod::Form(_))
                .then(|| (provider.id(), provider.title()))
        });
        local.into_iter().chain(others).collect()
    }

    fn password_provider(&self, wanted: Option<&str>) -> Option<&ProviderId> {
        let mut known = self.password_providers().into_iter().map(|(id, _)| id);
        known.find(|id| wanted.is_none_or(|wanted| wanted == id.as_str()))
    }

    /// The name under which attempts to sign in with a password are counted, and the provider that
    /// checks it: two ways to write what is one name there are one here.
    pub fn counted_name(
        &self,
        provider: Option<&str>,
        name: &str,
    ) -> Option<(&ProviderId, String)> {
        let id = self.password_provider(provider)?;
        let is_local = self.local_accounts() == Some(id);
        let name = if is_local {
            counted(name)
        } else {
            compared(name)
        };
        Some((id, name))
    }

    /// Signs somebody in with a name and a password: the first of `password_providers`
    /// checks them unless another one is named. `address` is the client's, and `browser` names one in
    /// which somebody has signed in under `counted_name` before; both are for the limit of
    /// attempts.
    ///
    /// Local accounts may have a second factor, for which `enter` asks.
    ///
    /// # Errors
    /// The same [`HubError::Forbidden`] for a wrong name and a wrong password.
    pub async fn sign_in_with_password(
        self: &Arc<Self>,
        provider: Option<&str>,
        name: &str,
        password: Secret,
        address: &str,
        browser: Option<&str>,
    ) -> Result<PasswordSignIn, HubError> {
        let tried = self.try_password(provider, name, password, address, browser);
        let tried = tried.await;
        let refused = match &tried {
            Err(error) => {
                let is_wrong = matches!(error, HubError::Forbidden(text) if text == WRONG_PASSWORD);
                reason_of(
                    error,
                    if is_wrong {
                        SignInRefusal::WrongPassword
                    } else {
                        SignInRefusal::NotAllowed
                    },
                )
            }
            Ok(PasswordSignIn::Waits) => Some(SignInRefusal::NotAllowed),
            Ok(PasswordSignIn::Arrived(_)) => None,
        };
        if let Some(reason) = refused {
            self.refuse_password(provider, name, reason).await?;
        }
        tried
    }

    /// Writes down that a password did not let somebody in, for the owner of the name if it is one.
    async fn refuse_password(
        &self,
        provider: Option<&str>,
        name: &str,
        reason: SignInRefusal,
    ) -> Result<(), HubError> {
        let provider = self.password_provider(provider);
        let is_local = provider.is_some() && provider == self.local_accounts();
        let user = match UserName::normalize(name) {
            Ok(name) if is_local => self.store.user_by_name(&name).await?,
            _ => None,
        };
        let provider = provider.map(ProviderId::as_str);
        self.audit
            .refuse_sign_in(provider, reason, user.as_ref())
            .await;
        Ok(())
    }

    async fn try_password(
        self: &Arc<Self>,
        provider: Option<&str>,
        name: &str,
        password: Secret,
        address: &str,
        browser: Option<&str>,
    ) -> Result<PasswordSignIn, HubError> {
        let id = self.password_provider(provider).ok_or_else(|| {
            HubError::not_found("Signing in with a password is not configured here.")
        })?;
        if self.local_accounts() == Some(id) {
            let checked = self.check_password(name, password, address, browser);
            return match checked.await? {
                PasswordCheck::Wrong => Err(HubError::forbidden(WRONG_PASSWORD)),
                PasswordCheck::Waits => Ok(PasswordSignIn::Waits),
                PasswordCheck::Right(user) => Ok(PasswordSignIn::Arrived(Box::new(
                    CompletedSignIn::local(user, id.clone()),
                ))),
            };
        }
        let configured = self.provider(id.as_str())?;
        let identity = self
            .verify(configured, name, password, address, browser)
            .await?;
        let arrival = self.admit_identity(configured, identity).await?;
        Ok(PasswordSignIn::Arrived(Box::new(arrival)))
    }

    /// Checks everything that the owner of a local account has to show, for a program that has no
    /// browser: the password, and the code of a second factor if there is one.
    ///
    /// # Errors
    /// [`HubError::Forbidden`], which says what is missing only to who knows the password.
    pub async fn check_credentials(
        &self,
        user: &str,
        shown: Credentials,
        address: &str,
    ) -> Result<ProvenOwner, HubError> {
        let refused = || HubError::forbidden("Missing or invalid credentials.");
        if self.local_accounts().is_none() {
            return Err(refused());
        }
        let local = self.local_accounts().map(ProviderId::as_str);
        let name = &shown.username;
        let checked = self.check_password(name, shown.password, address, None);
        let found = match checked.await {
            Ok(PasswordCheck::Right(found)) => found,
            Ok(_) => {
                let reason = SignInRefusal::WrongPassword;
                self.refuse_password(local, name, reason).await?;
                return Err(refused());
            }
            Err(error) => {
                if matches!(error, HubError::Busy { .. }) {
                    let reason = SignInRefusal::TooManyAttempts;
                    self.refuse_password(local, name, reason).await?;
                }
                return Err(error);
            }
        };
        if found.name.as_str() != user {
            return Err(refused());
        }
        match self.second_step_due(&found).await? {
            None => {}
            Some(MissingStep::SetUp) => {
                return Err(HubError::forbidden(
                    "This hub asks for a second factor. Sign in with a browser to set yours up.",
                ));
            }
            Some(MissingStep::Code) => {
                let code = shown.otp.filter(|code| !code.expose().trim().is_empty());
                let code = code.ok_or_else(|| {
                    HubError::forbidden(
                        "This account has a second factor: send its code as `otp` beside the \
                         password.",
                    )
                })?;
                self.show_code(&found, &code, address).await?;
            }
        }
        Ok(ProvenOwner::new(&self.authority, found))
    }

    /// Checks a name and a password; `address` is the client's and `browser` names one that has
    /// signed in with this name before, both for the limit of attempts.
    ///
    /// The answer to a wrong name and to a wrong password is the same and takes as long. A second
    /// factor is not asked for.
    async fn check_password(
        &self,
        name: &str,
        password: Secret,
        address: &str,
        browser: Option<&str>,
    ) -> Result<PasswordCheck, HubError> {
        let typed = counted(name);
        self.throttle.check(&typed, address, browser)?;
        let (mut known, mut waiting) = (None, None);
        if let Ok(name) = UserName::normalize(&typed) {
            known = self.store.password_hash(&name).await?;
            if self.settings.sign_up == SignUpRule::Approval {
                waiting = self.store.sign_up_hash(&name, self.clock.now()).await?;
            }
        }
        let (user, hash) = known.unzip();
        let waits = user.is_none() && waiting.is_some();
        if !self.is_password(password, hash.or(waiting)).await? {
            return Ok(PasswordCheck::Wrong);
        }
        if waits {
            return Ok(PasswordCheck::Waits);
        }
        let Some(mut user) = user else {
            return Ok(PasswordCheck::Wrong);
        };
        if !user.admin && self.settings.admin_users.contains(user.name.as_str()) {
            self.store
                .set_admin(user.id, true, self.clock.now())
                .await?;
            self.access.forget(user.id);
            user.admin = true;
            let detail = json!({ "key": "hub.admin_users" });
            self.audit
                .record_by(OPERATOR, Event::AdminGiven, Some(&user), detail)
                .await?;
        }
        Ok(PasswordCheck::Right(user))
    }

    async fn verify(
        &self,
        configured: &ConfiguredProvider,
        name: &str,
        password: Secret,
        address: &str,
        browser: Option<&str>,
    ) -> Result<ExternalIdentity, HubError> {
        let id = configured.provider.id();
        let LoginMethod::Form(form) = configured.provider.method() else {
            return Err(HubError::not_found("This way to sign in has no form."));
        };
        let name = name.trim();
        if let Some(throttle) = self.throttles.get(id) {
            throttle.check(&compared(name), address, browser)?;
        }
        let wrong = || HubError::forbidden(WRONG_PASSWORD);
        let is_no_name = name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0');
        // Directories take a name without a password for nobody and say yes.
        if is_no_name || password.expose().is_empty() {
            return Err(wrong());
        }
        match form.verify(name, &password).await {
            Ok(identity) => Ok(identity),
            Err(IdentityError::InvalidCredentials) => Err(wrong()),
            Err(error) => Err(sign_in_error(id.as_str(), error)),
        }
    }

    /// Signs somebody in whom a reverse proxy names. `peer` is the other end of the connection
    /// itself.
    pub async fn sign_in_by_header(
        self: &Arc<Self>,
        id: &str,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<CompletedSignIn, HubError> {
        let configured = self.provider(id)?;
        let LoginMethod::Header(proxy) = configured.provider.method() else {
            return Err(HubError::not_found(
                "This way to sign in does not go by headers.",
            ));
        };
        let identity = proxy
            .identify(peer, headers)
            .map_err(|error| sign_in_error(id, error));
        let arrived = match identity {
            Ok(identity) => self.admit_identity(configured, identity).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &arrived
            && let Some(reason) = reason_of(error, SignInRefusal::NotAllowed)
        {
            self.audit.refuse_sign_in(Some(id), reason, None).await;
        }
        arrived
    }

    async fn admit_identity(
        self: &Arc<Self>,
        configured: &ConfiguredProvider,
        identity: ExternalIdentity,
    ) -> Result<CompletedSignIn, HubError> {
        let known = self
            .store
            .identity(&identity.issuer, &identity.subject)
            .await?;
        let user = self.admit(configured, &identity, known).await?;
        let provider = configured.provider.id().clone();
        Ok(CompletedSignIn::at_provider(user, provider, identity, None))
    }
}

/// A name as it was typed, in the form in which attempts with it are counted: all spellings of a name
/// are one.
fn counted(name: &str) -> String {
    match UserName::normalize(name) {
        Ok(name) => name.to_string(),
        Err(_) => name.trim().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_name_are_counted_as_one() {
        for typed in ["j\u{fc}rgen", "ju\u{308}rgen", " JU\u{308}RGEN "] {
            assert_eq!(counted(typed), "j\u{fc}rgen", "{typed:?}");
        }
        assert_eq!(counted(" A/B "), "a/b", "what is no name is counted, too");
    }
}
