//! One trace leads from a callback through the queue to Twilio's answer.

#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;
use simulator::PlaceCall;
use tests::collector::{Collector, Span, SpanKind};
use tests::{Backend, NUMBER, Stack, StackOptions, free_address};

const CALLER: &str = "+14155550123";

#[tokio::test]
async fn one_trace_leads_from_the_callback_to_twilios_answer() {
    for backend in Backend::all() {
        let collector = Collector::start().await;
        let mut stack = Stack::start(backend, exporting_to(collector.url())).await;
        let caller = redirect(&stack).await;
        let redirector = stack.redirectors.remove(0);
        let log = redirector.logged("redirected").await;
        // Nothing is exported before a stop, so that what arrives shows that a stop loses none.
        assert!(collector.spans().is_empty());
        assert!(redirector.stop().await.success());
        assert!(stack.ingests.remove(0).stop().await.success());

        let spans = collector.spans();
        let publish = the(&spans, |span| {
            span.kind == SpanKind::Producer && span.attribute("call_sid").as_ref() == Some(&caller)
        });
        let callback = the(&spans, |span| span.id == publish.parent);
        assert_eq!(callback.kind, SpanKind::Server);
        assert_eq!(callback.name, "POST /taskrouter/events");
        assert_eq!(callback.attribute("outcome").unwrap(), "queued");
        assert!(callback.parent.is_empty());
        assert_eq!(callback.service, "ingest");

        let process = the(&spans, |span| span.parent == publish.id);
        assert_eq!(process.kind, SpanKind::Consumer);
        assert_eq!(process.service, "redirector");
        assert_eq!(process.attribute("outcome").unwrap(), "redirected");
        assert!(
            process.events.iter().any(|event| event == "redirected"),
            "{process:?}"
        );

        let update = the(&spans, |span| {
            span.parent == process.id && span.name == "UpdateCall"
        });
        assert_eq!(update.kind, SpanKind::Client);
        assert_eq!(
            update.attribute("http.response.status_code").unwrap(),
            "200"
        );
        assert!(
            update
                .attribute("twilio.request_id")
                .unwrap()
                .starts_with("RQ")
        );

        for span in [callback, process, update] {
            assert_eq!(span.trace_id, publish.trace_id);
        }
        assert!(
            log.contains(&publish.trace_id),
            "the log names the trace: {log}"
        );
        say_nothing_of_numbers(&collector);
    }
}

/// The line with this message, read.
fn line(log: &str, message: &str) -> Value {
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut lines = lines.filter(|line: &Value| line["message"] == message);
    let line = lines.next().unwrap();
    assert_eq!(lines.count(), 0, "{message} is told once");
    line
}

#[tokio::test]
async fn both_services_name_a_caller_at_the_same_place() {
    let mut stack = Stack::start(Backend::Sqlite, StackOptions::default()).await;
    let caller = redirect(&stack).await;
    let ingest = stack.ingests[0].logged("queued").await;
    let redirector = stack.redirectors.remove(0);
    let redirector = redirector.logged("\"redirected\"").await;
    let (queued, redirected) = (line(&ingest, "queued"), line(&redirector, "redirected"));
    for name in ["call_sid", "task_sid", "event_sid", "trace_id"] {
        assert_eq!(queued["span"][name], redirected["span"][name], "{name}");
    }
    assert_eq!(queued["span"]["call_sid"], caller.as_str());
    for time in [&queued["durable_in_ms"], &redirected["after_ms"]] {
        let tenths = time.as_f64().unwrap() * 10.0;
        assert!((tenths - tenths.round()).abs() < 1e-6, "{time}");
    }
}

#[tokio::test]
async fn a_swept_caller_has_a_trace_and_is_named_whatever_is_logged() {
    let settings = [
        ("SWEEP_INTERVAL", "200ms"),
        ("SWEEP_GRACE", "100ms"),
        ("LOG_LEVEL", "warn,redirector::delivery=info"),
    ];
    let mut stack = Stack::start(
        Backend::Sqlite,
        StackOptions {
            settings: settings.map(|(name, value)| (name, value.into())).into(),
            ..StackOptions::default()
        },
    )
    .await;
    let call = PlaceCall::into_placeholder().withholding_events();
    let caller = stack.simulator.place_call(call).unwrap();
    let redirector = stack.redirectors.remove(0);
    let log = redirector.logged("\"redirected\"").await;
    let found =
        "found a waiting caller whom no redirector is working on: a request was put on the queue";
    let (found, redirected) = (line(&log, found), line(&log, "redirected"));
    for told in [&found, &redirected] {
        assert_eq!(told["span"]["call_sid"], caller.call_sid.as_str());
        assert_eq!(told["span"]["trace_id"].as_str().unwrap().len(), 32);
    }
    assert_eq!(found["span"]["trace_id"], redirected["span"]["trace_id"]);
}

#[tokio::test]
async fn a_collector_that_is_away_costs_no_caller() {
    let nobody = format!("http://{}", free_address());
    let mut stack = Stack::start(Backend::Sqlite, exporting_to(nobody)).await;
    redirect(&stack).await;
    assert!(stack.redirectors.remove(0).stop().await.success());
    assert!(stack.ingests.remove(0).stop().await.success());
}

fn exporting_to(url: String) -> StackOptions {
    StackOptions {
        settings: vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url),
            ("OTEL_BSP_SCHEDULE_DELAY", "3600000".to_owned()),
        ],
        ..StackOptions::default()
    }
}

/// The call SID of a caller who was redirected, and whose task is closed.
async fn redirect(stack: &Stack) -> String {
    let call = PlaceCall {
        from: Some(CALLER.parse().unwrap()),
        ..PlaceCall::into_placeholder()
    };
    let caller = stack.simulator.place_call(call).unwrap();
    stack
        .expect("a redirect and a closed task", |state| {
            state.journal().redirects(&caller.call_sid) == 1 && state.open_tasks() == 0
        })
        .await;
    stack.queue_when_idle().await;
    caller.call_sid.to_string()
}

fn the(spans: &[Span], is_it: impl Fn(&Span) -> bool) -> &Span {
    let found: Vec<_> = spans.iter().filter(|span| is_it(span)).collect();
    assert_eq!(found.len(), 1, "{found:?} of {spans:?}");
    found[0]
}

fn say_nothing_of_numbers(collector: &Collector) {
    for number in [CALLER, NUMBER] {
        let digits = number.trim_start_matches('+').as_bytes();
        for bytes in collector.bytes() {
            assert!(!bytes.windows(digits.len()).any(|part| part == digits));
        }
    }
}
