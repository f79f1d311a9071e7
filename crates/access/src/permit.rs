//! That somebody may do something to one thing, found out in one step with finding the thing.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;

use jansky_model::name::group_name;
use jansky_model::scope::Target;
use jansky_model::{Scope, ServerName, UserName};
use jansky_store::{Group, Server, Store, User};

use crate::action::{Action, ChangeUser, EndSessions, Held, ListGroups, ListUsers, OwnAction};
use crate::actor::{Actor, visible_groups, visible_users};
use crate::error::{AccessError, missing};
use crate::on_behalf_of::{Authority, OnBehalfOf, ProvenOwner};

/// Says that somebody may do something to one thing, which was there when they asked.
pub struct Permit<'a, A: Action> {
    by: OnBehalfOf<'a>,
    on: A::On,
}

impl<'a, A: Action> Permit<'a, A> {
    /// Asks whether somebody may do this to what `name` names, and finds it.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`] for who may do this to nothing at all; [`AccessError::NotFound`] for
    /// who may do it to something else, who must not learn whether this exists, and when it does not.
    pub fn ask<'f>(
        store: &'f Store,
        by: OnBehalfOf<'a>,
        name: <A::On as Subject>::Name<'f>,
    ) -> Answer<'f, Self>
    where
        'a: 'f,
    {
        let may = match by {
            OnBehalfOf::Actor(actor) => A::On::with_target(name, |target| need::<A>(actor, target)),
            OnBehalfOf::Owner(_) => Err(forbidden(A::SCOPES)),
            OnBehalfOf::Operator(_) => Ok(()),
        };
        match may {
            Ok(()) => {
                let found = A::On::find(store, name);
                Box::pin(async move {
                    Ok(Self {
                        by,
                        on: found.await?,
                    })
                })
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    /// Without a question, for something in hand: whoever runs the hub may let anybody pass.
    pub fn granted(_: &Authority, by: impl Into<OnBehalfOf<'a>>, on: A::On) -> Self {
        Self { by: by.into(), on }
    }

    /// In whose name it is done.
    pub const fn by(&self) -> OnBehalfOf<'a> {
        self.by
    }

    /// What it is done to.
    pub const fn on(&self) -> &A::On {
        &self.on
    }

    /// Both.
    pub const fn parts(&self) -> (OnBehalfOf<'a>, &A::On) {
        (self.by, &self.on)
    }
}

impl<'a, A: OwnAction> Permit<'a, A> {
    /// What people do to their own account at a browser.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`] for a token: what it may do is only what its scopes say.
    pub fn own(actor: &'a Actor) -> Result<Self, AccessError> {
        if !actor.is_browser() {
            return Err(forbidden(A::SCOPES));
        }
        Ok(Self {
            by: OnBehalfOf::Actor(actor),
            on: actor.user.clone(),
        })
    }

    /// What somebody does to their own account who has just shown who they are.
    pub fn proven(owner: &'a ProvenOwner) -> Self {
        Self {
            by: OnBehalfOf::Owner(owner),
            on: owner.user().clone(),
        }
    }
}

impl Permit<'_, ListUsers> {
    /// The names of those who may be seen; `None` for all.
    pub fn visible(&self) -> Option<Vec<String>> {
        match self.by {
            OnBehalfOf::Actor(actor) => {
                visible_users(actor).map(|names| names.into_iter().collect())
            }
            OnBehalfOf::Owner(_) => Some(Vec::new()),
            OnBehalfOf::Operator(_) => None,
        }
    }
}

impl Permit<'_, ListGroups> {
    /// The names of those that may be seen; `None` for all.
    pub fn visible(&self) -> Option<Vec<String>> {
        match self.by {
            OnBehalfOf::Actor(actor) => visible_groups(actor),
            OnBehalfOf::Owner(_) => Some(Vec::new()),
            OnBehalfOf::Operator(_) => None,
        }
    }
}

impl<'a> From<Permit<'a, ChangeUser>> for Permit<'a, EndSessions> {
    /// Whoever may change somebody may end their sessions.
    fn from(permit: Permit<'a, ChangeUser>) -> Self {
        Self {
            by: permit.by,
            on: permit.on,
        }
    }
}

/// Lets the caller pass who holds one of the scopes of an action for the target.
fn need<A: Action>(actor: &Actor, target: Target<'_>) -> Result<(), AccessError> {
    let holds_any = A::SCOPES.iter().any(|scope| actor.scopes.holds(*scope));
    let may = match A::HELD {
        Held::ForIt => A::SCOPES.iter().any(|scope| actor.may(*scope, target)),
        Held::ForAnything => holds_any,
    };
    match (may, holds_any) {
        (true, _) => Ok(()),
        (false, true) => Err(missing()),
        (false, false) => Err(forbidden(A::SCOPES)),
    }
}

fn forbidden(scopes: &[Scope]) -> AccessError {
    let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
    AccessError::Forbidden(format!(
        "Action is not authorized with current scopes; requires any of [{}]",
        names.join(", ")
    ))
}

/// What comes of a question, when the database has answered.
pub type Answer<'f, T> = Pin<Box<dyn Future<Output = Result<T, AccessError>> + Send + 'f>>;

/// What something can be done to: how it is named, and how it is found.
pub trait Subject: Sized + Send + Sync + 'static {
    /// What names one.
    type Name<'n>: Copy + Send;

    /// Gives what scopes are compared with.
    fn with_target<R>(name: Self::Name<'_>, ask: impl FnOnce(Target<'_>) -> R) -> R;

    /// Finds the thing.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] when there is none.
    fn find<'f>(store: &'f Store, name: Self::Name<'f>) -> Answer<'f, Self>;
}

/// The hub as a whole.
#[derive(Clone, Copy, Debug)]
pub struct TheHub;

impl Subject for TheHub {
    type Name<'n> = ();

    fn with_target<R>((): Self::Name<'_>, ask: impl FnOnce(Target<'_>) -> R) -> R {
        ask(Target::Hub)
    }

    fn find<'f>(_: &'f Store, (): Self::Name<'f>) -> Answer<'f, Self> {
        Box::pin(async move { Ok(Self) })
    }
}

impl Subject for User {
    type Name<'n> = &'n str;

    fn with_target<R>(name: Self::Name<'_>, ask: impl FnOnce(Target<'_>) -> R) -> R {
        ask(Target::User(name))
    }

    fn find<'f>(store: &'f Store, name: Self::Name<'f>) -> Answer<'f, Self> {
        Box::pin(async move {
            let name: UserName = name.parse().map_err(|_| missing())?;
            store.user_by_name(&name).await?.ok_or_else(missing)
        })
    }
}

impl Subject for Group {
    type Name<'n> = &'n str;

    fn with_target<R>(name: Self::Name<'_>, ask: impl FnOnce(Target<'_>) -> R) -> R {
        ask(Target::Group(&group_name(name)))
    }

    fn find<'f>(store: &'f Store, name: Self::Name<'f>) -> Answer<'f, Self> {
        Box::pin(async move { store.group(&group_name(name)).await?.ok_or_else(missing) })
    }
}

impl Subject for Server {
    type Name<'n> = (&'n str, &'n str);

    fn with_target<R>((user, name): Self::Name<'_>, ask: impl FnOnce(Target<'_>) -> R) -> R {
        ask(Target::Server(user, name))
    }

    fn find<'f>(store: &'f Store, (user, name): Self::Name<'f>) -> Answer<'f, Self> {
        Box::pin(async move {
            let owner = User::find(store, user).await?;
            let name: ServerName = name.parse().map_err(|_| missing())?;
            let found = store.server_by_name(owner.id, &name).await?;
            found.ok_or_else(missing)
        })
    }
}

/// Where a server of a user is or can be: it need not have been made yet.
#[derive(Clone, Debug)]
pub struct Place {
    /// Whose server it is.
    pub owner: User,
    /// What it is called.
    pub name: ServerName,
    /// The server, if it was made.
    pub server: Option<Server>,
}

impl Place {
    /// The server.
    ///
    /// # Errors
    /// [`AccessError::NotFound`] when it was never made.
    pub fn existing(&self) -> Result<&Server, AccessError> {
        self.server.as_ref().ok_or_else(|| {
            AccessError::NotFound(format!(
                "{} has no server named '{}'",
                self.owner.name, self.name
            ))
        })
    }
}

impl Subject for Place {
    type Name<'n> = (&'n str, &'n str);

    fn with_target<R>((user, name): Self::Name<'_>, ask: impl FnOnce(Target<'_>) -> R) -> R {
        ask(Target::Server(user, name))
    }

    fn find<'f>(store: &'f Store, (user, name): Self::Name<'f>) -> Answer<'f, Self> {
        Box::pin(async move {
            let owner = User::find(store, user).await?;
            let name: ServerName = name.parse().map_err(|error: jansky_model::InvalidName| {
                AccessError::Invalid(error.to_string())
            })?;
            let server = store.server_by_name(owner.id, &name).await?;
            Ok(Self {
                owner,
                name,
                server,
            })
        })
    }
}

/// The name of something that is to be made.
#[derive(Clone, Debug)]
pub struct NewName<T = User> {
    name: String,
    of: PhantomData<T>,
}

impl<T> NewName<T> {
    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            of: PhantomData,
        }
    }
}

impl Subject for NewName<User> {
    type Name<'n> = &'n str;

    fn with_target<R>(name: Self::Name<'_>, ask: impl FnOnce(Target<'_>) -> R) -> R {
        ask(Target::User(name))
    }

    fn find<'f>(_: &'f Store, name: Self::Name<'f>) -> Answer<'f, Self> {
        Box::pin(async move { Ok(Self::of(name)) })
    }
}

impl Subject for NewName<Group> {
    type Name<'n> = &'n str;

    fn with_target<R>(name: Self::Name<'_>, ask: impl FnOnce(Target<'_>) -> R) -> R {
        Group::with_target(name, ask)
    }

    fn find<'f>(_: &'f Store, name: Self::Name<'f>) -> Answer<'f, Self> {
        Box::pin(async move { Ok(Self::of(&group_name(name))) })
    }
}
