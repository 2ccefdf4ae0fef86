//! The log of intents, as one process appends to it and reads it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::change::Change;
use super::handle::{Command, Handle};
use super::intents::Reading;
use crate::{Intent, IntentLog, IntentReader, QueueError};

/// Appends by the writer thread.
pub(super) struct SqliteIntentLog {
    reading: Arc<Reading>,
    handle: Handle,
    limit: Duration,
}

impl SqliteIntentLog {
    pub(super) fn start(reader: Arc<dyn IntentReader>, handle: Handle, limit: Duration) -> Self {
        let reading = Arc::new(Reading::new(reader));
        // An error means that the queue is closed; so will each append.
        let _ = handle.send(Command::Read(Arc::downgrade(&reading)));
        Self {
            reading,
            handle,
            limit,
        }
    }
}

#[async_trait]
impl IntentLog for SqliteIntentLog {
    async fn append(&self, intent: Intent) -> Result<(), QueueError> {
        let change = Change::Append(intent, self.reading.clone());
        match tokio::time::timeout(self.limit, self.handle.perform(change, None)).await {
            Ok(done) => Ok(done.map(drop)?),
            Err(_) => Err(QueueError::Unavailable(format!(
                "the intent was not stored within {:?}",
                self.limit
            ))),
        }
    }
}
