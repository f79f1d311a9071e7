//! The home page: my servers.

use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::Server;
use jansky_hub::action::{StartServer, StopServer};
use jansky_hub::{Actor, HubError};
use jansky_model::{ServerName, ServerState};

use crate::error::public_message;
use crate::pages::{default_target, find_server, frozen, server_segments, title_of};
use crate::views::{HomePage, ServerCard, ServerPhase};
use crate::visit::{PageResult, Visit, redirect};

/// `GET /hub/`: leads to where the person wants to be.
pub(crate) async fn root(visit: Visit) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        Ok(redirect(&default_target(&visit, actor).await?))
    }
    .await;
    visit.answer(result)
}

/// `GET /hub/home`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = show(&visit, "", None).await;
    visit.answer(result)
}

async fn show(visit: &Visit, add_name: &str, add_error: Option<String>) -> PageResult {
    let actor = visit.signed_in()?;
    let hub = &visit.web.hub;
    let mut servers = hub.servers.servers_of(actor, &actor.user).await?;
    servers.sort_by(|a, b| a.name.cmp(&b.name));
    let settings = hub.settings();
    let named = servers
        .iter()
        .filter(|server| !server.name.is_default())
        .count() as u64;
    let limit = settings.named_server_limit_per_user;
    let agents = hub.broker.agents_of(actor, &actor.user).await?;
    let cards = servers.iter().map(|server| ServerCard {
        frozen: frozen::reason(&agents, server)
            .filter(|_| server.state.is_active())
            .and_then(frozen::for_owner)
            .map(str::to_owned),
        ..card(visit, actor, server)
    });
    let mut cards: Vec<ServerCard> = cards.collect();
    if !cards.first().is_some_and(|card| card.is_default) {
        cards.insert(0, never_started(visit, actor));
    }
    let exclusion = hub.people.exclusion(actor).await?;
    let is_leaving = exclusion.is_some();
    let status = if add_error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = HomePage {
        servers: cards,
        can_add: !is_leaving && settings.allow_named_servers && (limit == 0 || named < limit),
        add_action: visit.hub_path("servers"),
        add_error,
        add_name: add_name.to_owned(),
        named_limit_note: (settings.allow_named_servers && limit > 0)
            .then(|| format!("You can have up to {limit} named servers.")),
        stops_at: exclusion.and_then(|exclusion| exclusion.ends_at),
        is_leaving,
    };
    Ok(visit.page_with_status(status, "Home", &page))
}

/// The default server of somebody who never started it.
fn never_started(visit: &Visit, actor: &Actor) -> ServerCard {
    stopped_card(visit, actor, &ServerName::default_server())
}

fn card(visit: &Visit, actor: &Actor, server: &Server) -> ServerCard {
    let segments = server_segments(actor.user.name.as_str(), &server.name);
    let (state, since, failure) = match &server.state {
        ServerState::Stopped => (ServerPhase::Stopped, None, None),
        ServerState::Starting { since, .. } => (ServerPhase::Starting, Some(*since), None),
        ServerState::Ready { since, .. } => (ServerPhase::Ready, Some(*since), None),
        ServerState::Stopping { since, .. } => (ServerPhase::Stopping, Some(*since), None),
        ServerState::Failed { since, reason, .. } => {
            (ServerPhase::Failed, Some(*since), Some(reason.clone()))
        }
    };
    let can_delete = !server.name.is_default() && !server.state.is_active();
    ServerCard {
        title: title_of(visit, server),
        state,
        since,
        last_activity: server.last_activity_at,
        failure,
        delete_action: can_delete.then(|| visit.hub_path(&format!("remove/{segments}"))),
        ..stopped_card(visit, actor, &server.name)
    }
}

/// A card with the addresses of a server and nothing under way.
fn stopped_card(visit: &Visit, actor: &Actor, name: &ServerName) -> ServerCard {
    let segments = server_segments(actor.user.name.as_str(), name);
    let settings = visit.web.hub.settings();
    ServerCard {
        name: name.to_string(),
        title: "My server".to_owned(),
        state: ServerPhase::Stopped,
        url: settings.server_url(&actor.user.name, name),
        pending_url: visit.hub_path(&format!("spawn-pending/{segments}")),
        start_action: visit.hub_path(&format!("spawn/{segments}")),
        stop_action: visit.hub_path(&format!("stop/{segments}")),
        delete_action: None,
        since: None,
        last_activity: None,
        failure: None,
        frozen: None,
        is_default: name.is_default(),
    }
}

/// `POST /hub/servers`: makes a named server.
pub(crate) async fn add(visit: Visit, request: Request) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let fields = visit.form(request).await?;
        let typed = fields.text("name").trim();
        match make(&visit, actor, typed).await {
            Ok(()) => Ok(redirect(&visit.hub_path("home"))),
            Err(error @ HubError::Internal { .. }) => Err(error.into()),
            Err(error) => show(&visit, typed, Some(public_message(&error))).await,
        }
    }
    .await;
    visit.answer(result)
}

async fn make(visit: &Visit, actor: &Actor, typed: &str) -> Result<(), HubError> {
    let name: ServerName = typed
        .parse()
        .map_err(|error: jansky_model::InvalidName| HubError::invalid(error.to_string()))?;
    if name.is_default() {
        return Err(HubError::invalid("Type a name for the new server."));
    }
    let hub = &visit.web.hub;
    let named = (actor.user.name.as_str(), name.as_str());
    let permit = hub.permit::<StartServer>(actor, named).await?;
    hub.servers
        .create_server(&permit, "", None)
        .await
        .map(|_| ())
}

/// `POST /hub/remove/{user}/{server}`: removes a stopped named server.
pub(crate) async fn remove(
    visit: Visit,
    Path((user, server)): Path<(String, String)>,
    request: Request,
) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        visit.form(request).await?;
        let permit = find_server::<StopServer>(&visit, actor, &user, &server).await?;
        if permit.on().server.is_some() {
            visit.web.hub.servers.remove_server(&permit).await?;
        }
        Ok(redirect(&visit.hub_path("home")))
    }
    .await;
    visit.answer(result)
}
