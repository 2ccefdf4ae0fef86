//! Whether what was told of callers is what they lived through, by the simulator's journal.

use std::collections::BTreeSet;
use std::time::Duration;

use queue::{CallerEnd, Outcome, OutcomeKind};
use simulator::{CalleeEnd, CalleeLog, CallerLog, DialOutcome, Heard};
use twilio::E164;

use crate::ladder_judge::ASKED_AND_MORE;
use crate::promises::Promise;

/// Shorter than this, a recording is no message.
const MESSAGE: Duration = Duration::from_secs(2);

/// Every promise that was broken about a caller whose call is over. What is told is not exact where an
/// ingest knows other plans, or is asked again, long after, what it has answered.
pub fn promises_broken(log: &CallerLog, told: &[Outcome], is_exact: bool) -> Vec<Promise> {
    let told: Vec<_> = told.iter().filter(|o| o.call_sid == log.call).collect();
    let mut broken = Vec::new();
    // Who is missed by themselves, and had somebody, is not told as missed.
    let is_mended = |outcome: &Outcome| {
        let mut others = told.iter().filter(|other| other.id != outcome.id);
        let is_by_itself = outcome.id == log.call.as_str() && outcome.caller.is_none();
        is_by_itself && others.any(|other| other.caller.is_some())
    };
    let mut all = told.iter();
    if is_exact && all.any(|outcome| !is_true(outcome, log) && !is_mended(outcome)) {
        broken.push(Promise::Invented);
    }
    let ends = told.iter().filter(|outcome| outcome.caller.is_some());
    let ends: BTreeSet<_> = ends.map(|outcome| &outcome.id).collect();
    // Who is put on hold again begins anew.
    if is_exact && ends.len() > log.redirects() {
        broken.push(Promise::EndsTwice);
    }
    // Of somebody whom nothing of ours has reached it can't be known whether they were redirected.
    let was_reached = !log.callees.is_empty() || was_recorded(log);
    if ends.is_empty() && was_reached && log.redirects() > 0 {
        broken.push(Promise::Untold);
    }
    broken
}

fn is_true(outcome: &Outcome, log: &CallerLog) -> bool {
    match (outcome.dialed_call_sid, outcome.outcome, outcome.caller) {
        (Some(leg), kind, end) => {
            let mut callees = log.callees.iter();
            let Some(callee) = callees.find(|callee| callee.call == leg) else {
                return false;
            };
            let is_taken = (kind == OutcomeKind::Answered) == (end == Some(CallerEnd::Taken));
            outcome.id == leg.as_str() && is_taken && came_to(callee, kind)
        }
        (None, OutcomeKind::Failed, None | Some(CallerEnd::Missed)) => dialled_nobody(log),
        (None, OutcomeKind::Voicemail, Some(CallerEnd::Recorded)) => was_recorded(log),
        (
            None,
            OutcomeKind::HungUp | OutcomeKind::LastWords | OutcomeKind::Closed,
            Some(CallerEnd::Missed),
        ) => log.redirects() > 1 || !log.callees.iter().any(was_talk),
        _ => false,
    }
}

fn came_to(callee: &CalleeLog, kind: OutcomeKind) -> bool {
    match callee.ended() {
        None => false,
        Some((CalleeEnd::Busy, _)) => kind == OutcomeKind::Busy,
        Some((CalleeEnd::NoAnswer, _)) => kind == OutcomeKind::NoAnswer,
        Some((CalleeEnd::Failed, _)) => kind == OutcomeKind::Failed,
        _ if callee.picked_up().is_none() => kind == OutcomeKind::Canceled,
        // It may have been shorter than the asking can be, or a mailbox that heard more than that.
        _ if callee.asked || !was_talk(callee) => {
            matches!(kind, OutcomeKind::Answered | OutcomeKind::NotAccepted)
        }
        _ => kind == OutcomeKind::Answered,
    }
}

/// Whether somebody had the caller for longer than any asking takes. Less counts for nothing where
/// somebody may have been asked, and whether that was so can't be known of a number that rings in
/// several steps, if Twilio could not tell of the call.
fn was_talk(callee: &CalleeLog) -> bool {
    let (Some(from), Some((_, to))) = (callee.picked_up(), callee.ended()) else {
        return false;
    };
    callee.had_the_caller() && to - from > ASKED_AND_MORE
}

/// Whether Twilio refused to call all numbers of a `<Dial>`: what a phone does is the same all along.
fn dialled_nobody(log: &CallerLog) -> bool {
    let was_rung = |number: &E164| log.callees.iter().any(|callee| callee.number == *number);
    log.entries.iter().any(|entry| match &entry.heard {
        Heard::Dialled(record) if record.outcome == DialOutcome::Failed => {
            !record.numbers.iter().any(was_rung)
        }
        _ => false,
    })
}

fn was_recorded(log: &CallerLog) -> bool {
    let is_message =
        |heard: &Heard| matches!(heard, Heard::Recorded { lasted } if *lasted >= MESSAGE);
    log.entries.iter().any(|entry| is_message(&entry.heard))
}
