//! Times and outcomes in words.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};
use overview::span;
use queue::{CallerEnd, OutcomeKind};

/// For how long something has been so.
pub(super) fn since(at: Timestamp, now: Timestamp) -> Markup {
    time(at, &between(at, now))
}

pub(super) fn ago(at: Timestamp, now: Timestamp) -> Markup {
    time(at, &format!("{} ago", between(at, now)))
}

/// How soon it is to be.
pub(super) fn soon(at: Timestamp, now: Timestamp) -> Markup {
    time(at, &format!("in {}", between(now, at)))
}

/// Another machine's clock may be ahead. Parts of a second only flicker here.
fn between(from: Timestamp, to: Timestamp) -> String {
    let time = Duration::try_from(to.duration_since(from)).unwrap_or_default();
    match time.as_secs() {
        seconds @ ..10 => format!("{seconds} s"),
        _ => span(time),
    }
}

fn time(at: Timestamp, words: &str) -> Markup {
    html! { time datetime=(format!("{at:.0}")) title=(utc(at, "%F %T")) { (words) } }
}

pub(super) fn utc(at: Timestamp, format: &str) -> String {
    format!("{} UTC", at.strftime(format))
}

/// What became of a caller: a sign beside the words, for those who only glance.
pub(super) fn end(end: Option<CallerEnd>, outcome: Option<OutcomeKind>) -> Markup {
    let (class, sign, words) = match end {
        Some(CallerEnd::Taken) => ("good", "✓", "taken"),
        Some(CallerEnd::Recorded) => ("good", "✉", "left a message"),
        Some(CallerEnd::Missed) => ("bad", "✗", "missed"),
        None => ("open", "…", "not known yet"),
    };
    html! {
        (mark(class, sign, words))
        @if let Some(outcome) = outcome { small { " " (outcome.as_str()) } }
    }
}

/// Words with a sign, so that their colour isn't all that tells.
pub(super) fn mark(class: &str, sign: &str, words: &str) -> Markup {
    html! { span class=(class) { span aria-hidden="true" { (sign) } " " (words) } }
}

/// Words in which `commands` stand between such marks.
pub(super) fn with_code(words: &str) -> Markup {
    html! {
        @for (part, is_code) in words.split('`').zip([false, true].into_iter().cycle()) {
            @if is_code { code { (part) } } @else { (part) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_typed_is_marked_and_what_comes_from_outside_is_text() {
        let words = with_code("start it (`overflow run`): <b>`");
        let html = "start it (<code>overflow run</code>): &lt;b&gt;<code></code>";
        assert_eq!(words.0, html);
    }

    #[test]
    fn times_are_told_in_whole_seconds_and_a_clock_ahead_of_ours_makes_none_negative() {
        let now = Timestamp::UNIX_EPOCH;
        let later = now + Duration::from_millis(4_700);
        assert!(ago(now, later).0.contains(">4 s ago<"));
        assert!(ago(later, now).0.contains(">0 s ago<"));
        assert!(soon(later, now).0.contains(">in 4 s<"));
        assert!(soon(now, later).0.contains(">in 0 s<"));
    }
}
