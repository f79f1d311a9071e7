//! Names: which ones accounts get, whose people may take prepared ones, and which ones somebody had.

use std::collections::BTreeSet;

use jansky_identity::ExternalIdentity;
use jansky_model::{ProviderId, UserName};
use jansky_store::User;
use serde_json::json;
use tracing::{info, warn};

use crate::people::People;
use crate::people::admission::Decision;
use crate::people::sign_in::ConfiguredProvider;
use crate::shared::error::HubError;
use crate::shared::record::Event;
use jansky_access::action::{Action, ChangeUser};
use jansky_access::{OnBehalfOf, Permit};
use jansky_model::scope::Target;

/// So many names of one identity are kept.
const MOST_NAMES: usize = 1_000;

impl People {
    /// A name in the form in which an account gets it. `renamed` is the user who has another one now.
    ///
    /// One that nobody can tell from that of another account is refused, unless both are plain letters
    /// and digits: `l1` and `ll` may well be two people of one institute. That is told in the log and in
    /// the audit trail.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for a name that no account gets.
    pub(crate) async fn name_for_account(
        &self,
        name: &UserName,
        by: OnBehalfOf<'_>,
        renamed: Option<&User>,
    ) -> Result<UserName, HubError> {
        let name = name.for_account();
        let name = name.map_err(|error| HubError::invalid(error.to_string()))?;
        let mut alike = self.store.users_looking_like(&name).await?;
        alike.retain(|other| renamed.is_none_or(|user| user.name != *other));
        let Some(other) = alike.first() else {
            return Ok(name);
        };
        let is_plain = |name: &UserName| name.as_str().is_ascii();
        if !alike.iter().chain([&name]).all(is_plain) {
            warn!(user.name = %name, other = %other, "a name is refused that looks like another one");
            return Err(HubError::invalid(format!(
                "The name `{name}` looks like that of another account here and is not given to a \
                 second one."
            )));
        }
        warn!(user.name = %name, other = %other, "a name is given that looks like another one");
        let detail = json!({ "name": name.as_str(), "other": other.as_str() });
        self.audit
            .record_by(by.name(), Event::LookAlikeName, None, detail)
            .await?;
        Ok(name)
    }

    /// Whether people of a provider may have accounts that were made beforehand, and names of which the
    /// configuration speaks, where nothing else is said: those that `prepared_accounts_from` names, or
    /// the only provider that there is.
    pub(crate) fn may_adopt_by_default(&self, provider: &ProviderId) -> bool {
        match &self.settings.prepared_accounts_from {
            Some(named) => named.contains(provider),
            None => self.providers.len() == 1,
        }
    }

    /// Says which provider's people may take over the account of a user who has not signed in yet;
    /// with `None` the configuration decides.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for a provider that is not there; [`HubError::Forbidden`] when whoever comes
    /// would be more than the caller.
    async fn set_adopt_from(
        &self,
        by: OnBehalfOf<'_>,
        user: &User,
        provider: Option<&str>,
    ) -> Result<(), HubError> {
        self.privileges.may_become(by, user).await?;
        let provider = provider.map(|text| self.known_provider(text)).transpose()?;
        self.note_adopt_from(by, user, provider).await
    }

    /// Changes a user as [`People::change_user`], and says which provider's people may take over the
    /// account; with `None` the configuration decides.
    ///
    /// # Errors
    /// As [`People::change_user`]; [`HubError::Invalid`] for a provider that is not there;
    /// [`HubError::Forbidden`] when whoever comes would be more than the caller.
    pub async fn change_prepared_user(
        &self,
        permit: &Permit<'_, ChangeUser>,
        name: Option<&UserName>,
        admin: Option<bool>,
        adopt_from: Option<&str>,
    ) -> Result<User, HubError> {
        let changed = self.change_user(permit, name, admin).await?;
        self.set_adopt_from(permit.by(), &changed, adopt_from)
            .await?;
        Ok(changed)
    }

    /// The provider whose people may take over the account of a user, where somebody said so and it
    /// may be seen.
    pub async fn adopt_from(
        &self,
        by: impl Into<OnBehalfOf<'_>>,
        user: &User,
    ) -> Result<Option<ProviderId>, HubError> {
        let target = Target::User(user.name.as_str());
        if !by.into().may(ChangeUser::SCOPES, target) {
            return Ok(None);
        }
        Ok(self.store.adopt_from(user.id).await?)
    }

    pub(crate) fn known_provider(&self, text: &str) -> Result<&ProviderId, HubError> {
        let known = || self.providers.iter().map(|p| p.provider.id());
        known().find(|id| id.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = known().map(ProviderId::as_str).collect();
            HubError::invalid(format!(
                "`adopt_from` is `{text}`, which is no provider of this hub; use one of: {}",
                known.join(", ")
            ))
        })
    }

    pub(crate) async fn note_adopt_from(
        &self,
        by: OnBehalfOf<'_>,
        user: &User,
        provider: Option<&ProviderId>,
    ) -> Result<(), HubError> {
        self.store.set_adopt_from(user.id, provider).await?;
        self.record_adopt_from(by, user, provider).await
    }

    pub(crate) async fn record_adopt_from(
        &self,
        by: OnBehalfOf<'_>,
        user: &User,
        provider: Option<&ProviderId>,
    ) -> Result<(), HubError> {
        let from = provider.map(ProviderId::as_str);
        info!(user.name = %user.name, provider.id = from, "said whose people may adopt the account");
        let detail = json!({ "provider": from.unwrap_or("the configuration") });
        self.audit
            .record_by(by.name(), Event::AdoptFrom, Some(user), detail)
            .await
    }

    /// Decides about an identity, with a look at every name that it has and had. `user` is whose it is,
    /// if it is anybody's.
    ///
    /// People may change their name at many providers. A name that is kept out keeps out whoever has
    /// ever had it, there or here.
    pub(crate) async fn decide(
        &self,
        configured: &ConfiguredProvider,
        identity: &ExternalIdentity,
        user: Option<&User>,
    ) -> Result<Decision, HubError> {
        let mut decision = configured.rules.decide(identity);
        let said = configured.rules.name_said(identity);
        let blocked = &configured.rules.blocked_users;
        let is_blocked = said
            .as_ref()
            .is_some_and(|name| blocked.contains(name.as_str()));
        let is_usual = match (user, &said) {
            (Some(user), Some(name)) => user.name == *name,
            (Some(_), None) => true,
            // Whoever is not let in leaves no trace, unless it is for their name.
            (None, _) => !is_blocked,
        };
        if blocked.is_empty() && is_usual {
            return Ok(decision);
        }
        let (issuer, subject) = (&identity.issuer, &identity.subject);
        let names = self.store.names_of_identity(issuer, subject).await?;
        // None of them may be forgotten, or a name that is kept out would be with time.
        if names.len() >= MOST_NAMES
            && said
                .as_ref()
                .is_some_and(|name| !names.contains(name.as_str()))
        {
            decision.keep_out_by_names(names.len());
            return Ok(decision);
        }
        if let Some(name) = said.filter(|name| !is_usual && !names.contains(name.as_str())) {
            self.store
                .note_identity_name(issuer, subject, name.as_str())
                .await?;
        }
        if !is_blocked && let Some(name) = first_blocked(blocked, &names) {
            decision.keep_out_by_name(name);
        }
        Ok(decision)
    }

    /// Refuses to link an identity that has or had a name that is kept out, to an account that has or
    /// had one, and remembers the name that the identity has now.
    pub(crate) async fn may_link(
        &self,
        configured: &ConfiguredProvider,
        identity: &ExternalIdentity,
        user: &User,
    ) -> Result<(), HubError> {
        let refuse = |refusal: crate::people::admission::Refusal| {
            info!(user.name = %user.name, provider.id = %configured.provider.id(), "not linked: {refusal}");
            HubError::forbidden(refusal.to_string())
        };
        configured.rules.may_link(identity).map_err(refuse)?;
        let (issuer, subject) = (&identity.issuer, &identity.subject);
        let mut names = self.store.names_of_identity(issuer, subject).await?;
        names.extend(self.store.names_of_user(user.id).await?);
        if let Some(name) = first_blocked(&configured.rules.blocked_users, &names) {
            return Err(refuse(crate::people::admission::Refusal::NotAllowed(
                name.to_owned(),
            )));
        }
        if let Some(name) = configured.rules.name_said(identity)
            && !names.contains(name.as_str())
        {
            self.store
                .note_identity_name(issuer, subject, name.as_str())
                .await?;
        }
        Ok(())
    }
}

fn first_blocked<'n>(blocked: &BTreeSet<String>, names: &'n BTreeSet<String>) -> Option<&'n str> {
    names
        .iter()
        .find(|name| blocked.contains(*name))
        .map(String::as_str)
}
