//! One life of a process, which can end right before or after whatever it asks of others.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// One life of a process. Clones are the same.
#[derive(Clone)]
pub struct Life(Arc<Inner>);

struct Inner {
    name: String,
    ended: CancellationToken,
    doom: Mutex<Option<Doom>>,
}

/// When a life ends by itself.
#[derive(Debug, Clone, Copy)]
pub struct Doom {
    /// After so many things that it asks of others.
    pub steps: u32,
    /// Whether the last of these is still done.
    pub after: bool,
}

/// What becomes of something that a process asks of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is asked, and the answer awaited.
    Lives,
    /// It isn't asked any more.
    DiesBefore,
    /// It is asked; the answer finds nobody.
    DiesAfter,
}

/// In which what was asked has left the process.
const LAST_BREATH: Duration = Duration::from_millis(1);

impl Life {
    /// The life of the process `name`.
    pub fn new(name: String) -> Self {
        Self(Arc::new(Inner {
            name,
            ended: CancellationToken::new(),
            doom: Mutex::default(),
        }))
    }

    /// The process's name in this life.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// From now on it ends by itself, or not any more.
    pub fn set_doom(&self, doom: Option<Doom>) {
        *self.0.doom.lock() = doom;
    }

    /// It asks something of others. It dies `within` that time after it, at the latest, if it does.
    pub fn step(&self, within: Duration) -> Step {
        let mut doom = self.0.doom.lock();
        let Some(next) = doom.as_mut() else {
            return Step::Lives;
        };
        if next.steps > 0 {
            next.steps -= 1;
            return Step::Lives;
        }
        let after = next.after;
        *doom = None;
        if !after {
            self.end();
            return Step::DiesBefore;
        }
        let life = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(within + LAST_BREATH).await;
            life.end();
        });
        Step::DiesAfter
    }

    /// It ends now.
    pub fn end(&self) {
        self.0.ended.cancel();
    }

    /// Waits for its end.
    pub async fn ended(&self) {
        self.0.ended.cancelled().await;
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.0.ended.is_cancelled()
    }
}
