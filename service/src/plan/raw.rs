//! A plan as its strings stand in the file or the environment.

use std::path::PathBuf;

use ladder::{Calendar, Hop, InvalidHours, Ladder, Voice, wordiest_caller};
use notify::Reach;
use serde::Deserialize;
use twilio::twiml::{Dial, MAX_INLINE_CHARS, Number, Record, Say};
use twilio::{E164, PublicUrl, TaskQueueSid};

use super::place::Place;
use super::step::{PlanSays, RawStep};
use super::values::{duration, read, seconds};
use super::{Forward, Notify, Plan, Way};
use crate::Problems;
use crate::settings::Setting;

/// Where Twilio asks and tells what becomes of callers.
pub(super) struct Reports<'a> {
    pub(super) public_url: Option<&'a PublicUrl>,
    /// Whether it is to tell how calls to numbers ended.
    pub(super) outcomes: bool,
    /// Where whoever is told of them may be.
    pub(super) reach: Reach,
}

impl Reports<'_> {
    /// Where it tells how calls to numbers ended, if it is to.
    fn of_legs(&self) -> Option<&PublicUrl> {
        self.public_url.filter(|_| self.outcomes)
    }
}

/// Not to be shown: it holds secrets.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlan {
    pub(super) name: Option<String>,
    pub(super) task_queue_sid: Option<String>,
    pub(super) forward_to: Option<String>,
    pub(super) caller_id: Option<String>,
    pub(super) caller_id_fallback: Option<String>,
    #[serde(default, deserialize_with = "duration")]
    pub(super) timeout: Option<String>,
    #[serde(default, deserialize_with = "duration")]
    pub(super) time_limit: Option<String>,
    pub(super) record: Option<String>,
    pub(super) notice: Option<String>,
    pub(super) notice_language: Option<String>,
    pub(super) notice_voice: Option<String>,
    pub(super) rescue: Option<bool>,
    pub(super) notify: Option<String>,
    pub(super) notify_file: Option<PathBuf>,
    pub(super) notify_on: Option<Vec<String>>,
    pub(super) notify_secret: Option<String>,
    pub(super) notify_secret_file: Option<PathBuf>,
    pub(super) notify_number: Option<bool>,
    pub(super) time_zone: Option<String>,
    pub(super) holidays: Option<String>,
    #[serde(default)]
    pub(super) closed: Vec<String>,
    pub(super) language: Option<String>,
    pub(super) voice: Option<String>,
    #[serde(default)]
    pub(super) step: Vec<toml::Table>,
}

impl RawPlan {
    pub(super) fn parse(
        mut self,
        place: &Place,
        reports: &Reports<'_>,
        problems: &mut Problems,
    ) -> Option<Plan> {
        let task_queue_sid = self.task_queue_sid.clone();
        let task_queue_sid = Setting::named(place.name("task_queue_sid"), task_queue_sid);
        let task_queue_sid: Option<TaskQueueSid> = problems.required(task_queue_sid);
        let fallback = self.caller_id_fallback.clone();
        let fallback = Setting::named(place.name("caller_id_fallback"), fallback);
        let fallback: Option<E164> = problems.take(fallback);
        let name = self.name.clone();
        let name = name.or_else(|| task_queue_sid.map(|sid| sid.to_string()));
        let rescue = self.rescue.unwrap_or(true);
        let notify = Notify::of(&mut self, place, reports.reach, problems);
        if notify.is_some() && !reports.outcomes {
            let problem = "needs OUTCOMES=true: else it isn't found out what became of callers";
            problems.add_line(format!("{}: {problem}", place.name("notify")));
        }
        let way = match self.step.is_empty() {
            true => {
                let ended = task_queue_sid.and_then(|sid| {
                    let hop = Hop::of_number(sid.as_str());
                    Some(hop.url(reports.of_legs()?))
                });
                let forward = self.forward(fallback, ended, place, problems);
                forward.map(Way::Number)
            }
            false => {
                let name = name.clone().unwrap_or_default();
                let ladder = self.ladder(&name, fallback, place, reports, problems);
                ladder.map(Way::Ladder)
            }
        };
        Some(Plan {
            name: name?,
            task_queue_sid: task_queue_sid?,
            rescue,
            way: way?,
            notify,
        })
    }

    fn forward(
        self,
        caller_id_fallback: Option<E164>,
        ended: Option<String>,
        place: &Place,
        problems: &mut Problems,
    ) -> Option<Forward> {
        let of_ladders = [
            ("time_zone", self.time_zone.is_some()),
            ("holidays", self.holidays.is_some()),
            ("closed", !self.closed.is_empty()),
            ("language", self.language.is_some()),
            ("voice", self.voice.is_some()),
        ];
        let problem = "is for plans with steps: this one has no [[plan.step]]";
        place.misplaced(of_ladders, problem, problems);
        let is_writable = place.is_writable(
            [
                ("notice", self.notice.as_deref()),
                ("notice_language", self.notice_language.as_deref()),
                ("notice_voice", self.notice_voice.as_deref()),
            ],
            problems,
        );
        let number = Setting::named(place.name("forward_to"), self.forward_to);
        let number: Option<E164> = problems.required(number);
        let record = problems.take(Setting::named(place.name("record"), self.record));
        let forward = Forward {
            dial: Dial {
                caller_id: problems.take(Setting::named(place.name("caller_id"), self.caller_id)),
                timeout: seconds(self.timeout, place.name("timeout"), "30s", problems),
                time_limit: seconds(self.time_limit, place.name("time_limit"), "1h", problems),
                record: record.unwrap_or(Record::DoNotRecord),
                ..Dial::from(Number {
                    status_callback: ended,
                    ..number?.into()
                })
            },
            notice: self
                .notice
                .filter(|text| !text.trim().is_empty())
                .map(|text| Say {
                    text,
                    language: self.notice_language,
                    voice: self.notice_voice,
                }),
            caller_id_fallback,
        };
        if !is_writable {
            return None;
        }
        if let Err(problem) = forward.response(&wordiest_caller()).to_twiml() {
            problems.add(&place.name("notice"), problem, "Please hold the line.");
            return None;
        }
        Some(forward)
    }

    fn ladder(
        self,
        name: &str,
        fallback: Option<E164>,
        place: &Place,
        reports: &Reports<'_>,
        problems: &mut Problems,
    ) -> Option<Ladder> {
        let of_numbers = [
            ("forward_to", self.forward_to.is_some()),
            ("caller_id", self.caller_id.is_some()),
            ("timeout", self.timeout.is_some()),
            ("time_limit", self.time_limit.is_some()),
            ("record", self.record.is_some()),
            ("notice", self.notice.is_some()),
            ("notice_language", self.notice_language.is_some()),
            ("notice_voice", self.notice_voice.is_some()),
        ];
        let problem =
            "is for a plan of one number: say it in a [[plan.step]], or leave the steps out";
        place.misplaced(of_numbers, problem, problems);
        let in_urls = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if name.is_empty() || !name.chars().all(in_urls) {
            let problem = "is part of URLs where a plan has steps: letters, digits, - and _ only";
            problems.add(&place.name("name"), problem, "sales");
        }
        if reports.public_url.is_none() {
            problems.add(
                "PUBLIC_URL",
                format!(
                    "is needed for the steps of plan {name:?}: Twilio asks ingest there what comes next"
                ),
                "https://overflow.example.com",
            );
        }
        let time_zone = self.time_zone.as_deref();
        let closed = self.closed.iter().map(String::as_str);
        let calendar = Calendar::new(time_zone.unwrap_or("UTC"), self.holidays.as_deref(), closed);
        let calendar = calendar.map_err(|problem| {
            let field = match problem {
                InvalidHours::TimeZone(_) => "time_zone",
                InvalidHours::Country(_) => "holidays",
                _ => "closed",
            };
            problems.add_line(format!("{}: {problem}", place.name(field)));
        });
        let calendar = calendar.ok();
        let is_writable = place.is_writable(
            [
                ("language", self.language.as_deref()),
                ("voice", self.voice.as_deref()),
            ],
            problems,
        );
        let voice = Voice {
            language: self.language,
            voice: self.voice,
        };
        let (mut steps, count) = (Vec::new(), self.step.len());
        for (index, step) in self.step.into_iter().enumerate() {
            let place = place.step(index + 1);
            let Some(step) = read::<RawStep>(step, &place, problems) else {
                continue;
            };
            if step.when.is_some() && time_zone.is_none() {
                let problem = "needs the plan's time zone: time_zone = \"Europe/Berlin\"";
                problems.add_line(format!("{}: {problem}", place.name("when")));
            }
            let plan = PlanSays {
                voice: &voice,
                calendar: calendar.as_ref(),
                caller_id_fallback: fallback,
            };
            steps.extend(step.parse(&plan, &place, problems));
        }
        let public_url = reports.public_url?.clone();
        let ladder = Ladder::new(name, steps, voice, calendar?, public_url, reports.outcomes);
        // Where a step can't be read, the numbers of the others are not those of the file.
        let is_whole = is_writable && ladder.steps().len() == count;
        if let Some((step, problem)) = ladder.refused_step().filter(|_| is_whole) {
            let problem = format!(
                "{problem}; what a caller hears first goes to Twilio in {MAX_INLINE_CHARS} characters"
            );
            problems.add_line(format!("{}: {problem}", place.step(step + 1).name("")));
        }
        Some(ladder)
    }
}
