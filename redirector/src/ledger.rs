//! What this process has read in the log of intents, and what follows from it: when a look at
//! Twilio proves that a caller waits.
//!
//! Any intent of a call may have led to an update that Twilio carries out late. So an answer that
//! the caller waits is proof only if it was asked for after the last moment at which such an update
//! could take effect.

use std::collections::{HashMap, VecDeque};

use std::time::Duration;

use parking_lot::Mutex;
use queue::{Intent, IntentReader, Logged, READ_BACK};
use tokio::time::Instant;
use twilio::CallSid;

/// How long an intent is good: an update is sent this soon after its append was begun, or not at
/// all.
pub(crate) const INTENT_GOOD_FOR: Duration = Duration::from_secs(2);
/// The longest pause of the process that is assumed between the last check and the sending.
const PAUSE: Duration = Duration::from_secs(3);

/// The intents read, by call.
pub(crate) struct Ledger {
    incarnation: u64,
    /// How long after an intent was read its update may still take effect.
    late: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: HashMap<CallSid, Vec<Entry>>,
    /// Calls in the order in which their entries were noted.
    by_age: VecDeque<(Instant, CallSid)>,
    /// How many entries and gaps were read.
    position: u64,
    /// The latest gap. It stands for an intent of every call.
    gap: Option<(u64, Instant)>,
}

struct Entry {
    id: u128,
    /// Where in the log; `None` for one of ours that was not read back.
    position: Option<u64>,
    doubt: Doubt,
}

/// What an intent leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// Nothing: it was never sent, or definitely refused.
    Settled,
    /// Its update may take effect until this moment.
    Until(Instant),
}

impl Ledger {
    /// An empty one. `twilio_late` is how late Twilio may carry an update out.
    pub(crate) fn new(twilio_late: Duration) -> Self {
        Self {
            incarnation: fastrand::u64(..),
            late: twilio_late + INTENT_GOOD_FOR + PAUSE,
            state: Mutex::default(),
        }
    }

    /// A new intent of this process.
    pub(crate) fn draw(&self, call_sid: CallSid) -> Intent {
        Intent {
            id: fastrand::u128(..),
            incarnation: self.incarnation,
            call_sid,
        }
    }

    /// The moment after which a look must be asked for to be a proof; `None` where nothing is in
    /// doubt.
    pub(crate) fn doubt(&self, call: &CallSid) -> Option<Instant> {
        self.state.lock().doubt(self.late, call, u64::MAX)
    }

    /// As [`Self::doubt`], for what was written before the intent. Whoever writes after it reads it
    /// first, and waits for us.
    pub(crate) fn doubt_before(&self, intent: &Intent) -> Option<Instant> {
        let state = self.state.lock();
        let entries = state.calls.get(&intent.call_sid);
        let own = entries.and_then(|entries| entries.iter().find(|entry| entry.id == intent.id));
        // Not read back, it could stand anywhere.
        let position = own.and_then(|own| own.position).unwrap_or(u64::MAX);
        state.doubt(self.late, &intent.call_sid, position)
    }

    /// The intent came to nothing: it was not sent, or Twilio definitely refused it.
    pub(crate) fn settle(&self, intent: &Intent) {
        self.note(intent, Doubt::Settled);
    }

    /// Twilio answered the update with a failure: it is over, but what it did will show only in a
    /// while.
    pub(crate) fn over(&self, intent: &Intent, shows_after: Duration) {
        self.note(intent, Doubt::Until(Instant::now() + shows_after));
    }

    fn note(&self, intent: &Intent, doubt: Doubt) {
        let mut state = self.state.lock();
        let entries = state.calls.entry(intent.call_sid).or_default();
        match entries.iter_mut().find(|entry| entry.id == intent.id) {
            Some(entry) => entry.doubt = doubt,
            // Its append failed, and it may come to light later all the same.
            None => {
                entries.push(Entry {
                    id: intent.id,
                    position: None,
                    doubt,
                });
                state.by_age.push_back((Instant::now(), intent.call_sid));
            }
        }
    }
}

impl IntentReader for Ledger {
    fn read(&self, logged: Logged) {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.position += 1;
        let position = state.position;
        match logged {
            Logged::Gap => state.gap = Some((position, now)),
            Logged::Intent(intent) => {
                let entries = state.calls.entry(intent.call_sid).or_default();
                match entries.iter_mut().find(|entry| entry.id == intent.id) {
                    // After a gap it may be told again: where it stood first counts.
                    Some(entry) => {
                        entry.position.get_or_insert(position);
                    }
                    None => {
                        entries.push(Entry {
                            id: intent.id,
                            position: Some(position),
                            doubt: Doubt::Until(now + self.late),
                        });
                        state.by_age.push_back((now, intent.call_sid));
                    }
                }
            }
        }
        // As far as a new reader reads back: events that are older prove nothing by themselves.
        if let Some(moment) = now.checked_sub(READ_BACK.max(self.late)) {
            state.forget(moment);
        }
    }
}

impl State {
    fn doubt(&self, late: Duration, call: &CallSid, before: u64) -> Option<Instant> {
        let gap = self
            .gap
            .filter(|(position, _)| *position < before)
            .map(|(_, at)| at + late);
        let entries = self.calls.get(call).map(Vec::as_slice).unwrap_or_default();
        entries
            .iter()
            .filter(|entry| entry.position.is_none_or(|position| position < before))
            .filter_map(|entry| match entry.doubt {
                Doubt::Settled => None,
                Doubt::Until(moment) => Some(moment),
            })
            .chain(gap)
            .max()
    }

    /// Forgets what is older than `moment`.
    fn forget(&mut self, moment: Instant) {
        self.gap = self.gap.filter(|(_, at)| *at >= moment);
        while let Some((at, call)) = self.by_age.front()
            && *at < moment
        {
            if let Some(entries) = self.calls.get_mut(call) {
                entries.remove(0);
                if entries.is_empty() {
                    self.calls.remove(call);
                }
            }
            self.by_age.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_secs(30);
    /// `LATE`, and the rest that an intent's update may take.
    const W: Duration = Duration::from_secs(35);

    fn call(n: u32) -> CallSid {
        format!("CA{n:032x}").parse().unwrap()
    }

    /// An intent, read back by its writer and by another redirector.
    fn write(ours: &Ledger, theirs: &Ledger, n: u32) -> Intent {
        let intent = ours.draw(call(n));
        for ledger in [ours, theirs] {
            ledger.read(Logged::Intent(intent));
        }
        intent
    }

    fn pair() -> (Ledger, Ledger) {
        (Ledger::new(LATE), Ledger::new(LATE))
    }

    #[tokio::test(start_paused = true)]
    async fn an_intent_is_doubt_for_everybody_its_writer_included() {
        let (ours, theirs) = pair();
        let intent = write(&ours, &theirs, 1);
        let until = Instant::now() + W;
        assert_eq!(ours.doubt(&call(1)), Some(until), "also after a success");
        assert_eq!(theirs.doubt(&call(1)), Some(until));
        assert_eq!(ours.doubt(&call(2)), None);
        assert_eq!(ours.doubt_before(&intent), None, "it doesn't stop itself");
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_intents_only_the_first_may_be_acted_upon() {
        let (ours, theirs) = pair();
        let first = write(&ours, &theirs, 1);
        let second = write(&theirs, &ours, 1);
        assert_eq!(ours.doubt_before(&first), None);
        assert!(theirs.doubt_before(&second).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_to_nothing_is_no_doubt_for_its_writer() {
        let (ours, theirs) = pair();
        let intent = write(&ours, &theirs, 1);
        ours.settle(&intent);
        assert_eq!(ours.doubt(&call(1)), None);
        assert!(theirs.doubt(&call(1)).is_some(), "they can't know");
    }

    #[tokio::test(start_paused = true)]
    async fn an_append_that_seemed_to_fail_is_known_when_it_comes_to_light() {
        let ledger = Ledger::new(LATE);
        let intent = ledger.draw(call(1));
        ledger.settle(&intent);
        ledger.read(Logged::Intent(intent));
        assert_eq!(ledger.doubt(&call(1)), None);
        let next = ledger.draw(call(1));
        assert_ne!(next.id, intent.id, "known by its id, not by its call");
        ledger.read(Logged::Intent(next));
        assert!(ledger.doubt(&call(1)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answered_failure_shows_sooner_for_the_one_who_was_answered() {
        let (ours, theirs) = pair();
        let intent = write(&ours, &theirs, 1);
        let shows_after = Duration::from_secs(2);
        ours.over(&intent, shows_after);
        assert_eq!(ours.doubt(&call(1)), Some(Instant::now() + shows_after));
        assert_eq!(theirs.doubt(&call(1)), Some(Instant::now() + W));
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_is_an_intent_of_every_call() {
        let ledger = Ledger::new(LATE);
        ledger.read(Logged::Gap);
        assert_eq!(ledger.doubt(&call(1)), Some(Instant::now() + W));
        let intent = ledger.draw(call(2));
        ledger.read(Logged::Intent(intent));
        assert!(ledger.doubt_before(&intent).is_some());
        let intent = ledger.draw(call(3));
        ledger.read(Logged::Intent(intent));
        ledger.read(Logged::Gap);
        tokio::time::advance(READ_BACK * 2).await;
        ledger.read(Logged::Intent(ledger.draw(call(4))));
        assert_eq!(ledger.doubt(&call(1)), None, "as long as all others");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_a_new_reader_would_know_is_forgotten() {
        let ledger = Ledger::new(LATE);
        for n in 0..100 {
            ledger.read(Logged::Intent(ledger.draw(call(n % 10))));
        }
        tokio::time::advance(READ_BACK + Duration::from_millis(1)).await;
        ledger.read(Logged::Intent(ledger.draw(call(10))));
        let state = ledger.state.lock();
        assert_eq!((state.calls.len(), state.by_age.len()), (1, 1));
    }
}
