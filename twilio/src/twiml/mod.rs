//! TwiML: what a caller hears, and who is rung (<https://www.twilio.com/docs/voice/twiml>). Only what
//! redirects need.

mod verbs;

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, Event};

pub use self::verbs::{Dial, Gather, Message, Number, Say, Verb};

/// The longest TwiML that Twilio takes inline, in characters.
pub const MAX_INLINE_CHARS: usize = 4000;

/// What Twilio is to do with a call, one after another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response(pub Vec<Verb>);

/// A number of seconds that Twilio accepts, from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seconds<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Seconds<MIN, MAX> {
    /// The number, if Twilio accepts it.
    pub fn new(seconds: u32) -> Option<Self> {
        (MIN..=MAX).contains(&seconds).then_some(Self(seconds))
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
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

/// A TwiML document.
#[derive(Clone, PartialEq, Eq)]
pub struct Twiml(String);

impl Twiml {
    /// The document.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Twiml {
    /// The call ends.
    pub fn hang_up() -> Self {
        Self("<Response><Hangup/></Response>".to_owned())
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
    #[error("the TwiML has {0} characters, Twilio takes {MAX_INLINE_CHARS}: shorten its texts")]
    TooLong(usize),
    /// A text holds a character that XML can't.
    #[error("holds the character {0:?}, which XML cannot hold")]
    NotXml(char),
    /// The writer failed.
    #[error("cannot write the TwiML: {0}")]
    Write(#[from] io::Error),
}

impl Response {
    /// The document, short enough to be sent inline.
    ///
    /// # Errors
    /// It would be too long, or a text holds control characters.
    pub fn to_twiml(&self) -> Result<Twiml, TwimlError> {
        let document = self.to_document()?;
        match document.0.chars().count() {
            length if length > MAX_INLINE_CHARS => Err(TwimlError::TooLong(length)),
            _ => Ok(document),
        }
    }

    /// The document, to be fetched.
    ///
    /// # Errors
    /// A text holds control characters.
    pub fn to_document(&self) -> Result<Twiml, TwimlError> {
        let mut writer = Writer::new(Vec::with_capacity(256));
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let response = writer.create_element("Response");
        match self.0.as_slice() {
            [] => response.write_empty()?,
            verbs => response.write_inner_content(|writer| {
                verbs.iter().try_for_each(|verb| verb.write(writer))
            })?,
        };
        let document = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
        check_text(&document)?;
        Ok(Twiml(document))
    }
}

/// Whether a text can stand in a document.
///
/// # Errors
/// It holds a control character.
pub fn check_text(text: &str) -> Result<(), TwimlError> {
    match text.chars().find(|c| !is_xml_char(*c)) {
        Some(character) => Err(TwimlError::NotXml(character)),
        None => Ok(()),
    }
}

/// Production `Char` of XML 1.0, which escaping doesn't widen.
fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
