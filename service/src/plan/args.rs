//! The plan that flags and the environment give, and the file of further ones.

use std::path::PathBuf;

use notify::Reach;
use twilio::PublicUrl;

use super::file::read_file;
use super::place::Place;
use super::raw::{RawPlan, Reports};
use super::{Plan, Plans};
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

    /// The number shown where the caller has none: who withholds it, or calls by SIP or from a client
    #[arg(long, env = "FORWARD_CALLER_ID_FALLBACK", value_name = "+…")]
    pub forward_caller_id_fallback: Option<String>,

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

    /// Whether it is found out what became of redirected callers: Twilio then tells at the public URL
    /// how each call to a number ended: true or false
    #[arg(long, env = "OUTCOMES", value_name = "BOOL", default_value = "true")]
    pub outcomes: Setting<bool>,

    /// Who is told by webhook what became of callers: a URL with https, such as a chat tool gives
    /// [default: nobody]
    #[arg(long, env = "FORWARD_NOTIFY", value_name = "URL")]
    pub forward_notify: Option<String>,

    /// A file that holds that URL
    #[arg(long, env = "FORWARD_NOTIFY_FILE", value_name = "FILE")]
    pub forward_notify_file: Option<PathBuf>,

    /// Of which callers: missed, recorded, taken, separated by commas  [default: missed,recorded]
    #[arg(long, env = "FORWARD_NOTIFY_ON", value_name = "LIST")]
    pub forward_notify_on: Option<String>,

    /// What that is signed with, whsec_…, by the Standard Webhooks scheme; several, separated by
    /// commas, while one is being changed  [default: it is not signed]
    #[arg(long, env = "FORWARD_NOTIFY_SECRET", value_name = "SECRET")]
    pub forward_notify_secret: Option<String>,

    /// A file that holds it
    #[arg(long, env = "FORWARD_NOTIFY_SECRET_FILE", value_name = "FILE")]
    pub forward_notify_secret_file: Option<PathBuf>,

    /// Whether the caller's number is told, too: true or false  [default: false]
    #[arg(long, env = "FORWARD_NOTIFY_NUMBER", value_name = "BOOL", default_value = "")]
    pub forward_notify_number: Setting<Option<bool>>,

    /// Whether whoever is told may be at a private address, or without https: true or false
    #[arg(long, env = "NOTIFY_PRIVATE", value_name = "BOOL", default_value = "false")]
    pub notify_private: Setting<bool>,

    /// A TOML file with a [[plan]] for each further placeholder task queue
    #[arg(long, env = "REDIRECT_PLANS", value_name = "FILE")]
    pub redirect_plans: Option<PathBuf>,
}

impl PlanArgs {
    /// Those of a file alone.
    #[must_use]
    pub fn of_file(self, file: PathBuf) -> Self {
        Self {
            forward_call_task_queue_sid: None,
            forward_to_number: None,
            redirect_plans: Some(file),
            ..self
        }
    }

    /// Whether any are given.
    pub fn are_given(&self) -> bool {
        let of_default = [&self.forward_call_task_queue_sid, &self.forward_to_number];
        let file = self.redirect_plans.as_ref();
        of_default
            .into_iter()
            .flatten()
            .any(|value| !value.trim().is_empty())
            || file.is_some_and(|file| !file.as_os_str().is_empty())
    }

    /// Parses them, and reads the file. Ladders need the public URL, by which Twilio asks what comes next.
    pub fn resolve(self, public_url: Option<&PublicUrl>, problems: &mut Problems) -> Option<Plans> {
        let reach = match problems.take(self.notify_private.clone()) {
            true => Reach::Anywhere,
            false => Reach::Public,
        };
        let mut raw = Vec::new();
        let outcomes = problems.take(self.outcomes.clone());
        let reports = Reports {
            public_url,
            outcomes,
            reach,
        };
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
            let Some(plan) = plan.parse(&place, &reports, problems) else {
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
        (!plans.is_empty()).then_some(Plans { plans, outcomes })
    }

    fn default_plan(self, problems: &mut Problems, file: bool) -> Option<RawPlan> {
        let set = |value: Option<String>| value.filter(|value| !value.trim().is_empty());
        let is_set = |file: Option<PathBuf>| file.filter(|file| !file.as_os_str().is_empty());
        let task_queue_sid = set(self.forward_call_task_queue_sid);
        let forward_to = set(self.forward_to_number);
        let has_none = task_queue_sid.is_none() && forward_to.is_none() && file;
        let plan = RawPlan {
            name: Some("default".to_owned()),
            task_queue_sid,
            forward_to,
            caller_id: set(self.forward_caller_id),
            caller_id_fallback: set(self.forward_caller_id_fallback),
            timeout: set(self.forward_timeout),
            time_limit: set(self.forward_time_limit),
            record: set(self.forward_record),
            notice: set(self.forward_notice),
            notice_language: set(self.forward_notice_language),
            notice_voice: set(self.forward_notice_voice),
            rescue: problems.take(self.forward_rescue),
            notify: set(self.forward_notify),
            notify_file: is_set(self.forward_notify_file),
            notify_on: set(self.forward_notify_on)
                .map(|on| on.split(',').map(|end| end.trim().to_owned()).collect()),
            notify_secret: set(self.forward_notify_secret),
            notify_secret_file: is_set(self.forward_notify_secret_file),
            notify_number: problems.take(self.forward_notify_number),
            ..RawPlan::default()
        };
        if has_none {
            let given = [
                ("FORWARD_CALLER_ID", plan.caller_id.is_some()),
                (
                    "FORWARD_CALLER_ID_FALLBACK",
                    plan.caller_id_fallback.is_some(),
                ),
                ("FORWARD_TIMEOUT", plan.timeout.is_some()),
                ("FORWARD_TIME_LIMIT", plan.time_limit.is_some()),
                ("FORWARD_RECORD", plan.record.is_some()),
                ("FORWARD_NOTICE", plan.notice.is_some()),
                ("FORWARD_RESCUE", plan.rescue.is_some()),
                ("FORWARD_NOTIFY", plan.notify.is_some()),
                ("FORWARD_NOTIFY_FILE", plan.notify_file.is_some()),
            ];
            for (variable, _) in given.into_iter().filter(|(_, given)| *given) {
                let oddity = "is for FORWARD_TO_NUMBER, which isn't set: the plans of the file don't \
                              have it";
                problems.warn(variable, oddity);
            }
            return None;
        }
        Some(plan)
    }
}
