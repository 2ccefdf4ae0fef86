//! How far a connection is with its request.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::metrics::Cut;
use super::timeouts::Timeouts;

/// How long clients that we wait for have left once the process is to stop.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between requests; the last answer may still be on its way.
    Idle,
    /// A head is arriving.
    Head,
    /// A body is arriving.
    Body,
    /// The request is whole, and being answered. Only this phase waits for us, not for the client.
    Answering,
}

/// How far a connection is, and since when.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    /// Told when the connection is to make room for others.
    pub(super) shed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    since: Instant,
    /// When the last moment of clients that we wait for has passed.
    end: Option<Instant>,
}

impl Progress {
    /// A new connection owes a head.
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                phase: Phase::Head,
                since: Instant::now(),
                end: None,
            }),
            shed: Notify::new(),
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.state.lock();
        state.phase = phase;
        state.since = Instant::now();
    }

    /// Something arrived.
    pub(super) fn heard(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Idle {
            state.phase = Phase::Head;
            state.since = Instant::now();
        }
    }

    /// The process is to stop.
    pub(super) fn hurry(&self) {
        self.state.lock().end = Some(Instant::now() + LAST_MOMENT);
    }

    /// Since when we have been waiting for the client, if we are.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let state = *self.state.lock();
        (state.phase != Phase::Answering).then_some(state.since)
    }

    /// Until when we wait for the client, and what it is then late with.
    pub(super) fn deadline(&self, timeouts: &Timeouts) -> Option<(Instant, Cut)> {
        let state = *self.state.lock();
        let (allowed, late) = match state.phase {
            Phase::Answering => return None,
            Phase::Idle => (timeouts.idle, Cut::Idle),
            Phase::Head => (timeouts.header, Cut::Header),
            Phase::Body => (timeouts.body, Cut::Body),
        };
        let deadline = state.since + allowed;
        let deadline = state.end.map_or(deadline, |end| deadline.min(end));
        Some((deadline, late))
    }
}
