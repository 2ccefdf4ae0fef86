//! What happens to callers, as it happens.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use queue::{
    Content, DeadLetterId, DeadLetters, Filter, History, Outcome, Patient, Queue, QueueError,
    Redirected,
};
use serde::Serialize;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::DeadLetter;
use crate::dead::{UNCHANGED, shown};

/// How often the dead letters are counted.
const COUNT: Duration = Duration::from_secs(2);

/// Clocks differ, and looking takes its time: those that died shortly before the last look are looked at
/// again.
const BEFORE: Duration = Duration::from_secs(5 * 60);

/// How long a look waits while somebody else is at the dead letters.
const PATIENCE: Duration = Duration::from_secs(2);

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
    count: Interval,
    /// How many dead letters there were when they were last counted.
    dead: u64,
    /// When they were last looked at, and the time of day then.
    looked: (Instant, Timestamp),
    /// Those that may be found again.
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
            count,
            dead: 0,
            looked: (Instant::now(), Timestamp::now()),
            known: HashSet::new(),
            to_tell: Vec::new(),
        };
        // What can't be looked at now can be later.
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

    /// Looks for new dead letters if there are more than there were, and now and then: who is replayed
    /// may be back before they are counted.
    async fn look_for_letters(&mut self) -> Result<(), QueueError> {
        let dead = self.queue.stats().await?.dead;
        let (looked, looked_at) = self.looked;
        if dead > self.dead || (dead > 0 && looked.elapsed() >= UNCHANGED) {
            let looks = (Instant::now(), Timestamp::now());
            let died_since = looked_at - BEFORE;
            let new = Filter {
                died_since: Some(died_since),
                ..Filter::default()
            };
            let letters = Patient::new(&*self.queue, PATIENCE).list(&new).await?;
            self.known.retain(|(_, died_at)| *died_at >= died_since);
            for letter in letters.iter().rev() {
                if self.known.insert((letter.id.clone(), letter.died_at)) {
                    self.to_tell.push(Happening::DeadLetter(shown(letter)));
                }
            }
            self.looked = looks;
        }
        self.dead = dead;
        Ok(())
    }
}
