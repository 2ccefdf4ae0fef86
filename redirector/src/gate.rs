//! The gate in front of Twilio: how many requests this process has under way, and when it holds
//! back because Twilio as a whole is refusing or failing.
//!
//! A `429` halves the allowance and closes the gate for a while, for every call. Failure after
//! failure closes it too. A gate that reopens lets one request through as a probe: only when that
//! one succeeds do the others follow.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use retry::{Delays, Policy};
use tokio::sync::Notify;
use tokio::time::Instant;

/// So many failures in a row, over all calls, mean that Twilio is failing, not one call.
const FAILURES_TO_CLOSE: u32 = 10;

/// How Twilio took a request, as far as it tells of Twilio rather than of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It did its work, whatever the answer was.
    Sound,
    /// It failed, or could not be reached.
    Failing,
    /// It will not serve us for now: too many requests, or credentials refused.
    Refusing {
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
        /// Whether fewer requests at a time would help.
        too_many: bool,
    },
}

/// The gate.
pub(crate) struct Gate {
    max_in_flight: usize,
    state: Mutex<State>,
    freed: Notify,
}

struct State {
    in_flight: usize,
    allowance: usize,
    /// Successes since the allowance last changed.
    successes: usize,
    failures: u32,
    mode: Mode,
    delays: Delays,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    ClosedUntil(Instant),
    /// One request is under way to find out.
    Probing,
}

/// Leave to make one request, given back when it is dropped.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    probe: bool,
}

/// The gate as it stands, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) in_flight: usize,
    pub(crate) allowance: usize,
    pub(crate) open: bool,
}

impl Gate {
    /// A gate that lets up to `max_in_flight` requests through at a time, and closes for delays of
    /// `cool_down`.
    pub(crate) fn new(max_in_flight: usize, cool_down: Policy) -> Arc<Self> {
        Arc::new(Self {
            max_in_flight,
            state: Mutex::new(State {
                in_flight: 0,
                allowance: max_in_flight,
                successes: 0,
                failures: 0,
                mode: Mode::Open,
                delays: cool_down.delays(),
            }),
            freed: Notify::new(),
        })
    }

    /// Waits for leave to make a request.
    pub(crate) async fn enter(self: &Arc<Self>) -> Pass {
        loop {
            let freed = self.freed.notified();
            let reopens = match self.try_enter() {
                Ok(pass) => return pass,
                Err(reopens) => reopens,
            };
            match reopens {
                Some(at) => tokio::select! {
                    () = freed => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => freed.await,
            }
        }
    }

    /// A pass, or when it is worth asking again, if that is known.
    fn try_enter(self: &Arc<Self>) -> Result<Pass, Option<Instant>> {
        let mut state = self.state();
        let probe = match state.mode {
            Mode::Open if state.in_flight < state.allowance => false,
            Mode::Open | Mode::Probing => return Err(None),
            Mode::ClosedUntil(at) if Instant::now() < at => return Err(Some(at)),
            Mode::ClosedUntil(_) => {
                state.mode = Mode::Probing;
                true
            }
        };
        state.in_flight += 1;
        Ok(Pass {
            gate: Arc::clone(self),
            probe,
        })
    }

    pub(crate) fn reading(&self) -> Reading {
        let state = self.state();
        Reading {
            in_flight: state.in_flight,
            allowance: state.allowance,
            open: state.mode == Mode::Open,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Ends the request.
    pub(crate) fn done(self, health: Health) {
        let gate = Arc::clone(&self.gate);
        let mut state = gate.state();
        let before = state.mode;
        match health {
            Health::Sound => {
                state.failures = 0;
                state.successes += 1;
                if state.successes >= state.allowance && state.allowance < gate.max_in_flight {
                    state.allowance += 1;
                    state.successes = 0;
                    gate.freed.notify_one();
                }
                // An answer to a request of before the closing says nothing of now.
                if self.probe || state.mode == Mode::Open {
                    state.mode = Mode::Open;
                    state.delays.reset();
                }
            }
            Health::Failing => {
                state.failures += 1;
                if self.probe || state.failures >= FAILURES_TO_CLOSE {
                    state.close(self.probe, None);
                }
            }
            Health::Refusing {
                retry_after,
                too_many,
            } => {
                if too_many && state.mode == Mode::Open {
                    state.allowance = (state.allowance / 2).max(1);
                    state.successes = 0;
                }
                state.close(self.probe, retry_after);
            }
        }
        if state.mode != before {
            // Everyone who waits learns of it, for each must know how long to wait on.
            gate.freed.notify_waiters();
        }
    }
}

impl State {
    /// Closes the gate, unless it is closed already: what was under way when it closed fails with
    /// it and must not close it longer.
    fn close(&mut self, probe: bool, retry_after: Option<Duration>) {
        if self.mode == Mode::Open || (probe && self.mode == Mode::Probing) {
            let delay = self
                .delays
                .next_delay()
                .max(retry_after.unwrap_or_default());
            self.mode = Mode::ClosedUntil(Instant::now() + delay);
            tracing::warn!(
                for_ms = delay.as_millis(),
                "Twilio refuses or fails: requests held back"
            );
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.in_flight -= 1;
        if self.probe && state.mode == Mode::Probing {
            // The probe was given up: the next request is one.
            state.mode = Mode::ClosedUntil(Instant::now());
            self.gate.freed.notify_waiters();
        }
        self.gate.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TOO_MANY: Health = Health::Refusing {
        retry_after: None,
        too_many: true,
    };

    fn gate(max_in_flight: usize) -> Arc<Gate> {
        Gate::new(max_in_flight, Policy::new(SECOND, SECOND * 8).unwrap())
    }

    #[tokio::test]
    async fn no_more_requests_than_allowed_are_under_way() {
        let gate = gate(2);
        let first = gate.enter().await;
        let _second = gate.enter().await;
        assert!(gate.try_enter().is_err());
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter().await }
        });
        first.done(Health::Sound);
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_closes_the_gate_for_all_and_a_probe_opens_it() {
        let gate = gate(8);
        gate.enter().await.done(TOO_MANY);
        assert_eq!(gate.reading().allowance, 4);
        assert!(gate.try_enter().is_err(), "closed for every call");

        let probe = gate.enter().await;
        assert!(gate.try_enter().is_err(), "one probe, not a crowd");
        probe.done(Health::Sound);
        let passes: Vec<_> = (0..4).map(|_| gate.try_enter()).collect();
        assert!(passes.iter().all(Result::is_ok));
        assert!(gate.try_enter().is_err(), "the allowance was halved");
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_honoured() {
        let gate = gate(8);
        let before = Instant::now();
        gate.enter().await.done(Health::Refusing {
            retry_after: Some(SECOND * 30),
            too_many: true,
        });
        drop(gate.enter().await);
        assert!(before.elapsed() >= SECOND * 30);
    }

    #[tokio::test(start_paused = true)]
    async fn failure_after_failure_closes_the_gate_but_one_among_successes_does_not() {
        let gate = gate(8);
        for _ in 0..FAILURES_TO_CLOSE * 3 {
            gate.enter().await.done(Health::Failing);
            gate.enter().await.done(Health::Sound);
        }
        assert!(gate.reading().open);
        for _ in 0..FAILURES_TO_CLOSE {
            gate.enter().await.done(Health::Failing);
        }
        assert!(!gate.reading().open);
        assert_eq!(gate.reading().allowance, 8, "fewer requests would not help");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_leaves_the_gate_usable() {
        let gate = gate(8);
        gate.enter().await.done(TOO_MANY);
        drop(gate.enter().await);
        gate.enter().await.done(Health::Sound);
        assert!(gate.reading().open);
    }

    #[tokio::test(start_paused = true)]
    async fn everyone_who_waited_goes_on_when_the_probe_succeeds() {
        let gate = gate(8);
        gate.enter().await.done(TOO_MANY);
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move { gate.enter().await.done(Health::Sound) })
            })
            .collect();
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(gate.reading().in_flight, 0);
    }

    #[tokio::test]
    async fn the_allowance_grows_back_with_successes() {
        let gate = gate(4);
        gate.state().allowance = 1;
        for _ in 0..10 {
            gate.enter().await.done(Health::Sound);
        }
        assert_eq!(gate.reading().allowance, 4);
    }
}
