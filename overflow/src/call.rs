//! `overflow call`: a simulated caller.

use anyhow::Context;
use serde::Deserialize;
use service::settings::Setting;
use service::{Problems, out};
use twilio::{CallSid, E164, TaskSid};
use url::Url;

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
    #[arg(long, value_name = "N", default_value_t = 1)]
    count: u32,

    /// The caller's number  [default: made up]
    #[arg(long, value_name = "+…", default_value = "")]
    from: Setting<Option<E164>>,
}

/// A call, resolved.
pub(crate) struct Call {
    simulator: Url,
    count: u32,
    from: Option<E164>,
}

impl CallArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<Call> {
        Some(Call {
            simulator: problems.take(self.simulator),
            count: self.count,
            from: problems.take(self.from),
        })
    }
}

/// Places the calls and prints their SIDs.
pub(crate) async fn run(call: Call) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Caller {
        call_sid: CallSid,
        task_sid: TaskSid,
    }
    // Another part of the process may have installed a provider before: then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let shown = call.simulator.origin().ascii_serialization();
    let url = call.simulator.join("/simulator/calls")?;
    let body = serde_json::json!({
        "count": call.count,
        "from": call.from.as_ref().map(E164::as_str),
    });
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()?
        .post(url)
        .json(&body)
        .send()
        .await
        .map_err(reqwest::Error::without_url)
        .with_context(|| {
            format!(
                "no simulator answers at {shown}: start `overflow demo` or `overflow simulator` \
                 first, or name another with --simulator"
            )
        })?
        .error_for_status()?;
    let callers: Vec<Caller> = answer.json().await?;
    for caller in callers {
        out::line(format_args!(
            "call {} waits, task {}",
            caller.call_sid, caller.task_sid
        ));
    }
    Ok(())
}
