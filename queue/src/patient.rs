//! Dead letters that somebody else may be at.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::{DeadLetters, Done, Filter, Listed, QueueError, Settlement};

/// How soon who waits tries again.
const PAUSE: Duration = Duration::from_millis(200);

/// The dead letters of a queue, for whoever waits so long at most while somebody else is at them.
pub struct Patient<'a> {
    letters: &'a dyn DeadLetters,
    patience: Duration,
}

impl<'a> Patient<'a> {
    /// Those, with this patience.
    pub fn new(letters: &'a dyn DeadLetters, patience: Duration) -> Self {
        Self { letters, patience }
    }

    /// Whether to try again, after a while.
    async fn again<T>(&self, answer: &Result<T, QueueError>, begun: Instant) -> bool {
        let again = matches!(answer, Err(QueueError::Busy(_))) && begun.elapsed() < self.patience;
        if again {
            sleep(PAUSE).await;
        }
        again
    }
}

#[async_trait]
impl DeadLetters for Patient<'_> {
    async fn oldest(&self, filter: &Filter, limit: usize) -> Result<Listed, QueueError> {
        let begun = Instant::now();
        loop {
            let listed = self.letters.oldest(filter, limit).await;
            if !self.again(&listed, begun).await {
                return listed;
            }
        }
    }

    async fn settle(
        &self,
        filter: &Filter,
        how: Settlement,
        done: Done<'_>,
    ) -> Result<(), QueueError> {
        let begun = Instant::now();
        loop {
            let settled = self.letters.settle(filter, how, done).await;
            if !self.again(&settled, begun).await {
                return settled;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Says the same each time, and how often it was asked.
    struct Letters(QueueError, AtomicU32);

    impl Letters {
        fn answer(&self) -> QueueError {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.clone()
        }
    }

    #[async_trait]
    impl DeadLetters for Letters {
        async fn oldest(&self, _: &Filter, _: usize) -> Result<Listed, QueueError> {
            Err(self.answer())
        }

        async fn settle(&self, _: &Filter, _: Settlement, _: Done<'_>) -> Result<(), QueueError> {
            Err(self.answer())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_who_is_at_them_is_waited_for_and_not_for_ever() {
        for (error, asked) in [
            (QueueError::Busy("it".to_owned()), 6),
            (QueueError::Unavailable("it".to_owned()), 1),
        ] {
            let letters = Letters(error, AtomicU32::new(0));
            let patient = Patient::new(&letters, PAUSE * 5);
            assert!(patient.list(&Filter::default()).await.is_err());
            assert_eq!(letters.1.swap(0, Ordering::Relaxed), asked);
            assert!(patient.replay(&Filter::default()).await.is_err());
            assert_eq!(letters.1.load(Ordering::Relaxed), asked);
        }
    }
}
