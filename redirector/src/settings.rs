//! The redirector's own settings.

use std::num::{NonZeroU16, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

use retry::Policy;
use service::Problems;
use service::role::RunArgs;
use service::settings::Setting;
use twilio::{InvalidPublicUrl, PublicUrl, TWIML_PATH, TaskQueueSid, WorkspaceSid};

/// Takes redirect requests off the queue and updates the calls.
///
/// Every setting is a flag or an environment variable; `.env` is read if there is one.
#[derive(Debug, clap::Parser)]
#[command(version)]
pub struct Cli {
    /// All of them.
    #[command(flatten)]
    pub run: RunArgs<RedirectorArgs>,
}

/// RabbitMQ closes the channel of a consumer that holds a delivery for `consumer_timeout`, 30 minutes
/// unless it is told otherwise; a request that waits in the process is held for so long.
const LONGEST_DEADLINE: Duration = Duration::from_secs(20 * 60);

/// Of a request to somebody who is told.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

/// What a redirector that starts reads back in the log of intents covers updates this late.
const LATEST: Duration = Duration::from_secs(50);
const LONGEST_VERIFY_AFTER: Duration = Duration::from_secs(30);

/// Redirector.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Redirector")]
pub struct RedirectorArgs {
    /// How long after its event, or its replay, a call is still redirected, 20m at most; later it
    /// becomes a dead letter
    #[arg(long, env = "REDIRECT_DEADLINE", value_name = "DURATION", default_value = "15m")]
    pub redirect_deadline: Setting<Duration>,

    /// How old an event may be before Twilio is asked whether its caller still waits; 0s to ask
    /// for each caller, where other software takes callers off hold, too
    #[arg(long, env = "VERIFY_AFTER", value_name = "DURATION", default_value = "2s")]
    pub verify_after: Setting<Duration>,

    /// How late Twilio may carry out an update that it has not answered, up to 50s: so long a
    /// caller whose update got no answer is left alone
    #[arg(long, env = "TWILIO_LATE", value_name = "DURATION", default_value = "30s")]
    pub twilio_late: Setting<Duration>,

    /// The longest that Twilio's Retry-After is believed
    #[arg(long, env = "RETRY_AFTER_LONGEST", value_name = "DURATION", default_value = "30s")]
    pub retry_after_longest: Setting<Duration>,

    /// How many deliveries this process holds at a time, those that wait included
    #[arg(long, env = "PREFETCH", value_name = "N", default_value = "2000")]
    pub prefetch: Setting<NonZeroU16>,

    /// How many requests to each of Twilio's APIs this process has under way at a time
    #[arg(long, env = "MAX_IN_FLIGHT", value_name = "N", default_value = "50")]
    pub max_in_flight: Setting<NonZeroUsize>,

    /// The first wait before a retry; it doubles from there, with jitter
    #[arg(long, env = "RETRY_FIRST", value_name = "DURATION", default_value = "200ms")]
    pub retry_first: Setting<Duration>,

    /// The longest wait before a retry, jitter apart
    #[arg(long, env = "RETRY_LONGEST", value_name = "DURATION", default_value = "10s")]
    pub retry_longest: Setting<Duration>,

    /// How Twilio gets the TwiML: inline with the update, or from URL, the public URL of ingest,
    /// which then must be reachable for each redirect
    #[arg(long, env = "TWIML_DELIVERY", value_name = "inline|URL", default_value = "inline")]
    pub twiml_delivery: Setting<TwimlDelivery>,

    /// How often TaskRouter is asked for callers whom no redirector is working on; one redirector at
    /// a time asks. 0 for never
    #[arg(long, env = "SWEEP_INTERVAL", value_name = "DURATION", default_value = "30s")]
    pub sweep_interval: Setting<Duration>,

    /// How long a task may be in a placeholder queue before the sweep takes its event for lost
    #[arg(long, env = "SWEEP_GRACE", value_name = "DURATION", default_value = "10s")]
    pub sweep_grace: Setting<Duration>,

    /// How long it is tried to tell somebody what became of a caller (FORWARD_NOTIFY), 20m at most;
    /// later that becomes a dead letter
    #[arg(long, env = "NOTIFY_DEADLINE", value_name = "DURATION", default_value = "5m")]
    pub notify_deadline: Setting<Duration>,

    /// How long whoever is told may take to answer, 1m at most
    #[arg(long, env = "NOTIFY_TIMEOUT", value_name = "DURATION", default_value = "10s")]
    pub notify_timeout: Setting<Duration>,

    /// The workspace of the placeholder task queues, WS…  [default: looked up]
    #[arg(long, env = "TWILIO_WORKSPACE_SID", value_name = "WS…", default_value = "")]
    pub workspace_sid: Setting<Option<WorkspaceSid>>,

    /// How long a stop waits for the redirects under way
    #[arg(long, env = "REDIRECTOR_STOP_TIMEOUT", value_name = "DURATION", default_value = "20s")]
    pub redirector_stop_timeout: Setting<Duration>,
}

/// The redirector's own settings, resolved.
#[derive(Debug, Clone)]
pub struct RedirectorSettings {
    /// How long after its event a call is redirected.
    pub deadline: Duration,
    /// How old an event is taken at its word.
    pub verify_after: Duration,
    /// How late Twilio may carry out an update that it has not answered.
    pub twilio_late: Duration,
    /// The longest that `Retry-After` is believed.
    pub longest_retry_after: Duration,
    /// Deliveries held at a time.
    pub prefetch: u16,
    /// Requests under way at a time.
    pub max_in_flight: usize,
    /// The waits before retries.
    pub retry: Policy,
    /// How Twilio gets the TwiML.
    pub twiml_delivery: TwimlDelivery,
    /// The sweep for callers whom no redirector is working on; none if it is off.
    pub sweep: Option<SweepSettings>,
    /// How long it is tried to tell somebody what became of a caller.
    pub notify_deadline: Duration,
    /// How long whoever is told may take to answer.
    pub notify_timeout: Duration,
    /// How long a stop waits.
    pub stop_timeout: Duration,
}

/// The sweep.
#[derive(Debug, Clone)]
pub struct SweepSettings {
    /// From one to the next.
    pub interval: Duration,
    /// How long a task may wait before its event is taken for lost.
    pub grace: Duration,
    /// The workspace of all placeholder task queues; looked up where it isn't given.
    pub workspace: Option<WorkspaceSid>,
}

/// How Twilio gets the TwiML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TwimlDelivery {
    /// With the update.
    Inline,
    /// From ingest.
    FromIngest(TwimlUrl),
}

/// Where ingest serves the TwiML of redirect plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwimlUrl(PublicUrl);

impl TwimlUrl {
    /// The URL of the plan for a placeholder task queue. One query parameter, no more: Twilio may
    /// sort them after it has signed them.
    pub(crate) fn for_task_queue(&self, task_queue: &TaskQueueSid) -> String {
        let path = format!("{TWIML_PATH}?TaskQueueSid={task_queue}");
        self.0.join(&path)
    }
}

impl FromStr for TwimlDelivery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "inline" {
            return Ok(Self::Inline);
        }
        let url = text.parse();
        url.map(|url| Self::FromIngest(TwimlUrl(url)))
            .map_err(|problem: InvalidPublicUrl| {
                format!("must be inline or the public URL of ingest, which {problem}")
            })
    }
}

service::values!(TwimlDelivery = "inline");

impl RedirectorArgs {
    /// Parses them.
    pub fn resolve(self, problems: &mut Problems) -> Option<RedirectorSettings> {
        let holdable = |deadline: Setting<Duration>| {
            deadline.more_than_0().must(
                |deadline| *deadline <= LONGEST_DEADLINE,
                "is more than 20m: a broker takes a request back that is held for 30m (consumer_timeout)",
            )
        };
        let deadline = holdable(self.redirect_deadline);
        // An event that is taken at its word must be younger than what a new reader of the log of
        // intents reads back, whatever clocks say.
        let verify_after = self.verify_after.must(
            |after| *after <= LONGEST_VERIFY_AFTER,
            "must be at most 30s",
        );
        let twilio_late = self
            .twilio_late
            .must(|late| *late <= LATEST, "must be at most 50s");
        let prefetch = problems.take(self.prefetch).get();
        let max_in_flight = problems.take(self.max_in_flight).get();
        if max_in_flight > usize::from(prefetch) {
            problems.add_line(format!(
                "MAX_IN_FLIGHT, PREFETCH: {max_in_flight} requests can't be under way for \
                 {prefetch} deliveries: raise PREFETCH well above MAX_IN_FLIGHT \
                 (example: PREFETCH=2000)"
            ));
        }
        let first = problems.take(self.retry_first);
        let retry = Policy::new(first, problems.take(self.retry_longest));
        let retry = retry.map_err(|problem| {
            problems.add_line(format!(
                "RETRY_FIRST, RETRY_LONGEST: {problem} (example: RETRY_FIRST=200ms)"
            ));
        });
        let sweep = SweepSettings {
            interval: problems.take(self.sweep_interval),
            grace: problems.take(self.sweep_grace),
            workspace: problems.take(self.workspace_sid),
        };
        let notify_timeout = self.notify_timeout.more_than_0().must(
            |timeout| *timeout <= LONGEST_TIMEOUT,
            "is more than 1m: a stop waits for requests under way",
        );
        Some(RedirectorSettings {
            deadline: problems.take(deadline),
            verify_after: problems.take(verify_after),
            twilio_late: problems.take(twilio_late),
            longest_retry_after: problems.take(self.retry_after_longest),
            prefetch,
            max_in_flight,
            twiml_delivery: problems.take(self.twiml_delivery),
            sweep: (!sweep.interval.is_zero()).then_some(sweep),
            notify_deadline: problems.take(holdable(self.notify_deadline)),
            notify_timeout: problems.take(notify_timeout),
            stop_timeout: problems.take(self.redirector_stop_timeout),
            retry: retry.ok()?,
        })
    }
}
