//! Dead letters: what can't be done without a person, and the forms by which a person does it.

use maud::{Markup, html};
use overview::{DeadLetter, DeadLetters, Overview, counted};
use queue::{Reason, Settlement};

use super::words::ago;
use super::{Viewer, table};
use crate::change::{Change, Progress};
use crate::sessions::Session;

pub(super) fn dead(overview: &Overview, viewer: &Viewer<'_>) -> Markup {
    let DeadLetters {
        count: all,
        shown,
        by_reason,
        seen_at,
        ..
    } = &overview.dead;
    let looked_at = by_reason
        .iter()
        .map(|(_, count)| *count as u64)
        .sum::<u64>();
    let change = viewer
        .session
        .and_then(|session| session.change.lock().clone());
    html! {
        @if let Some(change) = change { p class="done" role="status" { (said(&change)) } }
        @if *all == 0 {
            p { "None." }
        } @else {
            p {
                (counted(*all, "dead letter")) ": what could not be done, and is kept for a person. "
                "A discarded one is gone for good."
            }
            @if viewer.session.is_none() {
                p class="hint" {
                    @if viewer.read_only.is_none() { "Sign in to replay or discard them." }
                    @else { "They are replayed and discarded by " code { "overflow dead-letters" } "." }
                }
            }
        }
        @for (reason, count) in by_reason {
            @let letters = shown.iter().filter(|letter| letter.reason == *reason);
            div class="group" {
                h3 {
                    @if let Some(letter) = letters.clone().next() { (letter.why) " " }
                    small { code { (reason) } " · " (count) }
                }
                p class="hint" { "Replay: " (what_a_replay_does(Some(&Reason::from(reason.as_str())))) }
                @if let Some(session) = viewer.session && *count > 1 {
                    // Those that were looked at; their clocks may be ahead of ours.
                    @let newest = letters.clone().map(|letter| letter.died_at).max();
                    @let seen = newest.max(*seen_at).unwrap_or(overview.at).to_string();
                    @let which = if *all > looked_at { " all".to_owned() } else { format!(" all {count}") };
                    (forms(session, &[("reason", reason), ("seen", &seen)], &which, reason))
                }
                @if letters.clone().next().is_some() { (letter_table(letters, overview, viewer)) }
            }
        }
        @if *all > shown.len() as u64 {
            p class="hint" {
                (all - shown.len() as u64) " more are not shown: " code { "overflow dead-letters list" }
            }
        }
    }
}

fn letter_table<'a>(
    letters: impl Iterator<Item = &'a DeadLetter>,
    overview: &Overview,
    viewer: &Viewer<'_>,
) -> Markup {
    let heads = ["Died", "Request", "Attempts", "Last error", "What to do"];
    let heads = &heads[..heads.len() - usize::from(viewer.session.is_none())];
    table("Dead letters", heads, letters.map(|letter| vec![
        ago(letter.died_at, overview.at),
        html! {
            code { (letter.id) }
            @if let Some(call_sid) = &letter.call_sid { br; code { (call_sid) } }
        },
        html! { (letter.attempts) },
        html! { (letter.last_error.as_deref().unwrap_or("none")) },
        html! {
            @if let Some(session) = viewer.session {
                (forms(session, &[("id", &letter.id), ("reason", &letter.reason)], "", &letter.id))
            }
        },
    ]))
}

/// What can be done with the letter, or with those that `which` says; discarding takes a second
/// thought.
fn forms(session: &Session, fields: &[(&str, &str)], which: &str, of: &str) -> Markup {
    let form = |how: &str, words: String| {
        html! {
            form method="post" action="dead-letters" {
                @for (name, value) in [("form_key", session.form_key.as_str()), ("how", how)].iter().chain(fields) {
                    input type="hidden" name=(name) value=(value);
                }
                button aria-label=(format!("{words}: {of}")) { (words) }
            }
        }
    };
    html! {
        div class="forms" {
            (form("replay", format!("Replay{which}")))
            details {
                summary aria-label=(format!("Discard{which}: {of}")) { "Discard" (which) "…" }
                (form("discard", format!("Discard{which} for good")))
            }
        }
    }
}

/// What was done of a change, and what wasn't.
fn said(change: &Change) -> String {
    let Progress {
        done,
        ended,
        failure,
    } = change.progress();
    let (letters, name) = (counted(done as u64, "dead letter"), change.name());
    match (failure, change.how) {
        (Some((why, left)), _) => {
            let left = left.map_or("the rest".to_owned(), |left| left.to_string());
            format!("{letters} {name}, {left} not: {why}.")
        }
        _ if !ended => format!("{letters} {name} so far; it goes on."),
        _ if done == 0 => format!("Nothing was {name}: it isn't there any more."),
        (None, Settlement::Replay) => {
            format!("{letters} {name}. {}", what_a_replay_does(change.reason()))
        }
        (None, Settlement::Discard) => format!("{letters} {name}."),
    }
}

fn what_a_replay_does(reason: Option<&Reason>) -> &'static str {
    match reason {
        Some(Reason::NotNotified) => "Whoever is to be told of the caller is told once more.",
        Some(Reason::Undecodable) => {
            "What could not be understood is read once more, by a newer version perhaps."
        }
        _ => "Twilio is asked first whether the caller still waits; who has hung up is left alone.",
    }
}
