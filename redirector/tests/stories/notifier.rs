//! Who is told what became of callers: real receivers that are well, slow, wrong or away, a redirector
//! and the queue between.

use std::time::{Duration, Instant};

use crate::office::{NUMBER, Office, PATIENCE, Receiver, TOKEN};
use futures::FutureExt;
use queue::{Content, Filter, Lane, Outcome, Reason};
use simulator::{Endpoint, Fault, Rule};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_receiver_gets_the_outcome_and_what_it_means_in_words() {
    let mut receiver = Receiver::start().await;
    let office = Office::open(&[("sales", &receiver.plan())], &[]).await;
    let outcome = office.missed("sales");
    office.notify(&outcome).await;
    let request = receiver.next().await;
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("webhook-id"), outcome.id);
    assert!(request.header("webhook-signature").starts_with("v1,"));
    let call = outcome.call_sid;
    let text = format!(
        "\"text\":\"A caller of plan sales was missed: nobody answered (step 2.1). Call {call}.\""
    );
    assert!(request.body.contains(&text), "{}", request.body);
    // A receiver reads the outcome as it is published elsewhere.
    let read = queue::RawMessage {
        body: request.body.clone().into_bytes(),
        ..queue::Message::from(Content::Notify(outcome.clone())).encode()
    };
    assert_eq!(read.content().unwrap(), Content::Notify(outcome));
    assert!(!request.body.contains(NUMBER), "nobody asked for it");
    request.answer(204);
    assert!(office.dead_letters().await.is_empty());
    let metrics = office.closed().await;
    let told = "overflow_notifications_total{plan=\"sales\",result=\"told\"} 1";
    assert!(metrics.contains(told), "{metrics}");
    assert!(metrics.contains("overflow_notification_seconds_count{plan=\"sales\"} 1"));
}

#[tokio::test]
async fn one_that_fails_is_told_again_as_the_same() {
    let mut receiver = Receiver::start().await;
    let office = Office::open(&[("sales", &receiver.plan())], &[]).await;
    let outcome = office.missed("sales");
    office.notify(&outcome).await;
    for status in [500, 503, 408, 200] {
        let request = receiver.next().await;
        assert_eq!(request.header("webhook-id"), outcome.id);
        request.answer(status);
    }
    assert!(office.dead_letters().await.is_empty());
    assert!(receiver.heard_no_more());
    office.closed().await;
}

#[tokio::test]
async fn one_that_asks_for_time_gets_it_for_all_that_it_is_to_be_told() {
    let mut receiver = Receiver::start().await;
    let office = Office::open(&[("sales", &receiver.plan())], &[]).await;
    office.notify(&office.missed("sales")).await;
    let busy = receiver.next().await;
    let asked = Instant::now();
    busy.answer_with(429, [("retry-after", "1")]);
    let first = receiver.next().await;
    assert!(asked.elapsed() >= Duration::from_secs(1));
    // Now that one finds out how the receiver is, and another one waits for that.
    office.notify(&office.missed("sales")).await;
    let asked = Instant::now();
    first.answer_with(429, [("retry-after", "1")]);
    for _ in 0..2 {
        receiver.next().await.answer(200);
        assert!(asked.elapsed() >= Duration::from_secs(1));
    }
    assert!(office.dead_letters().await.is_empty());
    office.closed().await;
}

#[tokio::test]
async fn one_that_says_no_for_good_is_told_no_more() {
    let mut receiver = Receiver::start().await;
    let office = Office::open(&[("sales", &receiver.plan())], &[]).await;
    let elsewhere = format!("https://example.com/{TOKEN}");
    for (status, says) in [
        (302, "answers with a redirect, which is not followed"),
        (400, "refuses it (it answered 400)"),
        (404, "refuses it (it answered 404)"),
        (410, "wants to be told no more (it answered 410)"),
    ] {
        office.notify(&office.missed("sales")).await;
        let request = receiver.next().await;
        request.answer_with(status, [("location", &elsewhere)]);
        let letters = office.dead_letters().await;
        let cause = &letters.last().unwrap().cause;
        assert_eq!((&cause.reason, cause.attempts), (&Reason::NotNotified, 1));
        let said = cause.last_error.as_deref().unwrap();
        assert!(said.contains(says), "{said}");
        assert!(!said.contains(TOKEN), "{said}");
    }
    assert!(receiver.heard_no_more());
    let metrics = office.closed().await;
    let refused = "overflow_notifications_total{plan=\"sales\",result=\"refused\"} 4";
    assert!(metrics.contains(refused), "{metrics}");
    assert!(metrics.contains("dead_letters_total{reason=\"not_notified\"} 4"));
}

#[tokio::test]
async fn one_that_stays_away_becomes_a_dead_letter_and_is_told_by_a_replay() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let plan = format!("notify = \"http://{address}/{TOKEN}\"");
    let office = Office::open(&[("sales", &plan)], &["--notify-deadline=2s"]).await;
    let outcome = office.missed("sales");
    office.notify(&outcome).await;
    let letters = office.dead_letters().await;
    let cause = &letters[0].cause;
    assert_eq!(cause.reason, Reason::NotNotified);
    assert!(cause.attempts > 1, "{cause:?}");
    let said = cause.last_error.as_deref().unwrap();
    assert!(said.contains("no answer from the receiver"), "{said}");
    assert!(!said.contains(TOKEN), "{said}");

    let mut receiver = Receiver::on(TcpListener::bind(address).await.unwrap());
    let replayed = office.queue.replay(&Filter::default()).await.unwrap();
    assert_eq!(replayed.len(), 1);
    let request = receiver.next().await;
    assert_eq!(request.header("webhook-id"), outcome.id);
    assert!(request.headers.get("webhook-signature").is_none());
    request.answer(200);
    assert!(office.dead_letters().await.is_empty());
    office.closed().await;
}

#[tokio::test]
async fn one_that_closes_the_connection_is_told_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let plan = format!("notify = \"http://{address}/{TOKEN}\"");
    let office = Office::open(&[("sales", &plan)], &[]).await;
    office.notify(&office.missed("sales")).await;
    for _ in 0..3 {
        drop(
            tokio::time::timeout(PATIENCE, listener.accept())
                .await
                .unwrap(),
        );
    }
    Receiver::on(listener).next().await.answer(200);
    assert!(office.dead_letters().await.is_empty());
    office.closed().await;
}

#[tokio::test]
async fn one_that_is_slow_holds_up_nobody_else() {
    let (mut slow, mut quick) = (Receiver::start().await, Receiver::start().await);
    let plans = [("sales", &*slow.plan()), ("support", &*quick.plan())];
    let office = Office::open(&plans, &["--prefetch=4", "--max-in-flight=4"]).await;
    for _ in 0..6 {
        office.notify(&office.missed("sales")).await;
    }
    let held = [slow.next().await, slow.next().await];
    for _ in 0..3 {
        office.notify(&office.missed("support")).await;
    }
    for _ in 0..3 {
        quick.next().await.answer(200);
    }
    // Each has half of what is held here; what doesn't fit goes to the end of the queue until it does.
    for request in held {
        request.answer(200);
    }
    tokio::spawn(async move {
        loop {
            slow.next().await.answer(200);
        }
    });
    assert!(office.dead_letters().await.is_empty());
    office.closed().await;
}

#[tokio::test]
async fn what_waits_too_long_for_one_that_takes_nothing_is_a_dead_letter() {
    let (mut away, quick) = (Receiver::start().await, Receiver::start().await);
    let plans = [("sales", &*away.plan()), ("support", &*quick.plan())];
    let flags = [
        "--prefetch=4",
        "--max-in-flight=4",
        "--retry-first=1h",
        "--retry-longest=1h",
    ];
    let office = Office::open(&plans, &flags).await;
    office.notify(&office.missed("sales")).await;
    away.next().await.answer(429);
    office.notify(&office.missed("sales")).await;
    let missed = office.missed("sales");
    let long_ago = Outcome {
        at: missed.at - Duration::from_secs(3600),
        ..missed
    };
    office.notify(&long_ago).await;
    let broker = office.broker.clone();
    let dies = async {
        while broker.dead_letters().is_empty() {
            // The queue tells nobody.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, dies).await.unwrap();
    let letters = broker.dead_letters();
    let said = letters[0].cause.last_error.as_deref().unwrap();
    assert!(said.contains("too many wait"), "{said}");
    office.closed().await;
    assert_eq!(broker.messages().len(), 2, "what is held is given back");
}

#[tokio::test]
async fn one_that_never_answers_is_asked_again_in_time() {
    let mut receiver = Receiver::start().await;
    let office = Office::open(&[("sales", &receiver.plan())], &["--notify-timeout=1s"]).await;
    office.notify(&office.missed("sales")).await;
    let hangs = receiver.next().await;
    let answers = async {
        loop {
            receiver.next().await.answer(200);
        }
    };
    let letters = tokio::select! {
        letters = office.dead_letters() => letters,
        () = answers => unreachable!(),
    };
    assert!(letters.is_empty());
    drop(hangs);
    office.closed().await;
}

#[tokio::test]
async fn the_number_is_told_to_those_who_are_to_know_it_and_to_nobody_else() {
    let mut receiver = Receiver::start().await;
    let plan = format!("{}\nnotify_number = true", receiver.plan());
    let office = Office::open(&[("sales", &plan)], &[]).await;
    office
        .twilio
        .faults()
        .add(Rule::on([Endpoint::FetchCall], Fault::INTERNAL_SERVER_ERROR).next(2));
    office.notify(&office.missed("sales")).await;
    let request = receiver.next().await;
    let number = format!("\"caller_number\":\"{NUMBER}\"");
    assert!(request.body.contains(&number), "{}", request.body);
    let text = format!("The caller {NUMBER} of plan sales was missed");
    assert!(request.body.contains(&text), "{}", request.body);
    request.answer(400);
    let letters = office.dead_letters().await;
    assert!(!String::from_utf8_lossy(&letters[0].message.body).contains(NUMBER));
    assert!(!format!("{:?}", letters[0].cause).contains(NUMBER));
    office.closed().await;
}

#[tokio::test]
async fn better_told_without_the_number_than_not_at_all() {
    let mut receiver = Receiver::start().await;
    let plan = format!("{}\nnotify_number = true", receiver.plan());
    let office = Office::open(&[("sales", &plan)], &["--notify-deadline=3s"]).await;
    let away = Rule::on([Endpoint::FetchCall], Fault::INTERNAL_SERVER_ERROR);
    office.twilio.faults().add(away);
    office.notify(&office.missed("sales")).await;
    let request = receiver.next().await;
    assert!(request.body.contains("\"A caller of plan sales was missed"));
    request.answer(200);
    assert!(office.dead_letters().await.is_empty());
    office.closed().await;
}

#[tokio::test]
async fn a_stop_finishes_what_is_under_way_and_gives_back_the_rest() {
    let (mut well, mut ill) = (Receiver::start().await, Receiver::start().await);
    let plans = [("sales", &*well.plan()), ("support", &*ill.plan())];
    let office = Office::open(&plans, &["--retry-first=1h", "--retry-longest=1h"]).await;
    let (done, left) = (office.missed("sales"), office.missed("support"));
    office.notify(&done).await;
    office.notify(&left).await;
    ill.next().await.answer(500);
    let under_way = well.next().await;
    office.stop();
    under_way.answer(200);
    let broker = office.broker.clone();
    let mut consumer = office.queue.consume(Lane::Notifications, 1).await.unwrap();
    let given_back = tokio::time::timeout(PATIENCE, consumer.next()).await;
    let given_back = given_back.unwrap().unwrap();
    assert_eq!(given_back.message.id, Some(left.id));
    assert!(given_back.redelivered);
    given_back.ack().await.unwrap();
    let metrics = office.closed().await;
    assert!(metrics.contains("{plan=\"sales\",result=\"told\"} 1"));
    assert!(metrics.contains("{plan=\"support\",result=\"released\"} 1"));
    assert!(broker.messages().is_empty() && broker.dead_letters().is_empty());
    assert!(consumer.next().now_or_never().is_none());
}

#[tokio::test]
async fn what_nobody_is_to_be_told_is_kept_for_a_person() {
    let receiver = Receiver::start().await;
    let plans = [("sales", &*receiver.plan()), ("silent", "")];
    let office = Office::open(&plans, &[]).await;
    office.notify(&office.missed("silent")).await;
    office.notify(&office.missed("gone")).await;
    let unreadable = queue::RawMessage {
        body: b"{}".to_vec(),
        ..queue::Message::from(Content::Notify(office.missed("sales"))).encode()
    };
    office.broker.put(unreadable);
    let mut letters = office.dead_letters().await;
    letters.sort_by_key(|letter| letter.cause.reason.to_string());
    let reasons = letters.iter().map(|letter| letter.cause.reason.as_str());
    let wanted = ["not_notified", "not_notified", "undecodable"];
    assert_eq!(reasons.collect::<Vec<_>>(), wanted);
    let metrics = office.closed().await;
    assert!(
        metrics.contains("{plan=\"none\",result=\"refused\"} 2"),
        "{metrics}"
    );
}
