//! Ladders: who is rung after whom until somebody has the caller, at which hours, and what callers
//! hear.
//!
//! A ladder keeps no state of a call. Where a call is on it stands in the URLs that its TwiML hands to
//! Twilio, so that whoever knows the plans can answer each of them.

mod answer;
mod climb;
mod hop;
mod hours;
mod outcome;
mod step;
mod twiml;

pub use self::answer::{Answer, LONGEST_ASKING, Offer};
pub use self::climb::{Ladder, Voice, wordiest_caller};
pub use self::hop::{Hop, InvalidHop, LADDER_HEADER, PATH, Position, Stage};
pub use self::hours::{Calendar, Hours, InvalidHours};
pub use self::outcome::{DialOutcome, LegOutcome, is_message, seconds_told};
pub use self::step::{Accept, Action, CallerId, Ring, Step, Voicemail};
