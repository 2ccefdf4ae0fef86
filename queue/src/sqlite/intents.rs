//! The log of intents: a table, and what its readers know of it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, Result, params};

use super::failure::Failure;
use crate::{Intent, IntentReader, Logged, READ_BACK};

/// How long an entry stays, at least.
const KEPT: Duration = READ_BACK.saturating_mul(2);

/// Entries that were appended within this time are trimmed together.
const STEP: Duration = Duration::from_secs(10);

/// How often readers are told what other processes wrote.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// A reader, and its position in the log.
pub(super) struct Reading {
    reader: Arc<dyn IntentReader>,
    last: Mutex<Option<Entry>>,
}

impl Reading {
    pub(super) fn new(reader: Arc<dyn IntentReader>) -> Self {
        let last = Mutex::new(None);
        Self { reader, last }
    }

    /// Tells the reader what is new.
    pub(super) fn catch_up(&self, db: &Connection) -> Result<()> {
        let mut last = self.last.lock();
        if let Some(known) = &*last
            && !is_in_log(db, known)?
        {
            self.reader.read(Logged::Gap);
            *last = None;
        }
        let after = last.as_ref().map_or(0, |last| last.seq);
        read_after(db, after, |entry| {
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

/// The readers of one handle on the queue.
#[derive(Default)]
pub(super) struct Readers {
    list: Vec<Weak<Reading>>,
    next_read: Option<Instant>,
}

impl Readers {
    pub(super) fn add(&mut self, reading: Weak<Reading>) {
        self.list.push(reading);
        self.next_read = Some(Instant::now());
    }

    /// When to tell them what is new; `None` while there are none.
    pub(super) fn next_read(&self) -> Option<Instant> {
        self.next_read
    }

    /// Tells them what is new.
    pub(super) fn read(&mut self, db: &Connection) -> Result<()> {
        self.list.retain(|reading| reading.strong_count() > 0);
        self.next_read = (!self.list.is_empty()).then(|| Instant::now() + READ_INTERVAL);
        let mut readings = self.list.iter().filter_map(Weak::upgrade);
        readings.try_for_each(|reading| reading.catch_up(db))
    }
}

/// Knows which entries are old, by this process's monotonic clock: the time of day may be wrong.
#[derive(Default)]
pub(super) struct Ages(VecDeque<(Instant, i64)>);

impl Ages {
    /// Notes that `seq` is the last entry now.
    pub(super) fn note(&mut self, now: Instant, seq: i64) {
        if self.0.back().is_none_or(|(then, _)| now - *then >= STEP) {
            self.0.push_back((now, seq));
        }
    }

    /// Removes up to twice as many old entries as were `added` from `seq` on, so that the log shrinks
    /// without a long pause.
    pub(super) fn trim(
        &mut self,
        db: &Connection,
        now: Instant,
        seq: i64,
        added: usize,
    ) -> Result<()> {
        match self.old(now, seq) {
            Some(old) => trim(db, old, 2 * added),
            None => Ok(()),
        }
    }

    /// The last old entry, in a log that `seq` was just appended to.
    fn old(&mut self, now: Instant, seq: i64) -> Option<i64> {
        if self.0.back().is_some_and(|(_, before)| *before >= seq) {
            // It is another log now.
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

/// An entry of the log of intents, perhaps not ours.
#[derive(Debug)]
struct Entry {
    seq: i64,
    id: Vec<u8>,
    incarnation: Vec<u8>,
    call_sid: String,
}

impl Entry {
    /// `None` if it isn't ours.
    fn intent(&self) -> Option<Intent> {
        Some(Intent {
            id: u128::from_be_bytes(self.id.as_slice().try_into().ok()?),
            incarnation: u64::from_be_bytes(self.incarnation.as_slice().try_into().ok()?),
            call_sid: self.call_sid.parse().ok()?,
        })
    }
}

/// Appends to the log, and returns the place of the entry.
pub(super) fn append(db: &Connection, intent: &Intent) -> Result<i64> {
    db.prepare_cached("INSERT INTO intents (id, incarnation, call_sid) VALUES (?, ?, ?)")?
        .insert(params![
            intent.id.to_be_bytes(),
            intent.incarnation.to_be_bytes(),
            intent.call_sid.as_str(),
        ])
}

/// Whether this entry is still where it was.
fn is_in_log(db: &Connection, entry: &Entry) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM intents WHERE seq = ? AND id = ?)")?
        .query_row(params![entry.seq, entry.id], |row| row.get(0))
}

/// Reads the log after the entry `seq`.
fn read_after(db: &Connection, seq: i64, mut read: impl FnMut(Entry)) -> Result<()> {
    let mut statement = db.prepare_cached(
        "SELECT seq, id, incarnation, call_sid FROM intents WHERE seq > ? ORDER BY seq",
    )?;
    let mut rows = statement.query([seq])?;
    while let Some(row) = rows.next()? {
        read(Entry {
            seq: row.get(0)?,
            id: row.get(1)?,
            incarnation: row.get(2)?,
            call_sid: row.get(3)?,
        });
    }
    Ok(())
}

/// Removes up to `limit` entries up to `seq`, the oldest first.
fn trim(db: &Connection, seq: i64, limit: usize) -> Result<()> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = "DELETE FROM intents
               WHERE seq IN (SELECT seq FROM intents WHERE seq <= ? ORDER BY seq LIMIT ?)";
    db.prepare_cached(sql)?.execute([seq, limit])?;
    Ok(())
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
            let seq = append(&db, &intent).unwrap();
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
