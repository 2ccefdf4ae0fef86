//! What the REST client makes of Twilio's answers.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use twilio::rest::{
    AssignmentStatus, CallDraft, CallStatus, ChildCall, Client, ClientConfig, Credentials,
    Exchange, Instructions, Recording, RestError,
};
use twilio::{AuthToken, CallSid, Conversation, TaskQueueSid, WorkspaceSid};

type Answer = http::Response<String>;

fn sid<T: std::str::FromStr<Err: std::fmt::Debug>>(prefix: &str, number: u32) -> T {
    format!("{prefix}{number:032x}").parse().unwrap()
}

/// A client of a Twilio that gives each path its answer, and everything else a 404.
fn client(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> Client {
    let answers: BTreeMap<_, _> = answers.into_iter().collect();
    let account = sid("AC", 1);
    let credentials = Credentials::AuthToken(account, AuthToken::new("token"));
    let transport = move |request: reqwest::Request| {
        let url = request.url();
        let path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
        let answer = answers.get(path.as_str()).cloned().unwrap_or_else(|| {
            let answer = http::Response::builder().status(404);
            answer.body("{}".to_owned()).unwrap()
        });
        let answer: Result<_, RestError> = Ok(answer.into());
        let answer: futures::future::BoxFuture<'static, _> = Box::pin(async { answer });
        answer
    };
    Client::new(&ClientConfig::new(credentials))
        .unwrap()
        .carried_by(Arc::new(transport))
}

fn ok(body: impl Into<String>) -> Answer {
    http::Response::new(body.into())
}

const MEMBERS: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001\
     /Queues/QU00000000000000000000000000000001/Members.json?PageSize=1000";
const PENDING: &str = "/v1/Workspaces/WS00000000000000000000000000000001/Tasks\
     ?TaskQueueSid=WQ00000000000000000000000000000001&AssignmentStatus=pending\
     &Ordering=DateCreated%3Aasc&PageSize=1000";
const TASK: &str = "/v1/Workspaces/WS00000000000000000000000000000001\
     /Tasks/WT00000000000000000000000000000001";
const CALL: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001\
     /Calls/CA00000000000000000000000000000001.json";

fn task(changes: &Value) -> Value {
    let mut task = json!({
        "sid": "WT00000000000000000000000000000001",
        "account_sid": "AC00000000000000000000000000000001",
        "assignment_status": "pending",
        "attributes": json!({"call_sid": sid::<CallSid>("CA", 1)}).to_string(),
        "date_created": "2026-01-02T03:04:05Z",
        "task_queue_entered_date": "2026-01-02T03:04:25Z",
        "task_queue_sid": "WQ00000000000000000000000000000001",
        "workflow_sid": "WW00000000000000000000000000000001",
    });
    for (name, value) in changes.as_object().unwrap() {
        task[name] = value.clone();
    }
    task
}

async fn pending(
    answers: impl IntoIterator<Item = (&'static str, Answer)>,
) -> Result<twilio::rest::Listed<twilio::rest::Task>, RestError> {
    let (workspace, queue): (WorkspaceSid, TaskQueueSid) = (sid("WS", 1), sid("WQ", 1));
    client(answers).pending_tasks(&workspace, &queue).await
}

async fn single(changes: &Value) -> twilio::rest::Task {
    let client = client([(TASK, ok(task(changes).to_string()))]);
    let task = client.task(&sid("WS", 1), &sid("WT", 1)).await;
    task.unwrap().unwrap()
}

#[tokio::test]
async fn the_members_of_a_voice_queue_are_read_to_the_last_page() {
    let next = "/2010-04-01/next";
    let client = client([
        (
            MEMBERS,
            ok(json!({
                "queue_members": [{
                    "call_sid": sid::<CallSid>("CA", 1),
                    "date_enqueued": "Mon, 17 Dec 2018 18:36:39 +0000",
                    "position": 1,
                }],
                "next_page_uri": next,
            })
            .to_string()),
        ),
        (
            next,
            ok(json!({
                "queue_members": [
                    {"call_sid": sid::<CallSid>("CA", 2), "date_enqueued": "yesterday"},
                    {"call_sid": null},
                ],
                "next_page_uri": null,
            })
            .to_string()),
        ),
    ]);
    let members = client
        .queue_members(&sid("AC", 1), &sid("QU", 1), |_| {})
        .await;
    let members = members.unwrap().unwrap();
    let calls: Vec<CallSid> = members.items.iter().map(|member| member.call_sid).collect();
    assert_eq!(calls, [sid("CA", 1), sid("CA", 2)]);
    let since = members.items[0].date_enqueued.unwrap();
    assert_eq!(since.as_second(), 1_545_071_799);
    assert_eq!(members.items[1].date_enqueued, None);
    assert_eq!(members.unreadable, 1);
}

#[tokio::test]
async fn a_voice_queue_that_twilio_does_not_know_is_none_not_empty() {
    let members = client([])
        .queue_members(&sid("AC", 1), &sid("QU", 1), |_| {})
        .await;
    assert_eq!(members.unwrap(), None);
}

#[tokio::test]
async fn one_odd_task_hides_none_of_the_others() {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let good = task(&json!({}));
    let odd_fields = task(&json!({
        "account_sid": 7,
        "assignment_status": null,
        "task_queue_entered_date": "",
        "date_created": null,
        "task_queue_sid": "",
        "workflow_sid": "",
        "attributes": null,
    }));
    let no_sid = task(&json!({"sid": null}));
    let body = format!(
        r#"{{"tasks":[{good},{odd_fields},{no_sid},"x",{{"sid":"{}","addons":"\ud83d","age":1e999,"deep":{deep}}}],"meta":{{"next_page_url":null}}}}"#,
        "WT00000000000000000000000000000002"
    );
    let tasks = pending([(PENDING, ok(body))]).await.unwrap();
    assert_eq!(tasks.unreadable, 2);
    let [good, odd, bare] = &tasks.items[..] else {
        panic!("{tasks:?}");
    };
    assert_eq!(good.attributes.unwrap().call_sid, Some(sid("CA", 1)));
    assert_eq!(good.entered_at.unwrap().to_string(), "2026-01-02T03:04:25Z");
    assert_eq!(odd.assignment_status, AssignmentStatus::Unknown);
    assert_eq!(odd.attributes, None, "so the single task is to be asked");
    assert_eq!(
        (odd.account_sid, odd.entered_at, odd.workflow_sid),
        (None, None, None)
    );
    assert_eq!(bare.sid, sid("WT", 2));
}

#[tokio::test]
async fn a_list_that_goes_in_a_circle_or_on_for_ever_is_an_error() {
    let page = |next: &str| ok(json!({"tasks": [], "meta": {"next_page_url": next}}).to_string());
    let circle = pending([
        (PENDING, page("https://taskrouter.twilio.com/v1/next")),
        ("/v1/next", page("https://taskrouter.twilio.com/v1/next")),
    ]);
    let error = circle.await.unwrap_err().to_string();
    assert!(
        error.contains("ListTask") && error.contains("circle"),
        "{error}"
    );

    let pages: Vec<&'static str> = (0..=200)
        .map(|number| &*format!("/v1/{number}").leak())
        .collect();
    let on = |next: &&'static str| page(&format!("https://x{next}"));
    let endless = std::iter::once((PENDING, on(&pages[0])))
        .chain((1..200).map(|number| (pages[number - 1], on(&pages[number]))));
    let error = pending(endless).await.unwrap_err().to_string();
    assert!(error.contains("too many pages"), "{error}");

    let nowhere = pending([(PENDING, page("nowhere"))]).await;
    assert!(nowhere.is_err(), "an end that is none");
}

#[tokio::test]
async fn a_task_says_its_call_and_whether_somebody_has_the_caller() {
    let waiting = single(&json!({})).await;
    assert_eq!(waiting.assignment_status, AssignmentStatus::Pending);
    assert_eq!(waiting.reason, None);
    let ended = single(&json!({"assignment_status": "canceled", "reason": "hangup"})).await;
    assert_eq!(ended.reason.as_deref(), Some("hangup"));
    assert_eq!(waiting.attributes.unwrap().conversation, None);
    let attributes = json!({"call_sid": sid::<CallSid>("CA", 1), "conference": {"sid": "CF1"}});
    let talking = single(&json!({"attributes": attributes.to_string()})).await;
    assert_eq!(
        talking.attributes.unwrap().conversation,
        Some(Conversation::Conference)
    );
    let chat = single(&json!({"attributes": "{}"})).await;
    assert_eq!(chat.attributes.unwrap().call_sid, None);
    let unreadable = single(&json!({"attributes": "{", "assignment_status": "paused"})).await;
    assert_eq!(unreadable.attributes, None);
    assert_eq!(unreadable.assignment_status, AssignmentStatus::Unknown);
}

#[tokio::test]
async fn a_call_is_made_watched_and_ended() {
    const CALLS: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls.json";
    const LEGS: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls.json\
         ?ParentCallSid=CA00000000000000000000000000000001&PageSize=100";
    let leg = |number, status| json!({"sid": sid::<CallSid>("CA", number), "status": status});
    let legs = json!({"calls": [leg(2, "no-answer"), leg(3, "whistling")], "next_page_uri": null});
    let client = client([
        (CALLS, ok(leg(1, "queued").to_string())),
        (LEGS, ok(legs.to_string())),
        (CALL, ok(leg(1, "completed").to_string())),
    ]);
    let (account, caller) = (sid("AC", 1), sid("CA", 1));
    let draft = CallDraft {
        to: "+14155550100".parse().unwrap(),
        from: "+14155550150".parse().unwrap(),
        url: "https://overflow.example.com/begin",
        timeout: 60,
        time_limit: 600,
    };
    assert!(!format!("{draft:?}").contains("4155550"));
    assert_eq!(client.create_call(&account, draft).await.unwrap(), caller);
    let legs = client.child_calls(&account, &caller).await.unwrap();
    let expected = [(2, CallStatus::NoAnswer), (3, CallStatus::Unknown)];
    let expected = expected.map(|(number, status)| ChildCall {
        sid: sid("CA", number),
        status,
        to: None,
        duration: Duration::ZERO,
        created_at: None,
    });
    assert_eq!(legs, expected);
    assert!(client.hang_up(&account, &caller).await.unwrap());
    let gone = client.hang_up(&account, &sid("CA", 9)).await;
    assert!(!gone.unwrap(), "there is nothing to end");
}

#[tokio::test]
async fn a_call_says_who_was_rung_for_its_caller_and_what_was_recorded() {
    const CHILDREN: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Calls.json\
         ?ParentCallSid=CA00000000000000000000000000000001&PageSize=100";
    const RECORDINGS: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001\
         /Calls/CA00000000000000000000000000000001/Recordings.json?PageSize=100";
    let created = "Fri, 02 Jan 2026 03:04:05 +0000";
    let children = json!({"calls": [
        {"sid": sid::<CallSid>("CA", 2), "status": "completed", "to": "+14155550100", "duration": "75",
         "date_created": created},
        // The specification has null and empty where nobody picked up.
        {"sid": sid::<CallSid>("CA", 3), "status": "busy", "to": "sip:a@example.com", "duration": null,
         "date_created": ""},
        {"sid": sid::<CallSid>("CA", 4), "status": "canceled", "to": null, "duration": ""},
    ]});
    let recording = |number: u32, source: &str, duration: &str| {
        json!({"sid": format!("RE{number:032x}"), "source": source, "duration": duration,
               "date_created": created})
    };
    let recordings = json!({"recordings": [
        recording(1, "RecordVerb", "12"),
        recording(2, "RecordVerb", "1"),
        recording(3, "DialVerb", "75"),
        {"sid": format!("RE{:032x}", 4), "source": null, "duration": null},
    ]});
    let client = client([
        (CHILDREN, ok(children.to_string())),
        (RECORDINGS, ok(recordings.to_string())),
    ]);
    let (account, caller) = (sid("AC", 1), sid("CA", 1));
    let children = client.child_calls(&account, &caller).await.unwrap();
    assert!(!format!("{children:?}").contains("4155550"));
    let at = "2026-01-02T03:04:05Z".parse().ok();
    let expected = [
        (CallStatus::Completed, "+14155550100".parse().ok(), 75, at),
        (CallStatus::Busy, None, 0, None),
        (CallStatus::Canceled, None, 0, None),
    ];
    let said = children.iter().map(|call| {
        (
            call.status,
            call.to,
            call.duration.as_secs(),
            call.created_at,
        )
    });
    assert_eq!(said.collect::<Vec<_>>(), expected);

    let recordings = client.recordings(&account, &caller).await.unwrap();
    let messages: Vec<_> = recordings.iter().map(Recording::is_message).collect();
    assert_eq!(messages, [true, false, false, false]);
    assert_eq!(recordings[0].duration, Duration::from_secs(12));
    assert_eq!(recordings[0].created_at, at);
    // A call that Twilio doesn't know is no call without recordings.
    assert!(client.recordings(&account, &sid("CA", 9)).await.is_err());
}

/// The `Retry-After` of an answer with these headers.
async fn retry_after(headers: &[(&str, &str)]) -> Option<Duration> {
    let mut answer = http::Response::builder().status(429);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    let client = client([(CALL, answer.body(String::new()).unwrap())]);
    let error = client
        .update_call(&sid("AC", 1), &sid("CA", 1), Instructions::Url("https://x"))
        .await
        .unwrap_err();
    error.refusal().unwrap().retry_after
}

#[tokio::test]
async fn no_retry_after_is_too_odd() {
    const DATE: (&str, &str) = ("Date", "Fri, 02 Jan 2026 03:04:05 GMT");
    let seconds = |count| Some(Duration::from_secs(count));
    for (value, wanted) in [
        ("3", seconds(3)),
        ("0", seconds(0)),
        ("18446744073709551615", seconds(86_400)),
        ("99999999999999999999999999", seconds(86_400)),
        ("Fri, 02 Jan 2026 03:05:05 GMT", seconds(60)),
        ("Fri, 02 Jan 2026 03:03:05 GMT", seconds(0)),
        ("Fri, 01 Jan 2100 00:00:00 GMT", seconds(86_400)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("-1", None),
        ("soon", None),
        ("", None),
    ] {
        let wait = retry_after(&[DATE, ("Retry-After", value)]).await;
        assert_eq!(wait, wanted, "{value:?}");
    }
    let undated = retry_after(&[("Retry-After", "Fri, 02 Jan 2026 03:05:05 GMT")]).await;
    assert_eq!(undated, None, "our own clock may be wrong");
}

#[tokio::test]
async fn the_observer_hears_twilios_time() {
    let heard: Arc<Mutex<Vec<Exchange>>> = Arc::default();
    let observer = Arc::clone(&heard);
    let answer = http::Response::builder().header("Date", "Fri, 02 Jan 2026 03:04:05 GMT");
    let body = json!({"status": "in-progress"}).to_string();
    let client =
        client([(CALL, answer.body(body).unwrap())]).observed_by(Arc::new(move |exchange| {
            observer.lock().unwrap().push(exchange)
        }));
    client
        .call_status(&sid("AC", 1), &sid("CA", 1))
        .await
        .unwrap();
    client
        .call_status(&sid("AC", 1), &sid("CA", 2))
        .await
        .unwrap();
    let heard = heard.lock().unwrap();
    let dates: Vec<_> = heard.iter().map(|exchange| exchange.date).collect();
    assert_eq!(dates, [Some("2026-01-02T03:04:05Z".parse().unwrap()), None]);
}
