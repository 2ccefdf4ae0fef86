//! Callers, agents, and other software.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use simulator::{Begin, Conduct, OtherTask, PlaceCall, Simulator, State, TurnDown};
use tokio::time::Instant;
use twilio::CallSid;

use crate::kind::Kind;
use crate::ladders::conduct;
use crate::story::Teller;
use crate::weather::seconds;

/// When the last caller calls.
const LAST_CALL: f64 = 80.0;
/// Nobody comes back into the workflow later than this.
const LAST_COMEBACK: Duration = Duration::from_secs(140);
/// Nobody comes back sooner after they were enqueued: by Twilio's clocks, told to the second, they
/// could not be told apart from somebody who never left.
const APART: Duration = Duration::from_secs(6);
/// How long a task takes through the queues in which agents work.
const WITH_AGENTS: f64 = 20.0;

/// One caller's life, and what others do to it.
pub struct Person {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) number: usize,
    pub(crate) kinds: Arc<[Kind]>,
    pub(crate) rng: Rng,
    pub(crate) teller: Teller,
    pub(crate) began: Instant,
    /// Whether their plan is a ladder.
    pub(crate) climbs: bool,
}

impl Person {
    /// Lives it.
    pub async fn live(mut self) {
        pause(&mut self.rng, 0.0, LAST_CALL).await;
        let begin = [Begin::LastStep, Begin::FirstStep][self.rng.usize(..2)];
        let hangs_up = self.does(Kind::HangUps, 0.5);
        let after = seconds(&mut self.rng, 0.0, 60.0);
        let conduct = conduct(&mut self.rng);
        let chat = self.does(Kind::Chats, 0.5);
        let expires = self.does(Kind::ExpiredTasks, 0.5);
        let expires = expires.then(|| seconds(&mut self.rng, 0.0, 1.5 * WITH_AGENTS));
        let call = PlaceCall {
            begin,
            conduct: if self.climbs {
                conduct
            } else {
                Conduct::default()
            },
            ..PlaceCall::default()
        };
        let Ok(caller) = self.simulator.place_call(call) else {
            return;
        };
        let call = caller.call_sid;
        let number = self.number;
        self.say(call, format!("caller {number} calls"));
        if chat {
            self.simulator.place_other_task(OtherTask::Chat);
        }
        if let Some(after) = expires {
            let (simulator, teller) = (Arc::clone(&self.simulator), self.teller.clone());
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                if simulator.expire_task(caller.task_sid) {
                    teller.say_of(call, "the task's time to live is up");
                }
            });
        }
        let (simulator, teller) = (Arc::clone(&self.simulator), self.teller.clone());
        let lives = self.waits(call, begin);
        if !hangs_up {
            return lives.await;
        }
        if tokio::time::timeout(after, lives).await.is_ok() {
            return;
        }
        if simulator.hang_up(call) {
            teller.say_of(call, format!("caller {number} hangs up"));
        }
    }

    /// From the call on.
    async fn waits(mut self, call: CallSid, mut begin: Begin) {
        for _ in 0..3 {
            let enqueued = Instant::now();
            if begin == Begin::FirstStep && self.does(Kind::Agents, 0.8) {
                self.is_offered(call).await;
            } else if self.does(Kind::OtherSoftware, 0.7) {
                pause(&mut self.rng, 0.0, 2.0 * WITH_AGENTS).await;
                if self.simulator.take_off_hold(call) {
                    let what = "other software takes the caller off hold";
                    self.say(call, what.to_owned());
                }
            }
            if self.does(Kind::Transfers, 0.7) {
                self.is_transferred(call).await;
            }
            if !self.does(Kind::ComeBacks, 0.7) {
                return;
            }
            // Out of a conversation with whomever.
            for _ in 0..4 {
                pause(&mut self.rng, 0.5, 20.0).await;
                tokio::time::sleep_until(enqueued + APART).await;
                if self.began.elapsed() > LAST_COMEBACK {
                    return;
                }
                begin = [Begin::LastStep, Begin::FirstStep][self.rng.usize(..2)];
                if self.simulator.enqueue_again(call, begin).is_some() {
                    let what = "the caller is back in the workflow, by a new task";
                    self.say(call, what.to_owned());
                    break;
                }
            }
        }
    }

    /// Agents are offered the caller, one after the other.
    async fn is_offered(&mut self, call: CallSid) {
        let mut left = WITH_AGENTS;
        for _ in 0..3 {
            let after = seconds(&mut self.rng, 0.0, left.max(0.1));
            left -= after.as_secs_f64();
            tokio::time::sleep(after).await;
            let placeholder = self.simulator.placeholder();
            let task = self.simulator.inspect(|state| {
                let task = state.task(&state.task_of(&call)?)?;
                (task.queue != placeholder).then_some(task.sid)
            });
            let Some(task) = task.filter(|task| self.simulator.offer(*task)) else {
                return;
            };
            self.say(call, "an agent is offered the caller".to_owned());
            pause(&mut self.rng, 0.5, 12.0).await;
            let how = match self.rng.u32(..3) {
                0 if self.simulator.agent_answers(call) => {
                    return self.say(call, "the agent answers".to_owned());
                }
                1 => TurnDown::Rejected,
                _ => TurnDown::Ignored,
            };
            if self.simulator.turn_down(task, how) {
                self.say(call, format!("the agent does not answer: {how:?}"));
            }
        }
    }

    /// The agent who has the caller brings in another.
    async fn is_transferred(&mut self, call: CallSid) {
        for _ in 0..3 {
            pause(&mut self.rng, 0.1, 15.0).await;
            if !self.simulator.inspect(|state| talks(state, &call)) {
                continue;
            }
            let others = [
                OtherTask::Conference(call),
                OtherTask::Transfer(call),
                OtherTask::Consultation(call),
            ];
            let other = others[self.rng.usize(..3)];
            let how = match other {
                OtherTask::Conference(_) => "a conference",
                OtherTask::Transfer(_) => "a transfer",
                _ => "a consultation",
            };
            if self.simulator.place_other_task(other).is_some() {
                let what = format!("a task with the same call enters the placeholder: {how}");
                self.say(call, what);
            }
        }
    }

    fn does(&mut self, kind: Kind, likely: f64) -> bool {
        // Drawn in any case, so that the rest stays as it is where a kind is taken away.
        self.rng.f64() < likely && self.kinds.contains(&kind)
    }

    fn say(&self, call: CallSid, what: String) {
        self.teller.say_of(call, what);
    }
}

fn talks(state: &State, call: &CallSid) -> bool {
    state.is_in_progress(call) && !state.is_waiting(call)
}

async fn pause(rng: &mut Rng, from: f64, to: f64) {
    tokio::time::sleep(seconds(rng, from, to)).await;
}
