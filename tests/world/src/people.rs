//! Callers, agents, and other software.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use simulator::{Begin, Caller, PlaceCall, Simulator};

use crate::story::Teller;
use crate::weather::seconds;

/// What people and other software do in one world.
#[derive(Debug, Clone, Copy)]
pub struct Customs {
    /// Whether other software takes callers off hold as well.
    pub other_software: bool,
}

/// One caller's life.
pub async fn live(
    simulator: Arc<Simulator>,
    number: usize,
    customs: Customs,
    mut rng: Rng,
    teller: Teller,
) {
    tokio::time::sleep(seconds(&mut rng, 0.0, 80.0)).await;
    let begin = match rng.bool() {
        true => Begin::LastStep,
        false => Begin::FirstStep,
    };
    let call = PlaceCall {
        begin,
        ..PlaceCall::default()
    };
    let Ok(Caller { call_sid, .. }) = simulator.place_call(call) else {
        return;
    };
    teller.say(|| format!("caller {number} calls ({begin:?}): {call_sid}"));
    match rng.u32(..10) {
        0 | 1 => {
            tokio::time::sleep(seconds(&mut rng, 0.0, 90.0)).await;
            if simulator.hang_up(call_sid) {
                teller.say(|| format!("caller {number} hangs up"));
            }
        }
        2..=4 => {
            tokio::time::sleep(seconds(&mut rng, 0.0, 19.0)).await;
            // No agent works in the placeholder queue.
            let placeholder = simulator.placeholder();
            let offered = simulator.inspect(|state| {
                let task = state.task_of(&call_sid).and_then(|task| state.task(&task));
                task.is_some_and(|task| task.queue != placeholder)
            });
            if !offered || !simulator.agent_answers(call_sid) {
                return;
            }
            teller.say(|| format!("an agent takes caller {number}"));
            if rng.bool() {
                tokio::time::sleep(seconds(&mut rng, 0.1, 10.0)).await;
                simulator.place_other_task(Some(call_sid));
                teller.say(|| format!("a transfer copies the call of caller {number}"));
            }
            tokio::time::sleep(seconds(&mut rng, 1.0, 60.0)).await;
            if rng.bool() && simulator.enqueue_again(call_sid).is_some() {
                teller.say(|| format!("caller {number} is back in the workflow, by a new task"));
            }
        }
        5 | 6 if customs.other_software => {
            tokio::time::sleep(seconds(&mut rng, 0.0, 60.0)).await;
            if !simulator.take_off_hold(call_sid) {
                return;
            }
            teller.say(|| format!("other software takes caller {number} off hold"));
            if rng.bool() {
                tokio::time::sleep(seconds(&mut rng, 1.5, 30.0)).await;
                if simulator.enqueue_again(call_sid).is_some() {
                    teller.say(|| format!("caller {number} is back in the workflow"));
                }
            }
        }
        7 => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            simulator.place_other_task(None);
        }
        _ => {}
    }
}
