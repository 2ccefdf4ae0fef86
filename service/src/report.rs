//! What a process says of itself while somebody watches: which callers it has, and what isn't well.
//! SIDs and errors, and no number of anybody.

use std::sync::Arc;

use clock::Clock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use twilio::{CallSid, TaskSid};

use crate::admin::{Readiness, ReadinessCheck};

/// How many callers a list holds at most; those who have waited longest are in it.
pub const MOST_LISTED: usize = 200;

/// What a process says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Its role: what was started.
    pub role: String,
    /// The machine.
    pub host: String,
    /// Its process ID there.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// When it says so, by its own clock. All times in it are by that clock.
    pub at: Timestamp,
    /// Whether it is stopping: it will be silent soon.
    #[serde(default)]
    pub stopping: bool,
    /// Why it isn't ready, or is with less between it and a loss than it should have.
    #[serde(default)]
    pub troubles: Vec<Trouble>,
    /// What it has as an ingest, if it is one.
    #[serde(default)]
    pub ingest: Option<IngestReport>,
    /// What it has as a redirector, if it is one.
    #[serde(default)]
    pub redirector: Option<RedirectorReport>,
}

/// What keeps a process from being ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Whether it does its work all the same.
    pub works: bool,
    /// Why.
    pub why: String,
}

/// What an ingest has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestReport {
    /// How many messages are in its spool.
    pub spooled: u64,
    /// The callers who are in it, the longest first.
    pub callers: Vec<OnHold>,
}

/// A caller on hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnHold {
    /// Their call.
    pub call_sid: CallSid,
    /// Their task.
    pub task_sid: TaskSid,
    /// The name of the plan.
    pub plan: Option<String>,
    /// Since when they wait.
    pub since: Timestamp,
}

/// What a redirector has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectorReport {
    /// Whether another process takes the requests, and this one would take its place.
    #[serde(default)]
    pub stands_by: bool,
    /// How many deliveries it holds.
    pub held: u64,
    /// Their callers, the longest first.
    pub callers: Vec<AtWork>,
    /// How its requests to each of Twilio's APIs stand.
    pub apis: Vec<Api>,
    /// How the sweep goes, if this is the redirector that sweeps.
    #[serde(default)]
    pub sweep: Option<Sweep>,
}

/// A caller whom a redirector is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtWork {
    /// The caller.
    #[serde(flatten)]
    pub caller: OnHold,
    /// What is being done.
    pub stage: Stage,
    /// How many updates were sent.
    pub attempts: u32,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When the next attempt is due, if that is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// What is being done for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// In line for leave to make a request to Twilio.
    InLine,
    /// A request is being made.
    UnderWay,
    /// The next attempt is waited for.
    Pausing,
}

/// How the requests to one of Twilio's APIs stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// Which.
    pub name: String,
    /// How many are under way.
    pub in_flight: u64,
    /// How many may be.
    pub allowance: u64,
    /// How many are in line.
    pub in_line: u64,
    /// Whether they are held back, for that API refuses or fails.
    pub held_back: bool,
}

/// How the sweep goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// When the last whole one was, if there was one.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// By when there should be another.
    pub due: Timestamp,
    /// The callers who were on hold for longer than an event takes to come, the longest first. Somebody
    /// may have them by now.
    pub callers: Vec<OnHold>,
}

impl Report {
    /// What to call the process.
    pub fn name(&self) -> String {
        format!("{} {} on {}", self.role, self.pid, self.host)
    }
}

/// Adds what one part of a process has to say. It must be quick.
pub type Part = Arc<dyn Fn(&mut Report) + Send + Sync>;

/// Makes the reports of a process.
pub(crate) struct Reporter {
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
    pub(crate) checks: Vec<ReadinessCheck>,
    pub(crate) parts: Vec<Part>,
}

impl Reporter {
    pub(crate) fn report(&self) -> Report {
        let mut report = Report {
            role: String::new(),
            host: host_name(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: self.clock.now(),
            stopping: self.stop.is_cancelled(),
            troubles: self.troubles(),
            ingest: None,
            redirector: None,
        };
        for part in &self.parts {
            part(&mut report);
        }
        report.role = match (&report.ingest, &report.redirector) {
            (Some(_), Some(_)) => "overflow run",
            (Some(_), None) => "ingest",
            (None, Some(_)) => "redirector",
            (None, None) => "overflow",
        }
        .to_owned();
        report
    }

    fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        for check in &self.checks {
            let trouble = match check() {
                Readiness::Ready => continue,
                Readiness::Degraded(why) => Trouble { works: true, why },
                Readiness::NotReady(why) => Trouble { works: false, why },
            };
            // Both halves of a pair may say that the queue is away.
            if !troubles.contains(&trouble) {
                troubles.push(trouble);
            }
        }
        troubles
    }
}

fn host_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Readiness;

    fn on_hold() -> OnHold {
        OnHold {
            call_sid: "CA00000000000000000000000000000005".parse().unwrap(),
            task_sid: "WT00000000000000000000000000000004".parse().unwrap(),
            plan: Some("sales".to_owned()),
            since: Timestamp::UNIX_EPOCH,
        }
    }

    fn reporter(parts: Vec<Part>) -> Reporter {
        let not_ready: ReadinessCheck = Arc::new(|| Readiness::NotReady("away".to_owned()));
        Reporter {
            clock: Clock::system(),
            stop: CancellationToken::new(),
            checks: vec![not_ready.clone(), not_ready],
            parts,
        }
    }

    fn as_ingest() -> Part {
        Arc::new(|report| report.ingest = Some(IngestReport::default()))
    }

    fn as_redirector() -> Part {
        Arc::new(|report| {
            report.redirector = Some(RedirectorReport {
                held: 1,
                callers: vec![AtWork {
                    caller: on_hold(),
                    stage: Stage::Pausing,
                    attempts: 2,
                    last_error: Some("503".to_owned()),
                    next_at: None,
                }],
                ..RedirectorReport::default()
            });
        })
    }

    #[test]
    fn a_process_is_called_by_what_it_does() {
        for (parts, role) in [
            (vec![as_ingest()], "ingest"),
            (vec![as_redirector()], "redirector"),
            (vec![as_ingest(), as_redirector()], "overflow run"),
        ] {
            let report = reporter(parts).report();
            let name = report.name();
            assert!(
                name.starts_with(&format!("{role} {} on ", std::process::id())),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_said_can_be_read_also_by_other_versions() {
        let said = reporter(vec![as_ingest(), as_redirector()]).report();
        assert_eq!(said.troubles.len(), 1, "both say the same");
        let mut json = serde_json::to_value(&said).unwrap();
        assert_eq!(
            serde_json::from_value::<Report>(json.clone()).unwrap(),
            said
        );
        json["colour"] = "green".into();
        json["redirector"]["callers"][0]["mood"] = "bad".into();
        let object = json.as_object_mut().unwrap();
        for later in ["ingest", "troubles", "stopping"] {
            object.remove(later);
        }
        let read: Report = serde_json::from_value(json).unwrap();
        assert_eq!(read.redirector, said.redirector);
    }
}
