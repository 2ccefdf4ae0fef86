//! Events as TaskRouter and Event Streams send them.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};
use twilio::{EventError, EventType, FormParams, TaskRouterEvent};

const CALL: &str = "CA00000000000000000000000000000001";
const TASK_QUEUE: &str = "WQ00000000000000000000000000000001";

/// The parameters of a real event callback, some changed or (`None`) left out.
fn form(changes: &[(&str, Option<&str>)]) -> String {
    let attributes =
        format!(r#"{{"from_country":"US","call_sid":"{CALL}","direction":"inbound"}}"#);
    let mut pairs = vec![
        ("EventType", "task-queue.entered"),
        ("Sid", "EV00000000000000000000000000000001"),
        ("AccountSid", "AC00000000000000000000000000000001"),
        ("WorkspaceSid", "WS00000000000000000000000000000001"),
        ("WorkspaceName", "Flex Task Assignment"),
        ("TaskSid", "WT00000000000000000000000000000001"),
        ("TaskAttributes", &attributes),
        ("TaskQueueSid", TASK_QUEUE),
        ("TaskQueueTargetExpression", "1==2"),
        ("WorkflowSid", "WW00000000000000000000000000000001"),
        ("Timestamp", "1692816604"),
        ("TimestampMs", "1692816604478"),
        ("TaskQueueEnteredDate", "who knows"),
        ("SomethingNew", "added without notice"),
    ];
    for (name, value) in changes {
        pairs.retain(|(n, _)| n != name);
        pairs.extend(value.map(|value| (*name, value)));
    }
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

fn read(form: &str) -> Result<Option<TaskRouterEvent>, EventError> {
    TaskRouterEvent::from_form(&FormParams::parse(form.as_bytes()))
}

fn cloud_event(payload_changes: &Value) -> Value {
    let mut payload = json!({
        "sid": "EV00000000000000000000000000000001",
        "eventtype": "task-queue.entered",
        "account_sid": "AC00000000000000000000000000000001",
        "workspace_sid": "WS00000000000000000000000000000001",
        "task_sid": "WT00000000000000000000000000000001",
        "task_attributes": json!({"call_sid": CALL}).to_string(),
        "task_queue_sid": TASK_QUEUE,
        "task_age": 20,
        "workflow_sid": "WW00000000000000000000000000000001",
        "timestamp": "2023-08-23T18:50:04.478Z",
    });
    for (name, value) in payload_changes.as_object().unwrap() {
        payload[name] = value.clone();
    }
    json!({
        "specversion": "1.0",
        "type": "com.twilio.taskrouter.task-queue.entered",
        "source": "/v1/Workspaces",
        "id": "EV00000000000000000000000000000001",
        "time": "2023-08-23T18:50:04.478Z",
        "data": {"product_name": "TaskRouter", "payload_type": "application/json", "payload": payload},
    })
}

fn stream(events: &Value) -> Vec<Result<Option<TaskRouterEvent>, EventError>> {
    TaskRouterEvent::from_cloud_events(events.to_string().as_bytes()).unwrap()
}

#[test]
fn a_callback_is_read_whatever_else_it_carries() {
    let event = read(&form(&[])).unwrap().unwrap();
    assert_eq!(event.event_type, EventType::TaskQueueEntered);
    assert_eq!(event.attributes.call_sid.unwrap().as_str(), CALL);
    assert_eq!(event.task_queue_sid.unwrap().as_str(), TASK_QUEUE);
    assert_eq!(event.timestamp.unwrap().as_millisecond(), 1_692_816_604_478);
}

#[test]
fn a_cloud_event_says_the_same_as_the_callback() {
    let callback = read(&form(&[])).unwrap().unwrap();
    let event = cloud_event(&json!({}));
    let mut as_string = event.clone();
    as_string["data"] = Value::String(event["data"].to_string());
    let attributes_as_object = cloud_event(&json!({"task_attributes": {"call_sid": CALL}}));
    let events = stream(&json!([event, as_string, attributes_as_object]));
    assert_eq!(events.len(), 3);
    for event in events {
        assert_eq!(event.unwrap().unwrap(), callback);
    }
}

#[test]
fn other_events_are_none_whatever_they_look_like() {
    for event_type in [
        "task.created",
        "worker.activity.update",
        "x",
        "TASK-QUEUE.ENTERED",
    ] {
        let form = form(&[
            ("EventType", Some(event_type)),
            ("Sid", Some("nonsense")),
            ("TaskSid", None),
        ]);
        assert_eq!(read(&form), Ok(None), "{event_type}");
    }
    let mut other = cloud_event(&json!({}));
    for event_type in [
        "com.twilio.taskrouter.task.created",
        "com.twilio.voice.insights",
        "",
    ] {
        other["type"] = event_type.into();
        assert_eq!(stream(&json!([other]))[0], Ok(None), "{event_type}");
    }
}

#[test]
fn seconds_do_where_milliseconds_are_missing_and_a_time_that_cannot_be_read_is_none() {
    for (changes, wanted) in [
        (&[("TimestampMs", None)][..], Some(1_692_816_604_000)),
        (
            &[
                ("TimestampMs", None),
                ("Timestamp", Some("2023-08-23T18:50:04Z")),
            ],
            Some(1_692_816_604_000),
        ),
        (
            &[("TimestampMs", Some("99999999999999999999"))],
            Some(1_692_816_604_000),
        ),
        (&[("TimestampMs", None), ("Timestamp", None)], None),
        (
            &[("TimestampMs", Some("-")), ("Timestamp", Some("now"))],
            None,
        ),
    ] {
        let event = read(&form(changes)).unwrap().unwrap();
        assert_eq!(
            event.timestamp.map(|t| t.as_millisecond()),
            wanted,
            "{changes:?}"
        );
    }
}

#[test]
fn attributes_without_a_call_are_a_task_without_a_call() {
    for attributes in [
        "{}",
        "null",
        "[]",
        "7",
        "\"CA\"",
        r#"{"call_sid":null}"#,
        r#"{"call_sid":""}"#,
        r#"["CA00000000000000000000000000000001"]"#,
    ] {
        let event = read(&form(&[("TaskAttributes", Some(attributes))]))
            .unwrap()
            .unwrap();
        assert_eq!(event.attributes.call_sid, None, "{attributes}");
    }
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested_inside = format!(r#"{{"deep":{nested}}}"#);
    for attributes in [nested, nested_inside] {
        let event = read(&form(&[("TaskAttributes", Some(&attributes))]));
        assert_eq!(event.unwrap().unwrap().attributes.call_sid, None);
    }
    let event = read(&form(&[("TaskAttributes", None)])).unwrap().unwrap();
    assert_eq!(event.attributes.call_sid, None);
}

#[test]
fn what_cannot_be_read_is_named_but_not_repeated() {
    let secret = "+14155550100";
    for (parameter, value) in [
        ("Sid", None),
        ("Sid", Some("EV1")),
        ("AccountSid", Some("SK00000000000000000000000000000001")),
        ("WorkspaceSid", Some("")),
        ("TaskSid", Some("\u{0}")),
        ("TaskQueueSid", None),
        ("WorkflowSid", Some(secret)),
        ("TaskAttributes", Some("{")),
        ("TaskAttributes", Some("{\"call_sid\":\"+14155550100\"}")),
        ("TaskAttributes", Some("{\"call_sid\":14155550100}")),
        (
            "TaskAttributes",
            Some("{\"call_sid\":\"a\",\"call_sid\":\"b\"}"),
        ),
    ] {
        let error = read(&form(&[(parameter, value)])).unwrap_err().to_string();
        assert!(error.contains(parameter), "{error}");
        assert!(!error.contains(&secret[1..]), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn one_bad_event_does_not_spoil_the_others_of_its_batch() {
    let good = cloud_event(&json!({}));
    let bad = cloud_event(&json!({"task_sid": 7}));
    let no_data = json!({"type": "com.twilio.taskrouter.task-queue.entered"});
    let events = stream(&json!([bad, good, 7, null, "x", no_data, {}]));
    let readable: Vec<_> = events.iter().map(Result::is_ok).collect();
    assert_eq!(readable, [false, true, false, false, false, false, false]);
}

#[test]
fn a_body_that_is_no_array_is_refused() {
    for body in ["", "{}", "null", "[", "\"[]\"", "[1,]"] {
        assert!(
            TaskRouterEvent::from_cloud_events(body.as_bytes()).is_err(),
            "{body}"
        );
    }
}

#[test]
fn a_time_to_live_that_ran_out_is_known_by_any_name_of_the_reason() {
    for name in ["Reason", "TaskCanceledReason", "reason"] {
        for (reason, wanted) in [("Task TTL Exceeded", true), ("hangup", false)] {
            let form = form(&[
                ("EventType", Some("task.canceled")),
                (name, Some(reason)),
                ("TaskQueueSid", None),
            ]);
            let event = read(&form).unwrap().unwrap();
            assert_eq!(event.ttl_exceeded, wanted, "{name}={reason}");
        }
    }
    let mut event = cloud_event(&json!({"reason": "Task TTL Exceeded"}));
    event["type"] = "com.twilio.taskrouter.task.canceled".into();
    assert!(
        stream(&json!([event]))[0]
            .as_ref()
            .unwrap()
            .as_ref()
            .unwrap()
            .ttl_exceeded
    );
}

proptest! {
    #[test]
    fn no_form_makes_reading_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = TaskRouterEvent::from_form(&FormParams::parse(&body));
    }

    #[test]
    fn no_value_makes_reading_panic(name in 0usize..6, value in ".{0,60}") {
        let name = ["EventType", "Sid", "TaskSid", "TaskAttributes", "TaskQueueSid", "TimestampMs"][name];
        let _ = read(&form(&[(name, Some(&value))]));
    }

    #[test]
    fn no_body_makes_reading_a_batch_panic(body in "[\\[\\]{}\",:a-z0-9 ]{0,200}") {
        let _ = TaskRouterEvent::from_cloud_events(body.as_bytes());
    }
}
