//! What the broker and lapin say, in the queue's own words.

use std::time::Duration;

use lapin::ErrorKind;

use crate::QueueError;

/// Everything that is asked of the broker is answered within this time, or the connection counts
/// as unusable. A publish has a limit of its own.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(3);

pub(super) const ACCESS_REFUSED: u16 = 403;
pub(super) const NOT_FOUND: u16 = 404;
pub(super) const RESOURCE_LOCKED: u16 = 405;
pub(super) const PRECONDITION_FAILED: u16 = 406;
pub(super) const NOT_ALLOWED: u16 = 530;

/// AMQP's reply code, where the broker itself gave the error.
pub(super) fn reply_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

/// The error in the broker's own words where they are its.
pub(super) fn words(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        _ => error.to_string(),
    }
}

/// Waits for the broker's answer, for a bounded time.
pub(super) async fn answer<T>(
    asked: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Unanswered> {
    answer_within(ANSWER_WITHIN, asked).await
}

/// Waits for the broker's answer, for so long.
pub(super) async fn answer_within<T>(
    limit: Duration,
    asked: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Unanswered> {
    match tokio::time::timeout(limit, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Unanswered::Failed(error)),
        Err(_) => Err(Unanswered::Silence),
    }
}

/// Why the broker did not do as asked.
#[derive(Debug)]
pub(super) enum Unanswered {
    Failed(lapin::Error),
    Silence,
}

impl Unanswered {
    pub(super) fn reply_code(&self) -> Option<u16> {
        match self {
            Self::Failed(error) => reply_code(error),
            Self::Silence => None,
        }
    }
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(error) => f.write_str(&words(error)),
            Self::Silence => write!(f, "the broker did not answer within {ANSWER_WITHIN:?}"),
        }
    }
}

impl From<Unanswered> for QueueError {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unavailable(unanswered.to_string())
    }
}
