//! The log of intents: what redirectors are about to do, written where all of them read it in the
//! same order.

use std::time::Duration;

use async_trait::async_trait;
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
    /// Entries may be missing here: the log shrank, was made anew, skipped some, or holds one that
    /// this version can't read. What was told before may be told again after it.
    Gap,
}

/// Is told what the log holds, each entry once between two gaps, in the log's order.
pub trait IntentReader: Send + Sync {
    /// Takes what comes next. Called by whatever reads the log, so it must be quick.
    fn read(&self, logged: Logged);
}

/// The log, as one reader sees it and writes to it. It is read for as long as this lives, through
/// losses of the connection: within a second or so of each append, and at the latest before an
/// append of one's own returns.
#[async_trait]
pub trait IntentLog: Send + Sync {
    /// Returns once the intent is durable and the reader was told everything up to this very entry,
    /// itself included. Many may be under way at once. A future that is dropped may have appended
    /// or not.
    ///
    /// # Errors
    /// It is not known to be in the log, or was not read back within
    /// [`Options::publish_timeout`](crate::Options::publish_timeout). It may be there, or come
    /// there yet.
    async fn append(&self, intent: Intent) -> Result<(), QueueError>;
}
