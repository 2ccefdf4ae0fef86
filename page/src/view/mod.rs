//! The page as HTML. Everything that comes from outside is escaped by the templates.

mod day;
mod dead;
mod words;

use std::time::Duration;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};
use overview::{Overview, PlanNow, Process, Waiting, span};

use self::words::{ago, end, mark, since, soon, utc, with_code};
use crate::sessions::Session;

/// How many of the last redirects are shown.
const RECENT: usize = 20;

/// Who looks at the page.
pub(crate) struct Viewer<'a> {
    /// If they have signed in.
    pub(crate) session: Option<&'a Session>,
    /// Why nobody can sign in, if so.
    pub(crate) read_only: Option<&'static str>,
}

/// All of it.
pub(crate) fn page(overview: &Overview, viewer: &Viewer<'_>) -> Markup {
    let Overview {
        not_well, callers, ..
    } = overview;
    let title = match (not_well.is_empty(), callers) {
        (false, _) => "Not well – Flex Overflow".to_owned(),
        (true, None | Some(0)) => "Flex Overflow".to_owned(),
        (true, Some(waiting)) => format!("{waiting} waiting – Flex Overflow"),
    };
    // Said aloud when this changes, and not each second that a caller waits.
    let state = not_well
        .iter()
        .fold(format!("{callers:?}"), |state, not_well| {
            state + " " + &not_well.what
        });
    let class = if not_well.is_empty() {
        "well"
    } else {
        "not-well"
    };
    shell(
        &title,
        true,
        html! {
            header {
                div class="bar" {
                    h1 { "Flex Overflow" }
                    div id="who" data-part { (who(viewer)) }
                }
                p id="sentence" data-part data-state=(state) class=(class) {
                    span class="sign" aria-hidden="true" { @if not_well.is_empty() { "✓" } @else { "!" } }
                    span { (with_code(&overview.sentence)) }
                }
                p id="said" class="unseen" role="status" {}
                p id="lost" role="alert" hidden {
                    "The page cannot be refreshed: its server does not answer. What you see is old."
                }
                p class="hint" {
                    span id="at" data-part { "As of " (utc(overview.at, "%T")) "." }
                    noscript { " Without JavaScript the page does not refresh itself." }
                    " " a href="./" { "Reload" }
                }
            }
            main id="main" {
                div id="not-well" data-part {
                    @if not_well.len() > 1 {
                        (section("to-do", "What to do", html! {
                            ul class="to-do" {
                                @for not_well in not_well { li { strong { (with_code(&not_well.what)) } ": " (with_code(&not_well.to_do)) } }
                            }
                        }))
                    }
                }
                (section("waiting", "Waiting now", part("callers", waiting_now(overview))))
                (section("recent", "The last redirects", html! {
                    (day::plot(&overview.day))
                    (part("redirects", redirects(overview)))
                }))
                (section("dead-letters", "Dead letters", html! {
                    div id="dead" data-part="held" { (dead::dead(overview, viewer)) }
                }))
                (section("plans", "Plans", part("now", plans(overview, viewer))))
                (section("today", "The last 24 hours, by plan", part("by-plan", by_plan(overview))))
            }
            footer {
                (section("processes", "Who says so", part("heard", processes(&overview.processes, overview.at))))
            }
        },
    )
}

/// Something was refused.
pub(crate) fn refusal(why: &str) -> Markup {
    shell(
        "Not done – Flex Overflow",
        false,
        html! {
            main id="main" {
                h1 { "Not done" }
                p { (why) }
                p { a href="./" { "Back to the page" } }
            }
        },
    )
}

fn shell(title: &str, is_live: bool, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="stylesheet" href="page.css";
                link rel="icon" type="image/svg+xml" href="icon.svg";
                @if is_live { script src="page.js" defer {} }
            }
            body {
                a class="skip" href="#main" { "Skip to the content" }
                (body)
            }
        }
    }
}

fn section(id: &str, heading: &str, body: Markup) -> Markup {
    html! {
        section id=(id) aria-labelledby={ (id) "-heading" } {
            h2 id={ (id) "-heading" } { (heading) }
            (body)
        }
    }
}

/// What is refreshed by itself.
fn part(id: &str, body: Markup) -> Markup {
    html! { div id=(id) data-part { (body) } }
}

/// A table that a phone shows as a list. The roles say what it is even then.
fn table(name: &str, heads: &[&str], rows: impl Iterator<Item = Vec<Markup>>) -> Markup {
    html! {
        table role="table" aria-label=(name) {
            thead role="rowgroup" {
                tr role="row" { @for head in heads { th role="columnheader" scope="col" { (head) } } }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (head, cell) in heads.iter().zip(row) {
                            td role="cell" data-head=(head) { div { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

fn who(viewer: &Viewer<'_>) -> Markup {
    html! {
        @if let Some(session) = viewer.session {
            form method="post" action="sign-out" {
                input type="hidden" name="form_key" value=(session.form_key);
                button { "Sign out" }
            }
        } @else if let Some(why) = viewer.read_only {
            span class="hint" { (why) }
        } @else {
            details class="sign-in" {
                summary { "Sign in" }
                form method="post" action="sign-in" {
                    // For password managers.
                    input name="username" value="overflow" autocomplete="username" hidden;
                    label for="token" { "Token" }
                    input id="token" name="token" type="password" required autocomplete="current-password";
                    button { "Sign in" }
                }
            }
        }
    }
}

fn waiting_now(overview: &Overview) -> Markup {
    let Overview {
        at: now,
        callers,
        queued,
        waiting,
        ..
    } = overview;
    let more = callers
        .unwrap_or_default()
        .saturating_sub(waiting.len() as u64);
    let row = |waiting: &Waiting| {
        vec![
            waiting
                .since
                .map_or(html! { "not known" }, |at| since(at, *now)),
            html! {
                code { (waiting.call_sid) }
                @if let Some(task_sid) = &waiting.task_sid { br; code { (task_sid) } }
            },
            html! { (waiting.plan.as_deref().unwrap_or("not known")) },
            html! {
                (waiting.whereabouts.in_words(*now))
                @if let Some(error) = waiting.whereabouts.last_error() { br; (error) }
            },
        ]
    };
    html! {
        @match callers {
            None => p { "That is not known while the queue can't be used." },
            Some(0) => p { "Nobody." },
            Some(_) => {}
        }
        @if !waiting.is_empty() {
            (table("Waiting now", &["For", "Caller", "Plan", "Where"], waiting.iter().map(row)))
        }
        @if more > 0 { p { (more) " more, " (queued.unwrap_or_default()) " on the queue." } }
        @if let Some(at) = overview.swept_at {
            p class="hint" { "Twilio was last asked who waits, " (ago(at, *now)) "." }
        }
    }
}

fn redirects(overview: &Overview) -> Markup {
    let heads = ["When", "Caller", "Plan", "Took", "What came of it"];
    html! {
        @if overview.recent.is_empty() {
            p { "None in the last 24 hours." }
        } @else {
            (table("The last redirects", &heads, overview.recent.iter().take(RECENT).map(|recent| vec![
                ago(recent.at, overview.at),
                html! { code { (recent.call_sid) } br; code { (recent.task_sid) } },
                html! { (recent.plan) },
                html! { (span(recent.took)) },
                end(recent.end, recent.outcome),
            ])))
        }
    }
}

fn plans(overview: &Overview, viewer: &Viewer<'_>) -> Markup {
    html! {
        div class="plans" { @for plan in &overview.plans { (plan_now(plan, overview.at, viewer)) } }
        @if overview.plans.is_empty() {
            p { "They are not known here." }
        } @else if viewer.session.is_none() {
            p class="hint" { "Numbers are masked but for their last two digits." }
        }
    }
}

fn plan_now(plan: &PlanNow, now: Timestamp, viewer: &Viewer<'_>) -> Markup {
    html! {
        article {
            h3 { (plan.name) }
            ol {
                @for step in &plan.steps {
                    li class=[(!step.in_force).then_some("later")] {
                        @if viewer.session.is_some() { (step.whole) } @else { (step.masked) }
                        " "
                        @if step.in_force { (mark("good", "●", "in force")) } @else { (mark("open", "○", "not now")) }
                    }
                }
            }
            p class="hint" {
                @match plan.changes_at {
                    Some(at) => { "Changes " (soon(at, now)) ", at " (utc(at, "%a %H:%M")) "." }
                    None => "The same at any time.",
                }
            }
        }
    }
}

fn by_plan(overview: &Overview) -> Markup {
    let time = |time: Option<Duration>| html! { (time.map_or("–".to_owned(), span)) };
    let heads = [
        "Plan",
        "Redirected",
        "Taken",
        "Left a message",
        "Missed",
        "Time to redirect, p50",
        "p95",
    ];
    html! {
        @if !overview.day.is_whole { p { "Not all of the last 24 hours could be read." } }
        @if overview.day.plans.is_empty() {
            p { "Nobody was redirected." }
        } @else {
            (table("The last 24 hours, by plan", &heads, overview.day.plans.iter().map(|plan| {
                let counts = [plan.redirected, plan.taken, plan.recorded, plan.missed];
                let counts = counts.map(|count| html! { (count) });
                let name = html! { (plan.name) };
                [name].into_iter().chain(counts).chain([time(plan.p50), time(plan.p95)]).collect()
            })))
        }
    }
}

fn processes(processes: &[Process], now: Timestamp) -> Markup {
    table(
        "Who says so",
        &["Process", "Version", "Last heard"],
        processes.iter().map(|process| {
            vec![
                html! { (process.name) },
                html! { (process.version) },
                html! {
                    (ago(process.heard_at, now)) " "
                    @if process.is_stopping { (mark("open", "○", "stopping")) }
                    @else if process.is_silent { (mark("bad", "✗", "does not answer")) }
                },
            ]
        }),
    )
}
