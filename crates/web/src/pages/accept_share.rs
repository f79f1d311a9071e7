//! The page to which the link of a share code leads: somebody is offered the use of a server.

use axum::extract::Request;
use axum::response::Response;
use jansky_hub::HubError;

use crate::scope_descriptions::scope_in_words;
use crate::views::{AcceptSharePage, ScopeLine};
use crate::visit::{PageResult, Visit, redirect};

/// `GET /hub/accept-share`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = show(&visit).await;
    visit.answer(result)
}

async fn show(visit: &Visit) -> PageResult {
    let actor = visit.signed_in()?;
    let code = visit.query("code").ok_or_else(incomplete)?;
    let hub = &visit.web.hub;
    let offer = hub.servers.share_offer(actor, &code).await?;
    let scopes = offer.scopes.into_iter().map(|scope| ScopeLine {
        description: scope_in_words(&scope, actor.user.name.as_str()),
        name: scope,
    });
    let page = AcceptSharePage {
        server_title: hub.servers.title_of(&offer.server),
        owner: offer.server.user.to_string(),
        is_ready: offer.server.state.is_ready(),
        scopes: scopes.collect(),
        action: visit.hub_path("accept-share"),
        code,
        next: visit.query("next").unwrap_or_default(),
        home_url: visit.hub_path("home"),
    };
    Ok(visit.page("Shared server", &page))
}

/// `POST /hub/accept-share`: the person says yes, and goes to the server.
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let result = accept(&visit, request).await;
    visit.answer(result)
}

async fn accept(visit: &Visit, request: Request) -> PageResult {
    let actor = visit.signed_in()?;
    let fields = visit.form(request).await?;
    let given = |name: &str| {
        let field = fields.get(name).map(str::to_owned);
        field.or_else(|| visit.query(name))
    };
    let code = given("code").ok_or_else(incomplete)?;
    let server = visit
        .web
        .hub
        .servers
        .accept_share_code(actor, &code)
        .await?;
    let next = given("next").and_then(|next| visit.next(&next));
    let next = next.unwrap_or_else(|| visit.web.hub.servers.server_url(&server));
    Ok(redirect(&next))
}

fn incomplete() -> HubError {
    HubError::invalid("This link is not complete: it has no `code`. Copy the whole link.")
}
