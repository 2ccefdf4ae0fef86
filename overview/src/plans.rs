//! The plans as they are in force now.

use jiff::Timestamp;
use ladder::{Action, Hours, Step};
use service::Plans;
use service::plan::{Way, does};
use twilio::E164;

use crate::{PlanNow, StepNow};

/// The plans as they are in force at the time `now`.
pub(crate) fn plans_now(plans: &Plans, now: Timestamp) -> Vec<PlanNow> {
    let plans = plans.iter().map(|plan| {
        let (steps, changes_at) = match &plan.way {
            Way::Number(forward) => {
                let numbers: Vec<_> = forward
                    .dial
                    .numbers
                    .iter()
                    .map(|rung| rung.number)
                    .collect();
                (vec![step("rings".to_owned(), &numbers, true)], None)
            }
            Way::Ladder(ladder) => {
                let hours = ladder.steps().iter().filter_map(|step| step.when.as_ref());
                let changes_at = hours
                    .filter_map(|hours: &Hours| hours.next_change(now))
                    .min();
                let steps = ladder.steps().iter();
                (steps.map(|step| step_now(step, now)).collect(), changes_at)
            }
        };
        PlanNow {
            name: plan.name.clone(),
            steps,
            changes_at,
        }
    });
    plans.collect()
}

fn step_now(ladder_step: &Step, now: Timestamp) -> StepNow {
    let is_in_force = ladder_step.is_in_force(now);
    let what = does(&ladder_step.action);
    match &ladder_step.action {
        Action::Ring(ring) => step(format!("{what}:"), &ring.numbers, is_in_force),
        // Its URL may let whoever knows it in.
        Action::Play(_) => StepNow {
            masked: "plays a recording".to_owned(),
            whole: what,
            in_force: is_in_force,
        },
        Action::Voicemail(_) | Action::Say(_) => step(what, &[], is_in_force),
    }
}

fn step(what: String, numbers: &[E164], in_force: bool) -> StepNow {
    let with = |shown: &dyn Fn(&E164) -> String| {
        let numbers: Vec<_> = numbers.iter().map(shown).collect();
        let said = format!("{what} {}", numbers.join(", "));
        said.trim_end().to_owned()
    };
    StepNow {
        // `Debug` hides all but the last two digits.
        masked: with(&|number| format!("{number:?}")),
        whole: with(&|number| number.as_str().to_owned()),
        in_force,
    }
}
