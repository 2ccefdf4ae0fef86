//! The conformance suite on a real file.

#![allow(clippy::unwrap_used, reason = "tests")]

#[macro_use]
mod conformance;

use std::sync::Arc;

use queue::sqlite::SqliteQueue;
use queue::{Options, Queue, RawMessage};

struct SqliteFile {
    folder: tempfile::TempDir,
}

impl SqliteFile {
    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("queue.db")
    }
}

impl conformance::Harness for SqliteFile {
    const PROCESSES_SHARE: bool = false;

    async fn fresh() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn open(&self, options: Options) -> Arc<dyn Queue> {
        Arc::new(SqliteQueue::open(&self.path(), options).await.unwrap())
    }

    async fn put(&self, message: RawMessage) {
        rusqlite::Connection::open(self.path())
            .unwrap()
            .execute(
                "INSERT INTO messages (id, kind, body, traceparent, published_at) VALUES (?, ?, ?, ?, 0)",
                (
                    message.id,
                    message.kind,
                    message.body,
                    message.traceparent.as_ref().map(|t| t.as_str()),
                ),
            )
            .unwrap();
    }

    async fn spoil_intents(&self) {
        rusqlite::Connection::open(self.path())
            .unwrap()
            .execute_batch(
                "INSERT INTO intents (id, incarnation, call_sid) VALUES (x'07', x'', 'hello')",
            )
            .unwrap();
    }

    async fn lose_intents(&self) {
        rusqlite::Connection::open(self.path())
            .unwrap()
            .execute_batch(
                "DELETE FROM intents; DELETE FROM sqlite_sequence WHERE name = 'intents'",
            )
            .unwrap();
    }
}

conformance_tests!(SqliteFile);
