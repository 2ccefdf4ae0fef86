//! What Twilio is told that asks, and what the caller gets by it.

use std::time::Duration;

use twilio::FormParams;
use twilio::twiml::Response;

use crate::step::Accept;
use crate::{DialOutcome, Stage, is_message};

/// How long a prompt that the plan no longer has may have taken, and all that comes with it.
pub const LONGEST_ASKING: Duration = Duration::from_secs(60);

/// What Twilio is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The document.
    pub response: Response,
    /// What the caller gets by it.
    pub offer: Offer,
}

/// What a caller gets by an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Another attempt: somebody is rung, or they may leave a message.
    More,
    /// Words, and the end: nobody is left.
    LastWords,
    /// Nothing: somebody had them or they left a message, or it was not about them.
    Nothing,
}

/// One that offers nothing.
impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self {
            response,
            offer: Offer::Nothing,
        }
    }
}

impl Stage {
    /// Whether the caller is to be offered more. Else whoever asked is hung up: nobody is rung for a
    /// caller who has been talked to, and who pressed no key or the wrong one doesn't get them.
    pub fn goes_on(self, accept: Option<&Accept>, params: &FormParams) -> bool {
        match self {
            Self::PickedUp | Self::Pressed | Self::Ended => false,
            Self::Dialed => DialOutcome::of(params) == DialOutcome::Nobody,
            Self::Asked => match DialOutcome::of(params) {
                DialOutcome::Nobody => true,
                DialOutcome::Connected(lasted) => {
                    lasted <= accept.map_or(LONGEST_ASKING, Accept::longest_asking)
                }
            },
            Self::Recorded => !is_message(params),
            Self::NotRecorded => true,
        }
    }
}
