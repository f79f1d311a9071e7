//! Groups over the API: who is in them, and what is kept with them.

use axum::Json;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jansky_hub::action::{
    ChangeGroup, CreateGroup, CreateGroups, DeleteGroup, ListGroups, SeeGroup,
};
use jansky_hub::{Actor, Detail, Group, GroupQuery, HubError};
use jansky_model::scope::Target;
use serde_json::{Map, Value};

use crate::api::paging::Page;
use crate::api::{ApiResult, json_body};
use crate::visit::Visit;

/// A group, with what the caller may see of it.
fn model(visit: &Visit, actor: &Actor, group: &Group, members: &[String]) -> Value {
    let sees = |detail| actor.sees(detail, Target::Group(&group.name));
    let mut model = Map::new();
    let mut put = |key: &str, value: Value| {
        model.insert(key.to_owned(), value);
    };
    put("kind", Value::from("group"));
    put("name", Value::from(group.name.as_str()));
    if sees(Detail::GroupMembers) {
        put("users", Value::from(members));
        put("properties", group.properties.clone());
    }
    if sees(Detail::GroupRoles) {
        let roles = visit.web.hub.settings().roles.of_group(&group.name);
        put("roles", Value::from(roles));
    }
    Value::Object(model)
}

/// Groups, with their members read once for all of them.
async fn load(visit: &Visit, actor: &Actor, groups: &[Group]) -> Result<Vec<Value>, HubError> {
    let members = visit
        .web
        .hub
        .people
        .members_of_groups(actor, groups)
        .await?;
    let shown = groups.iter().map(|group| {
        let members = members.get(&group.id).map_or(&[][..], Vec::as_slice);
        model(visit, actor, group, members)
    });
    Ok(shown.collect())
}

/// The answer with one group.
async fn answer(
    visit: &Visit,
    actor: &Actor,
    status: StatusCode,
    group: &Group,
) -> Result<Response, HubError> {
    let mut shown = load(visit, actor, std::slice::from_ref(group)).await?;
    Ok((status, Json(shown.pop())).into_response())
}

/// `GET /hub/api/groups`
pub(crate) async fn list(visit: Visit) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<ListGroups>(actor, ()).await?;
    let page = Page::of_list(&visit)?;
    let query = GroupQuery {
        offset: page.offset,
        limit: page.limit,
        only: None,
    };
    let (groups, total) = visit.web.hub.people.list_groups(&permit, query).await?;
    let shown = load(&visit, actor, &groups).await?;
    Ok(Json(page.list(&visit, shown, total)).into_response())
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NewGroups {
    groups: Vec<String>,
    users: Vec<String>,
}

/// `POST /hub/api/groups` makes several groups with the same members, or none of them.
pub(crate) async fn create_many(visit: Visit, request: Request) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<CreateGroups>(actor, ()).await?;
    let wanted: NewGroups = json_body(request).await?.unwrap_or_default();
    if wanted.groups.is_empty() {
        return Err(HubError::invalid("Must specify at least one group to create").into());
    }
    let hub = &visit.web.hub;
    let made = hub
        .people
        .create_groups(&permit, &wanted.groups, &wanted.users)
        .await?;
    let shown = load(&visit, actor, &made).await?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// `GET /hub/api/groups/{group}`
pub(crate) async fn get(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<SeeGroup>(actor, &name).await?;
    Ok(answer(&visit, actor, StatusCode::OK, permit.on()).await?)
}

/// The users whom a call is about. Some clients repeat what the group is called and its roles, which
/// decides nothing, as in JupyterHub.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Membership {
    users: Option<Vec<String>>,
    #[serde(rename = "name")]
    _name: Option<String>,
    #[serde(rename = "roles")]
    _roles: Option<Vec<String>>,
}

/// `POST /hub/api/groups/{group}`
pub(crate) async fn create(visit: Visit, Path(name): Path<String>, request: Request) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<CreateGroup>(actor, &name).await?;
    let wanted: Membership = json_body(request).await?.unwrap_or_default();
    let users = wanted.users.unwrap_or_default();
    let made = visit.web.hub.people.create_group(&permit, &users).await?;
    let mut shown = load(&visit, actor, &made).await?;
    Ok((StatusCode::CREATED, Json(shown.pop())).into_response())
}

/// `DELETE /hub/api/groups/{group}`
pub(crate) async fn delete(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<DeleteGroup>(actor, &name).await?;
    visit.web.hub.people.delete_group(&permit).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn read_users(request: Request) -> Result<Vec<String>, HubError> {
    let wanted: Membership = json_body(request).await?.unwrap_or_default();
    wanted
        .users
        .ok_or_else(|| HubError::invalid("the body needs `users`, a list of names"))
}

/// `POST /hub/api/groups/{group}/users` puts users into a group.
pub(crate) async fn add(visit: Visit, Path(name): Path<String>, request: Request) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<ChangeGroup>(actor, &name).await?;
    let users = read_users(request).await?;
    visit.web.hub.people.add_members(&permit, &users).await?;
    Ok(answer(&visit, actor, StatusCode::OK, permit.on()).await?)
}

/// `DELETE /hub/api/groups/{group}/users` takes users out of a group: those whom the body names.
pub(crate) async fn remove(visit: Visit, Path(name): Path<String>, request: Request) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<ChangeGroup>(actor, &name).await?;
    let users = read_users(request).await?;
    visit.web.hub.people.remove_members(&permit, &users).await?;
    Ok(answer(&visit, actor, StatusCode::OK, permit.on()).await?)
}

/// `PUT /hub/api/groups/{group}/properties` replaces what is kept with a group.
pub(crate) async fn set_properties(
    visit: Visit,
    Path(name): Path<String>,
    request: Request,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<ChangeGroup>(actor, &name).await?;
    let wanted: Option<Map<String, Value>> = json_body(request).await?;
    let wanted =
        wanted.ok_or_else(|| HubError::invalid("the body needs the properties, an object"))?;
    let hub = &visit.web.hub;
    let group = hub
        .people
        .set_group_properties(&permit, wanted.into())
        .await?;
    Ok(answer(&visit, actor, StatusCode::OK, &group).await?)
}
