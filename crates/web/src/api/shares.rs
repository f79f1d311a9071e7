//! Shares over the API: what owners of servers let others do with them.

use axum::Json;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jansky_hub::{Actor, HubError, Server, Share, SharePartner};
use jansky_model::scope::Target;
use jansky_model::{Scope, ServerId, ServerName};
use serde_json::{Value, json};

use crate::api::groups::find_group;
use crate::api::paging::{Page, USUAL_PAGE};
use crate::api::servers::ServerPath;
use crate::api::{ApiResult, find_user, json_body, missing, models, need};
use crate::visit::Visit;

/// With whom to share, and what.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ShareRequest {
    user: Option<String>,
    group: Option<String>,
    scopes: Option<Vec<String>>,
}

impl ShareRequest {
    async fn read(request: Request) -> Result<Self, HubError> {
        let asked: Self = json_body(request).await?.unwrap_or_default();
        if asked.user.is_some() == asked.group.is_some() {
            return Err(HubError::invalid("give `user` or `group`, one of them"));
        }
        Ok(asked)
    }

    fn partner(&self) -> Option<SharePartner> {
        match (&self.user, &self.group) {
            (Some(name), _) => name.parse().ok().map(SharePartner::User),
            (None, name) => name.clone().map(SharePartner::Group),
        }
    }
}

/// The server that a path names, for somebody who may share it.
pub(crate) async fn server_to_share(
    visit: &Visit,
    actor: &Actor,
    path: &ServerPath,
) -> Result<Server, HubError> {
    let (user, name) = (path.user(), path.server());
    need(actor, &[Scope::SHARES], Target::Server(user, name))?;
    server_of(visit, user, name).await
}

/// The server of a user by its name.
pub(crate) async fn server_of(visit: &Visit, user: &str, name: &str) -> Result<Server, HubError> {
    let owner = visit.web.hub.people.user(user).await?.ok_or_else(missing)?;
    let name: ServerName = name.parse().map_err(|_| missing())?;
    visit
        .web
        .hub
        .servers
        .server(&owner, &name)
        .await?
        .ok_or_else(missing)
}

/// As much of a server as those see whom it is shared with.
pub(crate) fn server_model(visit: &Visit, actor: &Actor, server: &Server) -> Value {
    let shown = models::server(visit, actor, server);
    json!({
        "user": { "name": server.user },
        "name": server.name,
        "url": shown["url"],
        "full_url": shown["full_url"],
        "ready": shown["ready"],
    })
}

fn model(visit: &Visit, actor: &Actor, server: &Server, share: &Share) -> Value {
    json!({
        "server": server_model(visit, actor, server),
        "scopes": share.scopes,
        "user": share.user.as_ref().map(|name| json!({ "name": name })),
        "group": share.group.as_ref().map(|name| json!({ "name": name })),
        "kind": if share.user.is_some() { "user" } else { "group" },
        "created_at": share.created_at,
    })
}

/// One page of what is about servers, each shown with its own.
pub(crate) async fn page_of<T>(
    visit: &Visit,
    all: &[T],
    server_of: impl Fn(&T) -> ServerId,
    show: impl Fn(&Server, &T) -> Value,
) -> Result<Response, HubError> {
    let page = Page::read(visit, USUAL_PAGE)?;
    let mut items = Vec::new();
    for one in all
        .iter()
        .skip(page.offset as usize)
        .take(page.limit as usize)
    {
        // A server that was deleted a moment ago took this along.
        if let Some(server) = visit.web.hub.servers.server_by_id(server_of(one)).await? {
            items.push(show(&server, one));
        }
    }
    Ok(Json(page.answer(visit, &items, all.len() as u64)).into_response())
}

async fn answer(visit: &Visit, actor: &Actor, shares: Vec<Share>) -> Result<Response, HubError> {
    let show = |server: &Server, share: &Share| model(visit, actor, server, share);
    page_of(visit, &shares, |share| share.server_id, show).await
}

/// `GET /hub/api/shares/{owner}`
pub(crate) async fn list(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let owner = find_user(&visit, actor, &name, &[Scope::READ_SHARES]).await?;
    let shares = visit.web.hub.servers.shares_of_owner(&owner).await?;
    Ok(answer(&visit, actor, shares).await?)
}

/// `GET /hub/api/shares/{owner}/{server}`
pub(crate) async fn get(visit: Visit, Path(path): Path<ServerPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let target = Target::Server(path.user(), path.server());
    need(actor, &[Scope::READ_SHARES], target)?;
    let server = server_of(&visit, path.user(), path.server()).await?;
    let shares = visit.web.hub.servers.shares_of_server(&server).await?;
    Ok(answer(&visit, actor, shares).await?)
}

/// `POST /hub/api/shares/{owner}/{server}` lets a user or a group do more.
pub(crate) async fn add(visit: Visit, Path(path): Path<ServerPath>, request: Request) -> ApiResult {
    let actor = visit.api_caller()?;
    let server = server_to_share(&visit, actor, &path).await?;
    let asked = ShareRequest::read(request).await?;
    let partner = asked.partner().ok_or_else(|| {
        let name = asked.user.as_deref().unwrap_or_default();
        HubError::invalid(format!("There is no user `{name}`."))
    })?;
    let scopes = asked.scopes.as_deref();
    let share = visit
        .web
        .hub
        .servers
        .share(actor, &server, &partner, scopes)
        .await?;
    Ok(Json(model(&visit, actor, &server, &share)).into_response())
}

/// `PATCH /hub/api/shares/{owner}/{server}` lets a user or a group do less.
pub(crate) async fn reduce(
    visit: Visit,
    Path(path): Path<ServerPath>,
    request: Request,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let server = server_to_share(&visit, actor, &path).await?;
    let asked = ShareRequest::read(request).await?;
    let left = match asked.partner() {
        Some(partner) => {
            let scopes = asked.scopes.as_deref();
            visit
                .web
                .hub
                .servers
                .unshare(&server, &partner, scopes)
                .await?
        }
        None => None,
    };
    let left = left.map_or_else(|| json!({}), |share| model(&visit, actor, &server, &share));
    Ok(Json(left).into_response())
}

/// `DELETE /hub/api/shares/{owner}/{server}` ends all shares of a server.
pub(crate) async fn end(visit: Visit, Path(path): Path<ServerPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let server = server_to_share(&visit, actor, &path).await?;
    visit.web.hub.servers.unshare_all(&server).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /hub/api/users/{user}/shared`: what is shared with a user, also through groups.
pub(crate) async fn with_user(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let user = find_user(&visit, actor, &name, &[Scope::READ_USERS_SHARES]).await?;
    let shares = visit.web.hub.servers.shares_with_user(&user).await?;
    Ok(answer(&visit, actor, shares).await?)
}

/// A path that names a user and a server that is shared with them.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct SharedPath {
    user: String,
    owner: String,
    #[serde(default)]
    server: String,
}

/// The user's own share of the server; one through a group is not theirs to give back.
async fn own_share(
    visit: &Visit,
    actor: &Actor,
    path: &SharedPath,
    scope: Scope,
) -> Result<(Server, SharePartner, Share), HubError> {
    let user = find_user(visit, actor, &path.user, &[scope]).await?;
    let partner = SharePartner::User(user.name);
    let server = server_of(visit, &path.owner, &path.server).await?;
    let share = visit.web.hub.servers.share_with(&server, &partner).await?;
    Ok((server, partner, share.ok_or_else(missing)?))
}

/// `GET /hub/api/users/{user}/shared/{owner}/{server}`
pub(crate) async fn own(visit: Visit, Path(path): Path<SharedPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let (server, _, share) = own_share(&visit, actor, &path, Scope::READ_USERS_SHARES).await?;
    Ok(Json(model(&visit, actor, &server, &share)).into_response())
}

/// `DELETE /hub/api/users/{user}/shared/{owner}/{server}`: the user gives the share back.
pub(crate) async fn give_back(visit: Visit, Path(path): Path<SharedPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let (server, partner, _) = own_share(&visit, actor, &path, Scope::USERS_SHARES).await?;
    visit
        .web
        .hub
        .servers
        .unshare(&server, &partner, None)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /hub/api/groups/{group}/shared`: what is shared with a group.
pub(crate) async fn with_group(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let group = find_group(&visit, actor, &name, &[Scope::READ_GROUPS_SHARES]).await?;
    let shares = visit.web.hub.servers.shares_with_group(&group).await?;
    Ok(answer(&visit, actor, shares).await?)
}

/// A path that names a group and a server that is shared with it.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct GroupSharedPath {
    group: String,
    owner: String,
    #[serde(default)]
    server: String,
}

async fn group_share(
    visit: &Visit,
    actor: &Actor,
    path: &GroupSharedPath,
    scope: Scope,
) -> Result<(Server, SharePartner, Share), HubError> {
    let group = find_group(visit, actor, &path.group, &[scope]).await?;
    let partner = SharePartner::Group(group.name);
    let server = server_of(visit, &path.owner, &path.server).await?;
    let share = visit.web.hub.servers.share_with(&server, &partner).await?;
    Ok((server, partner, share.ok_or_else(missing)?))
}

/// `GET /hub/api/groups/{group}/shared/{owner}/{server}`
pub(crate) async fn of_group(visit: Visit, Path(path): Path<GroupSharedPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let (server, _, share) = group_share(&visit, actor, &path, Scope::READ_GROUPS_SHARES).await?;
    Ok(Json(model(&visit, actor, &server, &share)).into_response())
}

/// `DELETE /hub/api/groups/{group}/shared/{owner}/{server}`: the share is given back for the group.
pub(crate) async fn give_back_for_group(
    visit: Visit,
    Path(path): Path<GroupSharedPath>,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let (server, partner, _) = group_share(&visit, actor, &path, Scope::GROUPS_SHARES).await?;
    visit
        .web
        .hub
        .servers
        .unshare(&server, &partner, None)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
