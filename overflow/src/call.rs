//! `overflow call`: a simulated caller, and what becomes of them.

mod progress;

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service::process::Interrupted;
use service::settings::Setting;
use service::{Problems, out};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use twilio::{CallSid, E164, TaskSid};
use url::Url;

use self::progress::Progress;

/// How often the simulator is asked.
const EACH: Duration = Duration::from_millis(100);

/// A call to a running demo or simulator.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CallArgs {
    /// Where the simulator is
    #[arg(
        long,
        env = "SIMULATOR_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:4010"
    )]
    simulator: Setting<Url>,

    /// How many calls to place at once
    #[arg(long, value_name = "N", default_value = "1")]
    count: Setting<NonZeroU32>,

    /// The caller's number  [default: made up]
    #[arg(long, value_name = "+…", default_value = "")]
    from: Setting<Option<E164>>,

    /// The number of the account that is called, and that leads to a Studio flow  [default: the one
    /// that does]
    #[arg(long, value_name = "+…", default_value = "")]
    to: Setting<Option<E164>>,

    /// Wait for as long at most, and tell what becomes of each call, who has the caller or that nobody
    /// does: exit code 0 only if it is redirected, once  [default without a duration: 1m]
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_value = "",
        default_missing_value = "1m"
    )]
    wait: Setting<Option<Duration>>,

    /// What isn't meant, such as `--wait 30s`
    #[arg(hide = true)]
    stray: Vec<String>,
}

/// A call, resolved.
pub(crate) struct Call {
    simulator: Url,
    count: NonZeroU32,
    from: Option<E164>,
    to: Option<E164>,
    wait: Option<Duration>,
}

impl CallArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<Call> {
        if let Some(stray) = self.stray.first() {
            problems.add_line(format!(
                "{stray}: is not expected here; how long to wait is said behind `=`: --wait=30s"
            ));
        }
        Some(Call {
            simulator: problems.take(self.simulator),
            count: problems.take(self.count),
            from: problems.take(self.from),
            to: problems.take(self.to),
            wait: problems.take(self.wait),
        })
    }
}

#[derive(Deserialize)]
struct Caller {
    call_sid: CallSid,
    task_sid: TaskSid,
}

/// Places the calls and prints their SIDs, and what becomes of them if that is to be awaited.
pub(crate) async fn run(call: Call, stop: CancellationToken) -> anyhow::Result<()> {
    // Another part of the process may have installed a provider before: then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().build()?;
    let url = call.simulator.join("/simulator/calls")?;
    let body = serde_json::json!({
        "count": call.count,
        "from": call.from.as_ref().map(E164::as_str),
        "to": call.to.as_ref().map(E164::as_str),
    });
    let work = async {
        let placed = client.post(url).json(&body).send().await;
        let callers: Vec<Caller> = answer(&call.simulator, placed).await?;
        for caller in &callers {
            out::line(format_args!(
                "call {} waits, task {}",
                caller.call_sid, caller.task_sid
            ));
        }
        match call.wait {
            Some(longest) => follow(&client, &call.simulator, &callers, longest).await,
            None => Ok(()),
        }
    };
    tokio::select! {
        done = work => done,
        () = stop.cancelled() => Err(Interrupted.into()),
    }
}

/// Tells what becomes of each call.
async fn follow(
    client: &Client,
    simulator: &Url,
    callers: &[Caller],
    longest: Duration,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + longest;
    let (mut missed, mut repeated, mut broken) = (0, 0, 0);
    for caller in callers {
        let call = &caller.call_sid;
        let url = simulator.join(&format!("/simulator/calls/{call}"))?;
        let progress: Progress = loop {
            let asked = client.get(url.clone()).send().await;
            let progress: Progress = answer(simulator, asked).await?;
            if progress.is_settled() || Instant::now() >= deadline {
                break progress;
            }
            tokio::time::sleep(EACH).await;
        };
        match progress.redirects() {
            0 => missed += 1,
            1 => broken += usize::from(progress.heard_an_error()),
            _ => repeated += 1,
        }
        out::line(format_args!("call {call} {}", progress.told()));
    }
    let of = callers.len();
    let was = |count| if count == 1 { "was" } else { "were" };
    match (missed, repeated, broken) {
        (0, 0, 0) => Ok(()),
        (0, 0, count) => bail!("{count} of {of} calls ended in an application error"),
        (0, count, _) => bail!(
            "{count} of {of} calls {} redirected more than once",
            was(count)
        ),
        (count, ..) => bail!("{count} of {of} calls {} not redirected", was(count)),
    }
}

/// What a simulator answered.
async fn answer<T: DeserializeOwned>(
    simulator: &Url,
    answer: reqwest::Result<Response>,
) -> anyhow::Result<T> {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    let shown = simulator.origin().ascii_serialization();
    let answer = answer
        .map_err(reqwest::Error::without_url)
        .with_context(|| {
            format!(
                "no simulator answers at {shown}: start `overflow demo` or `overflow simulator` \
                 first, or name another with --simulator"
            )
        })?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(reqwest::Error::without_url)?;
    if let Ok(Refused { error }) = serde_json::from_slice(&body) {
        bail!("{error}");
    }
    let read = serde_json::from_slice(&body).ok();
    read.filter(|_| status.is_success()).with_context(|| {
        format!(
            "what answers at {shown} is not a simulator ({status}): name another with --simulator"
        )
    })
}
