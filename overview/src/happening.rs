//! What happens to callers, as it happens.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use queue::{Content, DeadLetterId, Filter, History, Outcome, Queue, QueueError, Redirected};
use serde::Serialize;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::DeadLetter;
use crate::dead::shown;

/// How often the dead letters are counted.
const COUNT: Duration = Duration::from_secs(2);

/// Clocks differ, and looking takes its time: those that died shortly before are looked at as well.
const BEFORE: Duration = Duration::from_secs(60);

/// How many new ones are told at a time.
const MOST: usize = 1000;

/// Something that happened to a caller.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Happening {
    /// They were redirected.
    Redirected(Redirected),
    /// Something became of them, or of an attempt to reach somebody for them.
    Outcome(Outcome),
    /// Nobody tries to redirect them any more.
    DeadLetter(DeadLetter),
}

/// What happens to callers from now on.
pub struct Happenings {
    queue: Arc<dyn Queue>,
    history: Box<dyn History>,
    began: Instant,
    count: Interval,
    /// How many dead letters there were when they were last counted.
    dead: u64,
    known: HashSet<(DeadLetterId, Timestamp)>,
    /// The next one last.
    to_tell: Vec<Happening>,
}

impl Happenings {
    /// What happens from now on, and before that what became of callers in the `past`.
    ///
    /// # Errors
    /// The queue can't be asked now.
    pub async fn open(queue: Arc<dyn Queue>, past: Duration) -> Result<Self, QueueError> {
        queue.stats().await?;
        let history = queue.history(past).await?;
        let mut count = tokio::time::interval(COUNT);
        count.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut happenings = Self {
            queue,
            history,
            began: Instant::now(),
            count,
            dead: 0,
            known: HashSet::new(),
            to_tell: Vec::new(),
        };
        // Somebody else may be at the dead letters, and see them alone.
        let _ = happenings.look_for_letters().await;
        happenings.to_tell.clear();
        Ok(happenings)
    }

    /// Waits for the next. Cancel safe.
    ///
    /// # Errors
    /// Waiting won't help.
    pub async fn next(&mut self) -> Result<Happening, QueueError> {
        loop {
            if let Some(happening) = self.to_tell.pop() {
                return Ok(happening);
            }
            tokio::select! {
                biased;
                told = self.history.next() => match told? {
                    Content::Redirected(redirected) => {
                        let told = redirected.into_iter().rev();
                        self.to_tell.extend(told.map(Happening::Redirected));
                    }
                    Content::Outcome(outcome) => return Ok(Happening::Outcome(outcome)),
                    Content::Redirect(_) | Content::Notify(_) => {}
                },
                _ = self.count.tick() => {
                    // A queue that can't be asked now can be later.
                    let _ = self.look_for_letters().await;
                }
            }
        }
    }

    /// Looks at the dead letters if there are more than there were.
    async fn look_for_letters(&mut self) -> Result<(), QueueError> {
        let dead = self.queue.stats().await?.dead;
        if dead > self.dead {
            let new = Filter {
                newer_than: Some(self.began.elapsed() + BEFORE),
                ..Filter::default()
            };
            let listed = self.queue.oldest(&new, MOST).await?;
            for letter in listed.letters.iter().rev() {
                if self.known.insert((letter.id.clone(), letter.died_at)) {
                    self.to_tell.push(Happening::DeadLetter(shown(letter)));
                }
            }
        }
        self.dead = dead;
        Ok(())
    }
}
