//! Set-ups by hand: placeholders, receivers of events, flows.

use serde_json::{Value, json};

use super::{EVERYONE, PARKED, SALES, Shape, endless, filter, routing, target, to_flex, widget};

fn by_hand(name: &'static str) -> Shape {
    let targets = [target("Sales", 20), endless("Nobody answered")];
    Shape::new(
        name,
        &[EVERYONE, SALES, PARKED],
        routing(&[filter("All", "1==1", &targets)], "Nobody answered"),
    )
}

pub(super) fn with_a_placeholder() -> Vec<Shape> {
    let last = [target("Sales", 20), endless("Nobody answered")];
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
    let mut survey = Shape::new(
        "a queue that matches nobody, of a survey",
        &[EVERYONE, SALES, ("Survey", "1==0")],
        routing(&[filter("All", "1==1", &[target("Sales", 30)])], "Everyone"),
    );
    let captured = filter("Survey", "isChatCaptureControl==true", &[endless("Survey")]);
    let captured = json!({ "filters": [captured] });
    survey
        .workflows
        .push(("Survey", json!({ "task_routing": captured })));
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
    let nobody = [target("Sales", 20), endless("Call Redirection")];
    let as_told = Shape::new(
        "copies for calls, by hand as the README has it",
        &[EVERYONE, SALES, ("Call Redirection", "1==2")],
        routing(
            &[
                filter(
                    "All (calls)",
                    "(1==1) AND call_sid CONTAINS \"CA\"",
                    &nobody,
                ),
                filter("All", "1==1", &[target("Sales", 20)]),
            ],
            "Everyone",
        ),
    );
    vec![
        as_told,
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
        Shape::new(
            "a placeholder as default filter, behind one for all",
            &[SALES, PARKED],
            routing(
                &[filter("All", "1==1", &[target("Sales", 20)])],
                "Nobody answered",
            ),
        ),
        parking,
        survey,
        copied,
    ]
}

pub(super) fn with_other_receivers() -> Vec<Shape> {
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

pub(super) fn with_flows() -> Vec<Shape> {
    let text = json!({ "body": "Sorry that we missed you", "to": "{{contact.channel.address}}" });
    let request = json!({ "method": "POST", "url": "https://crm:hush@crm.example.com/missed" });
    vec![
        Shape {
            flows: vec![("Main IVR", vec![to_flex(&[])])],
            ..by_hand("a flow of their own")
        },
        Shape {
            flows: vec![(
                "Main IVR",
                vec![
                    widget(
                        "hours",
                        "split-based-on",
                        json!({ "input": "{{flow.data.open}}" }),
                        &[("match", "to_flex"), ("noMatch", "sorry")],
                    ),
                    to_flex(&[("callComplete", "text"), ("failedToEnqueue", "sorry")]),
                    widget("text", "send-message", text, &[("sent", "note")]),
                    widget("note", "make-http-request", request, &[]),
                    widget("sorry", "say-play", json!({ "say": "We are closed" }), &[]),
                ],
            )],
            ..by_hand("a flow with a message and a request behind the queue")
        },
    ]
}
