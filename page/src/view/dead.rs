//! Dead letters: what can't be done without a person, and the forms by which a person does it.

use maud::{Markup, html};
use overview::{DeadLetter, DeadLetters, Overview};
use queue::Settlement;

use super::words::{ago, count};
use super::{SignIn, Viewer, table};
use crate::change::{Change, Progress};
use crate::sessions::Session;

pub(super) fn dead(overview: &Overview, viewer: &Viewer<'_>) -> Markup {
    let DeadLetters {
        count: all,
        shown,
        by_reason,
    } = &overview.dead;
    let looked_at = by_reason
        .iter()
        .map(|(_, count)| *count as u64)
        .sum::<u64>();
    html! {
        @if let Some(change) = viewer.session.and_then(|session| session.change.lock().clone()) {
            p class="done" role="status" { (said(&change)) }
        }
        @if *all == 0 && shown.is_empty() {
            p { "None." }
        } @else {
            p {
                (count(*all, "request", "requests")) " could not be done. A replay asks Twilio first whether "
                "the caller still waits; a discarded one is gone for good."
            }
            @match (viewer.session, viewer.sign_in) {
                (Some(_), _) => {}
                (None, SignIn::Possible) => p class="hint" { "Sign in to replay or discard them." }
                (None, _) => p class="hint" {
                    "They are replayed and discarded by " code { "overflow dead-letters" } "."
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
                @if let Some(session) = viewer.session && *count > 1 {
                    @let newest = letters.clone().map(|letter| letter.died_at).max();
                    // Their clocks may be ahead of ours.
                    @let seen = newest.map_or(overview.at, |newest| newest.max(overview.at));
                    @let fields = [("reason", reason.as_str()), ("seen", &seen.to_string())];
                    (forms(session, &fields, &format!(" all {count}"), reason))
                }
                (letter_table(letters, overview, viewer))
            }
        }
        @if *all > looked_at {
            p class="hint" {
                (all - looked_at) " more were not looked at: " code { "overflow dead-letters list" }
            }
        }
    }
}

fn letter_table<'a>(
    letters: impl Iterator<Item = &'a DeadLetter>,
    overview: &Overview,
    viewer: &Viewer<'_>,
) -> Markup {
    let mut heads = vec!["Died", "Request", "Attempts", "Last error"];
    heads.extend(viewer.session.map(|_| "What to do"));
    table(
        "Dead letters",
        &heads,
        letters.map(|letter| {
            let mut cells = vec![
                ago(letter.died_at, overview.at),
                html! {
                    code { (letter.id) }
                    @if let Some(call_sid) = &letter.call_sid { br; code { (call_sid) } }
                },
                html! { (letter.attempts) },
                html! { (letter.last_error.as_deref().unwrap_or("none")) },
            ];
            cells.extend(
                viewer
                    .session
                    .map(|session| forms(session, &[("id", &letter.id)], "", &letter.id)),
            );
            cells
        }),
    )
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
    let (letters, name) = (
        count(done as u64, "dead letter", "dead letters"),
        change.name(),
    );
    match (failure, change.how) {
        (Some((why, left)), _) => {
            let left = left.map_or("the rest".to_owned(), |left| left.to_string());
            format!("{letters} {name}, {left} not: {why}.")
        }
        _ if !ended => format!("{letters} {name} so far; it goes on."),
        _ if done == 0 => format!("Nothing was {name}: it isn't there any more."),
        (None, Settlement::Replay) => {
            format!("{letters} {name}. Twilio is asked first whether each caller still waits.")
        }
        (None, Settlement::Discard) => format!("{letters} {name}."),
    }
}
