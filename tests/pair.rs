//! The main job, whole: a caller whom nobody took hears the outside number ring, once.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use rabbitmq::Node;
use simulator::Endpoint;
use simulator::{EventKind, Fault, Loss, PlaceCall, Rule};
use tests::{Backend, NUMBER, Stack, StackOptions};

#[tokio::test]
async fn a_caller_whom_no_agent_takes_is_redirected_once_and_the_task_closed() {
    for backend in Backend::all() {
        let stack = Stack::start(backend, StackOptions::default()).await;
        let caller = stack.simulator.place_call(PlaceCall::default()).unwrap();
        stack
            .expect("a redirect and a closed task", |state| {
                state.journal().redirects(&caller.call_sid) == 1 && state.open_tasks() == 0
            })
            .await;
        let idle = stack.queue_when_idle().await;
        assert_eq!(idle.dead, 0);
        let journal = stack.simulator.journal();
        let heard = journal.caller(&caller.call_sid).unwrap();
        assert!(heard.was_redirected_once(), "{heard:?}");
        let dialled: Vec<_> = heard.dialled().map(|number| number.as_str()).collect();
        assert_eq!(dialled, [NUMBER]);
    }
}

#[tokio::test]
async fn event_streams_redirect_a_caller_too() {
    let stack = Stack::start(Backend::Sqlite, StackOptions::default()).await;
    let sink = stack.callback_urls[0].replace("/events", "/event-stream");
    stack.simulator.set_callback(None);
    stack
        .simulator
        .set_event_stream(Some(&sink), &[EventKind::TaskQueueEntered]);
    let caller = stack.simulator.place_call(PlaceCall::default()).unwrap();
    stack
        .expect("a redirect", |state| {
            state.journal().redirects(&caller.call_sid) == 1
        })
        .await;
}

#[tokio::test]
async fn twilio_may_fetch_the_twiml_from_ingest() {
    let address = tests::free_address();
    let options = StackOptions {
        ingests: 0,
        settings: vec![("TWIML_DELIVERY", format!("http://{address}"))],
        ..StackOptions::default()
    };
    let mut stack = Stack::start(Backend::Sqlite, options).await;
    stack.listen_at(address).await;
    let caller = stack
        .simulator
        .place_call(PlaceCall::into_placeholder())
        .unwrap();
    stack
        .expect("the outside number ringing", |state| {
            let heard = state.journal().caller(&caller.call_sid);
            heard.is_some_and(|heard| heard.dialled().any(|number| number.as_str() == NUMBER))
        })
        .await;
}

#[tokio::test]
async fn a_caller_who_hung_up_is_no_error() {
    let stack = Stack::start(
        Backend::Sqlite,
        StackOptions {
            redirectors: 0,
            ..StackOptions::default()
        },
    )
    .await;
    let caller = stack
        .simulator
        .place_call(PlaceCall::into_placeholder())
        .unwrap();
    stack
        .expect("the callback", |state| {
            state
                .journal()
                .callbacks()
                .any(|sent| sent.kind == EventKind::TaskQueueEntered && sent.outcome.is_success())
        })
        .await;
    assert!(stack.simulator.hang_up(caller.call_sid));
    let _redirector = stack.start_redirector().await;
    assert_eq!(stack.queue_when_idle().await.dead, 0);
    assert_eq!(stack.simulator.redirects(caller.call_sid), 0);
}

#[tokio::test]
async fn an_answer_that_was_lost_redirects_nobody_twice() {
    for loss in [Loss::Reset, Loss::Close] {
        let options = StackOptions {
            settings: vec![("TWILIO_LATE", "1s".to_owned())],
            ..StackOptions::default()
        };
        let stack = Stack::start(Backend::Sqlite, options).await;
        stack
            .simulator
            .faults()
            .add(Rule::on([Endpoint::UpdateCall], Fault::LoseAnswer(loss)).next(1));
        let caller = stack
            .simulator
            .place_call(PlaceCall::into_placeholder())
            .unwrap();
        stack
            .expect("a closed task", |state| {
                state.journal().redirects(&caller.call_sid) > 0 && state.open_tasks() == 0
            })
            .await;
        assert_eq!(stack.queue_when_idle().await.dead, 0);
        let journal = stack.simulator.journal();
        let heard = journal.caller(&caller.call_sid).unwrap();
        assert!(heard.was_redirected_once(), "{heard:?}");
    }
}

#[tokio::test]
async fn a_callback_that_comes_twice_redirects_once() {
    let options = StackOptions {
        ingests: 2,
        redirectors: 2,
        ..StackOptions::default()
    };
    for backend in Backend::all() {
        let stack = Stack::start(
            backend,
            StackOptions {
                settings: options.settings.clone(),
                ingests: options.ingests,
                redirectors: options.redirectors,
                ..StackOptions::default()
            },
        )
        .await;
        let callers = stack
            .simulator
            .place_calls(40, &PlaceCall::into_placeholder().withholding_events())
            .unwrap();
        // Both copies of each at once, to different processes.
        let copies = callers
            .iter()
            .flat_map(|caller| {
                let callback = stack.simulator.entered_callback(caller.task_sid).unwrap();
                stack
                    .callback_urls
                    .iter()
                    .map(move |url| callback.clone().to(url))
            })
            .collect();
        let delivered = stack.simulator.deliver(copies, 16).await;
        assert!(
            delivered
                .iter()
                .all(|delivery| delivery.outcome.is_success())
        );
        stack
            .expect("all redirected", |state| {
                state.callers_still_waiting().is_empty()
            })
            .await;
        assert_eq!(stack.queue_when_idle().await.dead, 0);
        let journal = stack.simulator.journal();
        for caller in callers {
            let heard = journal.caller(&caller.call_sid).unwrap();
            assert!(heard.was_redirected_once(), "{heard:?}");
        }
    }
}

#[tokio::test]
async fn a_process_says_by_itself_whether_its_running_twin_is_ready() {
    let mut stack = Stack::start(Backend::Sqlite, StackOptions::default()).await;
    for process in stack.ingests.iter_mut().chain(&mut stack.redirectors) {
        assert_eq!(process.health().code(), Some(0));
        process.kill();
        assert_eq!(process.health().code(), Some(1));
    }
}

#[tokio::test]
async fn the_broker_may_be_behind_tls_and_must_be_who_it_says() {
    let node = Node::shared();
    let over_tls = |settings| StackOptions {
        ingest_queue: Some(node.tls_url()),
        redirector_queue: Some(node.tls_url()),
        settings,
        ..StackOptions::default()
    };
    let certificate = node.certificate().display().to_string();
    let trusting = over_tls(vec![("SSL_CERT_FILE", certificate)]);
    let stack = Stack::start(Backend::Amqp(node), trusting).await;
    let caller = stack
        .simulator
        .place_call(PlaceCall::into_placeholder())
        .unwrap();
    stack
        .expect("a redirect", |state| {
            state.journal().redirects(&caller.call_sid) == 1
        })
        .await;
    assert_eq!(stack.redirectors[0].health().code(), Some(0));

    let wary = Stack::start(Backend::Amqp(node), over_tls(Vec::new())).await;
    let redirector = &wary.redirectors[0];
    let refused = tokio::time::timeout(Duration::from_secs(60), async {
        while !redirector.log().contains("certificate") {
            // A line of a log can't be awaited.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(refused.await.is_ok(), "{}", redirector.log());
    assert_eq!(redirector.get("/readyz").await.unwrap().0, 503);
}
