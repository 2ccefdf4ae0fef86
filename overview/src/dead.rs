//! The dead letters: looked at when their number changes, for on a broker others don't see them
//! meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use queue::{DeadLetter, Filter, Listed, Queue, QueueError};
use tokio::time::Instant;

use crate::words::why;
use crate::{DeadLetter as Shown, DeadLetters};

/// How many are looked at.
const LOOKED_AT: usize = 200;

/// How many are shown.
const SHOWN: usize = 100;

/// How soon they are looked at again when their number changes, and when it doesn't.
const CHANGED: Duration = Duration::from_secs(10);
const UNCHANGED: Duration = Duration::from_secs(60);

/// Dead letters that are no older say how it stands now.
const LATELY: Duration = Duration::from_secs(60 * 60);

/// The dead letters, as they were last seen.
#[derive(Default)]
pub(crate) struct Letters {
    seen: Option<Seen>,
}

struct Seen {
    /// How many the queue counted.
    counted: u64,
    at: Instant,
    letters: DeadLetters,
}

impl Letters {
    /// Looks at them if there is reason to. The queue counts `dead` now.
    pub(crate) async fn look(
        &mut self,
        queue: &dyn Queue,
        dead: u64,
        now: Timestamp,
    ) -> DeadLetters {
        let is_due = self.seen.as_ref().is_none_or(|seen| {
            let after = if seen.counted == dead {
                UNCHANGED
            } else {
                CHANGED
            };
            seen.at.elapsed() >= after
        });
        if is_due {
            // Somebody else may be at them.
            if let Ok(letters) = look(queue, dead, now).await {
                self.seen = Some(Seen {
                    counted: dead,
                    at: Instant::now(),
                    letters,
                });
            }
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

async fn look(queue: &dyn Queue, dead: u64, now: Timestamp) -> Result<DeadLetters, QueueError> {
    let Listed { letters, more } = match dead {
        0 => Listed::default(),
        _ => queue.oldest(&Filter::default(), LOOKED_AT).await?,
    };
    let mut by_reason: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in &letters {
        *by_reason.entry(letter.cause.reason.as_str()).or_default() += 1;
    }
    let by_reason = by_reason
        .into_iter()
        .map(|(reason, count)| (reason.to_owned(), count));
    let lately = Filter {
        newer_than: Some(LATELY),
        ..Filter::default()
    };
    // The newest may not be among them.
    let lately = match more {
        0 => letters
            .iter()
            .filter(|letter| lately.matches(letter, now))
            .count(),
        _ => queue.oldest(&lately, LOOKED_AT).await?.letters.len(),
    };
    Ok(DeadLetters {
        count: (letters.len() + more) as u64,
        seen_at: Some(now),
        by_reason: by_reason.collect(),
        within_the_hour: lately as u64,
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
