//! What became of callers: told, or asked for.

use std::time::Duration;

use jiff::Timestamp;
use queue::{CallerEnd, Content, History, Outcome, OutcomeKind, Redirected};
use simulator::{Caller, Endpoint, Fault, PickUp, PlaceCall, Rule};

use crate::office::{Office, PATIENCE};

/// The number of each plan here.
const OUTSIDE: &str = "+14155550100";

/// As a redirector tells the queue once Twilio has taken the redirect.
fn redirected(office: &Office, caller: &Caller) -> Redirected {
    Redirected {
        account_sid: office.twilio.account_sid(),
        call_sid: caller.call_sid,
        task_sid: caller.task_sid,
        plan: "sales".to_owned(),
        entered_at: Timestamp::now(),
        redirected_at: Timestamp::now(),
        in_doubt: false,
        was_over: false,
    }
}

/// A caller whom Twilio has had ring an outside number, where this happens.
async fn caller_who_rang(office: &Office, pick_up: PickUp) -> Caller {
    office.twilio.set_phone(OUTSIDE.parse().unwrap(), pick_up);
    let caller = office.twilio.place_call(PlaceCall::into_placeholder());
    let caller = caller.unwrap();
    let twiml = format!("<Response><Dial>{OUTSIDE}</Dial></Response>");
    assert!(office.twilio.redirect(caller.call_sid, &twiml));
    caller
}

async fn publish(office: &Office, content: impl Into<Content>) {
    let message = content.into().into();
    office.queue.publish(&message).await.unwrap();
}

async fn history(office: &Office) -> Box<dyn History> {
    office.queue.history(Duration::ZERO).await.unwrap()
}

async fn next_outcome(told: &mut Box<dyn History>) -> Outcome {
    loop {
        let next = tokio::time::timeout(PATIENCE, told.next()).await;
        if let Content::Outcome(outcome) = next.unwrap().unwrap() {
            return outcome;
        }
    }
}

/// How often Twilio was asked for a call.
fn asked(metrics: &str) -> usize {
    let asked = metrics
        .lines()
        .filter(|line| line.starts_with("overflow_twilio_requests_total{endpoint=\"FetchCall\""));
    asked
        .filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok())
        .sum()
}

#[tokio::test]
async fn twilio_is_asked_where_nobody_told() {
    for (pick_up, outcome, end) in [
        (PickUp::Busy, OutcomeKind::Busy, CallerEnd::Missed),
        (PickUp::Failed, OutcomeKind::Failed, CallerEnd::Missed),
    ] {
        let office = Office::open(&[("sales", "")], &[]).await;
        let mut told = history(&office).await;
        let caller = caller_who_rang(&office, pick_up).await;
        publish(&office, redirected(&office, &caller)).await;
        let reported = next_outcome(&mut told).await;
        assert_eq!((reported.outcome, reported.caller), (outcome, Some(end)));
        assert_eq!(reported.task_sid, Some(caller.task_sid));
        assert_eq!(
            Some(reported.id),
            reported.dialed_call_sid.map(|sid| sid.to_string())
        );
        let metrics = office.closed().await;
        let counted = "overflow_callers_total{end=\"missed\",plan=\"sales\"} 1";
        assert!(metrics.contains(counted), "{metrics}");
    }
}

#[tokio::test]
async fn a_conversation_is_waited_for_and_twilio_may_fail_meanwhile() {
    let office = Office::open(&[("sales", "")], &[]).await;
    let mut told = history(&office).await;
    let failing = [Endpoint::FetchCall];
    let fault = Rule::on(failing, Fault::INTERNAL_SERVER_ERROR).next(3);
    office.twilio.faults().add(fault);
    let caller = caller_who_rang(&office, PickUp::Answers).await;
    publish(&office, redirected(&office, &caller)).await;
    // Put off at least once.
    tokio::time::timeout(PATIENCE, async {
        while asked(&office.metrics()) < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert!(office.twilio.hang_up(caller.call_sid));
    let reported = next_outcome(&mut told).await;
    assert_eq!(reported.outcome, OutcomeKind::Answered);
    assert_eq!(reported.caller, Some(CallerEnd::Taken));
    office.closed().await;
}

#[tokio::test]
async fn nobody_is_asked_of_a_caller_whose_end_is_known() {
    let office = Office::open(&[("sales", "")], &[]).await;
    let mut told = history(&office).await;
    let caller = caller_who_rang(&office, PickUp::Busy).await;
    let redirected = redirected(&office, &caller);
    let outcome = redirected.missed(Timestamp::now(), OutcomeKind::HungUp);
    // Twice, as the queue may deliver it.
    for _ in 0..2 {
        publish(&office, Content::Outcome(outcome.clone())).await;
    }
    assert_eq!(next_outcome(&mut told).await, outcome);
    publish(&office, redirected).await;
    assert!(office.dead_letters().await.is_empty());
    let metrics = office.closed().await;
    assert_eq!(asked(&metrics), 0);
    let counted = "overflow_outcomes_total{outcome=\"hung-up\",plan=\"sales\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn nothing_is_made_up_of_a_caller_who_was_perhaps_not_redirected() {
    let office = Office::open(&[("sales", "")], &[]).await;
    let mut told = history(&office).await;
    let caller = office
        .twilio
        .place_call(PlaceCall::into_placeholder())
        .unwrap();
    assert!(office.twilio.hang_up(caller.call_sid));
    let in_doubt = Redirected {
        in_doubt: true,
        ..redirected(&office, &caller)
    };
    publish(&office, in_doubt).await;
    assert!(office.dead_letters().await.is_empty());
    // One of whom it is known that they were: Twilio could dial nobody.
    publish(&office, redirected(&office, &caller)).await;
    let reported = next_outcome(&mut told).await;
    assert_eq!(reported.outcome, OutcomeKind::Failed);
    let metrics = office.closed().await;
    let counted = "overflow_callers_total{end=\"missed\",plan=\"sales\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn who_was_answered_at_a_number_that_the_plan_has_no_more_was_answered() {
    let office = Office::open(&[("sales", "")], &[]).await;
    let mut told = history(&office).await;
    let before = "+14155550177";
    let caller = office
        .twilio
        .place_call(PlaceCall::into_placeholder())
        .unwrap();
    let twiml = format!("<Response><Dial>{before}</Dial></Response>");
    assert!(office.twilio.redirect(caller.call_sid, &twiml));
    assert!(office.twilio.hang_up(caller.call_sid));
    publish(&office, redirected(&office, &caller)).await;
    let reported = next_outcome(&mut told).await;
    assert_eq!(
        (reported.outcome, reported.caller),
        (OutcomeKind::Answered, Some(CallerEnd::Taken))
    );
    office.closed().await;
}

#[tokio::test]
async fn many_who_were_redirected_at_once_are_all_looked_after() {
    let office = Office::open(&[("sales", "")], &[]).await;
    let mut told = history(&office).await;
    let mut callers = Vec::new();
    for _ in 0..20 {
        callers.push(caller_who_rang(&office, PickUp::Busy).await);
    }
    let all = callers.iter().map(|caller| redirected(&office, caller));
    publish(&office, Content::Redirected(all.collect())).await;
    let mut missed: Vec<_> = callers.iter().map(|caller| caller.call_sid).collect();
    while !missed.is_empty() {
        let outcome = next_outcome(&mut told).await;
        assert_eq!(outcome.outcome, OutcomeKind::Busy);
        missed.retain(|call| *call != outcome.call_sid);
    }
    office.closed().await;
}

#[tokio::test]
async fn a_caller_has_one_end_whoever_tells_of_it() {
    let office = Office::open(&[("sales", "")], &[]).await;
    let mut told = history(&office).await;
    let caller = caller_who_rang(&office, PickUp::Busy).await;
    let hung_up = redirected(&office, &caller).missed(Timestamp::now(), OutcomeKind::HungUp);
    let taken = Outcome {
        id: format!("CA{:032x}", 7),
        outcome: OutcomeKind::Answered,
        caller: Some(CallerEnd::Taken),
        ..hung_up.clone()
    };
    publish(&office, Content::Outcome(taken.clone())).await;
    assert_eq!(next_outcome(&mut told).await, taken);
    publish(&office, Content::Outcome(hung_up)).await;
    assert_eq!(next_outcome(&mut told).await.caller, None);
    let metrics = office.closed().await;
    assert!(
        metrics.contains("overflow_callers_total{end=\"missed\",plan=\"sales\"} 0"),
        "{metrics}"
    );
}
