//! Workflows, flows, queues and events as people have them, after public examples. What setup and
//! doctor do with each stands in a table of theirs, by the name of the shape.

mod set_ups;
mod workflows;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use simulator::{Config, Speed};
use tokio::task::LocalSet;
use twilio::rest::{FlowDraft, TaskQueueDraft};
use twilio::{TaskChannelSid, TaskQueueSid, WorkflowSid};

use crate::support::{Operator, Run, env_value};

/// An account as somebody has it.
#[derive(Debug, Default)]
pub struct Shape {
    pub name: &'static str,
    /// Friendly names and target workers.
    queues: Vec<(&'static str, &'static str)>,
    /// Friendly names and configurations, in which queues stand by their names. The first is the
    /// one that calls come to.
    workflows: Vec<(&'static str, Value)>,
    /// Friendly names and the states behind the trigger, the first of which it leads to.
    flows: Vec<(&'static str, Vec<Value>)>,
    callback: Option<&'static str>,
    /// Where a sink with a subscription of all our events posts.
    sink: Option<&'static str>,
    /// The queue that `FORWARD_CALL_TASK_QUEUE_SID` names in `.env`.
    placeholder: Option<&'static str>,
}

/// The task queues through which tasks pass.
type Ways = Vec<Vec<TaskQueueSid>>;

/// A shape in the simulator.
pub struct Account {
    pub operator: Operator,
    pub queues: BTreeMap<&'static str, TaskQueueSid>,
    /// The workflow that calls come to.
    pub workflow: WorkflowSid,
}

impl Account {
    /// `overflow setup`; behind `--workflow` comes the one that calls come to.
    pub async fn setup(&self, arguments: &[&str]) -> Run {
        let workflow = self.workflow.to_string();
        let mut all = Vec::new();
        for argument in arguments {
            all.push(*argument);
            if *argument == "--workflow" {
                all.push(&workflow);
            }
        }
        self.operator.setup(&all).await
    }

    /// The placeholder that setup wrote into `.env`.
    pub fn placeholder(&self) -> TaskQueueSid {
        let env = self.operator.env_file();
        let placeholder = env_value(&env, "FORWARD_CALL_TASK_QUEUE_SID");
        placeholder.unwrap().parse().unwrap()
    }

    /// The ways of calls that nobody takes, and those of other tasks.
    pub fn ways(&self) -> [Ways; 2] {
        let call = format!("CA{:032x}", 1);
        let calls = [
            json!({ "call_sid": call, "direction": "inbound" }),
            json!({ "call_sid": call, "direction": "inbound", "channelType": "voice" }),
            json!({ "call_sid": call, "direction": "inbound", "vip": true }),
        ];
        let others = [
            json!({ "channelType": "web" }),
            json!({ "channelType": "sms", "direction": "inbound", "vip": true }),
            json!({ "channelType": "kiosk" }),
            json!({ "type": "email" }),
        ];
        let way = |attributes: &Value| {
            let mut attributes = attributes.clone();
            attributes["language"] = "l3".into();
            self.operator.simulator.way_of(self.workflow, &attributes)
        };
        [&calls[..], &others].map(|tasks| tasks.iter().map(way).collect())
    }
}

impl Shape {
    fn new(name: &'static str, queues: &[(&'static str, &'static str)], routing: Value) -> Self {
        Self {
            name,
            queues: queues.to_vec(),
            workflows: vec![("Assign to Anyone", json!({ "task_routing": routing }))],
            ..Self::default()
        }
    }

    /// Makes the account.
    pub async fn account(&self) -> Account {
        let operator = Operator::bare(Config {
            seed: Some(7),
            callback_url: self.callback.map(str::to_owned),
            speed: Speed::new(500.0).unwrap(),
            ..Config::default()
        })
        .await;
        let (client, workspace) = (operator.client(), operator.workspace_sid());
        let mut queues = BTreeMap::new();
        for (friendly_name, target_workers) in &self.queues {
            let draft = TaskQueueDraft {
                friendly_name,
                target_workers,
            };
            let queue = client.create_task_queue(&workspace, &draft).await.unwrap();
            queues.insert(*friendly_name, queue.sid);
        }
        let mut workflows = Vec::new();
        for (name, configuration) in &self.workflows {
            let with_sids = |text: String, (name, sid): (&&str, &TaskQueueSid)| {
                text.replace(
                    &format!("\"queue\":\"{name}\""),
                    &format!("\"queue\":\"{sid}\""),
                )
            };
            let configuration = queues.iter().fold(configuration.to_string(), with_sids);
            let made = operator.client();
            let made = made.create_workflow(&workspace, name, &configuration).await;
            workflows.push(made.unwrap().sid);
        }
        for (name, states) in &self.flows {
            let channels = client.task_channels(&workspace).await.unwrap();
            let definition = flow(states, &workflows[0], &channels[0].sid).to_string();
            let draft = FlowDraft {
                friendly_name: name,
                definition: &definition,
                commit_message: "by hand",
            };
            client.create_flow(&draft).await.unwrap();
        }
        if let Some(destination) = self.sink {
            operator.add_sink("Made in the console", destination).await;
        }
        if let Some(name) = self.placeholder {
            let line = format!("FORWARD_CALL_TASK_QUEUE_SID={}\n", queues[name]);
            std::fs::write(operator.path(".env"), line).unwrap();
        }
        Account {
            operator,
            queues,
            workflow: workflows[0],
        }
    }
}

const EVERYONE: (&str, &str) = ("Everyone", "1==1");
const SALES: (&str, &str) = ("Sales", "routing.skills HAS \"sales\"");
const SUPPORT: (&str, &str) = ("Support", "routing.skills HAS \"support\"");
const PARKED: (&str, &str) = ("Nobody answered", "1==2");

fn target(queue: &str, seconds: u32) -> Value {
    json!({ "queue": queue, "timeout": seconds })
}

fn endless(queue: &str) -> Value {
    json!({ "queue": queue })
}

fn filter(name: &str, expression: &str, targets: &[Value]) -> Value {
    json!({ "filter_friendly_name": name, "expression": expression, "targets": targets })
}

fn routing(filters: &[Value], default: &str) -> Value {
    json!({ "filters": filters, "default_filter": { "queue": default } })
}

/// A widget that goes on to others by these events.
fn widget(name: &str, kind: &str, properties: Value, then: &[(&str, &str)]) -> Value {
    let then = then.iter();
    let transitions: Vec<_> = then
        .map(|(event, next)| json!({ "event": event, "next": next }))
        .collect();
    json!({ "name": name, "type": kind, "properties": properties, "transitions": transitions })
}

/// Puts the caller into the shape's workflow.
fn to_flex(then: &[(&str, &str)]) -> Value {
    let properties = json!({
        "workflow": "${workflow_sid}",
        "channel": "${voice_channel_sid}",
    });
    widget("to_flex", "send-to-flex", properties, then)
}

fn flow(states: &[Value], workflow: &WorkflowSid, channel: &TaskChannelSid) -> Value {
    let trigger = json!([{ "event": "incomingCall", "next": states[0]["name"] }]);
    let trigger = json!({ "name": "Trigger", "type": "trigger", "properties": {},
                          "transitions": trigger });
    let states: Vec<_> = [&[trigger], states].concat();
    let flow = json!({ "description": "by hand", "initial_state": "Trigger", "states": states,
                       "flags": { "allow_concurrent_calls": true } });
    let filled = flow.to_string();
    let filled = filled.replace("${workflow_sid}", workflow.as_str());
    let filled = filled.replace("${voice_channel_sid}", channel.as_str());
    serde_json::from_str(&filled).unwrap()
}

/// The account of the shape with that name.
pub async fn account(name: &str) -> Account {
    let shapes = shapes();
    let shape = shapes.iter().find(|shape| shape.name == name);
    shape.unwrap().account().await
}

/// The rows of a table that don't hold; each is in a task of its own, so that the others are seen as well.
pub async fn broken<R, F>(table: &'static [R], hold: fn(&'static R) -> F) -> Vec<&'static R>
where
    F: Future<Output = ()> + 'static,
{
    let mut broken = Vec::new();
    for row in table {
        let tasks = LocalSet::new();
        let held = tasks.run_until(async { tasks.spawn_local(hold(row)).await });
        if held.await.is_err() {
            broken.push(row);
        }
    }
    broken
}

/// All of them.
pub fn shapes() -> Vec<Shape> {
    let mut shapes = workflows::of_one_team();
    shapes.extend(workflows::of_several_filters());
    shapes.extend(workflows::of_several_channels());
    shapes.extend(set_ups::with_a_placeholder());
    shapes.extend(set_ups::with_other_receivers());
    shapes.extend(set_ups::with_flows());
    shapes
}
