//! The broker fails, or the way to it.

use std::time::{Duration, Instant};

use simulator::{Fault, Rule};

use super::{Arena, Conditions, Scenario};
use crate::PATIENCE;

/// All of them.
pub const ALL: &[&Scenario] = &[
    &KILLED,
    &FROZEN,
    &ALARM,
    &CUT_FROM_INGEST,
    &HALF_OPEN_FROM_INGEST,
    &CUT_FROM_REDIRECTORS,
    &HALF_OPEN_FROM_REDIRECTORS,
    &BOUNCED,
    &LOGIN_REFUSED,
    &DEAD_ADDRESS,
];

const SPOOLED: &str =
    "callbacks are spooled and answered 2xx; nobody lost, nobody redirected twice";
const REDELIVERED: &str = "what was under way is delivered again and verified first";

const CUT: Duration = Duration::from_secs(3);
const HALF_OPEN: Duration = Duration::from_secs(8);

const BASE: Scenario = Scenario {
    promise: SPOOLED,
    that_queue_only: true,
    keeps_callbacks: true,
    ..Scenario::BASE
};

/// Killed and started again.
pub const KILLED: Scenario = Scenario {
    name: "broker-killed",
    fault: "broker: `kill -9`, then started again",
    strike: |arena| {
        Box::pin(async {
            let node = arena.broker().node;
            let before = arena.spooled().await;
            tokio::task::spawn_blocking(|| node.kill()).await.unwrap();
            arena.last(Duration::from_secs(2)).await;
            arena.spooled_since(before).await;
            tokio::task::spawn_blocking(|| node.restart())
                .await
                .unwrap();
        })
    },
    ..BASE
};

/// Frozen: connections stay open, dead silent.
pub const FROZEN: Scenario = Scenario {
    name: "broker-frozen",
    fault: "broker: frozen (SIGSTOP) for 8 s",
    strike: |arena| {
        Box::pin(async {
            let before = arena.spooled().await;
            arena.broker().node.freeze();
            arena.last(Duration::from_secs(8)).await;
            arena.spooled_since(before).await;
            arena.broker().node.resume();
        })
    },
    ..BASE
};

/// Short of memory: it reads no more from those who publish.
pub const ALARM: Scenario = Scenario {
    name: "broker-alarm",
    fault: "broker: memory alarm",
    strike: |arena| {
        Box::pin(async {
            let node = arena.broker().node;
            let before = arena.spooled().await;
            tokio::task::spawn_blocking(|| node.raise_memory_alarm())
                .await
                .unwrap();
            arena.last(Duration::from_secs(3)).await;
            arena.spooled_since(before).await;
            tokio::task::spawn_blocking(|| node.clear_alarm())
                .await
                .unwrap();
        })
    },
    ..BASE
};

/// No connection between the ingests and the broker.
pub const CUT_FROM_INGEST: Scenario = Scenario {
    name: "cut-from-ingest",
    fault: "ingest ↔ broker: TCP cut for 3 s",
    strike: |arena| {
        Box::pin(async {
            let before = arena.spooled().await;
            arena.broker().to_ingests.cut();
            arena.last(CUT).await;
            arena.spooled_since(before).await;
            arena.broker().to_ingests.restore();
        })
    },
    ..BASE
};

/// Silence between the ingests and the broker.
pub const HALF_OPEN_FROM_INGEST: Scenario = Scenario {
    name: "half-open-from-ingest",
    fault: "ingest ↔ broker: TCP half-open for 8 s",
    strike: |arena| {
        Box::pin(async {
            let before = arena.spooled().await;
            arena.broker().to_ingests.half_open();
            arena.last(HALF_OPEN).await;
            arena.spooled_since(before).await;
            arena.broker().to_ingests.restore();
        })
    },
    ..BASE
};

/// No connection between the redirectors and the broker.
pub const CUT_FROM_REDIRECTORS: Scenario = Scenario {
    name: "cut-from-redirectors",
    fault: "redirectors ↔ broker: TCP cut for 3 s",
    promise: REDELIVERED,
    strike: |arena| {
        Box::pin(async {
            arena.broker().to_redirectors.cut();
            arena.last(CUT).await;
            arena.on_hold(20).await;
            arena.broker().to_redirectors.restore();
        })
    },
    ..BASE
};

/// Silence between the redirectors and the broker.
pub const HALF_OPEN_FROM_REDIRECTORS: Scenario = Scenario {
    name: "half-open-from-redirectors",
    fault: "redirectors ↔ broker: TCP half-open for 8 s",
    promise: REDELIVERED,
    strike: |arena| {
        Box::pin(async {
            arena.broker().to_redirectors.half_open();
            arena.last(HALF_OPEN).await;
            arena.on_hold(20).await;
            arena.broker().to_redirectors.restore();
        })
    },
    ..BASE
};

/// More often than the queue's delivery limit, which is 10.
const BOUNCES: usize = 12;

/// Whoever waits for Twilio is delivered again and again.
pub const BOUNCED: Scenario = Scenario {
    name: "bounced-during-an-outage",
    fault: "redirectors ↔ broker: TCP cut twelve times while Twilio answers 503 to everything",
    promise: "redirected once Twilio is right again, whatever the broker takes for poison",
    settings: &[("SWEEP_INTERVAL", "1s")],
    strike: |arena| {
        Box::pin(async {
            let before = arena.twilio().journal().request_count();
            let outage = Rule::everywhere(Fault::SERVICE_UNAVAILABLE);
            let outage = arena.twilio().faults().add(outage);
            arena.struck_since(before).await;
            arena.on_hold(20).await;
            for _ in 0..BOUNCES {
                arena.broker().to_redirectors.cut();
                consumers(arena, 0).await;
                arena.broker().to_redirectors.restore();
                consumers(arena, arena.stack.redirectors.len()).await;
            }
            arena.twilio().faults().remove(outage);
        })
    },
    dead_letters: &["delivery_limit"],
    ..BASE
};

/// A password was rotated, or who knows of users is away.
pub const LOGIN_REFUSED: Scenario = Scenario {
    name: "login-refused",
    fault: "broker: refuses our login for 4 s",
    strike: |arena| {
        Box::pin(async {
            let node = arena.broker().node;
            let before = arena.spooled().await;
            let password = move |password| {
                tokio::task::spawn_blocking(move || {
                    node.ctl(&["change_password", "guest", password])
                })
            };
            password("another").await.unwrap();
            tokio::task::spawn_blocking(|| node.ctl(&["close_all_connections", "rotated"]))
                .await
                .unwrap();
            arena.last(Duration::from_secs(4)).await;
            for process in arena.stack.ingests.iter().chain(&arena.stack.redirectors) {
                process.logged("not let in by the broker").await;
            }
            arena.spooled_since(before).await;
            password("guest").await.unwrap();
        })
    },
    ..BASE
};

/// One of the broker's addresses drops packets; whoever has lost the other tries it.
pub const DEAD_ADDRESS: Scenario = Scenario {
    name: "dead-address",
    fault: "broker: one of its two addresses drops packets; TCP cut to the other",
    conditions: Conditions {
        dead_address: true,
        ..Conditions::GOOD
    },
    strike: |arena| {
        Box::pin(async {
            let before = arena.spooled().await;
            let broker = arena.broker();
            broker.to_ingests.cut();
            broker.to_redirectors.cut();
            tokio::time::sleep(Duration::from_secs(1)).await;
            broker.to_ingests.restore();
            broker.to_redirectors.restore();
            let dead = broker.dead.as_ref().expect("the scenario has one");
            let tried = format!("no RabbitMQ answers at {}", dead.address());
            for process in arena.stack.ingests.iter().chain(&arena.stack.redirectors) {
                process.logged(&tried).await;
            }
            arena.spooled_since(before).await;
        })
    },
    ..BASE
};

/// Waits until so many consumers are at the queue, and have everything that was on it.
async fn consumers(arena: &Arena, count: usize) {
    let queue = arena.stack.queue().await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stats = queue.stats().await;
        let all_delivered = |ready| count == 0 || ready == 0;
        if stats
            .as_ref()
            .is_ok_and(|stats| stats.consumers == count as u64 && all_delivered(stats.ready))
        {
            break;
        }
        assert!(Instant::now() < deadline, "the queue stays as {stats:?}");
        // The queue tells nobody of its consumers.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    queue.close().await;
}
