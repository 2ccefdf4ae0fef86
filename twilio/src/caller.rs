//! What is known of a caller's numbers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{E164, FormParams};

/// What comes as the number of those who withhold theirs: ANONYMOUS, BLOCKED, RESTRICTED, UNAVAILABLE
/// and UNKNOWN, spelled on a phone's keys.
const WITHHELD: [&str; 5] = [
    "+266696687",
    "+2562533",
    "+7378742833",
    "+86282452253",
    "+8656696",
];

/// What decides which number is shown to those who are rung. Not the caller's own, which Twilio knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Caller {
    /// The number that the caller called, if it is known.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "written",
        deserialize_with = "read"
    )]
    pub called: Option<E164>,
    /// Whether the caller is known to have no number that could be shown: they call by SIP or from a
    /// client, or withhold it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lacks_number: bool,
}

impl Caller {
    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::default()
    }

    /// The number shown to those who are rung: the one that was chosen, or else, for a caller who has
    /// none, the fallback; the caller's own if `None`.
    pub fn shown(&self, chosen: Option<E164>, fallback: Option<E164>) -> Option<E164> {
        chosen.or(fallback.filter(|_| self.lacks_number))
    }

    /// Reads the parameters that Twilio sends with each request of a call.
    pub fn of(params: &FormParams) -> Self {
        Self::new(params.get("To"), params.get("From"))
    }

    pub(crate) fn new(called: Option<&str>, from: Option<&str>) -> Self {
        Self {
            called: called.and_then(|number| number.parse().ok()),
            lacks_number: from.is_some_and(|from| number(from).is_none()),
        }
    }
}

/// The caller's number, if `from` is one.
pub(crate) fn number(from: &str) -> Option<E164> {
    from.parse().ok().filter(|_| !WITHHELD.contains(&from))
}

fn written<S: Serializer>(number: &Option<E164>, to: S) -> Result<S::Ok, S::Error> {
    number.as_ref().map(E164::as_str).serialize(to)
}

/// None where it can't be read.
fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<E164>, D::Error> {
    let text: Option<String> = crate::json::lenient(from)?;
    Ok(text.and_then(|text| text.parse().ok()))
}
