//! Workflows that know of no placeholder.

use serde_json::json;

use super::{EVERYONE, SALES, SUPPORT, Shape, endless, filter, routing, target};

pub(super) fn of_one_team() -> Vec<Shape> {
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

pub(super) fn of_several_filters() -> Vec<Shape> {
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
                    filter("Sales first", "1==1", std::slice::from_ref(&skippable)),
                    filter("Then everyone", "1==1", &[target("Everyone", 30)]),
                ],
                "Everyone",
            ),
        ),
        Shape::new(
            "skip_if in the last target, nothing behind it",
            &[SALES],
            json!({ "filters": [filter("Sales", "1==1", &[skippable])] }),
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

pub(super) fn of_several_channels() -> Vec<Shape> {
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
            "one list of channels that are no calls, and one filter for all",
            &[EVERYONE, SALES, SUPPORT],
            routing(
                &[
                    filter(
                        "Messages",
                        "channelType IN [\"web\", \"sms\", \"whatsapp\"]",
                        &[target("Support", 600)],
                    ),
                    filter("All", "1==1", &[endless("Sales")]),
                ],
                "Everyone",
            ),
        ),
        Shape::new(
            "a list of channels of their own, and one filter for all",
            &[EVERYONE, SALES, SUPPORT],
            routing(
                &[
                    filter("Own", "channelType IN ['kiosk']", &[target("Support", 600)]),
                    filter("All", "1==1", &[endless("Sales")]),
                ],
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
