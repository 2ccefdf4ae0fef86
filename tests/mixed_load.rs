//! Relevant, irrelevant and forged callbacks mixed, while Twilio's API fails.

#![allow(clippy::unwrap_used, reason = "tests")]

use simulator::{Fault, PlaceCall, Rule};
use tests::{Backend, Stack, StackOptions};

const RELEVANT: usize = 2_000;
const IRRELEVANT: usize = 20_000;
const FORGED: usize = 500;

#[tokio::test(flavor = "multi_thread")]
async fn each_relevant_call_is_redirected_once_and_no_forged_one_while_the_api_fails() {
    let options = StackOptions {
        redirectors: 2,
        settings: vec![
            ("LOG_LEVEL", "error".to_owned()),
            // It would find those whose callbacks are forged, and rightly so.
            ("SWEEP_INTERVAL", "0".to_owned()),
            // Faults at random, not a Twilio that is down: no need to wait long.
            ("RETRY_FIRST", "50ms".to_owned()),
        ],
        ..StackOptions::default()
    };
    let stack = Stack::start(Backend::Amqp(rabbitmq::Node::shared()), options).await;
    let simulator = &stack.simulator;
    for fault in [Fault::INTERNAL_SERVER_ERROR, Fault::TOO_MANY_REQUESTS] {
        simulator
            .faults()
            .add(Rule::everywhere(fault).with_probability(0.15));
    }
    let silent = PlaceCall::into_placeholder().withholding_events();
    let waiting = simulator.place_calls(RELEVANT, &silent).unwrap();
    let bait = simulator.place_calls(FORGED, &silent).unwrap();

    let entered = |caller: &simulator::Caller| simulator.entered_callback(caller.task_sid).unwrap();
    let relevant: Vec<_> = waiting.iter().map(entered).map(|c| (204, c)).collect();
    let forged: Vec<_> = bait
        .iter()
        .map(|caller| (403, entered(caller).forged()))
        .collect();
    let irrelevant: Vec<_> = simulator
        .irrelevant_callbacks(IRRELEVANT)
        .into_iter()
        .map(|callback| (204, callback))
        .collect();
    assert_eq!(irrelevant.len(), IRRELEVANT);
    let mixed = interleave([relevant, irrelevant, forged]);
    let (wanted, callbacks): (Vec<u16>, Vec<_>) = mixed.into_iter().unzip();
    let delivered = simulator.deliver(callbacks, 64).await;
    for (delivery, wanted) in delivered.iter().zip(&wanted) {
        assert_eq!(delivery.outcome.status(), Some(*wanted), "{delivery:?}");
    }

    stack
        .expect("nobody left but those with forged callbacks", |state| {
            state.waiting_count() == FORGED
        })
        .await;
    let idle = stack.queue_when_idle().await;
    assert_eq!((idle.ready, idle.dead), (0, 0));
    let journal = simulator.journal();
    for caller in &waiting {
        let heard = journal.caller(&caller.call_sid).unwrap();
        assert!(heard.was_redirected_once(), "{heard:?}");
    }
    for caller in &bait {
        assert_eq!(journal.redirects(&caller.call_sid), 0);
    }
}

/// One list out of several, each spread evenly over it.
fn interleave<T>(lists: [Vec<T>; 3]) -> Vec<T> {
    let mut placed: Vec<(f64, T)> = lists
        .into_iter()
        .flat_map(|list| {
            let step = 1.0 / list.len() as f64;
            list.into_iter()
                .enumerate()
                .map(move |(index, item)| (index as f64 * step, item))
        })
        .collect();
    placed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    placed.into_iter().map(|(_, item)| item).collect()
}
