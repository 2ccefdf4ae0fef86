//! Each fault does what it says, to the client and to the state.

use std::time::Duration;

use crate::support::{Answered, Api, fast, start, waiting};
use simulator::{Config, Endpoint, Fault, Loss, PlaceCall, RequestOutcome, Rule, Simulator};

fn outcomes(simulator: &Simulator) -> Vec<RequestOutcome> {
    let journal = simulator.journal();
    journal.requests().map(|request| request.outcome).collect()
}

fn on_updates(simulator: &Simulator, fault: Fault) {
    let rule = Rule::on([Endpoint::UpdateCall], fault).next(1);
    simulator.faults().add(rule);
}

/// Stops waiting for an answer once so many requests have come.
async fn leave_after<T>(requests: u64, simulator: &Simulator, answer: impl Future<Output = T>) {
    tokio::select! {
        biased;
        () = simulator.wait_until(|state| state.journal().request_count() == requests) => {}
        _ = answer => panic!("an answer"),
    }
}

#[tokio::test]
async fn an_error_status_changes_nothing_and_can_ask_for_a_pause() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    for (fault, expected, retry_after) in [
        (Fault::INTERNAL_SERVER_ERROR, (500, 20500), None),
        (Fault::SERVICE_UNAVAILABLE, (503, 20503), None),
        (Fault::NOT_FOUND, (404, 20404), None),
        (Fault::UNAUTHORIZED, (401, 20003), None),
        (Fault::TOO_MANY_REQUESTS, (429, 20429), None),
        (Fault::too_many_requests(3), (429, 20429), Some("3")),
    ] {
        on_updates(&simulator, fault);
        let answer = api.redirect(&caller).await;
        assert_eq!(answer.error(), expected);
        let header = answer.headers.get("retry-after");
        assert_eq!(header.map(|value| value.to_str().unwrap()), retry_after);
    }
    assert_eq!(simulator.callers_still_waiting(), [caller.call_sid]);
    assert_eq!(api.redirect(&caller).await.status, 200);
    let journal = simulator.journal();
    let faults: Vec<_> = journal.requests().map(|request| request.fault).collect();
    assert_eq!(faults[0], Some(Fault::INTERNAL_SERVER_ERROR));
    assert_eq!(faults[6], None);
}

#[tokio::test]
async fn a_reset_comes_before_the_change() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    on_updates(&simulator, Fault::Reset);
    assert!(api.try_redirect(&caller).await.is_err());
    assert_eq!(outcomes(&simulator), [RequestOutcome::Reset]);
    assert_eq!(simulator.callers_still_waiting(), [caller.call_sid]);
    assert_eq!(api.redirect(&caller).await.status, 200);
}

#[tokio::test]
async fn a_lost_answer_comes_after_the_change() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    for loss in [Loss::Reset, Loss::Close] {
        let caller = waiting(&simulator);
        on_updates(&simulator, Fault::LoseAnswer(loss));
        assert!(api.try_redirect(&caller).await.is_err());
        assert_eq!(simulator.redirects(caller.call_sid), 1);
    }
    let lost = RequestOutcome::AnswerLost { status: 200 };
    assert_eq!(outcomes(&simulator), [lost, lost]);
}

#[tokio::test]
async fn an_answer_that_never_comes_may_hide_a_change() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let unchanged = waiting(&simulator);
    on_updates(&simulator, Fault::Hang);
    leave_after(1, &simulator, api.try_redirect(&unchanged)).await;
    let changed = waiting(&simulator);
    on_updates(&simulator, Fault::LoseAnswer(Loss::Hang));
    tokio::select! {
        _ = api.try_redirect(&changed) => panic!("an answer"),
        () = simulator.wait_until(|state| state.journal().redirects(&changed.call_sid) == 1) => {}
    }

    simulator
        .wait_until(|state| {
            let mut requests = state.journal().requests();
            requests.next().unwrap().outcome == RequestOutcome::ClientLeft
        })
        .await;
    assert_eq!(simulator.redirects(unchanged.call_sid), 0);
    let lost = RequestOutcome::AnswerLost { status: 200 };
    assert_eq!(outcomes(&simulator)[1], lost);
}

#[tokio::test]
async fn a_delayed_change_is_made_even_if_the_client_left() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let patient = waiting(&simulator);
    let by = Duration::from_millis(100);
    on_updates(&simulator, Fault::Delay { by });
    let sent = std::time::Instant::now();
    assert_eq!(api.redirect(&patient).await.status, 200);
    assert!(sent.elapsed() >= by);

    let impatient = waiting(&simulator);
    let by = Duration::from_secs(1);
    on_updates(&simulator, Fault::Delay { by });
    leave_after(2, &simulator, api.try_redirect(&impatient)).await;
    let lost = RequestOutcome::AnswerLost { status: 200 };
    simulator
        .wait_until(|state| {
            let mut requests = state.journal().requests();
            requests.next_back().unwrap().outcome == lost
        })
        .await;
    assert_eq!(simulator.redirects(impatient.call_sid), 1);
}

#[tokio::test]
async fn a_fault_concerns_its_endpoint_only() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let (caller, other) = (waiting(&simulator), waiting(&simulator));
    let rule = Rule::on([Endpoint::UpdateTask], Fault::INTERNAL_SERVER_ERROR);
    let rule = simulator.faults().add(rule);
    assert_eq!(api.redirect(&other).await.status, 200);
    let cancel = [("AssignmentStatus", "canceled")];
    let answer = api.post(&api.task(&caller), &cancel).await;
    assert_eq!(answer.error(), (500, 20500));
    assert!(simulator.faults().remove(rule));
    let answer = api.post(&api.task(&caller), &cancel).await;
    assert_eq!(answer.ok()["assignment_status"], "canceled");
}

#[tokio::test]
async fn a_fault_of_a_call_leaves_all_others_alone() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let (sick, other) = (waiting(&simulator), waiting(&simulator));
    let rule = Rule::on([Endpoint::UpdateCall], Fault::INTERNAL_SERVER_ERROR);
    simulator.faults().add(rule.of([sick.call_sid]));
    assert_eq!(api.redirect(&sick).await.error(), (500, 20500));
    assert_eq!(api.redirect(&other).await.status, 200);
}

#[tokio::test]
async fn a_simulator_that_stops_listening_resets_and_refuses_until_it_resumes() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    simulator
        .faults()
        .add(Rule::on([Endpoint::FetchCall], Fault::Hang));
    let path = api.call(&caller);
    let hanging = api.send(api.request(reqwest::Method::GET, &path));
    let stop = async {
        simulator
            .wait_until(|state| state.journal().request_count() == 1)
            .await;
        simulator.stop_listening().await;
    };
    let (hanging, ()) = tokio::join!(hanging, stop);
    assert!(hanging.is_err());
    let refused = api.try_redirect(&caller).await.err().unwrap();
    assert!(refused.is_connect());
    simulator.resume_listening().await.unwrap();
    assert_eq!(api.redirect(&caller).await.status, 200);
}

#[tokio::test]
async fn more_requests_at_a_time_than_the_account_may_have_are_too_many() {
    let simulator = start(Config {
        concurrency_limit: Some(1),
        ..fast()
    })
    .await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    on_updates(&simulator, Fault::Hang);
    let first = api.try_redirect(&caller);
    let second = async {
        simulator
            .wait_until(|state| state.journal().request_count() == 1)
            .await;
        api.redirect(&caller).await
    };
    let second: Answered = tokio::select! {
        _ = first => panic!("the first request should hang"),
        second = second => second,
    };
    assert_eq!(second.error(), (429, 20429));
    assert_eq!(second.headers["twilio-concurrent-requests"], "2");
}

#[tokio::test]
async fn a_third_of_many_requests_fails_and_the_rest_is_served() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let rule = Rule::on([Endpoint::UpdateCall], Fault::INTERNAL_SERVER_ERROR);
    simulator.faults().add(rule.with_probability(0.3));
    let callers = simulator
        .place_calls(200, &PlaceCall::into_placeholder())
        .unwrap();
    let mut redirected = 0;
    for caller in &callers {
        redirected += usize::from(api.redirect(caller).await.status == 200);
    }
    assert!((100..180).contains(&redirected), "{redirected} of 200");
    assert_eq!(simulator.callers_still_waiting().len(), 200 - redirected);
}

#[tokio::test]
async fn shutting_down_ends_hanging_requests_and_frees_the_port() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    on_updates(&simulator, Fault::Hang);
    let address = simulator.api_url().socket_addrs(|| None).unwrap()[0];
    let hanging = api.try_redirect(&caller);
    let shutdown = async {
        simulator
            .wait_until(|state| state.journal().request_count() == 1)
            .await;
        simulator.shutdown().await;
    };
    let (hanging, ()) = tokio::join!(hanging, shutdown);
    assert!(hanging.is_err());
    tokio::net::TcpListener::bind(address).await.unwrap();
}
