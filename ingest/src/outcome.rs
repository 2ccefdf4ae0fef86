//! How a callback ended: for the one who sent it, for the log and for the metrics.

use std::fmt;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use queue::QueueError;
use tokio::task::JoinError;
use twilio::{Conversation, EventError, SignatureError};

use crate::filter::Ignored;

/// How a callback ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A redirect request is durable on the queue.
    Queued,
    /// A redirect request is durable in the spool, for the queue is away.
    Spooled,
    /// It is of no concern to us.
    Ignored(Ignored),
    /// It isn't Twilio's.
    Forged(SignatureError),
    /// It isn't Twilio's, and is refused: `overflow doctor` makes sure of that.
    RefusedProbe,
    /// It is Twilio's, about an account that isn't ours.
    ForeignAccount,
    /// It can't be read.
    Malformed(EventError),
    /// The queue did not take it in time: Twilio is to send it again.
    Unavailable(QueueError),
}

impl Outcome {
    /// Of a publish that panicked.
    pub(crate) fn panicked(panic: JoinError) -> Self {
        Self::Unavailable(QueueError::Unavailable(panic.to_string()))
    }

    /// All that [`Self::label`] says.
    pub(crate) const LABELS: [&'static str; 14] = [
        "queued",
        "spooled",
        "other_type",
        "other_task_queue",
        "no_call",
        "conference",
        "transfer",
        "not_stranded",
        "unknown_reason",
        "forged",
        "refused_probe",
        "foreign_account",
        "malformed",
        "unavailable",
    ];

    /// The outcome of a batch: the one of which the sender must hear.
    pub(crate) fn of_batch(outcomes: impl IntoIterator<Item = Self>) -> Self {
        outcomes
            .into_iter()
            .max_by_key(Self::rank)
            .unwrap_or(Self::Ignored(Ignored::OtherType))
    }

    /// One event not durable makes the batch come again; one that can't be read doesn't, unless it
    /// is all that the batch holds, for no repetition mends it.
    fn rank(&self) -> u8 {
        match self {
            Self::Malformed(_) => 0,
            Self::Ignored(_) => 1,
            Self::Queued | Self::Spooled => 2,
            Self::ForeignAccount => 3,
            Self::Forged(_) | Self::RefusedProbe => 4,
            Self::Unavailable(_) => 5,
        }
    }

    /// What metrics and traces call it.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Spooled => "spooled",
            Self::Ignored(Ignored::OtherType) => "other_type",
            Self::Ignored(Ignored::OtherTaskQueue) => "other_task_queue",
            Self::Ignored(Ignored::NoCall) => "no_call",
            Self::Ignored(Ignored::Conversation(Conversation::Conference)) => "conference",
            Self::Ignored(Ignored::Conversation(Conversation::Transfer)) => "transfer",
            Self::Ignored(Ignored::NotStranded) => "not_stranded",
            Self::Ignored(Ignored::UnknownReason) => "unknown_reason",
            Self::Forged(_) => "forged",
            Self::RefusedProbe => "refused_probe",
            Self::ForeignAccount => "foreign_account",
            Self::Malformed(_) => "malformed",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// A line, for the log and, where the sender may know it, for the answer.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued => f.write_str("queued"),
            Self::Spooled => f.write_str("spooled"),
            Self::Ignored(why) => f.write_str(why.as_str()),
            Self::Forged(error) => error.fmt(f),
            Self::RefusedProbe => f.write_str("a probe of overflow doctor's was refused"),
            Self::ForeignAccount => f.write_str("the event is of another account"),
            Self::Malformed(error) => error.fmt(f),
            Self::Unavailable(error) => error.fmt(f),
        }
    }
}

impl IntoResponse for Outcome {
    fn into_response(self) -> Response {
        match self {
            // What Twilio's reference asks for.
            Self::Queued | Self::Spooled | Self::Ignored(_) => {
                (StatusCode::NO_CONTENT, [(CONTENT_TYPE, "application/json")]).into_response()
            }
            // A forger learns nothing of what we check.
            Self::Forged(_) | Self::RefusedProbe => {
                (StatusCode::FORBIDDEN, "signature refused\n").into_response()
            }
            Self::ForeignAccount => (StatusCode::FORBIDDEN, format!("{self}\n")).into_response(),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, format!("{self}\n")).into_response(),
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                [(RETRY_AFTER, "1")],
                "try again\n",
            )
                .into_response(),
        }
    }
}
