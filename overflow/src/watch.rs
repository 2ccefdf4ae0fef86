//! `overflow watch`: what becomes of callers, as it happens.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use overview::{Happening, Happenings, span};
use queue::{CallerEnd, Outcome, OutcomeKind};
use service::settings::{QueueArgs, QueueSettings, Setting};
use service::{Problems, out};
use tokio_util::sync::CancellationToken;

/// How long a broker has to take notice that we leave.
const LEAVING: Duration = Duration::from_secs(1);

/// What becomes of each caller, a line for each as it happens: redirected, answered, missed, given up.
///
/// Works from any machine that reaches the queue, until it is stopped by Ctrl-C. It changes nothing,
/// and asks nothing of Twilio.
///
/// Examples: `overflow watch`; `overflow watch --past 1h | grep missed`;
/// `overflow watch --json | jq -r 'select(.caller == "missed") | .call_sid'`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct WatchArgs {
    /// Print an object of JSON on each line
    #[arg(long)]
    json: bool,

    /// Tell first what became of callers within so long before, as far as it is kept: 24h with RabbitMQ,
    /// 30 days in a file
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    past: Setting<Duration>,

    // Last: what follows them would stand under their heading.
    #[command(flatten)]
    queue: QueueArgs,
}

/// What to tell.
pub(crate) struct WatchCommand {
    queue: QueueSettings,
    past: Duration,
    json: bool,
}

impl WatchArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<WatchCommand> {
        let past = problems.take(self.past);
        Some(WatchCommand {
            queue: self.queue.resolve(problems)?,
            past,
            json: self.json,
        })
    }
}

/// Tells it until `stop` is cancelled.
pub(crate) async fn run(command: WatchCommand, stop: CancellationToken) -> anyhow::Result<()> {
    let url = &command.queue.url;
    let watch = async {
        let queue = command.queue.open_existing().await;
        let queue = queue.with_context(|| format!("cannot use the queue {url}"))?;
        let told = tell(&command, Arc::clone(&queue)).await;
        let _ = tokio::time::timeout(LEAVING, queue.close()).await;
        told
    };
    tokio::select! {
        told = watch => told,
        () = stop.cancelled() => Ok(()),
    }
}

async fn tell(command: &WatchCommand, queue: Arc<dyn queue::Queue>) -> anyhow::Result<()> {
    let unread = "what becomes of callers can't be read";
    let happenings = Happenings::open(queue, command.past).await;
    let mut happenings = happenings.context(unread)?;
    loop {
        let happening = happenings.next().await.context(unread)?;
        let told = match command.json {
            true => out::try_line(serde_json::to_string(&happening)?),
            false => out::try_line(line(&happening)),
        };
        if told.is_err() {
            return out::seen(told);
        }
    }
}

fn line(happening: &Happening) -> String {
    match happening {
        Happening::Redirected(redirected) => {
            let took = redirected
                .redirected_at
                .duration_since(redirected.entered_at);
            let took = span(Duration::try_from(took).unwrap_or_default());
            let what = format!("redirected after {took}");
            row(
                redirected.redirected_at,
                redirected.call_sid,
                &redirected.plan,
                &what,
            )
        }
        Happening::Outcome(outcome) => row(
            outcome.at,
            outcome.call_sid,
            &outcome.plan,
            &became(outcome),
        ),
        Happening::DeadLetter(letter) => {
            let call = letter
                .call_sid
                .map_or_else(|| letter.id.clone(), |call| call.to_string());
            let error = letter.last_error.as_ref().map(|error| format!(": {error}"));
            let what = format!(
                "given up ({}), {}, after {} attempts{}",
                letter.reason,
                letter.why,
                letter.attempts,
                error.unwrap_or_default()
            );
            row(letter.died_at, call, "-", &what)
        }
    }
}

fn row(at: Timestamp, call: impl Display, plan: &str, what: &str) -> String {
    format!("{at:.0}  {call}  {plan:<12}  {what}")
}

fn became(outcome: &Outcome) -> String {
    let what = outcome.outcome.as_str().replace('-', " ");
    let step = outcome.step.as_ref().map(|step| format!(" at step {step}"));
    let seconds = outcome.seconds.filter(|_| {
        matches!(
            outcome.outcome,
            OutcomeKind::Answered | OutcomeKind::Voicemail
        )
    });
    let seconds = seconds.map(|seconds| format!(" for {seconds} s"));
    let recording = outcome.recording_sid.map(|sid| format!(", {sid}"));
    let end = outcome.caller.map(|end| match end {
        CallerEnd::Taken => ": taken",
        CallerEnd::Recorded => ": recorded",
        CallerEnd::Missed => ": missed",
    });
    [
        what,
        step.unwrap_or_default(),
        seconds.unwrap_or_default(),
        recording.unwrap_or_default(),
        end.unwrap_or_default().to_owned(),
    ]
    .concat()
}
