//! People, for tests: found without a question, and signed in without having shown anything.

use jansky_identity::ExternalIdentity;
use jansky_model::name::group_name;
use jansky_model::{ProviderId, ScopeSet, UserName};
use jansky_store::{Group, User};

use crate::people::People;
use crate::people::sessions::{CompletedSignIn, NewBrowserSession};
use crate::shared::error::HubError;

impl People {
    /// Opens a session for somebody who has shown nothing, past the second factor.
    pub async fn open_session(
        &self,
        user: &User,
        provider: &ProviderId,
        identity: Option<&ExternalIdentity>,
        browser: Option<&str>,
    ) -> Result<NewBrowserSession, HubError> {
        let (user, provider) = (user.clone(), provider.clone());
        let sign_in = match identity {
            Some(identity) => CompletedSignIn::at_provider(user, provider, identity.clone(), None),
            None => CompletedSignIn::local(user, provider),
        };
        self.begin_session(&sign_in, browser).await
    }

    /// Opens the session of somebody who has shown everything but a second factor.
    pub async fn open_session_of(
        &self,
        sign_in: &CompletedSignIn,
    ) -> Result<NewBrowserSession, HubError> {
        self.begin_session(sign_in, None).await
    }

    /// A user by name.
    pub async fn user(&self, name: &str) -> Result<Option<User>, HubError> {
        let Ok(name) = name.parse::<UserName>() else {
            return Ok(None);
        };
        Ok(self.store.user_by_name(&name).await?)
    }

    /// A group by name.
    pub async fn group(&self, name: &str) -> Result<Option<Group>, HubError> {
        Ok(self.store.group(&group_name(name)).await?)
    }

    /// Everything that a user may do now.
    pub async fn rights_unasked(&self, user: &User) -> Result<ScopeSet, HubError> {
        self.rights_of(user).await
    }
}
