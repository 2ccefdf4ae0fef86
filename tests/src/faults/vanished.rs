//! Requests vanish from the queue, and only the sweep brings their callers back.

use queue::Lane;
use std::time::Duration;

use futures::FutureExt;
use simulator::{Fault, Rule};

use super::disk::refused;
use super::processes::{INGEST_STOPS_WITHIN, kill_all_redirectors, start_all_redirectors};
use super::{Arena, Between, Scenario};
use crate::PATIENCE;

/// All of them.
pub const ALL: &[&Scenario] = &[&TAKEN_FOR_POISON, &EATEN, &QUEUE_DELETED, &FILE_DELETED];

/// How many requests a fault takes, at least.
const SOME: usize = 20;

const BASE: Scenario = Scenario {
    promise: "the sweep brings their callers back",
    settings: &[("SWEEP_INTERVAL", "1s")],
    ..Scenario::BASE
};

/// Whoever waits for Twilio is given up with the process, again and again.
pub const TAKEN_FOR_POISON: Scenario = Scenario {
    name: "taken-for-poison",
    fault: "all redirectors: `kill -9` three times while Twilio answers 503 to everything, and two \
            deliveries are the limit",
    promise: "the sweep brings back whom the queue took for poison",
    between: Between::Embedded,
    settings: &[("SWEEP_INTERVAL", "1s"), ("QUEUE_DELIVERY_LIMIT", "2")],
    strike: |arena| {
        async {
            let outage = Rule::everywhere(Fault::SERVICE_UNAVAILABLE);
            let outage = arena.twilio().faults().add(outage);
            arena.on_hold(SOME).await;
            for _ in 0..3 {
                kill_all_redirectors(arena);
                start_all_redirectors(arena).await;
                arena.everybody_held().await;
            }
            arena.twilio().faults().remove(outage);
        }
        .boxed()
    },
    dead_letters: &["delivery_limit"],
    ..BASE
};

/// Somebody else takes requests, and says that they are done. Who comes to the embedded queue as a
/// stranger gets nothing: one process at a time consumes.
pub const EATEN: Scenario = Scenario {
    name: "eaten",
    fault: "a stranger at the queue acknowledges requests and does nothing",
    that_queue_only: true,
    strike: |arena| {
        async {
            let queue = arena.stack.queue().await;
            let mut stranger = queue.consume(Lane::Redirects, 1).await.unwrap();
            for _ in 0..SOME {
                let eaten = tokio::time::timeout(PATIENCE, stranger.next()).await;
                eaten.unwrap().unwrap().ack().await.unwrap();
            }
            drop(stranger);
            queue.close().await;
        }
        .boxed()
    },
    ..BASE
};

/// An operator deletes the queue with all that is in it.
pub const QUEUE_DELETED: Scenario = Scenario {
    name: "queue-deleted",
    fault: "the queue is deleted with requests in it",
    promise: "callbacks are spooled and answered 2xx; the sweep brings back whoever was in the queue",
    that_queue_only: true,
    keeps_callbacks: true,
    strike: |arena| {
        async {
            kill_all_redirectors(arena);
            arena.on_hold(SOME).await;
            let deleted = arena.stack.delete_queue().await;
            assert!(deleted >= SOME / 2, "{deleted} requests were in it");
            arena.last(Duration::from_secs(1)).await;
            start_all_redirectors(arena).await;
        }
        .boxed()
    },
    ..BASE
};

/// The same with the embedded queue: its file is gone.
pub const FILE_DELETED: Scenario = Scenario {
    name: "file-deleted",
    fault: "the queue's file is deleted with requests in it, and all are started again",
    promise: "503 until then; the sweep brings back whoever was in it, or came too early",
    between: Between::Embedded,
    that_queue_only: true,
    strike: |arena| {
        async {
            kill_all_redirectors(arena);
            arena.on_hold(SOME).await;
            let queue = arena.stack.queue().await;
            let ready = queue.stats().await.unwrap().ready;
            queue.close().await;
            assert!(ready >= SOME as u64 / 2, "{ready} requests are in it");
            arena.stack.delete_file();
            refused(arena).await;
            for index in 0..arena.stack.ingests.len() {
                Arena::stop_in_order(&mut arena.stack.ingests[index], INGEST_STOPS_WITHIN).await;
                arena.start_ingest(index).await;
            }
            start_all_redirectors(arena).await;
        }
        .boxed()
    },
    ..BASE
};
