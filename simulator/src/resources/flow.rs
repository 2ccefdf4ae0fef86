//! Studio flows.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use twilio::FlowSid;

use crate::dates::Dates;

/// A Studio flow. It is never run: callers are placed into workflows.
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

/// What Studio finds wrong with a definition. The real one checks more.
pub(crate) fn check_definition(definition: &Value) -> Result<(), String> {
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
                return Err(format!("a transition leads to {next}, which is no state"));
            }
        }
        if state["type"] == "send-to-flex" {
            for (property, prefix) in [("workflow", "WW"), ("channel", "TC")] {
                let value = state["properties"][property].as_str();
                if !value.is_some_and(|sid| sid.starts_with(prefix)) {
                    return Err(format!("send-to-flex needs a {property}"));
                }
            }
        }
    }
    Ok(())
}
