//! Events as TaskRouter and Event Streams send them.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};
use twilio::{CancelReason, Conversation, EventError, EventType, FormParams, TaskRouterEvent};

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
        ("TaskAge", "20"),
        ("TaskAssignmentStatus", "pending"),
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
        "task_assignment_status": "pending",
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
    let created = event.task_created_at.unwrap();
    assert_eq!(created.as_millisecond(), 1_692_816_584_478);
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
    ] {
        other["type"] = event_type.into();
        assert_eq!(stream(&json!([other]))[0], Ok(None), "{event_type}");
    }
}

#[test]
fn only_a_time_that_is_clear_needs_no_question_to_twilio() {
    let seconds = Some(1_692_816_604_000);
    let ms = Some(1_692_816_604_478);
    for (changes, wanted, verify) in [
        (&[][..], ms, false),
        (&[("TimestampMs", None)], seconds, false),
        (&[("Timestamp", None)], ms, false),
        (
            &[
                ("TimestampMs", None),
                ("Timestamp", Some("2023-08-23T18:50:04Z")),
            ],
            seconds,
            false,
        ),
        (
            &[("TimestampMs", Some("99999999999999999999"))],
            seconds,
            true,
        ),
        (
            &[("TimestampMs", Some("1692816605478"))],
            Some(1_692_816_605_478),
            true,
        ),
        (&[("TimestampMs", None), ("Timestamp", None)], None, true),
        (
            &[("TimestampMs", Some("-")), ("Timestamp", Some("now"))],
            None,
            true,
        ),
    ] {
        let event = read(&form(changes)).unwrap().unwrap();
        let ms = event.timestamp.map(|t| t.as_millisecond());
        assert_eq!((ms, event.verify), (wanted, verify), "{changes:?}");
    }
}

#[test]
fn an_event_whose_task_may_not_be_waiting_is_not_taken_at_its_word() {
    for (parameter, value) in [
        ("TaskAssignmentStatus", Some("assigned")),
        ("TaskAssignmentStatus", Some("reserved")),
        ("TaskAssignmentStatus", Some("paused")),
        ("TaskAssignmentStatus", None),
        (
            "TaskTransferSid",
            Some("TT00000000000000000000000000000001"),
        ),
        ("TransferMode", Some("WARM")),
    ] {
        let event = read(&form(&[(parameter, value)])).unwrap().unwrap();
        assert!(event.verify, "{parameter}={value:?}");
    }
    let payloads = [
        json!({"task_assignment_status": "assigned"}),
        json!({"transfer_mode": "COLD"}),
    ];
    for payload in payloads {
        let event = stream(&json!([cloud_event(&payload)])).remove(0);
        assert!(event.unwrap().unwrap().verify, "{payload}");
    }
    let nulls = json!({"transfer_mode": null, "task_transfer_sid": null, "transfer_to": ""});
    let event = stream(&json!([cloud_event(&nulls)])).remove(0);
    assert!(!event.unwrap().unwrap().verify);
}

#[test]
fn attributes_tell_of_a_conversation() {
    let attributes = json!({"call_sid": CALL, "conference": {"sid": "CF1", "participants": {}}});
    let form = form(&[("TaskAttributes", Some(&attributes.to_string()))]);
    let event = read(&form).unwrap().unwrap();
    assert_eq!(
        event.attributes.conversation,
        Some(Conversation::Conference)
    );
}

#[test]
fn an_event_without_a_sid_gets_its_tasks_stand_in() {
    for sid in [None, Some(""), Some("EV1")] {
        let event = read(&form(&[("Sid", sid)])).unwrap().unwrap();
        assert_eq!(event.sid, event.task_sid.stand_in_event());
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
        ("AccountSid", Some("SK00000000000000000000000000000001")),
        ("WorkspaceSid", Some("")),
        ("TaskSid", Some("\u{0}")),
        ("TaskQueueSid", None),
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
fn odd_fields_that_nobody_reads_spoil_nothing() {
    let good = cloud_event(&json!({}));
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    for odd in [r#""\ud83d""#, "1e999", &deep, "\"\u{fffd}\""] {
        let text = good.to_string();
        // Beside the event's own fields, and among those of its payload.
        let spoilt = text
            .replacen('{', &format!(r#"{{"odd":{odd},"#), 1)
            .replacen(r#""eventtype""#, &format!(r#""odd":{odd},"eventtype""#), 1);
        assert_eq!(spoilt.matches("odd").count(), 2);
        let events = TaskRouterEvent::from_cloud_events(format!("[{spoilt},{text}]").as_bytes());
        for event in events.unwrap() {
            assert_eq!(
                event
                    .unwrap()
                    .unwrap()
                    .attributes
                    .call_sid
                    .unwrap()
                    .as_str(),
                CALL
            );
        }
    }
    let mut bytes = format!("[{good}]").into_bytes();
    let at = bytes.windows(9).position(|w| w == b"/v1/Works").unwrap();
    bytes[at] = 0xff;
    let events = TaskRouterEvent::from_cloud_events(&bytes).unwrap();
    assert!(events[0].is_ok(), "a byte that is no UTF-8");
    let cut_name = cloud_event(&json!({
        "task_attributes": format!(r#"{{"name":"\ud83d","call_sid":"{CALL}"}}"#),
    }));
    let event = stream(&json!([cut_name])).remove(0).unwrap().unwrap();
    assert!(event.attributes.call_sid.is_some());
}

#[test]
fn a_reason_tells_whether_a_caller_is_left_waiting() {
    use CancelReason::{HungUp, LeftWaiting, Unknown};
    for name in ["Reason", "TaskCanceledReason", "reason"] {
        for (reason, wanted) in [
            ("Task TTL Exceeded", LeftWaiting),
            (
                "Task TTL Exceeded or Max assignment count exceeded",
                LeftWaiting,
            ),
            ("Max Assignment Count Exceeded", LeftWaiting),
            ("Task canceled on Workflow timeout", LeftWaiting),
            ("hangup", HungUp),
            ("The caller hung up", HungUp),
            ("Customer asked to be called back", Unknown),
            ("", Unknown),
        ] {
            let form = form(&[
                ("EventType", Some("task.canceled")),
                (name, Some(reason)),
                ("TaskQueueSid", None),
            ]);
            let event = read(&form).unwrap().unwrap();
            assert_eq!(event.cancel_reason, wanted, "{name}={reason}");
        }
    }
    let mut event = cloud_event(&json!({"reason": "Task TTL Exceeded"}));
    event["type"] = "com.twilio.taskrouter.task.canceled".into();
    let event = stream(&json!([event])).remove(0).unwrap().unwrap();
    assert_eq!(event.cancel_reason, LeftWaiting);
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
