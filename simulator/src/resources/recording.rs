//! What callers left.

use std::time::Duration;

use twilio::{CallSid, RecordingSid};

use crate::dates::Dates;

/// A message that a caller left.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    pub(crate) sid: RecordingSid,
    pub(crate) call: CallSid,
    pub(crate) lasted: Duration,
    pub(crate) dates: Dates,
}
