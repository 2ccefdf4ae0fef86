//! Callbacks arrive as Twilio sends them: retried by its rules, duplicated, dropped or forged on
//! demand.

use std::time::Duration;

use crate::support::{Receiver, Reply, start, waiting};
use serde_json::Value;
use simulator::{
    CallbackFault, CallbackOutcome, CallbackRule, Config, EventKind, PlaceCall, Simulator, Speed,
    Story, Transport, When,
};

async fn sending_to(url: String) -> Simulator {
    start(Config {
        seed: Some(7),
        speed: Speed::new(500.0).unwrap(),
        callback_url: Some(url),
        events_filter: Some("task-queue.entered".into()),
        ..Config::default()
    })
    .await
}

fn outcomes(simulator: &Simulator) -> Vec<CallbackOutcome> {
    let journal = simulator.journal();
    journal.callbacks().map(|record| record.outcome).collect()
}

#[tokio::test]
async fn without_overrides_an_error_answer_is_not_retried() {
    let receiver = Receiver::start().await;
    receiver.will([Reply::Status(503)]);
    let simulator = sending_to(receiver.url("/")).await;
    waiting(&simulator);
    waiting(&simulator);
    simulator
        .wait_until(|state| state.journal().callback_count() == 2)
        .await;
    let statuses: Vec<_> = outcomes(&simulator)
        .into_iter()
        .filter_map(CallbackOutcome::status)
        .collect();
    assert!(statuses.contains(&503) && statuses.contains(&204));
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn overrides_make_twilio_try_again_with_the_same_token_and_sid() {
    let receiver = Receiver::start().await;
    receiver.will([Reply::Status(503), Reply::Status(403), Reply::Hang]);
    let url = receiver.url("/events#rc=5&rp=all&ct=2000&rt=1500");
    let simulator = sending_to(url).await;
    let mut story = simulator.story();
    waiting(&simulator);
    simulator
        .wait_until(|state| state.journal().callback_count() == 4)
        .await;
    let expected = [
        CallbackOutcome::Answered(503),
        CallbackOutcome::Answered(403),
        CallbackOutcome::TimedOut,
        CallbackOutcome::Answered(204),
    ];
    assert_eq!(outcomes(&simulator), expected);
    let received = receiver.received();
    let same = |of: &dyn Fn(usize) -> Option<String>| {
        assert!(of(0).is_some());
        assert!((1..4).all(|index| of(index) == of(0)));
    };
    let token = "i-twilio-idempotency-token";
    same(&|index| received[index].header(token).map(str::to_owned));
    same(&|index| received[index].param("Sid"));
    assert!(
        received
            .iter()
            .all(|r| r.is_signed_form(simulator.auth_token(), &receiver.url("/events")))
    );

    let mut attempts = Vec::new();
    while let Ok(moment) = story.try_recv() {
        if let Story::Callback(record) = moment.story {
            attempts.push(record.attempt);
        }
    }
    assert_eq!(attempts, [1, 2, 3, 4]);
}

#[tokio::test]
async fn retries_end_with_their_count() {
    let receiver = Receiver::start().await;
    receiver.will([(); 9].map(|()| Reply::Status(500)));
    let simulator = sending_to(String::new()).await;
    let caller = simulator
        .place_call(PlaceCall::into_placeholder().withholding_events())
        .unwrap();
    let callback = simulator.entered_callback(caller.task_sid).unwrap();
    let callback = callback.to(receiver.url("/#rc=2&rp=5xx"));
    let delivery = simulator.deliver(vec![callback], 1).await[0];
    assert_eq!(delivery.attempts, 3);
    assert_eq!(delivery.outcome, CallbackOutcome::Answered(500));
}

#[tokio::test]
async fn a_refused_connection_is_retried_once_by_default() {
    let gone = Receiver::start().await.url("/");
    let simulator = sending_to(gone).await;
    waiting(&simulator);
    simulator
        .wait_until(|state| state.journal().callback_count() == 2)
        .await;
    assert_eq!(outcomes(&simulator), [CallbackOutcome::NotConnected; 2]);
}

#[tokio::test]
async fn a_dropped_callback_never_arrives() {
    let receiver = Receiver::start().await;
    let simulator = sending_to(receiver.url("/")).await;
    simulator.faults().add_for_callbacks(CallbackRule {
        events: vec![EventKind::TaskQueueEntered],
        fault: CallbackFault::Drop,
        when: When::Next(1),
    });
    waiting(&simulator);
    simulator
        .wait_until(|state| state.journal().callback_count() == 1)
        .await;
    assert_eq!(outcomes(&simulator), [CallbackOutcome::Dropped]);
    let second = waiting(&simulator);
    simulator
        .wait_until(|state| state.journal().callback_count() == 2)
        .await;
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    let task = received[0].param("TaskSid");
    assert_eq!(task.as_deref(), Some(second.task_sid.as_str()));
}

#[tokio::test]
async fn a_duplicated_callback_arrives_twice_with_the_same_sid() {
    let receiver = Receiver::start().await;
    let simulator = sending_to(receiver.url("/")).await;
    let after = Duration::from_millis(50);
    simulator.faults().add_for_callbacks(CallbackRule {
        events: Vec::new(),
        fault: CallbackFault::Duplicate { after },
        when: When::Always,
    });
    waiting(&simulator);
    simulator
        .wait_until(|state| state.journal().callback_count() == 2)
        .await;
    let journal = simulator.journal();
    let mut records: Vec<_> = journal.callbacks().collect();
    records.sort_by_key(|record| record.at);
    assert_eq!(records[0].event, records[1].event);
    assert!(records[1].at - records[0].at >= after / 2);
    let received = receiver.received();
    assert_eq!(received[0].body, received[1].body);
}

#[tokio::test]
async fn a_forged_callback_is_signed_with_another_token() {
    let receiver = Receiver::start().await;
    let simulator = sending_to(receiver.url("/")).await;
    simulator.faults().add_for_callbacks(CallbackRule {
        events: Vec::new(),
        fault: CallbackFault::Forge,
        when: When::Always,
    });
    let caller = waiting(&simulator);
    let callback = simulator.entered_callback(caller.task_sid).unwrap();
    simulator.deliver(vec![callback.clone().forged()], 1).await;
    simulator
        .wait_until(|state| state.journal().callback_count() == 2)
        .await;
    let url = receiver.url("/");
    for received in receiver.received() {
        assert!(!received.is_signed_form(simulator.auth_token(), &url));
    }
    simulator.deliver(vec![callback], 1).await;
    let genuine = receiver.received().pop().unwrap();
    assert!(genuine.is_signed_form(simulator.auth_token(), &url));
}

#[tokio::test]
async fn a_callback_can_come_late() {
    let receiver = Receiver::start().await;
    let simulator = sending_to(receiver.url("/")).await;
    let caller = simulator
        .place_call(PlaceCall::into_placeholder().withholding_events())
        .unwrap();
    let callback = simulator.entered_callback(caller.task_sid).unwrap();
    let hour = Duration::from_secs(3600);
    let callbacks = vec![callback.clone(), callback.backdated(hour)];
    simulator.deliver(callbacks, 1).await;
    let received = receiver.received();
    for (name, expected) in [("Timestamp", 3600), ("TimestampMs", 3_600_000)] {
        let value = |index: usize| -> i64 {
            let text = received[index].param(name).unwrap();
            text.parse().unwrap()
        };
        assert_eq!(value(0) - value(1), expected);
    }
    assert_eq!(received[0].param("Sid"), received[1].param("Sid"));
    let url = receiver.url("/");
    assert!(received[1].is_signed_form(simulator.auth_token(), &url));
}

#[tokio::test]
async fn event_streams_post_an_array_of_one_cloud_event_and_try_until_it_is_taken() {
    let receiver = Receiver::start().await;
    receiver.will([Reply::Status(500)]);
    let simulator = start(Config::default()).await;
    let sink = receiver.url("/taskrouter/event-stream");
    simulator.set_event_stream(Some(&sink), &[EventKind::TaskQueueEntered]);
    let caller = waiting(&simulator);
    simulator
        .wait_until(|state| state.journal().callback_count() == 2)
        .await;
    let expected = [500, 204].map(CallbackOutcome::Answered);
    assert_eq!(outcomes(&simulator), expected);
    for received in receiver.received() {
        assert!(received.is_signed_body(simulator.auth_token(), &sink));
        assert_eq!(received.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_slice(&received.body).unwrap();
        assert_eq!(body.as_array().unwrap().len(), 1);
        let event = &body[0];
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["type"], "com.twilio.taskrouter.task-queue.entered");
        assert_eq!(event["data"]["payload_type"], "application/json");
        let payload = &event["data"]["payload"];
        assert_eq!(payload["eventtype"], "task-queue.entered");
        assert_eq!(payload["sid"], event["id"]);
        assert_eq!(payload["task_sid"], caller.task_sid.as_str());
        assert_eq!(payload["task_queue_sid"], simulator.placeholder().as_str());
        let attributes = payload["task_attributes"].as_str().unwrap();
        assert!(attributes.contains(caller.call_sid.as_str()));
    }
    let journal = simulator.journal();
    assert!(
        journal
            .callbacks()
            .all(|r| r.transport == Transport::EventStream)
    );
}

#[tokio::test]
async fn a_mix_of_many_callbacks_is_delivered_with_bounded_concurrency() {
    let receiver = Receiver::start().await;
    let simulator = sending_to(receiver.url("/")).await;
    let call = PlaceCall::into_placeholder().withholding_events();
    let callers = simulator.place_calls(50, &call).unwrap();
    let mut callbacks: Vec<_> = callers
        .iter()
        .filter_map(|caller| simulator.entered_callback(caller.task_sid))
        .collect();
    let irrelevant = simulator.irrelevant_callbacks(80);
    assert_eq!(irrelevant.len(), 80);
    assert!(
        irrelevant
            .iter()
            .any(|c| c.kind() == EventKind::WorkerActivityUpdate)
    );
    callbacks.extend(irrelevant);
    let sids: Vec<_> = callbacks.iter().map(|callback| callback.event()).collect();
    let deliveries = simulator.deliver(callbacks, 16).await;
    assert!(deliveries.iter().all(|d| d.outcome.is_success()));
    let delivered: Vec<_> = deliveries.iter().map(|delivery| delivery.event).collect();
    assert_eq!(delivered, sids);
    let most = receiver.most_at_a_time();
    assert!((1..=16).contains(&most), "{most} at a time");

    // None of the irrelevant ones says that a call has entered the placeholder queue.
    let relevant = receiver
        .received()
        .iter()
        .filter(|received| {
            received.param("EventType").as_deref() == Some("task-queue.entered")
                && received.param("TaskQueueSid").as_deref()
                    == Some(simulator.placeholder().as_str())
                && received
                    .param("TaskAttributes")
                    .is_some_and(|attributes| attributes.contains("call_sid"))
        })
        .count();
    assert_eq!(relevant, 50);
}
