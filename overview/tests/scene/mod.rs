//! Processes that are played, at a queue in memory.

#![allow(dead_code, reason = "each test file needs a part of it")]

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use jiff::Timestamp;
use overview::{Overview, Watcher};
use parking_lot::Mutex;
use queue::memory::{Broker, MemoryQueue};
use queue::{
    CallerEnd, Consumer, Content, Lane, Options, Outcome, OutcomeKind, Queue, RedirectRequest,
    Redirected,
};
use service::Plans;
use service::report::{AtWork, IngestReport, OnHold, RedirectorReport, Report, Stage, Sweep};

pub const SECOND: Duration = Duration::from_secs(1);

/// The queue, and the time of day.
pub struct Scene {
    pub broker: Broker,
    pub clock: Clock,
}

/// A process that says what it is told to say.
pub struct Process {
    pub queue: MemoryQueue,
    pub consumer: Option<Box<dyn Consumer>>,
    report: Arc<Mutex<Report>>,
}

impl Scene {
    pub fn new() -> Self {
        Self {
            broker: Broker::default(),
            clock: Clock::simulated("2026-03-04T05:30:00Z".parse().unwrap()),
        }
    }

    /// A process that answers as long as it lives.
    pub fn process(&self, role: &str, pid: u32) -> Process {
        let name = format!("{role}-{pid}");
        let queue = self.broker.open(&name, Options::default());
        let report = Arc::new(Mutex::new(Report {
            role: role.to_owned(),
            host: "here".to_owned(),
            pid,
            version: "1".to_owned(),
            at: self.clock.now(),
            stopping: false,
            troubles: Vec::new(),
            ingest: (role == "ingest").then(IngestReport::default),
            redirector: (role == "redirector").then(RedirectorReport::default),
        }));
        let (said, clock) = (Arc::clone(&report), self.clock.clone());
        queue.report(Arc::new(move || {
            let report = Report {
                at: clock.now(),
                ..said.lock().clone()
            };
            serde_json::to_vec(&report).unwrap()
        }));
        Process {
            queue,
            consumer: None,
            report,
        }
    }

    /// One that is at the queue.
    pub async fn redirector(&self, pid: u32) -> Process {
        let mut process = self.process("redirector", pid);
        let consumer = process.queue.consume(Lane::Redirects, 1);
        process.consumer = Some(consumer.await.unwrap());
        process
    }

    pub fn watcher(&self) -> Watcher {
        let plans: Plans = "[[plan]]\nname = \"sales\"\nforward_to = \"+14155550100\"\n\
             task_queue_sid = \"WQ00000000000000000000000000000006\""
            .parse()
            .unwrap();
        let queue = Arc::new(self.broker.open("watcher", Options::default()));
        Watcher::new(queue, Some(plans), self.clock.clone())
    }

    pub fn ago(&self, seconds: u32) -> Timestamp {
        self.clock.now() - SECOND * seconds
    }

    pub fn on_hold(&self, n: u32, seconds: u32) -> OnHold {
        OnHold {
            call_sid: sid("CA", n),
            task_sid: sid("WT", n),
            plan: Some("sales".to_owned()),
            since: self.ago(seconds),
        }
    }

    pub fn at_work(&self, n: u32, seconds: u32) -> AtWork {
        AtWork {
            caller: self.on_hold(n, seconds),
            stage: Stage::UnderWay,
            attempts: 0,
            last_error: None,
            next_at: None,
        }
    }

    /// The caller was redirected so many seconds ago, within 200 ms.
    pub fn redirected(&self, n: u32, seconds: u32) -> Redirected {
        Redirected {
            account_sid: sid("AC", 1),
            call_sid: sid("CA", n),
            task_sid: sid("WT", n),
            plan: "sales".to_owned(),
            entered_at: self.ago(seconds) - Duration::from_millis(200),
            in_doubt: false,
            was_over: false,
            redirected_at: self.ago(seconds),
        }
    }

    pub fn outcome(&self, n: u32, outcome: OutcomeKind, caller: Option<CallerEnd>) -> Outcome {
        Outcome {
            id: format!("{n}-{outcome:?}"),
            at: self.clock.now(),
            account_sid: sid("AC", 1),
            call_sid: sid("CA", n),
            task_sid: None,
            plan: "sales".to_owned(),
            step: None,
            outcome,
            caller,
            dialed_call_sid: None,
            recording_sid: None,
            seconds: None,
        }
    }
}

impl Process {
    pub fn says(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.report.lock());
    }

    pub fn holds(&self, callers: Vec<AtWork>) {
        self.says(|report| {
            let redirector = report.redirector.as_mut().unwrap();
            redirector.held = callers.len() as u64;
            redirector.callers = callers;
        });
    }

    pub fn swept(&self, at: Timestamp, callers: Vec<OnHold>) {
        let due = at + 90 * SECOND;
        let at = Some(at);
        self.says(|report| {
            report.redirector.as_mut().unwrap().sweep = Some(Sweep { at, due, callers });
        });
    }

    pub async fn tells(&self, told: Content) {
        self.queue.tell(&told).await;
    }
}

pub fn sid<T: FromStr<Err: std::fmt::Debug>>(kind: &str, n: u32) -> T {
    format!("{kind}{n:032x}").parse().unwrap()
}

pub fn request(n: u32, entered_at: Timestamp) -> RedirectRequest {
    let body = format!(
        r#"{{"event_sid": "EV{n:032x}", "account_sid": "AC{n:032x}", "workspace_sid": "WS{n:032x}",
        "task_sid": "WT{n:032x}", "call_sid": "CA{n:032x}", "source": "callback",
        "task_queue_sid": "WQ00000000000000000000000000000006", "entered_at": "{entered_at}"}}"#
    );
    serde_json::from_str(&body).unwrap()
}

/// What isn't well, in order: a part of each.
#[track_caller]
pub fn assert_not_well(overview: &Overview, expected: &[&str]) {
    let found: Vec<_> = overview.not_well.iter().map(|found| &found.what).collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found} instead of {expected}");
    }
}

/// Looks again and again for so many seconds, as a page does.
pub async fn watch_for(watcher: &Watcher, seconds: u32) -> Arc<Overview> {
    for _ in 0..seconds {
        tokio::time::sleep(SECOND).await;
        watcher.overview().await;
    }
    watcher.overview().await
}
