//! The log of intents: a table.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use rusqlite::Connection;

use super::entries::{self, Entry};
use super::shared::{Command, Failure, Handle};
use super::work::Work;
use crate::{Intent, IntentLog, IntentReader, Logged, QueueError, READ_BACK};

/// How long an entry stays, at least.
const KEPT: Duration = READ_BACK.saturating_mul(2);

/// What is trimmed at a time came within this time.
const STEP: Duration = Duration::from_secs(10);

pub(super) struct SqliteIntentLog {
    reading: Arc<Reading>,
    handle: Handle,
    limit: Duration,
}

impl SqliteIntentLog {
    pub(super) fn start(reader: Arc<dyn IntentReader>, handle: Handle, limit: Duration) -> Self {
        let reading = Arc::new(Reading {
            reader,
            last: Mutex::new(None),
        });
        // An error says that the queue is closed, as each append will.
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
        let work = Work::Append(intent, self.reading.clone());
        match tokio::time::timeout(self.limit, self.handle.perform(work, None)).await {
            Ok(done) => Ok(done.map(drop)?),
            Err(_) => Err(QueueError::Unavailable(format!(
                "the intent was not stored within {:?}",
                self.limit
            ))),
        }
    }
}

/// A reader, and where it is in the log.
pub(super) struct Reading {
    reader: Arc<dyn IntentReader>,
    last: Mutex<Option<Entry>>,
}

impl Reading {
    /// Tells the reader what it does not know yet.
    pub(super) fn catch_up(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut last = self.last.lock();
        if let Some(known) = &*last
            && !entries::is_in_log(db, known)?
        {
            self.reader.read(Logged::Gap);
            *last = None;
        }
        let after = last.as_ref().map_or(0, |last| last.seq);
        entries::read_after(db, after, |entry| {
            let follows = last.as_ref().is_none_or(|last| entry.seq == last.seq + 1);
            let intent = entry.intent();
            if !follows || intent.is_none() {
                self.reader.read(Logged::Gap);
            }
            if let Some(intent) = intent {
                self.reader.read(Logged::Intent(intent));
            }
            *last = Some(entry);
        })
    }

    /// Tells the reader everything up to the entry `seq`.
    pub(super) fn reach(&self, db: &Connection, seq: i64) -> Result<(), Failure> {
        let read = self.catch_up(db);
        read.map_err(|error| Failure::Storage(format!("the log can't be read: {error}")))?;
        let last = self.last.lock();
        if last.as_ref().is_some_and(|last| last.seq >= seq) {
            Ok(())
        } else {
            Err(Failure::Storage("the intent is not in the log".to_owned()))
        }
    }
}

/// Which entries are old, by this process's own clock: no time of day is trusted.
#[derive(Default)]
pub(super) struct Ages(VecDeque<(Instant, i64)>);

impl Ages {
    /// Notes that the log holds nothing beyond `seq` yet.
    pub(super) fn note(&mut self, now: Instant, seq: i64) {
        if self.0.back().is_none_or(|(then, _)| now - *then >= STEP) {
            self.0.push_back((now, seq));
        }
    }

    /// Removes old entries, more than the `added` that begin with `seq`: the log shrinks without
    /// ever stopping for it.
    pub(super) fn trim(
        &mut self,
        db: &Connection,
        now: Instant,
        seq: i64,
        added: usize,
    ) -> rusqlite::Result<()> {
        match self.old(now, seq) {
            Some(old) => entries::trim(db, old, 2 * added),
            None => Ok(()),
        }
    }

    /// Up to which entry all are old, in a log that `seq` was just appended to.
    fn old(&mut self, now: Instant, seq: i64) -> Option<i64> {
        if self.0.back().is_some_and(|(_, before)| *before >= seq) {
            // Not the log that was looked at before.
            self.0.clear();
        }
        let is_old = |(then, _): &(Instant, i64)| now - *then >= KEPT;
        while self.0.get(1).is_some_and(is_old) {
            self.0.pop_front();
        }
        self.0
            .front()
            .filter(|first| is_old(first))
            .map(|(_, seq)| *seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn an_entry_stays_for_twice_as_long_as_readers_read_back() {
        let start = Instant::now();
        let mut ages = Ages::default();
        // One a second, numbered by the second.
        for second in 1..600 {
            let seq = i64::try_from(second).unwrap();
            let now = at(start, second);
            if let Some(old) = ages.old(now, seq) {
                assert!(seq - old >= 120, "{old} is too young in second {seq}");
                assert!(seq - old <= 140, "{old} stayed too long in second {seq}");
            } else {
                assert!(second <= 130, "nothing is old in second {seq}");
            }
            ages.note(now, seq);
        }
        assert!(ages.0.len() < 20);
    }

    #[test]
    fn a_log_that_is_written_to_for_long_stays_small_and_keeps_its_newest() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema_1.sql")).unwrap();
        db.execute_batch(include_str!("schema_2.sql")).unwrap();
        let count = || -> i64 {
            db.query_row("SELECT count(*) FROM intents", [], |row| row.get(0))
                .unwrap()
        };
        let start = Instant::now();
        let mut ages = Ages::default();
        // Two a second, and after each hour a pause of one.
        for number in 0..20_000_u64 {
            let now = at(start, number / 2 + number / 7200 * 3600);
            let intent = Intent {
                id: number.into(),
                incarnation: 1,
                call_sid: "CA0123456789abcdef0123456789ABCDEF".parse().unwrap(),
            };
            let seq = entries::append(&db, &intent).unwrap();
            ages.trim(&db, now, seq, 1).unwrap();
            ages.note(now, seq);
            assert!(count() <= 300, "{} after {number}", count());
            assert!(count() >= 240.min(seq) || number % 7200 < 300);
        }
    }

    #[test]
    fn nothing_is_old_in_a_log_made_anew() {
        let start = Instant::now();
        let mut ages = Ages::default();
        ages.note(start, 1000);
        assert_eq!(ages.old(at(start, 300), 5), None);
        ages.note(at(start, 300), 5);
        assert_eq!(ages.old(at(start, 400), 6), None);
        assert_eq!(ages.old(at(start, 421), 7), Some(5));
    }
}
