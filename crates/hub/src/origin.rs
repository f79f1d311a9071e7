//! Where a request comes from, while it is answered.
//!
//! Work that anybody can ask for is shared out by network. The surface says the address once for the
//! whole request, so no use case can forget to hand it on. Work in the background has no origin.

use std::net::IpAddr;

tokio::task_local! {
    static ADDRESS: IpAddr;
}

/// Does something as part of the answer to a request from this address.
pub async fn with_origin<F: Future>(address: IpAddr, answer: F) -> F::Output {
    ADDRESS.scope(address, answer).await
}

/// The address of the client; `None` in the background.
pub(crate) fn address() -> Option<IpAddr> {
    ADDRESS.try_with(|address| *address).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_origin_of_a_request_holds_until_it_is_answered() {
        let here: IpAddr = [192, 0, 2, 1].into();

        with_origin(here, async {
            tokio::task::yield_now().await;
            assert_eq!(address(), Some(here));
        })
        .await;

        assert_eq!(address(), None);
    }
}
