//! The verbs, and their attributes as Twilio's documentation names them.

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;
use quick_xml::writer::ElementWriter;

use super::{Record, Seconds};
use crate::{E164, WorkflowSid};

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// A text is spoken.
    Say(Say),
    /// A recording is played, from its URL (<https://www.twilio.com/docs/voice/twiml/play>).
    Play(String),
    /// So many seconds of silence (<https://www.twilio.com/docs/voice/twiml/pause>).
    Pause(u32),
    /// The caller waits, with hold music, and a task stands for them in this workflow
    /// (<https://www.twilio.com/docs/voice/twiml/enqueue>).
    Enqueue(WorkflowSid),
    /// Numbers ring.
    Dial(Dial),
    /// A key is waited for.
    Gather(Gather),
    /// The caller leaves a message.
    Record(Message),
    /// Twilio goes on with what it fetches from a URL
    /// (<https://www.twilio.com/docs/voice/twiml/redirect>).
    Redirect(String),
    /// The call ends (<https://www.twilio.com/docs/voice/twiml/hangup>).
    Hangup,
}

/// A spoken text (<https://www.twilio.com/docs/voice/twiml/say>).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Say {
    /// The words.
    pub text: String,
    /// Their language, for example `de-DE`; Twilio's default if `None`.
    pub language: Option<String>,
    /// The voice, for example `Polly.Vicki`; Twilio's default if `None`.
    pub voice: Option<String>,
}

/// Numbers that ring together; the first to pick up is connected, the others are hung up
/// (<https://www.twilio.com/docs/voice/twiml/dial>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The outside numbers, at most ten.
    pub numbers: Vec<Number>,
    /// The number shown to them; the caller's own where it is `None`.
    pub caller_id: Option<E164>,
    /// How long they ring, in whole seconds.
    pub timeout: Option<Seconds<5, 600>>,
    /// How long the conversation may last, in whole seconds.
    pub time_limit: Option<Seconds<1, 86_400>>,
    /// Whether the conversation is recorded.
    pub record: Record,
    /// What is asked for once the dialling has ended, by an absolute URL. Without one Twilio goes on
    /// with what follows; with one it never does.
    pub action: Option<String>,
}

/// A number that rings (<https://www.twilio.com/docs/voice/twiml/number>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// The number.
    pub number: E164,
    /// What whoever picks up hears before the caller is connected, by an absolute URL.
    pub whisper: Option<String>,
    /// What is told once the call to the number is over, by an absolute URL: `completed` comes after
    /// every ending, be it busy, canceled, completed, failed or no-answer, says the same page. The
    /// caller doesn't wait for it.
    pub status_callback: Option<String>,
}

/// Waits for a key (<https://www.twilio.com/docs/voice/twiml/gather>). Without one Twilio goes on with
/// what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    /// What is said meanwhile.
    pub prompt: Say,
    /// How long a key is waited for after that, in whole seconds.
    pub timeout: u32,
    /// What is asked for with the key, by an absolute URL.
    pub action: String,
}

/// A message is recorded (<https://www.twilio.com/docs/voice/twiml/record>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What is asked for once it is recorded, by an absolute URL.
    pub action: String,
    /// How long it may be, in whole seconds.
    pub max_length: Seconds<2, 14_400>,
    /// The keys that end it; Twilio's, all of them, if `None`.
    pub finish_on_key: Option<String>,
    /// Whether Twilio writes it down. It does so in American English, up to 120 s.
    pub transcribe: bool,
}

impl From<E164> for Number {
    fn from(number: E164) -> Self {
        Self {
            number,
            whisper: None,
            status_callback: None,
        }
    }
}

impl From<E164> for Dial {
    fn from(number: E164) -> Self {
        Number::from(number).into()
    }
}

/// To this number, as Twilio does it by itself.
impl From<Number> for Dial {
    fn from(number: Number) -> Self {
        Self {
            numbers: vec![number],
            caller_id: None,
            timeout: None,
            time_limit: None,
            record: Record::DoNotRecord,
            action: None,
        }
    }
}

type To = Writer<Vec<u8>>;

impl Verb {
    pub(super) fn write(&self, to: &mut To) -> io::Result<()> {
        match self {
            Self::Say(say) => say.write(to),
            Self::Play(url) => written(to.create_element("Play").write_text_content(text(url))),
            Self::Pause(seconds) => {
                let pause = to.create_element("Pause");
                written(with(pause, "length", Some(seconds.to_string())).write_empty())
            }
            Self::Enqueue(workflow) => {
                let enqueue = to.create_element("Enqueue");
                written(with(enqueue, "workflowSid", Some(workflow.as_str())).write_empty())
            }
            Self::Dial(dial) => dial.write(to),
            Self::Gather(gather) => gather.write(to),
            Self::Record(message) => message.write(to),
            Self::Redirect(url) => {
                written(to.create_element("Redirect").write_text_content(text(url)))
            }
            Self::Hangup => written(to.create_element("Hangup").write_empty()),
        }
    }
}

impl Say {
    fn write(&self, to: &mut To) -> io::Result<()> {
        let say = with(to.create_element("Say"), "language", self.language.as_ref());
        let say = with(say, "voice", self.voice.as_ref());
        written(say.write_text_content(text(&self.text)))
    }
}

impl Dial {
    fn write(&self, to: &mut To) -> io::Result<()> {
        let caller_id = self.caller_id.as_ref().map(E164::as_str);
        let dial = with(to.create_element("Dial"), "callerId", caller_id);
        let timeout = self.timeout.map(|timeout| timeout.get().to_string());
        let dial = with(dial, "timeout", timeout);
        let time_limit = self.time_limit.map(|limit| limit.get().to_string());
        let dial = with(dial, "timeLimit", time_limit);
        let record = (self.record != Record::DoNotRecord).then_some(self.record.as_str());
        let dial = with(dial, "record", record);
        // While somebody hears a whisper, the caller hears it ring.
        let whispers = self.numbers.iter().any(|number| number.whisper.is_some());
        let dial = with(dial, "answerOnBridge", whispers.then_some("true"));
        let dial = with(dial, "action", self.action.as_ref());
        written(dial.write_inner_content(|to| {
            self.numbers.iter().try_for_each(|number| {
                let element = with(to.create_element("Number"), "url", number.whisper.as_ref());
                let callback = number.status_callback.as_ref();
                let event = callback.map(|_| "completed");
                let element = with(element, "statusCallbackEvent", event);
                let element = with(element, "statusCallback", callback);
                written(element.write_text_content(text(number.number.as_str())))
            })
        }))
    }
}

impl Gather {
    fn write(&self, to: &mut To) -> io::Result<()> {
        let gather = with(to.create_element("Gather"), "numDigits", Some("1"));
        let gather = with(gather, "timeout", Some(self.timeout.to_string()));
        let gather = with(gather, "action", Some(&self.action));
        written(gather.write_inner_content(|to| self.prompt.write(to)))
    }
}

impl Message {
    fn write(&self, to: &mut To) -> io::Result<()> {
        let record = with(to.create_element("Record"), "action", Some(&self.action));
        let max_length = self.max_length.get().to_string();
        let record = with(record, "maxLength", Some(max_length));
        let record = with(record, "finishOnKey", self.finish_on_key.as_ref());
        let record = with(record, "transcribe", self.transcribe.then_some("true"));
        written(record.write_empty())
    }
}

fn with<'a>(
    element: ElementWriter<'a, Vec<u8>>,
    attribute: &str,
    value: Option<impl AsRef<str>>,
) -> ElementWriter<'a, Vec<u8>> {
    match value {
        Some(value) => element.with_attribute((attribute, value.as_ref())),
        None => element,
    }
}

fn text(text: &str) -> BytesText<'_> {
    BytesText::new(text)
}

fn written(done: io::Result<&mut To>) -> io::Result<()> {
    done.map(drop)
}
