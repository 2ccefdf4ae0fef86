//! What isn't well, and what to do about it.

use std::time::Duration;

use jiff::Timestamp;
use queue::{OutcomeKind, Stats};

use crate::given_up::given_up;
use crate::words::{counted, span};
use crate::{DeadLetters, NotWell, Process, Waiting, Whereabouts};

/// A caller should be redirected within a second: those who have waited for so long are stuck.
const TOO_LONG: Duration = Duration::from_secs(30);

/// What is known of how everything stands.
pub(crate) struct Known<'a> {
    pub(crate) now: Timestamp,
    /// How the queue stands, or why it can't be used.
    pub(crate) stats: &'a Result<Stats, String>,
    pub(crate) processes: &'a [Process],
    /// How many that redirect answer now.
    pub(crate) redirectors: u64,
    /// Whether those that can answer have had the time to.
    pub(crate) is_settled: bool,
    pub(crate) waiting: &'a [Waiting],
    /// The process that sweeps, if its sweeps don't come through, and when one last did.
    pub(crate) overdue: Option<(String, Option<Timestamp>)>,
    pub(crate) dead: &'a DeadLetters,
    /// The plans for whose callers nobody is there, and what comes of most attempts.
    pub(crate) nobody_answers: Vec<(&'a str, OutcomeKind)>,
}

impl Known<'_> {
    /// What isn't well, the worst first.
    pub(crate) fn not_well(&self) -> Vec<NotWell> {
        let mut found = Vec::new();
        self.queue(&mut found);
        self.processes(&mut found);
        self.callers(&mut found);
        self.twilio(&mut found);
        found.extend(given_up(self.dead, self.now));
        self.nobody_answers(&mut found);
        found
    }

    fn queue(&self, found: &mut Vec<NotWell>) {
        let stats = match self.stats {
            Ok(stats) => stats,
            Err(why) => {
                let todo = "see that it runs and that QUEUE_URL names it; RUNBOOK.md, \
                            OverflowQueueDown, has more";
                return add(found, format!("the queue can't be used: {why}"), todo);
            }
        };
        if stats.consumers == 0 {
            add(
                found,
                "no redirector is at the queue: calls are redirected as soon as one is",
                "start it (`overflow run`)",
            );
        }
        if !self.is_settled {
            return;
        }
        if !self
            .processes
            .iter()
            .any(|process| process.spooled.is_some())
        {
            add(
                found,
                "no ingest says how it stands: Twilio's callbacks may reach nobody",
                "start it (`overflow run`), or see whether it hangs or is of an older version",
            );
        }
        if stats.consumers > self.redirectors {
            let (mute, all) = (stats.consumers - self.redirectors, stats.consumers);
            add(
                found,
                format!("{mute} of {all} redirectors at the queue don't say how they stand"),
                "see whether they hang (restart them), or are of an older version",
            );
        }
    }

    fn processes(&self, found: &mut Vec<NotWell>) {
        let is_missed = |process: &&Process| process.is_silent && !process.is_stopping;
        for Process { name, heard_at, .. } in self.processes.iter().filter(is_missed) {
            let silent = span(self.since(*heard_at));
            add(
                found,
                format!("{name} has said nothing for {silent}"),
                "see whether it hangs or has died, and restart it; what it held goes to others",
            );
        }
        for process in self.processes.iter().filter(|process| !process.is_silent) {
            for trouble in &process.troubles {
                let (name, why) = (&process.name, &trouble.why);
                match trouble.works {
                    true => add(
                        found,
                        format!("{name} works with less than it should have: {why}"),
                        "bring the queue back, or mend its disk: what is spooled follows by itself",
                    ),
                    false => add(
                        found,
                        format!("{name} is not ready: {why}"),
                        "see that the queue runs and that its QUEUE_URL names it",
                    ),
                }
            }
            let spooled = process.spooled.unwrap_or_default();
            if spooled > 0 && process.troubles.is_empty() {
                let messages = counted(spooled, "message");
                add(
                    found,
                    format!("{messages} in the spool of {}", process.name),
                    "they follow as soon as the queue takes them; if they don't, restart it: the \
                     spool stays",
                );
            }
        }
    }

    fn callers(&self, found: &mut Vec<NotWell>) {
        let (mut at_nobody, mut given_up, mut ours) = (0, 0, Vec::new());
        for waiting in self.waiting {
            match waiting.whereabouts {
                Whereabouts::Nobody => at_nobody += 1,
                Whereabouts::GivenUp => given_up += 1,
                _ => ours.push(waiting),
            }
        }
        if given_up > 0 {
            let callers = counted(given_up, "caller");
            add(
                found,
                format!("{callers} on hold at Twilio whose request is a dead letter"),
                "replay it once its cause is gone: see `overflow dead-letters list`",
            );
        }
        if at_nobody > 0 {
            let callers = counted(at_nobody, "caller");
            add(
                found,
                format!("{callers} on hold at Twilio whom none of us has"),
                "the sweep takes them up within a minute; if others follow, their events don't \
                 arrive: see `overflow doctor`",
            );
        }
        if let Some((process, at)) = &self.overdue {
            let since = at.map(|at| format!(" for {}", span(self.since(at))));
            add(
                found,
                format!(
                    "{process} has not seen all who are on hold at Twilio{}: who was missed isn't found",
                    since.unwrap_or_default()
                ),
                "see its log for `the sweep failed`, and `overflow doctor`",
            );
        }
        let stuck = ours.iter().filter_map(|waiting| {
            let waited = self.since(waiting.since?);
            (waited >= TOO_LONG).then_some((waited, &waiting.whereabouts))
        });
        if let Some((waited, whereabouts)) = stuck.max_by_key(|(waited, _)| *waited) {
            let error = match whereabouts {
                Whereabouts::Retried {
                    last_error: Some(error),
                    ..
                } => format!(": {error}"),
                _ => String::new(),
            };
            add(
                found,
                format!("a caller has waited for {}{error}", span(waited)),
                "see RUNBOOK.md, OverflowCallerWaits",
            );
        }
    }

    fn twilio(&self, found: &mut Vec<NotWell>) {
        for process in self.processes.iter().filter(|process| !process.is_silent) {
            for api in process.apis.iter().filter(|api| api.held_back) {
                let (name, line) = (&process.name, api.in_line);
                add(
                    found,
                    format!(
                        "{name} holds back requests to Twilio ({}), for it refuses or fails; \
                         {line} in line",
                        api.name
                    ),
                    "see its log for what Twilio says, and https://status.twilio.com",
                );
            }
        }
    }

    fn nobody_answers(&self, found: &mut Vec<NotWell>) {
        for (plan, outcome) in &self.nobody_answers {
            let outcome_name = outcome.as_str();
            add(
                found,
                format!(
                    "callers of plan {plan:?} are redirected, and nobody has them: {outcome_name}"
                ),
                match outcome {
                    OutcomeKind::Failed => {
                        "Twilio can't dial: see its error log for 13214 (the number shown), 13224 \
                         (the number), 13227 (its country isn't enabled); `overflow doctor` checks each"
                    }
                    OutcomeKind::NotAccepted => {
                        "a mailbox picks up, or whoever does presses no key: see who is behind the \
                         numbers"
                    }
                    OutcomeKind::HungUp | OutcomeKind::Canceled => {
                        "callers don't wait so long: shorten `timeout`, or say first what is going to \
                         happen"
                    }
                    OutcomeKind::LastWords => {
                        "all steps were tried, or the last isn't in force now: see `overflow plans \
                         check`"
                    }
                    _ => {
                        "call whoever is behind the numbers; or give the plan more steps, and a \
                         voicemail"
                    }
                },
            );
        }
    }

    fn since(&self, moment: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(moment)).unwrap_or_default()
    }
}

fn add(found: &mut Vec<NotWell>, what: impl Into<String>, to_do: &str) {
    found.push(NotWell {
        what: what.into(),
        to_do: to_do.to_owned(),
    });
}

/// The sentence on top.
pub(crate) fn sentence(
    callers: Option<u64>,
    longest: Option<Duration>,
    not_well: &[NotWell],
) -> String {
    let longest = longest.map(span);
    let waiting = match (callers, longest) {
        (None, _) => "Who waits is not known".to_owned(),
        (Some(0), _) => "Nobody is waiting".to_owned(),
        (Some(1), Some(longest)) => format!("1 caller waiting, for {longest}"),
        (Some(callers), Some(longest)) => {
            format!("{callers} callers waiting, the longest {longest}")
        }
        (Some(callers), None) => format!("{} waiting", counted(callers, "caller")),
    };
    match not_well {
        [] => format!("{waiting}; all parts well."),
        [only] => format!("{waiting}; {}: {}.", only.what, only.to_do),
        [worst, others @ ..] => {
            let others = counted(others.len() as u64, "other thing");
            format!(
                "{waiting}; {}: {}. {others} to see to.",
                worst.what, worst.to_do
            )
        }
    }
}
