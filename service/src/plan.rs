//! Redirect plans: which placeholder task queue's callers go to which number, and what they hear.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use twilio::twiml::{Dial, Notice, Record, Seconds, Twiml};
use twilio::{E164, TaskQueueSid};

use crate::Problems;
use crate::settings::Setting;

/// Which placeholder task queue, and where its callers go.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Redirect plan")]
pub struct PlanArgs {
    /// The placeholder task queue, WQ…: a call whose task enters it is redirected
    /// [required, unless a file of plans is given]
    #[arg(long, env = "FORWARD_CALL_TASK_QUEUE_SID", value_name = "WQ…")]
    pub forward_call_task_queue_sid: Option<String>,

    /// The number that redirected calls ring, in E.164 form  [required with the task queue]
    #[arg(long, env = "FORWARD_TO_NUMBER", value_name = "+…")]
    pub forward_to_number: Option<String>,

    /// The number shown to it: one of the account's, or a verified one  [default: the caller's]
    #[arg(long, env = "FORWARD_CALLER_ID", value_name = "+…")]
    pub forward_caller_id: Option<String>,

    /// How long it rings, from 5s to 10m  [default: Twilio's, 30s]
    #[arg(long, env = "FORWARD_TIMEOUT", value_name = "DURATION")]
    pub forward_timeout: Option<String>,

    /// How long the conversation may last, 24h at most  [default: Twilio's, 4h]
    #[arg(long, env = "FORWARD_TIME_LIMIT", value_name = "DURATION")]
    pub forward_time_limit: Option<String>,

    /// Whether the conversation is recorded: do-not-record, record-from-answer,
    /// record-from-ringing, record-from-answer-dual or record-from-ringing-dual
    /// [default: do-not-record]
    #[arg(long, env = "FORWARD_RECORD", value_name = "MODE")]
    pub forward_record: Option<String>,

    /// What is said to the caller before it rings  [default: nothing]
    #[arg(long, env = "FORWARD_NOTICE", value_name = "TEXT")]
    pub forward_notice: Option<String>,

    /// The notice's language, for example de-DE  [default: Twilio's]
    #[arg(long, env = "FORWARD_NOTICE_LANGUAGE", value_name = "LANGUAGE")]
    pub forward_notice_language: Option<String>,

    /// The notice's voice, for example Polly.Vicki  [default: Twilio's]
    #[arg(long, env = "FORWARD_NOTICE_VOICE", value_name = "VOICE")]
    pub forward_notice_voice: Option<String>,

    /// Whether callers whose task ended while they wait (its time to live ran out, or it fell off
    /// its workflow) are redirected too: true or false  [default: true]
    #[arg(long, env = "FORWARD_RESCUE", value_name = "BOOL", default_value = "")]
    pub forward_rescue: Setting<Option<bool>>,

    /// A TOML file with a [[plan]] for each further placeholder task queue
    #[arg(long, env = "REDIRECT_PLANS", value_name = "FILE")]
    pub redirect_plans: Option<PathBuf>,
}

/// What happens to the callers of one placeholder task queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What metrics and logs call it.
    pub name: String,
    /// The placeholder task queue.
    pub task_queue_sid: TaskQueueSid,
    /// What the caller hears.
    pub dial: Dial,
    /// The same as TwiML.
    pub twiml: Twiml,
    /// Whether callers whose task is gone are redirected too.
    pub rescue: bool,
}

/// All plans, by their placeholder task queue. There is at least one; the first is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans(Vec<Plan>);

impl Plans {
    /// The plan for the callers of a task queue, if it is a placeholder.
    pub fn get(&self, task_queue: &TaskQueueSid) -> Option<&Plan> {
        self.0
            .iter()
            .find(|plan| plan.task_queue_sid == *task_queue)
    }

    /// The plan for callers who are to be rescued from a task queue. One that has no plan of its own
    /// gets the first that rescues: the redirector finds out whether the workflow leads to another.
    pub fn rescuer(&self, task_queue: Option<&TaskQueueSid>) -> Option<&Plan> {
        match task_queue.and_then(|task_queue| self.get(task_queue)) {
            Some(plan) => plan.rescue.then_some(plan),
            None => self.iter().find(|plan| plan.rescue),
        }
    }

    /// The first plan.
    pub fn default_plan(&self) -> Option<&Plan> {
        self.0.first()
    }

    /// Each plan.
    pub fn iter(&self) -> impl Iterator<Item = &Plan> {
        self.0.iter()
    }
}

/// A plan as its strings stand in the file or the environment.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlan {
    name: Option<String>,
    task_queue_sid: Option<String>,
    forward_to: Option<String>,
    caller_id: Option<String>,
    #[serde(default, deserialize_with = "with_unit")]
    timeout: Option<String>,
    #[serde(default, deserialize_with = "with_unit")]
    time_limit: Option<String>,
    record: Option<String>,
    notice: Option<String>,
    notice_language: Option<String>,
    notice_voice: Option<String>,
    rescue: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlansFile {
    #[serde(default)]
    plan: Vec<RawPlan>,
}

impl PlanArgs {
    /// Parses them, and reads the file.
    pub fn resolve(self, problems: &mut Problems) -> Option<Plans> {
        let mut raw = Vec::new();
        let file = self
            .redirect_plans
            .clone()
            .filter(|file| !file.as_os_str().is_empty());
        if let Some(plan) = self.default_plan(problems, file.is_some()) {
            raw.push((Place::Environment, plan));
        }
        if let Some(file) = &file {
            raw.extend(read_file(file, problems));
        }
        let mut plans: Vec<Plan> = Vec::with_capacity(raw.len());
        for (place, plan) in raw {
            let Some(plan) = plan.parse(&place, problems) else {
                continue;
            };
            if plans
                .iter()
                .any(|p| p.task_queue_sid == plan.task_queue_sid || p.name == plan.name)
            {
                problems.add_line(format!(
                    "{}: a second plan for task queue {} or named {:?}",
                    place.name("task_queue_sid"),
                    plan.task_queue_sid,
                    plan.name
                ));
                continue;
            }
            plans.push(plan);
        }
        (!plans.is_empty()).then_some(Plans(plans))
    }

    fn default_plan(self, problems: &mut Problems, file: bool) -> Option<RawPlan> {
        let set = |value: Option<String>| value.filter(|value| !value.trim().is_empty());
        let task_queue_sid = set(self.forward_call_task_queue_sid);
        let forward_to = set(self.forward_to_number);
        if task_queue_sid.is_none() && forward_to.is_none() && file {
            return None;
        }
        Some(RawPlan {
            name: Some("default".to_owned()),
            task_queue_sid,
            forward_to,
            caller_id: set(self.forward_caller_id),
            timeout: set(self.forward_timeout),
            time_limit: set(self.forward_time_limit),
            record: set(self.forward_record),
            notice: set(self.forward_notice),
            notice_language: set(self.forward_notice_language),
            notice_voice: set(self.forward_notice_voice),
            rescue: problems.take(self.forward_rescue),
        })
    }
}

fn read_file(file: &Path, problems: &mut Problems) -> Vec<(Place, RawPlan)> {
    let path = file.display();
    let example = "plans.toml";
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(problem) => {
            problems.add(
                "REDIRECT_PLANS",
                format!("cannot read {path}: {problem}"),
                example,
            );
            return Vec::new();
        }
    };
    match toml::from_str::<PlansFile>(&text) {
        Ok(plans) if plans.plan.is_empty() => {
            problems.add(
                "REDIRECT_PLANS",
                format!("{path} holds no [[plan]]"),
                example,
            );
            Vec::new()
        }
        Ok(plans) => plans
            .plan
            .into_iter()
            .enumerate()
            .map(|(index, plan)| (Place::File(format!("{path}, plan {}", index + 1)), plan))
            .collect(),
        Err(error) => {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map_or(1, |before| before.matches('\n').count() + 1);
            problems.add(
                "REDIRECT_PLANS",
                format!("{path}, line {line}: {}", error.message()),
                example,
            );
            Vec::new()
        }
    }
}

/// Where a plan stands, to name its settings as the user knows them.
enum Place {
    Environment,
    File(String),
}

impl Place {
    fn name(&self, field: &str) -> String {
        match self {
            Self::File(place) => format!("{place}: {field}"),
            Self::Environment => match field {
                "task_queue_sid" => "FORWARD_CALL_TASK_QUEUE_SID".to_owned(),
                "forward_to" => "FORWARD_TO_NUMBER".to_owned(),
                field => format!("FORWARD_{}", field.to_uppercase()),
            },
        }
    }
}

impl RawPlan {
    fn parse(self, place: &Place, problems: &mut Problems) -> Option<Plan> {
        let task_queue_sid = Setting::named(place.name("task_queue_sid"), self.task_queue_sid);
        let task_queue_sid: Option<TaskQueueSid> = problems.required(task_queue_sid);
        let number = Setting::named(place.name("forward_to"), self.forward_to);
        let number: Option<E164> = problems.required(number);
        let record = problems.take(Setting::named(place.name("record"), self.record));
        let dial = Dial {
            caller_id: problems.take(Setting::named(place.name("caller_id"), self.caller_id)),
            timeout: seconds(self.timeout, place.name("timeout"), "30s", problems),
            time_limit: seconds(self.time_limit, place.name("time_limit"), "1h", problems),
            record: record.unwrap_or(Record::DoNotRecord),
            notice: self.notice.map(|text| Notice {
                text,
                language: self.notice_language,
                voice: self.notice_voice,
            }),
            number: number?,
        };
        let twiml = match dial.to_twiml() {
            Ok(twiml) => twiml,
            Err(problem) => {
                problems.add(&place.name("notice"), problem, "Please hold the line.");
                return None;
            }
        };
        let task_queue_sid = task_queue_sid?;
        Some(Plan {
            name: self.name.unwrap_or_else(|| task_queue_sid.to_string()),
            task_queue_sid,
            dial,
            twiml,
            rescue: self.rescue.unwrap_or(true),
        })
    }
}

/// A duration, or a number without its unit, which is told as such later.
fn with_unit<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Some(match toml::Value::deserialize(from)? {
        toml::Value::String(text) => text,
        other => other.to_string(),
    }))
}

fn seconds<const MIN: u32, const MAX: u32>(
    given: Option<String>,
    name: String,
    example: &str,
    problems: &mut Problems,
) -> Option<Seconds<MIN, MAX>> {
    let whole = |duration: Duration| {
        let seconds = u32::try_from(duration.as_secs()).ok()?;
        Seconds::new(seconds).filter(|_| duration.subsec_nanos() == 0)
    };
    let given: Setting<Option<Duration>> = Setting::named(name, given);
    let given = given.example(example).must(
        |given| given.is_none_or(|duration| whole(duration).is_some()),
        &format!("must be from {MIN}s to {MAX}s, in whole seconds"),
    );
    whole(problems.take(given)?)
}

impl FromStr for Plans {
    type Err = crate::settings::InvalidSettings;

    /// Reads the text of a plans file.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut problems = Problems::default();
        let plans = match toml::from_str::<PlansFile>(text) {
            Ok(file) => file
                .plan
                .into_iter()
                .filter_map(|plan| plan.parse(&Place::File("plan".into()), &mut problems))
                .collect(),
            Err(error) => {
                problems.add_line(error.message());
                Vec::new()
            }
        };
        problems.finish((!plans.is_empty()).then_some(Self(plans)))
    }
}
