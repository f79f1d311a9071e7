//! What the hub answers on the hosts of people's servers, where those have hosts of their own: nothing of
//! itself. It leads people to the hub's host, and tells programs that the server does not run.

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use url::Url;

use crate::pages::server::not_running;
use crate::state::Web;
use crate::visit::redirect;
use crate::xsrf;

/// The answer to a request for such a host; `None` for all others.
pub(crate) fn answer(web: &Web, request: &Request) -> Option<Response> {
    let hub = hub_of(web, request.headers(), request.uri())?;
    let settings = web.hub.settings();
    let path = request.uri().path_and_query();
    let path = path.map_or("/", axum::http::uri::PathAndQuery::as_str);
    let of_server = path
        .strip_prefix(&settings.base)
        .and_then(|rest| rest.strip_prefix("user/"));
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_person = is_read && xsrf::is_navigation(request.headers());
    let on_hub = |path: &str| {
        let path = format!("{}{path}", settings.hub_prefix());
        hub.join(&path).map_or(path, String::from)
    };
    Some(match of_server {
        Some(rest) if is_person => redirect(&on_hub(&format!("user/{rest}"))),
        Some(rest) => {
            let user = rest.split(['/', '?']).next().unwrap_or_default();
            not_running(&on_hub(&format!("spawn/{user}")))
        }
        None if is_person => redirect(hub.as_str()),
        None => {
            let words = "The hub is not on this host.";
            (StatusCode::NOT_FOUND, words).into_response()
        }
    })
}

/// The page of the proxy on such a host; `None` for all others.
pub(crate) fn proxy_page(
    web: &Web,
    status: StatusCode,
    head: &Parts,
    words: &str,
) -> Option<Response> {
    let hub = hub_of(web, &head.headers, &head.uri)?;
    Some((status, format!("{words}\n{hub}\n")).into_response())
}

/// Where the hub is, for a request that names the host of somebody's servers.
fn hub_of<'a>(web: &'a Web, headers: &HeaderMap, uri: &Uri) -> Option<&'a Url> {
    let settings = web.hub.settings();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str))?;
    let hub = settings.public_url.as_ref();
    hub.filter(|_| settings.is_server_host(host))
}
