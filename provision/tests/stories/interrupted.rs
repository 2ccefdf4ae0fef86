//! Interrupted at every single request, before and after Twilio acted on it, and run again.

use simulator::{Fault, Loss, Rule};

use crate::support::{Desk, Snapshot};

const NUMBER: &str = "+14155550150";
const OLD_VOICE_URL: &str = "https://ivr.example.com/welcome";

/// Before Twilio acts, and after it did.
const INTERRUPTIONS: [Fault; 2] = [Fault::Reset, Fault::LoseAnswer(Loss::Reset)];

const SETUPS: [&[&str]; 3] = [
    &["--replace-callback", "--number", NUMBER],
    &["--replace-callback", "--via", "callback"],
    &["--via", "event-streams"],
];

async fn desk() -> Desk {
    let desk = Desk::with(simulator::Config {
        seed: Some(7),
        callback_url: Some("https://crm.example.com/events".into()),
        events_filter: Some("task.created".into()),
        ..simulator::Config::default()
    })
    .await;
    desk.add_number(NUMBER, OLD_VOICE_URL);
    desk
}

fn requests(desk: &Desk) -> u32 {
    u32::try_from(desk.simulator.journal().request_count()).unwrap()
}

/// Lets nothing through from the next but `count` on.
fn interrupt_after(desk: &Desk, count: u32, how: Fault) {
    desk.simulator
        .faults()
        .add(Rule::everywhere(how).after(count));
}

async fn set_up(arguments: &[&str]) -> (Snapshot, u32) {
    let desk = desk().await;
    desk.setup(arguments).await.done();
    let count = requests(&desk);
    (desk.snapshot().await, count)
}

#[tokio::test]
async fn setup_run_again_ends_in_the_same_state_with_nothing_twice() {
    for arguments in SETUPS {
        let (expected, count) = set_up(arguments).await;
        assert!(count > 10);
        for how in INTERRUPTIONS {
            for after in 0..count {
                let desk = desk().await;
                interrupt_after(&desk, after, how);
                desk.setup(arguments).await.failed();
                desk.simulator.faults().clear();
                desk.setup(arguments).await.done();
                assert_eq!(
                    desk.snapshot().await,
                    expected,
                    "{arguments:?} {how:?} {after}"
                );
            }
        }
    }
}

#[tokio::test]
async fn teardown_after_an_interrupted_setup_leaves_everything_as_it_was() {
    let untouched = desk().await.snapshot().await.at_twilio();
    for arguments in SETUPS {
        let (_, count) = set_up(arguments).await;
        for how in INTERRUPTIONS {
            for after in 0..count {
                let desk = desk().await;
                interrupt_after(&desk, after, how);
                desk.setup(arguments).await.failed();
                desk.simulator.faults().clear();
                desk.teardown(&[]).await.done();
                let left = desk.snapshot().await.at_twilio();
                assert_eq!(left, untouched, "{arguments:?} {how:?} {after}");
            }
        }
    }
}

#[tokio::test]
async fn teardown_run_again_leaves_everything_as_it_was() {
    let untouched = desk().await.snapshot().await.at_twilio();
    for arguments in SETUPS {
        let desk_of_one = desk().await;
        desk_of_one.setup(arguments).await.done();
        let before = requests(&desk_of_one);
        desk_of_one.teardown(&[]).await.done();
        let count = requests(&desk_of_one) - before;
        for how in INTERRUPTIONS {
            for after in 0..count {
                let desk = desk().await;
                desk.setup(arguments).await.done();
                interrupt_after(&desk, after, how);
                desk.teardown(&[]).await.failed();
                desk.simulator.faults().clear();
                desk.teardown(&[]).await.done();
                let left = desk.snapshot().await.at_twilio();
                assert_eq!(left, untouched, "{arguments:?} {how:?} {after}");
            }
        }
    }
}
