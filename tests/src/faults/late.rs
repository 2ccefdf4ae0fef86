//! Twilio carries updates out although nobody waits for the answer any more.

use std::time::Duration;

use futures::FutureExt;
use simulator::{Endpoint, Fault, RequestOutcome, Rule};

use super::processes::under_way;
use super::{Arena, Scenario};

/// All of them.
pub const ALL: &[&Scenario] = &[&UPDATES_LATE, &RESET_AFTER_READ];

const BASE: Scenario = Scenario {
    promise: "left alone for as long as the update may still be carried out, then verified",
    ..Scenario::BASE
};

/// Every update is carried out a second after its time-out.
pub const UPDATES_LATE: Scenario = Scenario {
    name: "updates-late",
    fault: "Twilio: each redirect made after 3 s, and the time-out is 2 s",
    strike: |arena| {
        async {
            let by = Duration::from_secs(3);
            let before = arena.twilio().journal().request_count();
            let late = Rule::on([Endpoint::UpdateCall], Fault::Delay { by });
            let rule = arena.twilio().faults().add(late);
            arena.last(Duration::from_secs(3)).await;
            // Beside other faults, the time-out may be longer.
            if arena.is_new() {
                made_unheard(arena, before).await;
            }
            arena.twilio().faults().remove(rule);
        }
        .boxed()
    },
    ..BASE
};

/// The connection is reset when the request has been read, and the update carried out after all.
pub const RESET_AFTER_READ: Scenario = Scenario {
    name: "twilio-reset-after-read",
    fault: "Twilio: connections reset while redirects are under way, which are made 1 s later",
    strike: |arena| {
        async {
            let by = Duration::from_secs(1);
            let before = arena.twilio().journal().request_count();
            let slow = Rule::on([Endpoint::UpdateCall], Fault::Delay { by });
            let rule = arena.twilio().faults().add(slow);
            under_way(arena).await;
            arena.twilio().stop_listening().await;
            arena.twilio().resume_listening().await.unwrap();
            // Beside other faults, the few that were under way may all have hung up.
            if arena.is_new() {
                made_unheard(arena, before).await;
            }
            arena.twilio().faults().remove(rule);
        }
        .boxed()
    },
    ..BASE
};

/// Waits until an update was carried out whose client had left. Of several that it leaves, some find
/// that their caller has hung up.
async fn made_unheard(arena: &Arena, before: u64) {
    let unheard = RequestOutcome::AnswerLost { status: 200 };
    arena
        .requests_since(before, 1, |request| {
            request.endpoint == Some(Endpoint::UpdateCall) && request.outcome == unheard
        })
        .await;
}
