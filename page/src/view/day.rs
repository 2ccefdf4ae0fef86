//! The last 24 hours: a plot, drawn here, and the same as a table.

use maud::{Markup, html};
use overview::{Day, Hour};

use super::table;
use super::words::utc;

/// The room of a bar.
const STEP: u64 = 30;

const BAR: u64 = 24;

const HEIGHT: u64 = 110;

pub(super) fn plot(day: &Day) -> Markup {
    let width = STEP * day.hours.len() as u64;
    let most = day
        .hours
        .iter()
        .map(|hour| hour.redirected)
        .max()
        .unwrap_or(0);
    let all = day.hours.iter().map(|hour| hour.redirected).sum::<u64>();
    let hours = day.hours.iter().rev().filter(|hour| hour.redirected > 0);
    let heads = [
        "Hour (UTC)",
        "Redirected",
        "Taken, or left a message",
        "Missed",
    ];
    html! {
        figure id="plot" data-part {
            @if most > 0 {
                svg viewBox=(format!("0 0 {width} {HEIGHT}")) preserveAspectRatio="none" role="img"
                    aria-label=(format!("The last 24 hours by the hour: {all} redirected. The table below has all of it.")) {
                    pattern id="hatched" width="6" height="6" patternUnits="userSpaceOnUse"
                        patternTransform="rotate(45)" {
                        rect class="missed-ground" width="6" height="6" {}
                        rect class="missed-line" width="2.5" height="6" {}
                    }
                    @for (number, hour) in day.hours.iter().enumerate() {
                        (bar(hour, number as u64 * STEP, most))
                    }
                    line class="axis" x1="0" x2=(width) y1=(HEIGHT) y2=(HEIGHT) {}
                }
                div class="axis-words" aria-hidden="true" {
                    @for hour in day.hours.iter().step_by(6) { span { (hour.from.strftime("%H:%M")) } }
                    span { "now" }
                }
                figcaption {
                    "Callers redirected by the hour (UTC); the most in one hour: " (most) "."
                    @for (class, what) in [("taken", "taken, or left a message"), ("missed", "missed"), ("unknown", "not known")] {
                        span class="key" { span class={ "swatch " (class) } {} (what) }
                    }
                }
            }
        }
        details class="plain" {
            summary { "The same as a table" }
            div id="hours" data-part {
                (table("By the hour", &heads, hours.map(|hour| vec![
                    html! { (utc(hour.from, "%F %H:%M")) },
                    html! { (hour.redirected) },
                    html! { (hour.taken) },
                    html! { (hour.missed) },
                ])))
            }
        }
    }
}

/// From the bottom: taken, missed, not known.
fn bar(hour: &Hour, x: u64, most: u64) -> Markup {
    // What came of a caller may be known in a later hour than that of the redirect.
    let top = |callers: u64| callers.min(hour.redirected) * (HEIGHT - 4) / most;
    let tops = [0, hour.taken, hour.taken + hour.missed, hour.redirected].map(top);
    html! {
        @for (class, edges) in ["taken", "missed", "unknown"].iter().zip(tops.windows(2)) {
            @if let [bottom, top] = edges && top > bottom {
                rect class=(class) x=(x + (STEP - BAR) / 2) y=(HEIGHT - top) width=(BAR)
                    height=(top - bottom) {}
            }
        }
    }
}
