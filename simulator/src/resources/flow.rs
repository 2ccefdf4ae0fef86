//! Studio flows.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twilio::{AccountSid, FlowSid, WorkflowSid};

use crate::dates::Dates;

const SEND_TO_FLEX: &str = "send-to-flex";

/// A Studio flow. Of its widgets only *Send to Flex* is run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Flow {
    pub(crate) sid: FlowSid,
    pub(crate) friendly_name: String,
    pub(crate) definition: Value,
    pub(crate) status: FlowStatus,
    pub(crate) revision: u32,
    pub(crate) commit_message: Option<String>,
    #[serde(flatten)]
    pub(crate) dates: Dates,
}

/// `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FlowStatus {
    Draft,
    Published,
}

impl Flow {
    /// What calls to a phone number that leads here go to.
    pub(crate) fn webhook_url(&self, account: AccountSid) -> String {
        let sid = self.sid;
        format!("https://webhooks.twilio.com/v1/Accounts/{account}/Flows/{sid}")
    }

    /// The workflow to which it sends calls, by the first way on at each widget; none if it isn't
    /// published.
    pub(crate) fn workflow_of_calls(&self) -> Option<WorkflowSid> {
        if self.status == FlowStatus::Draft {
            return None;
        }
        let states = self.definition["states"].as_array()?;
        let mut name = &self.definition["initial_state"];
        // A flow may go round in circles.
        for _ in states {
            let state = states.iter().find(|state| &state["name"] == name)?;
            if state["type"] == SEND_TO_FLEX {
                return state["properties"]["workflow"].as_str()?.parse().ok();
            }
            let ways = state["transitions"].as_array()?;
            let is_trigger = state["type"] == "trigger";
            let mut ways = ways
                .iter()
                .filter(|way| !is_trigger || way["event"] == "incomingCall");
            name = ways.find_map(|way| way.get("next"))?;
        }
        None
    }
}

/// What Studio finds wrong with a definition. The real one checks more.
pub(crate) fn check_definition(
    definition: &Value,
    is_channel: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let states = definition["states"]
        .as_array()
        .ok_or("states must be an array")?;
    let is_state = |name: &Value| states.iter().any(|state| &state["name"] == name);
    if !is_state(&definition["initial_state"]) {
        return Err("initial_state must be the name of a state".into());
    }
    for state in states {
        let transitions = state["transitions"]
            .as_array()
            .ok_or("transitions of a state must be an array")?;
        for next in transitions.iter().filter_map(|t| t.get("next")) {
            if !is_state(next) {
                return Err(format!(
                    "a transition leads to {next}, which is not a state"
                ));
            }
        }
        if state["type"] == SEND_TO_FLEX {
            let property = |name: &str| state["properties"][name].as_str();
            let workflow = property("workflow").map(str::parse::<WorkflowSid>);
            if !matches!(workflow, Some(Ok(_))) {
                return Err("send-to-flex needs a workflow".into());
            }
            if !property("channel").is_some_and(&is_channel) {
                return Err("send-to-flex needs a channel that exists".into());
            }
        }
    }
    Ok(())
}
