//! The steps of a ladder.

use jiff::Timestamp;
use twilio::E164;
use twilio::twiml::{Say, Seconds};

use crate::Hours;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Step {
    /// When it is in force; always if `None`. Else it is skipped.
    pub when: Option<Hours>,
    /// What happens.
    pub action: Action,
}

/// What happens at a step.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Numbers ring.
    Ring(Ring),
    /// The caller may leave a message.
    Voicemail(Voicemail),
    /// The caller is told something.
    Say(Say),
    /// The caller hears a recording, from its URL.
    Play(String),
}

/// Numbers that ring.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ring {
    /// The numbers.
    pub numbers: Vec<E164>,
    /// What whoever picks up must do to have the caller: a mailbox can't. The numbers ring one after
    /// another then, for the first to pick up silences those that ring with it; else together.
    pub accept: Option<Accept>,
    /// How long each rings, in whole seconds.
    pub timeout: Option<Seconds<5, 600>>,
    /// The number shown.
    pub caller_id: CallerId,
    /// The number shown where the caller has none that can be.
    pub caller_id_fallback: Option<E164>,
}

/// A key to press.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Accept {
    /// What is said, the key included.
    pub prompt: Say,
    /// The key.
    pub key: char,
}

/// Which number is shown to those who are rung.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CallerId {
    /// The caller's.
    Caller,
    /// The one that the caller called.
    Called,
    /// This one.
    Number(E164),
}

/// A message that the caller leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Voicemail {
    /// What is said before.
    pub prompt: Say,
    /// How long it may be, in whole seconds.
    pub max_length: Seconds<2, 14_400>,
    /// Whether Twilio writes it down.
    pub transcribe: bool,
    /// The keys that end it; all if `None`.
    pub finish_on_key: Option<String>,
}

impl Step {
    /// The numbers that ring, if any do.
    pub fn ring(&self) -> Option<&Ring> {
        match &self.action {
            Action::Ring(ring) => Some(ring),
            _ => None,
        }
    }

    /// Whether it is in force.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.when.as_ref().is_none_or(|hours| hours.contain(now))
    }
}

impl Ring {
    /// The numbers, not the caller's, that are shown to those who are rung.
    pub fn shown_numbers(&self) -> impl Iterator<Item = E164> + use<> {
        let own = match self.caller_id {
            CallerId::Number(number) => Some(number),
            CallerId::Caller | CallerId::Called => None,
        };
        [own, self.caller_id_fallback].into_iter().flatten()
    }

    /// In how many goes its numbers ring.
    pub(crate) fn goes(&self) -> usize {
        match &self.accept {
            Some(_) => self.numbers.len(),
            None => 1,
        }
    }

    /// The numbers that ring in a go.
    pub(crate) fn go(&self, go: usize) -> &[E164] {
        match &self.accept {
            Some(_) => self.numbers.get(go..=go).unwrap_or_default(),
            None => &self.numbers,
        }
    }
}
