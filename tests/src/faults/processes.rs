//! Processes of ours end, in order and otherwise.

use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use rand::RngExt;
use simulator::{Endpoint, Fault, RequestOutcome, Rule, State};
use twilio::CallSid;

use super::{Arena, Between, Scenario};
use crate::PATIENCE;

/// All of them.
pub const ALL: &[&Scenario] = &[
    &INGEST_KILLED,
    &INGEST_KILLED_EMBEDDED,
    &REDIRECTOR_KILLED,
    &REDIRECTOR_KILLED_EMBEDDED,
    &REDIRECTORS_KILLED,
    &REDIRECTORS_KILLED_EMBEDDED,
    &KILLED_BEFORE_THE_ACK,
    &KILLED_BEFORE_THE_ACK_EMBEDDED,
    &ROLLING_RESTART,
    &ROLLING_RESTART_EMBEDDED,
    &STOPPED_WHILE_SLOW,
    &SECOND_SIGNAL,
];

/// The longest that a process may take to end after SIGTERM: its stop timeout, and as much again on a
/// busy machine.
pub(super) const INGEST_STOPS_WITHIN: Duration = Duration::from_secs(20);
const REDIRECTOR_STOPS_WITHIN: Duration = Duration::from_secs(40);

const BASE: Scenario = Scenario {
    promise: "what was under way is delivered again and verified first",
    ..Scenario::BASE
};

/// One ingest of two dies.
pub const INGEST_KILLED: Scenario = Scenario {
    name: "ingest-killed",
    fault: "one ingest of two: `kill -9`, started again",
    promise: "each 2xx that it gave is kept; Twilio repeats the rest to the other",
    strike: |arena| {
        async {
            let index = arena.random.random_range(0..arena.stack.ingests.len());
            arena.stack.ingests[index].kill();
            arena.last(Duration::from_secs(1)).await;
            arena.start_ingest(index).await;
        }
        .boxed()
    },
    ..BASE
};

/// The same with the embedded queue.
pub const INGEST_KILLED_EMBEDDED: Scenario = Scenario {
    name: "ingest-killed-embedded",
    between: Between::Embedded,
    ..INGEST_KILLED
};

/// One redirector of three dies.
pub const REDIRECTOR_KILLED: Scenario = Scenario {
    name: "redirector-killed",
    fault: "one redirector of three: `kill -9`, started again",
    strike: |arena| {
        async {
            let index = arena.random.random_range(0..arena.stack.redirectors.len());
            arena.stack.redirectors[index].kill();
            arena.last(Duration::from_secs(2)).await;
            arena.start_redirector(index).await;
        }
        .boxed()
    },
    ..BASE
};

/// The same with the embedded queue.
pub const REDIRECTOR_KILLED_EMBEDDED: Scenario = Scenario {
    name: "redirector-killed-embedded",
    between: Between::Embedded,
    ..REDIRECTOR_KILLED
};

/// All redirectors die.
pub const REDIRECTORS_KILLED: Scenario = Scenario {
    name: "redirectors-killed",
    fault: "all redirectors: `kill -9`, started again after 2 s",
    promise: "requests wait in the queue; what was under way is verified first",
    strike: |arena| {
        async {
            kill_all_redirectors(arena);
            arena.last(Duration::from_secs(2)).await;
            arena.on_hold(20).await;
            start_all_redirectors(arena).await;
        }
        .boxed()
    },
    ..BASE
};

/// The same with the embedded queue.
pub const REDIRECTORS_KILLED_EMBEDDED: Scenario = Scenario {
    name: "redirectors-killed-embedded",
    between: Between::Embedded,
    ..REDIRECTORS_KILLED
};

/// Redirectors die between Twilio's yes and the ack.
pub const KILLED_BEFORE_THE_ACK: Scenario = Scenario {
    name: "killed-before-the-ack",
    fault: "all redirectors: `kill -9` between Twilio's yes and the ack",
    promise: "redelivered, verified, not redirected again",
    strike: |arena| {
        async {
            let by = Duration::from_secs(1);
            let slow = Rule::on([Endpoint::UpdateCall], Fault::Delay { by });
            let rule = arena.twilio().faults().add(slow);
            let calls = under_way(arena).await;
            // They take no answer any more.
            for redirector in &arena.stack.redirectors {
                redirector.signal("STOP");
            }
            arena
                .expect("Twilio's yes", |state| {
                    let journal = state.journal();
                    calls.iter().any(|call| journal.redirects(call) > 0)
                })
                .await;
            kill_all_redirectors(arena);
            arena.twilio().faults().remove(rule);
            start_all_redirectors(arena).await;
        }
        .boxed()
    },
    ..BASE
};

/// The same with the embedded queue.
pub const KILLED_BEFORE_THE_ACK_EMBEDDED: Scenario = Scenario {
    name: "killed-before-the-ack-embedded",
    between: Between::Embedded,
    ..KILLED_BEFORE_THE_ACK
};

/// Every process is stopped and started, one after the other.
pub const ROLLING_RESTART: Scenario = Scenario {
    name: "rolling-restart",
    fault: "rolling restart of every process (SIGTERM)",
    promise: "each ends within its bound and loses nothing",
    strike: rolling_restart,
    ..BASE
};

/// The same with the embedded queue.
pub const ROLLING_RESTART_EMBEDDED: Scenario = Scenario {
    name: "rolling-restart-embedded",
    between: Between::Embedded,
    ..ROLLING_RESTART
};

/// A stop waits for the redirects under way.
pub const STOPPED_WHILE_SLOW: Scenario = Scenario {
    name: "stopped-while-slow",
    fault: "all redirectors: SIGTERM while Twilio takes 2 s for each redirect",
    promise: "what is under way is finished, the rest waits in the queue",
    settings: &[("TWILIO_TIMEOUT", "10s")],
    strike: |arena| {
        async {
            let by = Duration::from_secs(2);
            let slow = Rule::on([Endpoint::UpdateCall], Fault::Delay { by });
            let rule = arena.twilio().faults().add(slow);
            arena.calls(20).await;
            under_way(arena).await;
            let redirectors = arena.stack.redirectors.iter_mut();
            join_all(
                redirectors
                    .map(|redirector| Arena::stop_in_order(redirector, REDIRECTOR_STOPS_WITHIN)),
            )
            .await;
            arena.twilio().faults().remove(rule);
            start_all_redirectors(arena).await;
        }
        .boxed()
    },
    ..BASE
};

/// A stop that waits for a silent Twilio is cut short.
pub const SECOND_SIGNAL: Scenario = Scenario {
    name: "second-signal",
    fault: "redirector: SIGTERM while Twilio is silent, and a second one",
    promise: "ends at once; what it was at is delivered again",
    strike: |arena| {
        async {
            let hang = Rule::on([Endpoint::UpdateCall], Fault::Hang);
            let rule = arena.twilio().faults().add(hang);
            arena.calls(10).await;
            let redirector = &mut arena.stack.redirectors[0];
            redirector.signal("TERM");
            while !redirector.log().contains("a second signal ends at once") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            redirector.signal("TERM");
            // Ended by the first, it would say success.
            assert_eq!(redirector.ended().await.code(), Some(130));
            arena.twilio().faults().remove(rule);
            arena.start_redirector(0).await;
        }
        .boxed()
    },
    ..BASE
};

pub(super) fn rolling_restart(arena: &mut Arena) -> BoxFuture<'_, ()> {
    async {
        for index in 0..arena.stack.ingests.len() {
            Arena::stop_in_order(&mut arena.stack.ingests[index], INGEST_STOPS_WITHIN).await;
            arena.start_ingest(index).await;
        }
        for index in 0..arena.stack.redirectors.len() {
            let redirector = &mut arena.stack.redirectors[index];
            Arena::stop_in_order(redirector, REDIRECTOR_STOPS_WITHIN).await;
            arena.start_redirector(index).await;
        }
    }
    .boxed()
}

/// Waits until updates are under way that began after this did, and that Twilio has not made yet; tells
/// of which calls. Those from before may hang.
pub(super) async fn under_way(arena: &Arena) -> Vec<CallSid> {
    let before = arena.twilio().inspect(updates_under_way);
    let waiting = |state: &State| {
        let mut calls = updates_under_way(state);
        calls.retain(|call| !before.contains(call));
        (calls.len() >= 5).then_some(calls)
    };
    let seen = tokio::time::timeout(PATIENCE, arena.twilio().wait_for(waiting)).await;
    seen.expect("updates under way")
}

fn updates_under_way(state: &State) -> Vec<CallSid> {
    let requests = state.journal().requests().rev();
    let under_way = requests.filter(|request| {
        request.endpoint == Some(Endpoint::UpdateCall)
            && request.outcome == RequestOutcome::UnderWay
    });
    let calls = under_way.filter_map(|request| {
        let call = request.path.rsplit('/').next()?;
        call.strip_suffix(".json")?.parse().ok()
    });
    calls.take(100).collect()
}

pub(super) fn kill_all_redirectors(arena: &mut Arena) {
    for redirector in &mut arena.stack.redirectors {
        redirector.kill();
    }
}

pub(super) async fn start_all_redirectors(arena: &mut Arena) {
    for index in 0..arena.stack.redirectors.len() {
        arena.start_redirector(index).await;
    }
}
