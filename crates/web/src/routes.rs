//! The table of all routes of the hub. It and the table of the REST API (`api::routes`) are the one
//! place where a path meets a handler; a test holds them against a table of who may call what, so a
//! route cannot be added without an answer to that question.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use axum::{Json, Router};
use jansky_hub::JUPYTERHUB_VERSION;
use serde_json::json;

use crate::error::ApiError;
use crate::pages::{
    accept_share, account, admin, approvals, assets, audit, consent, home, password, provider,
    second_factor, second_step, server, setup, sign_in, sign_out, sign_up, spawn, tokens,
};
use crate::security_events;
use crate::state::{Peer, WebState};
use crate::visit::{BodyLimit, FormsMayLeadTo, Visit};
use crate::{api, broker, oidc, server_hosts};

/// One route: its method (`*` for any), its path below the hub's prefix, and its handler.
type Route = (&'static str, &'static str, MethodRouter<WebState>);

/// Every route below the hub's prefix.
fn table() -> Vec<Route> {
    let mut routes: Vec<Route> = vec![
        // Pages
        ("GET", "", get(home::root)),
        ("GET", "login", get(sign_in::get)),
        ("POST", "login", post(sign_in::post)),
        ("GET", "signed-in", get(sign_in::done)),
        ("GET", "login/second-step", get(second_step::get)),
        ("POST", "login/second-step", post(second_step::post)),
        ("GET", "signup", get(sign_up::get)),
        ("POST", "signup", post(sign_up::post)),
        ("GET", "new-password", get(password::by_link)),
        ("POST", "new-password", post(password::choose)),
        ("GET", "oauth_login", get(provider::leave)),
        ("GET", "oauth_callback", get(provider::back)),
        (
            "GET",
            "oauth_callback/{provider}",
            get(provider::callback_of_provider),
        ),
        ("GET", "logout", get(sign_out::get)),
        ("POST", "logout", post(sign_out::post)),
        (
            "POST",
            "oidc/backchannel-logout",
            post(sign_out::back_channel_logout),
        ),
        ("POST", "oidc/security-events", post(security_events::post)),
        // The hub as an issuer of access tokens
        (
            "GET",
            "oidc/.well-known/openid-configuration",
            get(oidc::metadata::document),
        ),
        ("GET", "oidc/jwks", get(oidc::metadata::keys)),
        ("POST", "oidc/token", post(oidc::tokens::token)),
        (
            "POST",
            "oidc/device_authorization",
            post(oidc::tokens::begin),
        ),
        ("GET", "oidc/device", get(oidc::device::get)),
        ("POST", "oidc/device", post(oidc::device::post)),
        ("POST", "oidc/introspect", post(oidc::tokens::introspect)),
        ("POST", "oidc/revoke", post(oidc::tokens::revoke)),
        ("GET", "setup", get(setup::get)),
        ("POST", "setup", post(setup::post)),
        ("GET", "home", get(home::get)),
        ("POST", "servers", post(home::add)),
        ("POST", "remove/{user}/{server}", post(home::remove)),
        ("GET", "spawn", get(spawn::get)),
        ("POST", "spawn", post(spawn::post)),
        ("GET", "spawn/{user}", get(spawn::get)),
        ("POST", "spawn/{user}", post(spawn::post)),
        ("GET", "spawn/{user}/{server}", get(spawn::get)),
        ("POST", "spawn/{user}/{server}", post(spawn::post)),
        ("GET", "spawn-pending/{user}", get(spawn::pending)),
        ("GET", "spawn-pending/{user}/{server}", get(spawn::pending)),
        ("POST", "stop/{user}", post(spawn::stop)),
        ("POST", "stop/{user}/{server}", post(spawn::stop)),
        ("*", "user/{user}", any(server::bare)),
        ("*", "user/{user}/", any(server::bare)),
        ("*", "user/{user}/{*path}", any(server::any)),
        ("GET", "user-redirect/", get(server::user_redirect)),
        ("GET", "user-redirect/{*path}", get(server::user_redirect)),
        ("GET", "account", get(account::get)),
        (
            "POST",
            "account/identities/{id}/unlink",
            post(account::unlink),
        ),
        (
            "POST",
            "account/sessions/{session}/end",
            post(account::end_session),
        ),
        (
            "POST",
            "account/sign-out-everywhere",
            post(account::everywhere),
        ),
        ("GET", "account/password", get(password::get)),
        ("POST", "account/password", post(password::post)),
        ("GET", "account/second-factor", get(second_factor::get)),
        (
            "POST",
            "account/second-factor",
            post(second_factor::turn_on),
        ),
        (
            "POST",
            "account/second-factor/off",
            post(second_factor::turn_off),
        ),
        (
            "POST",
            "account/second-factor/recovery-codes",
            post(second_factor::recovery_codes),
        ),
        ("GET", "admin", get(admin::get)),
        (
            "POST",
            "admin/users/{user}/reauthenticate",
            post(admin::reauthenticate),
        ),
        ("POST", "admin/users/{user}/sign-out", post(admin::sign_out)),
        (
            "POST",
            "admin/users/{user}/password-link",
            post(admin::password_link),
        ),
        (
            "POST",
            "admin/users/{user}/reset-second-factor",
            post(admin::reset_second_factor),
        ),
        ("GET", "admin/approvals", get(approvals::get)),
        (
            "POST",
            "admin/approvals/{id}/approve",
            post(approvals::approve),
        ),
        (
            "POST",
            "admin/approvals/{id}/refuse",
            post(approvals::refuse),
        ),
        ("GET", "token", get(tokens::get)),
        ("POST", "token", post(tokens::post)),
        ("POST", "token/{id}/revoke", post(tokens::revoke)),
        ("GET", "accept-share", get(accept_share::get)),
        ("POST", "accept-share", post(accept_share::post)),
        ("GET", "account/audit", get(audit::own)),
        ("GET", "admin/audit", get(audit::all)),
        ("GET", "error/{code}", get(assets::error)),
        ("GET", "static/{*path}", get(assets::file)),
        ("GET", "logo", get(assets::logo)),
        ("GET", "health", get(assets::health)),
        ("GET", "ready", get(assets::ready)),
        ("GET", "metrics", get(api::hub::metrics)),
        ("POST", "security/csp-report", post(assets::csp_report)),
        // The hub as OAuth provider
        ("GET", "api/oauth2/authorize", get(consent::get)),
        ("POST", "api/oauth2/authorize", post(consent::post)),
        ("POST", "api/oauth2/token", post(api::oauth::token)),
        // What the agents beside servers ask
        ("POST", "broker/v1/enroll", post(broker::enroll)),
        ("POST", "broker/v1/token", post(broker::token)),
        ("GET", "broker/v1/audiences", get(broker::audiences)),
        ("GET", "broker/v1/events", get(broker::events)),
        // Paths below that of the API without a route
        ("*", "api/{*path}", any(api::hub::nothing)),
    ];
    let api = api::routes::table().into_iter();
    routes.extend(api.map(|(operation, handler)| (operation.method, operation.path, handler)));
    routes
}

/// The method and path of every route below the hub's prefix, for the test that asks of each who
/// may call it.
pub fn route_names() -> Vec<(&'static str, &'static str)> {
    table()
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect()
}

/// Everything that the hub answers.
pub fn router(web: WebState) -> Router {
    let prefix = web.hub.settings().hub_prefix();
    let base = web.hub.settings().base.clone();
    let mut router: Router<WebState> = Router::new();
    for (_, path, handler) in table() {
        router = router.route(&format!("{prefix}{path}"), handler);
    }
    // The path is a setting, below `…/hub`.
    if let Some(path) = &web.hub.settings().broker.local_user_exposed_path {
        let path = path.trim_start_matches('/');
        router = router.route(&format!("{prefix}{path}"), get(broker::exposed));
    }
    router
        .route(&format!("{base}favicon.ico"), get(assets::logo))
        // RFC 8414 puts the well-known part in front of the issuer's path.
        .route(
            &format!("/.well-known/oauth-authorization-server{prefix}oidc"),
            get(oidc::metadata::document),
        )
        .method_not_allowed_fallback(wrong_method)
        .fallback(server::outside)
        .layer(middleware::from_fn_with_state(Arc::clone(&web), around))
        .with_state(web)
}

/// The page that a proxy shows when it has to answer itself: `head` is the request that it could
/// not carry to a server, and `words` say why.
pub fn proxy_page(
    web: &WebState,
    status: StatusCode,
    words: &str,
    head: &Parts,
    peer: Peer,
) -> Response {
    let mut response = server_hosts::proxy_page(web, status, head, words).unwrap_or_else(|| {
        let visit = Visit::of_stranger(web, head, peer);
        visit.error_page(status, words)
    });
    add_headers(web, false, &mut response);
    response
}

async fn wrong_method(method: Method, uri: axum::http::Uri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::OK.into_response();
    }
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let message = format!("{method} is not possible at {}", uri.path());
    let body = json!({ "status": status.as_u16(), "message": message });
    (status, Json(body)).into_response()
}

/// Adds the headers that every answer has, and measures how long it took.
async fn around(State(web): State<WebState>, mut request: Request, next: Next) -> Response {
    let began = tokio::time::Instant::now();
    if !request.body().is_end_stream() {
        let limit = BodyLimit(web.hub.settings().max_body_size);
        request.extensions_mut().insert(limit);
    }
    let method = request.method().clone();
    let handler = request.extensions().get::<MatchedPath>().cloned();
    let below_base = request.uri().path().strip_prefix(&web.hub.settings().base);
    let is_api = below_base
        .is_some_and(|path| path.starts_with("hub/api") || path.starts_with("hub/broker"));
    let peer = match Peer::of(request.extensions()) {
        Ok(peer) => peer,
        Err(error) => return ApiError(error).into_response(),
    };
    let mut response = match server_hosts::answer(&web, &request) {
        Some(response) => response,
        None => jansky_hub::with_request_context(peer.address, next.run(request)).await,
    };
    add_headers(&web, is_api, &mut response);
    let handler = handler.as_ref().map_or("other", MatchedPath::as_str);
    let code = response.status().as_u16();
    let metrics = web.hub.metrics();
    metrics.request(known_method(&method), handler, code, began.elapsed());
    response
}

/// A method as a label of metrics. Callers can invent methods, and each would be a series of its own.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// What every answer carries, beside a policy. A constant, because to read a name takes as long as a look-up.
const CARRIED: [(HeaderName, HeaderValue); 5] = [
    (
        HeaderName::from_static("x-jupyterhub-version"),
        HeaderValue::from_static(JUPYTERHUB_VERSION),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Addresses may hold one-time codes, and pages of people's servers may be of the same origin.
    (REFERRER_POLICY, HeaderValue::from_static("strict-origin")),
    // A page of a server that opens one of ours in a window must not reach into it.
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("accept, content-type, authorization"),
    ),
];

fn add_headers(web: &WebState, is_api: bool, response: &mut Response) {
    let forms = response.extensions_mut().remove::<FormsMayLeadTo>();
    let headers = response.headers_mut();
    headers.reserve(CARRIED.len() + 2);
    for (name, value) in CARRIED {
        headers.insert(name, value);
    }
    // What depends on who asks must not be kept: a script on this origin could read it there, and no
    // request would reach the hub. What everybody may have says how long it lasts.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    // Below the path of the API there is one page, the consent page.
    let is_page = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let policy = if is_api && !is_page {
        web.policies.api.clone()
    } else if let Some(FormsMayLeadTo(sources)) = forms {
        web.policies.pages_with_forms_to(&sources)
    } else {
        web.policies.pages.clone()
    };
    headers.insert(CONTENT_SECURITY_POLICY, policy);
}
