//! Signing out: the page asks, the post does it.

use axum::extract::Request;
use axum::response::Response;

use crate::cookies;
use crate::views::{SignOutPage, SignedOutPage};
use crate::visit::{PageResult, Visit};

/// `GET /hub/logout`: only asks, so that a link on another page signs nobody out.
pub(crate) async fn get(visit: Visit) -> Response {
    if visit.person().is_none() {
        return signed_out(&visit);
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
        return Ok(done(visit));
    };
    visit.form(request).await?;
    visit.web.hub.sign_out(actor).await?;
    Ok(done(visit))
}

/// The page of somebody who is not signed in, whatever the request still carried.
fn signed_out(visit: &Visit) -> Response {
    let page = SignedOutPage {
        login_url: visit.hub_path("login"),
        provider_note: None,
    };
    visit.as_stranger().page("Signed out", &page)
}

fn done(visit: &Visit) -> Response {
    let mut response = signed_out(visit);
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
