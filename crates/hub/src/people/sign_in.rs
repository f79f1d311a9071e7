//! Signing in at a provider: a browser is sent there and comes back, and whoever it brings is admitted.

use std::collections::BTreeMap;
use std::sync::Arc;

use jansky_crypto::digest;
use jansky_crypto::token::digest_text;
use jansky_identity::{
    CallbackQuery, ExternalIdentity, IdentityProvider, LoginAttempt, LoginMethod, RedirectLogin,
};
use jansky_model::{ProviderId, Secret, UserName};
use jansky_store::{Adoption, Identity, LoginAttemptRow, NewIdentity, Rights, StoreError, User};
use serde_json::json;
use tracing::{info, warn};
use url::Url;

use crate::people::People;
use crate::people::admission::{Admission, AdmissionRules};
use crate::people::linking::Linked;
use crate::people::provider_claims::warn_of_unreadable;
use crate::people::reauthentication::Proof;
use crate::people::sessions::CompletedSignIn;
use crate::people::sign_out::SignOutAtProvider;
use crate::shared::error::HubError;
use crate::shared::record::{Event, SignInRefusal, reason_of, some_of};
use crate::shared::request_context;
use jansky_access::Actor;
use jansky_access::OnBehalfOf;

/// The id under which sessions of local accounts are kept.
pub const LOCAL_PROVIDER: &str = "local";

/// A provider with the rules for those who come from it.
pub struct ConfiguredProvider {
    /// The provider.
    pub provider: Arc<dyn IdentityProvider>,
    /// Who may come in.
    pub rules: AdmissionRules,
    /// Where the provider sends browsers back to; `None` for the usual address.
    pub callback_url: Option<String>,
    /// Whether people who are not signed in are sent there at once.
    pub auto_login: bool,
    /// Names of parameters that a link to the sign-in may hand on to the provider.
    pub hint_parameters: Vec<String>,
    /// The hub's name at the provider.
    pub client_id: String,
    /// Whether a logout token that names one session ends all sessions of that person.
    pub widens_logout: bool,
    /// What signing out here does there.
    pub sign_out: SignOutAtProvider,
}

impl ConfiguredProvider {
    /// A provider with its rules and nothing that is special about it: it has no page to leave for,
    /// gives no tokens and ends no session.
    pub fn new(provider: Arc<dyn IdentityProvider>, rules: AdmissionRules) -> Self {
        Self {
            provider,
            rules,
            callback_url: None,
            auto_login: false,
            hint_parameters: Vec::new(),
            client_id: String::new(),
            widens_logout: false,
            sign_out: SignOutAtProvider::Hub,
        }
    }
}

/// Where to send a browser so that a provider can ask who is there.
pub struct ProviderRedirect {
    /// The provider's page.
    pub url: Url,
    /// Names the attempt; the provider brings it back.
    pub state: String,
    /// Ties the attempt to this browser; the value of a cookie.
    pub browser: Secret,
}

/// What came of somebody's return from a provider.
pub enum CallbackOutcome {
    /// They signed in.
    SignedIn(Box<CompletedSignIn>),
    /// They were signed in, and linked another identity or could not.
    Linked(Result<Linked, HubError>),
    /// They have to prove who they are, and go there once more.
    Again(ProviderRedirect),
    /// They may not come in, or the provider did not say who they are.
    Refused {
        /// Why.
        error: HubError,
        /// Where they wanted to go, and may still get to in another way.
        next: Option<String>,
    },
}

/// What a browser is sent to a provider for.
#[derive(Clone, Copy, Default)]
pub(crate) struct SignInPurpose<'a> {
    /// The session of somebody who links another identity; `None` for a sign-in.
    pub(crate) link_session: Option<&'a str>,
    /// Whether the person is to prove who they are, whatever session the provider has.
    pub(crate) reauthenticate: bool,
}

impl People {
    /// The providers, in the order of their ids.
    pub fn providers(&self) -> &[ConfiguredProvider] {
        &self.providers
    }

    pub(crate) fn provider(&self, id: &str) -> Result<&ConfiguredProvider, HubError> {
        let found = self
            .providers
            .iter()
            .find(|p| p.provider.id().as_str() == id);
        found.ok_or_else(|| {
            HubError::not_found("There is no such way to sign in. Choose one on the sign-in page.")
        })
    }

    /// Begins a sign-in at the provider `id`. `usual_callback` is where it sends the browser back
    /// unless the configuration says otherwise; of `hints` only those that it allows are handed on.
    /// `cookies` are the browser's sign-in cookies, also of sessions that have to be renewed.
    pub async fn begin_sign_in(
        &self,
        id: &str,
        usual_callback: String,
        next: Option<String>,
        hints: BTreeMap<String, String>,
        cookies: &[&str],
    ) -> Result<ProviderRedirect, HubError> {
        let provider = self.provider(id)?.provider.id();
        let purpose = SignInPurpose {
            link_session: None,
            reauthenticate: self.browser_must_prove(provider, cookies).await?,
        };
        self.redirect_to_provider(id, usual_callback, next, hints, purpose)
            .await
    }

    /// Sends a browser to a provider: to sign in, or to link an identity to the user of a session.
    pub(crate) async fn redirect_to_provider(
        &self,
        id: &str,
        usual_callback: String,
        next: Option<String>,
        hints: BTreeMap<String, String>,
        purpose: SignInPurpose<'_>,
    ) -> Result<ProviderRedirect, HubError> {
        let configured = self.provider(id)?;
        let login = redirect_login(configured)?;
        let redirect_uri = configured.callback_url.clone().unwrap_or(usual_callback);
        let mut extra = hints;
        extra.retain(|name, _| configured.hint_parameters.contains(name));
        let attempt = LoginAttempt {
            state: self.random.text(),
            nonce: self.random.text(),
            verifier: self.random.secret(""),
            redirect_uri,
            extra,
            reauthenticate: purpose.reauthenticate,
        };
        let url = login
            .begin(&attempt)
            .await
            .map_err(|error| sign_in_error(id, error))?;
        let browser = self.random.secret("");
        let now = self.clock.now();
        let row = LoginAttemptRow {
            provider: configured.provider.id().clone(),
            nonce: attempt.nonce,
            verifier: attempt.verifier,
            redirect_uri: attempt.redirect_uri,
            next,
            browser_digest: digest(&browser),
            link_session: purpose.link_session.map(str::to_owned),
            reauthenticates: purpose.reauthenticate,
            created_at: now,
            expires_at: now.plus(self.settings.sign_in_timeout),
        };
        self.store
            .create_login_attempt(
                &digest_text(&attempt.state),
                &row,
                &request_context::network(),
            )
            .await?;
        Ok(ProviderRedirect {
            url,
            state: attempt.state,
            browser,
        })
    }

    /// Ends a sign-in with what the browser brought back. `callback_provider` is what stood behind the usual path
    /// in the address that it came back to, `browsers` are the values of the browser's attempt
    /// cookies, and `actor` is who was signed in there already.
    pub async fn finish_sign_in(
        self: &Arc<Self>,
        query: CallbackQuery,
        callback_provider: Option<&str>,
        browsers: &[Secret],
        actor: Option<&Actor>,
    ) -> Result<CallbackOutcome, HubError> {
        let returned = self
            .handle_callback(query, callback_provider, browsers, actor)
            .await;
        let refused = match &returned {
            Ok(CallbackOutcome::Refused { error, .. }) | Err(error) => {
                reason_of(error, SignInRefusal::NotAllowed)
            }
            Ok(_) => None,
        };
        if let Some(reason) = refused {
            let provider = callback_provider.filter(|id| self.provider(id).is_ok());
            self.audit.refuse_sign_in(provider, reason, None).await;
        }
        returned
    }

    async fn handle_callback(
        self: &Arc<Self>,
        query: CallbackQuery,
        callback_provider: Option<&str>,
        browsers: &[Secret],
        actor: Option<&Actor>,
    ) -> Result<CallbackOutcome, HubError> {
        let again = || {
            HubError::invalid(
                "This sign-in was already used, took too long or began in another browser. \
                 Please sign in again.",
            )
        };
        let state = query.state.clone().ok_or_else(again)?;
        let now = self.clock.now();
        // Taking the attempt away first makes every state usable once, also when what follows fails.
        let row = self
            .store
            .take_login_attempt(&digest_text(&state), now)
            .await?
            .ok_or_else(again)?;
        if !browsers
            .iter()
            .any(|browser| digest(browser) == row.browser_digest)
        {
            warn!(provider.id = %row.provider, "a sign-in came back to another browser");
            return Err(again());
        }
        // RFC 9700 4.4.2: what a provider with an address of its own says comes to that one, so what
        // comes to another address was said by another provider.
        if callback_provider_of(&row.redirect_uri) != callback_provider {
            warn!(provider.id = %row.provider, callback_provider = callback_provider.unwrap_or_default(), "a sign-in came back to the address of another provider");
            return Err(again());
        }
        let next = row.next.clone();
        let returned = self.complete_sign_in(row, state, query, actor).await;
        returned.or_else(|error| Ok(CallbackOutcome::Refused { error, next }))
    }

    /// The end of an attempt that came back to its browser.
    async fn complete_sign_in(
        self: &Arc<Self>,
        row: LoginAttemptRow,
        state: String,
        query: CallbackQuery,
        actor: Option<&Actor>,
    ) -> Result<CallbackOutcome, HubError> {
        let configured = self.provider(row.provider.as_str())?;
        let login = redirect_login(configured)?;
        let attempt = LoginAttempt {
            state,
            nonce: row.nonce.clone(),
            verifier: row.verifier.clone(),
            redirect_uri: row.redirect_uri.clone(),
            extra: BTreeMap::new(),
            reauthenticate: row.reauthenticates,
        };
        let id = row.provider.as_str();
        let said = async {
            let identity = login.finish(attempt, query).await?;
            if configured.rules.are_answered_by(&identity) {
                return Ok(identity);
            }
            login.add_claims(identity).await
        };
        let identity = said.await.map_err(|error| sign_in_error(id, error));
        if let Some(session) = &row.link_session {
            let linked = async {
                let identity = identity?;
                let user = actor.map(|actor| actor.user.id);
                // Whoever links was asked before if that was needed.
                self.proof_of(login, &row, user, &identity).await?;
                self.link(configured, session, &identity, actor).await
            };
            let linked = linked.await;
            let linked = linked.map(|()| Linked {
                provider: row.provider,
                next: row.next,
            });
            return Ok(CallbackOutcome::Linked(linked));
        }
        let identity = identity?;
        let known = self
            .store
            .identity(&identity.issuer, &identity.subject)
            .await?;
        let user = known.as_ref().map(|(_, user)| user.id);
        if self.proof_of(login, &row, user, &identity).await? == Proof::Missing {
            let purpose = SignInPurpose {
                link_session: None,
                reauthenticate: true,
            };
            let back = row.redirect_uri;
            let redirect = self.redirect_to_provider(id, back, row.next, BTreeMap::new(), purpose);
            return Ok(CallbackOutcome::Again(redirect.await?));
        }
        let user = self.admit(configured, &identity, known).await?;
        Ok(CallbackOutcome::SignedIn(Box::new(
            CompletedSignIn::at_provider(user, row.provider, identity, row.next),
        )))
    }

    /// Finds or makes the user of an identity, bound to its issuer and subject and never to a name
    /// that the provider may let people change. `known` is what the database has under those two.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        configured: &ConfiguredProvider,
        identity: &ExternalIdentity,
        known: Option<(Identity, User)>,
    ) -> Result<User, HubError> {
        let provider = configured.provider.id();
        let user = known.as_ref().map(|(_, user)| user);
        let decision = self.decide(configured, identity, user).await?;
        warn_of_unreadable(provider, &decision);
        let admission = match decision.outcome {
            Ok(admission) => admission,
            Err(refusal) => {
                info!(provider.id = %provider, "sign-in refused: {refusal}");
                // Who is here already must not go on because another browser is signed in.
                if let Some((_, user)) = known.filter(|_| decision.is_certain) {
                    self.no_longer_allowed(&user, provider).await?;
                }
                return Err(HubError::forbidden(refusal.to_string()));
            }
        };
        let user = match known {
            Some((_, user)) => user,
            None => {
                self.user_for_new_identity(provider, identity, &admission.name)
                    .await?
            }
        };
        let decides = admission.admin.is_some() || admission.groups.is_some();
        let user = self.record_sign_in(user, provider, decides).await?;
        self.apply_admission(&user, &admission).await
    }

    /// Gives a user the admin flag and the groups that the rules say, and returns them so.
    pub(crate) async fn apply_admission(
        &self,
        user: &User,
        admission: &Admission,
    ) -> Result<User, HubError> {
        let now = self.clock.now();
        let mut user = user.clone();
        let is_listed = self.settings.admin_users.contains(user.name.as_str());
        let admin = if is_listed {
            Some(true)
        } else {
            admission.admin
        };
        let rights = Rights {
            admin,
            groups: admission.groups.as_deref(),
        };
        // After each refresh of a grant this is asked, and mostly nothing has changed.
        if self.store.set_rights(user.id, rights, now).await? {
            info!(user.name = %user.name, "rights follow the provider");
            self.access.forget(user.id);
            let groups = admission.groups.as_deref().map(some_of);
            let detail = json!({ "admin": admin, "groups": groups });
            self.audit
                .record(Event::RightsFollow, Some(&user), detail)
                .await?;
        }
        user.admin = admin.unwrap_or(user.admin);
        Ok(user)
    }

    /// The user of somebody who comes for the first time: a new one, or the one that was made for them.
    async fn user_for_new_identity(
        &self,
        provider: &ProviderId,
        identity: &ExternalIdentity,
        name: &UserName,
    ) -> Result<User, HubError> {
        let now = self.clock.now();
        let by_default = self.may_adopt_by_default(provider);
        let new = NewIdentity {
            provider,
            issuer: &identity.issuer,
            subject: &identity.subject,
        };
        // A user whom an admin made beforehand and who never signed in is taken over.
        let adoption = match self
            .store
            .bind_first_identity(name, new, by_default, now)
            .await
        {
            Ok(Adoption::Done(user)) => {
                info!(user.name = %user.name, provider.id = %provider, "a prepared account was adopted");
                let detail = json!({ "provider": provider });
                let by = user.name.as_str();
                self.audit
                    .record_by(by, Event::IdentityLinked, Some(&user), detail)
                    .await?;
                return Ok(user);
            }
            // The same person in another window was quicker.
            Err(StoreError::AlreadyExists { .. }) => Adoption::OfSomebody,
            other => other?,
        };
        if adoption == Adoption::OfNobody {
            // An account of this name would come with rights that are meant for somebody else's people.
            if !by_default && self.is_name_in_rules(name, false) {
                warn!(user.name = %name, provider.id = %provider, "a name of which the configuration speaks is not for this provider");
                return Err(HubError::forbidden(format!(
                    "The rules of this hub speak of `{name}`, and do not say that this is somebody \
                     from {}. Ask its operator, who can say so with `prepared_accounts_from`.",
                    self.title_of_provider(provider)
                )));
            }
            let name = self
                .name_for_account(name, OnBehalfOf::Operator(&self.authority), None)
                .await;
            let name = name.map_err(|error| match error {
                // Nobody at the browser can do anything about what the provider says.
                HubError::Invalid(message) => HubError::forbidden(message),
                other => other,
            })?;
            let made = self
                .store
                .create_user_with_identity(&name, false, new, now)
                .await;
            match made {
                Ok((user, _)) => {
                    info!(user.name = %user.name, provider.id = %provider, "new user");
                    let detail = json!({ "provider": provider });
                    let by = user.name.as_str();
                    self.audit
                        .record_by(by, Event::UserMade, Some(&user), detail)
                        .await?;
                    return Ok(user);
                }
                Err(StoreError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let known = self.store.identity(new.issuer, new.subject).await?;
        if let Some((_, user)) = known {
            return Ok(user);
        }
        if adoption == Adoption::NotFromHere {
            warn!(user.name = %name, provider.id = %provider, "a prepared account is not for this provider");
            return Err(HubError::forbidden(format!(
                "An account `{name}` was prepared here, but nobody has said that it is for somebody \
                 from {}. Ask an administrator of this hub: they can say so with `adopt_from` for this \
                 account, or with `prepared_accounts_from` for all.",
                self.title_of_provider(provider)
            )));
        }
        Err(self.name_is_taken(provider, identity, name).await?)
    }

    /// What somebody is told whose name belongs to an account that is not theirs, as far as anybody
    /// knows. If that account is bound to another subject of the same issuer, the operator may have to
    /// connect the two: an account that was made anew at the provider has a new subject.
    async fn name_is_taken(
        &self,
        provider: &ProviderId,
        identity: &ExternalIdentity,
        name: &UserName,
    ) -> Result<HubError, HubError> {
        let title = self.title_of_provider(provider);
        let owner = self.store.user_by_name(name).await?;
        let bound = match &owner {
            Some(owner) => self.store.identities_of(owner.id).await?,
            None => Vec::new(),
        };
        let other = bound.iter().find(|own| own.issuer == identity.issuer);
        let (Some(owner), Some(other)) = (owner, other) else {
            warn!(user.name = %name, provider.id = %provider, "identity conflict: the name is taken");
            return Ok(HubError::forbidden(format!(
                "The name `{name}` belongs to another account here, which is not connected with \
                 yours at {title}. If it is yours, too, sign in to it as before and link the two \
                 on its account page, or ask the operator to connect them."
            )));
        };
        warn!(
            user.name = %name,
            provider.id = %provider,
            subject.known = other.subject,
            subject.came = identity.subject,
            "subject changed: the provider calls another subject by the name of an account"
        );
        let detail = json!({
            "provider": provider,
            "known": other.subject,
            "came": identity.subject,
        });
        self.audit
            .record_by(
                provider.as_str(),
                Event::SubjectChanged,
                Some(&owner),
                detail,
            )
            .await?;
        Ok(HubError::forbidden(format!(
            "The name `{name}` belongs to another account here, which is bound to another identity \
             at {title} than the one with which you came. If yours was made anew there, ask the \
             operator to connect the two."
        )))
    }
}

/// What stands behind the usual path in an address to come back to, if anything does.
fn callback_provider_of(redirect_uri: &str) -> Option<&str> {
    let path = redirect_uri.split(['?', '#']).next()?;
    let (_, callback_provider) = path.split_once("/hub/oauth_callback/")?;
    (!callback_provider.is_empty()).then_some(callback_provider)
}

fn redirect_login(configured: &ConfiguredProvider) -> Result<&dyn RedirectLogin, HubError> {
    match configured.provider.method() {
        LoginMethod::Redirect(login) => Ok(login),
        LoginMethod::Form(_) | LoginMethod::Header(_) => Err(HubError::invalid(
            "This way to sign in has no page of its own.",
        )),
    }
}

/// Turns a provider's failure into words for the person, with the cause for the log.
pub(crate) fn sign_in_error(provider: &str, error: jansky_identity::IdentityError) -> HubError {
    warn!(provider.id = provider, error = %error, error.code = error.code(), "sign-in failed");
    let message = error.public().to_owned();
    if error.is_transient() {
        HubError::Unavailable {
            message,
            source: Some(Box::new(error)),
        }
    } else {
        HubError::forbidden(message)
    }
}
