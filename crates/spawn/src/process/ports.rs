//! Free ports for servers.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a server may take to bind its port before it can be given to another one.
const RESERVED: Duration = Duration::from_mins(1);
const TRIES: usize = 1000;

/// Picks free ports of the loopback interface, and none twice within a minute.
#[derive(Default)]
pub(crate) struct PortPicker(Mutex<Vec<(u16, Instant)>>);

impl PortPicker {
    pub(crate) fn pick(&self) -> io::Result<u16> {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        recent.retain(|(_, until)| *until > now);
        for _ in 0..TRIES {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let port = listener.local_addr()?.port();
            if recent.iter().all(|(taken, _)| *taken != port) {
                recent.push((port, now + RESERVED));
                return Ok(port);
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_port_is_picked_twice_within_a_minute() {
        let picker = PortPicker::default();

        let picked: BTreeSet<u16> = (0..500)
            .map(|_| picker.pick().expect("a free port"))
            .collect();

        assert_eq!(picked.len(), 500);
        tokio::time::advance(RESERVED).await;
        picker.pick().expect("a free port");
        assert_eq!(picker.0.lock().expect("not poisoned").len(), 1);
    }
}
