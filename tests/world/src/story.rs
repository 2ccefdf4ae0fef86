//! What happened, for a person to read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Takes down what happens, where somebody wants to read it.
#[derive(Clone)]
pub struct Teller(Option<Arc<Mutex<Lines>>>);

struct Lines {
    began: Instant,
    lines: Vec<(Duration, String)>,
}

impl Teller {
    /// One that takes down nothing.
    pub fn silent() -> Self {
        Self(None)
    }

    /// One that takes down everything from now on.
    pub fn new() -> Self {
        Self(Some(Arc::new(Mutex::new(Lines {
            began: Instant::now(),
            lines: Vec::new(),
        }))))
    }

    /// Something happens now.
    pub fn say(&self, what: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            let at = lines.began.elapsed();
            lines.lines.push((at, what()));
        }
    }

    /// Something happened at `at`.
    pub fn say_at(&self, at: Duration, what: impl FnOnce() -> String) {
        if let Some(lines) = &self.0 {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.lines.push((at, what()));
        }
    }

    /// All of it, in the order of time.
    pub fn lines(&self) -> Vec<String> {
        let Some(lines) = &self.0 else {
            return Vec::new();
        };
        let mut lines = lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .lines
            .clone();
        lines.sort_by_key(|(at, _)| *at);
        lines
            .into_iter()
            .map(|(at, line)| format!("{:8.3} s  {line}", at.as_secs_f64()))
            .collect()
    }
}

impl Default for Teller {
    fn default() -> Self {
        Self::new()
    }
}
