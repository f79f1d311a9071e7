//! Users over the API.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use jansky_hub::action::{
    ChangeUser, CreateUser, CreateUsers, DeleteUser, ListUsers, ReportActivity, SeeAuthState,
    SeeUser,
};
use jansky_hub::{ActivityFilter, Server, UserQuery, UserSort};
use jansky_hub::{ActivityReport, HubError};
use jansky_model::{UserId, UserName};
use serde_json::{Value, json};

use crate::api::models::{self, UserParts};
use crate::api::paging::Page;
use crate::api::{ApiResult, json_body};
use crate::visit::Visit;

/// `GET /hub/api/users`
pub(crate) async fn list(visit: Visit) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<ListUsers>(actor, ()).await?;
    let page = Page::of_list(&visit)?;
    let query = read_query(&visit, page)?;
    let hub = &visit.web.hub;
    let (users, total) = hub.people.list_users(&permit, query).await?;
    let mut groups = hub.people.groups_of_users(actor, &users).await?;
    let mut servers: HashMap<UserId, Vec<Server>> = HashMap::new();
    for server in hub.servers.servers_of_users(actor, &users).await? {
        servers.entry(server.user_id).or_default().push(server);
    }
    let with_stopped = models::wants_stopped(&visit);
    let models: Vec<Value> = users
        .iter()
        .map(|user| {
            let parts = UserParts {
                user,
                groups: &groups.remove(&user.id).unwrap_or_default(),
                servers: servers.get(&user.id).map_or(&[][..], Vec::as_slice),
                with_stopped,
            };
            models::user(&visit, actor, &parts)
        })
        .collect();
    Ok(Json(page.list(&visit, models, total)).into_response())
}

fn read_query(visit: &Visit, page: Page) -> Result<UserQuery, HubError> {
    let state = match visit.query("state").as_deref() {
        None | Some("") => None,
        Some("active") => Some(ActivityFilter::Active),
        Some("ready") => Some(ActivityFilter::Ready),
        Some("inactive") => Some(ActivityFilter::Inactive),
        Some(other) => {
            return Err(HubError::invalid(format!(
                "Unrecognized state filter: `{other}`; use active, ready or inactive"
            )));
        }
    };
    let sort = visit.query("sort").unwrap_or_default();
    let descending = sort.starts_with('-');
    let sort = match sort.trim_start_matches('-') {
        "" | "id" => UserSort::Id,
        "name" => UserSort::Name,
        "last_activity" => UserSort::LastActivity,
        other => {
            return Err(HubError::invalid(format!(
                "Invalid sort argument: `{other}`; use id, name or last_activity"
            )));
        }
    };
    Ok(UserQuery {
        offset: page.offset,
        limit: page.limit,
        state,
        name_filter: visit.query("name_filter").filter(|text| !text.is_empty()),
        sort,
        descending,
        only: None,
    })
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct NewUsers {
    usernames: Vec<String>,
    admin: bool,
}

/// `POST /hub/api/users`
pub(crate) async fn create_many(visit: Visit, request: Request) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<CreateUsers>(actor, ()).await?;
    let wanted: NewUsers = json_body(request).await?.unwrap_or_default();
    if wanted.usernames.is_empty() {
        return Err(HubError::invalid("Must specify at least one user to create").into());
    }
    let mut names = Vec::new();
    for text in &wanted.usernames {
        let name =
            UserName::normalize(text).map_err(|error| HubError::invalid(error.to_string()))?;
        names.push(name);
    }
    let hub = &visit.web.hub;
    let mut created = Vec::new();
    for name in &names {
        match hub.people.create_user(&permit, name, wanted.admin).await {
            Ok(user) => created.push(models::load_user(&visit, actor, &user).await?),
            Err(HubError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if created.is_empty() {
        return Err(HubError::conflict(format!("All {} users already exist", names.len())).into());
    }
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

/// `GET /hub/api/users/{name}`
pub(crate) async fn get(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<SeeUser>(actor, &name).await?;
    let user = permit.on();
    let mut model = models::load_user(&visit, actor, user).await?;
    if let Some(provider) = visit.web.hub.people.adopt_from(actor, user).await? {
        model["adopt_from"] = json!(provider);
    }
    let of_token = visit.web.hub.permit::<SeeAuthState>(actor, &name).await;
    if let Ok(permit) = of_token
        // A cookie is not enough: a page of somebody's server may have made the browser send it.
        && !actor.is_browser()
        && let Some(token) = visit.web.hub.broker.auth_state(&permit).await?
    {
        model["auth_state"] = json!({
            // Exposed to who holds the scope for it, because the operator turned this on.
            "access_token": token.token.expose(),
            "scope": token.scope.unwrap_or_default().split(' ').collect::<Vec<_>>(),
            "expires_at": token.expires_at,
        });
    }
    Ok(Json(model).into_response())
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NewUser {
    admin: bool,
    /// The provider whose people may take over the account; not JupyterHub's.
    adopt_from: Option<String>,
}

/// `POST /hub/api/users/{name}`
pub(crate) async fn create(visit: Visit, Path(name): Path<String>, request: Request) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<CreateUser>(actor, &name).await?;
    let wanted: NewUser = json_body(request).await?.unwrap_or_default();
    let adopt_from = wanted.adopt_from.as_deref();
    let user = visit
        .web
        .hub
        .people
        .prepare_user(&permit, wanted.admin, adopt_from)
        .await?;
    let model = models::load_user(&visit, actor, &user).await?;
    Ok((StatusCode::CREATED, Json(model)).into_response())
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UserChange {
    name: Option<String>,
    admin: Option<bool>,
    /// The provider whose people may take over the account; `null` leaves it to the configuration.
    #[serde(deserialize_with = "some")]
    adopt_from: Option<OrNull>,
}

/// A text, or `null`, which is not the same as a key that is not there.
type OrNull = Option<String>;

/// Tells a key that is there with `null` from one that is not there.
fn some<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<OrNull>, D::Error> {
    serde::Deserialize::deserialize(value).map(Some)
}

/// `PATCH /hub/api/users/{name}`. A name that is already the user's changes nothing.
pub(crate) async fn change(visit: Visit, Path(name): Path<String>, request: Request) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<ChangeUser>(actor, &name).await?;
    let Some(wanted) = json_body::<UserChange>(request).await? else {
        return Err(HubError::invalid("the body needs `name` or `admin`").into());
    };
    let name = wanted
        .name
        .map(|name| name.parse::<UserName>())
        .transpose()
        .map_err(|error| HubError::invalid(error.to_string()))?;
    let (name, admin) = (name.as_ref(), wanted.admin);
    let people = &visit.web.hub.people;
    let changed = match wanted.adopt_from {
        None => people.change_user(&permit, name, admin).await?,
        Some(provider) => {
            let provider = provider.as_deref();
            people
                .change_prepared_user(&permit, name, admin, provider)
                .await?
        }
    };
    Ok(Json(models::load_user(&visit, actor, &changed).await?).into_response())
}

/// `DELETE /hub/api/users/{name}`
pub(crate) async fn delete(visit: Visit, Path(name): Path<String>) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<DeleteUser>(actor, &name).await?;
    visit.web.hub.delete_user(&permit).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `POST /hub/api/users/{name}/activity`
pub(crate) async fn activity(
    visit: Visit,
    Path(name): Path<String>,
    request: Request,
) -> ApiResult {
    let actor = visit.api_caller()?;
    let permit = visit.web.hub.permit::<ReportActivity>(actor, &name).await?;
    let report: ActivityReport = json_body(request).await?.ok_or_else(missing_body)?;
    visit
        .web
        .hub
        .servers
        .report_activity(&permit, &report)
        .await?;
    Ok(StatusCode::OK.into_response())
}

fn missing_body() -> HubError {
    HubError::invalid("the body needs `last_activity` or `servers` or both")
}
