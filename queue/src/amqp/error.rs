//! Questions to the broker, and how they fail.

use std::time::Duration;

use lapin::ErrorKind;

use crate::QueueError;

/// The broker answers within this time, or the connection counts as unusable. A publish has a limit
/// of its own.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) const ACCESS_REFUSED: u16 = 403;
pub(super) const NOT_FOUND: u16 = 404;
pub(super) const RESOURCE_LOCKED: u16 = 405;
pub(super) const PRECONDITION_FAILED: u16 = 406;
pub(super) const NOT_ALLOWED: u16 = 530;

/// Why the broker did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokerError {
    #[error("{}", message(.0))]
    Failed(#[from] lapin::Error),
    #[error("the broker did not answer within {0:?}")]
    TimedOut(Duration),
}

impl BrokerError {
    /// AMQP's reply code, if the broker itself sent the error.
    pub(super) fn reply_code(&self) -> Option<u16> {
        match self {
            Self::Failed(error) => match error.kind() {
                ErrorKind::ProtocolError(error) => Some(error.get_id()),
                _ => None,
            },
            Self::TimedOut(_) => None,
        }
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.reply_code() == Some(NOT_FOUND)
    }
}

impl From<std::io::Error> for BrokerError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<BrokerError> for QueueError {
    fn from(error: BrokerError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The error's message, without what lapin adds to the broker's own.
pub(super) fn message(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        _ => error.to_string(),
    }
}

/// Waits for an answer, up to [`ANSWER_TIMEOUT`].
pub(super) async fn answer<T, E>(
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, BrokerError>
where
    BrokerError: From<E>,
{
    answer_within(ANSWER_TIMEOUT, asked).await
}

/// Waits for an answer, up to `limit`.
pub(super) async fn answer_within<T, E>(
    limit: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, BrokerError>
where
    BrokerError: From<E>,
{
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(BrokerError::TimedOut(limit)),
    }
}
