//! Events come twice.

use std::collections::HashMap;
use std::time::Duration;

use futures::FutureExt;
use simulator::{
    CallbackFault, CallbackRecord, CallbackRule, Caller, Endpoint, EventKind, Fault, PlaceCall,
    Rule, Transport, When,
};

use super::{Arena, Between, Scenario};

/// All of them.
pub const ALL: &[&Scenario] = &[
    &TWICE_AT_ONCE,
    &TWICE_AT_ONCE_EMBEDDED,
    &TWICE_AFTER_SECONDS,
    &TWICE_AFTER_AN_HOUR,
    &BY_BOTH_WAYS,
    &BY_BOTH_WAYS_SLOWLY,
    &BY_BOTH_WAYS_SLOWLY_EMBEDDED,
];

const BASE: Scenario = Scenario {
    promise: "redirected once",
    ..Scenario::BASE
};

/// Both copies at once, through both ingests.
pub const TWICE_AT_ONCE: Scenario = Scenario {
    name: "twice-at-once",
    fault: "callbacks: each twice within 5 ms, on two ingests",
    strike: |arena| twice(arena, Duration::from_millis(3)).boxed(),
    ..BASE
};

/// The same with the embedded queue.
pub const TWICE_AT_ONCE_EMBEDDED: Scenario = Scenario {
    name: "twice-at-once-embedded",
    between: Between::Embedded,
    ..TWICE_AT_ONCE
};

/// As Twilio repeats a callback.
pub const TWICE_AFTER_SECONDS: Scenario = Scenario {
    name: "twice-after-seconds",
    fault: "callbacks: each again after 3 s",
    strike: |arena| twice(arena, Duration::from_secs(3)).boxed(),
    ..BASE
};

/// As Event Streams delivers late.
pub const TWICE_AFTER_AN_HOUR: Scenario = Scenario {
    name: "twice-after-an-hour",
    fault: "events: each again through Event Streams after an hour",
    strike: |arena| {
        async {
            let callers = {
                let twilio = arena.twilio();
                let callers = twilio
                    .place_calls(30, &PlaceCall::into_placeholder())
                    .unwrap();
                arena
                    .expect("their redirects", |state| {
                        callers
                            .iter()
                            .all(|caller| state.journal().redirects(&caller.call_sid) > 0)
                    })
                    .await;
                callers
            };
            let sink = arena.event_stream_url();
            let late = callers.iter().map(|caller| {
                let callback = arena.twilio().entered_callback(caller.task_sid).unwrap();
                callback
                    .backdated(Duration::from_secs(3600))
                    .through_event_streams()
                    .to(&sink)
            });
            let late: Vec<_> = late.collect();
            let delivered = arena.twilio().deliver(late, 16).await;
            assert!(
                delivered
                    .iter()
                    .all(|delivery| delivery.outcome.is_success())
            );
            arena.load.joined_by(callers);
        }
        .boxed()
    },
    ..BASE
};

/// Event callback and Event Streams side by side.
pub const BY_BOTH_WAYS: Scenario = Scenario {
    name: "by-both-ways",
    fault: "events: each by callback and by Event Streams",
    strike: |arena| by_both_ways(arena).boxed(),
    ..BASE
};

/// The same while Twilio is slow: the second copy comes while the first is acted upon.
pub const BY_BOTH_WAYS_SLOWLY: Scenario = Scenario {
    name: "by-both-ways-slowly",
    fault: "events: each by callback and by Event Streams at once, each redirect made after 300 ms",
    strike: |arena| {
        async {
            let by = Duration::from_millis(300);
            let slow = Rule::on([Endpoint::UpdateCall], Fault::Delay { by });
            let before = arena.twilio().journal().request_count();
            let rule = arena.twilio().faults().add(slow);
            by_both_ways(arena).await;
            arena.struck_since(before).await;
            arena.twilio().faults().remove(rule);
        }
        .boxed()
    },
    ..BY_BOTH_WAYS
};

/// The same with the embedded queue.
pub const BY_BOTH_WAYS_SLOWLY_EMBEDDED: Scenario = Scenario {
    name: "by-both-ways-slowly-embedded",
    between: Between::Embedded,
    ..BY_BOTH_WAYS_SLOWLY
};

async fn by_both_ways(arena: &mut Arena) {
    let sink = arena.event_stream_url();
    let kinds = [EventKind::TaskQueueEntered];
    arena.twilio().set_event_stream(Some(&sink), &kinds);
    told(arena, |sent| {
        let by = |transport| sent.iter().any(|sent| sent.transport == transport);
        by(Transport::EventCallback) && by(Transport::EventStream)
    })
    .await;
    arena.twilio().set_event_stream(None, &[]);
}

async fn twice(arena: &mut Arena, after: Duration) {
    let rule = CallbackRule {
        events: vec![EventKind::TaskQueueEntered],
        fault: CallbackFault::Duplicate { after },
        when: When::Always,
    };
    let rule = arena.twilio().faults().add_for_callbacks(rule);
    told(arena, |sent| sent.len() >= 2).await;
    arena.twilio().faults().remove(rule);
}

/// Places callers, beside those who call anyway, and waits until their events were sent so and they
/// are off hold.
async fn told(arena: &mut Arena, so: impl Fn(&[&CallbackRecord]) -> bool) {
    let call = PlaceCall::into_placeholder();
    let callers = arena.twilio().place_calls(60, &call).unwrap();
    arena
        .expect("their events sent", |state| {
            let mut sent: HashMap<_, Vec<_>> = HashMap::new();
            for record in state.journal().callbacks().rev().take(5_000) {
                if record.kind == EventKind::TaskQueueEntered {
                    sent.entry(record.call).or_default().push(record);
                }
            }
            let sent = |caller: &Caller| sent.get(&Some(caller.call_sid));
            callers
                .iter()
                .all(|caller| sent(caller).is_some_and(|sent| so(sent)))
        })
        .await;
    arena.off_hold(callers).await;
}
