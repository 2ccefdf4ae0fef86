//! Whether every promise was kept to a caller on a ladder, by the simulator's journal.

use std::time::Duration;

use simulator::{CalleeLog, CallerLog, Entry, Fate, Heard};

use crate::ladders::KEY;
use crate::promises::Promise;

/// Longer than any prompt, its key and what comes with them: whoever had somebody for so long talked to
/// them.
pub const ASKED_AND_MORE: Duration = Duration::from_secs(65);

/// Where a caller came onto a ladder whom it still has, or had to the end: the place in what they heard.
fn onto_the_ladder(log: &CallerLog) -> Option<usize> {
    let at = log.entries.iter().rposition(|entry| {
        matches!(
            entry.heard,
            Heard::HoldMusic
                | Heard::Redirected { .. }
                | Heard::AgentAnswered
                | Heard::TakenOffHold
        )
    })?;
    matches!(log.entries[at].heard, Heard::Redirected { .. }).then_some(at)
}

/// Whether a ladder has the caller now.
pub fn is_on_a_ladder(log: &CallerLog) -> bool {
    let ended = |e: &Entry| matches!(e.heard, Heard::HungUp { .. });
    onto_the_ladder(log).is_some_and(|at| !log.entries[at..].iter().any(ended))
}

/// What a caller went through on the ladder that they came to last.
fn climb(log: &CallerLog) -> Option<CallerLog> {
    let at = onto_the_ladder(log)?;
    let since = log.entries[at].at;
    let callees = log.callees.iter();
    let callees = callees.filter(|callee| began(callee) >= Some(since));
    Some(CallerLog {
        entries: log.entries[at..].to_vec(),
        callees: callees.cloned().collect(),
        ..*log
    })
}

/// How it ended for a caller who came onto a ladder.
pub fn fate(log: &CallerLog) -> Option<Fate> {
    climb(log).map(|climb| climb.fate())
}

/// Every promise that was broken to a caller. `mailbox` is whether their plan may lead to one.
pub fn promises_broken(log: &CallerLog, could_ask: bool, mailbox: bool) -> Vec<Promise> {
    let mut broken = Vec::new();
    let mut breaks = |promise, is_broken: bool| broken.extend(is_broken.then_some(promise));
    breaks(Promise::DialledTwiceAtOnce, log.was_dialled_twice_at_once());
    breaks(Promise::GivenAway, log.callees.iter().any(is_given_away));
    breaks(Promise::RungAfterTalk, was_rung_after_a_talk(log));
    let Some(climb) = climb(log) else {
        return broken;
    };
    breaks(
        Promise::Apology,
        could_ask && climb.application_errors() > 0,
    );
    let is_served = match climb.fate() {
        Fate::Human | Fate::Message | Fate::HungUp | Fate::LastSentence => true,
        Fate::Mailbox => mailbox,
        Fate::ApplicationError => true,
        Fate::UnderWay | Fate::Silence => false,
    };
    breaks(Promise::LeftInSilence, !is_served);
    let all_over = climb.callees.iter().all(|callee| callee.ended().is_some());
    breaks(Promise::NeverOver, is_on_a_ladder(&climb) || !all_over);
    broken
}

/// Whether somebody has the caller who should have pressed the key, and pressed none or another.
fn is_given_away(callee: &CalleeLog) -> bool {
    callee.asked && callee.had_the_caller() && callee.pressed().next() != Some(KEY)
}

fn began(callee: &CalleeLog) -> Option<Duration> {
    callee.moments.first().map(|moment| moment.at)
}

/// Whether anybody was rung for the caller after somebody had had them for so long, or who need not be
/// asked for a key.
fn was_rung_after_a_talk(log: &CallerLog) -> bool {
    log.callees.iter().any(|talked| {
        let (Some(from), Some((_, to))) = (talked.picked_up(), talked.ended()) else {
            return false;
        };
        let is_talk = talked.had_the_caller() && (!talked.asked || to - from > ASKED_AND_MORE);
        // Whoever came back onto hold meanwhile is a new caller.
        let back = log
            .entries
            .iter()
            .find(|entry| entry.at >= to && matches!(entry.heard, Heard::HoldMusic));
        let rung_later = |other: &&CalleeLog| {
            began(other).is_some_and(|at| at >= to && back.is_none_or(|back| at < back.at))
        };
        is_talk
            && log
                .callees
                .iter()
                .filter(|c| c.dial != talked.dial)
                .any(|c| rung_later(&c))
    })
}
