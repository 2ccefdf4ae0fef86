//! Whether the queue's file is still the one that was opened: somebody may delete or replace it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Error, Result, ffi};

/// Device and inode of the file and of SQLite's log beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity([(u64, u64); 2]);

impl Identity {
    pub(super) fn of(path: &Path) -> Result<Self> {
        // Never by opening them: closing them would drop all locks that this process has on them.
        let identity = |path: &Path| {
            let file = fs::metadata(path).map_err(|error| gone(path, &error.to_string()))?;
            Ok::<_, Error>((file.dev(), file.ino()))
        };
        Ok(Self([identity(path)?, identity(&beside(path, "-wal"))?]))
    }

    /// Whether they are what is at `path` now.
    pub(super) fn is_at(&self, path: &Path) -> Result<()> {
        match Self::of(path)? == *self {
            true => Ok(()),
            false => Err(gone(path, "another file is in its place")),
        }
    }
}

/// With the code that SQLite itself uses when it notices.
fn gone(path: &Path, why: &str) -> Error {
    let what = format!(
        "{} was deleted or replaced while it was in use ({why}): put it back, or restart with a new one",
        path.display()
    );
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED), Some(what))
}

pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(code, _) if code.extended_code == ffi::SQLITE_READONLY_DBMOVED)
}

/// The path of a file beside the queue's own.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
