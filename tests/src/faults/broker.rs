//! The broker fails, or the way to it.

use std::time::Duration;

use super::Scenario;

/// All of them.
pub const ALL: &[&Scenario] = &[
    &KILLED,
    &FROZEN,
    &ALARM,
    &CUT_FROM_INGEST,
    &HALF_OPEN_FROM_INGEST,
    &CUT_FROM_REDIRECTORS,
    &HALF_OPEN_FROM_REDIRECTORS,
];

const SPOOLED: &str =
    "callbacks are spooled and answered 2xx; nobody lost, nobody redirected twice";
const REDELIVERED: &str = "what was under way is delivered again and verified first";

const CUT: Duration = Duration::from_secs(3);
const HALF_OPEN: Duration = Duration::from_secs(8);

const BASE: Scenario = Scenario {
    promise: SPOOLED,
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
