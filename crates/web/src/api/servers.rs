//! Servers over the API.

use axum::Json;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jansky_hub::action::{SeeServer, StartServer, StopServer};
use jansky_hub::{Action, Actor, HubError, Permit, Place};
use jansky_model::{ServerName, ServerState};
use serde_json::{Map, Value, json};

use crate::api::{ApiResult, fitting, json_body, models};
use crate::visit::Visit;

/// The longest title of a server, in characters.
const LONGEST_TITLE: usize = 255;

/// A path that names a server; without a name it is the default one.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct ServerPath {
    user: String,
    #[serde(default)]
    server: String,
}

impl ServerPath {
    /// The user's name.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The server's name.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }
}

/// What the caller may do to the server that a path names.
pub(super) async fn find<'a, A: Action<On = Place>>(
    visit: &Visit,
    actor: &'a Actor,
    path: &ServerPath,
) -> Result<Permit<'a, A>, HubError> {
    let hub = &visit.web.hub;
    let permit = hub.permit::<A>(actor, (path.user(), path.server())).await?;
    if !permit.on().name.is_default() && !hub.settings().allow_named_servers {
        return Err(HubError::invalid("Named servers are not enabled."));
    }
    Ok(permit)
}

/// An empty answer as JupyterHub gives it.
fn empty(status: StatusCode) -> Response {
    (status, [(CONTENT_TYPE, "text/plain")], "").into_response()
}

/// `GET …/server` and `…/servers/{server}`
pub(crate) async fn get(visit: Visit, Path(path): Path<ServerPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = find::<SeeServer>(&visit, actor, &path).await?;
    let server = permit.on().existing()?;
    Ok(Json(models::server(&visit, actor, server)).into_response())
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct ServerRequest {
    name: Option<String>,
    display_name: Option<String>,
    user_options: Option<Map<String, Value>>,
}

fn check_title(title: Option<&str>) -> Result<(), HubError> {
    let Some(title) = title else { return Ok(()) };
    let is_fine = (1..=LONGEST_TITLE).contains(&title.chars().count())
        && title.trim() == title
        && !title.contains("  ")
        && !title.chars().any(char::is_control);
    if is_fine {
        return Ok(());
    }
    Err(HubError::invalid(format!(
        "`display_name` must be 1 to {LONGEST_TITLE} printable characters with single spaces"
    )))
}

/// `PUT …/servers/{server}`: makes a server without starting it.
pub(crate) async fn create(
    visit: Visit,
    Path(path): Path<ServerPath>,
    request: Request,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = find::<StartServer>(&visit, actor, &path).await?;
    if permit.on().name.is_default() {
        return Err(HubError::conflict("The default server always exists").into());
    }
    let asked: ServerRequest = json_body(request).await?.unwrap_or_default();
    check_title(asked.display_name.as_deref())?;
    let hub = &visit.web.hub;
    let title = asked.display_name.as_deref().unwrap_or_default();
    let server = hub
        .servers
        .create_server(&permit, title, asked.user_options)
        .await?;
    let model = models::server(&visit, actor, &server);
    Ok((StatusCode::CREATED, Json(model)).into_response())
}

/// `PATCH …/server` and `…/servers/{server}`: another name or title for a stopped server.
pub(crate) async fn change(
    visit: Visit,
    Path(path): Path<ServerPath>,
    request: Request,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = find::<StartServer>(&visit, actor, &path).await?;
    permit.on().existing()?;
    let body: Map<String, Value> = json_body(request).await?.unwrap_or_default();
    let known = ["name", "display_name", "user_options"];
    if body.is_empty() || body.keys().any(|key| !known.contains(&key.as_str())) {
        return Err(HubError::invalid(
            "the body needs at least one of `name`, `display_name` and `user_options`, and no more",
        )
        .into());
    }
    let asked: ServerRequest = fitting(Value::Object(body))?;
    check_title(asked.display_name.as_deref())?;
    let name = asked
        .name
        .map(|name| name.parse::<ServerName>())
        .transpose()
        .map_err(|error| HubError::invalid(error.to_string()))?;
    let hub = &visit.web.hub;
    let title = asked.display_name.as_deref();
    let changed = hub
        .servers
        .change_server(&permit, name.as_ref(), title, asked.user_options)
        .await?;
    Ok(Json(models::server(&visit, actor, &changed)).into_response())
}

/// `POST …/server` and `…/servers/{server}`: starts a server.
pub(crate) async fn start(
    visit: Visit,
    Path(path): Path<ServerPath>,
    request: Request,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = find::<StartServer>(&visit, actor, &path).await?;
    let server = &permit.on().server;
    let body: Map<String, Value> = json_body(request).await?.unwrap_or_default();
    // Without either of the two keys the whole body is the options: older clients send that.
    let (title, options) = if body.contains_key("user_options") || body.contains_key("display_name")
    {
        let asked: ServerRequest = fitting(Value::Object(body))?;
        (asked.display_name, asked.user_options)
    } else {
        (None, (!body.is_empty()).then_some(body))
    };
    check_title(title.as_deref())?;
    let hub = &visit.web.hub;
    match (server, title.as_deref()) {
        (None, Some(title)) => {
            hub.servers.create_server(&permit, title, None).await?;
        }
        (Some(stopped), Some(title)) if !stopped.state.is_active() => {
            hub.servers
                .change_server(&permit, None, Some(title), None)
                .await?;
        }
        _ => {}
    }
    let server = hub
        .servers
        .start_server(&permit, options.map(Value::Object))
        .await?;
    match hub
        .servers
        .settled(&server, hub.settings().call_patience)
        .await?
        .map(|server| server.state)
    {
        Some(ServerState::Ready { .. }) => Ok(empty(StatusCode::CREATED)),
        Some(ServerState::Failed { reason, .. }) => Ok(failed(&reason)),
        _ => Ok(empty(StatusCode::ACCEPTED)),
    }
}

/// A start that failed while the caller waited. Why is for the caller to know, so this is no
/// internal error although it has the status of one.
fn failed(reason: &str) -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let message = format!("Spawn failed: {reason}");
    let body = json!({ "status": status.as_u16(), "message": message });
    (status, Json(body)).into_response()
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct StopRequest {
    remove: bool,
}

/// `DELETE …/server` and `…/servers/{server}`: stops a server, and removes it when asked.
pub(crate) async fn stop(
    visit: Visit,
    Path(path): Path<ServerPath>,
    request: Request,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = find::<StopServer>(&visit, actor, &path).await?;
    let place = permit.on();
    let asked: StopRequest = json_body(request).await?.unwrap_or_default();
    if asked.remove && place.name.is_default() {
        return Err(HubError::invalid("Cannot remove the default server").into());
    }
    if place.server.is_none() && place.name.is_default() {
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    let server = place.existing()?;
    let hub = &visit.web.hub;
    hub.servers.stop_server(&permit).await?;
    let after = hub
        .servers
        .settled(server, hub.settings().call_patience)
        .await?;
    match after {
        Some(server) if server.state.is_active() => {
            if asked.remove {
                hub.servers.remove_when_stopped(&permit)?;
            }
            Ok(empty(StatusCode::ACCEPTED))
        }
        Some(_) if asked.remove => {
            hub.servers.remove_server(&permit).await?;
            Ok(empty(StatusCode::NO_CONTENT))
        }
        _ => Ok(empty(StatusCode::NO_CONTENT)),
    }
}
