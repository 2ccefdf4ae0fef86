//! The log of intents: what redirectors are about to do, written where all of them read it in the
//! same order.

use std::time::Duration;

use async_trait::async_trait;
use twilio::CallSid;

use crate::QueueError;

/// How far back a new reader of the log starts, at least.
pub const READ_BACK: Duration = Duration::from_secs(60);

/// "This redirector is about to update this call."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Unique to each append: an intent whose confirm was lost may be in the log all the same.
    pub id: u128,
    /// The run of the redirector that wrote it: a random number, drawn when it starts.
    pub incarnation: u64,
    /// The call.
    pub call_sid: CallSid,
}

/// What the log tells its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logged {
    /// The next entry.
    Intent(Intent),
    /// Entries may be missing here: the log shrank, was created again, skipped some, or holds one that
    /// this version can't read. Entries before the gap may be told again after it.
    Gap,
}

/// Is told what the log holds, in its order. Between two gaps each entry is told once.
pub trait IntentReader: Send + Sync {
    /// Takes what comes next. It must be quick: reading waits for it.
    fn read(&self, logged: Logged);
}

/// The log, as one reader sees it and writes to it. Until this is dropped, the reader is told of each
/// append within a second or so, and of its own before [`IntentLog::append`] returns. Lost connections
/// are repaired.
#[async_trait]
pub trait IntentLog: Send + Sync {
    /// Returns once the intent is durable and the reader was told everything up to and including it.
    /// Many may be under way at once. If the future is dropped, the intent may be appended or not.
    ///
    /// # Errors
    /// It was not confirmed, or not read back within
    /// [`Options::publish_timeout`](crate::Options::publish_timeout). It may be in the log, or still
    /// get there.
    async fn append(&self, intent: Intent) -> Result<(), QueueError>;
}
