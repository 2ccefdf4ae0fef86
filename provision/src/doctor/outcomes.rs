//! What became of callers lately? That they were redirected doesn't mean that anybody had them.

use std::time::Duration;

use queue::{CallerEnd, Content, OutcomeKind, Queue, QueueError};
use tokio::time::{Instant, timeout, timeout_at};

use super::report::Report;

/// What happened in this time says how it stands.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What is in the history comes without pauses.
const PAUSE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(10);
/// One caller may be unlucky.
const UNLUCKY: u32 = 5;

#[derive(Default)]
struct Counts {
    redirected: usize,
    taken: u32,
    recorded: u32,
    missed: u32,
    failed: u32,
}

pub(super) async fn check(queue: &dyn Queue, report: &mut Report<'_>) {
    match read(queue).await {
        Ok(counts) => counts.tell(report),
        Err(error) => report.warn(
            "outcomes",
            format!("what became of callers can't be read: {error}"),
            "try again; where it stays so, see whether the queue is another version's",
        ),
    }
}

async fn read(queue: &dyn Queue) -> Result<Counts, QueueError> {
    let mut history = queue.history(DAY).await?;
    let until = Instant::now() + TIMEOUT;
    let mut counts = Counts::default();
    while let Ok(Ok(told)) = timeout_at(until, timeout(PAUSE, history.next())).await {
        counts.take(&told?);
    }
    Ok(counts)
}

impl Counts {
    fn take(&mut self, told: &Content) {
        match told {
            Content::Redirected(redirected) => self.redirected += redirected.len(),
            Content::Outcome(outcome) => {
                self.failed += u32::from(outcome.outcome == OutcomeKind::Failed);
                match outcome.caller {
                    Some(CallerEnd::Taken) => self.taken += 1,
                    Some(CallerEnd::Recorded) => self.recorded += 1,
                    Some(CallerEnd::Missed) => self.missed += 1,
                    None => {}
                }
            }
            Content::Redirect(_) | Content::Notify(_) => {}
        }
    }

    fn tell(&self, report: &mut Report<'_>) {
        let Self {
            redirected,
            taken,
            recorded,
            missed,
            failed,
        } = self;
        let found = format!(
            "in the past 24 hours {redirected} redirected, of whom {taken} were taken, {recorded} left \
             a message and {missed} were missed"
        );
        if *missed < UNLUCKY || taken + recorded > 0 {
            return report.ok("outcomes", found);
        }
        let todo = match failed {
            0 => {
                "call the numbers of your plans: nobody picks up; a further step, or voicemail, helps"
            }
            _ => {
                "Twilio can't dial the numbers: see 13214 (the number shown), 13224 (the number) and \
                 13227 (its country isn't enabled) in the console's error log"
            }
        };
        report.fail("outcomes", found, todo);
    }
}
