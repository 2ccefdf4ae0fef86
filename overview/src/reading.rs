//! Reads what became of callers: the past first, then whatever follows.

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use queue::{Content, Health, History, Queue, QueueError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::past::Past;

/// How much of the past is told.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The past has been read once nothing has come for so long.
const PAUSE: Duration = Duration::from_millis(300);

/// How long the first entry may take, for a reading has to begin: if there is none by then, there is no
/// past.
const BEGINS: Duration = Duration::from_secs(2);

/// How soon what failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What became of callers, as it is read.
pub(crate) struct Reading {
    queue: Arc<dyn Queue>,
    clock: Clock,
    past: Mutex<Past>,
    state: watch::Sender<State>,
}

/// Whether the past was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    NotYet,
    Whole,
    /// It can't be now.
    Failed,
}

impl Reading {
    pub(crate) fn new(queue: Arc<dyn Queue>, clock: Clock) -> Self {
        Self {
            queue,
            clock,
            past: Mutex::default(),
            state: watch::Sender::new(State::NotYet),
        }
    }

    /// Waits until the past was read, or can't be; until then at the latest.
    pub(crate) async fn tried_by(&self, deadline: Instant) {
        let mut state = self.state.subscribe();
        let tried = state.wait_for(|state| *state != State::NotYet);
        let _ = timeout_at(deadline, tried).await;
    }

    pub(crate) fn is_whole(&self) -> bool {
        *self.state.borrow() == State::Whole
    }

    pub(crate) fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock()
    }

    /// Goes on for ever.
    pub(crate) async fn follow(self: Arc<Self>) {
        loop {
            if let Err(error) = self.follow_once().await {
                tracing::debug!(%error, "what became of callers can't be read");
            }
            self.state.send_replace(State::Failed);
            sleep(AGAIN).await;
        }
    }

    async fn follow_once(&self) -> Result<(), QueueError> {
        let mut history = self.queue.history(DAY).await?;
        *self.past.lock() = Past::default();
        self.read_past(&mut *history).await?;
        self.state.send_replace(State::Whole);
        loop {
            self.take(&history.next().await?);
        }
    }

    async fn read_past(&self, history: &mut dyn History) -> Result<(), QueueError> {
        let began = self.clock.now();
        let (mut quiet, mut limit) = (Duration::ZERO, BEGINS);
        while quiet < limit {
            match timeout(PAUSE, history.next()).await {
                Ok(told) => {
                    let told = told?;
                    self.take(&told);
                    if at(&told).is_some_and(|at| at >= began) {
                        break;
                    }
                    (quiet, limit) = (Duration::ZERO, PAUSE);
                }
                Err(_) if self.queue.health() == Health::Up => quiet += PAUSE,
                // What is away tells nothing, and has to be read anew when it is back.
                Err(_) => (quiet, limit) = (Duration::ZERO, BEGINS),
            }
        }
        Ok(())
    }

    fn take(&self, told: &Content) {
        self.past.lock().take(told, self.clock.now());
    }
}

fn at(told: &Content) -> Option<Timestamp> {
    match told {
        Content::Redirected(redirected) => Some(redirected.last()?.redirected_at),
        Content::Outcome(outcome) => Some(outcome.at),
        Content::Redirect(_) | Content::Notify(_) => None,
    }
}
