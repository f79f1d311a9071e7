//! Pages for people: one file for each, with a function for each method.

pub(crate) mod accept_share;
pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod approvals;
pub(crate) mod assets;
pub(crate) mod audit;
pub(crate) mod consent;
pub(crate) mod frozen;
pub(crate) mod home;
pub(crate) mod password;
pub(crate) mod provider;
pub(crate) mod second_factor;
pub(crate) mod second_step;
pub(crate) mod server;
pub(crate) mod setup;
pub(crate) mod sign_in;
pub(crate) mod sign_out;
pub(crate) mod sign_up;
pub(crate) mod spawn;
pub(crate) mod tokens;

use jansky_hub::{Action, Actor, HubError, Permit, Place, Server};
use jansky_model::ServerName;

use crate::visit::Visit;

/// Where a person lands who asked for nothing in particular.
pub(crate) async fn default_target(visit: &Visit, actor: &Actor) -> Result<String, HubError> {
    let hub = &visit.web.hub;
    let settings = hub.settings();
    if let Some(url) = &settings.default_url {
        return Ok(url.clone());
    }
    if settings.redirect_to_server {
        let own = hub.servers.own_default_server(actor).await?;
        if let Some(server) = own.filter(|server| server.state.is_ready()) {
            return Ok(hub.servers.server_url(&server));
        }
    }
    Ok(visit.hub_path("home"))
}

/// A permit for the server that a path names. A default server need not have been started ever.
///
/// Whoever may not know that a server exists gets the same answer as when it does not.
pub(crate) async fn find_server<'a, A: Action<On = Place>>(
    visit: &Visit,
    actor: &'a Actor,
    user: &str,
    server: &str,
) -> Result<Permit<'a, A>, HubError> {
    const WORDS: &str = "There is no such server, or you may not see it.";
    let asked = visit.web.hub.permit::<A>(actor, (user, server)).await;
    let permit = asked.map_err(|error| as_not_found(error, WORDS))?;
    let place = permit.on();
    if place.server.is_none() && !place.name.is_default() {
        return Err(HubError::not_found(WORDS));
    }
    Ok(permit)
}

/// The error for a page on which "forbidden" must look like "not found".
pub(crate) fn as_not_found(error: HubError, words: &str) -> HubError {
    match error {
        HubError::Forbidden(_) | HubError::NotFound(_) | HubError::Invalid(_) => {
            HubError::not_found(words)
        }
        other => other,
    }
}

/// What a page calls a server: short for its owner, as on the home page.
pub(crate) fn title_of(visit: &Visit, server: &Server) -> String {
    let is_own = visit
        .actor
        .as_ref()
        .is_some_and(|actor| actor.user.name == server.user);
    if !is_own || !server.display_name.is_empty() {
        return visit.web.hub.servers.title_of(server);
    }
    if server.name.is_default() {
        "My server".to_owned()
    } else {
        server.name.to_string()
    }
}

/// The rest of a path that names a server: `river` or `river/gpu`.
pub(crate) fn server_segments(user: &str, name: &ServerName) -> String {
    let prefix = jansky_model::name::escape_path(user);
    if name.is_default() {
        prefix
    } else {
        format!("{prefix}/{name}")
    }
}
