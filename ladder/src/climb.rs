//! A ladder, climbed hop by hop: what Twilio is told at each place of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use twilio::twiml::{Response, Say, TwimlError, Verb};
use twilio::{Caller, E164, FormParams, PublicUrl};

use crate::answer::{Answer, LONGEST_ASKING, Offer};
use crate::step::Accept;
use crate::{Action, Calendar, Hop, Position, Stage, Step};

/// What a caller hears whom nobody takes, where the ladder says nothing.
const LAST_SENTENCE: &str = "Nobody can take your call at the moment. Please call again later.";

/// The longest number there is.
const LONGEST_NUMBER: &str = "+123456789012345";

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

    /// That nobody can take the call, and the end.
    pub fn last_words(&self) -> [Verb; 2] {
        [Verb::Say(self.say(LAST_SENTENCE)), Verb::Hangup]
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
    tells: bool,
    hash: String,
}

/// A caller of whom it takes the most words to say whose number is shown.
pub fn wordiest_caller() -> Caller {
    Caller {
        called: LONGEST_NUMBER.parse().ok(),
        lacks_number: true,
    }
}

impl Ladder {
    /// The ladder of the plan of that name, which stands in URLs under the public one. If it `tells`,
    /// Twilio is to say how each call to a number ended.
    pub fn new(
        plan: impl Into<String>,
        steps: Vec<Step>,
        voice: Voice,
        calendar: Calendar,
        public_url: PublicUrl,
        tells: bool,
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
            tells,
        }
    }

    /// The first step of which Twilio can't be told: a text can't be written, or what a caller hears
    /// from the redirect on up to this step is too much to be sent with it, whichever steps are
    /// skipped.
    pub fn refused_step(&self) -> Option<(usize, TwimlError)> {
        let caller = wordiest_caller();
        let mut heard = Vec::new();
        let mut is_first = true;
        for (number, step) in self.steps.iter().enumerate() {
            let position = Position {
                step: number,
                go: 0,
            };
            if let Some(accept) = step.ring().and_then(|ring| ring.accept.as_ref())
                && let Err(problem) = accept.ask(String::new()).to_document()
            {
                return Some((number, problem));
            }
            let verbs = self.verbs(step, position, &caller, true);
            let document = match is_first {
                true => Response([heard.as_slice(), &verbs].concat()).to_twiml(),
                false => Response(verbs.clone()).to_document(),
            };
            if let Err(problem) = document {
                return Some((number, problem));
            }
            match step.action {
                Action::Say(_) | Action::Play(_) => heard.extend(verbs),
                // What is behind it is never sent with the redirect.
                Action::Ring(_) | Action::Voicemail(_) => is_first &= step.when.is_some(),
            }
        }
        let end = [heard.as_slice(), &self.voice.last_words()].concat();
        let document = Response(end).to_twiml();
        let last = self.steps.len().saturating_sub(1);
        Some((last, document.err()?)).filter(|_| is_first)
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

    /// Whether the caller is told at the end that nobody can take the call: the ladder itself has no
    /// words for that then.
    pub fn ends_in_our_words(&self, now: Timestamp) -> bool {
        let is_attempt =
            |step: &Step| matches!(step.action, Action::Ring(_) | Action::Voicemail(_));
        let attempts = self.steps.iter().rposition(is_attempt);
        let behind = Position {
            step: attempts.map_or(0, |last| last + 1),
            go: 0,
        };
        let end = self.climb(behind, false, &Caller::default(), now);
        end.response.0.ends_with(&self.voice.last_words())
    }

    /// What a call is told that comes onto the ladder.
    pub fn begin(&self, caller: &Caller, now: Timestamp) -> Answer {
        self.climb(Position::default(), false, caller, now)
    }

    /// What a call is told that was on a ladder of which nothing is known here.
    pub fn begin_again(&self, caller: &Caller, now: Timestamp) -> Answer {
        self.climb(Position::default(), true, caller, now)
    }

    /// What Twilio is told that asks what comes next.
    pub fn answer(&self, hop: &Hop<'_>, params: &FormParams, now: Timestamp) -> Answer {
        let Hop {
            position,
            stage,
            again,
            ..
        } = *hop;
        let ring = self.steps.get(position.step).and_then(Step::ring);
        let accept = ring.and_then(|ring| ring.accept.as_ref());
        match (stage, accept) {
            (Stage::PickedUp, Some(accept)) => {
                return accept.ask(self.url(position, Stage::Pressed, again)).into();
            }
            // An empty answer connects.
            (Stage::Pressed, Some(accept)) if accept.is_pressed(params) => {
                return Response::default().into();
            }
            _ => {}
        }
        if !stage.goes_on(accept, params) {
            return Response(vec![Verb::Hangup]).into();
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
        self.climb(next, again, &Caller::of(params), now)
    }

    /// What a call is told that comes to this place. One that is no more is the end.
    fn climb(&self, at: Position, again: bool, caller: &Caller, now: Timestamp) -> Answer {
        let mut verbs = Vec::new();
        // Nobody is hung up without a word that comes after the last attempt.
        let mut owed = true;
        let mut go = at.go;
        for (number, step) in self.steps.iter().enumerate().skip(at.step) {
            let position = Position { step: number, go };
            go = 0;
            // Whoever is in the middle of a step goes through with it.
            let is_in_force = position.go > 0 || step.is_in_force(now);
            match &step.action {
                Action::Say(_) | Action::Play(_) if is_in_force => {
                    verbs.extend(self.verbs(step, position, caller, again));
                    owed = false;
                }
                Action::Say(_) | Action::Play(_) => {}
                // Its numbers have all rung, or it isn't their time.
                Action::Ring(ring) if !is_in_force || position.go >= ring.goes() => owed = true,
                Action::Voicemail(_) if !is_in_force => owed = true,
                Action::Ring(_) | Action::Voicemail(_) => {
                    verbs.extend(self.verbs(step, position, caller, again));
                    return Answer {
                        response: Response(verbs),
                        offer: Offer::More,
                    };
                }
            }
        }
        match owed {
            true => verbs.extend(self.voice.last_words()),
            false => verbs.push(Verb::Hangup),
        }
        Answer {
            response: Response(verbs),
            offer: Offer::LastWords,
        }
    }

    /// What Twilio is told of a step.
    fn verbs(&self, step: &Step, position: Position, caller: &Caller, again: bool) -> Vec<Verb> {
        let url = |position, stage| self.url(position, stage, again);
        match &step.action {
            Action::Ring(ring) => {
                let ended = self.tells.then(|| url(position, Stage::Ended));
                vec![Verb::Dial(ring.dial(position, caller, ended, &url))]
            }
            Action::Voicemail(voicemail) => voicemail.verbs(position, &url).into_iter().collect(),
            Action::Say(say) => vec![Verb::Say(say.clone())],
            Action::Play(recording) => vec![Verb::Play(recording.clone())],
        }
    }

    /// Where a number rings next, from this place on.
    pub fn position_of(&self, number: &E164, from: Position) -> Option<Position> {
        let mut places = self.steps.iter().enumerate().filter_map(|(step, at)| {
            let ring = at.ring()?;
            let index = ring.numbers.iter().position(|known| known == number)?;
            // Numbers that ring together do so in one go.
            let go = index.min(ring.goes().saturating_sub(1));
            Some(Position { step, go })
        });
        places.find(|place| *place >= from)
    }

    /// How long whoever picks up there may be asked whether they take the caller; `None` where nobody
    /// is asked. Of a step that the ladder no longer has nobody knows: it is assumed that they are.
    pub fn longest_asking(&self, position: Position) -> Option<Duration> {
        match self.steps.get(position.step).and_then(Step::ring) {
            Some(ring) => ring.accept.as_ref().map(Accept::longest_asking),
            None => Some(LONGEST_ASKING),
        }
    }

    /// The path by which Twilio asks what follows the first step.
    pub fn first_path(&self) -> String {
        self.hop(Position::default(), Stage::Dialed, false).path()
    }

    fn url(&self, position: Position, stage: Stage, again: bool) -> String {
        self.hop(position, stage, again).url(&self.public_url)
    }

    fn hop(&self, position: Position, stage: Stage, again: bool) -> Hop<'_> {
        Hop {
            plan: &self.plan,
            position,
            hash: &self.hash,
            again,
            stage,
        }
    }
}
