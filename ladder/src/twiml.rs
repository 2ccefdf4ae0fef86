//! What Twilio is told at each place of a ladder.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use twilio::twiml::{Dial, Gather, Message, Number, Record, Response, Say, TwimlError, Verb};
use twilio::{Caller, FormParams, PublicUrl};

use crate::hop::QUICK;
use crate::step::Accept;
use crate::{
    Action, Calendar, CallerId, DialOutcome, Hop, Position, Ring, Stage, Step, Voicemail,
    is_message,
};

/// How long a key is waited for, in seconds.
const KEY_TIME: u32 = 10;

/// How many characters are spoken in a second at least.
const SLOWEST_SPEECH: u64 = 10;

/// A conversation lasts at least this long; what is shorter may be the asking alone.
const SHORTEST_CONVERSATION: Duration = Duration::from_secs(5);

/// How long a prompt that the plan no longer has may have taken, and all that comes with it.
const LONGEST_ASKING: Duration = Duration::from_secs(60);

/// What a caller hears whom nobody takes, where the ladder says nothing.
const LAST_SENTENCE: &str = "Nobody can take your call at the moment. Please call again later.";

/// How texts are spoken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Voice {
    /// The language, for example `de-DE`; Twilio's default if `None`.
    pub language: Option<String>,
    /// The voice, for example `Polly.Vicki`; Twilio's default if `None`.
    pub voice: Option<String>,
}

impl Voice {
    /// A text in it.
    pub fn say(&self, text: impl Into<String>) -> Say {
        Say {
            text: text.into(),
            language: self.language.clone(),
            voice: self.voice.clone(),
        }
    }
}

/// The steps of a plan, tried in order until somebody has the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    plan: String,
    steps: Vec<Step>,
    voice: Voice,
    calendar: Calendar,
    public_url: PublicUrl,
    hash: String,
}

impl Ladder {
    /// The ladder of the plan of that name, which stands in URLs under the public one.
    pub fn new(
        plan: impl Into<String>,
        steps: Vec<Step>,
        voice: Voice,
        calendar: Calendar,
        public_url: PublicUrl,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        (&steps, &voice).hash(&mut hasher);
        Self {
            plan: plan.into(),
            hash: format!("{:08x}", hasher.finish() >> 32),
            steps,
            voice,
            calendar,
            public_url,
        }
    }

    /// The first step with which a ladder can't begin: what is heard from there on is too much for
    /// one document, or can't be written.
    pub fn refused_beginning(&self) -> Option<(usize, TwimlError)> {
        (0..self.steps.len()).find_map(|step| {
            let at = Position { step, go: 0 };
            let document = self.walk(at, &Caller::default(), |_, _| true).to_twiml();
            Some((step, document.err()?))
        })
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Where its hours are meant.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// It changes when the ladder does.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What a call is told that comes onto the ladder.
    pub fn begin(&self, caller: &Caller, now: Timestamp) -> Response {
        self.from(Position { step: 0, go: 0 }, caller, now)
    }

    fn from(&self, at: Position, caller: &Caller, now: Timestamp) -> Response {
        self.walk(at, caller, |step, position| {
            // Whoever is in the middle of a step goes through with it.
            let is_begun = position.go > 0;
            is_begun || step.is_in_force(now)
        })
    }

    /// What a call is told that comes to this place. One that is no more is the end.
    fn walk(
        &self,
        at: Position,
        caller: &Caller,
        is_in_force: impl Fn(&Step, Position) -> bool,
    ) -> Response {
        let url = |position, stage| self.url(position, stage);
        let mut verbs = Vec::new();
        let mut go = at.go;
        for (number, step) in self.steps.iter().enumerate().skip(at.step) {
            let position = Position { step: number, go };
            go = 0;
            if !is_in_force(step, position) {
                continue;
            }
            match &step.action {
                Action::Ring(ring) if position.go < ring.goes() => {
                    verbs.push(Verb::Dial(ring.dial(position, caller, &url)));
                    return Response(verbs);
                }
                // Its numbers have all rung.
                Action::Ring(_) => {}
                Action::Voicemail(voicemail) => {
                    verbs.extend(voicemail.verbs(position, &url));
                    return Response(verbs);
                }
                Action::Say(say) => verbs.push(Verb::Say(say.clone())),
                Action::Play(recording) => verbs.push(Verb::Play(recording.clone())),
            }
        }
        if verbs.is_empty() {
            verbs.push(Verb::Say(self.voice.say(LAST_SENTENCE)));
        }
        verbs.push(Verb::Hangup);
        Response(verbs)
    }

    /// What Twilio is told that asks what comes after `stage` at `position`.
    pub fn answer(
        &self,
        position: Position,
        stage: Stage,
        params: &FormParams,
        now: Timestamp,
    ) -> Response {
        let ring = self.steps.get(position.step).and_then(Step::ring);
        let accept = ring.and_then(|ring| ring.accept.as_ref());
        match (stage, accept) {
            (Stage::PickedUp, Some(accept)) => {
                return accept.ask(self.url(position, Stage::Pressed));
            }
            // An empty answer connects.
            (Stage::Pressed, Some(accept)) if accept.is_pressed(params) => {
                return Response::default();
            }
            _ => {}
        }
        if !stage.goes_on(accept, params) {
            return Response(vec![Verb::Hangup]);
        }
        let next = match ring {
            Some(_) => Position {
                go: position.go.saturating_add(1),
                ..position
            },
            None => Position {
                step: position.step.saturating_add(1),
                go: 0,
            },
        };
        self.from(next, &Caller::of(params), now)
    }

    /// The path by which Twilio asks what follows the first step.
    pub fn first_path(&self) -> String {
        self.hop(Position { step: 0, go: 0 }, Stage::Dialed).path()
    }

    fn url(&self, position: Position, stage: Stage) -> String {
        self.hop(position, stage).url(&self.public_url)
    }

    fn hop(&self, position: Position, stage: Stage) -> Hop<'_> {
        Hop {
            plan: &self.plan,
            position,
            hash: &self.hash,
            stage,
        }
    }
}

impl Stage {
    /// Whether the caller is to be offered more. Else whoever asked is hung up: nobody is rung for a
    /// caller who has been talked to, and who pressed no key or the wrong one doesn't get them.
    pub fn goes_on(self, accept: Option<&Accept>, params: &FormParams) -> bool {
        match self {
            Self::PickedUp | Self::Pressed => false,
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

impl Step {
    fn ring(&self) -> Option<&Ring> {
        match &self.action {
            Action::Ring(ring) => Some(ring),
            _ => None,
        }
    }
}

impl Ring {
    fn dial(
        &self,
        position: Position,
        caller: &Caller,
        url: &impl Fn(Position, Stage) -> String,
    ) -> Dial {
        let (whisper, dialed) = match &self.accept {
            Some(_) => (Some(url(position, Stage::PickedUp)), Stage::Asked),
            None => (None, Stage::Dialed),
        };
        let shown = match self.caller_id {
            CallerId::Number(number) => Some(number),
            CallerId::Called => caller.called,
            CallerId::Caller => None,
        };
        let fallback = self.caller_id_fallback.filter(|_| caller.lacks_number);
        Dial {
            numbers: self
                .go(position.go)
                .iter()
                .map(|number| Number {
                    number: *number,
                    whisper: whisper.clone(),
                })
                .collect(),
            caller_id: shown.or(fallback),
            timeout: self.timeout,
            time_limit: None,
            record: Record::DoNotRecord,
            action: Some(url(position, dialed)),
        }
    }
}

impl Accept {
    fn ask(&self, action: String) -> Response {
        let gather = Gather {
            prompt: self.prompt.clone(),
            timeout: KEY_TIME,
            action,
        };
        Response(vec![Verb::Gather(gather), Verb::Hangup])
    }

    fn is_pressed(&self, params: &FormParams) -> bool {
        params
            .get("Digits")
            .is_some_and(|keys| keys.chars().eq([self.key]))
    }

    /// A dialling that lasted no longer may have been no conversation.
    fn longest_asking(&self) -> Duration {
        let characters = u64::try_from(self.prompt.text.chars().count()).unwrap_or(u64::MAX);
        let prompt = Duration::from_secs(characters.div_ceil(SLOWEST_SPEECH));
        // Twilio asks for the prompt and what the key means.
        prompt + Duration::from_secs(KEY_TIME.into()) + 2 * QUICK + SHORTEST_CONVERSATION
    }
}

impl Voicemail {
    /// What follows `<Record>` is never reached where Twilio asks its `action`, and is where nothing
    /// was recorded, by another reading: it is right under both.
    fn verbs(
        &self,
        position: Position,
        url: &impl Fn(Position, Stage) -> String,
    ) -> impl IntoIterator<Item = Verb> {
        [
            Verb::Say(self.prompt.clone()),
            Verb::Record(Message {
                action: url(position, Stage::Recorded),
                max_length: self.max_length,
                finish_on_key: self.finish_on_key.clone(),
                transcribe: self.transcribe,
            }),
            Verb::Redirect(url(position, Stage::NotRecorded)),
        ]
    }
}
