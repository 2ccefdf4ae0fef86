//! How it ended for a caller, and what should never happen to one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::caller::{CallerLog, Entry, HangUp, Heard};

/// Below this a recording holds no message.
const SHORTEST_MESSAGE: Duration = Duration::from_secs(2);

/// How it ended for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It hasn't yet.
    UnderWay,
    /// Somebody had them, an agent or outside.
    Human,
    /// They were connected to a mailbox that nobody had asked for a key.
    Mailbox,
    /// They left a message.
    Message,
    /// They hung up.
    HungUp,
    /// Something was said or played, and then they were hung up.
    LastSentence,
    /// They were hung up without a word.
    Silence,
    /// "An application error has occurred."
    ApplicationError,
}

impl CallerLog {
    /// How it ended. Whoever had a human, or left a message, was served, whatever came after that.
    pub fn fate(&self) -> Fate {
        let had = |mailbox| {
            let mut callees = self.callees.iter();
            callees.any(|callee| callee.had_the_caller() && callee.mailbox == mailbox)
        };
        if had(false) || self.any(|heard| *heard == Heard::AgentAnswered) {
            return Fate::Human;
        }
        let is_message = |heard: &Heard| matches!(heard, Heard::Recorded { lasted } if *lasted >= SHORTEST_MESSAGE);
        if self.any(is_message) {
            return Fate::Message;
        }
        if had(true) {
            return Fate::Mailbox;
        }
        let mut last: Option<&Heard> = None;
        for Entry { heard, .. } in &self.entries {
            if let Heard::HungUp { by } = heard {
                return match (by, last) {
                    (HangUp::Caller | HangUp::NotReached, _) => Fate::HungUp,
                    (HangUp::ApplicationError, _) => Fate::ApplicationError,
                    (_, Some(Heard::Said { .. } | Heard::Played { .. })) => Fate::LastSentence,
                    _ => Fate::Silence,
                };
            }
            last = Some(heard);
        }
        Fate::UnderWay
    }

    /// Whether two `<Dial>`s ever rang phones for the caller at once.
    pub fn was_dialled_twice_at_once(&self) -> bool {
        let over = |first: usize| {
            let of_it = self.callees.iter().filter(move |c| c.dial == first);
            of_it.map(|callee| callee.ended().map(|(_, at)| at))
        };
        self.callees.iter().any(|later| {
            let began = later.moments.first().map(|moment| moment.at);
            let mut earlier = (0..later.dial).flat_map(over);
            earlier.any(|ended| ended.is_none() || ended > began)
        })
    }

    /// Whether anybody who should have pressed a key, and pressed none, got the caller.
    pub fn was_given_away_without_a_key(&self) -> bool {
        let mut callees = self.callees.iter();
        callees.any(|callee| {
            callee.asked && callee.had_the_caller() && callee.pressed().next().is_none()
        })
    }

    fn any(&self, wanted: impl Fn(&Heard) -> bool) -> bool {
        self.entries.iter().any(|entry| wanted(&entry.heard))
    }
}
