//! What tests may do and surfaces may not: act as whoever runs the hub, and look past it.

use std::time::Duration;

use jansky_access::{Access, Action, Authority, OnBehalfOf, Permit};
use jansky_store::{FreezeReason, Server, Store};

use crate::Hub;
use crate::broker::{Broker, NotObtained};
use crate::people::grants::FreshToken;
use crate::shared::error::HubError;

impl Hub {
    /// The authority over this hub.
    pub fn operator(&self) -> &Authority {
        &self.authority
    }

    /// A permit of the operator for something in hand.
    pub fn permit_of<A: Action>(&self, on: A::On) -> Permit<'_, A> {
        self.permit_by(&self.authority, on)
    }

    /// A permit that nobody asked for, in somebody's name and for something in hand.
    pub fn permit_by<'a, A: Action>(
        &'a self,
        by: impl Into<OnBehalfOf<'a>>,
        on: A::On,
    ) -> Permit<'a, A> {
        Permit::granted(&self.authority, by, on)
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

impl Broker {
    /// Freezes the agent of a server without a question.
    pub async fn freeze_unasked(
        &self,
        server: &Server,
        reason: FreezeReason,
        actor: &str,
    ) -> Result<bool, HubError> {
        self.freeze_server(server, reason, actor).await
    }

    /// The token of a service account, as spawners get it.
    pub async fn token_of_service(
        &self,
        audience: &str,
        least: Duration,
    ) -> Result<FreshToken, NotObtained> {
        self.service_token(audience, least).await
    }
}
