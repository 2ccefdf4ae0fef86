//! What processes said of themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use service::report::{AtWork, OnHold, Report};
use tokio::time::Instant;

use crate::callers::{Callers, Swept};
use crate::{Process, Waiting, Whereabouts};

/// A process that has said nothing for so long is silent; it is due about once a second.
const SILENT: Duration = Duration::from_secs(5);

/// A process that has been silent for so long is no longer expected.
const FORGOTTEN: Duration = Duration::from_secs(5 * 60);

/// What was heard of processes since somebody has watched.
pub(crate) struct Heard {
    processes: BTreeMap<String, Known>,
    /// Since when they are asked.
    since: Instant,
}

struct Known {
    report: Report,
    heard: Instant,
    heard_at: Timestamp,
}

impl Heard {
    pub(crate) fn new() -> Self {
        Self {
            processes: BTreeMap::new(),
            since: Instant::now(),
        }
    }

    /// From now on they are asked anew: whoever is gone by now may have said so to nobody.
    pub(crate) fn ask_again(&mut self) {
        *self = Self::new();
    }

    /// Takes in what a process said. What can't be read is of another version, perhaps.
    pub(crate) fn hear(&mut self, said: &[u8], now: Timestamp) {
        match serde_json::from_slice::<Report>(said) {
            Ok(report) => {
                let heard = Known {
                    heard: Instant::now(),
                    heard_at: now,
                    report,
                };
                self.processes.insert(heard.report.name(), heard);
            }
            Err(error) => tracing::debug!(%error, "what a process says of itself can't be read"),
        }
    }

    /// For how long they have been asked.
    pub(crate) fn asked_for(&self) -> Duration {
        self.since.elapsed()
    }

    /// Forgets those that aren't expected any more.
    pub(crate) fn forget(&mut self) {
        self.processes.retain(|_, known| {
            let heard = known.heard.elapsed();
            heard < FORGOTTEN && !(known.report.stopping && heard >= SILENT)
        });
    }

    /// Those that answer now.
    fn answering(&self) -> impl Iterator<Item = &Known> {
        self.processes
            .values()
            .filter(|known| !self.is_silent(known))
    }

    fn is_silent(&self, known: &Known) -> bool {
        known.heard.elapsed().min(self.asked_for()) >= SILENT
    }

    /// How many of those that answer now take requests off the queue.
    pub(crate) fn redirectors(&self) -> u64 {
        let redirectors = self
            .answering()
            .filter_map(|known| known.report.redirector.as_ref());
        redirectors
            .filter(|redirector| !redirector.stands_by)
            .count() as u64
    }

    /// Whether any ingest has answered.
    pub(crate) fn has_ingest(&self) -> bool {
        let mut processes = self.processes.values();
        processes.any(|known| known.report.ingest.is_some())
    }

    /// Each process.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let processes = self.processes.iter().map(|(name, known)| {
            let (ingest, redirector) = (&known.report.ingest, &known.report.redirector);
            Process {
                name: name.clone(),
                version: known.report.version.clone(),
                heard_at: known.heard_at,
                is_silent: self.is_silent(known),
                is_stopping: known.report.stopping,
                troubles: known.report.troubles.clone(),
                held: redirector.as_ref().map(|redirector| redirector.held),
                spooled: ingest.as_ref().map(|ingest| ingest.spooled),
                apis: redirector
                    .as_ref()
                    .map(|r| r.apis.clone())
                    .unwrap_or_default(),
            }
        });
        processes.collect()
    }

    /// The callers who wait.
    pub(crate) fn callers(&self) -> Callers {
        let mut callers = Callers::default();
        for known in self.answering() {
            let process = known.report.name();
            if let Some(redirector) = &known.report.redirector {
                let at_work = redirector.callers.iter();
                let at_work = at_work.map(|at_work| known.at_redirector(at_work, &process));
                callers.add(redirector.held, at_work);
            }
            if let Some(ingest) = &known.report.ingest {
                let spooled = ingest.callers.iter().map(|caller| {
                    let process = process.clone();
                    known.waiting(caller, Whereabouts::Spool { process })
                });
                callers.add(ingest.spooled, spooled);
            }
            let redirector = known.report.redirector.as_ref();
            if let Some(sweep) = redirector.and_then(|redirector| redirector.sweep.as_ref()) {
                callers.swept_by(Swept {
                    at: sweep.at.map(|at| known.ours(at)),
                    due: known.ours(sweep.due),
                    on_hold: sweep
                        .callers
                        .iter()
                        .map(|caller| known.waiting(caller, Whereabouts::Nobody))
                        .collect(),
                    process,
                });
            }
        }
        callers
    }
}

impl Known {
    /// What its clock called so, by ours. A report is under way for no time that matters.
    fn ours(&self, theirs: Timestamp) -> Timestamp {
        let behind: SignedDuration = self.heard_at.duration_since(self.report.at);
        theirs.saturating_add(behind).unwrap_or(theirs)
    }

    fn waiting(&self, caller: &OnHold, whereabouts: Whereabouts) -> Waiting {
        Waiting {
            task_sid: Some(caller.task_sid),
            call_sid: caller.call_sid,
            plan: caller.plan.clone(),
            since: Some(self.ours(caller.since)),
            whereabouts,
        }
    }

    fn at_redirector(&self, at_work: &AtWork, process: &str) -> Waiting {
        let process = process.to_owned();
        let whereabouts = match at_work.attempts > 0 || at_work.last_error.is_some() {
            true => Whereabouts::Retried {
                process,
                attempts: at_work.attempts,
                last_error: at_work.last_error.clone(),
                next_at: at_work.next_at.map(|at| self.ours(at)),
            },
            false => Whereabouts::AtRedirector {
                process,
                stage: at_work.stage,
            },
        };
        self.waiting(&at_work.caller, whereabouts)
    }
}
