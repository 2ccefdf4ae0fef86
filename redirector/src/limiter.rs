//! The limiter in front of one of Twilio's APIs, or of another's: how many requests this process has under way
//! there, who goes first, and when it holds back because that API refuses or fails.
//!
//! A `429` halves the allowance and closes the limiter for a while, for every call. Failure after
//! failure closes it too. A limiter that opens again lets one request through as a probe: only when
//! that one succeeds do the others follow.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use retry::{Delays, Policy};
use service::telemetry;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::classify::ApiHealth;

/// So many failures in a row, over all calls, mean that the API is failing, not one call.
const FAILURES_TO_CLOSE: u32 = 10;

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A first attempt to redirect a caller.
    Redirect,
    /// A look where there is doubt, or an attempt after a failed one.
    Look,
    /// What no caller waits for.
    Close,
}

const CLASSES: usize = 3;

/// The limiter.
pub(crate) struct Limiter {
    /// Whose API it is.
    whose: String,
    max_in_flight: usize,
    /// The longest that `Retry-After` is believed.
    longest_retry_after: Duration,
    state: Mutex<State>,
}

struct State {
    in_flight: usize,
    allowance: usize,
    /// Successes since the allowance last changed.
    successes: usize,
    failures: u32,
    mode: Mode,
    delays: Delays,
    waiting: [VecDeque<oneshot::Sender<Slot>>; CLASSES],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    ClosedUntil(Instant),
    /// One request is under way to find out, since this moment.
    Probing(Instant),
}

/// A permit for one request at a time. It is given back when it is dropped.
pub(crate) struct Slot {
    limiter: Arc<Limiter>,
    probe: bool,
    left: bool,
}

/// The limiter as it stands, for metrics and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) in_flight: usize,
    pub(crate) allowance: usize,
    pub(crate) in_line: usize,
    pub(crate) open: bool,
}

impl Limiter {
    /// One of somebody's API that lets up to `max_in_flight` requests through at a time, and closes for
    /// delays of `cool_down`.
    pub(crate) fn new(
        whose: impl Into<String>,
        max_in_flight: usize,
        cool_down: Policy,
        longest_retry_after: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            whose: whose.into(),
            max_in_flight,
            longest_retry_after,
            state: Mutex::new(State {
                in_flight: 0,
                allowance: max_in_flight,
                successes: 0,
                failures: 0,
                mode: Mode::Open,
                delays: cool_down.delays(),
                waiting: Default::default(),
            }),
        })
    }

    /// Waits for leave to make a request.
    pub(crate) async fn enter(self: &Arc<Self>, class: Class) -> Slot {
        let (leave, when_it_comes) = oneshot::channel();
        self.state.lock().waiting[class as usize].push_back(leave);
        self.admit();
        match when_it_comes.await {
            Ok(slot) => slot,
            // The sender is in our own queue, which lives as long as we do.
            Err(_) => std::future::pending().await,
        }
    }

    /// Lets in those who may go now.
    fn admit(self: &Arc<Self>) {
        loop {
            let mut state = self.state.lock();
            if !state.has_room() {
                return;
            }
            let probe = state.mode != Mode::Open;
            // The newest caller is the probe: a crowd of calls that fail, each for itself, must not
            // stand before everybody else, for one pause after the other.
            let next = match probe {
                true => VecDeque::pop_back,
                false => VecDeque::pop_front,
            };
            let Some(next) = state.waiting.iter_mut().find_map(next) else {
                return;
            };
            if probe {
                state.mode = Mode::Probing(Instant::now());
            }
            state.in_flight += 1;
            drop(state);
            let slot = Slot {
                limiter: Arc::clone(self),
                probe,
                left: false,
            };
            if let Err(mut unwanted) = next.send(slot) {
                // Not by its drop, which would come back here for each that waits no more.
                unwanted.leave(&mut self.state.lock());
            }
        }
    }

    /// Takes in how the API took a request that was made at this moment, without a slot. Made once a
    /// probe may be, it tells as much as one.
    pub(crate) fn report(self: &Arc<Self>, health: ApiHealth, asked: Instant) {
        let state = self.state.lock();
        let probe = match state.mode {
            Mode::Open => false,
            Mode::ClosedUntil(moment) | Mode::Probing(moment) => asked >= moment,
        };
        self.note(state, health, probe);
    }

    /// Takes in how the API took a request.
    fn note(self: &Arc<Self>, mut state: MutexGuard<'_, State>, health: ApiHealth, probe: bool) {
        match health {
            ApiHealth::Sound => {
                state.failures = 0;
                state.successes += 1;
                if state.successes >= state.allowance && state.allowance < self.max_in_flight {
                    state.allowance += 1;
                    state.successes = 0;
                }
                // An answer to a request of before the closing says nothing of now.
                if probe || state.mode == Mode::Open {
                    state.mode = Mode::Open;
                    state.delays.reset();
                }
            }
            ApiHealth::Failing => {
                state.failures += 1;
                if probe || state.failures >= FAILURES_TO_CLOSE {
                    self.close(&mut state, probe, None);
                }
            }
            ApiHealth::Refusing {
                retry_after,
                too_many,
            } => {
                if too_many && state.mode == Mode::Open {
                    state.allowance = (state.allowance / 2).max(1);
                    state.successes = 0;
                }
                self.close(&mut state, probe, retry_after);
            }
            ApiHealth::Unknown => {}
        }
        drop(state);
        self.admit();
    }

    /// Closes, unless it is closed already: what was under way at the closing fails with it and
    /// must not close it longer.
    fn close(self: &Arc<Self>, state: &mut State, probe: bool, retry_after: Option<Duration>) {
        if state.mode == Mode::Open || probe {
            let asked = retry_after
                .unwrap_or_default()
                .min(self.longest_retry_after);
            let delay = state.delays.next_delay().max(asked);
            tracing::warn!(
                for_ms = telemetry::millis(delay),
                allowance = state.allowance,
                "{} refuses or fails: holding back",
                self.whose
            );
            self.open_after(state, delay);
        }
    }

    fn open_after(self: &Arc<Self>, state: &mut State, delay: Duration) {
        let until = Instant::now() + delay;
        state.mode = Mode::ClosedUntil(until);
        state.failures = 0;
        let limiter = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            if let Some(limiter) = limiter.upgrade() {
                limiter.admit();
            }
        });
    }

    pub(crate) fn reading(&self) -> Reading {
        let state = self.state.lock();
        Reading {
            in_flight: state.in_flight,
            allowance: state.allowance,
            in_line: state
                .waiting
                .iter()
                .flatten()
                .filter(|leave| !leave.is_closed())
                .count(),
            open: state.mode == Mode::Open,
        }
    }
}

impl State {
    fn has_room(&self) -> bool {
        match self.mode {
            Mode::Open => self.in_flight < self.allowance,
            Mode::ClosedUntil(at) => Instant::now() >= at,
            Mode::Probing(_) => false,
        }
    }
}

impl Slot {
    /// Says how the API took a request made with this leave.
    pub(crate) fn note(&mut self, health: ApiHealth) {
        let probe = self.probe && health != ApiHealth::Unknown;
        if probe {
            self.probe = false;
        }
        let state = self.limiter.state.lock();
        self.limiter.note(state, health, probe);
    }

    fn leave(&mut self, state: &mut State) {
        self.left = true;
        state.in_flight -= 1;
        // A probe that told nothing: the next one finds out.
        if self.probe && matches!(state.mode, Mode::Probing(_)) {
            state.mode = Mode::ClosedUntil(Instant::now());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.left {
            let limiter = Arc::clone(&self.limiter);
            self.leave(&mut limiter.state.lock());
            limiter.admit();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TOO_MANY: ApiHealth = ApiHealth::Refusing {
        retry_after: None,
        too_many: true,
    };

    fn limiter(max_in_flight: usize) -> Arc<Limiter> {
        let cool_down = Policy::new(SECOND, SECOND * 8).unwrap();
        Limiter::new("Twilio", max_in_flight, cool_down, SECOND * 30)
    }

    async fn enter(limiter: &Arc<Limiter>) -> Slot {
        limiter.enter(Class::Redirect).await
    }

    async fn request(limiter: &Arc<Limiter>, health: ApiHealth) {
        enter(limiter).await.note(health);
    }

    fn try_enter(limiter: &Arc<Limiter>) -> Option<Slot> {
        enter(limiter).now_or_never()
    }

    #[tokio::test]
    async fn no_more_requests_than_allowed_are_under_way() {
        let limiter = limiter(2);
        let first = enter(&limiter).await;
        let _second = enter(&limiter).await;
        assert!(try_enter(&limiter).is_none());
        let waiting = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { enter(&limiter).await }
        });
        drop(first);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn redirects_go_before_looks_and_looks_before_closes() {
        let limiter = limiter(1);
        let only = enter(&limiter).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for class in [Class::Close, Class::Look, Class::Redirect, Class::Look] {
            let (limiter, order) = (Arc::clone(&limiter), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let _slot = limiter.enter(class).await;
                order.lock().push(class);
            }));
            tokio::task::yield_now().await;
        }
        drop(only);
        for task in waiting {
            task.await.unwrap();
        }
        let order = order.lock();
        let expected = [Class::Redirect, Class::Look, Class::Look, Class::Close];
        assert_eq!(*order, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_holds_everybody_back_until_a_probe_succeeds() {
        let limiter = limiter(8);
        request(&limiter, TOO_MANY).await;
        assert_eq!(limiter.reading().allowance, 4);
        assert!(try_enter(&limiter).is_none(), "closed for every call");

        let mut probe = enter(&limiter).await;
        assert!(try_enter(&limiter).is_none(), "one probe, not a crowd");
        probe.note(ApiHealth::Sound);
        drop(probe);
        let slots: Vec<_> = (0..4).map(|_| try_enter(&limiter)).collect();
        assert!(slots.iter().all(Option::is_some));
        assert!(try_enter(&limiter).is_none(), "the allowance was halved");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_list_that_many_share_tells_counts_as_the_probes_word() {
        let limiter = limiter(1);
        request(&limiter, TOO_MANY).await;
        let before = Instant::now();
        tokio::time::advance(SECOND * 2).await;
        // The probe asks for a list, and holds its slot meanwhile.
        let probe = enter(&limiter).await;
        limiter.report(TOO_MANY, Instant::now());
        drop(probe);
        assert!(
            try_enter(&limiter).is_none(),
            "it is closed again, for longer"
        );

        tokio::time::advance(SECOND * 4).await;
        limiter.report(ApiHealth::Sound, before);
        assert!(!limiter.reading().open, "it was asked before the closing");
        limiter.report(ApiHealth::Sound, Instant::now());
        assert!(limiter.reading().open, "nobody else has to ask");
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_honoured_within_reason() {
        for (asked, waits) in [(20, 20), (3600, 30), (u64::MAX, 30)] {
            let limiter = limiter(8);
            let before = Instant::now();
            let retry_after = Some(Duration::from_secs(asked));
            request(
                &limiter,
                ApiHealth::Refusing {
                    retry_after,
                    too_many: true,
                },
            )
            .await;
            drop(enter(&limiter).await);
            assert_eq!(before.elapsed().as_secs(), waits);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failure_after_failure_closes_but_one_among_successes_does_not() {
        let limiter = limiter(8);
        for _ in 0..FAILURES_TO_CLOSE * 3 {
            request(&limiter, ApiHealth::Failing).await;
            request(&limiter, ApiHealth::Sound).await;
        }
        assert!(limiter.reading().open);
        for _ in 0..FAILURES_TO_CLOSE {
            request(&limiter, ApiHealth::Failing).await;
        }
        assert!(!limiter.reading().open);
        assert_eq!(
            limiter.reading().allowance,
            8,
            "fewer requests would not help"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_of_calls_that_fail_holds_back_nobody_who_comes_after_it() {
        let limiter = limiter(8);
        let mut crowd = Vec::new();
        for _ in 0..1000 {
            let limiter = Arc::clone(&limiter);
            crowd.push(tokio::spawn(async move {
                request(&limiter, ApiHealth::Failing).await;
            }));
        }
        // Twilio has failed for a while, as far as anybody can tell.
        tokio::time::sleep(SECOND * 60).await;
        assert!(!limiter.reading().open);
        let came = Instant::now();
        for _ in 0..10 {
            request(&limiter, ApiHealth::Sound).await;
        }
        assert!(came.elapsed() < SECOND * 60, "{:?}", came.elapsed());
        for task in crowd {
            task.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_leaves_it_usable() {
        let limiter = limiter(8);
        request(&limiter, TOO_MANY).await;
        drop(enter(&limiter).await);
        request(&limiter, ApiHealth::Sound).await;
        assert!(limiter.reading().open);
    }

    #[tokio::test(start_paused = true)]
    async fn everyone_who_waited_goes_on_when_the_probe_succeeds() {
        let limiter = limiter(8);
        request(&limiter, TOO_MANY).await;
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let limiter = Arc::clone(&limiter);
                tokio::spawn(async move { request(&limiter, ApiHealth::Sound).await })
            })
            .collect();
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(limiter.reading().in_flight, 0);
    }

    #[tokio::test]
    async fn those_who_wait_no_more_are_in_nobodys_way() {
        let limiter = limiter(1);
        let only = enter(&limiter).await;
        let waiting: Vec<_> = (0..10_000)
            .map(|_| {
                let limiter = Arc::clone(&limiter);
                tokio::spawn(async move { enter(&limiter).await })
            })
            .collect();
        tokio::task::yield_now().await;
        for task in waiting {
            task.abort();
        }
        drop(only);
        drop(enter(&limiter).await);
        assert_eq!(limiter.reading().in_flight, 0);
    }

    #[tokio::test]
    async fn the_allowance_grows_back_with_successes() {
        let limiter = limiter(4);
        limiter.state.lock().allowance = 1;
        for _ in 0..10 {
            request(&limiter, ApiHealth::Sound).await;
        }
        assert_eq!(limiter.reading().allowance, 4);
    }
}
