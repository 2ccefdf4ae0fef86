//! Locks between processes, each a file beside the queue's own.
//!
//! The system releases such a lock the moment its process ends, however it ends. It is taken by flock
//! on a file of its own: SQLite's locks on the queue's file are POSIX locks, which are dropped when this
//! process closes any other handle on that file.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::ffi;
use url::form_urlencoded::byte_serialize;

use super::failure::Failure;
use super::identity::beside;
use crate::Lock;

/// A locked file. Released and removed when it is dropped.
pub(super) struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// The lock that a process holds while it consumes the queue in the file `queue`.
    pub(super) fn to_consume(queue: &Path) -> rusqlite::Result<Option<Self>> {
        let path = consumer_path(queue);
        Self::try_take(path.clone()).map_err(|error| {
            let what = format!("{} can't be locked: {error}", path.display());
            let code = ffi::Error::new(ffi::SQLITE_CANTOPEN);
            rusqlite::Error::SqliteFailure(code, Some(what))
        })
    }

    /// Takes the lock, or returns `None` if somebody has it.
    fn try_take(path: PathBuf) -> io::Result<Option<Self>> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        match file.try_lock() {
            Ok(()) => {
                let lock = Self { file, path };
                // Its former holder may have removed the file after we opened it.
                Ok(lock.is_in_place().then_some(lock))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn is_in_place(&self) -> bool {
        let id = |file: fs::Metadata| (file.dev(), file.ino());
        let (ours, there) = (self.file.metadata(), fs::metadata(&self.path));
        ours.is_ok_and(|ours| there.is_ok_and(|there| id(ours) == id(there)))
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.is_in_place() {
            // While it is still locked: later it might be somebody else's.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether some process consumes the queue in the file `queue`.
pub(super) fn is_consumed(queue: &Path) -> bool {
    let file = File::open(consumer_path(queue));
    file.is_ok_and(|file| file.try_lock_shared().is_err())
}

fn consumer_path(queue: &Path) -> PathBuf {
    beside(queue, "-consumer")
}

/// The named locks of one handle on the queue; `None` once it is closed.
#[derive(Clone)]
pub(super) struct Locks(Arc<Mutex<Option<HashMap<String, FileLock>>>>);

impl Locks {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(HashMap::new()))))
    }

    /// Takes the lock `name`, or returns `None` if somebody has it.
    pub(super) fn try_take(&self, queue: &Path, name: &str) -> Result<Option<SqliteLock>, Failure> {
        let mut locks = self.0.lock();
        let locks = locks.as_mut().ok_or(Failure::Closed)?;
        // A file name can't hold every character.
        let encoded: String = byte_serialize(name.as_bytes()).collect();
        let path = beside(queue, &format!("-lock-{encoded}"));
        let taken = FileLock::try_take(path.clone()).map_err(|error| {
            Failure::Storage(format!("{} can't be locked: {error}", path.display()))
        })?;
        Ok(taken.map(|lock| {
            locks.insert(name.to_owned(), lock);
            SqliteLock {
                name: name.to_owned(),
                locks: self.clone(),
            }
        }))
    }

    /// Releases them all; none can be taken any more.
    pub(super) fn close(&self) {
        self.0.lock().take();
    }
}

/// A named lock, held until it is dropped or the queue is closed.
pub(super) struct SqliteLock {
    name: String,
    locks: Locks,
}

impl Lock for SqliteLock {
    fn is_lost(&self) -> bool {
        let locks = self.locks.0.lock();
        let lock = locks.as_ref().and_then(|locks| locks.get(&self.name));
        !lock.is_some_and(FileLock::is_in_place)
    }
}

impl Drop for SqliteLock {
    fn drop(&mut self) {
        if let Some(locks) = &mut *self.locks.0.lock() {
            locks.remove(&self.name);
        }
    }
}
