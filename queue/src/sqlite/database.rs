//! The file: opening it, recognising it, and its transactions.

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::identity::{self, Identity};
use crate::QueueError;

/// "FLXO", so that no other program's database is taken for a queue.
const APPLICATION_ID: i32 = 0x464c_584f;

/// Each turns one version of the schema into the next; the first begins with nothing.
const SCHEMA: [&str; 5] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
];

const SCHEMA_VERSION: usize = SCHEMA.len();

/// How long a transaction waits while another process holds the file.
const BUSY: Duration = Duration::from_secs(5);

/// How often it tries in the meantime: more often than a disk syncs, as the file is free soon.
const BUSY_STEP: Duration = Duration::from_millis(1);

/// The write-ahead log is cut back to this once it is checkpointed.
const LOG_SIZE_LIMIT: i64 = 16 << 20;

/// A connection to the queue's file.
pub(super) struct Database {
    path: PathBuf,
    identity: Identity,
    connection: Connection,
}

impl Database {
    /// Opens the file at `path`. If there is none and we `may_make` it, creates it.
    pub(super) fn open(path: &Path, may_make: bool) -> Result<Self, QueueError> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(QueueError::Mismatch(format!(
                "there is no directory {}: create it or name another file",
                folder.display()
            )));
        }
        let give_up = Instant::now() + BUSY;
        loop {
            match Self::try_open(path, may_make) {
                // Changing a new file's journal mode doesn't wait for another process that does the same.
                Err(OpenError::Sqlite(error)) if is_busy(&error) && Instant::now() < give_up => {
                    thread::sleep(BUSY_STEP);
                }
                Err(error) => return Err(error.explain(path)),
                Ok(database) => return Ok(database),
            }
        }
    }

    fn try_open(path: &Path, may_make: bool) -> Result<Self, OpenError> {
        if !may_make && !path.exists() {
            return Err(OpenError::Missing);
        }
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, may_make);
        let mut connection = Connection::open_with_flags(path, flags)?;
        connection.busy_handler(Some(wait_while_busy))?;
        connection.set_prepared_statement_cache_capacity(64);

        // In a transaction: another process may be creating the file at this moment.
        let version = version(&connection.transaction()?)?;
        if version == 0 && !may_make {
            return Err(OpenError::Missing);
        }
        if version == 0 {
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        let journal: String =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if journal != "wal" {
            return Err(OpenError::NoSharedMemory);
        }
        if version < SCHEMA_VERSION {
            upgrade(&mut connection)?;
        }
        connection.pragma_update(None, "journal_size_limit", LOG_SIZE_LIMIT)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(Self {
            path: path.to_owned(),
            // Last: by now SQLite has created all its files.
            identity: Identity::of(path)?,
            connection,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// For reading.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Fails if the path no longer leads to the file. SQLite would go on for ever in a deleted file,
    /// which nobody finds again.
    pub(super) fn is_in_place(&self) -> rusqlite::Result<()> {
        self.identity.is_at(&self.path)
    }

    /// Does all of `work` or nothing. Once this returns `Ok`, it survives a power failure.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.is_in_place()?;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        // Before anybody is told that it is durable.
        self.is_in_place()?;
        Ok(value)
    }

    /// Gives back disk space that a backlog took, a little at a time.
    pub(super) fn shrink(&self) -> rusqlite::Result<()> {
        const PAGES: i64 = 1024;
        let free: i64 = self
            .connection
            .prepare_cached("PRAGMA freelist_count")?
            .query_row([], |row| row.get(0))?;
        if free > PAGES {
            // Each step frees one page.
            let mut statement = self
                .connection
                .prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            let mut steps = statement.query([])?;
            while steps.next()?.is_some() {}
        }
        Ok(())
    }
}

/// Its path, as errors name it.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.path.display(), f)
    }
}

fn wait_while_busy(waits: i32) -> bool {
    thread::sleep(BUSY_STEP);
    u128::from(waits.unsigned_abs()) * BUSY_STEP.as_millis() < BUSY.as_millis()
}

/// The version of the queue in the file, from 1 to ours; 0 if the file is empty. It takes several
/// reads, which must see the same state: hence a transaction.
fn version(file: &Transaction<'_>) -> Result<usize, OpenError> {
    let pragma = |name| file.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    match (pragma("application_id")?, pragma("user_version")?) {
        (0, 0) if is_empty(file)? => Ok(0),
        (APPLICATION_ID, version) => match usize::try_from(version) {
            Ok(known @ 1..=SCHEMA_VERSION) => Ok(known),
            _ => Err(OpenError::OtherVersion(version)),
        },
        _ => Err(OpenError::Foreign),
    }
}

fn is_empty(file: &Transaction<'_>) -> rusqlite::Result<bool> {
    file.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)",
        [],
        |row| row.get(0),
    )
}

/// Turns a new file, or one of an earlier version, into one of this version.
fn upgrade(connection: &mut Connection) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster.
    for step in &SCHEMA[version(&transaction)?..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION as i32)?;
    Ok(transaction.commit()?)
}

enum OpenError {
    Sqlite(rusqlite::Error),
    Missing,
    Foreign,
    OtherVersion(i32),
    NoSharedMemory,
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl OpenError {
    fn explain(self, path: &Path) -> QueueError {
        let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let path = whole.display();
        QueueError::Mismatch(match self {
            Self::Missing => {
                return QueueError::Missing(format!(
                    "there is no queue in {path}: name the file that the services use \
                     (QUEUE_URL=sqlite:FILE)"
                ));
            }
            Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
                format!("{path} is not an SQLite file: move it away or name another file")
            }
            Self::Sqlite(error) if is_damage(&error) && !identity::is_gone(&error) => {
                format!("{path} is damaged ({error}): restore it or move it away")
            }
            Self::Sqlite(error) => {
                return QueueError::Storage(format!("{path} can't be opened: {error}"));
            }
            Self::Foreign => {
                format!("{path} is another program's database: name another file")
            }
            Self::OtherVersion(version) => format!(
                "{path} was written by another version of this program (its schema is \
                 {version}, this one's is {SCHEMA_VERSION}): use that version, or drain it there \
                 and name another file"
            ),
            Self::NoSharedMemory => format!(
                "{path} is on a file system that can't share memory between processes, such as a \
                 network's: name a file on a local disk"
            ),
        })
    }
}

/// Whether another process holds the file.
fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Whether the file itself is broken or gone. Waiting won't help.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    ) || identity::is_gone(error)
}

/// Whether it is the store that failed: anything else would have failed as well.
pub(super) fn is_store_failure(error: &rusqlite::Error) -> bool {
    is_busy(error)
        || is_damage(error)
        || matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::OutOfMemory
                    | ErrorCode::PermissionDenied
            )
        )
}
