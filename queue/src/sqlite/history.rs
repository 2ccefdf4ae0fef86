//! What was told, as one process reads it.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::outcomes;
use super::reader::Reader;
use crate::{Content, History, QueueError};

/// How often it is looked what is new.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

pub(super) struct SqliteHistory {
    reader: Reader,
    /// The last line that was read.
    last: i64,
    read: VecDeque<Content>,
}

impl SqliteHistory {
    pub(super) async fn of(reader: Reader, past: Duration) -> Result<Self, QueueError> {
        let since = Timestamp::now()
            .checked_sub(past)
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let last = reader
            .read(move |db| outcomes::last_before(db, since))
            .await?;
        Ok(Self {
            reader,
            last,
            read: VecDeque::new(),
        })
    }
}

#[async_trait]
impl History for SqliteHistory {
    async fn next(&mut self) -> Result<Content, QueueError> {
        loop {
            if let Some(next) = self.read.pop_front() {
                return Ok(next);
            }
            let last = self.last;
            let read = self.reader.read(move |db| outcomes::read_after(db, last));
            match read.await {
                Ok((now, read)) if now > last => (self.last, self.read) = (now, read.into()),
                Ok(_) => tokio::time::sleep(POLL_INTERVAL).await,
                // The store may work again.
                Err(QueueError::Storage(_)) => tokio::time::sleep(POLL_INTERVAL).await,
                Err(error) => return Err(error),
            }
        }
    }
}
