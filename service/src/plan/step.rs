//! A step as it stands in the file.

use std::collections::HashSet;

use ladder::{Accept, Action, Calendar, CallerId, Hours, Ring, Step, Voice, Voicemail};
use serde::Deserialize;
use twilio::E164;
use twilio::twiml::Seconds;

use super::place::Place;
use super::values::{duration, seconds};
use crate::Problems;
use crate::settings::Setting;

/// How many numbers Twilio rings together.
const MOST_TOGETHER: usize = 10;

/// How long a message may be where the plan doesn't say.
const MESSAGE: &str = "2m";

/// The longest message that Twilio writes down, in seconds.
const LONGEST_TRANSCRIBED: u32 = 120;

/// What its plan says for all steps.
pub(super) struct PlanSays<'a> {
    pub(super) voice: &'a Voice,
    pub(super) calendar: Option<&'a Calendar>,
    pub(super) caller_id_fallback: Option<E164>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStep {
    pub(super) when: Option<String>,
    dial: Option<Vec<String>>,
    #[serde(default, deserialize_with = "duration")]
    timeout: Option<String>,
    accept: Option<String>,
    accept_key: Option<char>,
    caller_id: Option<String>,
    voicemail: Option<String>,
    #[serde(default, deserialize_with = "duration")]
    max_length: Option<String>,
    transcribe: Option<bool>,
    finish_on_key: Option<String>,
    say: Option<String>,
    play: Option<String>,
}

impl RawStep {
    /// The step, as far as it can be one.
    pub(super) fn parse(
        self,
        plan: &PlanSays<'_>,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Step> {
        let when = match (&self.when, plan.calendar) {
            (Some(text), Some(calendar)) => Hours::new(text, calendar)
                .map_err(|problem| {
                    problems.add_line(format!("{}: {problem}", place.name("when")));
                })
                .ok(),
            _ => None,
        };
        let kinds = [
            ("dial", self.dial.is_some()),
            ("voicemail", self.voicemail.is_some()),
            ("say", self.say.is_some()),
            ("play", self.play.is_some()),
        ];
        let mut kinds = kinds.into_iter().filter(|(_, given)| *given);
        let (kind, another) = (kinds.next(), kinds.next());
        let Some((kind, _)) = kind.filter(|_| another.is_none()) else {
            problems.add_line(format!(
                "{}: must do one thing: dial, voicemail, say or play",
                place.name("")
            ));
            return None;
        };
        let of_dial = [
            ("timeout", self.timeout.is_some()),
            ("accept", self.accept.is_some()),
            ("accept_key", self.accept_key.is_some()),
            ("caller_id", self.caller_id.is_some()),
        ];
        let of_voicemail = [
            ("max_length", self.max_length.is_some()),
            ("transcribe", self.transcribe.is_some()),
            ("finish_on_key", self.finish_on_key.is_some()),
        ];
        let problem = format!("has no meaning for {kind}");
        if kind != "dial" {
            place.misplaced(of_dial, &problem, problems);
        }
        if kind != "voicemail" {
            place.misplaced(of_voicemail, &problem, problems);
        }
        let is_writable = place.is_writable(
            [
                ("accept", self.accept.as_deref()),
                ("voicemail", self.voicemail.as_deref()),
                ("say", self.say.as_deref()),
                ("play", self.play.as_deref()),
            ],
            problems,
        );
        for (name, text) in [("say", &self.say), ("accept", &self.accept)] {
            if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
                problems.add_line(format!("{}: says nothing", place.name(name)));
            }
        }
        if self.accept_key.is_some() && self.accept.is_none() {
            let problem = "needs accept, what is said to whoever picks up";
            problems.add(&place.name("accept_key"), problem, "2");
        }
        let action = match kind {
            "dial" => Action::Ring(self.ring(plan, place, problems)?),
            "voicemail" => Action::Voicemail(self.voicemail(plan.voice, place, problems)?),
            "say" => Action::Say(plan.voice.say(self.say?)),
            _ => {
                let url = self.play?;
                let is_url = url::Url::parse(&url).is_ok_and(|url| url.scheme() == "https");
                if !is_url {
                    let problem = "must be a URL with https";
                    problems.add(
                        &place.name("play"),
                        problem,
                        "https://example.com/closed.mp3",
                    );
                }
                Action::Play(url)
            }
        };
        is_writable.then_some(Step { when, action })
    }

    fn ring(self, plan: &PlanSays<'_>, place: &Place, problems: &mut Problems) -> Option<Ring> {
        let given = self.dial.unwrap_or_default();
        if given.is_empty() {
            problems.add(&place.name("dial"), "holds no number", "[\"+14155550100\"]");
        }
        let numbers: Vec<E164> = given
            .into_iter()
            .filter_map(|number| {
                problems.required(Setting::named(place.name("dial"), Some(number)))
            })
            .collect();
        if numbers.is_empty() {
            return None;
        }
        let distinct: HashSet<_> = numbers.iter().collect();
        if distinct.len() < numbers.len() {
            problems.add_line(format!("{}: holds a number twice", place.name("dial")));
        }
        if self.accept.is_none() && numbers.len() > MOST_TOGETHER {
            let problem = format!(
                "rings {} numbers together, Twilio at most {MOST_TOGETHER}: make two steps of it, or \
                 let them ring one after another (accept)",
                numbers.len()
            );
            problems.add_line(format!("{}: {problem}", place.name("dial")));
        }
        let key = self.accept_key.unwrap_or('1');
        if !key.is_ascii_digit() {
            problems.add(&place.name("accept_key"), "must be a digit", "1");
        }
        if self.accept.as_ref().is_some_and(|text| !text.contains(key)) {
            problems.warn(
                &place.name("accept"),
                format!("does not say that the key is {key}"),
            );
        }
        let caller_id = match self.caller_id.as_deref() {
            None | Some("caller") => CallerId::Caller,
            Some("called") => CallerId::Called,
            Some(number) => {
                let number = Setting::named(place.name("caller_id"), Some(number.to_owned()));
                CallerId::Number(problems.required(number)?)
            }
        };
        Some(Ring {
            numbers,
            accept: self.accept.map(|text| Accept {
                prompt: plan.voice.say(text),
                key,
            }),
            timeout: seconds(self.timeout, place.name("timeout"), "20s", problems),
            caller_id,
            caller_id_fallback: plan.caller_id_fallback,
        })
    }

    fn voicemail(self, voice: &Voice, place: &Place, problems: &mut Problems) -> Option<Voicemail> {
        let max_length = self.max_length.unwrap_or_else(|| MESSAGE.to_owned());
        let max_length: Seconds<2, 14_400> =
            seconds(Some(max_length), place.name("max_length"), "2m", problems)?;
        let transcribe = self.transcribe.unwrap_or(false);
        if transcribe && !is_american(voice) {
            problems.add_line(format!(
                "{}: Twilio writes down American English only: the plan must say language = \"en-US\", \
                 and have no voice of another",
                place.name("transcribe")
            ));
        }
        if transcribe && max_length.get() > LONGEST_TRANSCRIBED {
            problems.add_line(format!(
                "{}: Twilio writes down messages up to {LONGEST_TRANSCRIBED} s only",
                place.name("max_length")
            ));
        }
        let keys = self.finish_on_key.as_deref().unwrap_or("#");
        if keys.is_empty()
            || !keys
                .chars()
                .all(|key| key.is_ascii_digit() || "#*".contains(key))
        {
            problems.add(&place.name("finish_on_key"), "must be keys of a phone", "#");
        }
        let prompt = self.voicemail?;
        if prompt.trim().is_empty() {
            let problem = "callers are recorded without having been told";
            problems.warn(&place.name("voicemail"), problem);
        }
        Some(Voicemail {
            prompt: voice.say(prompt),
            max_length,
            transcribe,
            finish_on_key: self.finish_on_key,
        })
    }
}

/// Whether callers are spoken to in American English, as far as can be known.
fn is_american(voice: &Voice) -> bool {
    let name = voice.voice.as_deref().unwrap_or_default();
    // Google's voices have their language in their name, most others speak one of their own.
    match (voice.language.as_deref(), name.strip_prefix("Google.")) {
        (_, Some(google)) if !google.starts_with("en-US-") => false,
        (None, None) => matches!(name, "" | "man" | "woman" | "alice"),
        (language, _) => language.is_none_or(|language| language == "en-US"),
    }
}
