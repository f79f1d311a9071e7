//! `/hub/broker/v1/`: what agents ask, and how they are answered. No cookie and no token of the REST API
//! counts here, so handlers read the request themselves and never make a [`Visit`](crate::visit::Visit) of
//! it. Errors are in the words of OAuth.

mod audiences;
mod enroll;
mod events;
mod exposed;
mod token;

use std::time::Duration;

use axum::Json;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jansky_hub::{Agent, AgentCredentials, BrokerError, ProofRefusal, Proofs};
use serde_json::{Value, json};

use crate::error::{log, public_message, status_of};
use crate::state::{Peer, WebState};

pub(crate) use audiences::get as audiences;
pub(crate) use enroll::post as enroll;
pub(crate) use events::get as events;
pub(crate) use exposed::get as exposed;
pub(crate) use token::post as token;

/// The name of the header with the proof.
const PROOF: &str = "dpop";

/// What a request brought, to be judged by the hub.
fn presented<'a>(
    method: &'a str,
    endpoint: &'a str,
    headers: &'a HeaderMap,
    peer: Peer,
) -> AgentCredentials<'a> {
    let mut proofs = headers.get_all(PROOF).iter();
    let proof = match (proofs.next(), proofs.next()) {
        (Some(one), None) => one.to_str().map_or(Proofs::Not, Proofs::One),
        _ => Proofs::Not,
    };
    let mut authorization = headers.get_all(AUTHORIZATION).iter();
    AgentCredentials {
        method,
        endpoint,
        authorization: match (authorization.next(), authorization.next()) {
            (Some(one), None) => one.to_str().ok(),
            _ => None,
        },
        proof,
        address: peer.address,
    }
}

/// The agent that sent a request.
async fn agent(web: &WebState, endpoint: &str, head: &Parts) -> Result<Agent, BrokerError> {
    let peer = Peer::of(&head.extensions)?;
    let presented = presented(head.method.as_str(), endpoint, &head.headers, peer);
    web.hub.broker.agent(&presented).await
}

/// Turns a handler's result into an answer.
fn answer(web: &WebState, result: Result<Response, BrokerError>) -> Response {
    let mut response = result.unwrap_or_else(|error| refuse(web, &error));
    let headers = response.headers_mut();
    // Every answer brings a nonce, so that the next request need not be sent twice to get one.
    if let Ok(nonce) = HeaderValue::from_str(&web.hub.broker.proof_nonce()) {
        headers.insert(HeaderName::from_static("dpop-nonce"), nonce);
    }
    response
}

/// A path below the hub's prefix as an agent can show it to a person.
fn page(web: &WebState, path: &str) -> String {
    let settings = web.hub.settings();
    let path = format!("{}{path}", settings.hub_prefix());
    // The page is opened in a window of its own, and `signed-in` closes that at the end.
    let end = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("next", &format!("{}signed-in", settings.hub_prefix()))
        .finish();
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{separator}{end}");
    let public = settings.public_url.as_ref();
    let joined = public.and_then(|url| url.join(&path).ok());
    joined.map_or(path, String::from)
}

fn status(error: &BrokerError) -> StatusCode {
    match error {
        BrokerError::InvalidRequest(_)
        | BrokerError::InvalidTarget(_)
        | BrokerError::InvalidScope(_) => StatusCode::BAD_REQUEST,
        BrokerError::InvalidTicket
        | BrokerError::InvalidToken
        | BrokerError::Proof(_)
        | BrokerError::Frozen(_)
        | BrokerError::Reauth { .. } => StatusCode::UNAUTHORIZED,
        BrokerError::NotAllowed
        | BrokerError::NotInPolicy { .. }
        | BrokerError::OtherServer { .. }
        | BrokerError::ServerShared
        | BrokerError::ServerEntered { .. } => StatusCode::FORBIDDEN,
        BrokerError::Later { .. } => StatusCode::SERVICE_UNAVAILABLE,
        BrokerError::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        BrokerError::Hub(error) => status_of(error),
    }
}

fn refuse(web: &WebState, error: &BrokerError) -> Response {
    let description = match error {
        BrokerError::Hub(error) => {
            log(error);
            public_message(error)
        }
        other => other.to_string(),
    };
    let mut body = json!({ "error": error.code(), "error_description": description });
    if let BrokerError::Reauth { path } = error {
        body["reauth_url"] = Value::from(page(web, path));
    }
    if let BrokerError::Frozen(reason) = error {
        body["frozen_reason"] = Value::from(reason.as_str());
    }
    let mut response = (status(error), Json(body)).into_response();
    let headers = response.headers_mut();
    if let Some(challenge) = challenge(error) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(wait) = wait(error) {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
    }
    response
}

/// What the caller has to do better (RFC 9449 section 7.1, RFC 6750 section 3).
fn challenge(error: &BrokerError) -> Option<HeaderValue> {
    Some(HeaderValue::from_static(match error {
        BrokerError::Proof(ProofRefusal::Nonce) => "DPoP error=\"use_dpop_nonce\", algs=\"ES256\"",
        BrokerError::Proof(ProofRefusal::OtherKey)
        | BrokerError::InvalidToken
        | BrokerError::Frozen(_) => "DPoP error=\"invalid_token\", algs=\"ES256\"",
        BrokerError::Proof(_) => "DPoP error=\"invalid_dpop_proof\", algs=\"ES256\"",
        BrokerError::InvalidTicket => "DPoP algs=\"ES256\"",
        BrokerError::Reauth { .. } => "Bearer error=\"invalid_token\"",
        _ => return None,
    }))
}

fn wait(error: &BrokerError) -> Option<Duration> {
    match error {
        BrokerError::Later { retry_after } | BrokerError::TooMany { retry_after } => {
            Some(*retry_after)
        }
        BrokerError::Hub(error) => crate::error::retry_after(error).map(Duration::from_secs),
        _ => None,
    }
}
