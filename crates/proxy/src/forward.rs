//! The path of a request: check, find the route, forward, answer.

use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::body::ProxyBody;
use crate::client::Client;
use crate::client_body::ClientBody;
use crate::exchange::{Driver, Exchange, RequestBody, ResponseBody, may_last, spawn_driver};
use crate::headers;
use crate::io::ClientIo;
use crate::origin;
use crate::pages::plain;
use crate::refusal::Refusal;
use crate::route::{LocalService, Route, Target};
use crate::settings::Revocation;
use crate::target::HttpTarget;
use crate::tunnel::{self, End};
use crate::turns::Turn;
use crate::upstream::Upstream;
use crate::worker::Worker;

const HEALTH_PATH: &str = "/_chp_healthz";

/// How long a request waits for its turn where its client has too many at once.
const PLACE_PATIENCE: Duration = Duration::from_secs(5);

/// Answers one request.
pub(crate) async fn answer(
    client: Arc<Client>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let mut turn = Turn::begin(client);
    let (mut head, body) = request.into_parts();
    let admitted = if turn.client().trusted {
        Box::pin(take_place(&mut turn, &head)).await
    } else {
        Ok(())
    };
    let (client, worker) = (turn.client(), turn.client().worker.as_ref());
    let mut response = match admitted.and_then(|()| route(worker, &mut head)) {
        Err(refusal) => {
            let mut page = client.page(refusal, &head);
            // Where such a request ends, and so where the next one begins, is not known for sure.
            if refusal == Refusal::Malformed && head.version < Version::HTTP_2 {
                let close = HeaderValue::from_static("close");
                page.headers_mut().insert(CONNECTION, close);
            }
            page
        }
        Ok(None) => healthy(),
        Ok(Some(route)) => match route.target() {
            Target::Local(service) => Box::pin(local(client, service, &route, head, body)).await,
            Target::Http(target) => {
                let exchange = Exchange {
                    authority: Arc::clone(target.authority()),
                    route: Arc::clone(&route),
                    client: Arc::clone(client),
                };
                forward(exchange, target, &mut head, body).await
            }
        },
    };
    worker.proxy.stats.count_response(response.status());
    response.body_mut().end_turn(turn);
    Ok(response)
}

/// Finds the route; `None` for the health check of the proxy itself.
fn route(worker: &Worker, head: &mut request::Parts) -> Result<Option<Arc<Route>>, Refusal> {
    headers::normalize(head, &worker.proxy.settings)?;
    let path = head.uri.path();
    if path == HEALTH_PATH && head.method == Method::GET {
        return Ok(None);
    }
    let host = headers::host(&head.headers).and_then(|host| host.to_str().ok());
    match worker.proxy.routes.find(host, path) {
        Ok(Some(route)) => {
            if origin::asks_for_foreign_worker(&route, &head.method, &head.headers, path) {
                return Err(Refusal::ForeignWorker);
            }
            Ok(Some(route))
        }
        Ok(None) => Err(Refusal::NoRoute),
        Err(_) => Err(Refusal::Malformed),
    }
}

/// Holds the client of a trusted proxy to as many requests as another may have connections.
///
/// One that is over it waits: when a class opens a page, each browser asks for a hundred files at once.
async fn take_place(turn: &mut Turn, head: &request::Parts) -> Result<(), Refusal> {
    let client = turn.client();
    let Some(address) = client.forwarded_client(&head.headers) else {
        return Ok(());
    };
    let proxy = &client.worker.proxy;
    let place = proxy.addresses.enter(address, PLACE_PATIENCE).await;
    let limit = proxy.settings.connections_per_address;
    turn.keep(place.ok_or(Refusal::TooManyAtOnce(limit))?);
    Ok(())
}

fn healthy() -> Response<ResponseBody> {
    let mut response = Response::new(ProxyBody::full(r#"{"status":"OK"}"#).into());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Hands a request to a service of this program.
async fn local(
    client: &Arc<Client>,
    service: &LocalService,
    route: &Route,
    mut head: request::Parts,
    body: Incoming,
) -> Response<ResponseBody> {
    let worker = &client.worker;
    let info = client.info(&head.headers);
    head.extensions.insert(info);
    let request = Request::from_parts(head, ClientBody::gathered(body, client));
    let (answer, at_once) = {
        let _in_its_runtime = worker.local.enter();
        let mut answer = AssertUnwindSafe(service(request)).catch_unwind();
        // What is known without waiting is answered on this thread: to wake another one and be
        // woken by it would cost more.
        let at_once = (&mut answer).now_or_never();
        (answer, at_once)
    };
    let answered = match at_once {
        Some(answered) => Ok(answered),
        // A task, so that the service is not stopped halfway when the client leaves.
        None => worker.local.spawn(answer).await,
    };
    let Ok(Ok(response)) = answered else {
        tracing::error!(route.spec = route.spec(), "a local service panicked");
        let text = "Something went wrong on this server.";
        return plain(StatusCode::INTERNAL_SERVER_ERROR, text).map(Into::into);
    };
    if response.status().as_u16() < 300 {
        route.touch(worker.proxy.clock.now());
    }
    response.map(Into::into)
}

/// Forwards a request to the server behind its route.
async fn forward(
    exchange: Exchange,
    target: &HttpTarget,
    head: &mut request::Parts,
    body: Incoming,
) -> Response<ResponseBody> {
    let has_body = !body.is_end_stream();
    let upload = may_last(&body).then(|| exchange.revocation(head)).flatten();
    let upgrade = head.extensions.remove::<OnUpgrade>();
    let body = if has_body {
        RequestBody::new(body, exchange.clone())
    } else {
        RequestBody::empty()
    };
    let mut again = || prepare(&exchange, target, head, has_body);
    let (prepared, websocket) = again();
    let request = Request::from_parts(prepared, body);
    let sent = unless_cut(upload, send(&exchange, request, || again().0)).await;
    let (response, driver) = match sent.unwrap_or(Err(SendError::Cut)) {
        Ok(answered) => answered,
        Err(error) => return no_answer(&exchange, &error, head),
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return match upgrade.filter(|_| websocket) {
            Some(upgrade) => Box::pin(switch(exchange, response, driver, upgrade, head)).await,
            None => no_answer(&exchange, &SendError::Unasked, head),
        };
    }
    let (mut answer, body) = response.into_parts();
    let asked = head.uri.path();
    headers::forward_response(&mut answer.headers, &exchange.route, asked, false);
    answer.version = Version::HTTP_11;
    let is_success = answer.status.as_u16() < 300;
    let revocation = may_last(&body).then(|| exchange.revocation(head)).flatten();
    let body = ResponseBody::upstream(body, driver, exchange, is_success, revocation);
    Response::from_parts(answer, body)
}

/// The result of `work`; `None` when the session or token behind it ends first.
async fn unless_cut<T>(revocation: Option<Revocation>, work: impl Future<Output = T>) -> Option<T> {
    let Some(revocation) = revocation else {
        return Some(work.await);
    };
    tokio::select! {
        () = revocation => None,
        done = work => Some(done),
    }
}

/// Makes a head for the server behind a route from one that a client sent, which stays as it is; says
/// whether it asks for a WebSocket.
fn prepare(
    exchange: &Exchange,
    target: &HttpTarget,
    head: &mut request::Parts,
    has_body: bool,
) -> (request::Parts, bool) {
    // The copy stays here, because it is the smaller one: what is sent has room for more headers,
    // and hyper uses that again.
    let original = head.clone();
    let websocket = headers::forward_request(head, &exchange.client, has_body);
    if !target.base_path().is_empty() {
        prepend(&mut head.uri, target.base_path());
    }
    if let Some(filter) = &exchange.worker().proxy.filter {
        filter.filter(&exchange.route, head);
    }
    (std::mem::replace(head, original), websocket)
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("could not connect")]
    Connect(#[source] io::Error),
    #[error("the connection ended without an answer")]
    Exchange(#[source] hyper::Error),
    #[error("it switched protocols without being asked to")]
    Unasked,
    #[error("what the request hung on has ended")]
    Cut,
}

impl SendError {
    /// How to answer if it was the client who did not go on with its body.
    fn clients_fault(&self) -> Option<Refusal> {
        let Self::Exchange(error) = self else {
            return None;
        };
        if !error.is_user() {
            return None;
        }
        // The only thing of ours that can fail is the body.
        let cause = std::error::Error::source(error)?;
        let cause = cause.downcast_ref::<io::Error>()?;
        let refusal = cause.get_ref().and_then(|inner| inner.downcast_ref());
        Some(refusal.copied().unwrap_or(Refusal::MalformedBody))
    }
}

/// Sends a request on a kept connection or else a new one.
///
/// A kept connection may turn out to be closed. The request is sent again then if nothing of it was
/// sent, or if sending it twice does no harm (RFC 9110 section 9.2.2) and it has no body; `again`
/// makes its head once more.
async fn send(
    exchange: &Exchange,
    mut request: Request<RequestBody>,
    mut again: impl FnMut() -> request::Parts,
) -> Result<(Response<Incoming>, Driver), SendError> {
    let has_body = !request.body().is_end_stream();
    let may_repeat = !has_body && request.method().is_idempotent();
    let (worker, authority) = (exchange.worker(), &exchange.authority);
    let stats = &worker.proxy.stats;
    loop {
        let kept = worker.pool.take(authority);
        let is_kept = kept.is_some();
        let mut upstream = if let Some(upstream) = kept {
            upstream
        } else {
            stats.upstream_connects.add(1);
            let timeout = worker.proxy.settings.connect_timeout;
            Box::pin(Upstream::connect(authority, timeout))
                .await
                .map_err(SendError::Connect)?
        };
        let sent = if has_body {
            let (mut sender, link) = upstream.split();
            let response = sender.try_send_request(request);
            let ended = spawn_driver(link, exchange.clone());
            response
                .await
                .map(|response| (response, Driver::Spawned(sender, ended)))
        } else {
            upstream
                .send(request)
                .await
                .map(|response| (response, Driver::Inline(upstream)))
        };
        let mut failure = match sent {
            Ok(answered) => return Ok(answered),
            Err(failure) => failure,
        };
        request = match failure.take_message() {
            Some(request) if is_kept => request,
            None if is_kept && may_repeat && was_closed(failure.error()) => {
                Request::from_parts(again(), RequestBody::empty())
            }
            _ => return Err(SendError::Exchange(failure.into_error())),
        };
        stats.upstream_retries.add(1);
    }
}

/// Whether the server closed the connection, rather than sent something that is not HTTP.
fn was_closed(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    error.is_incomplete_message() || source.is_some_and(<dyn std::error::Error>::is::<io::Error>)
}

fn no_answer(
    exchange: &Exchange,
    error: &SendError,
    head: &request::Parts,
) -> Response<ResponseBody> {
    if let Some(refusal) = error.clients_fault() {
        tracing::debug!(
            route.spec = exchange.route.spec(),
            error = error as &dyn std::error::Error,
            "the body of a request did not come as a whole"
        );
        return exchange.client.page(refusal, head);
    }
    exchange.worker().proxy.stats.upstream_errors.add(1);
    tracing::warn!(
        route.spec = exchange.route.spec(),
        error = error as &dyn std::error::Error,
        "server `{}` behind a route did not answer",
        exchange.authority
    );
    exchange.client.page(Refusal::NoAnswer, head)
}

/// Answers 101 and joins both sockets as soon as the client's has left HTTP as well.
async fn switch(
    exchange: Exchange,
    response: Response<Incoming>,
    driver: Driver,
    upgrade: OnUpgrade,
    head: &request::Parts,
) -> Response<ResponseBody> {
    let socket = match driver {
        Driver::Inline(upstream) => upstream.into_socket().await,
        Driver::Spawned(..) => None,
    };
    let Some((io, early)) = socket else {
        return no_answer(&exchange, &SendError::Unasked, head);
    };
    let worker = Arc::clone(&exchange.client.worker);
    let route = Arc::clone(&exchange.route);
    let revocation = exchange.revocation(head);
    worker.late.spawn(async move {
        let stats = &exchange.worker().proxy.stats;
        let _open = stats.upgrades.enter();
        let Ok(upgraded) = upgrade.await else {
            return;
        };
        let Ok(client) = upgraded.downcast::<TokioIo<ClientIo>>() else {
            return;
        };
        let client = End {
            io: client.io.into_inner().unwatched(),
            early: client.read_buf,
        };
        exchange.touch();
        let joined = tunnel::join(client, End { io, early }, |received, sent| {
            stats.received_bytes.add(received as u64);
            stats.sent_bytes.add(sent as u64);
            exchange.touch();
        });
        let until_the_end = &exchange.worker().closing;
        let joined = until_the_end.run_until_cancelled(unless_cut(revocation, joined));
        if let Some(Some(Err(error))) = joined.await {
            tracing::debug!(
                route.spec = exchange.route.spec(),
                error = &error as &dyn std::error::Error,
                "an upgraded connection was cut"
            );
        }
    });
    let (mut answer, _) = response.into_parts();
    headers::forward_response(&mut answer.headers, &route, head.uri.path(), true);
    answer.version = Version::HTTP_11;
    Response::from_parts(answer, ProxyBody::empty().into())
}

/// Puts the path of a target in front of the path of a request.
fn prepend(uri: &mut Uri, base: &str) {
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    if let Ok(joined) = format!("{base}{path}").parse() {
        *uri = joined;
    }
}
