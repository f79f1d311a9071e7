//! How much each address has at once.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::settings::ProxySettings;

/// Counts connections by address, and requests by client where a trusted proxy speaks for many.
pub(crate) struct Addresses {
    limit: usize,
    uncounted: Vec<IpNet>,
    /// Clients choose their addresses, so this is a map that no choice of keys can make slow.
    known: Mutex<HashMap<IpAddr, Arc<Semaphore>>>,
}

/// One of the connections or requests of an address, until it is dropped.
pub(crate) struct Place {
    _counted: Option<Counted>,
}

struct Counted {
    addresses: Arc<Addresses>,
    address: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// The place of a client that is not counted.
    pub(crate) const fn uncounted() -> Self {
        Self { _counted: None }
    }
}

impl Addresses {
    pub(crate) fn new(settings: &ProxySettings) -> Arc<Self> {
        Arc::new(Self {
            limit: settings.connections_per_address,
            uncounted: settings.uncounted.clone(),
            known: Mutex::default(),
        })
    }

    /// One more connection of a peer, if it may have one.
    pub(crate) fn try_enter(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let Some((address, places)) = self.places(peer) else {
            return Some(Place::uncounted());
        };
        let permit = places.try_acquire_owned();
        // Made in any case, because its end forgets an address without places taken.
        let is_free = permit.is_ok();
        let place = self.place(address, permit.ok());
        is_free.then_some(place)
    }

    /// One more request of a client, as soon as it may have one; `None` if that takes too long.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        client: IpAddr,
        patience: Duration,
    ) -> Option<Place> {
        let Some((address, places)) = self.places(client) else {
            return Some(Place::uncounted());
        };
        let permit = tokio::time::timeout(patience, places.acquire_owned()).await;
        let permit = permit.ok().and_then(Result::ok);
        let is_free = permit.is_some();
        let place = self.place(address, permit);
        is_free.then_some(place)
    }

    fn place(self: &Arc<Self>, address: IpAddr, permit: Option<OwnedSemaphorePermit>) -> Place {
        Place {
            _counted: Some(Counted {
                addresses: Arc::clone(self),
                address,
                permit,
            }),
        }
    }

    /// The places of an address, if it is counted.
    fn places(&self, ip: IpAddr) -> Option<(IpAddr, Arc<Semaphore>)> {
        let ip = ip.to_canonical();
        if self.uncounted.iter().any(|net| net.contains(&ip)) {
            return None;
        }
        let address = counted_as(ip);
        let mut known = self.lock();
        let places = known
            .entry(address)
            .or_insert_with(|| Arc::new(Semaphore::new(self.limit)));
        Some((address, Arc::clone(places)))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Arc<Semaphore>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut known = self.addresses.lock();
        // Copies are made under the lock only, and a waiter holds one.
        let is_last = |places: &Arc<Semaphore>| Arc::strong_count(places) == 1;
        if known.get(&self.address).is_some_and(is_last) {
            known.remove(&self.address);
        }
    }
}

/// A household or a single machine has 2^64 addresses of IPv6, so they count as one.
fn counted_as(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(limit: usize) -> Arc<Addresses> {
        Addresses::new(&ProxySettings {
            connections_per_address: limit,
            ..ProxySettings::default()
        })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn each_address_has_places_of_its_own_and_none_is_remembered_without_a_reason() {
        let all = addresses(2);

        let places: Vec<_> = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "::ffff:192.0.2.2"]
            .map(|peer| all.try_enter(ip(peer)).expect("a place"))
            .into();
        assert!(all.try_enter(ip("192.0.2.1")).is_none());
        assert!(all.try_enter(ip("192.0.2.2")).is_none());
        drop(places);

        assert!(all.lock().is_empty());
        assert!(all.try_enter(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_as_one() {
        let all = addresses(1);

        let _first = all.try_enter(ip("2001:db8::1")).expect("a place");
        assert!(all.try_enter(ip("2001:db8::ffff:2")).is_none());
        assert!(all.try_enter(ip("2001:db8:0:1::1")).is_some());
    }

    #[test]
    fn programs_on_this_machine_are_not_counted() {
        let all = addresses(1);

        let places = ["127.0.0.1", "127.0.0.1", "::1", "::1"].map(|peer| all.try_enter(ip(peer)));
        assert!(places.iter().all(Option::is_some));
    }

    #[tokio::test]
    async fn a_request_over_the_limit_waits_for_its_turn() {
        let all = addresses(1);
        let address = ip("192.0.2.1");
        let first = all.try_enter(address).expect("a place");

        assert!(all.enter(address, Duration::from_millis(1)).await.is_none());
        let waiting = all.enter(address, Duration::from_secs(10));
        let (place, ()) = tokio::join!(waiting, async { drop(first) });

        assert!(place.is_some());
        drop(place);
        assert!(all.lock().is_empty());
    }
}
