//! Linking: a signed-in user shows that another identity is theirs, too.
//!
//! A linked identity is a further way to sign in and gives tokens of its own, which are kept apart
//! from all others. It gives no rights by being linked: groups and the admin flag follow the
//! provider with which somebody signs in. So of the second provider's rules only those count that
//! keep people out; those that let people in are asked when somebody signs in with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jansky_identity::ExternalIdentity;
use jansky_model::ProviderId;
use jansky_store::{IdentityId, NewIdentity, StoreError};
use serde_json::json;
use tracing::{info, warn};

use crate::people::People;
use crate::people::sign_in::{ConfiguredProvider, ProviderRedirect, SignInPurpose};
use crate::shared::error::HubError;
use crate::shared::record::Event;
use jansky_access::Actor;

/// An identity that was linked.
#[derive(Debug)]
pub struct Linked {
    /// The provider that it came from.
    pub provider: ProviderId,
    /// Where the person wanted to go.
    pub next: Option<String>,
}

impl People {
    /// Begins to link an identity at the provider `id` to the user of a browser session.
    pub async fn begin_link(
        &self,
        actor: &Actor,
        id: &str,
        usual_callback: String,
        next: Option<String>,
    ) -> Result<ProviderRedirect, HubError> {
        let session = actor.session_id().filter(|_| actor.is_browser());
        let session = session.ok_or_else(|| {
            HubError::forbidden("Identities are linked in a browser that is signed in.")
        })?;
        let provider = self.provider(id)?.provider.id();
        let purpose = SignInPurpose {
            link_session: Some(session),
            reauthenticate: self.must_prove(actor.user.id, provider).await?,
        };
        self.redirect_to_provider(id, usual_callback, next, BTreeMap::new(), purpose)
            .await
    }

    /// Attaches what a provider said to the user who began this in the session `session_id`;
    /// `actor` is who is at the browser now.
    pub(crate) async fn link(
        &self,
        configured: &ConfiguredProvider,
        session_id: &str,
        identity: &ExternalIdentity,
        actor: Option<&Actor>,
    ) -> Result<(), HubError> {
        let actor = actor.filter(|a| a.is_browser() && a.session_id() == Some(session_id));
        let actor = actor.ok_or_else(|| {
            HubError::forbidden(
                "The session in which you began to link this identity is not the one of this \
                 browser now. Sign in and link the identity again.",
            )
        })?;
        let user = &actor.user;
        let provider = configured.provider.id();
        self.may_link(configured, identity, user).await?;
        let now = self.clock.now();
        let title = configured.provider.title();
        match self
            .store
            .identity(&identity.issuer, &identity.subject)
            .await?
        {
            Some((_, owner)) if owner.id == user.id => {
                self.store
                    .touch_identity(&identity.issuer, &identity.subject, now)
                    .await?;
            }
            Some(_) => return Err(taken(user.name.as_str(), provider, title)),
            None => {
                let own = self.store.identities_of(user.id).await?;
                if own.iter().any(|identity| identity.provider == *provider) {
                    return Err(HubError::forbidden(format!(
                        "Another identity at {title} is already linked to your account. Unlink \
                         that one first."
                    )));
                }
                let new = NewIdentity {
                    provider,
                    issuer: &identity.issuer,
                    subject: &identity.subject,
                };
                match self.store.bind_identity(user.id, new, now).await {
                    Ok(_) => {}
                    Err(StoreError::AlreadyExists { .. }) => {
                        return Err(taken(user.name.as_str(), provider, title));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let client_id = &configured.client_id;
        self.grants.keep(user, identity, client_id).await?;
        self.access.forget(user.id);
        info!(user.name = %user.name, provider.id = %provider, "identity linked");
        let detail = json!({ "provider": provider });
        self.audit
            .record_by(
                user.name.as_str(),
                Event::IdentityLinked,
                Some(user),
                detail,
            )
            .await
    }

    /// Takes an identity away from the caller's account, with the tokens, the sessions and the rights
    /// that came of it.
    ///
    /// The identity with which the caller's own session began stays, so that
    /// they keep a way to sign in that works.
    pub async fn unlink(self: &Arc<Self>, actor: &Actor, id: IdentityId) -> Result<(), HubError> {
        let user = &actor.user;
        let identities = self.store.identities_of(user.id).await?;
        let identity = identities.into_iter().find(|identity| identity.id == id);
        let identity = identity.ok_or_else(|| HubError::not_found("You have no such identity."))?;
        let sessions = self.store.sessions_of(user.id).await?;
        let own = sessions
            .iter()
            .find(|session| Some(session.session_id.as_str()) == actor.session_id());
        if own.is_none_or(|session| session.provider == identity.provider) {
            return Err(HubError::conflict(
                "You are signed in with this identity. Sign in another way to unlink it.",
            ));
        }
        let now = self.clock.now();
        if !self.store.unbind_identity(user.id, id, now).await? {
            return Err(HubError::conflict(
                "This is the last way in which you can sign in, so it stays.",
            ));
        }
        for session in &sessions {
            if session.provider == identity.provider {
                self.end_session(user.id, &session.session_id).await?;
            }
        }
        // Nobody could be asked any more whether they still hold.
        self.end_rights_of(user, &identity.provider).await?;
        if let Some(grant) = self.store.login_grant(user.id, &identity.provider).await? {
            self.revoke_soon(grant).await;
        }
        self.access.forget(user.id);
        info!(user.name = %user.name, provider.id = %identity.provider, "identity unlinked");
        let detail = json!({ "provider": identity.provider });
        self.audit
            .record(Event::IdentityUnlinked, Some(user), detail)
            .await
    }
}

fn taken(name: &str, provider: &ProviderId, title: &str) -> HubError {
    warn!(user.name = name, provider.id = %provider, "identity conflict: it is linked to another account");
    HubError::conflict(format!(
        "This identity at {title} belongs to another account here. Sign in with it to use that \
         account, or ask the operator to bring the two together."
    ))
}
