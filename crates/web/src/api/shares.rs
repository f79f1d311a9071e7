//! Shares over the API: what owners of servers let others do with them.

use axum::Json;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jansky_hub::action::{
    SeeSharedWithGroup, SeeSharedWithUser, SeeShares, SeeSharesOfOwner, ShareServer,
};
use jansky_hub::{Actor, HubError, Server, Share, SharePartner};
use jansky_model::ServerId;
use serde_json::{Value, json};

use crate::api::paging::{Page, USUAL_PAGE};
use crate::api::servers::ServerPath;
use crate::api::{ApiResult, json_body, models};
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

/// One page of a list of shares or codes, each shown with the server that it is about.
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
        // A server that was deleted a moment ago has no shares and codes any more.
        if let Some(server) = visit
            .web
            .hub
            .servers
            .server_of_share(server_of(one))
            .await?
        {
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
    let permit = visit
        .web
        .hub
        .permit::<SeeSharesOfOwner>(actor, &name)
        .await?;
    let shares = visit.web.hub.servers.shares_of_owner(&permit).await?;
    Ok(answer(&visit, actor, shares).await?)
}

/// `GET /hub/api/shares/{owner}/{server}`
pub(crate) async fn get(visit: Visit, Path(path): Path<ServerPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let named = (path.user(), path.server());
    let permit = visit.web.hub.permit::<SeeShares>(actor, named).await?;
    let shares = visit.web.hub.servers.shares_of_server(&permit).await?;
    Ok(answer(&visit, actor, shares).await?)
}

/// `POST /hub/api/shares/{owner}/{server}` lets a user or a group do more.
pub(crate) async fn add(visit: Visit, Path(path): Path<ServerPath>, request: Request) -> ApiResult {
    let actor = visit.api_caller()?;
    let named = (path.user(), path.server());
    let permit = visit.web.hub.permit::<ShareServer>(actor, named).await?;
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
        .share(&permit, &partner, scopes)
        .await?;
    Ok(Json(model(&visit, actor, permit.on(), &share)).into_response())
}

/// `PATCH /hub/api/shares/{owner}/{server}` lets a user or a group do less.
pub(crate) async fn reduce(
    visit: Visit,
    Path(path): Path<ServerPath>,
    request: Request,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let named = (path.user(), path.server());
    let permit = visit.web.hub.permit::<ShareServer>(actor, named).await?;
    let asked = ShareRequest::read(request).await?;
    let left = match asked.partner() {
        Some(partner) => {
            let scopes = asked.scopes.as_deref();
            visit
                .web
                .hub
                .servers
                .unshare(&permit, &partner, scopes)
                .await?
        }
        None => None,
    };
    let left = left.map_or_else(
        || json!({}),
        |share| model(&visit, actor, permit.on(), &share),
    );
    Ok(Json(left).into_response())
}

/// `DELETE /hub/api/shares/{owner}/{server}` ends all shares of a server.
pub(crate) async fn end(visit: Visit, Path(path): Path<ServerPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let named = (path.user(), path.server());
    let permit = visit.web.hub.permit::<ShareServer>(actor, named).await?;
    visit.web.hub.servers.unshare_all(&permit).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /hub/api/users/{user}/shared`: what is shared with a user, also through groups.
pub(crate) async fn with_user(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit
        .web
        .hub
        .permit::<SeeSharedWithUser>(actor, &name)
        .await?;
    let shares = visit.web.hub.servers.shares_with_user(&permit).await?;
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

/// `GET /hub/api/users/{user}/shared/{owner}/{server}`
pub(crate) async fn own(visit: Visit, Path(path): Path<SharedPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let hub = &visit.web.hub;
    let permit = hub.permit(actor, path.user.as_str()).await?;
    let named = (path.owner.as_str(), path.server.as_str());
    let (server, share) = hub.servers.share_with_user(&permit, named).await?;
    Ok(Json(model(&visit, actor, &server, &share)).into_response())
}

/// `DELETE /hub/api/users/{user}/shared/{owner}/{server}`: the user gives the share back.
pub(crate) async fn give_back(visit: Visit, Path(path): Path<SharedPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let hub = &visit.web.hub;
    let permit = hub.permit(actor, path.user.as_str()).await?;
    let named = (path.owner.as_str(), path.server.as_str());
    hub.servers.leave_share_of_user(&permit, named).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /hub/api/groups/{group}/shared`: what is shared with a group.
pub(crate) async fn with_group(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit
        .web
        .hub
        .permit::<SeeSharedWithGroup>(actor, &name)
        .await?;
    let shares = visit.web.hub.servers.shares_with_group(&permit).await?;
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

/// `GET /hub/api/groups/{group}/shared/{owner}/{server}`
pub(crate) async fn of_group(visit: Visit, Path(path): Path<GroupSharedPath>) -> ApiResult {
    let actor = visit.api_caller()?;
    let hub = &visit.web.hub;
    let permit = hub.permit(actor, path.group.as_str()).await?;
    let named = (path.owner.as_str(), path.server.as_str());
    let (server, share) = hub.servers.share_with_group(&permit, named).await?;
    Ok(Json(model(&visit, actor, &server, &share)).into_response())
}

/// `DELETE /hub/api/groups/{group}/shared/{owner}/{server}`: the share is given back for the group.
pub(crate) async fn give_back_for_group(
    visit: Visit,
    Path(path): Path<GroupSharedPath>,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let hub = &visit.web.hub;
    let permit = hub.permit(actor, path.group.as_str()).await?;
    let named = (path.owner.as_str(), path.server.as_str());
    hub.servers.leave_share_of_group(&permit, named).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
