//! What tests may do and surfaces may not: act as whoever runs the hub, and look past it.

use jansky_access::{Access, Action, Authority, Permit};
use jansky_store::Store;

use crate::Hub;

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
