//! Workflows, queues and events as people have them, after public examples. What setup and doctor do
//! with each stands in a table of theirs, by the name of the shape.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use simulator::Config;
use twilio::{TaskQueueSid, WorkflowSid};

use crate::support::Operator;

/// An account as somebody has it.
#[derive(Debug, Default)]
pub struct Shape {
    pub name: &'static str,
    /// Friendly names and target workers.
    queues: Vec<(&'static str, &'static str)>,
    /// Friendly names and configurations, in which queues stand by their names. The first is the
    /// one that calls come to.
    workflows: Vec<(&'static str, Value)>,
    callback: Option<&'static str>,
    /// Where a sink with a subscription of all our events posts.
    sink: Option<&'static str>,
    /// The queue that `FORWARD_CALL_TASK_QUEUE_SID` names in `.env`.
    placeholder: Option<&'static str>,
}

/// A shape in the simulator.
pub struct Account {
    pub operator: Operator,
    pub queues: BTreeMap<&'static str, TaskQueueSid>,
    /// The workflow that calls come to.
    pub workflow: WorkflowSid,
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
            ..Config::default()
        })
        .await;
        let (client, workspace) = (operator.client(), operator.workspace_sid());
        let mut queues = BTreeMap::new();
        for (friendly_name, target_workers) in &self.queues {
            let draft = twilio::rest::TaskQueueDraft {
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

/// All of them.
pub fn shapes() -> Vec<Shape> {
    let mut shapes = of_one_team();
    shapes.extend(of_several_filters());
    shapes.extend(of_several_channels());
    shapes.extend(with_a_placeholder());
    shapes.extend(with_other_receivers());
    shapes
}

fn of_one_team() -> Vec<Shape> {
    vec![
        // What a new Flex account has.
        Shape::new("stock", &[EVERYONE], routing(&[], "Everyone")),
        Shape::new(
            "stock, without default filter",
            &[EVERYONE],
            json!({ "filters": [] }),
        ),
        Shape::new(
            "one filter, one target without timeout",
            &[EVERYONE, SALES],
            routing(&[filter("Sales", "1==1", &[endless("Sales")])], "Everyone"),
        ),
        Shape::new(
            "one filter, one target with timeout",
            &[EVERYONE, SALES],
            routing(
                &[filter("Sales", "1==1", &[target("Sales", 30)])],
                "Everyone",
            ),
        ),
        Shape::new(
            "escalation",
            &[EVERYONE, SALES, SUPPORT],
            routing(
                &[filter(
                    "All",
                    "1==1",
                    &[
                        target("Sales", 10),
                        target("Support", 20),
                        target("Everyone", 60),
                    ],
                )],
                "Everyone",
            ),
        ),
        // The worker of last time first; the expression chooses among workers, not among tasks.
        Shape::new(
            "sticky agent",
            &[EVERYONE, SALES],
            routing(
                &[filter(
                    "Sticky",
                    "1==1",
                    &[
                        json!({ "queue": "Sales", "expression": "worker.sid == task.lastAgent",
                                "timeout": 20 }),
                        json!({ "queue": "Sales", "timeout": 40, "order_by": "worker.level DESC" }),
                    ],
                )],
                "Everyone",
            ),
        ),
        Shape::new(
            "keys that only the console knows, no name, no default",
            &[SALES],
            json!({
                "filters": [{ "expression": "1==1", "targets": [{ "queue": "Sales",
                    "timeout": 30, "priority": "5", "known_worker_friendly_name": "x" }] }],
                "workflow_version": 2,
            }),
        ),
    ]
}

fn of_several_filters() -> Vec<Shape> {
    let skill = |number: usize| {
        let name = format!("Language {number}");
        let expression = format!("language == \"l{number}\"");
        filter(
            &name,
            &expression,
            &[target("Sales", 20), target("Everyone", 40)],
        )
    };
    let twenty: Vec<_> = (1..=20).map(skill).collect();
    let skippable = json!({ "queue": "Sales", "skip_if": "workers.available == 0" });
    let skipped_first = json!({ "queue": "Sales", "skip_if": "workers.available == 0",
                                "timeout": 30 });
    vec![
        Shape::new(
            "20 filters",
            &[EVERYONE, SALES],
            routing(&twenty, "Everyone"),
        ),
        Shape::new(
            "a second filter that no task gets to",
            &[EVERYONE, SALES],
            routing(
                &[
                    filter("All", "1==1", &[target("Sales", 30)]),
                    filter("Never", "vip == true", &[target("Everyone", 30)]),
                ],
                "Everyone",
            ),
        ),
        // Who finds nobody at their desk goes on to the next filter.
        Shape::new(
            "skip_if in the last target, another filter behind it",
            &[EVERYONE, SALES],
            routing(
                &[
                    filter("Sales first", "1==1", &[skippable]),
                    filter("Then everyone", "1==1", &[target("Everyone", 30)]),
                ],
                "Everyone",
            ),
        ),
        Shape::new(
            "skip_if in a target before the last",
            &[EVERYONE, SALES],
            routing(
                &[filter(
                    "All",
                    "1==1",
                    &[skipped_first, target("Everyone", 30)],
                )],
                "Everyone",
            ),
        ),
        Shape::new(
            "filters that don't take all, no default filter",
            &[SALES],
            json!({ "filters": [filter("VIP", "vip == true", &[target("Sales", 30)])] }),
        ),
        Shape::new(
            "transfers to a worker before everything else",
            &[EVERYONE, SALES],
            routing(
                &[
                    filter(
                        "Assign to worker",
                        "transferTargetType == 'worker'",
                        &[
                            json!({ "queue": "Everyone", "known_worker_sid": "task.transferTargetSid" }),
                        ],
                    ),
                    filter("Sales", "1==1", &[target("Sales", 30)]),
                ],
                "Everyone",
            ),
        ),
    ]
}

fn of_several_channels() -> Vec<Shape> {
    vec![
        Shape::new(
            "a filter for each channel",
            &[EVERYONE, SALES, SUPPORT],
            routing(
                &[
                    filter("Chat", "channelType == \"web\"", &[target("Support", 600)]),
                    filter("Voice", "direction == \"inbound\"", &[target("Sales", 30)]),
                ],
                "Everyone",
            ),
        ),
        Shape::new(
            "calls and chats through one filter",
            &[EVERYONE, SALES],
            routing(
                &[filter(
                    "All",
                    "1==1",
                    &[target("Sales", 30), target("Everyone", 60)],
                )],
                "Everyone",
            ),
        ),
        Shape::new(
            "a filter for calls alone",
            &[EVERYONE, SALES],
            routing(
                &[
                    filter("Calls", "call_sid CONTAINS \"CA\"", &[target("Sales", 30)]),
                    filter("Others", "1==1", &[endless("Everyone")]),
                ],
                "Everyone",
            ),
        ),
    ]
}

fn with_a_placeholder() -> Vec<Shape> {
    let last = [target("Sales", 20), endless("Nobody answered")];
    let by_hand = |name| {
        Shape::new(
            name,
            &[EVERYONE, SALES, PARKED],
            routing(&[filter("All", "1==1", &last)], "Nobody answered"),
        )
    };
    let with = |name, targets: &[Value]| {
        Shape::new(
            name,
            &[EVERYONE, SALES, PARKED],
            routing(&[filter("All", "1==1", targets)], "Everyone"),
        )
    };
    let mut two = by_hand("two placeholders by hand");
    two.queues.push(("Night", "1==0"));
    two.workflows.push((
        "Night line",
        json!({ "task_routing": routing(
            &[filter("All", "1==1", &[target("Everyone", 20), endless("Night")])],
            "Everyone",
        ) }),
    ));
    let mut rings = Shape::new(
        "the queue that .env names rings agents",
        &[EVERYONE, SALES],
        routing(&[filter("All", "1==1", &[target("Sales", 30)])], "Everyone"),
    );
    rings.placeholder = Some("Sales");
    let parking = Shape::new(
        "a queue that matches nobody, for other ends",
        &[EVERYONE, SALES, ("Parked by agents", "1==2")],
        routing(
            &[
                filter(
                    "Parking",
                    "parked == true",
                    &[target("Parked by agents", 600), endless("Sales")],
                ),
                filter("Sales", "1==1", &[target("Sales", 30)]),
            ],
            "Everyone",
        ),
    );
    let copied = Shape::new(
        "a copy for calls, made by hand",
        &[EVERYONE, SALES, PARKED],
        routing(
            &[
                filter("Calls", "(1==1) AND call_sid CONTAINS \"CA\"", &last),
                filter("All", "1==1", &[target("Sales", 20), endless("Everyone")]),
            ],
            "Everyone",
        ),
    );
    vec![
        by_hand("a placeholder by hand"),
        Shape {
            placeholder: Some("Nobody answered"),
            ..by_hand("a placeholder by hand, named in .env")
        },
        two,
        rings,
        with(
            "a placeholder with a timeout",
            &[target("Sales", 20), target("Nobody answered", 60)],
        ),
        with(
            "a placeholder that is not last",
            &[
                target("Sales", 20),
                endless("Nobody answered"),
                target("Everyone", 60),
            ],
        ),
        with(
            "a placeholder that nobody gets to",
            &[endless("Sales"), endless("Nobody answered")],
        ),
        Shape::new(
            "a placeholder as default filter only",
            &[SALES, PARKED],
            routing(&[], "Nobody answered"),
        ),
        parking,
        copied,
    ]
}

fn with_other_receivers() -> Vec<Shape> {
    let by_hand = |name| {
        Shape::new(
            name,
            &[EVERYONE, SALES, PARKED],
            routing(
                &[filter(
                    "All",
                    "1==1",
                    &[target("Sales", 20), endless("Nobody answered")],
                )],
                "Nobody answered",
            ),
        )
    };
    vec![
        Shape {
            callback: Some("https://user:hush@crm.example.com/events?key=hush"),
            ..by_hand("a callback of somebody else's")
        },
        Shape {
            callback: Some("HTTPS://Overflow.Example.com:443/taskrouter/events"),
            ..by_hand("our callback by hand, without overrides")
        },
        Shape {
            sink: Some("https://overflow.example.com:443/taskrouter/event-stream"),
            ..by_hand("our sink by hand")
        },
        Shape {
            callback: Some("https://crm.example.com/events"),
            sink: Some("https://overflow.example.com/taskrouter/event-stream"),
            ..by_hand("our sink by hand beside a callback of somebody else's")
        },
        Shape {
            sink: Some("https://crm.example.com/stream"),
            ..by_hand("a sink of somebody else's")
        },
    ]
}
