//! The log of intents: what redirectors are about to do, written where all of them read it in the
//! same order.

use async_trait::async_trait;
use std::time::Duration;
use twilio::CallSid;

use crate::QueueError;

/// How far a reader that comes new to the log reads back, at least.
pub const READ_BACK: Duration = Duration::from_secs(60);

/// "This redirector is about to update this call."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Its own, drawn anew for each append: one whose confirm was lost may be in the log all the
    /// same.
    pub id: u128,
    /// The life of the redirector that wrote it, drawn at its start.
    pub incarnation: u64,
    /// The call.
    pub call_sid: CallSid,
}

/// What the log tells its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logged {
    /// The next entry.
    Intent(Intent),
    /// Entries may be missing here: the log shrank, was made anew, or skipped some.
    Gap,
}

/// Is told what the log holds, each entry once, in the log's order.
pub trait IntentReader: Send + Sync {
    /// Takes what comes next. Called by whatever reads the log, so it must be quick.
    fn read(&self, logged: Logged);
}

/// The log, as one process writes it. It is read for as long as this lives, through losses of the
/// connection.
#[async_trait]
pub trait IntentLog: Send + Sync {
    /// Returns once the intent is durable and the reader was told everything up to this very entry,
    /// itself included. A future that is dropped may have appended or not.
    ///
    /// # Errors
    /// It is not known to be in the log, or could not be read back in time.
    async fn append(&self, intent: Intent) -> Result<(), QueueError>;
}
