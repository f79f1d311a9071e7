//! Where a spawner puts its messages while a server starts.

use jansky_model::ProgressEvent;
use tokio::sync::mpsc;

/// Takes messages about a server that is starting. Cloning is cheap and sending never waits.
///
/// A spawner sends steps only; the last event of a start is the hub's, which knows whether the
/// server answers.
#[derive(Clone, Debug)]
pub struct ProgressSink(Option<mpsc::UnboundedSender<ProgressEvent>>);

impl ProgressSink {
    /// A sink and the receiver of what is sent into it. The channel has no bound, since one start
    /// has few messages.
    pub fn channel() -> (Self, mpsc::UnboundedReceiver<ProgressEvent>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(Some(sender)), receiver)
    }

    /// A sink that nobody listens to.
    pub const fn discard() -> Self {
        Self(None)
    }

    /// Passes an event on. It is lost when nobody listens any more.
    pub fn send(&self, event: ProgressEvent) {
        if let Some(sender) = &self.0 {
            // The receiver is gone when the person closed the page: nothing to do about it.
            let _ = sender.send(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_arrive_in_order_from_all_clones() {
        let (sink, mut events) = ProgressSink::channel();

        sink.send(ProgressEvent::step(1, "one"));
        sink.clone().send(ProgressEvent::step(2, "two"));

        assert_eq!(events.recv().await, Some(ProgressEvent::step(1, "one")));
        assert_eq!(events.recv().await, Some(ProgressEvent::step(2, "two")));
    }

    #[test]
    fn sending_without_a_listener_is_harmless() {
        let (sink, events) = ProgressSink::channel();
        drop(events);

        sink.send(ProgressEvent::step(1, "one"));
        ProgressSink::discard().send(ProgressEvent::step(1, "one"));
    }
}
