//! How many intents go through the log in a second: published, confirmed and read back.
//!
//! `cargo run --release -p queue --example intents -- QUEUE_URL [SECONDS]`, on a queue that nobody
//! else uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use queue::{Intent, IntentLog, IntentReader, Logged, Options};

#[derive(Default)]
struct Counter {
    intents: AtomicU64,
    gaps: AtomicU64,
}

impl IntentReader for Counter {
    fn read(&self, logged: Logged) {
        match logged {
            Logged::Intent(_) => self.intents.fetch_add(1, Ordering::Relaxed),
            Logged::Gap => self.gaps.fetch_add(1, Ordering::Relaxed),
        };
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("name the queue's URL")?.parse()?;
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let queue = queue::open(&url, Options::default()).await?;
    let counter = Arc::new(Counter::default());
    let log = queue.intents(counter.clone());
    for in_flight in [1, 16, 64, 256] {
        let mut taken = run(&log, in_flight, Duration::from_secs(seconds)).await?;
        taken.sort_unstable();
        let share = |percent: usize| taken[(taken.len() - 1) * percent / 100];
        println!(
            "{in_flight:>4} in flight: {:>6} intents/s, p50 {:?}, p99 {:?}",
            taken.len() as u64 / seconds,
            share(50),
            share(99),
        );
    }
    println!(
        "{} read, {} gaps",
        counter.intents.load(Ordering::Relaxed),
        counter.gaps.load(Ordering::Relaxed)
    );
    queue.close().await;
    Ok(())
}

/// How long each append took.
async fn run(
    log: &Arc<dyn IntentLog>,
    in_flight: usize,
    time: Duration,
) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let until = Instant::now() + time;
    let tasks: Vec<_> = (0..in_flight)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut taken = Vec::new();
                while Instant::now() < until {
                    let begun = Instant::now();
                    let intent = Intent {
                        id: fastrand::u128(..),
                        incarnation: 1,
                        call_sid: "CA0123456789abcdef0123456789abcdef"
                            .parse()
                            .expect("a call SID"),
                    };
                    log.append(intent).await?;
                    taken.push(begun.elapsed());
                }
                Ok::<_, queue::QueueError>(taken)
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    Ok(all)
}
