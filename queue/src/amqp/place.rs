//! Where a reader is in the log of intents, and whether it has missed anything.

use std::sync::Arc;
use std::time::Duration;

use lapin::types::FieldTable;
use tokio::time::Instant;

use super::entry::Entry;
use super::topology::INTENTS_KEPT;
use super::wire;
use crate::{IntentReader, Logged, READ_BACK};

/// The broker goes by its own time of day, and by another node's after a change of leader.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// Beyond this, what should be read may be about to be trimmed.
const FURTHEST_BACK: Duration = Duration::from_secs(INTENTS_KEPT.as_secs() / 2);

pub(super) struct Place {
    reader: Arc<dyn IntentReader>,
    /// From when on the reader must know of every entry.
    since: Instant,
    last: Option<Last>,
    /// Whether the reading that is under way has found `last` where it was.
    is_found: bool,
}

struct Last {
    offset: i64,
    body: Vec<u8>,
}

impl Place {
    pub(super) fn new(reader: Arc<dyn IntentReader>) -> Self {
        Self {
            reader,
            since: Instant::now(),
            last: None,
            is_found: false,
        }
    }

    /// Begins a new reading, and tells from where on: the last entry itself comes once more.
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

    /// The log brings nothing although something is there: where it ends before the place that was
    /// asked for, the broker sends nothing until it gets there again.
    pub(super) fn doubt(&mut self) {
        if self.last.is_some() && !self.is_found {
            self.lose();
        }
    }
}

/// Whether nothing was lost between two offsets. At the end of each segment the broker writes an
/// entry of its own, which it shows to nobody; what it trims is whole segments.
fn follows(last: i64, next: i64) -> bool {
    next == last + 1 || next == last + 2
}
