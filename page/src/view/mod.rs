//! The page as HTML. Everything that comes from outside is escaped by the templates.

mod day;
mod dead;
mod words;

use std::time::Duration;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};
use overview::{Overview, PlanNow, Process, Waiting, Whereabouts};

use self::words::{ago, count, end, since, soon, took, utc};
use crate::sessions::Session;

/// Who looks at the page.
pub(crate) struct Viewer<'a> {
    /// If they have signed in.
    pub(crate) session: Option<&'a Session>,
    pub(crate) sign_in: SignIn,
}

/// Whether somebody can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// No token is set.
    Off,
    /// Somebody on the way could read the token.
    NotHere,
    Possible,
}

/// All of it.
pub(crate) fn page(overview: &Overview, viewer: &Viewer<'_>) -> Markup {
    let is_well = overview.not_well.is_empty();
    let waiting = overview.waiting.len();
    let title = match (is_well, waiting) {
        (false, _) => "Not well – Flex Overflow".to_owned(),
        (true, 0) => "Flex Overflow".to_owned(),
        (true, waiting) => format!("{waiting} waiting – Flex Overflow"),
    };
    // Told aloud when this changes, and not each second that a caller waits.
    let state = overview
        .not_well
        .iter()
        .map(|not_well| not_well.what.as_str());
    let state = state.fold(waiting.to_string(), |state, what| state + " " + what);
    shell(
        &title,
        true,
        html! {
            header {
                div class="bar" {
                    h1 { "Flex Overflow" }
                    div id="who" data-part { (who(viewer)) }
                }
                p id="sentence" data-part data-state=(state) class=[(!is_well).then_some("not-well")] {
                    span class="sign" aria-hidden="true" { @if is_well { "✓" } @else { "!" } }
                    span { (overview.sentence) }
                }
                p id="said" class="unseen" role="status" {}
                p id="lost" role="alert" hidden {
                    "The page cannot be refreshed: its server does not answer. What you see is old."
                }
                p class="hint" {
                    span id="at" data-part { "As of " (utc(overview.at, "%T")) "." }
                    noscript { " Without JavaScript the page does not refresh itself. " }
                    " " a href="./" { "Reload" }
                }
            }
            main id="main" {
                div id="not-well" data-part {
                    @if !is_well {
                        (section("to-do", "What to do", html! {
                            ul class="to-do" {
                                @for not_well in &overview.not_well {
                                    li { strong { (not_well.what) } " " (not_well.to_do) }
                                }
                            }
                        }))
                    }
                }
                (section("waiting", "Waiting now", waiting_now(overview)))
                (section("recent", "The last redirects", html! {
                    (day::plot(&overview.day))
                    div id="redirects" data-part { (redirects(overview)) }
                }))
                (section("dead-letters", "Dead letters", html! {
                    div id="dead" data-part="held" { (dead::dead(overview, viewer)) }
                }))
                (section("plans", "Plans", html! {
                    div id="now" data-part {
                        div class="plans" {
                            @for plan in &overview.plans { (plan_now(plan, overview.at, viewer)) }
                        }
                        @if viewer.session.is_none() {
                            p class="hint" { "Numbers are masked but for their last two digits." }
                        }
                    }
                }))
                (section("today", "The last 24 hours, by plan", html! {
                    div id="by-plan" data-part { (by_plan(overview)) }
                }))
            }
            footer {
                (section("processes", "Who says so", html! {
                    div id="heard" data-part { (processes(&overview.processes, overview.at)) }
                }))
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
    let heading_id = format!("{id}-heading");
    html! {
        section id=(id) aria-labelledby=(heading_id) {
            h2 id=(heading_id) { (heading) }
            (body)
        }
    }
}

/// A table that a phone shows as a list. The roles say what it is even then.
fn table(name: &str, heads: &[&str], rows: impl Iterator<Item = Vec<Markup>>) -> Markup {
    html! {
        table role="table" aria-label=(name) {
            thead role="rowgroup" {
                tr role="row" {
                    @for head in heads { th role="columnheader" scope="col" { (head) } }
                }
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
        @match (viewer.session, viewer.sign_in) {
            (Some(session), _) => form method="post" action="sign-out" {
                input type="hidden" name="form_key" value=(session.form_key);
                button { "Sign out" }
            }
            (None, SignIn::Off) => span class="hint" { "Read-only" }
            (None, SignIn::NotHere) => span class="hint" {
                "Read-only: signing in needs https, or a tunnel to localhost"
            }
            (None, SignIn::Possible) => details class="sign-in" {
                summary { "Sign in" }
                form method="post" action="sign-in" {
                    // For password managers.
                    input name="username" value="overflow" autocomplete="username" hidden;
                    label for="token" { "Token" }
                    input id="token" name="token" type="password" required
                        autocomplete="current-password";
                    button { "Sign in" }
                }
            }
        }
    }
}

fn waiting_now(overview: &Overview) -> Markup {
    let now = overview.at;
    html! {
        div id="callers" data-part {
            @if overview.waiting.is_empty() {
                p { "Nobody." }
            } @else {
                (table("Waiting now", &["For", "Caller", "Plan", "Where"], overview.waiting.iter().map(|waiting| vec![
                    waiting.since.map_or(html! { "not known" }, |at| since(at, now)),
                    html! {
                        code { (waiting.call_sid) }
                        @if let Some(task_sid) = &waiting.task_sid { br; code { (task_sid) } }
                    },
                    html! { (waiting.plan.as_deref().unwrap_or("not known")) },
                    whereabouts(waiting, now),
                ])))
            }
            p class="hint" {
                @match overview.swept_at {
                    Some(at) => { "Twilio was last asked who waits, " (ago(at, now)) "." }
                    None => "It isn't known when Twilio was last asked who waits.",
                }
            }
        }
    }
}

fn whereabouts(waiting: &Waiting, now: Timestamp) -> Markup {
    html! {
        @match &waiting.whereabouts {
            Whereabouts::Queue => "in the queue",
            Whereabouts::AtRedirector { process } => {
                "at the limiter, or being redirected" br; small { (process) }
            }
            Whereabouts::Retried { process, attempts, last_error, next_at } => {
                "being retried: " (count((*attempts).into(), "attempt", "attempts"))
                @if let Some(at) = next_at { ", the next " (soon(*at, now)) }
                @if let Some(error) = last_error { br; (error) }
                br; small { (process) }
            }
            Whereabouts::Spool { process } => {
                "in a spool, for the queue is away" br; small { (process) }
            }
            Whereabouts::Nobody => "at Twilio, and none of us has them: the sweep takes them up",
        }
    }
}

fn redirects(overview: &Overview) -> Markup {
    html! {
        @if overview.recent.is_empty() {
            p { "None in the last 24 hours." }
        } @else {
            (table("The last redirects", &["When", "Caller", "Plan", "Took", "What came of it"],
                overview.recent.iter().map(|recent| vec![
                    ago(recent.at, overview.at),
                    html! { code { (recent.call_sid) } br; code { (recent.task_sid) } },
                    html! { (recent.plan) },
                    html! { (took(recent.took)) },
                    end(recent.end, recent.outcome),
                ])))
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
                        @if step.in_force {
                            span class="good" { span aria-hidden="true" { "●" } " in force" }
                        } @else {
                            span class="open" { span aria-hidden="true" { "○" } " not now" }
                        }
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
    let time = |time: Option<Duration>| html! { (time.map_or("–".to_owned(), took)) };
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
        @if overview.day.plans.is_empty() {
            p { "Nobody was redirected." }
        } @else {
            (table("The last 24 hours, by plan", &heads, overview.day.plans.iter().map(|plan| vec![
                html! { (plan.name) },
                html! { (plan.redirected) },
                html! { (plan.taken) },
                html! { (plan.recorded) },
                html! { (plan.missed) },
                time(plan.p50),
                time(plan.p95),
            ])))
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
        process.heard_at.map_or(
            html! { span class="bad" { span aria-hidden="true" { "✗" } " does not answer" } },
            |at| ago(at, now),
        ),
    ]
        }),
    )
}
