//! Variables of the environment of a server that Jansky sets.

/// The Unix socket at which the agent beside a server answers its code.
pub const AGENT_SOCKET: &str = "JANSKY_AGENT_SOCKET";

/// The file in which programs look for a token that know nothing of agents (WLCG Bearer Token
/// Discovery).
pub const BEARER_TOKEN_FILE: &str = "BEARER_TOKEN_FILE";

/// Where a server listens, as JupyterHub tells it.
pub const SERVICE_URL: &str = "JUPYTERHUB_SERVICE_URL";

/// What the hub and the spawner set for each server. No server would work with another value, so
/// operators cannot set them.
pub const RESERVED: [&str; 13] = [
    AGENT_SOCKET,
    "JPY_API_TOKEN",
    "JUPYTERHUB_ACTIVITY_URL",
    "JUPYTERHUB_API_TOKEN",
    "JUPYTERHUB_API_URL",
    "JUPYTERHUB_BASE_URL",
    "JUPYTERHUB_CLIENT_ID",
    "JUPYTERHUB_HOST",
    "JUPYTERHUB_OAUTH_CALLBACK_URL",
    "JUPYTERHUB_SERVER_NAME",
    "JUPYTERHUB_SERVICE_PREFIX",
    SERVICE_URL,
    "JUPYTERHUB_USER",
];
