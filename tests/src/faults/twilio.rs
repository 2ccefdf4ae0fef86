//! Twilio's API fails.

use std::time::Duration;

use futures::FutureExt;
use simulator::{Caller, Endpoint, Fault, Loss, PlaceCall, Rule};

use super::{Arena, Between, Scenario};

/// All of them.
pub const ALL: &[&Scenario] = &[
    &INTERNAL_ERRORS,
    &TOO_MANY_REQUESTS,
    &RETRY_AFTER,
    &REFUSED,
    &SILENT,
    &ANSWERS_LOST,
    &ANSWERS_NEVER_SENT,
    &UNAUTHORIZED,
    &SLOW,
    &NOT_FOUND,
    &TASKROUTER_REFUSES,
    &SICK_CALLS,
    &SICK_CALLS_EMBEDDED,
];

const BASE: Scenario = Scenario {
    promise: "tried again until it works",
    ..Scenario::BASE
};

/// 500 to everything.
pub const INTERNAL_ERRORS: Scenario = Scenario {
    name: "twilio-500",
    fault: "Twilio: 500 to everything for 3 s",
    strike: |arena| failing(arena, Fault::INTERNAL_SERVER_ERROR, 1.0).boxed(),
    ..BASE
};

/// 429 without a hint.
pub const TOO_MANY_REQUESTS: Scenario = Scenario {
    name: "twilio-429",
    fault: "Twilio: 429 without `Retry-After` for 3 s",
    between: Between::Embedded,
    strike: |arena| failing(arena, Fault::TOO_MANY_REQUESTS, 1.0).boxed(),
    ..BASE
};

/// 429 with a hint.
pub const RETRY_AFTER: Scenario = Scenario {
    name: "twilio-429-retry-after",
    fault: "Twilio: 429 with `Retry-After: 2` to half of the requests for 3 s",
    strike: |arena| failing(arena, Fault::too_many_requests(2), 0.5).boxed(),
    ..BASE
};

/// Nobody listens.
pub const REFUSED: Scenario = Scenario {
    name: "twilio-refuses-connections",
    fault: "Twilio: connections refused for 3 s, open ones reset",
    promise: "tried again; verified where an answer was lost",
    strike: |arena| {
        async {
            arena.twilio().stop_listening().await;
            arena.last(Duration::from_secs(3)).await;
            arena.on_hold(20).await;
            arena.twilio().resume_listening().await.unwrap();
        }
        .boxed()
    },
    ..BASE
};

/// Requests are taken and never answered.
pub const SILENT: Scenario = Scenario {
    name: "twilio-silent",
    fault: "Twilio: silent until the time-out, for 3 s",
    promise: "tried again, verified first",
    strike: |arena| failing(arena, Fault::Hang, 1.0).boxed(),
    ..BASE
};

/// The change is made, the connection reset.
pub const ANSWERS_LOST: Scenario = Scenario {
    name: "twilio-answers-lost",
    fault: "Twilio: connection reset after the change was made, half of the time for 3 s",
    promise: "verified before it is tried again",
    strike: |arena| failing(arena, Fault::LoseAnswer(Loss::Reset), 0.5).boxed(),
    ..BASE
};

/// The change is made, the answer never comes.
pub const ANSWERS_NEVER_SENT: Scenario = Scenario {
    name: "twilio-answers-never-sent",
    fault: "Twilio: silent after the change was made, half of the time for 3 s",
    promise: "verified before it is tried again",
    between: Between::Embedded,
    strike: |arena| failing(arena, Fault::LoseAnswer(Loss::Hang), 0.5).boxed(),
    ..BASE
};

/// Credentials refused for a while.
pub const UNAUTHORIZED: Scenario = Scenario {
    name: "twilio-401",
    fault: "Twilio: 401 to everything for 3 s, then right again",
    promise: "held back, then done: nobody is given up for it",
    strike: |arena| failing(arena, Fault::UNAUTHORIZED, 1.0).boxed(),
    ..BASE
};

/// Slow, yet within the time-out.
pub const SLOW: Scenario = Scenario {
    name: "twilio-slow",
    fault: "Twilio: each redirect answered after 5 s",
    promise: "waited for, not repeated",
    settings: &[("TWILIO_TIMEOUT", "10s")],
    strike: |arena| {
        let by = Duration::from_secs(5);
        let slow = Rule::on([Endpoint::UpdateCall], Fault::Delay { by });
        under(arena, slow, Duration::from_secs(4)).boxed()
    },
    ..BASE
};

/// What exists is not found.
pub const NOT_FOUND: Scenario = Scenario {
    name: "twilio-404",
    fault: "Twilio: 404 to half of the requests for 3 s, whatever they ask for",
    promise: "not believed: asked again, nobody is left on hold",
    strike: |arena| failing(arena, Fault::NOT_FOUND, 0.5).boxed(),
    ..BASE
};

/// TaskRouter has had enough of us; the Calls API is well.
pub const TASKROUTER_REFUSES: Scenario = Scenario {
    name: "taskrouter-429",
    fault: "TaskRouter: 429 to everything, with `Retry-After: 1` and then `3600`",
    promise: "callers are redirected meanwhile",
    settings: &[("SWEEP_INTERVAL", "500ms")],
    strike: |arena| {
        async {
            for retry_after in [1, 3600] {
                let refused = Fault::too_many_requests(retry_after);
                let before = arena.twilio().journal().request_count();
                let rule = arena.twilio().faults().add(Rule::on(TASKROUTER, refused));
                // One answer of this kind holds back whatever else is asked of TaskRouter.
                arena
                    .requests_since(before, 1, |request| request.fault == Some(refused))
                    .await;
                let call = PlaceCall::into_placeholder();
                let callers = arena.twilio().place_calls(20, &call).unwrap();
                arena.off_hold(callers).await;
                arena.twilio().faults().remove(rule);
            }
        }
        .boxed()
    },
    ..BASE
};

/// Some calls can't be redirected; all others can.
pub const SICK_CALLS: Scenario = Scenario {
    name: "sick-calls",
    fault: "Twilio: 500 to each redirect of 900 calls",
    promise: "the others are redirected meanwhile, these once Twilio is right again",
    settings: &[("RETRY_LONGEST", "10s")],
    strike: |arena| sick_calls(arena).boxed(),
    ..BASE
};

/// The same with the embedded queue.
pub const SICK_CALLS_EMBEDDED: Scenario = Scenario {
    name: "sick-calls-embedded",
    between: Between::Embedded,
    ..SICK_CALLS
};

/// Five of a hundred calls at 20 a second, for the 15 minutes that each is tried.
const SICK: usize = 900;

async fn sick_calls(arena: &mut Arena) {
    let call = PlaceCall::into_placeholder();
    let failing = || Rule::on([Endpoint::UpdateCall], Fault::INTERNAL_SERVER_ERROR);
    let before = arena.twilio().journal().request_count();
    // Nobody is redirected before it is known which calls are the sick ones.
    let everybody = arena.twilio().faults().add(failing());
    let sick = arena.twilio().place_calls(SICK, &call).unwrap();
    let of_them = failing().of(sick.iter().map(|caller| caller.call_sid));
    let of_them = arena.twilio().faults().add(of_them);
    arena.twilio().faults().remove(everybody);
    arena
        .requests_since(before, SICK, |request| request.fault.is_some())
        .await;
    let healthy = arena.twilio().place_calls(20, &call).unwrap();
    arena.off_hold(healthy).await;
    let waiting = |caller: &Caller| arena.twilio().redirects(caller.call_sid) == 0;
    assert!(sick.iter().all(waiting), "they were not to be redirected");
    arena.twilio().faults().remove(of_them);
    arena.load.joined_by(sick);
}

/// What we ask of TaskRouter.
const TASKROUTER: [Endpoint; 5] = [
    Endpoint::ListWorkspace,
    Endpoint::ListTaskQueue,
    Endpoint::ListTask,
    Endpoint::FetchTask,
    Endpoint::UpdateTask,
];

async fn failing(arena: &mut Arena, fault: Fault, probability: f64) {
    let rule = Rule::everywhere(fault).with_probability(probability);
    under(arena, rule, Duration::from_secs(3)).await;
}

async fn under(arena: &mut Arena, rule: Rule, time: Duration) {
    let before = arena.twilio().journal().request_count();
    let rule = arena.twilio().faults().add(rule);
    arena.last(time).await;
    arena.struck_since(before).await;
    arena.twilio().faults().remove(rule);
}
