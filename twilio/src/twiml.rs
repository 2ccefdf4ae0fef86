//! TwiML that redirects a caller: an optional spoken notice, then `<Dial>`
//! (<https://www.twilio.com/docs/voice/twiml/dial>).

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::E164;

/// The longest TwiML that Twilio takes inline, in characters.
pub const MAX_INLINE_CHARS: usize = 4000;

/// What a redirected caller hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The outside number that rings.
    pub number: E164,
    /// The number shown to it; the caller's own where it is `None`.
    pub caller_id: Option<E164>,
    /// How long it rings, in whole seconds.
    pub timeout: Option<Seconds<5, 600>>,
    /// How long the conversation may last, in whole seconds.
    pub time_limit: Option<Seconds<1, 86_400>>,
    /// Whether the conversation is recorded.
    pub record: Record,
    /// What is said to the caller before it rings.
    pub notice: Option<Notice>,
}

/// A spoken text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The words.
    pub text: String,
    /// Their language, as `<Say>` names it, for example `de-DE`; Twilio's default if `None`.
    pub language: Option<String>,
    /// The voice, as `<Say>` names it, for example `Polly.Vicki`; Twilio's default if `None`.
    pub voice: Option<String>,
}

/// A number of seconds that Twilio accepts, from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Seconds<MIN, MAX> {
    /// The number, if Twilio accepts it.
    pub fn new(seconds: u32) -> Option<Self> {
        (MIN..=MAX).contains(&seconds).then_some(Self(seconds))
    }
}

impl<const MIN: u32, const MAX: u32> From<Seconds<MIN, MAX>> for Duration {
    fn from(seconds: Seconds<MIN, MAX>) -> Self {
        Self::from_secs(seconds.0.into())
    }
}

/// `<Dial record>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Record {
    /// Not recorded.
    #[default]
    DoNotRecord,
    /// From the answer, both sides in one channel.
    FromAnswer,
    /// From the first ring, both sides in one channel.
    FromRinging,
    /// From the answer, a channel for each side.
    FromAnswerDual,
    /// From the first ring, a channel for each side.
    FromRingingDual,
}

impl Record {
    const ALL: [Self; 5] = [
        Self::DoNotRecord,
        Self::FromAnswer,
        Self::FromRinging,
        Self::FromAnswerDual,
        Self::FromRingingDual,
    ];

    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DoNotRecord => "do-not-record",
            Self::FromAnswer => "record-from-answer",
            Self::FromRinging => "record-from-ringing",
            Self::FromAnswerDual => "record-from-answer-dual",
            Self::FromRingingDual => "record-from-ringing-dual",
        }
    }
}

/// The string is not a value of `<Dial record>`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected one of do-not-record, record-from-answer, record-from-ringing, \
     record-from-answer-dual, record-from-ringing-dual"
)]
pub struct InvalidRecord;

impl FromStr for Record {
    type Err = InvalidRecord;

    fn from_str(text: &str) -> Result<Self, InvalidRecord> {
        Self::ALL
            .into_iter()
            .find(|record| record.as_str() == text)
            .ok_or(InvalidRecord)
    }
}

/// A TwiML document, short enough to be sent inline.
#[derive(Clone, PartialEq, Eq)]
pub struct Twiml(String);

impl Twiml {
    /// The document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Twiml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Twiml({} bytes)", self.0.len())
    }
}

/// Why no TwiML could be written.
#[derive(Debug, thiserror::Error)]
pub enum TwimlError {
    /// Twilio would refuse it.
    #[error("the TwiML has {0} characters, Twilio takes {MAX_INLINE_CHARS}: shorten the notice")]
    TooLong(usize),
    /// A character that XML can't hold.
    #[error("the notice holds the character {0:?}, which XML can't")]
    NotXml(char),
    /// The writer failed.
    #[error("cannot write the TwiML: {0}")]
    Write(#[from] io::Error),
}

impl Dial {
    /// The document.
    ///
    /// # Errors
    /// It would be too long, or the notice holds control characters.
    pub fn to_twiml(&self) -> Result<Twiml, TwimlError> {
        let mut writer = Writer::new(Vec::with_capacity(256));
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        writer
            .create_element("Response")
            .write_inner_content(|writer| {
                if let Some(notice) = &self.notice {
                    notice.write(writer)?;
                }
                self.write(writer)
            })?;
        let document = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
        if let Some(character) = document.chars().find(|c| !is_xml_char(*c)) {
            return Err(TwimlError::NotXml(character));
        }
        match document.chars().count() {
            length if length > MAX_INLINE_CHARS => Err(TwimlError::TooLong(length)),
            _ => Ok(Twiml(document)),
        }
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let mut dial = writer.create_element("Dial");
        if let Some(caller_id) = &self.caller_id {
            dial = dial.with_attribute(("callerId", caller_id.as_str()));
        }
        if let Some(Seconds(timeout)) = self.timeout {
            dial = dial.with_attribute(("timeout", timeout.to_string().as_str()));
        }
        if let Some(Seconds(limit)) = self.time_limit {
            dial = dial.with_attribute(("timeLimit", limit.to_string().as_str()));
        }
        if self.record != Record::DoNotRecord {
            dial = dial.with_attribute(("record", self.record.as_str()));
        }
        dial.write_inner_content(|writer| {
            writer
                .create_element("Number")
                .write_text_content(BytesText::new(self.number.as_str()))?;
            Ok(())
        })?;
        Ok(())
    }
}

impl Notice {
    fn write(&self, writer: &mut Writer<Vec<u8>>) -> io::Result<()> {
        let mut say = writer.create_element("Say");
        if let Some(language) = &self.language {
            say = say.with_attribute(("language", language.as_str()));
        }
        if let Some(voice) = &self.voice {
            say = say.with_attribute(("voice", voice.as_str()));
        }
        say.write_text_content(BytesText::new(&self.text))?;
        Ok(())
    }
}

/// Production `Char` of XML 1.0, which escaping doesn't widen.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
