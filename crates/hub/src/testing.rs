//! What tests may do and surfaces may not: act as whoever runs the hub, and look past it.

use jansky_access::{Access, Action, Authority, Permit};
use jansky_identity::ExternalIdentity;
use jansky_model::ProviderId;
use jansky_store::{Store, User};

use crate::people::People;
use crate::people::sign_in::{CompletedSignIn, NewBrowserSession};
use crate::{Hub, HubError};

impl Hub {
    /// The authority over this hub.
    pub const fn operator(&self) -> &Authority {
        &self.authority
    }

    /// A permit of the operator, with something in hand.
    pub fn permit_of<A: Action>(&self, on: A::On) -> Permit<'_, A> {
        Permit::of_operator(&self.authority, on)
    }

    /// Who callers are.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

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
}
