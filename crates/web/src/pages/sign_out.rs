//! Signing out: the page asks, the post does it.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jansky_hub::{HubError, ProviderSignOut};
use jansky_model::Secret;
use serde_json::json;
use url::Url;

use crate::cookies;
use crate::error::{log, public_message, status_of, with_error_headers};
use crate::state::WebState;
use crate::views::{SignOutPage, SignedOutPage};
use crate::visit::{FormsMayLeadTo, PageResult, Visit, read_body, redirect};

/// `GET /hub/logout`: only asks, so that a link on another page signs nobody out.
pub(crate) async fn get(visit: Visit) -> Response {
    let result = ask(&visit).await;
    visit.answer(result)
}

async fn ask(visit: &Visit) -> PageResult {
    let Some(actor) = visit.person() else {
        return Ok(signed_out(visit, None, None));
    };
    let hub = &visit.web.hub;
    let stops = hub.settings().shutdown_on_sign_out;
    let note = if stops {
        "Your servers will be stopped. Your files are kept."
    } else {
        "Your servers keep running."
    };
    let servers = hub.servers.servers_of(actor, &actor.user).await?;
    let page = SignOutPage {
        servers_note: Some(note.to_owned()),
        action: visit.hub_path("logout"),
        can_keep_working: servers.iter().any(|server| server.state.is_active()),
    };
    let mut answer = visit.page("Sign out", &page);
    // The provider may redirect to providers behind it, whose addresses are not known here.
    if let Some(url) = hub.people.leaves_on_sign_out(actor).await? {
        let sources = format!("https: {}", url.origin().ascii_serialization());
        answer.extensions_mut().insert(FormsMayLeadTo(sources));
    }
    Ok(answer)
}

/// `POST /hub/logout`
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let result = sign_out(&visit, request).await;
    visit.answer(result)
}

async fn sign_out(visit: &Visit, request: Request) -> PageResult {
    let Some(actor) = visit.person() else {
        return Ok(gone(visit, StatusCode::OK));
    };
    let fields = visit.form(request).await?;
    let keep_working = fields.get("keep_working").is_some();
    let back_to = visit.absolute(&visit.hub_path("logout"));
    let hub = &visit.web.hub;
    let provider_sign_out = hub.people.sign_out(actor, &back_to, keep_working).await?;
    let answer = match provider_sign_out {
        ProviderSignOut::Leave(url) => redirect(url.as_str()),
        ProviderSignOut::Offer(url) => signed_out(visit, Some(url), None),
        ProviderSignOut::Done => {
            let note = keep_working.then_some(KEEPS_WORKING);
            signed_out(visit, None, note)
        }
    };
    Ok(without_cookies(visit, answer))
}

/// What somebody reads whose servers go on in their name.
const KEEPS_WORKING: &str = "Your servers keep working in your name, and your identity provider \
                             may still know this browser.";

/// The answer to somebody whose session is gone.
pub(crate) fn gone(visit: &Visit, status: StatusCode) -> Response {
    let mut answer = signed_out(visit, None, None);
    *answer.status_mut() = status;
    without_cookies(visit, answer)
}

/// The page of somebody who is not signed in, whatever the request still carried.
fn signed_out(visit: &Visit, provider_sign_out: Option<Url>, note: Option<&str>) -> Response {
    let page = SignedOutPage {
        login_url: visit.hub_path("login"),
        provider_note: note.map(str::to_owned),
        farewell_url: provider_sign_out.map(String::from),
    };
    visit.as_stranger().page("Signed out", &page)
}

fn without_cookies(visit: &Visit, mut response: Response) -> Response {
    let settings = visit.web.hub.settings();
    let secure = visit.is_secure();
    visit.remove_own_cookie(&mut response, cookies::SIGN_IN, &visit.hub());
    let session_id = cookies::removal(cookies::SESSION_ID, &settings.base, secure);
    visit.set_cookie(&mut response, &cookies::for_servers(&session_id, settings));
    response
}

/// `POST /hub/oidc/backchannel-logout`: a provider says that sessions have ended (OpenID Connect
/// Back-Channel Logout 1.0 section 2.5). No browser is involved, so no cookie counts.
pub(crate) async fn back_channel_logout(State(web): State<WebState>, request: Request) -> Response {
    match receive_logout_token(&web, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => {
            let body = json!({
                "error": "invalid_request",
                "error_description": public_message(&error),
            });
            log(&error);
            let response = (status_of(&error), Json(body)).into_response();
            with_error_headers(response, &error)
        }
    }
}

async fn receive_logout_token(web: &WebState, request: Request) -> Result<(), HubError> {
    let bytes = read_body(request).await?;
    let mut tokens = url::form_urlencoded::parse(&bytes).filter(|(key, _)| key == "logout_token");
    let (_, token) = tokens
        .next()
        .ok_or_else(|| HubError::invalid("the parameter `logout_token` is missing"))?;
    web.hub.people.receive_logout(&Secret::new(token)).await
}
