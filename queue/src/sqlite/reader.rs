//! The connection that reads beside the writer thread.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::blocking;
use super::database::Database;
use super::failure::Failure;
use crate::QueueError;

/// Clones share it.
#[derive(Clone)]
pub(super) struct Reader(Arc<Mutex<Option<Database>>>);

impl Reader {
    pub(super) fn new(db: Database) -> Self {
        Self(Arc::new(Mutex::new(Some(db))))
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, QueueError> {
        let reader = self.0.clone();
        blocking(move || {
            let reader = reader.lock();
            let db = reader.as_ref().ok_or(Failure::Closed)?;
            db.is_in_place()
                .and_then(|()| query(db.connection()))
                .map_err(|error| QueueError::Storage(format!("{db}: {error}")))
        })
        .await?
    }

    pub(super) fn close(&self) {
        self.0.lock().take();
    }
}
