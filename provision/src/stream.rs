//! A sink of Event Streams'.

use twilio::is_same_address;
use twilio::rest::{Sink, Subscription};

/// A sink, and what it is subscribed to.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) sink: Sink,
    pub(crate) subscriptions: Vec<Subscription>,
    /// Whether setup made it.
    pub(crate) is_ours: bool,
}

impl Stream {
    /// Whether its events go there.
    pub(crate) fn posts_to(&self, destination: &str) -> bool {
        let current = self.sink.destination();
        current.is_some_and(|current| is_same_address(current, destination))
    }
}
