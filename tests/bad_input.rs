//! Whatever is sent to ingest: a clear answer, never a 5xx, never a panic, never a message queued.

#![allow(clippy::unwrap_used, reason = "tests")]

use tests::{Backend, Stack, StackOptions, http};
use twilio::{AuthToken, FormParams, sign_body, sign_form};

const SID: &str = "00000000000000000000000000000001";

/// A good event's form but for `parameter`.
fn form(stack: &Stack, parameter: &str, value: Option<&str>) -> String {
    let sid = |prefix: &str| format!("{prefix}{SID}");
    let mut pairs = vec![
        ("EventType", "task-queue.entered".to_owned()),
        ("Sid", sid("EV")),
        ("AccountSid", stack.simulator.account_sid().to_string()),
        ("WorkspaceSid", sid("WS")),
        ("TaskSid", sid("WT")),
        (
            "TaskAttributes",
            format!(r#"{{"call_sid":"{}"}}"#, sid("CA")),
        ),
        ("TaskQueueSid", stack.simulator.placeholder().to_string()),
        ("WorkflowSid", sid("WW")),
        ("TimestampMs", "1692816604478".to_owned()),
    ];
    pairs.retain(|(name, _)| *name != parameter);
    pairs.extend(value.map(|value| (parameter, value.to_owned())));
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

async fn post(url: &str, body: Vec<u8>, signature: Option<&[u8]>) -> (u16, String) {
    let mut request = http()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    if let Some(signature) = signature {
        request = request.header("X-Twilio-Signature", signature);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Nobody takes what is queued.
async fn only_ingest() -> Stack {
    let options = StackOptions {
        redirectors: 0,
        ..StackOptions::default()
    };
    Stack::start(Backend::Sqlite, options).await
}

#[tokio::test]
async fn every_malformed_request_gets_its_answer_and_none_is_queued() {
    let stack = only_ingest().await;
    let token = AuthToken::new(stack.simulator.auth_token());
    let url = &stack.callback_urls[0];

    let deep =
        |open: &str, close: &str| format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
    let mebibyte = format!(r#"{{"x":"{}"}}"#, "a".repeat(1024 * 1024));
    let signed_forms: Vec<(&str, Option<&str>, u16)> = vec![
        ("EventType", None, 400),
        ("EventType", Some(""), 400),
        ("EventType", Some("worker.activity.update"), 204),
        (
            "AccountSid",
            Some("AC0000000000000000000000000000000g"),
            400,
        ),
        (
            "AccountSid",
            Some("AC00000000000000000000000000000002"),
            403,
        ),
        ("WorkspaceSid", Some("\u{0}"), 400),
        ("TaskSid", Some("WT0000000000000000000000000000000é"), 400),
        (
            "TaskQueueSid",
            Some("WQ00000000000000000000000000000009"),
            204,
        ),
        ("TaskQueueSid", None, 400),
        ("TaskAttributes", None, 204),
        ("TaskAttributes", Some("null"), 204),
        ("TaskAttributes", Some("[]"), 204),
        ("TaskAttributes", Some("\"CA\""), 204),
        ("TaskAttributes", Some("{}"), 204),
        ("TaskAttributes", Some("{"), 400),
        ("TaskAttributes", Some("\u{feff}{}"), 400),
        ("TaskAttributes", Some(r#"{"call_sid":7}"#), 400),
        ("TaskAttributes", Some(r#"{"call_sid":"CA1"}"#), 400),
        (
            "TaskAttributes",
            Some(r#"{"call_sid":["CA00000000000000000000000000000001"]}"#),
            400,
        ),
        ("TaskAttributes", Some(&mebibyte), 413),
    ];
    for (parameter, value, wanted) in signed_forms {
        let body = form(&stack, parameter, value);
        let signature = sign_form(&token, url, &FormParams::parse(body.as_bytes()));
        let (status, answer) = post(url, body.into_bytes(), Some(signature.as_bytes())).await;
        let shown: String = value.unwrap_or("(missing)").chars().take(40).collect();
        assert_eq!(status, wanted, "{parameter}={shown}: {answer}");
        if wanted == 400 {
            assert_eq!(answer.trim_end().lines().count(), 1, "{answer}");
            assert!(answer.contains(parameter), "{parameter}={shown}: {answer}");
        }
    }
    for nested in [deep("[", "]"), format!(r#"{{"a":{}}}"#, deep("[", "]"))] {
        let body = form(&stack, "TaskAttributes", Some(&nested));
        let signature = sign_form(&token, url, &FormParams::parse(body.as_bytes()));
        let (status, answer) = post(url, body.into_bytes(), Some(signature.as_bytes())).await;
        assert_eq!(status, 204, "a task without a call, however deep: {answer}");
    }

    // Encodings and bodies that are no form at all.
    for body in [
        &b""[..],
        b"%",
        b"%zz=%f",
        b"\xff\xfe\x00",
        b"a=b;c",
        b"{\"EventType\":1}",
        &[b'&'; 5000],
    ] {
        let signature = sign_form(&token, url, &FormParams::parse(body));
        let (status, answer) = post(url, body.to_vec(), Some(signature.as_bytes())).await;
        assert_eq!(status, 400, "{answer}");
        let (status, _) = post(url, body.to_vec(), None).await;
        assert_eq!(status, 403);
    }

    // Headers.
    let good = form(&stack, "X", None).into_bytes();
    let signature = sign_form(&token, url, &FormParams::parse(&good));
    for header in [
        &b""[..],
        b"=",
        b"AAAA",
        b"\xff\xff",
        &[b'A'; 4000],
        &signature.as_bytes()[1..],
    ] {
        let (status, answer) = post(url, good.clone(), Some(header)).await;
        assert_eq!((status, answer.as_str()), (403, "signature refused\n"));
    }

    // Event Streams.
    let stream_url = url.replace("/events", "/event-stream");
    for (body, wanted) in [
        (&b""[..], 400),
        (b"{}", 400),
        (b"[]", 204),
        (b"[{}]", 400),
        (
            b"[{\"type\":\"com.twilio.taskrouter.task-queue.entered\",\"data\":7}]",
            400,
        ),
        (b"[{\"type\":\"com.twilio.voice\"}]", 204),
        (
            b"[{\"type\":\"com.twilio.voice\",\"x\":\"\\ud83d\",\"y\":1e999}]",
            204,
        ),
        (b"\xff", 400),
        (deep("[", "]").as_bytes(), 400),
    ] {
        let (signed_url, signature) = sign_body(&token, &stream_url, body);
        let (status, answer) = post(&signed_url, body.to_vec(), Some(signature.as_bytes())).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
        assert_eq!(status, wanted, "{shown}: {answer}");
        let (status, _) = post(&stream_url, body.to_vec(), Some(signature.as_bytes())).await;
        assert_eq!(status, 403, "without the hash of the body");
    }

    // Methods and paths that are none of ours.
    for (method, path, wanted) in [
        ("GET", "/taskrouter/events", 405),
        ("POST", "/", 404),
        ("POST", "/taskrouter/events/", 404),
        ("GET", "/twiml/redirect", 403),
        ("GET", "/metrics", 404),
    ] {
        let url = url.replace("/taskrouter/events", path);
        let answer = http()
            .request(method.parse().unwrap(), url)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), wanted, "{method} {path}");
    }

    let queue = stack.queue().await;
    assert_eq!(queue.stats().await.unwrap().ready, 0);
    // And it still works, also without what an event can do without.
    for (count, parameter) in ["X", "Sid", "WorkflowSid"].into_iter().enumerate() {
        let body = form(&stack, parameter, None).into_bytes();
        let signature = sign_form(&token, url, &FormParams::parse(&body));
        let (status, _) = post(url, body.clone(), Some(signature.as_bytes())).await;
        assert_eq!(status, 204, "without {parameter}");
        assert_eq!(queue.stats().await.unwrap().ready, count as u64 + 1);
    }
    let log = stack.ingests[0].logged("queued").await;
    assert!(!log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn a_caller_in_conversation_is_left_alone_counted_and_warned_of_once() {
    let stack = only_ingest().await;
    let token = AuthToken::new(stack.simulator.auth_token());
    let url = &stack.callback_urls[0];
    let attributes = format!(r#"{{"call_sid":"CA{SID}","conference":{{"sid":"CF{SID}"}}}}"#);
    let body = form(&stack, "TaskAttributes", Some(&attributes));
    let signature = sign_form(&token, url, &FormParams::parse(body.as_bytes()));
    for _ in 0..2 {
        let (status, _) = post(url, body.clone().into_bytes(), Some(signature.as_bytes())).await;
        assert_eq!(status, 204);
    }
    assert_eq!(stack.queue().await.stats().await.unwrap().ready, 0);
    let ingest = &stack.ingests[0];
    let counted = r#"overflow_ingest_events_total{outcome="conference"}"#;
    assert_eq!(ingest.metric(counted).await, 2.0);
    let told = "has been talked to";
    assert_eq!(ingest.logged(told).await.matches(told).count(), 1);
}

#[tokio::test]
async fn callers_without_a_number_are_redirected_and_warned_of_once() {
    let stack = only_ingest().await;
    let token = AuthToken::new(stack.simulator.auth_token());
    let url = &stack.callback_urls[0];
    for from in ["+14155550123", "client:alice", "sip:bob@example.com"] {
        let attributes = format!(r#"{{"call_sid":"CA{SID}","from":"{from}"}}"#);
        let body = form(&stack, "TaskAttributes", Some(&attributes));
        let signature = sign_form(&token, url, &FormParams::parse(body.as_bytes()));
        let (status, _) = post(url, body.into_bytes(), Some(signature.as_bytes())).await;
        assert_eq!(status, 204);
    }
    assert_eq!(stack.queue().await.stats().await.unwrap().ready, 3);
    let told = "set FORWARD_CALLER_ID";
    let log = stack.ingests[0].logged(told).await;
    assert_eq!(log.matches(told).count(), 1, "{log}");
    assert!(!log.contains("alice"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_doctor_tries_is_refused_and_does_not_count_as_forged() {
    let stack = only_ingest().await;
    let public_url = stack.callback_urls[0].split("/taskrouter").next().unwrap();
    let doctor = stack.run("overflow", &["doctor", "--public-url", public_url]);
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(said.contains("✓ signatures"), "{said}");
    let ingest = &stack.ingests[0];
    let count = async |outcome: &str| {
        let series = format!("overflow_ingest_events_total{{outcome=\"{outcome}\"}}");
        ingest.metric(&series).await
    };
    assert!(count("refused_probe").await > 0.0);
    assert!(count("forged").await == 0.0, "{}", ingest.log());
    let signed_by_nobody = b"EventType=task-queue.entered".to_vec();
    post(&stack.callback_urls[0], signed_by_nobody, None).await;
    assert!(count("forged").await > 0.0);
}
