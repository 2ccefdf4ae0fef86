//! All cases, round by round.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rabbitmq::{Cluster, Node};

use crate::Args;
use crate::api::Api;
use crate::cases::{Place, Redirects};
use crate::client;
use crate::limits::{self, Figures, IN_FLIGHT};
use crate::report::Report;

/// How many requests there are to be sent over and over.
const POOL: u64 = 20_000;

/// At how many callers a second their wait is measured.
const RATE: u32 = 500;

/// How many callers wait: what a voice queue of Twilio's holds.
const CALLERS: usize = 5_000;

/// How long Twilio takes to answer in an incident.
const ANSWER: Duration = Duration::from_millis(150);

/// How many requests are on the queue when it is deep.
const DEPTHS: [u32; 2] = [10_000, 1_000_000];

/// The builds that are measured, and what they are measured with.
pub struct Run<'a> {
    args: &'a Args,
    time: Duration,
    builds: Vec<Build>,
    broker: Broker,
    irrelevant: Arc<Vec<Vec<u8>>>,
    relevant: Arc<Vec<Vec<u8>>>,
    report: Report,
    places: usize,
}

/// Whose figures are measured.
#[derive(Debug, Clone)]
struct Build {
    whose: &'static str,
    binaries: PathBuf,
    /// Whether somebody has the page open meanwhile.
    is_watched: bool,
}

/// Measures them.
pub async fn all(args: &Args) -> anyhow::Result<Report> {
    let mut run = Run::new(args).await?;
    for _ in 0..args.rounds {
        for queue in ["rabbitmq", "sqlite"] {
            run.callbacks(queue).await?;
            run.half_load(queue).await?;
            run.at_a_rate(queue).await?;
            run.backlog(queue).await?;
            run.incident(queue).await?;
            run.idle(queue).await?;
        }
        run.ladder().await?;
        run.several_redirectors().await?;
    }
    run.deep_queue().await?;
    Ok(run.report)
}

impl<'a> Run<'a> {
    async fn new(args: &'a Args) -> anyhow::Result<Self> {
        let beside = std::env::current_exe()?;
        let beside = beside.parent().context("a folder")?.to_owned();
        let build = |whose, binaries| Build {
            whose,
            binaries,
            is_watched: false,
        };
        let ours = build("ours", args.binaries.clone().unwrap_or(beside));
        let watched = args.watched.then(|| Build {
            whose: "with the page open",
            is_watched: true,
            ..ours.clone()
        });
        let before = args.against.clone();
        let before = before.map(|folder| build("before", folder));
        let builds = [Some(ours), watched, before]
            .into_iter()
            .flatten()
            .collect();
        let cluster = args.cluster;
        let [irrelevant, relevant] = limits::requests(POOL).map(Arc::new);
        Ok(Self {
            args,
            time: Duration::from_secs(args.seconds),
            builds,
            broker: tokio::task::spawn_blocking(move || Broker::start(cluster)).await?,
            irrelevant,
            relevant,
            report: Report::default(),
            places: 0,
        })
    }

    fn wants(&self, name: &str) -> bool {
        name.contains(&self.args.only)
    }

    async fn limit(&self, arguments: &[&str]) -> anyhow::Result<Figures> {
        let figures = limits::figures(arguments).await;
        figures.with_context(|| format!("the limit {arguments:?}"))
    }

    /// Irrelevant ones, and those that are put on the queue, as fast as they are answered.
    async fn callbacks(&mut self, queue: &str) -> anyhow::Result<()> {
        let irrelevant = format!("irrelevant callback → 204, {queue}");
        let relevant = format!("relevant callback → queue → 204, {queue}");
        if !self.wants(&irrelevant) && !self.wants(&relevant) {
            return Ok(());
        }
        let bare = {
            let (_running, address) = limits::bare().await?;
            let pool = &self.irrelevant;
            client::as_fast_as_answered(address, IN_FLIGHT, self.time, pool).await?
        };
        let (url, millis) = (self.broker.url(), self.time.as_millis().to_string());
        let durable = match queue {
            "rabbitmq" => {
                let raw = self.limit(&["publisher", &url, &millis, "0"]).await?;
                self.report.note(
                    ("raw publisher: processors at work", "", "of 1"),
                    "ours",
                    raw.busy,
                );
                self.report
                    .note(("raw publisher", "", "/s"), "ours", raw.rate);
                1.0 / (1.0 / bare.rate + 1.0 / raw.rate)
            }
            _ => self.limit(&["commits", &millis]).await?.rate,
        };
        let reach = if queue == "rabbitmq" {
            "≥ 0.85"
        } else {
            "≥ 0.70"
        };
        for (case, pool, limit) in [
            (
                (&*irrelevant, "≥ 0.80", "/s"),
                self.irrelevant.clone(),
                bare.rate,
            ),
            ((&*relevant, reach, "/s"), self.relevant.clone(), durable),
        ] {
            for build in self.builds.clone() {
                let place = self.place(&build, queue, false).await?;
                let (round, cost) = place.answers(&pool, self.time).await?;
                let count = round.count() as f64;
                self.report.note(case, build.whose, round.rate);
                let name = format!("{}: processor time", case.0);
                let each = cost.time.as_secs_f64() * 1e6 / count;
                self.report.note((&name, "", "µs"), build.whose, each);
                let name = format!("peak memory, ingest, {queue}");
                self.report
                    .note((&name, "≤ 60 MiB", "MiB"), build.whose, cost.peak);
            }
            self.report.note(case, "limit", limit);
        }
        Ok(())
    }

    /// At half of what a raw publisher does beside a bare handler.
    async fn half_load(&mut self, queue: &str) -> anyhow::Result<()> {
        let name = "relevant callback → queue → 204 at 5,000/s, rabbitmq: p99";
        if queue != "rabbitmq" || !self.wants(name) {
            return Ok(());
        }
        let (rate, case) = (5_000, (name, "≤ 1.5", "ms"));
        for build in self.builds.clone() {
            let place = self.place(&build, queue, false).await?;
            let round = place.answers_at_a_rate(rate, self.time).await?;
            self.report.note(case, build.whose, round.percentile(99));
        }
        let (url, millis) = (self.broker.url(), self.time.as_millis().to_string());
        let rate = rate.to_string();
        let raw = self.limit(&["publisher", &url, &millis, &rate]).await?.p99;
        self.report.note(case, "limit", raw);
        Ok(())
    }

    /// From a callback until the update.
    async fn at_a_rate(&mut self, queue: &str) -> anyhow::Result<()> {
        let (millis, rate) = (self.time.as_millis().to_string(), RATE.to_string());
        for is_pair in [false, true] {
            let how = if is_pair { "in one process" } else { "apart" };
            let name = format!("callback → update at {RATE}/s, {queue}, {how}");
            // A broker is there for processes that are apart.
            if !self.wants(&name) || (queue == "rabbitmq" && is_pair) {
                continue;
            }
            let (p50, p99) = (format!("{name}: p50"), format!("{name}: p99"));
            for build in self.builds.clone() {
                let place = self.place(&build, queue, is_pair).await?;
                let (round, costs) = place.redirects_at_a_rate(RATE, self.time).await?;
                self.report
                    .note((&p50, "≤ 1.3", "ms"), build.whose, round.percentile(50));
                self.report
                    .note((&p99, "≤ 1.5", "ms"), build.whose, round.percentile(99));
                for (of, cost) in names(is_pair).iter().zip(costs) {
                    let name = format!("peak memory, {of}, {queue}");
                    self.report
                        .note((&name, "≤ 60 MiB", "MiB"), build.whose, cost.peak);
                }
            }
            let url = self.broker.url();
            let limit = match queue {
                "rabbitmq" => self.limit(&["events", &url, &millis, &rate]).await?,
                _ => self.limit(&["two-commits", &millis, &rate]).await?,
            };
            self.report.note((&p50, "", "ms"), "limit", limit.p50);
            self.report.note((&p99, "", "ms"), "limit", limit.p99);
        }
        Ok(())
    }

    /// Callers who wait on the queue, and an API that answers at once.
    async fn backlog(&mut self, queue: &str) -> anyhow::Result<()> {
        let name = format!("redirects, an API that answers at once, {queue}");
        if !self.wants(&name) {
            return Ok(());
        }
        for build in self.builds.clone() {
            let place = self.place(&build, queue, false).await?;
            let redirects = place.backlog(CALLERS as u64).await?;
            self.report
                .note((&name, "≥ 0.6", "/s"), build.whose, redirects.rate);
            let each = redirects.time.as_secs_f64() * 1e6 / CALLERS as f64;
            let time = format!("{name}: processor time");
            self.report.note((&time, "", "µs"), build.whose, each);
            let requests = format!("{name}: requests for each");
            self.report
                .note((&requests, "≤ 1.05", ""), build.whose, redirects.requests);
        }
        if queue == "rabbitmq" {
            let api = Api::start(Duration::ZERO).await?;
            let count = CALLERS.to_string();
            let (broker, api) = (self.broker.url(), api.url());
            let limit = self
                .limit(&["redirects", &broker, &api, &count])
                .await?
                .rate;
            self.report.note((&name, "", "/s"), "limit", limit);
        }
        Ok(())
    }

    /// Many callers at once, or before the start, and an API that takes its time.
    async fn incident(&mut self, queue: &str) -> anyhow::Result<()> {
        let limit = CALLERS as f64 * ANSWER.as_secs_f64() / 100.0;
        for (come_first, what, reach) in [
            (false, "at once", "≤ 1.15"),
            (true, "before the start", "≤ 1.05"),
        ] {
            let name = format!("{CALLERS} callers {what}, API 150 ms, 100 in flight, {queue}");
            if !self.wants(&name) {
                continue;
            }
            for build in self.builds.clone() {
                let place = self.place(&build, queue, false).await?;
                let redirects = place.incident(CALLERS, (ANSWER, "100"), 1, come_first);
                let Redirects { took, requests, .. } = redirects.await?;
                self.report
                    .note((&name, reach, "s"), build.whose, took.as_secs_f64());
                let each = format!("{name}: requests for each");
                self.report
                    .note((&each, "≤ 1.2", ""), build.whose, requests);
            }
            self.report.note((&name, "", "s"), "limit", limit);
        }
        Ok(())
    }

    /// What comes next on a ladder, with the broker and without one.
    async fn ladder(&mut self) -> anyhow::Result<()> {
        for (broker, queue) in [("there", "rabbitmq"), ("away", "nowhere")] {
            let name = format!("question what comes next at {RATE}/s, broker {broker}: p99");
            if !self.wants(&name) {
                continue;
            }
            let build = self.builds[0].clone();
            let place = self.place(&build, queue, false).await?;
            let [irrelevant, asked] = place.ladder_at_a_rate(RATE, self.time).await?;
            let case = (&*name, "≤ 1", "ms");
            self.report.note(case, "ours", asked.percentile(99));
            let irrelevant = irrelevant.percentile(99);
            self.report.note(case, "irrelevant callback", irrelevant);
        }
        Ok(())
    }

    async fn several_redirectors(&mut self) -> anyhow::Result<()> {
        for redirectors in [1, 2, 4] {
            let name = format!("redirectors: {redirectors}, API 150 ms, 50 in flight each");
            if !self.wants(&name) {
                continue;
            }
            for build in self.builds.clone() {
                let place = self.place(&build, "rabbitmq", false).await?;
                let callers = 1_250 * redirectors;
                let redirects = place
                    .incident(callers, (ANSWER, "50"), redirectors, false)
                    .await?;
                self.report
                    .note((&name, "scales", "/s"), build.whose, redirects.rate);
            }
            let limit = 50.0 * redirectors as f64 / ANSWER.as_secs_f64();
            self.report.note((&name, "", "/s"), "limit", limit);
        }
        Ok(())
    }

    async fn idle(&mut self, queue: &str) -> anyhow::Result<()> {
        for is_pair in [false, true] {
            if !self.wants("idle memory") {
                continue;
            }
            for build in self.builds.clone() {
                let place = self.place(&build, queue, is_pair).await?;
                for (of, cost) in names(is_pair).iter().zip(place.idle().await?) {
                    let name = format!("idle memory, {of}, {queue}");
                    self.report
                        .note((&name, "≤ 15 MiB", "MiB"), build.whose, cost.memory);
                }
            }
        }
        Ok(())
    }

    /// Once: it takes long.
    async fn deep_queue(&mut self) -> anyhow::Result<()> {
        let name = "relevant callback with 1,000,000 on the queue, rabbitmq";
        if !self.wants(name) {
            return Ok(());
        }
        for (depth, whose) in DEPTHS.into_iter().zip(["with 10,000", "ours"]) {
            let build = self.builds[0].clone();
            let place = self.place(&build, "rabbitmq", false).await?;
            let relevant = self.relevant.clone();
            let round = place.answers_of_a_deep_queue(&relevant, self.time, depth);
            let rate = round.await?.rate;
            self.report.note((name, "≥ 0.9", "/s"), whose, rate);
        }
        Ok(())
    }

    /// A queue and a folder of its own; what the one before left on the broker is removed.
    async fn place(&mut self, build: &Build, queue: &str, is_pair: bool) -> anyhow::Result<Place> {
        let prefix = |nth| format!("bench-{nth}");
        limits::remove(&self.broker.url(), &prefix(self.places)).await?;
        self.places += 1;
        // Not in memory, as temporary folders may be.
        let folder = tempfile::tempdir_in(".")?;
        let url = match queue {
            "sqlite" => format!("sqlite:{}", folder.path().join("queue.db").display()),
            "nowhere" => "amqp://127.0.0.1:1".to_owned(),
            _ => self.broker.url(),
        };
        Ok(Place {
            binaries: build.binaries.clone(),
            is_watched: build.is_watched,
            queue: url,
            prefix: prefix(self.places),
            folder,
            is_pair,
        })
    }
}

/// The broker, alone or with two others.
enum Broker {
    Alone(&'static Node),
    Cluster(Cluster),
}

impl Broker {
    fn start(cluster: bool) -> Self {
        match cluster {
            true => Self::Cluster(Cluster::start()),
            false => Self::Alone(Node::shared()),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Alone(node) => node.url(),
            Self::Cluster(cluster) => cluster.nodes()[0].url(),
        }
    }
}

fn names(is_pair: bool) -> &'static [&'static str] {
    match is_pair {
        true => &["the pair"],
        false => &["ingest", "redirector"],
    }
}
