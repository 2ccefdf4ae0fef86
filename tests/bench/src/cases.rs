//! What is measured of our processes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use parking_lot::Mutex;

use crate::api::Api;
use crate::callbacks::{self, PLACEHOLDER};
use crate::client::{self, Client};
use crate::limits::IN_FLIGHT;
use crate::round::Round;
use crate::service::{Cost, Service};

/// How long a process runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// How long redirects may take in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the processes of one round are.
pub struct Place<'a> {
    /// The folder of their binaries.
    pub binaries: &'a Path,
    /// The queue's URL.
    pub queue: &'a str,
    /// What names on the broker start with.
    pub prefix: &'a str,
    /// For what they write.
    pub folder: &'a Path,
}

impl Place<'_> {
    async fn ingest(&self) -> anyhow::Result<Service> {
        let settings = [("QUEUE_PREFIX", self.prefix)];
        Service::start(self.binaries, "ingest", self.folder, self.queue, &settings).await
    }

    async fn redirector(&self, api: &Api, verify_after: &str) -> anyhow::Result<Service> {
        let settings = [
            ("QUEUE_PREFIX", self.prefix),
            ("TWILIO_API_URL", &api.url()),
            ("VERIFY_AFTER", verify_after),
        ];
        Service::start(
            self.binaries,
            "redirector",
            self.folder,
            self.queue,
            &settings,
        )
        .await
    }

    /// Callbacks as fast as ingest answers, and what each cost it.
    pub async fn answers(
        &self,
        requests: &Arc<Vec<Vec<u8>>>,
        time: Duration,
    ) -> anyhow::Result<(Round, Cost)> {
        let ingest = self.ingest().await?;
        client::as_fast_as_answered(ingest.address, IN_FLIGHT, WARM_UP, requests).await?;
        let before = ingest.cost()?;
        let round = client::as_fast_as_answered(ingest.address, IN_FLIGHT, time, requests).await?;
        let after = ingest.cost()?;
        let cost = Cost {
            time: after.time - before.time,
            ..after
        };
        Ok((round, cost))
    }

    /// From a callback until the update of its call, at so many a second.
    pub async fn redirects_at_a_rate(
        &self,
        rate: u32,
        time: Duration,
    ) -> anyhow::Result<(Round, [Cost; 2])> {
        let api = Api::start(Duration::ZERO).await?;
        let ingest = self.ingest().await?;
        let redirector = self.redirector(&api, "2s").await?;
        let sent = Arc::new(Mutex::new(HashMap::new()));
        let record = Arc::clone(&sent);
        let warm_up = |number| callbacks::entered(u64::MAX - number, PLACEHOLDER);
        client::at_a_rate(ingest.address, rate, WARM_UP * 3, warm_up).await?;
        let all = client::at_a_rate(ingest.address, rate, time, move |number| {
            record
                .lock()
                .insert(callbacks::call_sid(number), Instant::now());
            callbacks::entered(number, PLACEHOLDER)
        });
        all.await?;
        let sent = std::mem::take(&mut *sent.lock());
        let warmed_up = usize::try_from(rate)? * 9 / 10;
        await_updates(&api, sent.len() + warmed_up * 9 / 10).await?;
        tokio::time::sleep(WARM_UP).await;
        let updates = api.take_updates();
        let took: Vec<_> = sent
            .iter()
            .filter_map(|(call, sent)| Some(*updates.get(call)? - *sent))
            .collect();
        ensure!(
            took.len() == sent.len(),
            "{} callers were not redirected",
            sent.len() - took.len()
        );
        Ok((Round::new(took, time), [ingest.cost()?, redirector.cost()?]))
    }

    /// So many callers on the queue before a redirector starts.
    pub async fn redirects_of_a_backlog(
        &self,
        callers: u64,
        answers_after: Duration,
    ) -> anyhow::Result<(f64, f64)> {
        let api = Api::start(answers_after).await?;
        let ingest = self.ingest().await?;
        let mut clients = Vec::new();
        for nth in 0..64 {
            let mut client = Client::connect(ingest.address).await?;
            clients.push(tokio::spawn(async move {
                for number in (nth..callers).step_by(64) {
                    client
                        .send(&callbacks::entered(number, PLACEHOLDER))
                        .await?;
                }
                anyhow::Ok(())
            }));
        }
        for client in clients {
            client.await??;
        }
        let _redirector = self.redirector(&api, "30s").await?;
        await_updates(&api, usize::try_from(callers)?).await?;
        let requests = api.requests() as f64 / callers as f64;
        let updates = api.take_updates();
        let first = updates.values().min();
        let took = first
            .zip(updates.values().max())
            .map(|(first, last)| *last - *first);
        Ok((
            callers as f64 / took.unwrap_or_default().as_secs_f64(),
            requests,
        ))
    }
}

async fn await_updates(api: &Api, count: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while api.updated() < count {
        ensure!(
            Instant::now() < deadline,
            "{} of {count} callers were redirected",
            api.updated()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
