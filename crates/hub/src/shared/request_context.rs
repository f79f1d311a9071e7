//! Who asks, and from where, while a request is answered.
//!
//! What is written down about a change says where it came from, and work that anybody can ask for is
//! shared out by network. That is true of every use case, so the surface says it once for the whole
//! request, and no use case can forget to hand it on. Work in the background has no origin.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::OnceLock;

tokio::task_local! {
    static CONTEXT: RequestContext;
}

struct RequestContext {
    address: IpAddr,
    actor: OnceLock<String>,
}

/// Does something as part of the answer to a request from this address.
pub async fn with_request_context<F: Future>(address: IpAddr, answer: F) -> F::Output {
    let context = RequestContext {
        address,
        actor: OnceLock::new(),
    };
    CONTEXT.scope(context, answer).await
}

/// Says who turned out to make the request that is being answered.
pub fn note_caller(name: &str) {
    // Outside of a request there is nobody to be noted.
    let _ = CONTEXT.try_with(|context| context.actor.set(name.to_owned()));
}

/// The address of the client; `None` in the background.
pub(crate) fn address() -> Option<IpAddr> {
    CONTEXT.try_with(|context| context.address).ok()
}

/// The network of the client; empty in the background.
pub(crate) fn network() -> String {
    let address = address().map(|address| address.to_string());
    address.as_deref().map(network_of).unwrap_or_default()
}

/// What counts as one address. Whoever has an address of IPv6 has all 2^64 of its network.
pub(crate) fn network_of(address: &str) -> String {
    match address.parse().map(|found: IpAddr| found.to_canonical()) {
        Ok(IpAddr::V6(found)) => {
            let network = found.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).to_string()
        }
        Ok(IpAddr::V4(found)) => found.to_string(),
        Err(_) => address.to_owned(),
    }
}

/// The name of the caller; `None` for strangers and in the background.
pub(crate) fn caller() -> Option<String> {
    let caller = CONTEXT.try_with(|context| context.actor.get().cloned());
    caller.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_origin_of_a_request_holds_until_it_is_answered() {
        let here: IpAddr = [192, 0, 2, 1].into();

        with_request_context(here, async {
            assert_eq!((address(), caller()), (Some(here), None));
            note_caller("river");
            tokio::task::yield_now().await;
            assert_eq!(caller().as_deref(), Some("river"));
        })
        .await;

        note_caller("nobody");
        assert_eq!((address(), caller()), (None, None));
    }
}
