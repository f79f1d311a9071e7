//! In whose name something is done.

use jansky_model::scope::Target;
use jansky_model::{Scope, UserId};
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
    /// Whether they hold one of the scopes for something. Whoever has only shown who they are holds
    /// none.
    pub fn may(&self, scopes: &[Scope], target: Target<'_>) -> bool {
        match self {
            Self::Actor(actor) => scopes.iter().any(|scope| actor.may(*scope, target)),
            Self::Owner(_) => false,
            Self::Operator(_) => true,
        }
    }

    /// Whether this is the user, at a browser: pages show people what is theirs, whatever their roles
    /// say.
    pub fn is_at_own_browser(&self, user: UserId) -> bool {
        matches!(self, Self::Actor(actor) if actor.is_browser() && actor.user.id == user)
    }

    /// The name for the record.
    pub fn name(&self) -> &str {
        match self {
            Self::Actor(actor) => actor.user.name.as_str(),
            Self::Owner(owner) => owner.user.name.as_str(),
            Self::Operator(_) => "operator",
        }
    }
}
