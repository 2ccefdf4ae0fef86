//! Redirect plans: which placeholder task queue's callers go to which number, and what they hear.

mod args;
mod file;
mod notify;
mod outcomes;
mod place;
mod raw;
mod step;
mod values;
mod words;

use std::collections::BTreeSet;

use jiff::Timestamp;
use ladder::{Answer, CallerId, Hop, Ladder, Offer, Ring, Stage, Step, Voice};
use twilio::twiml::{Dial, Response, Say, Twiml, Verb};
use twilio::{Caller, E164, FormParams, PublicUrl, TaskQueueSid};

pub use self::args::PlanArgs;
pub use self::notify::Notify;
pub use self::outcomes::Ending;
pub use self::words::does;

/// What happens to the callers of one placeholder task queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What metrics and logs call it.
    pub name: String,
    /// The placeholder task queue.
    pub task_queue_sid: TaskQueueSid,
    /// Whether callers whose task is gone are redirected too.
    pub rescue: bool,
    /// Where its callers go.
    pub way: Way,
    /// Who is told what became of them.
    pub notify: Option<Notify>,
}

/// Where callers go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// To one number, and that is it.
    Number(Forward),
    /// Step by step, until somebody has them.
    Ladder(Ladder),
}

/// One number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// What is said to the caller before it rings.
    pub notice: Option<Say>,
    /// The number.
    pub dial: Dial,
    /// The number shown where the caller has none that can be.
    pub caller_id_fallback: Option<E164>,
}

impl Forward {
    fn response(&self, caller: &Caller) -> Response {
        let dial = Dial {
            caller_id: caller.shown(self.dial.caller_id, self.caller_id_fallback),
            ..self.dial.clone()
        };
        let notice = self.notice.clone().map(Verb::Say);
        Response(notice.into_iter().chain([Verb::Dial(dial)]).collect())
    }

    /// The same for a caller from a ladder: what Twilio asks for after the call to the number, and
    /// whom it tells of its end.
    fn after_a_ladder(&self, action: String, ended: Option<String>) -> Self {
        let mut forward = self.clone();
        forward.dial.action = Some(action);
        for number in &mut forward.dial.numbers {
            number.status_callback.clone_from(&ended);
        }
        forward
    }
}

/// What Twilio is told of a caller first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstStep {
    /// The document. It was seen at the start that Twilio takes it.
    pub twiml: Twiml,
    /// What the caller gets by it.
    pub offer: Offer,
}

impl Plan {
    /// What a caller hears first.
    pub fn begin(&self, caller: &Caller, now: Timestamp) -> FirstStep {
        let Answer { response, offer } = match &self.way {
            Way::Number(forward) => rings(forward, caller),
            Way::Ladder(ladder) => ladder.begin(caller, now),
        };
        FirstStep {
            twiml: response.to_twiml().unwrap_or_else(|_| Twiml::hang_up()),
            offer,
        }
    }

    /// The steps, if it has any.
    pub fn ladder(&self) -> Option<&Ladder> {
        match &self.way {
            Way::Number(_) => None,
            Way::Ladder(ladder) => Some(ladder),
        }
    }

    /// The numbers that it may ring, each once.
    pub fn numbers(&self) -> BTreeSet<E164> {
        match &self.way {
            Way::Number(forward) => forward.dial.numbers.iter().map(|n| n.number).collect(),
            Way::Ladder(ladder) => {
                let rings = ladder.steps().iter().filter_map(Step::ring);
                rings
                    .flat_map(|ring| ring.numbers.iter().copied())
                    .collect()
            }
        }
    }

    /// The numbers, not the caller's, that it shows to those who are rung, each once.
    pub fn shown_numbers(&self) -> BTreeSet<E164> {
        match &self.way {
            Way::Number(forward) => [forward.dial.caller_id, forward.caller_id_fallback]
                .into_iter()
                .flatten()
                .collect(),
            Way::Ladder(ladder) => {
                let rings = ladder.steps().iter().filter_map(Step::ring);
                rings.flat_map(Ring::shown_numbers).collect()
            }
        }
    }

    /// Whether those who are rung may be shown the caller's own number, with nothing for callers who
    /// have none.
    pub fn needs_callers_number(&self) -> bool {
        match &self.way {
            Way::Number(forward) => {
                forward.dial.caller_id.is_none() && forward.caller_id_fallback.is_none()
            }
            Way::Ladder(ladder) => ladder.steps().iter().filter_map(Step::ring).any(|ring| {
                ring.caller_id == CallerId::Caller && ring.caller_id_fallback.is_none()
            }),
        }
    }
}

/// What Twilio is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextStep<'a> {
    /// The document.
    pub twiml: Twiml,
    /// The hash of the ladder that it comes from; none where there is no such ladder.
    pub hash: Option<&'a str>,
    /// What the caller gets by it.
    pub offer: Offer,
}

/// All plans, by their placeholder task queue. There is at least one; the first is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans {
    plans: Vec<Plan>,
    outcomes: bool,
}

fn rings(forward: &Forward, caller: &Caller) -> Answer {
    Answer {
        response: forward.response(caller),
        offer: Offer::More,
    }
}

impl Plans {
    /// The plan for the callers of a task queue, if it is a placeholder.
    pub fn get(&self, task_queue: &TaskQueueSid) -> Option<&Plan> {
        self.iter().find(|plan| plan.task_queue_sid == *task_queue)
    }

    /// The plan for callers who are to be rescued from a task queue. One that has no plan of its own
    /// gets the first that rescues: the redirector finds out whether the workflow leads to another.
    pub fn rescuer(&self, task_queue: Option<&TaskQueueSid>) -> Option<&Plan> {
        match task_queue.and_then(|task_queue| self.get(task_queue)) {
            Some(plan) => plan.rescue.then_some(plan),
            None => self.iter().find(|plan| plan.rescue),
        }
    }

    /// The first plan.
    pub fn default_plan(&self) -> Option<&Plan> {
        self.plans.first()
    }

    /// What Twilio is told that asks what comes next. Where there is no plan of that name, or it has
    /// no steps any more, the caller goes on with what there is.
    pub fn answer(
        &self,
        hop: &Hop<'_>,
        params: &FormParams,
        now: Timestamp,
        public_url: &PublicUrl,
    ) -> NextStep<'_> {
        let named = self.iter().find(|plan| plan.name == hop.plan);
        let ladder = named.and_then(Plan::ladder);
        let caller = Caller::of(params);
        let Answer { response, offer } = match (ladder, named.or_else(|| self.default_plan())) {
            (Some(ladder), _) => ladder.answer(hop, params, now),
            (None, _) if !hop.stage.goes_on(None, params) => Response(vec![Verb::Hangup]).into(),
            (None, Some(plan)) if !hop.again => match &plan.way {
                // Whoever comes from a ladder was promised words at the end.
                Way::Number(forward) => {
                    let end = Hop {
                        again: true,
                        stage: Stage::Dialed,
                        ..*hop
                    };
                    let ended = Hop {
                        plan: plan.task_queue_sid.as_str(),
                        stage: Stage::Ended,
                        ..end
                    };
                    let ended = self.outcomes.then(|| ended.url(public_url));
                    let forward = forward.after_a_ladder(end.url(public_url), ended);
                    rings(&forward, &caller)
                }
                Way::Ladder(ladder) => ladder.begin_again(&caller, now),
            },
            (None, _) => Answer {
                response: Response(Voice::default().last_words().into()),
                offer: Offer::LastWords,
            },
        };
        NextStep {
            // It was seen at the start that all of it can be written.
            twiml: response.to_document().unwrap_or_else(|_| Twiml::hang_up()),
            hash: ladder.map(Ladder::hash),
            offer,
        }
    }

    /// Each plan.
    pub fn iter(&self) -> impl Iterator<Item = &Plan> {
        self.plans.iter()
    }
}
