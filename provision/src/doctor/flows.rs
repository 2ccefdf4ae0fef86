//! What else do Studio flows do for callers who are redirected?
//!
//! Studio goes on behind the widget that enqueued a caller as soon as they leave the queue, also where
//! the redirect took them out of it: messages are sent, requests made, functions run.

use std::collections::BTreeSet;

use serde_json::Value;
use service::Plans;
use twilio::TaskQueueSid;

use super::report::Report;
use crate::api::Api;
use crate::callers::all_flows;
use crate::configuration::{Configuration, items};
use crate::inventory::{Inventory, unless_denied};

pub(super) async fn check(
    api: &Api,
    plans: &Plans,
    inventory: &Inventory,
    report: &mut Report<'_>,
) {
    let workflows = leading(|queue| plans.get(queue).is_some(), inventory);
    if workflows.is_empty() {
        return;
    }
    let read = unless_denied(all_flows(api).await);
    let Some((flows, denied)) = report.read("Studio flow", read) else {
        return;
    };
    if let Some(problem) = denied {
        report.warn(
            "Studio flow",
            format!("{problem}: what flows still do for redirected callers can't be told"),
            "see what stands behind \"Call Complete\" of the widgets that enqueue callers",
        );
    }
    for flow in flows.into_iter().flatten() {
        for (enqueues, behind) in widgets_behind(&flow.definition, &workflows) {
            report.warn(
                "Studio flow",
                format!(
                    "{:?} ({}): when a caller of {enqueues} is redirected, the flow still runs {}",
                    flow.friendly_name,
                    flow.sid,
                    behind.join(", ")
                ),
                format!(
                    "see that this is right for them, too: the flow goes on at \"Call Complete\" of \
                     {enqueues}, with QueueResult redirected"
                ),
            );
        }
    }
}

/// The workflows that lead to one of these task queues.
pub(super) fn leading(
    is_one: impl Fn(&TaskQueueSid) -> bool,
    inventory: &Inventory,
) -> BTreeSet<String> {
    let queues = inventory.all_task_queues.iter().map(|queue| queue.sid);
    let queues: Vec<_> = queues.filter(is_one).collect();
    let leads = |configuration: &Configuration| {
        let mut queues = queues.iter();
        queues.any(|queue| configuration.leads_to(queue.as_str()))
    };
    let workflows = inventory.workflows.iter();
    let leading = workflows
        .filter(|workflow| Configuration::parse(&workflow.configuration).is_ok_and(|c| leads(&c)));
    leading.map(|workflow| workflow.sid.to_string()).collect()
}

/// Each widget that enqueues into one of the workflows and that others come behind, and those, but for
/// such as only decide or remember.
fn widgets_behind(definition: &Value, workflows: &BTreeSet<String>) -> Vec<(String, Vec<String>)> {
    let states = items(&definition["states"]);
    let enqueues = enqueuing(definition, workflows);
    let behind = enqueues.map(|state| (shown(state), behind(state, states)));
    behind.filter(|(_, behind)| !behind.is_empty()).collect()
}

/// The widgets that enqueue callers into one of the workflows.
pub(super) fn enqueuing<'a>(
    definition: &'a Value,
    workflows: &BTreeSet<String>,
) -> impl Iterator<Item = &'a Value> {
    items(&definition["states"]).iter().filter(|state| {
        let properties = &state["properties"];
        let workflow = match state["type"].as_str() {
            Some("send-to-flex") => &properties["workflow"],
            Some("enqueue-call") => &properties["workflow_sid"],
            _ => &Value::Null,
        };
        workflow.as_str().is_some_and(|sid| workflows.contains(sid))
    })
}

fn behind(enqueues: &Value, states: &[Value]) -> Vec<String> {
    let mut reached = Vec::new();
    let mut next: Vec<&str> = nexts(enqueues, Some("callComplete")).collect();
    while let Some(name) = next.pop() {
        if reached.contains(&name) {
            continue;
        }
        reached.push(name);
        if let Some(state) = states.iter().find(|state| state["name"] == name) {
            next.extend(nexts(state, None));
        }
    }
    let reached = states.iter().filter(|state| {
        state["name"]
            .as_str()
            .is_some_and(|name| reached.contains(&name))
            && !matches!(
                state["type"].as_str(),
                Some("split-based-on" | "set-variables")
            )
    });
    reached.map(shown).collect()
}

/// The states that follow, upon any event or this one.
fn nexts<'a>(state: &'a Value, event: Option<&str>) -> impl Iterator<Item = &'a str> {
    let transitions = items(&state["transitions"]).iter();
    transitions
        .filter(move |transition| event.is_none_or(|event| transition["event"] == event))
        .filter_map(|transition| transition["next"].as_str())
}

fn shown(state: &Value) -> String {
    let text = |key: &str| state[key].as_str().unwrap_or_default();
    format!("{:?} ({})", text("name"), text("type"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(name: &str, kind: &str, properties: Value, transitions: &[(&str, &str)]) -> Value {
        let transitions: Vec<_> = transitions
            .iter()
            .map(|(event, next)| json!({ "event": event, "next": next }))
            .collect();
        json!({ "name": name, "type": kind, "properties": properties, "transitions": transitions })
    }

    #[test]
    fn what_runs_for_redirected_callers_is_what_call_complete_leads_to() {
        let definition = json!({ "states": [
            state("Trigger", "trigger", json!({}), &[("incomingCall", "greet")]),
            state("greet", "say-play", json!({}), &[("audioComplete", "flex")]),
            state("flex", "send-to-flex", json!({ "workflow": "WWours" }), &[
                ("callComplete", "remember"),
                ("failedToEnqueue", "apologize"),
                ("callFailure", "apologize"),
            ]),
            state("remember", "set-variables", json!({}), &[("next", "result")]),
            state("result", "split-based-on", json!({}), &[("noMatch", "survey"), ("match", "crm")]),
            state("survey", "send-message", json!({}), &[("sent", "crm")]),
            state("crm", "make-http-request", json!({}), &[("failed", "survey")]),
            state("apologize", "say-play", json!({}), &[]),
            state("queue", "enqueue-call", json!({ "workflow_sid": "WWours" }), &[
                ("callComplete", "crm"),
            ]),
            state("other", "send-to-flex", json!({ "workflow": "WWother" }), &[
                ("callComplete", "crm"),
            ]),
            state("last", "send-to-flex", json!({ "workflow": "WWours" }), &[]),
        ]});
        let both = ["\"survey\" (send-message)", "\"crm\" (make-http-request)"];
        assert_eq!(
            widgets_behind(&definition, &BTreeSet::from(["WWours".to_owned()])),
            [
                (
                    "\"flex\" (send-to-flex)".to_owned(),
                    both.map(str::to_owned).to_vec()
                ),
                (
                    "\"queue\" (enqueue-call)".to_owned(),
                    both.map(str::to_owned).to_vec()
                ),
            ]
        );
    }
}
