//! Steady load: callers whom nobody took, some of whom lose patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use simulator::{Caller, PlaceCall, Simulator};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// The share of callers who hang up, within seconds.
const IMPATIENT: f64 = 0.05;
const HANG_UP_WITHIN_MS: u64 = 4_000;

/// Callers who call at a steady rate.
pub struct Load {
    placed: Arc<AtomicUsize>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<Vec<Caller>>>,
    joined: Vec<Caller>,
}

impl Load {
    pub(super) fn start(simulator: Arc<Simulator>, rate: f64, seed: u64) -> Self {
        let placed = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(call(simulator, rate, seed, placed.clone(), stopped));
        Self {
            placed,
            stop,
            task: Some(task),
            joined: Vec::new(),
        }
    }

    /// How many called so far.
    pub fn placed(&self) -> usize {
        self.placed.load(Ordering::Relaxed)
    }

    /// Callers whom a scenario placed count as well.
    pub(super) fn joined_by(&mut self, callers: Vec<Caller>) {
        self.joined.extend(callers);
    }

    /// Nobody calls any more; who did.
    pub(super) async fn stop(&mut self) -> Vec<Caller> {
        self.stop.send_replace(true);
        let mut callers = std::mem::take(&mut self.joined);
        if let Some(task) = self.task.take() {
            callers.extend(task.await.unwrap());
        }
        callers
    }
}

async fn call(
    simulator: Arc<Simulator>,
    rate: f64,
    seed: u64,
    placed: Arc<AtomicUsize>,
    mut stopped: watch::Receiver<bool>,
) -> Vec<Caller> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut callers = Vec::new();
    let mut next = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return callers,
            _ = next.tick() => {}
        }
        let caller = simulator.place_call(PlaceCall::into_placeholder()).unwrap();
        callers.push(caller);
        placed.fetch_add(1, Ordering::Relaxed);
        if random.random_bool(IMPATIENT) {
            let simulator = simulator.clone();
            let patience = Duration::from_millis(random.random_range(0..HANG_UP_WITHIN_MS));
            tokio::spawn(async move {
                tokio::time::sleep(patience).await;
                simulator.hang_up(caller.call_sid);
            });
        }
    }
}
