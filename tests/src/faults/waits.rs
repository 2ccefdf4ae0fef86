//! What scenarios wait for.

use std::time::{Duration, Instant};

use futures::future::join_all;
use simulator::{Caller, RequestRecord, State};

use super::Arena;
use crate::{PATIENCE, Process};

impl Arena {
    /// Waits until so many more calls were placed than now.
    pub async fn calls(&self, more: usize) {
        let goal = self.load.placed() + more;
        while self.load.placed() < goal {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until Twilio sees `condition`.
    ///
    /// # Panics
    /// It doesn't.
    pub async fn expect(&self, what: &str, condition: impl FnMut(&State) -> bool) {
        self.stack.expect(what, condition).await;
    }

    /// Waits until ingests have spooled some requests, as the queue was out of their reach, beyond
    /// what they had spooled `before`.
    pub async fn spooled_since(&self, before: f64) {
        let deadline = Instant::now() + PATIENCE;
        while self.spooled().await < before + 5.0 {
            assert!(Instant::now() < deadline, "nothing is spooled");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many requests the ingests that run now have spooled.
    pub async fn spooled(&self) -> f64 {
        const SPOOLED: &str = r#"overflow_ingest_events_total{outcome="spooled"}"#;
        sum(&self.stack.ingests, SPOOLED).await
    }

    /// Waits until no request is left anywhere: a second redirect may come long after the first.
    pub async fn nothing_is_left(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut empty_looks = 0;
        while empty_looks < 2 {
            let ready = self.stack.queue_when_idle().await.ready as f64;
            let spooled = sum(&self.stack.ingests, "overflow_ingest_spool_depth").await;
            let held = self.held().await;
            empty_looks = match ready + spooled + held {
                0.0 => empty_looks + 1,
                _ => 0,
            };
            assert!(
                Instant::now() < deadline,
                "{spooled} spooled and {held} held"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn held(&self) -> f64 {
        const HELD: &str = "overflow_redirector_deliveries_held";
        sum(&self.stack.redirectors, HELD).await
    }

    /// Waits until redirectors have the requests of all who are on hold, but for the latest.
    pub async fn everybody_held(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let waiting = self.twilio().inspect(State::waiting_count) as f64;
            let held = self.held().await;
            if held > waiting * 0.9 {
                return;
            }
            assert!(Instant::now() < deadline, "{held} held of {waiting}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until there are so many such requests behind the first `before` of all.
    pub async fn requests_since(
        &self,
        before: u64,
        count: usize,
        such: impl Fn(&RequestRecord) -> bool,
    ) {
        let seen = |state: &State| {
            let journal = state.journal();
            let new = usize::try_from(journal.request_count() - before).unwrap_or(usize::MAX);
            let new = journal.requests().rev().take(new);
            new.filter(|request| such(request)).count() >= count
        };
        self.expect("such requests", seen).await;
    }

    /// Waits until Twilio has failed some requests on purpose, behind the first `before` of all.
    pub async fn struck_since(&self, before: u64) {
        self.requests_since(before, 5, |request| request.fault.is_some())
            .await;
    }

    /// Waits until none of these callers is on hold any more. They count with those who call
    /// anyway.
    pub async fn off_hold(&mut self, callers: Vec<Caller>) {
        let waiting = |state: &State| {
            let mut callers = callers.iter();
            callers.any(|caller| state.is_waiting(&caller.call_sid))
        };
        self.expect("them off hold", |state| !waiting(state)).await;
        self.load.joined_by(callers);
    }

    /// Waits until so many callers are on hold: nobody redirects them at the moment.
    pub async fn on_hold(&self, callers: usize) {
        let waiting = |state: &State| state.waiting_count() >= callers;
        self.expect("callers on hold", waiting).await;
    }
}

/// The sum of a metric over processes.
async fn sum(processes: &[Process], metric: &str) -> f64 {
    let counts = processes.iter().map(|process| process.metric(metric));
    join_all(counts).await.into_iter().sum()
}
