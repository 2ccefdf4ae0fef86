//! What is measured of our processes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use parking_lot::Mutex;
use rabbitmq::free_address;
use tempfile::TempDir;

use crate::api::Api;
use crate::callbacks::{self, PLACEHOLDER, SALES};
use crate::client;
use crate::limits::{self, IN_FLIGHT};
use crate::round::Round;
use crate::service::{Cost, Service};
use crate::simulated::Twilio;

/// How long a process runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long redirects may take in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A plan with hours, and a key to press.
const LADDER: &str = r#"
    [[plan]]
    name = "sales"
    task_queue_sid = "WQ00000000000000000000000000000003"
    time_zone = "Europe/Berlin"
    holidays = "DE"

    [[plan.step]]
    dial = ["+14155550100", "+14155550101"]
    when = "Mo-Fr 08:00-18:00; PH off"

    [[plan.step]]
    dial = ["+14155550102", "+14155550103"]
    accept = "Press 1 to take a call for Sales."
    when = "Mo-Su 00:00-24:00"

    [[plan.step]]
    voicemail = "Please leave your name and number."
"#;

/// Where the processes of one round are.
pub struct Place {
    /// The folder of their binaries.
    pub binaries: PathBuf,
    /// The queue's URL.
    pub queue: String,
    /// What names on the broker start with.
    pub prefix: String,
    /// For what they write.
    pub folder: TempDir,
    /// Ingest and redirector run in one process.
    pub is_pair: bool,
    /// Somebody has the page open meanwhile.
    pub is_watched: bool,
}

/// What came of callers who waited already, or came all at once.
pub struct Redirects {
    /// How many were redirected in a second.
    pub rate: f64,
    /// From the first event, or else the first update, until all were redirected.
    pub took: Duration,
    /// How many requests each took.
    pub requests: f64,
    /// What one redirector's processors did.
    pub time: Duration,
}

impl Place {
    async fn start(&self, name: &str, settings: &[(&str, &str)]) -> anyhow::Result<Service> {
        let mut all = vec![("QUEUE_PREFIX", &*self.prefix)];
        all.extend(settings);
        let start =
            |name, all| Service::start(&self.binaries, name, self.folder.path(), &self.queue, all);
        let service = start(name, &all).await?;
        if !self.is_watched || name == "ingest" {
            return Ok(service);
        }
        // Where others read the same queue, in a process of its own.
        Ok(service.watched_by(start("overflow page", &all).await?))
    }

    /// Ingest, and a redirector in another process or the same.
    async fn both(
        &self,
        api: &Api,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<(Service, Option<Service>)> {
        let url = api.url();
        let mut all = vec![("TWILIO_API_URL", url.as_str())];
        all.extend(settings);
        if self.is_pair {
            return Ok((self.start("overflow run", &all).await?, None));
        }
        let ingest = self.start("ingest", &[]).await?;
        Ok((ingest, Some(self.start("redirector", &all).await?)))
    }

    /// Callbacks as fast as ingest answers, and what each cost it.
    pub async fn answers(
        &self,
        requests: &Arc<Vec<Vec<u8>>>,
        time: Duration,
    ) -> anyhow::Result<(Round, Cost)> {
        let ingest = self.start("ingest", &[]).await?;
        let send = |time| client::as_fast_as_answered(ingest.address, IN_FLIGHT, time, requests);
        send(WARM_UP).await?;
        let before = ingest.cost()?;
        let round = send(time).await?;
        let after = ingest.cost()?;
        let time = after.time - before.time;
        Ok((round, Cost { time, ..after }))
    }

    /// Callbacks at a rate.
    pub async fn answers_at_a_rate(&self, rate: u32, time: Duration) -> anyhow::Result<Round> {
        let ingest = self.start("ingest", &[]).await?;
        let send = |time| {
            let entered = |number| callbacks::entered(number, PLACEHOLDER);
            client::at_a_rate(ingest.address, rate, time, entered)
        };
        send(WARM_UP).await?;
        send(time).await
    }

    /// Event callbacks of no concern, and then questions what comes next on a ladder, at a rate.
    pub async fn ladder_at_a_rate(&self, rate: u32, time: Duration) -> anyhow::Result<[Round; 2]> {
        let file = self.folder.path().join("plans.toml");
        std::fs::write(&file, LADDER)?;
        let file = file.display().to_string();
        let ingest = self.start("ingest", &[("REDIRECT_PLANS", &file)]).await?;
        let irrelevant = |number| callbacks::entered(number, SALES);
        client::at_a_rate(ingest.address, rate, WARM_UP, irrelevant).await?;
        let irrelevant = client::at_a_rate(ingest.address, rate, time, irrelevant).await?;
        let asked = client::at_a_rate(ingest.address, rate, time, callbacks::dialed).await?;
        Ok([irrelevant, asked])
    }

    /// Callbacks as fast as ingest answers, with so many requests on the queue already.
    pub async fn answers_of_a_deep_queue(
        &self,
        requests: &Arc<Vec<Vec<u8>>>,
        time: Duration,
        depth: u32,
    ) -> anyhow::Result<Round> {
        let ingest = self.start("ingest", &[]).await?;
        let queue = format!("{}.redirect", self.prefix);
        let count = depth.to_string();
        limits::figures(&["fill", &self.queue, &queue, &count]).await?;
        client::as_fast_as_answered(ingest.address, IN_FLIGHT, time, requests).await
    }

    /// What the processes have while nothing happens: ingest's, then the redirector's.
    pub async fn idle(&self) -> anyhow::Result<Vec<Cost>> {
        let api = Api::start(Duration::ZERO).await?;
        let (first, second) = self.both(&api, &[]).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let all = [Some(first), second];
        all.iter().flatten().map(Service::cost).collect()
    }

    /// From a callback until the update of its call, at so many a second.
    pub async fn redirects_at_a_rate(
        &self,
        rate: u32,
        time: Duration,
    ) -> anyhow::Result<(Round, Vec<Cost>)> {
        let api = Api::start(Duration::ZERO).await?;
        let (ingest, redirector) = self.both(&api, &[]).await?;
        let warm_up = |number| callbacks::entered(u64::MAX - number, PLACEHOLDER);
        let warmed_up = client::at_a_rate(ingest.address, rate, WARM_UP * 2, warm_up).await?;
        await_updates(&api, warmed_up.count()).await?;
        api.take_updates();

        let sent = Arc::new(Mutex::new(HashMap::new()));
        let record = Arc::clone(&sent);
        let all = client::at_a_rate(ingest.address, rate, time, move |number| {
            let request = callbacks::entered(number, PLACEHOLDER);
            let call = callbacks::call_sid(number);
            record.lock().insert(call, Instant::now());
            request
        });
        all.await?;
        let sent = std::mem::take(&mut *sent.lock());
        await_updates(&api, sent.len()).await?;
        let updates = api.take_updates();
        let took = sent
            .iter()
            .filter_map(|(call, sent)| Some(*updates.get(call)? - *sent))
            .collect();
        let all = [Some(ingest), redirector];
        let costs: anyhow::Result<_> = all.iter().flatten().map(Service::cost).collect();
        Ok((Round::new(took, time), costs?))
    }

    /// So many callers on the queue before a redirector starts, and an API that answers at once.
    pub async fn backlog(&self, callers: u64) -> anyhow::Result<Redirects> {
        let api = Api::start(Duration::ZERO).await?;
        let ingest = self.start("ingest", &[]).await?;
        let requests = (0..callers).map(|number| callbacks::entered(number, PLACEHOLDER));
        client::all(ingest.address, requests.collect()).await?;
        // They are as good as new.
        let settings = [("TWILIO_API_URL", &*api.url()), ("VERIFY_AFTER", "30s")];
        let redirector = self.start("redirector", &settings).await?;
        await_updates(&api, usize::try_from(callers)?).await?;
        let requests = api.requests() as f64 / callers as f64;
        let cost = redirector.cost()?;
        let updates = api.take_updates();
        let span = updates.values().min().zip(updates.values().max());
        let took = span.map_or(Duration::ZERO, |(first, last)| *last - *first);
        Ok(Redirects {
            rate: callers as f64 / took.as_secs_f64(),
            took,
            requests,
            time: cost.time,
        })
    }

    /// So many callers of a simulated Twilio whose API answers after a while, with `in_flight`
    /// requests at a time from each of the redirectors; these are there before the callers come, or
    /// start when all wait on the queue.
    pub async fn incident(
        &self,
        callers: usize,
        (answers_after, in_flight): (Duration, &str),
        redirectors: usize,
        come_first: bool,
    ) -> anyhow::Result<Redirects> {
        let twilio = Twilio::start(answers_after).await?;
        let (address, placeholder) = (free_address().to_string(), twilio.placeholder());
        let public_url = format!("http://{address}");
        let settings = [
            ("LISTEN", &*address),
            ("PUBLIC_URL", &*public_url),
            ("FORWARD_CALL_TASK_QUEUE_SID", &*placeholder),
            ("TWILIO_API_URL", &*twilio.url()),
            ("MAX_IN_FLIGHT", in_flight),
        ];
        let _ingest = self.start("ingest", &settings).await?;
        let mut all = Vec::new();
        while all.len() < redirectors && !come_first {
            all.push(self.start("redirector", &settings).await?);
        }
        let begin = Instant::now();
        twilio.call(callers, &public_url).await?;
        while all.len() < redirectors {
            all.push(self.start("redirector", &settings).await?);
        }
        twilio.nobody_waits().await?;
        let took = match come_first {
            true => twilio.span()?,
            false => begin.elapsed(),
        };
        let requests = twilio.requests_for(callers).await?;
        Ok(Redirects {
            rate: callers as f64 / took.as_secs_f64(),
            took,
            requests,
            time: all[0].cost()?.time,
        })
    }
}

async fn await_updates(api: &Api, count: usize) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while api.updated() < count {
        let updated = api.updated();
        ensure!(
            Instant::now() < deadline,
            "{updated} of {count} callers were redirected"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
