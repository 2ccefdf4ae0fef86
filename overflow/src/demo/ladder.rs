//! The demo's ladder, and who answers how.

use std::time::Duration;

use simulator::Phone;
use twilio::{E164, TaskQueueSid};

use super::Demo;

/// How long it takes until the third has the caller, and a little more.
pub(super) const CLIMB: Duration = Duration::from_secs(60);

const FIRST: &str = "+14155550101";
const SECOND: &str = "+14155550102";

/// What becomes of calls to its numbers.
pub(super) fn phones(demo: &Demo) -> anyhow::Result<Vec<(E164, Phone)>> {
    if !demo.ladder {
        return Ok(Vec::new());
    }
    Ok(vec![
        (FIRST.parse()?, "busy".parse()?),
        (SECOND.parse()?, "mailbox,rings=8".parse()?),
        (demo.number, "answers,rings=4,presses=1,thinks=5".parse()?),
    ])
}

/// The file of plans.
pub(super) fn plans(placeholder: TaskQueueSid, demo: &Demo) -> String {
    let third = demo.number.as_str();
    format!(
        r#"[[plan]]
name = "demo"
task_queue_sid = "{placeholder}"

[[plan.step]]
dial = ["{FIRST}", "{SECOND}", "{third}"]
accept = "Press 1 to take a call for Sales."

[[plan.step]]
voicemail = "Please leave your name and number. This call is recorded."
"#
    )
}
