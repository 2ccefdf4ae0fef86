//! What callers hear when the API redirects them.

use crate::support::{Api, DIAL, Receiver, Reply, fast, start, waiting};
use std::sync::Arc;

use simulator::{DialOutcome, HangUp, Heard, Instructions, PickUp, Simulator};
use tokio::sync::Notify;
use twilio::CallSid;

fn heard(simulator: &Simulator, call: CallSid) -> Vec<Heard> {
    let journal = simulator.journal();
    let entries = &journal.caller(&call).unwrap().entries;
    assert!(entries.is_sorted_by_key(|entry| entry.at));
    entries.iter().map(|entry| entry.heard.clone()).collect()
}

#[tokio::test]
async fn a_redirected_caller_hears_the_notice_and_then_the_outside_number() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let twiml = r#"<?xml version="1.0" encoding="UTF-8"?><Response><Say>One moment</Say>
        <Dial timeout="20" callerId="+14155550100"><Number>+14155550123</Number></Dial></Response>"#;
    let answer = api.post(&api.call(&caller), &[("Twiml", twiml)]).await;
    let request = answer.headers["twilio-request-id"].to_str().unwrap();
    simulator
        .wait_until(|state| {
            let log = state.journal().caller(&caller.call_sid);
            log.is_some_and(|log| log.was_redirected_once())
        })
        .await;

    let heard = heard(&simulator, caller.call_sid);
    assert_eq!(heard[0], Heard::HoldMusic);
    assert_eq!(
        heard[1],
        Heard::Redirected {
            request_id: request.to_owned(),
            instructions: Instructions::Twiml,
        }
    );
    let said = Heard::Said {
        text: "One moment".into(),
    };
    assert_eq!(heard[2], said);
    let Heard::Dialled(dial) = &heard[3] else {
        panic!("{heard:?}");
    };
    assert_eq!(dial.numbers, ["+14155550123".parse().unwrap()]);
    assert_eq!(dial.caller_id, Some("+14155550100".parse().unwrap()));
    assert_eq!(dial.timeout, Some(20));
    assert_eq!(dial.outcome, DialOutcome::Answered);
    assert_eq!(heard.len(), 4);
    assert!(simulator.callers_still_waiting().is_empty());
    assert_eq!(answer.ok()["status"], "in-progress");
}

#[tokio::test]
async fn a_second_redirect_succeeds_and_cuts_the_conversation() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    for _ in 0..2 {
        assert_eq!(api.redirect(&caller).await.status, 200);
    }
    assert_eq!(simulator.redirects(caller.call_sid), 2);
    let journal = simulator.journal();
    let log = journal.caller(&caller.call_sid).unwrap();
    assert_eq!(log.conversations_cut(), 1);
    assert!(!log.was_redirected_once());
    let order: Vec<_> = log
        .entries
        .iter()
        .map(|entry| match entry.heard {
            Heard::HoldMusic => "hold music",
            Heard::Redirected { .. } => "redirected",
            Heard::Dialled(_) => "dialled",
            Heard::ConversationCut { .. } => "cut",
            _ => "other",
        })
        .collect();
    let expected = [
        "hold music",
        "redirected",
        "dialled",
        "cut",
        "redirected",
        "dialled",
    ];
    assert_eq!(order, expected);
}

#[tokio::test]
async fn instructions_that_are_no_twiml_make_the_caller_hear_an_application_error() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let malformed = "<Response><Dial>+14155550123</Response>";
    let answer = api.post(&api.call(&caller), &[("Twiml", malformed)]).await;
    assert_eq!(answer.status, 200);
    let heard = heard(&simulator, caller.call_sid);
    assert!(matches!(heard[2], Heard::ApplicationError { .. }));
    let by = HangUp::ApplicationError;
    assert_eq!(heard[3], Heard::HungUp { by });
    assert_eq!(
        api.get(&api.call(&caller)).await.ok()["status"],
        "completed"
    );
}

#[tokio::test]
async fn a_number_that_does_not_answer_leads_to_the_next_verb() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let number = "+14155550123".parse().unwrap();
    simulator.set_phone(number, PickUp::Busy);
    let twiml = "<Response><Dial>+14155550123</Dial><Say>Sorry</Say></Response>";
    api.post(&api.call(&caller), &[("Twiml", twiml)]).await.ok();
    simulator
        .wait_until(|state| !state.is_in_progress(&caller.call_sid))
        .await;
    let heard = heard(&simulator, caller.call_sid);
    let Heard::Dialled(dial) = &heard[2] else {
        panic!("{heard:?}");
    };
    assert_eq!(dial.outcome, DialOutcome::Busy);
    let text = "Sorry".into();
    assert_eq!(heard[3], Heard::Said { text });
    assert_eq!(heard[4], Heard::HungUp { by: HangUp::Twiml });
}

#[tokio::test]
async fn twiml_by_url_is_fetched_with_a_signed_request() {
    let web = Receiver::start().await;
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let url = web.url("/twiml/redirect");
    for method in ["POST", "GET"] {
        web.will([Reply::Twiml(DIAL.into())]);
        let caller = waiting(&simulator);
        let form = [("Url", url.as_str()), ("Method", method)];
        api.post(&api.call(&caller), &form).await.ok();
        simulator
            .wait_until(|state| {
                let log = state.journal().caller(&caller.call_sid);
                log.is_some_and(|log| log.was_redirected_once())
            })
            .await;
        let request = web.received().pop().unwrap();
        assert!(request.is_signed_form(simulator.auth_token(), &url));
        let call = match method {
            "POST" => request.param("CallSid"),
            _ => request.uri.query().and_then(|query| {
                let mut pairs = form_urlencoded::parse(query.as_bytes());
                let pair = pairs.find(|(name, _)| name == "CallSid");
                pair.map(|(_, value)| value.into_owned())
            }),
        };
        assert_eq!(call.as_deref(), Some(caller.call_sid.as_str()));
    }
}

#[tokio::test]
async fn twiml_that_cannot_be_fetched_is_an_application_error() {
    let web = Receiver::start().await;
    web.will([Reply::Status(500)]);
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let answer = api
        .post(&api.call(&caller), &[("Url", &web.url("/twiml"))])
        .await;
    assert_eq!(answer.status, 200);
    simulator
        .wait_until(|state| !state.is_in_progress(&caller.call_sid))
        .await;
    let journal = simulator.journal();
    assert_eq!(
        journal
            .caller(&caller.call_sid)
            .unwrap()
            .application_errors(),
        1
    );
}

#[tokio::test]
async fn twiml_that_comes_after_a_newer_redirect_is_not_carried_out() {
    let web = Receiver::start().await;
    let now = Arc::new(Notify::new());
    let late = "<Response><Dial>+14155550199</Dial></Response>";
    web.will([
        Reply::TwimlLater(late.into(), now.clone()),
        Reply::Twiml(DIAL.into()),
    ]);
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let url = web.url("/twiml");
    let caller = waiting(&simulator);
    api.post(&api.call(&caller), &[("Url", &url)]).await.ok();
    api.redirect(&caller).await.ok();
    now.notify_one();
    // By the time that another call is through, the late document has come too.
    let other = waiting(&simulator);
    api.post(&api.call(&other), &[("Url", &url)]).await.ok();
    simulator
        .wait_until(|state| {
            let log = state.journal().caller(&other.call_sid);
            log.is_some_and(|log| log.dialled().count() == 1)
        })
        .await;
    let journal = simulator.journal();
    let log = journal.caller(&caller.call_sid).unwrap();
    let dialled: Vec<_> = log.dialled().cloned().collect();
    assert_eq!(dialled, ["+14155550123".parse().unwrap()]);
    assert_eq!(log.application_errors(), 0);
}

#[tokio::test]
async fn dequeuing_a_member_works_once() {
    let web = Receiver::start().await;
    web.will([Reply::Twiml(DIAL.into())]);
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let first = waiting(&simulator);
    let second = waiting(&simulator);
    let queues = api.get(&format!("{}/Queues.json", api.account)).await.ok();
    let queue = &queues["queues"][0];
    assert_eq!(queue["friendly_name"], simulator.workflow_sid().as_str());
    assert_eq!(queue["current_size"], 2);
    let member = |call: CallSid| {
        let queue = queue["sid"].as_str().unwrap();
        format!("{}/Queues/{queue}/Members/{call}.json", api.account)
    };
    assert_eq!(api.get(&member(second.call_sid)).await.ok()["position"], 2);

    let path = member(first.call_sid);
    let form = [("Url", web.url("/twiml"))];
    let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(api.post(&path, &form).await.ok()["position"], 1);
    assert_eq!(api.post(&path, &form).await.error(), (404, 20404));
    assert_eq!(api.get(&path).await.error(), (404, 20404));
    assert_eq!(api.get(&member(second.call_sid)).await.ok()["position"], 1);
    simulator
        .wait_until(|state| {
            let log = state.journal().caller(&first.call_sid);
            log.is_some_and(|log| log.was_redirected_once())
        })
        .await;
}

#[tokio::test]
async fn hanging_up_through_the_api_ends_the_call() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let path = api.call(&caller);
    // Only calls that are not yet answered can be cancelled.
    let answer = api.post(&path, &[("Status", "canceled")]).await;
    assert_eq!(answer.ok()["status"], "in-progress");
    let answer = api.post(&path, &[("Status", "completed")]).await.ok();
    assert_eq!(answer["status"], "completed");
    assert!(answer["duration"].is_string());
    let by = HangUp::Api;
    assert_eq!(heard(&simulator, caller.call_sid)[1], Heard::HungUp { by });
    assert_eq!(api.redirect(&caller).await.error(), (400, 21220));
}
