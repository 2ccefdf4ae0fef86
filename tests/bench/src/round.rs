//! What one round of a case measured.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

/// How often something was done, and how long each time took.
#[derive(Debug, Clone)]
pub struct Round {
    /// In a second.
    pub rate: f64,
    took: Vec<Duration>,
}

impl Round {
    /// Of what took so long each, and all of it together.
    pub fn new(mut took: Vec<Duration>, all: Duration) -> Self {
        took.sort_unstable();
        Self {
            rate: took.len() as f64 / all.as_secs_f64(),
            took,
        }
    }

    /// How often.
    pub fn count(&self) -> usize {
        self.took.len()
    }

    /// How long a part of them took at most, in milliseconds.
    pub fn percentile(&self, hundredths: usize) -> f64 {
        let index = self.took.len() * hundredths / 100;
        let took = self.took.get(index).or(self.took.last());
        took.map_or(f64::NAN, Duration::as_secs_f64) * 1000.0
    }
}

/// The middle of some figures, and how far the others are from it.
pub fn median(figures: &[f64]) -> (f64, f64) {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    let least = sorted.first().copied().unwrap_or(f64::NAN);
    let most = sorted.last().copied().unwrap_or(f64::NAN);
    (middle, (most - least) / 2.0)
}

/// Does something so many times a second, whatever became of the others.
pub async fn at_a_rate<F>(
    rate: u32,
    time: Duration,
    work: impl Fn(u64) -> F,
) -> anyhow::Result<Round>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let begin = Instant::now();
    let mut under_way = JoinSet::new();
    for nth in 0.. {
        let due = Duration::from_secs(1) * nth / rate;
        if due >= time {
            break;
        }
        tokio::time::sleep_until((begin + due).into()).await;
        let work = work(nth.into());
        under_way.spawn(async move {
            let begin = Instant::now();
            work.await?;
            anyhow::Ok(begin.elapsed())
        });
    }
    let mut took = Vec::new();
    while let Some(done) = under_way.join_next().await {
        took.push(done??);
    }
    Ok(Round::new(took, begin.elapsed()))
}
