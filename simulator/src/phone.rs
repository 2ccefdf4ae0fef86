//! What people and their phones do.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What becomes of a call to a number.
///
/// As text it is a [`PickUp`], and what is to be said of it beside that, in seconds:
/// `answers,rings=5,presses=1,thinks=2,stays=60`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone {
    /// Whether somebody picks up.
    pub pick_up: PickUp,
    /// How long it rings before that.
    pub rings: Duration,
    /// The key that whoever picks up presses when asked for one.
    pub presses: Option<char>,
    /// How long they take to press it.
    pub thinks: Duration,
    /// How long after picking up they hang up; never if `None`.
    pub stays: Option<Duration>,
}

/// Who picks up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PickUp {
    /// Nobody: the line is busy.
    Busy,
    /// Nobody: it rings on.
    Silent,
    /// Nobody: the number can't be called.
    Failed,
    /// Nobody: Twilio refuses to call the number. No call is made.
    Rejected,
    /// A mailbox. It records what it hears and presses nothing.
    Mailbox,
    /// Somebody.
    Answers,
}

impl PickUp {
    const ALL: [Self; 6] = [
        Self::Busy,
        Self::Silent,
        Self::Failed,
        Self::Rejected,
        Self::Mailbox,
        Self::Answers,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Silent => "silent",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Mailbox => "mailbox",
            Self::Answers => "answers",
        }
    }
}

/// Somebody who picks up at once, presses 1 if asked, and stays until the caller hangs up.
impl Default for Phone {
    fn default() -> Self {
        Self {
            presses: Some('1'),
            ..PickUp::Answers.into()
        }
    }
}

/// At once, without a key, for ever.
impl From<PickUp> for Phone {
    fn from(pick_up: PickUp) -> Self {
        Self {
            pick_up,
            rings: Duration::ZERO,
            presses: None,
            thinks: Duration::ZERO,
            stays: None,
        }
    }
}

/// The text is no [`Phone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected busy, silent, failed, rejected, mailbox or answers, and what there is to say beside \
     that: rings=SECONDS, presses=KEY, thinks=SECONDS, stays=SECONDS"
)]
pub struct InvalidPhone;

/// It rings for three seconds, and people take two to press a key, unless it says otherwise.
impl FromStr for Phone {
    type Err = InvalidPhone;

    fn from_str(text: &str) -> Result<Self, InvalidPhone> {
        let mut words = text.split(',').map(str::trim);
        let pick_up = words.next().unwrap_or_default();
        let pick_up = PickUp::ALL.into_iter().find(|p| p.as_str() == pick_up);
        let mut phone = Self {
            rings: Duration::from_secs(3),
            thinks: Duration::from_secs(2),
            ..pick_up.ok_or(InvalidPhone)?.into()
        };
        for word in words {
            let (name, value) = word.split_once('=').ok_or(InvalidPhone)?;
            match name {
                "rings" => phone.rings = seconds(value)?,
                "thinks" => phone.thinks = seconds(value)?,
                "stays" => phone.stays = Some(seconds(value)?),
                "presses" if phone.pick_up == PickUp::Answers => {
                    phone.presses = Some(key(value)?);
                }
                _ => return Err(InvalidPhone),
            }
        }
        Ok(phone)
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rings, thinks) = (self.rings.as_secs_f64(), self.thinks.as_secs_f64());
        write!(f, "{},rings={rings},thinks={thinks}", self.pick_up.as_str())?;
        if let Some(key) = self.presses {
            write!(f, ",presses={key}")?;
        }
        match self.stays {
            Some(stays) => write!(f, ",stays={}", stays.as_secs_f64()),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Phone {
    type Error = InvalidPhone;

    fn try_from(text: String) -> Result<Self, InvalidPhone> {
        text.parse()
    }
}

impl From<Phone> for String {
    fn from(phone: Phone) -> Self {
        phone.to_string()
    }
}

fn seconds(text: &str) -> Result<Duration, InvalidPhone> {
    let seconds: f64 = text.parse().map_err(|_| InvalidPhone)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| InvalidPhone)
}

fn key(text: &str) -> Result<char, InvalidPhone> {
    let mut keys = text.chars();
    match (keys.next(), keys.next()) {
        (Some(key @ ('0'..='9' | '*' | '#')), None) => Ok(key),
        _ => Err(InvalidPhone),
    }
}

/// What callers do by themselves. As JSON its times are in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conduct {
    /// How long after calling they hang up, whatever they hear; never if `None`.
    #[serde(rename = "patience_ms", deserialize_with = "crate::millis::some")]
    pub patience: Option<Duration>,
    /// How long they talk to whoever has them before they hang up; until the other does if `None`.
    #[serde(rename = "talks_ms", deserialize_with = "crate::millis::some")]
    pub talks: Option<Duration>,
    /// How long a message they leave where they can; they say nothing if `None`.
    #[serde(rename = "message_ms", deserialize_with = "crate::millis::some")]
    pub message: Option<Duration>,
    /// Whether they hang up after it, or wait for what comes.
    pub hangs_up_after_message: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_are_told_in_words() {
        let seconds = Duration::from_secs;
        let busy: Phone = "busy".parse().unwrap();
        assert_eq!((busy.pick_up, busy.rings), (PickUp::Busy, seconds(3)));
        let text = "answers,rings=5,thinks=0.5,presses=#,stays=60";
        let phone: Phone = text.parse().unwrap();
        let expected = Phone {
            pick_up: PickUp::Answers,
            rings: seconds(5),
            presses: Some('#'),
            thinks: Duration::from_millis(500),
            stays: Some(seconds(60)),
        };
        assert_eq!(phone, expected);
        assert_eq!(phone.to_string(), text);
        for bad in [
            "",
            "drunk",
            "busy,rings",
            "busy,rings=soon",
            "busy,rings=-1",
            "answers,presses=12",
            "answers,presses=x",
            // A mailbox presses nothing.
            "mailbox,presses=1",
            "answers,sleeps=1",
        ] {
            assert_eq!(bad.parse::<Phone>(), Err(InvalidPhone), "{bad}");
        }
    }
}
