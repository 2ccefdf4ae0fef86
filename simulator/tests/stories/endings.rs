//! How calls to those who were rung end: told by status callbacks, and shown by the API.

use std::time::Duration;

use axum::http::Request;
use serde_json::{Value, json};
use simulator::{
    CallbackFault, CallbackOutcome, CallbackRule, Caller, Conduct, EventKind, Readings, State,
    Transport, When,
};
use twilio::CallSid;

use crate::support::{CONNECT, FIRST, Reply, SORRY, Scene, client, seconds, told};

const SECOND: &str = "+14155550102";
/// How it is repeated.
const OVERRIDES: &str = "#rc=5&amp;rp=all&amp;ct=2000&amp;rt=2500";

/// A `<Dial>` that tells of each ending.
fn dial(numbers: &[&str], attributes: &str) -> String {
    let nouns = numbers.iter().map(|number| {
        format!("<Number statusCallback=\"/ended{OVERRIDES}\" {attributes}>{number}</Number>")
    });
    let nouns: String = nouns.collect();
    format!(
        "<Response><Dial timeout=\"20\" callerId=\"+14155550190\" action=\"/dialed\">{nouns}</Dial></Response>"
    )
}

/// What a path of the API shows.
async fn shown(scene: &Scene, path: &str) -> Value {
    let (account, token) = (scene.simulator.account_sid(), scene.simulator.auth_token());
    let basic = client()
        .get("http://localhost")
        .basic_auth(account, Some(token))
        .build()
        .unwrap();
    let request = Request::get(format!("/2010-04-01/Accounts/{account}/{path}"))
        .header("authorization", &basic.headers()["authorization"])
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = scene.simulator.answer(request).await.unwrap();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
    serde_json::from_slice(&body.unwrap()).unwrap()
}

async fn until_ended(scene: &Scene, count: usize) {
    while scene.asked("/ended").len() < count {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_ending_is_told_once_and_shown() {
    for (phone, status, duration) in [
        ("answers,rings=3,stays=60", "completed", Some("60")),
        ("busy,rings=3", "busy", None),
        ("silent", "no-answer", None),
        ("failed,rings=3", "failed", None),
    ] {
        let scene = Scene::new(Readings::default(), &[(FIRST, phone)]);
        scene.will(&[&dial(&[FIRST], "")]);
        let caller = scene.redirected(Conduct::default());
        let log = scene.over(caller).await;
        until_ended(&scene, 1).await;
        let ended = scene.asked_once("/ended");
        let leg = log.callees[0].call;
        for (name, value) in [
            ("CallSid", leg.as_str()),
            ("ParentCallSid", caller.call_sid.as_str()),
            ("AccountSid", scene.simulator.account_sid().as_str()),
            ("CallStatus", status),
            ("CallDuration", duration.unwrap_or("0")),
            ("To", FIRST),
            ("From", "+14155550190"),
            ("Direction", "outbound-dial"),
            ("CallbackSource", "call-progress-events"),
            ("SequenceNumber", "0"),
        ] {
            assert_eq!(told(&ended, name), value, "{name} of {phone}");
        }
        let at = jiff::fmt::rfc2822::parse(&told(&ended, "Timestamp"));
        assert!(at.is_ok());

        let calls = shown(
            &scene,
            &format!("Calls.json?ParentCallSid={}", caller.call_sid),
        )
        .await;
        let alone = shown(&scene, &format!("Calls/{leg}.json")).await;
        assert_eq!(calls["calls"], json!([alone]));
        assert_eq!(alone["status"], status);
        assert_eq!(alone["duration"].as_str(), duration);
        assert_eq!(alone["parent_call_sid"], caller.call_sid.as_str());
        let date = |name: &str| jiff::fmt::rfc2822::parse(alone[name].as_str().unwrap()).unwrap();
        assert!(date("start_time") <= date("end_time"));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_ringing_is_told_as_canceled() {
    // Another picks up.
    let phones = [(FIRST, "silent"), (SECOND, "answers,rings=5,stays=30")];
    let scene = Scene::new(Readings::default(), &phones);
    scene.will(&[&dial(&[FIRST, SECOND], "")]);
    scene.over(scene.redirected(Conduct::default())).await;
    until_ended(&scene, 2).await;
    let statuses: Vec<_> = scene
        .asked("/ended")
        .iter()
        .map(|e| told(e, "CallStatus"))
        .collect();
    assert_eq!(statuses, ["canceled", "completed"]);
    // The caller hangs up.
    let scene = Scene::new(Readings::default(), &phones);
    scene.will(&[&dial(&[FIRST], "")]);
    let patience = Some(seconds(10));
    let impatient = Conduct {
        patience,
        ..Conduct::default()
    };
    scene.over(scene.redirected(impatient)).await;
    until_ended(&scene, 1).await;
    assert_eq!(told(&scene.asked_once("/ended"), "CallStatus"), "canceled");
}

#[tokio::test(start_paused = true)]
async fn whoever_picked_up_and_did_not_get_the_caller_has_completed_a_call() {
    let scene = Scene::new(Readings::default(), &[(FIRST, "mailbox")]);
    let whisper = "<Response><Pause length=\"9\"/><Hangup/></Response>";
    scene.will(&[&dial(&[FIRST], "url=\"/whisper\""), whisper, SORRY]);
    scene.over(scene.redirected(Conduct::default())).await;
    until_ended(&scene, 1).await;
    let ended = scene.asked_once("/ended");
    assert_eq!(told(&ended, "CallStatus"), "completed");
    assert_eq!(told(&ended, "CallDuration"), "9");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_where_other_events_are_asked_for() {
    for (events, is_told) in [("initiated ringing", false), ("answered completed", true)] {
        let scene = Scene::new(Readings::default(), &[(FIRST, "busy")]);
        let attributes = format!("statusCallbackEvent=\"{events}\"");
        scene.will(&[&dial(&[FIRST], &attributes), CONNECT]);
        scene.over(scene.redirected(Conduct::default())).await;
        tokio::time::sleep(seconds(60)).await;
        assert_eq!(
            scene.asked("/ended").len(),
            usize::from(is_told),
            "{events}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_repeated_and_the_journal_tells_of_it() {
    let scene = Scene::new(Readings::default(), &[(FIRST, "busy,rings=3")]);
    scene.will(&[&dial(&[FIRST], "").replace("action=\"/dialed\"", "")]);
    scene.web.will([503, 503].map(Reply::Status));
    let caller = scene.redirected(Conduct::default());
    let log = scene.over(caller).await;
    let leg = log.callees[0].call;
    let of_the_leg = |state: &State| {
        let callbacks = state.journal().callbacks();
        let of_it = callbacks.filter(|record| record.call == Some(leg));
        of_it.map(|record| record.outcome).collect::<Vec<_>>()
    };
    let answered = |state: &State| {
        of_the_leg(state)
            .last()
            .is_some_and(|last| last.is_success())
    };
    scene.simulator.wait_until(answered).await;
    let outcomes = scene.simulator.inspect(of_the_leg);
    let refused = CallbackOutcome::Answered(503);
    assert_eq!(outcomes, [refused, refused, CallbackOutcome::Answered(204)]);
    let journal = scene.simulator.journal();
    let record = journal.callbacks().next_back().unwrap();
    assert_eq!(record.kind, EventKind::CallCompleted);
    assert_eq!(record.transport, Transport::StatusCallback);
    assert_eq!(record.attempt, 3);
}

/// Callers whose calls to somebody end one after another, where the faults befall the first.
async fn told_of(faults: &[CallbackFault]) -> (Vec<CallSid>, Vec<String>) {
    let scene = Scene::new(Readings::default(), &[(FIRST, "busy")]);
    for fault in faults {
        scene.simulator.faults().add_for_callbacks(CallbackRule {
            events: vec![EventKind::CallCompleted],
            fault: *fault,
            when: When::Next(1),
        });
    }
    let mut legs = Vec::new();
    for _ in 0..2 {
        scene.will(&[&dial(&[FIRST], ""), CONNECT]);
        let caller: Caller = scene.redirected(Conduct::default());
        legs.push(scene.over(caller).await.callees[0].call);
        tokio::time::sleep(seconds(1)).await;
    }
    tokio::time::sleep(seconds(60)).await;
    let told = scene
        .asked("/ended")
        .iter()
        .map(|ended| told(ended, "CallSid"))
        .collect();
    (legs, told)
}

#[tokio::test(start_paused = true)]
async fn an_ending_may_be_lost_repeated_or_overtaken() {
    let (legs, told) = told_of(&[CallbackFault::Drop]).await;
    assert_eq!(told, [legs[1].as_str()]);
    let after = seconds(30);
    let (legs, told) = told_of(&[CallbackFault::Duplicate { after }]).await;
    assert_eq!(told, [legs[0], legs[1], legs[0]].map(|leg| leg.to_string()));
    let (legs, told) = told_of(&[CallbackFault::Delay { by: after }]).await;
    assert_eq!(told, [legs[1], legs[0]].map(|leg| leg.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_shown_among_the_recordings_of_its_call() {
    let record = r#"<Response><Record maxLength="120" action="/recorded"/></Response>"#;
    let scene = Scene::new(Readings::default(), &[]);
    scene.will(&[record, SORRY]);
    let message = Some(seconds(12));
    let caller = scene.redirected(Conduct {
        message,
        ..Conduct::default()
    });
    scene.over(caller).await;
    let sid = told(&scene.asked_once("/recorded"), "RecordingSid");
    let path = format!("Calls/{}/Recordings.json", caller.call_sid);
    let recordings = shown(&scene, &path).await;
    let recordings = recordings["recordings"].as_array().unwrap();
    let [recording] = recordings.as_slice() else {
        panic!("{recordings:?}");
    };
    assert_eq!(recording["sid"], sid);
    assert_eq!(recording["duration"], "12");
    assert_eq!(recording["source"], "RecordVerb");

    // Nothing is kept of who says nothing.
    scene.will(&[record, SORRY]);
    let silent = scene.redirected(Conduct::default());
    scene.over(silent).await;
    let path = format!("Calls/{}/Recordings.json", silent.call_sid);
    assert_eq!(
        shown(&scene, &path).await["recordings"],
        Value::Array(Vec::new())
    );
    let unknown = shown(
        &scene,
        "Calls/CA00000000000000000000000000000001/Recordings.json",
    )
    .await;
    assert_eq!(unknown["code"], 20404);
}
