//! A simulated Twilio, which knows who waits, for what needs more than quick answers.

use std::time::Duration;

use anyhow::{Context, ensure};
use simulator::{Account, CallerLog, Config, Fault, PlaceCall, Rule, Simulator};
use tokio::net::TcpListener;

use crate::callbacks::{ACCOUNT, TOKEN};

/// How long redirects may take in all.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long it takes at most until what was redirected is connected.
const SOON: Duration = Duration::from_secs(10);

/// How many callbacks are under way at a time.
const CALLBACKS: usize = 64;

/// The simulator, and what was asked of it before.
pub struct Twilio {
    simulator: Simulator,
    answers_after: Duration,
}

impl Twilio {
    /// Starts it; each of its answers takes so long.
    pub async fn start(answers_after: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let config = Config {
            account: Some(Account::new(ACCOUNT.parse()?, TOKEN.to_owned())),
            ..Config::default()
        };
        let simulator = Simulator::start(listener, config)?;
        let slow = Fault::Delay { by: answers_after };
        simulator.faults().add(Rule::everywhere(slow));
        Ok(Self {
            simulator,
            answers_after,
        })
    }

    /// Where its API is.
    pub fn url(&self) -> String {
        self.simulator.api_url().to_string()
    }

    /// The placeholder task queue.
    pub fn placeholder(&self) -> String {
        self.simulator.placeholder().to_string()
    }

    /// So many callers come into the placeholder; returns once `public_url` has answered the event of
    /// each.
    pub async fn call(&self, callers: usize, public_url: &str) -> anyhow::Result<()> {
        let callback_url = format!("{public_url}/taskrouter/events");
        let call = PlaceCall::into_placeholder().withholding_events();
        let callers = self.simulator.place_calls(callers, &call)?;
        let events = callers.iter().filter_map(|caller| {
            let entered = self.simulator.entered_callback(caller.task_sid)?;
            Some(entered.to(&callback_url))
        });
        let delivered = self.simulator.deliver(events.collect(), CALLBACKS).await;
        let taken = delivered.iter().filter(|sent| sent.outcome.is_success());
        ensure!(taken.count() == callers.len(), "callbacks were refused");
        Ok(())
    }

    /// Waits until all are redirected.
    pub async fn nobody_waits(&self) -> anyhow::Result<()> {
        let nobody = self
            .simulator
            .wait_until(|state| state.waiting_count() == 0);
        tokio::time::timeout(PATIENCE, nobody)
            .await
            .context("callers were not redirected")
    }

    /// From the first request until the answer to the last one.
    pub fn span(&self) -> anyhow::Result<Duration> {
        let journal = self.simulator.journal();
        let at: Vec<_> = journal.requests().map(|request| request.at).collect();
        let first = at.iter().min().context("no request came")?;
        let last = at.iter().max().context("no request came")?;
        Ok(*last - *first + self.answers_after)
    }

    /// How many requests each of so many callers took, who were all redirected just once.
    pub async fn requests_for(&self, callers: usize) -> anyhow::Result<f64> {
        let requests = self.simulator.journal().request_count() as f64;
        let is_once = |caller: &&CallerLog| caller.was_redirected_once();
        // The last of them are about to be connected.
        let all_once = self.simulator.wait_until(|state| {
            let once = state.journal().callers().filter(is_once);
            once.count() == callers
        });
        tokio::time::timeout(SOON, all_once)
            .await
            .context("not all callers were redirected once")?;
        Ok(requests / callers as f64)
    }
}
