//! Calls to those who are rung for a caller.

use jiff::Timestamp;
use twilio::{CallSid, E164};

use crate::dates::Dates;

/// A call to somebody who is rung for a caller. What happens on it is in the journal.
#[derive(Debug, Clone)]
pub(crate) struct Leg {
    pub(crate) sid: CallSid,
    /// The caller's call.
    pub(crate) caller: CallSid,
    /// Which of those who were rung for them.
    pub(crate) index: usize,
    /// The number shown.
    pub(crate) from: E164,
    pub(crate) dates: Dates,
    pub(crate) ended: Option<Timestamp>,
    /// Who is told of its end.
    pub(crate) status_callback: Option<String>,
}
