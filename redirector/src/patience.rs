//! How long a delivery may wait for something: until its deadline, or until we are told to stop.

use std::future::Future;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a wait ended without what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupted {
    /// The delivery's deadline passed.
    Deadline,
    /// The process is stopping.
    Stop,
}

/// How long a delivery may wait. It bounds waits only: a request that is under way to Twilio is
/// never cut short, for its answer decides what is done next.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    deadline: Instant,
    stop: CancellationToken,
}

impl Patience {
    pub(crate) fn new(deadline: Instant, stop: CancellationToken) -> Self {
        Self { deadline, stop }
    }

    /// Waits for `something`, as long as there is patience.
    pub(crate) async fn wait<T>(
        &self,
        something: impl Future<Output = T>,
    ) -> Result<T, Interrupted> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Interrupted::Stop),
            () = tokio::time::sleep_until(self.deadline) => Err(Interrupted::Deadline),
            got = something => Ok(got),
        }
    }
}
