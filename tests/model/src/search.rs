//! The search, breadth first: what it finds, it finds by the shortest story.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::steps::Step;
use crate::{Fault, Job, Omission, Redirector, Rules, State};

/// What is wrong with a set of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A caller who was moved is updated again. How it comes to that.
    Twice(String),
    /// A caller waits, nothing goes wrong any more, and nobody helps. How it comes to that.
    Stuck(String),
}

/// Tries everything that can happen with these faults; how many states there are, if all is well.
///
/// # Errors
/// The first trouble.
pub fn search(without: Option<Omission>, faults: &[Fault]) -> Result<usize, Trouble> {
    let rules = Rules(without);
    let start = State {
        faults: faults.iter().map(|fault| *fault as u8).sum(),
        ..State::START
    };
    let mut seen: Vec<(State, Step, usize)> = vec![(start, ("", 2), 0)];
    let mut places = HashMap::with_hasher(FixedState::default());
    places.insert(start, 0);
    let mut steps = Vec::new();
    let mut at = 0;
    while let Some(&(state, ..)) = seen.get(at) {
        let story = || {
            let mut story = Vec::new();
            let mut place = at;
            while place != 0 {
                let (_, (what, who), before) = seen[place];
                story.push(format!("{}{what}", ["A ", "B ", ""][who]));
                place = before;
            }
            story.reverse();
            story.join("\n")
        };
        if state.twice {
            return Err(Trouble::Twice(story()));
        }
        if !state.moved && !state.is_helped(rules) {
            return Err(Trouble::Stuck(story()));
        }
        state.steps(rules, &mut steps);
        for (step, next) in steps.drain(..) {
            places.entry(next.essence(rules)).or_insert_with(|| {
                seen.push((next, step, at));
                seen.len() - 1
            });
        }
        at += 1;
    }
    Ok(seen.len())
}

/// How long help may take: a late update, W, a look, and as much again for the other.
const PATIENCE: usize = 20;

impl State {
    /// What matters of it for what can come: states that agree in this have the same future.
    fn essence(&self, rules: Rules) -> Self {
        let mut state = *self;
        let dead = state.redirectors.iter().any(|r| r.job == Job::Dead);
        let kill = state.faults & Fault::Kill as u8 != 0;
        let held = |r: &Redirector| !matches!(r.job, Job::Idle | Job::Dead);
        let comes_back = kill && state.redirectors.iter().any(held);
        if rules.hold(Omission::NewIncarnation) {
            // Who wrote an entry is no matter to a new life.
            let [a, b] = &mut state.redirectors;
            let newest = a.appended.min(b.appended);
            (a.appended, b.appended) = (newest, newest);
        }
        for redirector in &mut state.redirectors {
            if !dead && !kill {
                redirector.appended = Redirector::NEW.appended;
            }
            if state.copies == 0 && !comes_back && !held(redirector) {
                *redirector = Redirector {
                    appended: redirector.appended,
                    ..Redirector::NEW
                };
            }
        }
        // Which of the two is which is no matter.
        state.redirectors.sort_unstable();
        state
    }

    /// Whether somebody moves the caller soon, if nothing goes wrong from now on: both work at the
    /// same pace, and no update that is under way comes to anything.
    fn is_helped(&self, rules: Rules) -> bool {
        let mut state = *self;
        state.faults = 0;
        state.underway = [None; 2];
        for _ in 0..PATIENCE {
            let mut asked = [false; 2];
            loop {
                let before = state;
                for r in 0..2 {
                    // Once asked, it waits a while before it asks again.
                    if state.redirectors[r].job == Job::Decide && asked[r] {
                        continue;
                    }
                    asked[r] |= matches!(
                        state.redirectors[r].job,
                        Job::Asking { .. } | Job::Ready { .. }
                    );
                    let mut first = None;
                    state.work(r, rules, &mut |_, next| first = first.or(Some(next)));
                    state = first.unwrap_or(state);
                }
                if state.moved {
                    return true;
                }
                if state == before {
                    break;
                }
            }
            let Some(next) = state.tick() else {
                return false;
            };
            state = next;
        }
        false
    }
}
