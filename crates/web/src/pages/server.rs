//! What people see at the address of a server that the proxy has no route to.

use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{OriginalUri, Path};
use axum::http::header::ACCEPT;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use jansky_hub::action::EnterServer;
use jansky_model::{ServerName, ServerState};
use serde_json::json;
use url::Url;

use crate::pages::{find_server, spawn};
use crate::visit::{PageResult, Visit, redirect};

/// How often a browser may come back here for a server that should answer.
const MOST_REDIRECTS: u32 = 4;

/// `/hub/user/{name}/…`: reached when `/user/{name}/…` has no route.
pub(crate) async fn any(visit: Visit, Path((user, rest)): Path<(String, String)>) -> Response {
    let result = show(&visit, &user, &rest).await;
    visit.answer(result)
}

/// `/hub/user/{name}`: the same without anything behind the name.
pub(crate) async fn bare(visit: Visit, Path(user): Path<String>) -> Response {
    let result = show(&visit, &user, "").await;
    visit.answer(result)
}

async fn show(visit: &Visit, user: &str, rest: &str) -> PageResult {
    let wants_json = visit
        .headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    let is_api = wants_json || format!("/{rest}").contains("/api/");
    let is_read = matches!(visit.method, Method::GET | Method::HEAD);
    if !is_read || is_api {
        // JupyterLab recognizes 424 and offers to start the server again. Whose server it is and
        // whether it exists is not said, so nothing needs to be proved.
        let restart = visit.hub_path(&format!("spawn/{}", jansky_model::name::escape_path(user)));
        return Ok(not_running(&restart));
    }
    let actor = visit.known()?;
    let first = rest.split('/').next().unwrap_or_default();
    let named = match first.parse::<ServerName>() {
        Ok(name) if !name.is_default() => find_server::<EnterServer>(visit, actor, user, first)
            .await
            .ok(),
        _ => None,
    };
    let permit = match named {
        Some(found) => found,
        None => find_server::<EnterServer>(visit, actor, user, "").await?,
    };
    let place = permit.on();
    let here = visit.here();
    let target = format!(
        "{}user/{}",
        visit.web.hub.settings().base,
        after(&here, "/hub/user/")
    );
    if place
        .server
        .as_ref()
        .is_some_and(|s| matches!(s.state, ServerState::Ready { .. }))
    {
        let origin = visit.web.hub.settings().origin_of(&place.owner.name);
        return Ok(redirect_back(visit, origin.as_ref(), &target));
    }
    Ok(spawn::instead_of_server(visit, place, target))
}

/// What programs are told, and where people can start the server.
pub(crate) fn not_running(restart: &str) -> Response {
    let message = format!("The server is not running. Restart the server at {restart}");
    let body = json!({ "status": 424, "message": message });
    (StatusCode::FAILED_DEPENDENCY, Json(body)).into_response()
}

/// Sends the browser to the server once more, a few times at most.
fn redirect_back(visit: &Visit, origin: Option<&Url>, target: &str) -> Response {
    let tried = visit
        .query("redirects")
        .and_then(|count| count.parse::<u32>().ok())
        .unwrap_or(0);
    if tried >= MOST_REDIRECTS {
        return visit.error_page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server is running but cannot be reached. Stop it and start it again.",
        );
    }
    let path = target.split('?').next().unwrap_or(target);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in visit.query_pairs().filter(|(key, _)| key != "redirects") {
        query.append_pair(&key, &value);
    }
    query.append_pair("redirects", &(tried + 1).to_string());
    let target = format!("{path}?{}", query.finish());
    let whole = origin.and_then(|origin| origin.join(&target).ok());
    redirect(whole.as_ref().map_or(&target, |url| url.as_str()))
}

fn after<'a>(text: &'a str, marker: &str) -> &'a str {
    text.split_once(marker).map_or("", |(_, rest)| rest)
}

/// `/hub/user-redirect/{*path}`: leads to this path on the person's own server.
pub(crate) async fn user_redirect(visit: Visit) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let here = visit.here();
        let rest = after(&here, "/user-redirect/");
        let user = actor.user.name.escaped();
        let base = &visit.web.hub.settings().base;
        let next = format!("{base}user/{user}/{rest}");
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("next", &next)
            .finish();
        Ok(redirect(&visit.hub_path(&format!("spawn/{user}?{query}"))))
    }
    .await;
    visit.answer(result)
}

/// Marks redirects from outside of the base path, so that one that comes back is recognized.
const FROM_OUTSIDE: &str = "from-outside";

/// A path that does not begin with the base path leads into the hub. If that redirect itself comes
/// back without it, a web server in front takes it off, and would do so again and again.
fn outside_of_base(visit: &Visit, query: &str) -> Response {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    if !pairs.any(|(name, _)| name == FROM_OUTSIDE) {
        return redirect(&format!("{}?{FROM_OUTSIDE}=1", visit.hub()));
    }
    let base = &visit.web.hub.settings().base;
    if !visit.web.told_of_base.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            base,
            "requests arrive without the base path that their browser was sent to: the web server in \
             front takes it off; let it pass paths on as they are, or take the path off \
             `hub.public_url` (said once)"
        );
    }
    visit.error_page(
        StatusCode::MISDIRECTED_REQUEST,
        &format!(
            "The addresses of this hub begin with {base}, and this request arrived here without \
             it although your browser was sent there. The web server in front takes it off. The \
             operator has to let it pass paths on as they are."
        ),
    )
}

/// Everything outside the hub's prefix that no server has: leads into the hub, as JupyterHub does.
pub(crate) async fn outside(visit: Visit, OriginalUri(uri): OriginalUri) -> Response {
    let base = &visit.web.hub.settings().base;
    let path = uri
        .path_and_query()
        .map_or("/", axum::http::uri::PathAndQuery::as_str);
    match path.strip_prefix(base.as_str()) {
        None => outside_of_base(&visit, uri.query().unwrap_or_default()),
        Some("hub") => redirect(&visit.hub()),
        Some(rest) if rest.starts_with("hub/") => {
            visit.error_page(StatusCode::NOT_FOUND, "There is no such page.")
        }
        Some(rest) => {
            let is_bare_server = rest
                .strip_prefix("user/")
                .is_some_and(|r| !r.contains(['/', '?']));
            if is_bare_server {
                return redirect(&format!("{base}{rest}/"));
            }
            redirect(&visit.hub_path(rest))
        }
    }
}
