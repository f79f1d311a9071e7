//! What a single-user server finds in its environment: JupyterHub's contract.

use std::collections::BTreeMap;

use jansky_model::name::server_prefix;
use jansky_model::{Secret, name};
use jansky_store::Server;
use url::Url;

use crate::shared::settings::Settings;

/// The environment of `server`, but for the address to bind, which its spawner knows.
pub(crate) fn server_environment(
    settings: &Settings,
    server: &Server,
    token: &Secret,
) -> BTreeMap<String, Secret> {
    let prefix = server_prefix(&settings.base, &server.user, &server.name);
    let user = server.user.as_str();
    let api = settings.api_url.trim_end_matches('/');
    let access = serde_json::json!([
        format!("access:servers!server={user}/{}", server.name),
        format!("access:servers!user={user}"),
    ])
    .to_string();
    let public = |path: &str| {
        let joined = settings
            .public_url
            .as_ref()
            .and_then(|url| url.join(path).ok());
        joined.map(String::from).unwrap_or_default()
    };
    let own_url = settings.server_url(&server.user, &server.name);
    let callback_url = format!("{own_url}oauth_callback");
    // Servers on hosts of their own find the hub on another one.
    let hub_host = settings.subdomain_host.as_ref().map(Url::origin);
    let hub_host = hub_host.map_or_else(String::new, |origin| origin.ascii_serialization());
    let plain = [
        ("JUPYTERHUB_CLIENT_ID", server.client_id.clone()),
        ("JUPYTERHUB_SERVICE_PREFIX", prefix.clone()),
        ("JUPYTERHUB_API_URL", api.to_owned()),
        (
            "JUPYTERHUB_ACTIVITY_URL",
            format!("{api}/users/{}/activity", name::escape_path(user)),
        ),
        ("JUPYTERHUB_BASE_URL", settings.base.clone()),
        ("JUPYTERHUB_HOST", hub_host),
        ("JUPYTERHUB_USER", user.to_owned()),
        ("JUPYTERHUB_SERVER_NAME", server.name.to_string()),
        ("JUPYTERHUB_OAUTH_CALLBACK_URL", callback_url),
        ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", access.clone()),
        ("JUPYTERHUB_OAUTH_SCOPES", access),
        ("JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES", "[]".to_owned()),
        ("JUPYTERHUB_COOKIE_HOST_PREFIX_ENABLED", "0".to_owned()),
        ("JUPYTERHUB_PUBLIC_URL", public(&own_url)),
        ("JUPYTERHUB_PUBLIC_HUB_URL", public(&settings.hub_prefix())),
    ];
    let mut environment: BTreeMap<String, Secret> = plain
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Secret::new(value)))
        .collect();
    for key in ["JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN"] {
        environment.insert(key.to_owned(), token.clone());
    }
    let optional = [
        ("JUPYTERHUB_DEFAULT_URL", &settings.server_default_url),
        ("JUPYTERHUB_ROOT_DIR", &settings.notebook_dir),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            let value = value.replace("{username}", user);
            environment.insert(key.to_owned(), Secret::new(value));
        }
    }
    environment
}
