//! Why a change was not made.

use crate::QueueError;

/// Why a change was not made.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    Closed,
    Storage(String),
}

impl From<Failure> for QueueError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Closed => Self::Unavailable("it is closed".to_owned()),
            Failure::Storage(error) => Self::Storage(error),
        }
    }
}
