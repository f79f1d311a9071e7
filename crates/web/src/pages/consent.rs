//! The OAuth authorization endpoint: a page, not an API.

use axum::extract::Request;
use axum::response::Response;
use jansky_hub::{Authorization, AuthorizeRequest};

use crate::scope_descriptions::scope_in_words;
use crate::views::{ConsentPage, ScopeLine};
use crate::visit::{PageResult, Visit, redirect};

/// `GET /hub/api/oauth2/authorize`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = authorize(&visit, false).await;
    visit.answer(result)
}

/// `POST /hub/api/oauth2/authorize`: the person said yes.
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let result = async {
        visit.signed_in()?;
        visit.form(request).await?;
        authorize(&visit, true).await
    }
    .await;
    visit.answer(result)
}

async fn authorize(visit: &Visit, agreed: bool) -> PageResult {
    let actor = visit.signed_in()?;
    let request = AuthorizeRequest {
        client_id: visit.query("client_id"),
        redirect_uri: visit.query("redirect_uri"),
        response_type: visit.query("response_type"),
        state: visit.query("state"),
        scope: visit.query("scope"),
        code_challenge: visit.query("code_challenge"),
        code_challenge_method: visit.query("code_challenge_method"),
    };
    let hub = &visit.web.hub;
    match hub.servers.authorize(actor, &request, agreed).await? {
        Authorization::Redirect(to) => Ok(redirect(&to)),
        Authorization::Consent { server, scopes } => {
            let page = ConsentPage {
                client_title: hub.servers.title_of(&server),
                client_owner: Some(server.user.to_string()),
                action: visit.here(),
                scopes: scopes
                    .into_iter()
                    .map(|scope| ScopeLine {
                        description: scope_in_words(&scope, actor.user.name.as_str()),
                        name: scope,
                    })
                    .collect(),
                deny_url: visit.hub_path("home"),
            };
            Ok(visit.page("Access", &page))
        }
    }
}
