//! Signing out: the page asks, the post does it.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jansky_hub::HubError;
use jansky_model::Secret;
use serde_json::json;
use url::Url;

use crate::cookies;
use crate::error::{log, public_message, status_of, with_error_headers};
use crate::state::WebState;
use crate::views::{SignOutPage, SignedOutPage};
use crate::visit::{PageResult, Visit, read_body};

/// `GET /hub/logout`: only asks, so that a link on another page signs nobody out.
pub(crate) async fn get(visit: Visit) -> Response {
    if visit.person().is_none() {
        return signed_out(&visit, None);
    }
    let stops = visit.web.hub.settings().shutdown_on_sign_out;
    let note = if stops {
        "Your servers will be stopped. Your files are kept."
    } else {
        "Your servers keep running."
    };
    let page = SignOutPage {
        servers_note: Some(note.to_owned()),
        action: visit.hub_path("logout"),
    };
    visit.page("Sign out", &page)
}

/// `POST /hub/logout`
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let result = sign_out(&visit, request).await;
    visit.answer(result)
}

async fn sign_out(visit: &Visit, request: Request) -> PageResult {
    let Some(actor) = visit.person() else {
        return Ok(without_cookies(visit, signed_out(visit, None)));
    };
    let keep_working = !visit.form(request).await?.text("keep_working").is_empty();
    let back_to = visit.absolute(&visit.hub_path("logout"));
    let farewell = visit
        .web
        .hub
        .sign_out(actor, &back_to, keep_working)
        .await?;
    let mut answer = signed_out(visit, farewell);
    // The way to the provider has the ID token in it.
    let no_store = HeaderValue::from_static("no-store");
    answer.headers_mut().insert(CACHE_CONTROL, no_store);
    Ok(without_cookies(visit, answer))
}

/// The page of somebody who is not signed in, whatever the request still carried.
fn signed_out(visit: &Visit, farewell: Option<Url>) -> Response {
    let page = SignedOutPage {
        login_url: visit.hub_path("login"),
        provider_note: None,
        farewell_url: farewell.map(String::from),
    };
    visit.as_stranger().page("Signed out", &page)
}

fn without_cookies(visit: &Visit, mut response: Response) -> Response {
    let base = visit.web.hub.settings().base.clone();
    let secure = visit.is_secure();
    visit.set_cookie(
        &mut response,
        &cookies::removal(cookies::SIGN_IN, &visit.hub(), secure),
    );
    visit.set_cookie(
        &mut response,
        &cookies::removal(cookies::SESSION_ID, &base, secure),
    );
    response
}

/// `POST /hub/oidc/backchannel-logout`: a provider says that sessions have ended (OpenID Connect
/// Back-Channel Logout 1.0 section 2.5). No browser is involved, so no cookie counts.
pub(crate) async fn told_by_provider(State(web): State<WebState>, request: Request) -> Response {
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    match take_word(&web, request).await {
        Ok(()) => (StatusCode::OK, no_store).into_response(),
        Err(error) => {
            let body = json!({
                "error": "invalid_request",
                "error_description": public_message(&error),
            });
            log(&error);
            let response = (status_of(&error), no_store, Json(body)).into_response();
            with_error_headers(response, &error)
        }
    }
}

async fn take_word(web: &WebState, request: Request) -> Result<(), HubError> {
    let bytes = read_body(request).await?;
    let mut tokens = url::form_urlencoded::parse(&bytes).filter(|(key, _)| key == "logout_token");
    let (_, token) = tokens
        .next()
        .ok_or_else(|| HubError::invalid("the parameter `logout_token` is missing"))?;
    web.hub.receive_logout(&Secret::new(token)).await
}
