//! Interrupted at every single request, before and after Twilio acted on it, and run again.

use simulator::{Fault, Loss, Rule};

use crate::support::{Operator, Run, Snapshot};

const NUMBER: &str = "+14155550150";
const OLD_VOICE_URL: &str = "https://ivr.example.com/welcome";

/// Before Twilio acts, and after it did.
const INTERRUPTIONS: [Fault; 2] = [Fault::Reset, Fault::LoseAnswer(Loss::Reset)];

const SETUPS: [&[&str]; 4] = [
    &["--replace-callback", "--number", NUMBER],
    &["--replace-callback", "--via", "callback"],
    &["--via", "event-streams"],
    &["--replace-callback", "--target-timeout", "20", "--workflow"],
];

/// Runs setup; `--workflow`, at the end, is followed by that of the user.
async fn setup(operator: &Operator, arguments: &[&str]) -> Run {
    let workflow = operator.simulator.workflow_sid();
    let extends = arguments.last() == Some(&"--workflow");
    let workflow = extends.then_some(workflow.as_str());
    let all: Vec<_> = arguments.iter().copied().chain(workflow).collect();
    operator.setup(&all).await
}

async fn operator() -> Operator {
    let operator = Operator::with(simulator::Config {
        seed: Some(7),
        callback_url: Some("https://crm.example.com/events".into()),
        events_filter: Some("task.created".into()),
        ..simulator::Config::default()
    })
    .await;
    operator.add_number(NUMBER, OLD_VOICE_URL);
    operator
}

fn requests(operator: &Operator) -> u32 {
    u32::try_from(operator.simulator.journal().request_count()).unwrap()
}

/// Lets nothing through from the next but `count` on.
fn interrupt_after(operator: &Operator, count: u32, how: Fault) {
    operator
        .simulator
        .faults()
        .add(Rule::everywhere(how).after(count));
}

async fn set_up(arguments: &[&str]) -> (Snapshot, u32) {
    let operator = operator().await;
    setup(&operator, arguments).await.done();
    let count = requests(&operator);
    (operator.snapshot().await, count)
}

#[tokio::test]
async fn setup_run_again_ends_in_the_same_state_with_nothing_twice() {
    for arguments in SETUPS {
        let (expected, count) = set_up(arguments).await;
        assert!(count > 5);
        for how in INTERRUPTIONS {
            for after in 0..count {
                let operator = operator().await;
                interrupt_after(&operator, after, how);
                setup(&operator, arguments).await.failed();
                operator.simulator.faults().clear();
                setup(&operator, arguments).await.done();
                assert_eq!(
                    operator.snapshot().await,
                    expected,
                    "{arguments:?} {how:?} {after}"
                );
            }
        }
    }
}

#[tokio::test]
async fn teardown_after_an_interrupted_setup_leaves_everything_as_it_was() {
    let untouched = operator().await.snapshot().await.at_twilio();
    for arguments in SETUPS {
        let (_, count) = set_up(arguments).await;
        for how in INTERRUPTIONS {
            for after in 0..count {
                let operator = operator().await;
                interrupt_after(&operator, after, how);
                setup(&operator, arguments).await.failed();
                operator.simulator.faults().clear();
                operator.teardown(&[]).await.done();
                let left = operator.snapshot().await.at_twilio();
                assert_eq!(left, untouched, "{arguments:?} {how:?} {after}");
            }
        }
    }
}

#[tokio::test]
async fn teardown_run_again_leaves_everything_as_it_was() {
    let untouched = operator().await.snapshot().await.at_twilio();
    for arguments in SETUPS {
        let once = operator().await;
        setup(&once, arguments).await.done();
        let before = requests(&once);
        once.teardown(&[]).await.done();
        let count = requests(&once) - before;
        for how in INTERRUPTIONS {
            for after in 0..count {
                let operator = operator().await;
                setup(&operator, arguments).await.done();
                interrupt_after(&operator, after, how);
                operator.teardown(&[]).await.failed();
                operator.simulator.faults().clear();
                operator.teardown(&[]).await.done();
                let left = operator.snapshot().await.at_twilio();
                assert_eq!(left, untouched, "{arguments:?} {how:?} {after}");
            }
        }
    }
}

#[tokio::test]
async fn another_placeholder_takes_the_place_of_the_first_whatever_interrupts_it() {
    let before = operator().await.snapshot().await.at_twilio();
    let workflows = |snapshot: Snapshot| -> Vec<_> {
        let lines = snapshot.0.into_iter();
        lines.filter(|line| line.starts_with("<workflow")).collect()
    };
    let [.., first] = SETUPS;
    let other = [&["--prefix", "[Other]"], first].concat();
    let (expected, count) = {
        let operator = operator().await;
        setup(&operator, first).await.done();
        let before = requests(&operator);
        setup(&operator, &other).await.done();
        let count = requests(&operator) - before;
        (operator.snapshot().await, count)
    };
    for how in INTERRUPTIONS {
        for after in 0..count {
            let operator = operator().await;
            setup(&operator, first).await.done();
            interrupt_after(&operator, after, how);
            setup(&operator, &other).await.failed();
            operator.simulator.faults().clear();
            setup(&operator, &other).await.done();
            assert_eq!(operator.snapshot().await, expected, "{how:?} {after}");
            operator.teardown(&[]).await.done();
            let left = operator.snapshot().await.at_twilio();
            assert_eq!(
                workflows(left),
                workflows(before.clone()),
                "{how:?} {after}"
            );
        }
    }
}
