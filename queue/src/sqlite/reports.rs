//! What processes say of themselves: a row for each, written only while somebody watches, together with
//! whatever else is written at the time.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::change::Change;
use super::handle::Handle;
use super::reader::Reader;
use super::said::{is_watched, last, read_after};
use crate::{QueueError, Report, Watch};

/// How often a process says something, and looks whether somebody watches.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often whoever watches says so.
const SAY_SO: Duration = Duration::from_secs(2);

/// How often it is looked what is new.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

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
