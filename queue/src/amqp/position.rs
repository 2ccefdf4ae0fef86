//! Where a reader stands in the log of intents, and whether it has missed anything.

use std::sync::Arc;
use std::time::Duration;

use lapin::types::FieldTable;
use tokio::time::Instant;

use super::subscription::CLOCKS_DIFFER;
use super::topology::INTENTS_KEPT;
use super::wire::{self, Entry};
use crate::{IntentReader, Logged, READ_BACK};

/// Entries older than this may be about to be trimmed.
const FURTHEST_BACK: Duration = Duration::from_secs(INTENTS_KEPT.as_secs() / 2);

pub(super) struct Position {
    reader: Arc<dyn IntentReader>,
    /// The reader must know of every entry since then.
    since: Instant,
    last: Option<Last>,
    /// Whether `last` was found where it was since the log is read again.
    is_found: bool,
}

struct Last {
    offset: i64,
    body: Vec<u8>,
}

impl Position {
    pub(super) fn new(reader: Arc<dyn IntentReader>) -> Self {
        Self {
            reader,
            since: Instant::now(),
            last: None,
            is_found: false,
        }
    }

    /// Begins to read again, and tells from where: the last entry comes once more.
    pub(super) fn resume(&mut self) -> FieldTable {
        self.is_found = false;
        if let Some(last) = &self.last {
            return wire::from_offset(last.offset);
        }
        if self.since.elapsed() > FURTHEST_BACK {
            self.lose();
        }
        wire::from_past(self.since.elapsed() + READ_BACK + CLOCKS_DIFFER)
    }

    /// Takes the next entry, and tells the reader what is new in it.
    pub(super) fn advance(&mut self, offset: Option<i64>, body: Vec<u8>) -> Option<Entry> {
        let entry = Entry::decode(&body);
        // A message without an offset can't come from a stream.
        let offset = offset.unwrap_or(-1);
        let is_next = match &self.last {
            None => true,
            Some(last) if self.is_found => follows(last.offset, offset),
            Some(last) => {
                if last.offset == offset && last.body == body {
                    self.is_found = true;
                    return entry;
                }
                false
            }
        };
        if !is_next || entry.is_none() {
            self.lose();
        }
        if let Some(Entry::Intent(intent)) = entry {
            self.reader.read(Logged::Intent(intent));
        }
        self.last = Some(Last { offset, body });
        self.is_found = true;
        entry
    }

    /// Entries may be missing.
    pub(super) fn lose(&mut self) {
        tracing::warn!("the log of intents has a gap: every call counts as being updated");
        self.reader.read(Logged::Gap);
        self.since = Instant::now();
        self.last = None;
    }

    /// The log sends nothing although something is there. If it ends before the offset that was
    /// asked for, the broker sends nothing until the log gets there again.
    pub(super) fn suspect(&mut self) {
        if self.last.is_some() && !self.is_found {
            self.lose();
        }
    }
}

/// Whether nothing was lost between two offsets. At the end of each segment the broker writes an
/// entry of its own, which it shows to nobody; it trims whole segments only.
fn follows(last: i64, next: i64) -> bool {
    next == last + 1 || next == last + 2
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use lapin::types::AMQPValue;

    use super::*;
    use crate::Intent;

    #[derive(Default)]
    struct Told(Mutex<String>);

    impl IntentReader for Told {
        fn read(&self, logged: Logged) {
            let said = match logged {
                Logged::Intent(intent) => intent.id.to_string(),
                Logged::Gap => "gap".to_owned(),
            };
            let mut told = self.0.lock().unwrap();
            *told = format!("{told} {said}").trim().to_owned();
        }
    }

    /// A position in a log, and what its reader is told.
    struct Reading {
        position: Position,
        told: Arc<Told>,
    }

    impl Reading {
        /// Of entries that are numbered by their offsets.
        fn of(offsets: impl IntoIterator<Item = i64>) -> Self {
            let told = Arc::new(Told::default());
            let mut reading = Self {
                position: Position::new(told.clone()),
                told,
            };
            reading.position.resume();
            for offset in offsets {
                reading.read(offset, offset);
            }
            reading
        }

        fn read(&mut self, offset: i64, id: i64) {
            let intent = Intent {
                id: id.unsigned_abs().into(),
                incarnation: 1,
                call_sid: "CA0123456789abcdef0123456789abcdef".parse().unwrap(),
            };
            let body = Entry::Intent(intent).encode();
            assert!(self.position.advance(Some(offset), body).is_some());
        }

        fn told(&self) -> String {
            self.told.0.lock().unwrap().clone()
        }
    }

    /// Where the broker is asked to begin.
    fn begin(arguments: &FieldTable) -> AMQPValue {
        arguments.inner().values().next().cloned().unwrap()
    }

    #[test]
    fn a_reading_is_resumed_with_the_last_entry_which_is_told_once() {
        let mut reading = Reading::of(7..10);
        let from = reading.position.resume();
        assert_eq!(begin(&from), AMQPValue::LongLongInt(9));
        reading.read(9, 9);
        reading.read(10, 10);
        assert_eq!(reading.told(), "7 8 9 10");
    }

    #[test]
    fn another_entry_in_the_place_of_the_last_one_is_a_gap() {
        let mut reading = Reading::of(7..10);
        reading.position.resume();
        reading.read(9, 99);
        reading.read(10, 10);
        assert_eq!(reading.told(), "7 8 9 gap 99 10");
    }

    #[test]
    fn a_log_that_begins_behind_the_last_entry_has_a_gap() {
        let mut reading = Reading::of(7..10);
        reading.position.resume();
        reading.read(10, 10);
        assert_eq!(reading.told(), "7 8 9 gap 10");
    }

    #[test]
    fn the_brokers_own_entry_leaves_no_gap_and_two_missing_ones_do() {
        let reading = Reading::of([7, 8, 10, 11, 14]);
        assert_eq!(reading.told(), "7 8 10 11 gap 14");
    }

    #[test]
    fn an_offset_that_comes_again_or_none_at_all_is_a_gap() {
        let reading = Reading::of([7, 8, 8]);
        assert_eq!(reading.told(), "7 8 gap 8");
        let mut reading = Reading::of([7]);
        reading.position.advance(None, Entry::Mark(1).encode());
        assert_eq!(reading.told(), "7 gap");
    }

    #[test]
    fn a_mark_is_told_to_nobody_and_keeps_the_place() {
        let mut reading = Reading::of([7]);
        let mark = Entry::Mark(1);
        reading.position.advance(Some(8), mark.encode());
        reading.position.resume();
        assert_eq!(reading.position.advance(Some(8), mark.encode()), Some(mark));
        reading.read(9, 9);
        assert_eq!(reading.told(), "7 9");
    }

    #[test]
    fn a_log_that_brings_nothing_where_its_last_entry_should_be_has_a_gap() {
        let mut reading = Reading::of([7]);
        // It does come, only slowly.
        reading.position.suspect();
        reading.position.resume();
        reading.read(7, 7);
        reading.position.suspect();
        assert_eq!(reading.told(), "7");
        reading.position.resume();
        reading.position.suspect();
        assert_eq!(reading.told(), "7 gap");
        let from = begin(&reading.position.resume());
        assert_eq!(from, AMQPValue::LongString("120s".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn entries_written_before_the_first_read_are_read_or_a_gap() {
        let mut reading = Reading::of([]);
        tokio::time::advance(Duration::from_secs(200)).await;
        let from = begin(&reading.position.resume());
        assert_eq!(from, AMQPValue::LongString("320s".into()));
        assert_eq!(reading.told(), "");
        tokio::time::advance(Duration::from_secs(200)).await;
        let from = begin(&reading.position.resume());
        assert_eq!(from, AMQPValue::LongString("120s".into()));
        assert_eq!(reading.told(), "gap");
    }
}
