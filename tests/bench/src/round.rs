//! What one round of a case measured.

use std::time::Duration;

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
