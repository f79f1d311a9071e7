//! `/hub/broker/v1/`: what agents ask. No cookie and no token of the REST API counts here, so
//! handlers read the request themselves and never make a [`Visit`](crate::visit::Visit) of it.

mod answer;
mod audiences;
mod enroll;
mod events;
mod exposed;
mod token;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use jansky_hub::{Agent, AgentCredentials, BrokerError, Proofs};

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
