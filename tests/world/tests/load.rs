//! How long callers wait where Twilio sets the pace. The clock is the world's: the figures are the
//! same on every machine.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use world::load::Load;

const SECOND: Duration = Duration::from_secs(1);
/// How late Twilio may carry an update out, an intent's age and a pause, and one look.
const W_AND_LOOK: Duration = Duration::from_secs(37);

/// One redirector, as it is unless it is told otherwise.
const ONE: Load = Load {
    redirectors: 1,
    in_flight: 50,
    prefetch: 2_000,
    api: Duration::from_millis(150),
};

fn percentile(waited: &[Duration], hundredths: usize) -> Duration {
    waited[(waited.len() * hundredths / 100).min(waited.len() - 1)]
}

#[test]
fn in_calm_a_redirect_costs_one_request() {
    let load = Load {
        redirectors: 3,
        ..ONE
    };
    load.run(async |pair| {
        pair.call(6_000, 600 * SECOND).await;
        pair.until(|pair| pair.waited().is_some()).await;
        let (requests, waited) = (pair.requests(), pair.waited().unwrap());
        println!("{requests} requests, the slowest after {:?}", waited.last());
        assert!(requests <= 6_300, "{requests} requests");
    });
}

#[test]
fn the_last_of_a_burst_is_redirected_as_soon_as_the_api_allows() {
    let load = Load {
        redirectors: 2,
        ..ONE
    };
    load.run(async |pair| {
        // A redirector that is new has to ask Twilio for the time first.
        pair.call(2, SECOND).await;
        pair.call(5_000, Duration::ZERO).await;
        pair.until(|pair| pair.waited().is_some()).await;
        let (requests, last) = (pair.requests(), *pair.waited().unwrap().last().unwrap());
        let least = 5_000 * ONE.api / 100;
        let ratio = last.as_secs_f64() / least.as_secs_f64();
        println!("{requests} requests, the last after {last:?}, {ratio:.2} of what must be");
        assert!(ratio <= 1.15, "{last:?}, {ratio}");
    });
}

#[test]
fn a_few_calls_that_fail_for_long_hold_nobody_up() {
    ONE.run(async |pair| {
        for _ in 0..15 * 60 {
            pair.call_sick();
            pair.call(19, SECOND).await;
        }
        pair.until(|pair| pair.waited().is_some()).await;
        let waited = pair.waited().unwrap();
        println!(
            "p50 {:?}, p99 {:?}, the slowest {:?}",
            percentile(&waited, 50),
            percentile(&waited, 99),
            waited.last()
        );
        assert!(percentile(&waited, 99) < SECOND);
    });
}

#[test]
fn after_a_kill_only_those_wait_whose_update_may_be_on_its_way() {
    let load = Load {
        in_flight: 20,
        ..ONE
    };
    load.run(async |pair| {
        pair.call(200, Duration::ZERO).await;
        pair.lose_updates();
        pair.until(|pair| pair.updates() == 20).await;
        pair.heal();
        pair.kill_redirectors().await;
        pair.until(|pair| pair.waited().is_some()).await;
        let waited = pair.waited().unwrap();
        let at_once = waited.iter().filter(|waited| **waited < 5 * SECOND).count();
        println!(
            "{at_once} at once, the last of them after {:?}, the others from {:?} to {:?}",
            waited[at_once - 1],
            waited[at_once],
            waited.last()
        );
        assert_eq!(at_once, 180, "{waited:?}");
        assert!(*waited.last().unwrap() < W_AND_LOOK, "{waited:?}");
    });
}

#[test]
fn what_waits_in_the_queue_during_an_outage_is_not_put_there_again() {
    let load = Load {
        prefetch: 20,
        ..ONE
    };
    load.run(async |pair| {
        for _ in 0..200 {
            pair.call_sick();
        }
        tokio::time::sleep(SECOND).await;
        for _ in 0..300 {
            tokio::time::sleep(SECOND).await;
            assert_eq!(pair.queued(), 200);
        }
    });
}
