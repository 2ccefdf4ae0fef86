//! What is done for each callback and each redirect, by itself: `cargo bench -p twilio`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark, and criterion's macros")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use twilio::E164;
use twilio::twiml::{Response, Verb};
use twilio::{
    AuthToken, FormParams, SignatureVerifier, SignedUrl, TaskAttributes, TaskRouterEvent, sign_form,
};

const URL: &str = "https://overflow.example.com/taskrouter/events";

const ATTRIBUTES: &str = r#"{"from_country":"US","called":"+14155550100","to_country":"US","to_city":"SAN FRANCISCO","to_state":"CA","caller_country":"US","call_status":"in-progress","call_sid":"CA0123456789abcdef0123456789abcdef","account_sid":"AC0123456789abcdef0123456789abcdef","from_zip":"94105","from":"+14155550123","direction":"inbound","called_zip":"94103","caller_state":"CA","to_zip":"94103","called_country":"US","from_city":"SAN FRANCISCO","called_city":"SAN FRANCISCO","caller_zip":"94105","api_version":"2010-04-01","called_state":"CA","from_state":"CA","caller":"+14155550123","caller_city":"SAN FRANCISCO","to":"+14155550100"}"#;

/// As TaskRouter sends it, but for some of the less telling parameters.
const PARAMETERS: [(&str, &str); 21] = [
    ("EventType", "task-queue.entered"),
    ("Sid", "EV0123456789abcdef0123456789abcdef"),
    ("AccountSid", "AC0123456789abcdef0123456789abcdef"),
    ("WorkspaceSid", "WS0123456789abcdef0123456789abcdef"),
    ("WorkspaceName", "Flex Task Assignment"),
    ("Timestamp", "1790000000"),
    ("TimestampMs", "1790000000123"),
    ("ResourceType", "task"),
    ("ResourceSid", "WT0123456789abcdef0123456789abcdef"),
    (
        "EventDescription",
        "Task entered TaskQueue Call Redirection",
    ),
    ("TaskSid", "WT0123456789abcdef0123456789abcdef"),
    ("TaskAttributes", ATTRIBUTES),
    ("TaskAge", "20"),
    ("TaskPriority", "0"),
    ("TaskAssignmentStatus", "pending"),
    ("TaskChannelUniqueName", "voice"),
    ("TaskQueueSid", "WQ0123456789abcdef0123456789abcdef"),
    ("TaskQueueName", "Call Redirection"),
    ("TaskQueueTargetExpression", "1==2"),
    ("WorkflowSid", "WW0123456789abcdef0123456789abcdef"),
    ("WorkflowName", "Assign to Anyone"),
];

fn callback(criterion: &mut Criterion) {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(PARAMETERS)
        .finish();
    let body = body.as_bytes();
    let params = FormParams::parse(body);
    let token = AuthToken::new("0123456789abcdef0123456789abcdef");
    let signature = sign_form(&token, URL, &params);
    let verifier = SignatureVerifier::new([token]);
    let url = SignedUrl::new(URL);
    let read = || TaskRouterEvent::from_form(&params).unwrap().unwrap();
    assert!(read().attributes.call_sid.is_some());

    let mut group = criterion.benchmark_group("callback");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("decode", |b| b.iter(|| FormParams::parse(black_box(body))));
    group.bench_function("decode, as the library does", |b| {
        b.iter(|| form_urlencoded::parse(black_box(body)).collect::<Vec<_>>());
    });
    group.bench_function("verify", |b| {
        b.iter(|| verifier.verify_form(&url, None, black_box(&params), Some(&signature)));
    });
    group.bench_function("read", |b| b.iter(read));
    group.bench_function("read the attributes", |b| {
        b.iter(|| TaskAttributes::parse(black_box(ATTRIBUTES)));
    });
    group.finish();
}

fn twiml(criterion: &mut Criterion) {
    let number: E164 = "+14155550100".parse().unwrap();
    let response = Response(vec![Verb::Dial(number.into())]);
    criterion.bench_function("TwiML", |b| b.iter(|| black_box(&response).to_twiml()));
}

criterion_group!(benches, callback, twiml);
criterion_main!(benches);
