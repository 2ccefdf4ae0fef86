//! A signature covers names and values without a mark between them, so whoever holds one signed
//! callback can draw the lines elsewhere: what comes of it must say the same, or be verified.

#![allow(clippy::unwrap_used)]

use twilio::{AuthToken, FormParams, SignatureVerifier, SignedUrl, TaskRouterEvent, sign_form};

const URL: &str = "https://overflow.example.com/taskrouter/events";

type Pairs = Vec<(String, String)>;

/// A callback as Twilio sends it, sorted as it is signed, with some parameters more or changed.
fn captured(changes: &[(&str, &str)]) -> Pairs {
    let sid = |prefix: &str| format!("{prefix}00000000000000000000000000000001");
    let mut pairs: Pairs = [
        ("AccountSid", sid("AC")),
        ("EventDescription", "Task entered Nobody".into()),
        ("EventType", "task-queue.entered".into()),
        ("Sid", sid("EV")),
        ("TaskAge", "20".into()),
        ("TaskAssignmentStatus", "pending".into()),
        (
            "TaskAttributes",
            format!(r#"{{"call_sid":"{}","year":"17"}}"#, sid("CA")),
        ),
        ("TaskQueueSid", sid("WQ")),
        ("TaskQueueTargetExpression", "1==2".into()),
        ("TaskSid", sid("WT")),
        ("TaskVersion", "0".into()),
        ("Timestamp", "1692816604".into()),
        ("TimestampMs", "1692816604478".into()),
        ("WorkflowSid", sid("WW")),
        ("WorkspaceSid", sid("WS")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (name, value) in changes {
        pairs.retain(|(n, _)| n != name);
        pairs.push(((*name).to_owned(), (*value).to_owned()));
    }
    pairs.sort();
    pairs
}

/// The same text with one line drawn elsewhere, two lines left out, or two more drawn.
fn shifted(pairs: &Pairs) -> Vec<Pairs> {
    let text: String = pairs
        .iter()
        .flat_map(|(name, value)| [&**name, &**value])
        .collect();
    let mut lines = vec![0];
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        lines.push(lines[lines.len() - 1] + part.len());
    }
    let cut = |lines: &[usize]| -> Pairs {
        lines
            .windows(3)
            .step_by(2)
            .map(|at| (text[at[0]..at[1]].to_owned(), text[at[1]..at[2]].to_owned()))
            .collect()
    };
    let mut all = Vec::new();
    for i in 1..lines.len() - 1 {
        for at in lines[i - 1]..=lines[i + 1] {
            let mut moved = lines.clone();
            moved[i] = at;
            all.push(cut(&moved));
        }
        if i + 2 < lines.len() {
            let mut merged = lines.clone();
            merged.drain(i..i + 2);
            all.push(cut(&merged));
        }
        for first in lines[i - 1]..=lines[i] {
            for second in first..=lines[i] {
                let mut split = lines.clone();
                split.splice(i..i, [first, second]);
                all.push(cut(&split));
            }
        }
    }
    all
}

fn params(pairs: &Pairs) -> FormParams {
    pairs
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect()
}

/// What the event would have us do: whom to redirect, and how old the wish is.
fn meaning(event: &TaskRouterEvent) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        (event.event_type, event.account_sid, event.workspace_sid),
        (event.task_sid, event.task_queue_sid, event.attributes),
        event.timestamp.unwrap().as_second(),
    )
}

/// The events that can be made of a captured one and still verify.
fn forgeries(captured: &Pairs) -> Vec<TaskRouterEvent> {
    let token = AuthToken::new("12345");
    let signature = sign_form(&token, URL, &params(captured));
    let verifier = SignatureVerifier::new([token]);
    let url = SignedUrl::new(URL);
    shifted(captured)
        .iter()
        .map(params)
        .filter(|form| {
            verifier
                .verify_form(&url, None, form, Some(&signature))
                .is_ok()
        })
        .filter_map(|form| TaskRouterEvent::from_form(&form).ok().flatten())
        // Without a call there is nothing to redirect.
        .filter(|event| event.attributes.call_sid.is_some())
        .collect()
}

#[test]
fn no_shifted_line_makes_an_event_say_something_else_and_be_believed() {
    let captured = captured(&[]);
    let honest = TaskRouterEvent::from_form(&params(&captured))
        .unwrap()
        .unwrap();
    assert!(!honest.verify);
    let forged = forgeries(&captured);
    assert!(forged.len() > 100, "{} forgeries", forged.len());
    assert!(
        forged.iter().any(|event| event.timestamp.is_none()),
        "the time can be hidden"
    );
    for event in forged {
        assert!(
            event.verify || meaning(&event) == meaning(&honest),
            "{event:?}"
        );
    }
}

#[test]
fn no_shifted_line_hides_that_a_task_is_not_waiting() {
    for changes in [
        &[("TaskAssignmentStatus", "assigned")][..],
        &[("TaskTransferSid", "TT00000000000000000000000000000001")],
        &[("TransferMode", "COLD")],
        &[
            ("TransferStarted", "2023-08-23T18:50:04Z"),
            ("TransferTo", "WK1"),
        ],
    ] {
        for event in forgeries(&captured(changes)) {
            assert!(event.verify, "{changes:?}: {event:?}");
        }
    }
    let attributes = r#"{"call_sid":"CA00000000000000000000000000000001","transferring":true}"#;
    for event in forgeries(&captured(&[("TaskAttributes", attributes)])) {
        assert!(event.attributes.conversation.is_some());
    }
}
