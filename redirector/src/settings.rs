//! The redirector's own settings.

use std::str::FromStr;
use std::time::Duration;

use retry::Policy;
use service::Problems;
use twilio::{InvalidPublicUrl, PublicUrl, TWIML_PATH, TaskQueueSid, WorkspaceSid};

/// RabbitMQ closes the channel of a consumer that holds a delivery for `consumer_timeout`, 30 minutes
/// unless it is told otherwise; a request that waits in the process is held for so long.
const LONGEST_DEADLINE: Duration = Duration::from_secs(20 * 60);

/// What a redirector that starts reads back in the log of intents covers updates this late.
const LATEST: Duration = Duration::from_secs(50);
const LONGEST_VERIFY_AFTER: Duration = Duration::from_secs(30);

/// Redirector.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Redirector")]
pub struct RedirectorArgs {
    /// How long after its event, or its replay, a call is still redirected, 20m at most; later it
    /// becomes a dead letter  [default: 15m]
    #[arg(long, env = "REDIRECT_DEADLINE", value_name = "DURATION")]
    pub redirect_deadline: Option<String>,

    /// How old an event may be before Twilio is asked whether its caller still waits; 0s to ask
    /// for each caller, where other software takes callers off hold, too  [default: 2s]
    #[arg(long, env = "VERIFY_AFTER", value_name = "DURATION")]
    pub verify_after: Option<String>,

    /// How late Twilio may carry out an update that it has not answered, up to 50s: so long a
    /// caller whose update got no answer is left alone  [default: 30s]
    #[arg(long, env = "TWILIO_LATE", value_name = "DURATION")]
    pub twilio_late: Option<String>,

    /// The longest that Twilio's Retry-After is believed  [default: 30s]
    #[arg(long, env = "RETRY_AFTER_LONGEST", value_name = "DURATION")]
    pub retry_after_longest: Option<String>,

    /// How many deliveries this process holds at a time, those that wait included  [default: 2000]
    #[arg(long, env = "PREFETCH", value_name = "N")]
    pub prefetch: Option<String>,

    /// How many requests to each of Twilio's APIs this process has under way at a time
    /// [default: 50]
    #[arg(long, env = "MAX_IN_FLIGHT", value_name = "N")]
    pub max_in_flight: Option<String>,

    /// The first wait before a retry; it doubles from there, with jitter  [default: 200ms]
    #[arg(long, env = "RETRY_FIRST", value_name = "DURATION")]
    pub retry_first: Option<String>,

    /// The longest wait before a retry, jitter apart  [default: 10s]
    #[arg(long, env = "RETRY_LONGEST", value_name = "DURATION")]
    pub retry_longest: Option<String>,

    /// How Twilio gets the TwiML: inline with the update, or from URL, the public URL of ingest,
    /// which then must be reachable for each redirect  [default: inline]
    #[arg(long, env = "TWIML_DELIVERY", value_name = "inline|URL")]
    pub twiml_delivery: Option<String>,

    /// How often TaskRouter is asked for callers whose event never came; one redirector at a time
    /// asks. 0 for never  [default: 30s]
    #[arg(long, env = "SWEEP_INTERVAL", value_name = "DURATION")]
    pub sweep_interval: Option<String>,

    /// How long a task may be in a placeholder queue before the sweep takes its event for lost
    /// [default: 10s]
    #[arg(long, env = "SWEEP_GRACE", value_name = "DURATION")]
    pub sweep_grace: Option<String>,

    /// The workspace of the placeholder task queues, WS…  [default: looked up]
    #[arg(long, env = "TWILIO_WORKSPACE_SID", value_name = "WS…")]
    pub workspace_sid: Option<String>,

    /// How long a stop waits for the redirects under way  [default: 20s]
    #[arg(long, env = "REDIRECTOR_STOP_TIMEOUT", value_name = "DURATION")]
    pub redirector_stop_timeout: Option<String>,
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
    /// The sweep for callers whose event never came; none if it is off.
    pub sweep: Option<SweepSettings>,
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

impl RedirectorArgs {
    /// Parses them.
    pub fn resolve(self, problems: &mut Problems) -> Option<RedirectorSettings> {
        let seconds = Duration::from_secs;
        let deadline = problems.duration(
            "REDIRECT_DEADLINE",
            self.redirect_deadline,
            seconds(15 * 60),
            "15m",
        );
        if deadline > LONGEST_DEADLINE {
            problems.add(
                "REDIRECT_DEADLINE",
                "is more than 20m: a broker takes a request back that is held for 30m (consumer_timeout)",
                "15m",
            );
        }
        if deadline.is_zero() {
            problems.add("REDIRECT_DEADLINE", "must be more than 0", "15m");
        }
        let verify_after = problems.duration("VERIFY_AFTER", self.verify_after, seconds(2), "2s");
        let late = Duration::from_secs(30);
        let twilio_late = problems.duration("TWILIO_LATE", self.twilio_late, late, "30s");
        if twilio_late > LATEST {
            problems.add("TWILIO_LATE", "must be at most 50s", "30s");
        }
        // An event that is taken at its word must be younger than what a new reader of the log of
        // intents reads back, whatever clocks say.
        if verify_after > LONGEST_VERIFY_AFTER {
            problems.add("VERIFY_AFTER", "must be at most 30s", "2s");
        }
        let longest_retry_after = problems.duration(
            "RETRY_AFTER_LONGEST",
            self.retry_after_longest,
            seconds(30),
            "30s",
        );
        let prefetch = problems.with_default("PREFETCH", self.prefetch, 2000, "2000");
        let max_in_flight = problems.with_default("MAX_IN_FLIGHT", self.max_in_flight, 50, "50");
        if prefetch == 0 {
            problems.add("PREFETCH", "must be at least 1", "2000");
        }
        if max_in_flight == 0 {
            problems.add("MAX_IN_FLIGHT", "must be at least 1", "50");
        }
        if prefetch > 0 && max_in_flight > usize::from(prefetch) {
            problems.add_line(format!(
                "MAX_IN_FLIGHT, PREFETCH: {max_in_flight} requests can't be under way for \
                 {prefetch} deliveries: raise PREFETCH well above MAX_IN_FLIGHT \
                 (example: PREFETCH=2000)"
            ));
        }
        let first = problems.duration(
            "RETRY_FIRST",
            self.retry_first,
            Duration::from_millis(200),
            "200ms",
        );
        let longest = problems.duration("RETRY_LONGEST", self.retry_longest, seconds(10), "10s");
        let retry = Policy::new(first, longest)
            .map_err(|problem| {
                problems.add_line(format!(
                    "RETRY_FIRST, RETRY_LONGEST: {problem} (example: RETRY_FIRST=200ms)"
                ));
            })
            .ok();
        let twiml_delivery = problems.with_default(
            "TWIML_DELIVERY",
            self.twiml_delivery,
            TwimlDelivery::Inline,
            "inline",
        );
        let sweep_interval =
            problems.duration("SWEEP_INTERVAL", self.sweep_interval, seconds(30), "30s");
        let sweep = SweepSettings {
            interval: sweep_interval,
            grace: problems.duration("SWEEP_GRACE", self.sweep_grace, seconds(10), "10s"),
            workspace: problems.optional(
                "TWILIO_WORKSPACE_SID",
                self.workspace_sid,
                "WS0123456789abcdef0123456789abcdef",
            ),
        };
        let stop_timeout = problems.duration(
            "REDIRECTOR_STOP_TIMEOUT",
            self.redirector_stop_timeout,
            seconds(20),
            "20s",
        );
        Some(RedirectorSettings {
            deadline,
            verify_after,
            twilio_late,
            longest_retry_after,
            prefetch,
            max_in_flight,
            retry: retry?,
            twiml_delivery,
            sweep: (!sweep_interval.is_zero()).then_some(sweep),
            stop_timeout,
        })
    }
}
