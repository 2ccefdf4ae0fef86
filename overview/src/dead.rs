//! The dead letters: looked at now and then, for on a broker others don't see them meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use queue::{DeadLetter, Filter, Listed, Patient, Queue, QueueError};
use tokio::time::Instant;

use crate::words::why;
use crate::{DeadLetter as Shown, DeadLetters};

/// How many are looked at.
const LOOKED_AT: usize = 1000;

/// How many are shown.
const SHOWN: usize = 100;

/// How soon they are looked at again if there are others or fewer by the queue's count, and if not.
const CHANGED: Duration = Duration::from_secs(10);
pub(crate) const UNCHANGED: Duration = Duration::from_secs(60);

/// How long the first look waits while somebody else is at them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Dead letters that are no older say how it stands now.
const LATELY: Duration = Duration::from_secs(60 * 60);

/// The dead letters, as they were last seen.
#[derive(Default)]
pub(crate) struct Letters {
    seen: Option<Seen>,
}

struct Seen {
    at: Instant,
    letters: DeadLetters,
}

impl Letters {
    /// Looks at them if there is reason to. The queue counts `dead` now: fewer than there are, while
    /// somebody else is at them.
    pub(crate) async fn look(
        &mut self,
        queue: &dyn Queue,
        dead: u64,
        now: Timestamp,
    ) -> DeadLetters {
        let looked = match &self.seen {
            None => look(&Patient::new(queue, PATIENCE), now).await,
            Some(Seen { at, letters }) => {
                let is_changed = letters.count != dead;
                let after = if is_changed { CHANGED } else { UNCHANGED };
                if at.elapsed() < after {
                    return letters.clone();
                }
                look(queue, now).await
            }
        };
        if let Ok(letters) = looked {
            let at = Instant::now();
            self.seen = Some(Seen { at, letters });
        }
        match &self.seen {
            Some(_) => self.last(),
            None => DeadLetters {
                count: dead,
                ..DeadLetters::default()
            },
        }
    }

    /// As they were last seen.
    pub(crate) fn last(&self) -> DeadLetters {
        let seen = self.seen.as_ref();
        seen.map(|seen| seen.letters.clone()).unwrap_or_default()
    }
}

async fn look(queue: &dyn queue::DeadLetters, now: Timestamp) -> Result<DeadLetters, QueueError> {
    let Listed { letters, more } = queue.oldest(&Filter::default(), LOOKED_AT).await?;
    let mut by_reason: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in &letters {
        *by_reason.entry(letter.cause.reason.as_str()).or_default() += 1;
    }
    let by_reason = by_reason
        .into_iter()
        .map(|(reason, count)| (reason.to_owned(), count));
    let lately = Filter {
        died_since: Some(now - LATELY),
        ..Filter::default()
    };
    let lately = |letter: &&DeadLetter| lately.matches(letter);
    let is_call = |letter: &&DeadLetter| letter.request().is_some();
    let calls = letters.iter().filter(lately).filter(is_call);
    // The others are newer.
    let others = letters.last().filter(lately).map_or(0, |_| more);
    Ok(DeadLetters {
        count: (letters.len() + more) as u64,
        seen_at: Some(now),
        by_reason: by_reason.collect(),
        within_the_hour: (calls.count() + others) as u64,
        shown: letters.iter().take(SHOWN).map(shown).collect(),
    })
}

/// A dead letter as it is shown.
pub(crate) fn shown(letter: &DeadLetter) -> Shown {
    let cause = &letter.cause;
    Shown {
        id: letter.id.to_string(),
        reason: cause.reason.to_string(),
        why: why(&cause.reason).to_owned(),
        attempts: cause.attempts,
        last_error: cause.last_error.clone(),
        died_at: letter.died_at,
        call_sid: letter
            .message
            .content()
            .ok()
            .and_then(|content| content.call_sid()),
    }
}

#[cfg(test)]
mod tests;
