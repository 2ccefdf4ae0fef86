//! The embedded queue: one SQLite file, shared by the processes of one machine.
//!
//! One thread makes all changes to the file (`writer`), and those that wait for it share one sync.
//! Many processes may publish. One at a time consumes; the others stand by, and when it stops or dies
//! one of them takes over what it left behind (`lock`).
//!
//! Beside the file stand SQLite's `-wal` and `-shm`, and an empty file for each lock that is held.
//! Disk space that a backlog took is used again, and given back bit by bit.

mod change;
mod consumer;
mod database;
mod failure;
mod handle;
mod history;
mod identity;
mod intent_log;
mod intents;
mod lock;
mod messages;
mod outcomes;
mod reader;
mod reports;
mod said;
mod stand_in;
mod subscribers;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use self::change::{Change, ConsumerId, Limits, Outcome};
use self::consumer::SqliteConsumer;
use self::database::Database;
use self::failure::Failure;
use self::handle::{Command, Handle, Status};
use self::history::SqliteHistory;
use self::intent_log::SqliteIntentLog;
use self::lock::Locks;
use self::reader::Reader;
use self::reports::{Reporting, SqliteWatch};
use self::writer::Writer;
use crate::{
    Consumer, Content, DeadLetter, DeadLetters, Done, Filter, Health, History, IntentLog,
    IntentReader, Lane, Listed, Lock, Message, Options, Publish, Queue, QueueError, Report,
    Settlement, Stats, Watch,
};

/// How many publishes wait for the disk at a time; more of them wait their turn.
const PUBLISHES_IN_FLIGHT: usize = 4096;

/// How many dead letters are moved or removed at a time.
const DEAD_LETTERS_IN_FLIGHT: usize = 128;

/// How long a last word may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long closing waits for a disk that hangs.
const CLOSING: Duration = Duration::from_secs(10);

/// A queue in an SQLite file.
///
/// It may be opened several times, by one process or by several on the same machine. After it is
/// dropped, its consumers, deliveries and locks live on until they are dropped as well.
pub struct SqliteQueue {
    handle: Handle,
    reader: Reader,
    writer: Mutex<Option<JoinHandle<()>>>,
    publishes: Arc<Semaphore>,
    publish_timeout: Duration,
    consumers: AtomicU64,
    path: PathBuf,
    locks: Locks,
    reporting: Reporting,
}

impl SqliteQueue {
    /// Opens the queue in the file at `path`. If there is none and the options allow it, creates it.
    ///
    /// # Errors
    /// [`QueueError::Mismatch`]: the file is another program's, another version's, or damaged, or
    /// its directory is missing. [`QueueError::Storage`]: it can't be opened.
    pub async fn open(path: &Path, options: Options) -> Result<Self, QueueError> {
        let path = path.to_owned();
        blocking(move || Self::open_blocking(&path, &options)).await?
    }

    fn open_blocking(path: &Path, options: &Options) -> Result<Self, QueueError> {
        let mut db = Database::open(path, !options.existing_only)?;
        if let Some(queue) = &options.stands_in_for {
            stand_in::claim(&mut db, queue)?;
        }
        let reader = Database::open(path, false)?;
        let (inbox, commands) = mpsc::channel();
        let status = Arc::new(Status {
            has_ended: AtomicBool::new(false),
            stands_by: AtomicBool::new(false),
            health: Mutex::new(Health::Up),
        });
        let limits = Limits {
            max_length: options.max_length,
            later: i64::try_from(options.later.as_millis()).unwrap_or(i64::MAX),
            deliveries: options.delivery_limit,
        };
        let writer = Writer::new(db, commands, status.clone(), limits);
        let writer = thread::Builder::new()
            .name("queue-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| QueueError::Storage(format!("no thread for the queue: {error}")))?;
        let (handle, reader) = (Handle::new(inbox, status), Reader::new(reader));
        Ok(Self {
            reporting: Reporting::new(reader.clone(), handle.clone()),
            handle,
            reader,
            writer: Mutex::new(Some(writer)),
            publishes: Arc::new(Semaphore::new(PUBLISHES_IN_FLIGHT)),
            publish_timeout: options.publish_timeout,
            consumers: AtomicU64::new(0),
            path: path.to_owned(),
            locks: Locks::new(),
        })
    }

    async fn matching(&self, filter: &Filter) -> Result<Vec<(i64, DeadLetter)>, QueueError> {
        let filter = filter.clone();
        self.reader
            .read(move |db| messages::dead_letters(db, |letter| filter.matches(letter)))
            .await
    }

    async fn publish_within(&self, message: &Message) -> Result<Outcome, Failure> {
        let permit = self.publishes.clone().acquire_owned().await;
        let change = Change::Publish(message.encode());
        self.handle.perform(change, permit.ok()).await
    }
}

fn full() -> QueueError {
    QueueError::Refused("it is full".to_owned())
}

/// Where the runtime lets it wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, QueueError> {
    spawn_blocking(work)
        .await
        .map_err(|error| QueueError::Storage(format!("the queue's file was not read: {error}")))
}

#[async_trait]
impl Publish for SqliteQueue {
    async fn publish(&self, message: &Message) -> Result<(), QueueError> {
        let timeout = self.publish_timeout;
        match tokio::time::timeout(timeout, self.publish_within(message)).await {
            Err(_) => Err(QueueError::TimedOut(timeout)),
            Ok(Ok(Outcome::Full)) => Err(full()),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(failure)) => Err(failure.into()),
        }
    }
}

#[async_trait]
impl DeadLetters for SqliteQueue {
    async fn oldest(&self, filter: &Filter, limit: usize) -> Result<Listed, QueueError> {
        let letters = self.matching(filter).await?;
        let letters = letters.into_iter().map(|(_, letter)| letter).collect();
        Ok(filter.oldest(letters, limit))
    }

    async fn settle(
        &self,
        filter: &Filter,
        how: Settlement,
        done: Done<'_>,
    ) -> Result<(), QueueError> {
        let now = Timestamp::now();
        for letters in self.matching(filter).await?.chunks(DEAD_LETTERS_IN_FLIGHT) {
            let changes = letters.iter().map(|(row, letter)| match how {
                Settlement::Replay => Change::Replay {
                    row: *row,
                    message: letter.replayed(now),
                },
                Settlement::Discard => Change::Discard { row: *row },
            });
            let outcomes = changes.map(|change| self.handle.perform(change, None));
            let outcomes = futures::future::join_all(outcomes).await;
            for ((_, letter), outcome) in letters.iter().zip(outcomes) {
                match outcome? {
                    Outcome::Full => return Err(full()),
                    // Somebody else has replayed or discarded it.
                    Outcome::Gone => {}
                    _ => done(letter.id.clone()),
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    fn stands_by(&self) -> bool {
        self.handle.stands_by()
    }

    async fn consume(&self, lane: Lane, prefetch: u16) -> Result<Box<dyn Consumer>, QueueError> {
        let id = ConsumerId(self.consumers.fetch_add(1, Ordering::Relaxed));
        let consumer = SqliteConsumer::subscribe(id, lane, prefetch, self.handle.clone())?;
        Ok(Box::new(consumer))
    }

    async fn tell(&self, told: &Content) {
        self.handle
            .perform_later(Change::Tell(Box::new(told.clone())));
    }

    async fn history(&self, past: Duration) -> Result<Box<dyn History>, QueueError> {
        let history = SqliteHistory::of(self.reader.clone(), past).await?;
        Ok(Box::new(history))
    }

    fn report(&self, report: Report) {
        self.reporting.start(report);
    }

    async fn watch(&self) -> Result<Box<dyn Watch>, QueueError> {
        let watch = SqliteWatch::start(self.reader.clone(), self.handle.clone());
        Ok(Box::new(watch.await?))
    }

    async fn try_lock(&self, name: &str) -> Result<Option<Box<dyn Lock>>, QueueError> {
        let (locks, path, name) = (self.locks.clone(), self.path.clone(), name.to_owned());
        let lock = blocking(move || locks.try_take(&path, &name)).await??;
        Ok(lock.map(|lock| Box::new(lock) as Box<dyn Lock>))
    }

    fn intents(&self, reader: Arc<dyn IntentReader>) -> Arc<dyn IntentLog> {
        let (handle, limit) = (self.handle.clone(), self.publish_timeout);
        Arc::new(SqliteIntentLog::start(reader, handle, limit))
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        let path = self.path.clone();
        let stats = self.reader.read(move |db| {
            Ok(Stats {
                consumers: u64::from(lock::is_consumed(&path)),
                ..messages::stats(db)?
            })
        });
        stats.await
    }

    fn health(&self) -> Health {
        self.handle.health()
    }

    async fn close(&self) {
        if tokio::time::timeout(LAST_WORDS, self.reporting.close())
            .await
            .is_err()
        {
            tracing::debug!("the disk under the queue hangs: nothing is said of the end");
        }
        // An error means that it is closed already.
        let _ = self.handle.send(Command::Close);
        self.locks.close();
        let writer = self.writer.lock().take();
        let reader = self.reader.clone();
        let ended = blocking(move || {
            // A panic was reported when it happened.
            writer.map(JoinHandle::join);
            // After the writer: whoever closes the file last removes SQLite's other files.
            reader.close();
        });
        if tokio::time::timeout(CLOSING, ended).await.is_err() {
            tracing::warn!("the disk under the queue hangs: closing without waiting for it");
        }
    }
}
