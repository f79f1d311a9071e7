//! Who asks, and whether they may: the one place that decides it, below every surface.
//!
//! - [`Access`] finds out who a caller is, from a token or the cookie of a session: an [`Actor`].
//! - [`action`] lists everything that somebody can be allowed to do, each with the scopes that allow it.
//! - A [`Permit`] says that somebody may do one of these to one thing. Only the check makes one, and
//!   use cases take it as their argument, so none of them can be called without having asked.
//! - A [`Detail`] is a part of something that not everybody is shown who may see the whole.
//! - [`OnBehalfOf`] says in whose name something is done. Whoever runs the hub is bounded by nothing, and
//!   proves to be that with the [`Authority`] of that hub, which it gives out when it is made.
//!
//! What somebody may *reach* by what they may do, for example by making a token for somebody else, is
//! decided by the use cases themselves: they know what comes with it.
//!
//! May use `crypto`, `model` and `store`: it knows no surface and no use case.
//!
//! None of these can be written down by a surface:
//!
//! ```compile_fail
//! let authority = jansky_access::Authority(());
//! ```
//!
//! ```compile_fail
//! use jansky_access::{OnBehalfOf, Permit, action::DeleteUser};
//! fn forge(by: OnBehalfOf<'static>, on: jansky_store::User) -> Permit<'static, DeleteUser> {
//!     Permit { by, on }
//! }
//! ```
//!
//! ```compile_fail
//! fn forge(like: jansky_access::Actor, scopes: jansky_model::ScopeSet) -> jansky_access::Actor {
//!     jansky_access::Actor { scopes, ..like }
//! }
//! ```

pub mod action;
mod actor;
mod callers;
mod detail;
mod entering;
mod error;
mod on_behalf_of;
mod permit;
mod roles;

pub use action::Action;
pub use actor::{
    Actor, Credential, Members, SharedActor, access_scope, identify_scopes, shared_scopes,
};
pub use callers::{Access, Listener, REMEMBERED_FOR};
pub use detail::Detail;
pub use entering::without_entering_others;
pub use error::{AccessError, missing};
pub use on_behalf_of::{Authority, OnBehalfOf, ProvenOwner};
pub use permit::{Answer, NewName, Permit, Place, Subject, TheHub};
pub use roles::{Role, Roles};
