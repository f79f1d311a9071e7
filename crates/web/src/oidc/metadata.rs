//! What the issuer says about itself, and its public keys.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::oidc::answer::refusal;
use crate::state::WebState;

/// `GET /hub/oidc/.well-known/openid-configuration`, and the address of RFC 8414.
pub(crate) async fn document(State(web): State<WebState>) -> Response {
    let issuer = web.hub.broker.issuer();
    let algorithm = web.hub.settings().issuer.algorithm.as_str();
    let secret_or_none = ["client_secret_basic", "client_secret_post", "none"];
    let secret = ["client_secret_basic", "client_secret_post"];
    public(json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/jwks"),
        "token_endpoint": format!("{issuer}/token"),
        "device_authorization_endpoint": format!("{issuer}/device_authorization"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "grant_types_supported": [super::tokens::DEVICE_CODE],
        // The hub signs nobody in for other applications, so there is no authorization endpoint.
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [algorithm],
        "token_endpoint_auth_methods_supported": secret_or_none,
        "introspection_endpoint_auth_methods_supported": secret,
        "revocation_endpoint_auth_methods_supported": secret_or_none,
        "code_challenge_methods_supported": ["S256"],
    }))
}

/// `GET /hub/oidc/jwks`
pub(crate) async fn keys(State(web): State<WebState>) -> Response {
    match web.hub.broker.issuer_keys().await {
        Ok(keys) => public(json!({ "keys": *keys })),
        Err(error) => refusal(&error.into()),
    }
}

/// An answer that is the same for everybody and that scripts of other sites may read. It may be cached
/// for less time than a new key is published before it signs anything.
fn public(body: Value) -> Response {
    let headers = [
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        ),
        (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, Json(body)).into_response()
}
