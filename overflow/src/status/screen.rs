//! An overview on one screen.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use overview::{Overview, Process, Recent, span};
use queue::{CallerEnd, OutcomeKind};

/// How many of each list there is room for.
const ROOM: usize = 10;

/// All of it.
pub(super) fn text(overview: &Overview) -> String {
    let mut screen = Screen {
        overview,
        text: String::new(),
    };
    screen.line(&overview.sentence);
    screen.not_well();
    screen.waiting();
    screen.recent();
    screen.day();
    screen.dead();
    screen.plans();
    screen.processes();
    screen.age();
    screen.text
}

struct Screen<'a> {
    overview: &'a Overview,
    text: String,
}

impl Screen<'_> {
    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref().trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        let _ = write!(self.text, "\n{heading}\n");
    }

    fn ago(&self, moment: Timestamp) -> String {
        let ago = self.overview.at.duration_since(moment);
        span(Duration::try_from(ago).unwrap_or_default())
    }

    fn not_well(&mut self) {
        let Overview { not_well, .. } = self.overview;
        if not_well.len() < 2 {
            return;
        }
        self.heading("Not well");
        for found in not_well {
            self.line(format!("✗ {}", found.what));
            self.line(format!("  → {}", found.to_do));
        }
    }

    fn waiting(&mut self) {
        let Overview {
            waiting,
            callers,
            queued,
            ..
        } = self.overview;
        let Some(callers @ 1..) = *callers else {
            return;
        };
        self.heading("Waiting");
        for caller in waiting.iter().take(ROOM) {
            let since = caller.since.map(|since| self.ago(since));
            let place = caller.whereabouts.in_words(self.overview.at);
            self.line(format!(
                "{:>8}  {}  {:<12}  {place}",
                since.unwrap_or_default(),
                caller.call_sid,
                caller.plan.as_deref().unwrap_or("-"),
            ));
            if let Some(error) = caller.whereabouts.last_error() {
                self.line(format!("{:>8}  {error}", ""));
            }
        }
        let shown = waiting.len().min(ROOM) as u64;
        let more = callers.saturating_sub(shown);
        if more > 0 {
            let queued = queued.unwrap_or_default();
            self.line(format!("{:>8}  {more} more, {queued} on the queue", ""));
        }
    }

    fn recent(&mut self) {
        let recent = &self.overview.recent;
        if recent.is_empty() {
            return;
        }
        self.heading("Last redirects");
        for redirect in recent.iter().take(ROOM) {
            let ago = self.ago(redirect.at);
            self.line(format!(
                "{ago:>8}  {}  {:<12}  after {}{}",
                redirect.call_sid,
                redirect.plan,
                span(redirect.took),
                became(redirect)
            ));
        }
    }

    fn day(&mut self) {
        let day = &self.overview.day;
        if day.plans.is_empty() && day.is_whole {
            return;
        }
        self.heading(match day.is_whole {
            true => "The last 24 hours",
            false => "The last 24 hours, as far as they could be read",
        });
        let row = |name: &str, counts: [String; 4], p50: &str, p95: &str| {
            let [redirected, taken, recorded, missed] = counts;
            format!(
                "  {name:<16}{redirected:>10}{taken:>9}{recorded:>10}{missed:>9}{p50:>10}{p95:>10}"
            )
        };
        let names = ["redirected", "taken", "recorded", "missed"].map(str::to_owned);
        self.line(row("", names, "median", "95 %"));
        for plan in &day.plans {
            let counts = [plan.redirected, plan.taken, plan.recorded, plan.missed];
            let time = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), span);
            let (p50, p95) = (time(plan.p50), time(plan.p95));
            self.line(row(
                &plan.name,
                counts.map(|count| count.to_string()),
                &p50,
                &p95,
            ));
        }
    }

    fn dead(&mut self) {
        let dead = &self.overview.dead;
        if dead.count == 0 {
            return;
        }
        let reasons: Vec<_> = dead
            .by_reason
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        let (count, reasons) = (dead.count, reasons.join(", "));
        self.line(format!(
            "\nDead letters: {count} ({reasons}): see `overflow dead-letters list`"
        ));
    }

    fn plans(&mut self) {
        let plans = &self.overview.plans;
        if plans.is_empty() {
            return;
        }
        self.heading("Plans now");
        for plan in plans {
            let changes = plan.changes_at.map(|at| format!(", until {at:.0}"));
            self.line(format!("  {}{}", plan.name, changes.unwrap_or_default()));
            for (step, number) in plan.steps.iter().zip(1..) {
                let mark = if step.in_force { "" } else { " (not now)" };
                self.line(format!("    {number}. {}{mark}", step.masked));
            }
        }
    }

    fn processes(&mut self) {
        let processes = &self.overview.processes;
        if processes.is_empty() {
            return;
        }
        self.heading("Processes");
        for process in processes {
            let has = has(process);
            self.line(format!("  {}, {}{has}", process.name, process.version));
        }
    }

    /// How old it all is.
    fn age(&mut self) {
        let Overview {
            at,
            processes,
            swept_at,
            ..
        } = self.overview;
        let heard = processes.iter().filter(|process| !process.is_silent);
        let heard = heard.map(|process| process.heard_at).min();
        let mut age = format!("\nAs of {at:.0}.");
        if let Some(heard) = heard {
            let old = self.ago(heard);
            let _ = write!(age, " What processes say is {old} old at most.");
        }
        if let Some(swept) = swept_at {
            let ago = self.ago(*swept);
            let _ = write!(age, " Callers on hold were last looked for {ago} ago.");
        }
        self.line(age);
    }
}

/// What became of a redirected caller, as far as that is known.
fn became(redirect: &Recent) -> String {
    let outcome = redirect.outcome.map(OutcomeKind::as_str);
    let end = redirect.end.map(CallerEnd::as_str);
    let known: Vec<_> = outcome.into_iter().chain(end).collect();
    match known.is_empty() {
        true => String::new(),
        false => format!(": {}", known.join(", ").replace('-', " ")),
    }
}

/// What a process has.
fn has(process: &Process) -> String {
    let held = process.held.map(|held| match held {
        0 => ", holds nobody".to_owned(),
        1 => ", holds 1 caller".to_owned(),
        held => format!(", holds {held} callers"),
    });
    let spooled = process.spooled.filter(|spooled| *spooled > 0);
    let spooled = spooled.map(|spooled| format!(", {spooled} in its spool"));
    let state = match (process.is_silent, process.is_stopping) {
        (_, true) => ", stopping",
        (true, false) => ", silent",
        (false, false) => "",
    };
    [
        held.unwrap_or_default(),
        spooled.unwrap_or_default(),
        state.to_owned(),
    ]
    .concat()
}
