//! Users, servers and tokens as the API shows them; what a caller may not see is left out.

use jansky_hub::{Action, Actor, Detail, HubError, Permit};
use jansky_hub::{Server, Token, User};
use jansky_model::scope::Target;
use serde_json::{Map, Value, json};

use crate::visit::Visit;

/// A server.
pub(crate) fn server(visit: &Visit, actor: &Actor, server: &Server) -> Value {
    let hub = &visit.web.hub;
    let url = hub.servers.server_url(server);
    let user = server.user.escaped();
    let progress = if server.name.is_default() {
        visit.hub_path(&format!("api/users/{user}/server/progress"))
    } else {
        visit.hub_path(&format!(
            "api/users/{user}/servers/{}/progress",
            server.name
        ))
    };
    let full = |path: &str| {
        let public = hub.settings().public_url.as_ref()?;
        public.join(path).ok().map(String::from)
    };
    let mut model = json!({
        "name": server.name,
        "display_name": server.display_name,
        "full_name": format!("{}/{}", server.user, server.name),
        "last_activity": server.last_activity_at,
        "started": server.started_at.filter(|_| server.state.is_active()),
        "pending": server.state.pending(),
        "ready": server.state.is_ready(),
        "stopped": !server.state.is_active(),
        "full_url": full(&url),
        "full_progress_url": full(&progress),
        "url": url,
        "progress_url": progress,
        "user_options": server.user_options,
    });
    if actor.sees_of_server(Detail::ServerHandle, server)
        && let Some(fields) = model.as_object_mut()
    {
        let state = server.handle.clone().unwrap_or_else(|| json!({}));
        fields.insert("state".to_owned(), state);
    }
    model
}

/// What is needed to show a user, read from the database once for a whole page of them.
pub(crate) struct UserParts<'a> {
    pub(crate) user: &'a User,
    pub(crate) groups: &'a [String],
    pub(crate) servers: &'a [Server],
    pub(crate) with_stopped: bool,
}

/// A user, with what the caller may see of them.
pub(crate) fn user(visit: &Visit, actor: &Actor, parts: &UserParts<'_>) -> Value {
    let UserParts {
        user,
        groups,
        servers,
        with_stopped,
    } = parts;
    let target = Target::User(user.name.as_str());
    let sees = |detail| actor.sees(detail, target);
    let mut model = Map::new();
    let mut put = |key: &str, value: Value| {
        model.insert(key.to_owned(), value);
    };
    put("kind", json!("user"));
    put("name", json!(user.name));
    put("admin", json!(user.admin));
    put("user_info", Value::Null);
    if sees(Detail::UserGroups) {
        put("groups", json!(groups));
    }
    if sees(Detail::UserActivity) {
        put("last_activity", json!(user.last_activity_at));
    }
    if sees(Detail::UserRoles) {
        let roles = visit.web.hub.settings().roles.names(user, groups);
        put("roles", json!(roles));
    }
    if sees(Detail::UserState) {
        let own = servers.iter().find(|server| server.name.is_default());
        let ready = own.filter(|server| server.state.is_ready());
        put(
            "server",
            json!(ready.map(|server| visit.web.hub.servers.server_url(server))),
        );
        put(
            "pending",
            json!(own.and_then(|server| server.state.pending())),
        );
        put("created", json!(user.created_at));
    }
    let is_seen = |server: &&Server| actor.sees_of_server(Detail::Server, server);
    if sees(Detail::Server) || servers.iter().any(|server| is_seen(&server)) {
        let shown = servers
            .iter()
            .filter(|s| *with_stopped || s.state.is_active())
            .filter(is_seen)
            .map(|s| (s.name.to_string(), server(visit, actor, s)));
        put("servers", Value::Object(shown.collect()));
    }
    if sees(Detail::UserAuthState) {
        put("auth_state", Value::Null);
    }
    Value::Object(model)
}

/// A single user, read from the database.
pub(crate) async fn load_user(
    visit: &Visit,
    actor: &Actor,
    user_row: &User,
) -> Result<Value, HubError> {
    let hub = &visit.web.hub;
    let groups = hub.people.groups_of(actor, user_row).await?;
    let servers = hub.servers.servers_of(actor, user_row).await?;
    let parts = UserParts {
        user: user_row,
        groups: &groups,
        servers: &servers,
        with_stopped: wants_stopped(visit),
    };
    Ok(user(visit, actor, &parts))
}

/// Whether the caller asked for stopped servers too.
pub(crate) fn wants_stopped(visit: &Visit) -> bool {
    let asked = visit.query("include_stopped_servers");
    asked.is_some_and(|value| !matches!(value.as_str(), "0" | "false"))
}

/// Tokens of the user whom a permit is about, without their secrets.
pub(crate) async fn tokens(
    visit: &Visit,
    permit: &Permit<'_, impl Action<On = User>>,
    tokens: &[Token],
) -> Result<Vec<Value>, HubError> {
    let people = &visit.web.hub.people;
    let scopes = people.resolved_scopes(permit, tokens).await?;
    let shown = tokens.iter().zip(scopes).map(|(token, scopes)| {
        json!({
            "user": permit.on().name,
            "id": format!("a{}", token.id.0),
            "kind": "api_token",
            "roles": [],
            "scopes": scopes,
            "created": token.created_at,
            "last_activity": token.last_used_at,
            "expires_at": token.expires_at,
            "note": token.note,
            "session_id": token.session_id,
            "oauth_client": token.client_id.as_deref().unwrap_or("JupyterHub"),
        })
    });
    Ok(shown.collect())
}

/// One of them.
pub(crate) async fn token(
    visit: &Visit,
    permit: &Permit<'_, impl Action<On = User>>,
    token: Token,
) -> Result<Value, HubError> {
    let mut shown = tokens(visit, permit, &[token]).await?;
    Ok(shown.pop().unwrap_or_default())
}
