//! In whose name something is done.

use jansky_store::User;

use crate::actor::{Actor, SharedActor};

/// Says that whoever holds it runs the hub: the command line, the configuration, the hub itself.
///
/// It comes into being with the [`Access`](crate::Access) of a hub, which gives it to who put the hub
/// together. Surfaces, which answer others, never have one.
#[derive(Clone, Debug)]
pub struct Authority(pub(crate) ());

/// A user who has just shown all that a sign-in asks for, without signing in.
#[derive(Clone, Debug)]
pub struct ProvenOwner {
    user: User,
}

impl ProvenOwner {
    /// For who has checked it.
    pub const fn new(_: &Authority, user: User) -> Self {
        Self { user }
    }

    /// The user.
    pub const fn user(&self) -> &User {
        &self.user
    }
}

/// In whose name something is done.
#[derive(Clone, Copy, Debug)]
pub enum OnBehalfOf<'a> {
    /// Somebody who asked the hub, who is bounded by what they hold.
    Actor(&'a Actor),
    /// The person whose own account it is about, who has just shown all that a sign-in asks for.
    Owner(&'a ProvenOwner),
    /// Whoever runs the hub.
    Operator(&'a Authority),
}

impl<'a> From<&'a Actor> for OnBehalfOf<'a> {
    fn from(actor: &'a Actor) -> Self {
        Self::Actor(actor)
    }
}

impl<'a> From<&'a SharedActor> for OnBehalfOf<'a> {
    fn from(actor: &'a SharedActor) -> Self {
        Self::Actor(actor)
    }
}

impl<'a> From<&'a ProvenOwner> for OnBehalfOf<'a> {
    fn from(owner: &'a ProvenOwner) -> Self {
        Self::Owner(owner)
    }
}

impl<'a> From<&'a Authority> for OnBehalfOf<'a> {
    fn from(authority: &'a Authority) -> Self {
        Self::Operator(authority)
    }
}

impl OnBehalfOf<'_> {
    /// The name for the record.
    pub fn name(&self) -> &str {
        match self {
            Self::Actor(actor) => actor.user.name.as_str(),
            Self::Owner(owner) => owner.user.name.as_str(),
            Self::Operator(_) => "operator",
        }
    }
}
