//! What our processes run in isn't as it should be, from the beginning.

use std::time::{Duration, Instant};

use futures::FutureExt;
use simulator::PlaceCall;

use super::processes::rolling_restart;
use super::{Arena, Between, Scenario};
use crate::senders::SlowSenders;
use crate::{PATIENCE, Surroundings};

/// All of them.
pub const ALL: &[&Scenario] = &[
    &CLOCK_AHEAD,
    &CLOCK_AHEAD_EMBEDDED,
    &LOG_UNREAD,
    &LOG_UNREAD_EMBEDDED,
    &SLOW_SENDERS,
    &SLOW_SENDERS_EMBEDDED,
];

/// What processes run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conditions {
    /// What they are started into.
    pub surroundings: Surroundings,
    /// How far their clock is ahead of Twilio's.
    pub clock_ahead: Duration,
    /// Whether the broker's URL names another host, at which packets are dropped.
    pub dead_address: bool,
}

impl Conditions {
    /// As it should be.
    pub const GOOD: Self = Self {
        surroundings: Surroundings {
            open_files: None,
            log_unread: false,
        },
        clock_ahead: Duration::ZERO,
        dead_address: false,
    };
}

/// No NTP.
pub const CLOCK_AHEAD: Scenario = Scenario {
    name: "clock-ahead",
    fault: "our clock is 20 minutes ahead of Twilio's",
    promise: "nobody is given up for it",
    conditions: Conditions {
        clock_ahead: Duration::from_secs(20 * 60),
        ..Conditions::GOOD
    },
    strike: |arena| {
        async {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let mut noticed = 0;
                for redirector in &arena.stack.redirectors {
                    let ahead = redirector.metric("overflow_clock_ahead_seconds").await;
                    noticed += usize::from(ahead >= 1_190.0);
                }
                if noticed >= arena.consumers() {
                    break;
                }
                assert!(
                    Instant::now() < deadline,
                    "it was noticed by {noticed} only"
                );
            }
        }
        .boxed()
    },
    ..Scenario::BASE
};

/// The same with the embedded queue.
pub const CLOCK_AHEAD_EMBEDDED: Scenario = Scenario {
    name: "clock-ahead-embedded",
    between: Between::Embedded,
    ..CLOCK_AHEAD
};

/// Logs go into a pipe that is full.
pub const LOG_UNREAD: Scenario = Scenario {
    name: "log-unread",
    fault: "nobody reads our logs (`LOG_LEVEL=trace`); a rolling restart (SIGTERM)",
    promise: "lines are dropped and counted, and hold nothing up, not even a stop",
    settings: &[("LOG_LEVEL", "trace")],
    conditions: Conditions {
        surroundings: Surroundings {
            log_unread: true,
            ..Conditions::GOOD.surroundings
        },
        ..Conditions::GOOD
    },
    keeps_callbacks: true,
    strike: |arena| {
        async {
            lines_dropped(arena).await;
            rolling_restart(arena).await;
        }
        .boxed()
    },
    ..Scenario::BASE
};

/// The same with the embedded queue.
pub const LOG_UNREAD_EMBEDDED: Scenario = Scenario {
    name: "log-unread-embedded",
    between: Between::Embedded,
    ..LOG_UNREAD
};

/// Half requests, more than an ingest may have files open.
pub const SLOW_SENDERS: Scenario = Scenario {
    name: "slow-senders",
    fault: "3,000 who send half a request or a byte a second to an ingest with `ulimit -n 1024`, and \
            300 to its admin listener",
    promise: "real callbacks are answered 2xx, a few at the second try",
    conditions: Conditions {
        surroundings: Surroundings {
            open_files: Some(1024),
            ..Conditions::GOOD.surroundings
        },
        ..Conditions::GOOD
    },
    keeps_callbacks: true,
    strike: |arena| slow_senders(arena).boxed(),
    ..Scenario::BASE
};

/// The same with the embedded queue, and with room for all of their files.
pub const SLOW_SENDERS_EMBEDDED: Scenario = Scenario {
    name: "slow-senders-embedded",
    fault: "3,000 who send half a request or a byte a second to an ingest, and 300 to its admin \
            listener",
    between: Between::Embedded,
    conditions: Conditions::GOOD,
    ..SLOW_SENDERS
};

/// Waits until each process has dropped a line but those that stand by, with callers enough for that.
async fn lines_dropped(arena: &mut Arena) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let processes = arena.stack.ingests.iter().chain(&arena.stack.redirectors);
        let mut dropped = 0;
        for process in processes {
            assert_eq!(process.get("/livez").await.unwrap().0, 200);
            let lines = process.metric("overflow_log_lines_dropped_total").await;
            dropped += usize::from(lines > 0.0);
        }
        if dropped >= arena.stack.ingests.len() + arena.consumers() {
            return;
        }
        assert!(Instant::now() < deadline, "{dropped} have dropped a line");
        let caller = PlaceCall::into_placeholder();
        let callers = arena.twilio().place_calls(50, &caller).unwrap();
        arena.off_hold(callers).await;
    }
}

async fn slow_senders(arena: &mut Arena) {
    let public = arena.stack.ingest_addresses()[0];
    let ingest = &arena.stack.ingests[0];
    let senders = SlowSenders::start([(public, 3_000), (ingest.admin(), 300)]).await;
    arena.calls(60).await;
    let ingest = &arena.stack.ingests[0];
    let deadline = Instant::now() + PATIENCE;
    for listener in ["public", "admin"] {
        while ingest.cut(listener, "shed").await == 0.0 {
            assert!(Instant::now() < deadline, "nobody made room: {listener}");
        }
    }
    ingest.logged("no room for more connections").await;
    // On a machine short of processors a probe may look like one more that sends nothing.
    while ingest.get("/livez").await.map(|(status, _)| status) != Some(200) {
        assert!(Instant::now() < deadline, "no probe is answered");
    }
    senders.leave().await;
}
