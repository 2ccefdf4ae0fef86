//! How long callers wait where Twilio sets the pace, on the world's own clock: a busy machine changes
//! nothing of it.

use std::time::Duration;

use simulator::{Heard, PlaceCall, State};
use twilio::CallSid;

use crate::on_paused_clock;
use crate::processes::Role;
use crate::setup::{Setup, Stage};
use crate::weather::{Fault, Sky};

/// What is asked of the pair.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many redirectors there are.
    pub redirectors: usize,
    /// How many requests each of them makes at a time.
    pub in_flight: usize,
    /// How many requests it takes off the queue at a time.
    pub prefetch: usize,
    /// How long Twilio's API takes.
    pub api: Duration,
}

/// The pair under a load.
pub struct Pair {
    stage: Stage,
    /// Those whose updates can succeed, and when they were put on hold.
    callers: Vec<(CallSid, Duration)>,
}

impl Load {
    /// Runs `story` with a pair that has just started, on a clock that is paused.
    pub fn run<T>(self, story: impl AsyncFnOnce(&mut Pair) -> T) -> T {
        on_paused_clock(async {
            fastrand::seed(0);
            let setup = Setup::plain(self.redirectors, self.in_flight, self.prefetch);
            let mut pair = Pair {
                stage: setup.stage_under(Sky::clear(self.api), 0),
                callers: Vec::new(),
            };
            story(&mut pair).await
        })
    }
}

impl Pair {
    /// So many callers whom no agent takes call, evenly over this time.
    pub async fn call(&mut self, callers: u32, over: Duration) {
        for _ in 0..callers {
            let now = self.stage.simulator.inspect(State::elapsed);
            let call = self.place();
            self.callers.push((call, now));
            tokio::time::sleep(over / callers).await;
        }
    }

    /// Somebody calls whose every update is answered with a 500.
    pub fn call_sick(&mut self) {
        let failure = Fault::Status {
            status: 500,
            retry_after: None,
            carried_out: None,
        };
        let call = self.place();
        self.stage.wire.sick.lock().insert(call, failure);
    }

    /// From now on, updates are lost on their way, until [`Pair::heal`].
    pub fn lose_updates(&self) {
        let lost = self.callers.iter().map(|(call, _)| (*call, Fault::Lost));
        self.stage.wire.sick.lock().extend(lost);
    }

    /// Nothing befalls any update any more.
    pub fn heal(&self) {
        self.stage.wire.sick.lock().clear();
    }

    /// Every redirector is killed, and started again at once.
    pub async fn kill_redirectors(&self) {
        let processes = &self.stage.struck.processes;
        for process in processes.iter().filter(|p| p.role() == Role::Redirector) {
            process.kill();
            process.dead().await;
            tokio::task::yield_now().await;
            process.start();
        }
    }

    /// Waits until `enough`, which is asked every few milliseconds.
    pub async fn until(&self, enough: impl Fn(&Self) -> bool) {
        while !enough(self) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How many requests are on the queue, those that a redirector has included.
    pub fn queued(&self) -> usize {
        self.stage.struck.broker.messages().len()
    }

    /// How many updates were sent.
    pub fn updates(&self) -> usize {
        self.stage.wire.notes.updates()
    }

    /// How many requests of any kind were made.
    pub fn requests(&self) -> usize {
        self.stage.wire.notes.requests()
    }

    /// How long each caller waited for the redirect, the shortest first, those left out whose updates
    /// always fail; `None` while somebody still waits.
    pub fn waited(&self) -> Option<Vec<Duration>> {
        let journal = self.stage.simulator.journal();
        let waited = self.callers.iter().map(|(call, since)| {
            let mut entries = journal.caller(call)?.entries.iter();
            let redirected = entries.find(|e| matches!(e.heard, Heard::Redirected { .. }))?;
            Some(redirected.at.saturating_sub(*since))
        });
        let mut waited: Vec<_> = waited.collect::<Option<_>>()?;
        waited.sort_unstable();
        Some(waited)
    }

    fn place(&self) -> CallSid {
        let placed = self
            .stage
            .simulator
            .place_call(PlaceCall::into_placeholder());
        placed
            .expect("the demonstration's workflow takes calls")
            .call_sid
    }
}
