//! Whether the promises held: judged by what Twilio saw, never by our own counters.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use simulator::{Caller, CallerLog, Endpoint, EventKind, HangUp, Heard, Journal, RequestOutcome};
use twilio::CallSid;

use crate::Stack;

/// What came of the callers of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Callers.
    pub calls: usize,
    /// Those redirected, each once.
    pub redirected: usize,
    /// Those who hung up before.
    pub hung_up: usize,
    /// Dead letters that are left of those redirected, by reason.
    pub dead_letters: BTreeMap<String, usize>,
    /// Those whose callback was never answered with a 2xx, redirected or gone nevertheless.
    pub without_callback: usize,
    /// From a caller's entry into the placeholder queue to the redirect, in ms: the median.
    pub median_ms: u64,
    /// The same: the longest.
    pub longest_ms: u64,
    /// The longest that an answer to a callback took, in ms.
    pub slowest_answer_ms: u64,
}

/// The dead letters by call, as the queue shows them.
pub(super) async fn dead_letters(stack: &Stack) -> HashMap<CallSid, String> {
    let letters = stack.dead_letters().await;
    letters
        .iter()
        .filter_map(|letter| {
            let call = letter.request()?.call_sid;
            Some((call, letter.cause.reason.to_string()))
        })
        .collect()
}

/// The calls with an event that was answered with a 2xx, and that asked for a redirect.
pub(super) fn accepted(journal: &Journal) -> HashSet<CallSid> {
    journal
        .callbacks()
        .filter(|sent| sent.kind == EventKind::TaskQueueEntered && sent.outcome.is_success())
        .filter_map(|sent| sent.call)
        .collect()
}

/// Judges a run after everything has settled: the figures, or each promise that was broken.
pub(super) fn judge(
    journal: &Journal,
    callers: &[Caller],
    dead: &HashMap<CallSid, String>,
    reasons: &[&str],
) -> Result<Figures, Vec<String>> {
    let accepted = accepted(journal);
    let cancelled = cancelled(journal);
    let mut figures = Figures {
        calls: callers.len(),
        ..Figures::default()
    };
    let mut broken = Vec::new();
    let mut waits = Vec::new();
    for caller in callers {
        let Some(heard) = journal.caller(&caller.call_sid) else {
            broken.push(format!("{} was forgotten", caller.call_sid));
            continue;
        };
        figures.without_callback += usize::from(!accepted.contains(&caller.call_sid));
        let reason = dead.get(&caller.call_sid);
        match (heard.redirects(), reason) {
            (0, _) if hung_up(heard) => figures.hung_up += 1,
            (0, Some(reason)) => broken.push(format!("a dead letter, {reason}: {heard:?}")),
            (0, None) if accepted.contains(&caller.call_sid) => {
                broken.push(format!("answered with a 2xx, and lost: {heard:?}"));
            }
            (0, None) => broken.push(format!("still on hold: {heard:?}")),
            (_, Some(reason)) if !reasons.contains(&reason.as_str()) => {
                broken.push(format!(
                    "redirected, yet a dead letter, {reason}: {heard:?}"
                ));
            }
            (_, reason) if heard.was_redirected_once() => {
                if let Some(reason) = reason {
                    *figures.dead_letters.entry(reason.clone()).or_default() += 1;
                }
                figures.redirected += 1;
                waits.extend(wait(heard));
            }
            (_, _) => broken.push(format!("not redirected just once: {heard:?}")),
        }
        if let Some(at) = heard.task.and_then(|task| cancelled.get(task.as_str()))
            && on_hold_at(heard, *at)
        {
            broken.push(format!(
                "on hold, and the task cancelled at {at:?}: {heard:?}"
            ));
        }
    }
    if !broken.is_empty() {
        return Err(broken);
    }
    waits.sort_unstable();
    figures.median_ms = waits.get(waits.len() / 2).map_or(0, millis);
    figures.longest_ms = waits.last().map_or(0, millis);
    let answered = journal
        .callbacks()
        .filter(|sent| sent.outcome.status().is_some());
    figures.slowest_answer_ms = answered
        .map(|sent| millis(&sent.latency))
        .max()
        .unwrap_or(0);
    Ok(figures)
}

/// The tasks that were cancelled by request, and when.
fn cancelled(journal: &Journal) -> HashMap<&str, Duration> {
    let requests = journal.requests().filter(|request| {
        request.endpoint == Some(Endpoint::UpdateTask)
            && request.form_value("AssignmentStatus") == Some("canceled")
            && matches!(
                request.outcome,
                RequestOutcome::Answered { status: 200, .. }
                    | RequestOutcome::AnswerLost { status: 200 }
            )
    });
    requests
        .filter_map(|request| Some((request.path.rsplit('/').next()?, request.at)))
        .collect()
}

fn on_hold_at(heard: &CallerLog, at: Duration) -> bool {
    let until_then = heard.entries.iter().take_while(|entry| entry.at <= at);
    until_then
        .last()
        .is_some_and(|entry| entry.heard == Heard::HoldMusic)
}

fn hung_up(heard: &CallerLog) -> bool {
    let by_caller = Heard::HungUp { by: HangUp::Caller };
    heard.entries.iter().any(|entry| entry.heard == by_caller)
}

fn wait(heard: &CallerLog) -> Option<Duration> {
    let at = |wanted: fn(&Heard) -> bool| {
        let mut entries = heard.entries.iter();
        entries
            .find(|entry| wanted(&entry.heard))
            .map(|entry| entry.at)
    };
    let entered = at(|heard| matches!(heard, Heard::HoldMusic))?;
    let redirected = at(|heard| matches!(heard, Heard::Redirected { .. }))?;
    Some(redirected.saturating_sub(entered))
}

fn millis(time: &Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
