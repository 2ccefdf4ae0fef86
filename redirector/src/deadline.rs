//! How long a job may wait for something: until its deadline, or until the process is to stop.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a wait ended without what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupted {
    /// The deadline passed.
    Deadline,
    /// The process is stopping.
    Stop,
}

/// How long a job may wait. A request that is under way to Twilio is never cut short, for its
/// answer decides what is done next.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) stop: CancellationToken,
}

impl Deadline {
    /// Waits for `something`, as long as there is time.
    pub(crate) async fn wait<T>(
        &self,
        something: impl Future<Output = T>,
    ) -> Result<T, Interrupted> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Interrupted::Stop),
            () = tokio::time::sleep_until(self.at) => Err(Interrupted::Deadline),
            got = something => Ok(got),
        }
    }
}
