//! Who waits: those whom processes have, and those whom nobody has.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use queue::Reason;
use twilio::CallSid;

use crate::past::Past;
use crate::{DeadLetters, Waiting, Whereabouts};

/// The callers who wait, as far as processes know them.
#[derive(Default)]
pub(crate) struct Callers {
    known: BTreeMap<CallSid, Waiting>,
    /// How many are at redirectors and in spools, those included who are not listed.
    ours: u64,
    /// What is known of the sweep.
    pub(crate) swept: Option<Swept>,
}

/// The sweep, as the process that sweeps tells it.
pub(crate) struct Swept {
    pub(crate) process: String,
    /// When the last whole one was, if there was one.
    pub(crate) at: Option<Timestamp>,
    /// By when there should have been another.
    pub(crate) due: Timestamp,
    /// Who was on hold then.
    pub(crate) on_hold: Vec<Waiting>,
}

impl Callers {
    /// A process has so many, these among them.
    pub(crate) fn add(&mut self, count: u64, listed: impl Iterator<Item = Waiting>) {
        self.ours += count;
        for waiting in listed {
            match self.known.entry(waiting.call_sid) {
                Entry::Vacant(entry) => drop(entry.insert(waiting)),
                // The sweep of one redirector puts callers on the queue whom another is at.
                Entry::Occupied(mut entry) => {
                    self.ours = self.ours.saturating_sub(1);
                    if attempts(&waiting) > attempts(entry.get()) {
                        entry.insert(waiting);
                    }
                }
            }
        }
    }

    /// The one that was or is due last counts.
    pub(crate) fn swept_by(&mut self, swept: Swept) {
        let before = self.swept.take();
        self.swept = before
            .into_iter()
            .chain([swept])
            .max_by_key(|swept| swept.due);
    }

    /// Everybody who waits at the time `now`, the longest first, and how many they are, while `queued`
    /// requests are on the queue.
    pub(crate) fn all(
        self,
        now: Timestamp,
        queued: u64,
        past: &Past,
        dead: &DeadLetters,
    ) -> (Vec<Waiting>, u64) {
        // Where no sweep came through for long, nothing is known of them any more.
        let swept = self.swept.filter(|swept| !swept.is_overdue(now));
        let on_hold = swept.into_iter().flat_map(|swept| swept.on_hold);
        let is_helped = |Waiting {
                             call_sid, since, ..
                         }: &Waiting| {
            since.is_some_and(|since| past.is_redirected_since(call_sid, since))
        };
        let on_hold: Vec<_> = on_hold
            .filter(|caller| !self.known.contains_key(&caller.call_sid) && !is_helped(caller))
            .collect();
        let mut waiting: Vec<_> = self.known.into_values().collect();
        let (mut count, mut on_queue) = (self.ours + queued, queued);
        for mut caller in on_hold {
            if is_dead(&caller, dead) {
                caller.whereabouts = Whereabouts::GivenUp;
                count += 1;
            } else if on_queue > 0 {
                // What waits on the queue is not looked at, but these may well be it.
                caller.whereabouts = Whereabouts::Queue;
                on_queue -= 1;
            } else {
                count += 1;
            }
            waiting.push(caller);
        }
        waiting.sort_by_key(|waiting| waiting.since);
        (waiting, count)
    }
}

impl Swept {
    /// Whether there has been no whole sweep for longer than there should be.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        now > self.due
    }
}

/// How often a redirector that has the caller has tried; who is at none comes last.
fn attempts(waiting: &Waiting) -> Option<u32> {
    match waiting.whereabouts {
        Whereabouts::Retried { attempts, .. } => Some(attempts.max(1)),
        Whereabouts::AtRedirector { .. } => Some(0),
        _ => None,
    }
}

/// Whether the request for the caller, since they have waited, has become a dead letter.
fn is_dead(waiting: &Waiting, dead: &DeadLetters) -> bool {
    dead.shown.iter().any(|letter| {
        letter.call_sid == Some(waiting.call_sid)
            && letter.reason != Reason::NotNotified.as_str()
            && waiting.since.is_none_or(|since| letter.died_at >= since)
    })
}
