//! What Twilio is told at a step.

use std::time::Duration;

use twilio::twiml::{Dial, Gather, Message, Number, Record, Response, Verb};
use twilio::{Caller, FormParams};

use crate::hop::QUICK;
use crate::step::Accept;
use crate::{CallerId, Position, Ring, Stage, Voicemail};

/// How long a key is waited for, in seconds.
const KEY_TIME: u32 = 10;

/// How many characters are spoken in a second at least, of letters and of signs that are a syllable
/// each.
const LETTERS: u64 = 10;
const SIGNS: u64 = 4;

/// A conversation lasts at least this long; what is shorter may be the asking alone.
const SHORTEST_CONVERSATION: Duration = Duration::from_secs(5);

impl Ring {
    pub(crate) fn dial(
        &self,
        position: Position,
        caller: &Caller,
        ended: Option<String>,
        url: &impl Fn(Position, Stage) -> String,
    ) -> Dial {
        let (whisper, dialed) = match &self.accept {
            Some(_) => (Some(url(position, Stage::PickedUp)), Stage::Asked),
            None => (None, Stage::Dialed),
        };
        let chosen = match self.caller_id {
            CallerId::Number(number) => Some(number),
            CallerId::Called => caller.called,
            CallerId::Caller => None,
        };
        Dial {
            numbers: self
                .go(position.go)
                .iter()
                .map(|number| Number {
                    number: *number,
                    whisper: whisper.clone(),
                    status_callback: ended.clone(),
                })
                .collect(),
            caller_id: caller.shown(chosen, self.caller_id_fallback),
            timeout: self.timeout,
            time_limit: None,
            record: Record::DoNotRecord,
            action: Some(url(position, dialed)),
        }
    }
}

impl Accept {
    pub(crate) fn ask(&self, action: String) -> Response {
        let gather = Gather {
            prompt: self.prompt.clone(),
            timeout: KEY_TIME,
            action,
        };
        Response(vec![Verb::Gather(gather), Verb::Hangup])
    }

    pub(crate) fn is_pressed(&self, params: &FormParams) -> bool {
        params
            .get("Digits")
            .is_some_and(|keys| keys.chars().eq([self.key]))
    }

    /// A dialling that lasted no longer may have been no conversation.
    pub(crate) fn longest_asking(&self) -> Duration {
        let text = &self.prompt.text;
        let characters = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let in_a_second = if text.is_ascii() { LETTERS } else { SIGNS };
        let prompt = Duration::from_secs(characters.div_ceil(in_a_second));
        // Twilio asks for the prompt and what the key means.
        prompt + Duration::from_secs(KEY_TIME.into()) + 2 * QUICK + SHORTEST_CONVERSATION
    }
}

impl Voicemail {
    /// What follows `<Record>` is never reached where Twilio asks its `action`, and is where nothing
    /// was recorded, by another reading: it is right under both.
    pub(crate) fn verbs(
        &self,
        position: Position,
        url: &impl Fn(Position, Stage) -> String,
    ) -> impl IntoIterator<Item = Verb> {
        let prompt = Some(&self.prompt).filter(|prompt| !prompt.text.trim().is_empty());
        let record = Verb::Record(Message {
            action: url(position, Stage::Recorded),
            max_length: self.max_length,
            finish_on_key: self.finish_on_key.clone(),
            transcribe: self.transcribe,
        });
        let next = Verb::Redirect(url(position, Stage::NotRecorded));
        prompt
            .cloned()
            .map(Verb::Say)
            .into_iter()
            .chain([record, next])
    }
}
