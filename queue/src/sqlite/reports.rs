//! What processes say of themselves: a row for each, written only while somebody watches, together with
//! whatever else is written at the time.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::{Connection, Result as SqlResult, params};
use tokio::task::JoinSet;

use super::change::Change;
use super::handle::Handle;
use super::reader::Reader;
use crate::{QueueError, Report, Watch};

/// How often a process says something, and looks whether somebody watches.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often whoever watches says so, and for how long that holds.
const SAY_SO: Duration = Duration::from_secs(2);
const HOLDS: Duration = Duration::from_secs(5);

/// How often it is looked what is new.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// What is older is of a process that is gone.
const KEPT: Duration = Duration::from_secs(60);

/// Somebody watches from `now` on, for a while. The caller holds the transaction.
pub(super) fn watch(db: &Connection, now: Timestamp) -> SqlResult<()> {
    let until = (now + HOLDS).as_millisecond();
    db.prepare_cached("UPDATE watching SET until = ?")?
        .execute([until])?;
    Ok(())
}

/// What the process says takes the place of what it said before. The caller holds the transaction.
pub(super) fn say(db: &Connection, process: i64, said: &[u8]) -> SqlResult<()> {
    let now = Timestamp::now();
    db.prepare_cached("DELETE FROM reports WHERE process = ? OR at < ?")?
        .execute([process, (now - KEPT).as_millisecond()])?;
    db.prepare_cached("INSERT INTO reports (process, at, body) VALUES (?, ?, ?)")?
        .execute(params![process, now.as_millisecond(), said])?;
    Ok(())
}

/// Whether somebody watches.
fn is_watched(db: &Connection) -> SqlResult<bool> {
    let now = Timestamp::now().as_millisecond();
    db.prepare_cached("SELECT until > ? FROM watching")?
        .query_row([now], |row| row.get(0))
}

/// The last report that there is.
fn last(db: &Connection) -> SqlResult<i64> {
    db.prepare_cached("SELECT coalesce(max(seq), 0) FROM reports")?
        .query_row([], |row| row.get(0))
}

/// Those after it.
fn read_after(db: &Connection, last: i64) -> SqlResult<Vec<(i64, Vec<u8>)>> {
    let mut statement =
        db.prepare_cached("SELECT seq, body FROM reports WHERE seq > ? ORDER BY seq")?;
    let rows = statement.query_map([last], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// What this process says of itself: by whom, and the task that does.
pub(super) struct Reporting {
    reader: Reader,
    handle: Handle,
    current: Mutex<Option<(Reporter, JoinSet<()>)>>,
}

/// What says it, and the name under which that stands.
#[derive(Clone)]
struct Reporter {
    process: i64,
    report: Report,
}

impl Reporting {
    pub(super) fn new(reader: Reader, handle: Handle) -> Self {
        Self {
            reader,
            handle,
            current: Mutex::default(),
        }
    }

    pub(super) fn start(&self, report: Report) {
        let reporter = Reporter {
            process: fastrand::i64(..),
            report,
        };
        let (reader, handle) = (self.reader.clone(), self.handle.clone());
        let told = reporter.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                match reader.read(is_watched).await {
                    // It waits for the disk: a slow one is not given more to do.
                    Ok(true) => drop(handle.perform(told.says(), None).await),
                    Err(error @ QueueError::Unavailable(_)) => {
                        tracing::debug!(%error, "nothing is reported any more");
                        return;
                    }
                    // The store may work again.
                    Ok(false) | Err(_) => {}
                }
                tokio::time::sleep(INTERVAL).await;
            }
        });
        *self.current.lock() = Some((reporter, task));
    }

    /// Says a last word, before the queue is closed.
    pub(super) async fn close(&self) {
        let Some((reporter, task)) = self.current.lock().take() else {
            return;
        };
        drop(task);
        if matches!(self.reader.read(is_watched).await, Ok(true)) {
            self.handle.perform_later(reporter.says());
        }
    }
}

impl Reporter {
    fn says(&self) -> Change {
        Change::Say(self.process, (self.report)())
    }
}

pub(super) struct SqliteWatch {
    reader: Reader,
    last: i64,
    read: VecDeque<Vec<u8>>,
    _says_so: JoinSet<()>,
}

impl SqliteWatch {
    pub(super) async fn start(reader: Reader, handle: Handle) -> Result<Self, QueueError> {
        let last = reader.read(last).await?;
        let mut says_so = JoinSet::new();
        says_so.spawn(async move {
            loop {
                let _ = handle.perform(Change::Watch, None).await;
                tokio::time::sleep(SAY_SO).await;
            }
        });
        Ok(Self {
            reader,
            last,
            read: VecDeque::new(),
            _says_so: says_so,
        })
    }
}

#[async_trait]
impl Watch for SqliteWatch {
    async fn next(&mut self) -> Result<Vec<u8>, QueueError> {
        loop {
            if let Some(next) = self.read.pop_front() {
                return Ok(next);
            }
            let last = self.last;
            match self.reader.read(move |db| read_after(db, last)).await {
                Ok(new) => {
                    for (seq, said) in new {
                        self.last = seq;
                        self.read.push_back(said);
                    }
                }
                // The store may work again.
                Err(QueueError::Storage(_)) => {}
                Err(error) => return Err(error),
            }
            if self.read.is_empty() {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}
