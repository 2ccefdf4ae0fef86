//! The search, breadth first: what it finds, it finds by the shortest story.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use crate::choices::Choices;
use crate::state::{Stage, State};
use crate::{Fault, Omission};

/// What is wrong with a set of rules, and how it comes to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// A caller who was moved is updated again.
    Twice(String),
    /// A caller waits, nothing goes wrong any more, and nobody helps.
    Stuck(String),
}

/// How many ticks help may take: W and a look, and as much again for the other.
const PATIENCE: usize = 20;

/// Tries everything that can happen with these faults; how many states there are, if all is well.
///
/// # Errors
/// The first trouble.
pub fn search(without: Option<Omission>, faults: &[Fault]) -> Result<usize, Trouble> {
    // Each with what led to it, to whom that happened, and from where.
    let mut seen = vec![(State::start(without, faults), "", 2, 0)];
    let mut known = HashSet::with_hasher(FixedState::default());
    let mut at = 0;
    while let Some(&(state, ..)) = seen.get(at) {
        let story = |mut place: usize| {
            let mut story = Vec::new();
            while place != 0 {
                let (_, what, who, before) = seen[place];
                story.push(format!("{}{what}", ["A ", "B ", ""][who]));
                place = before;
            }
            story.reverse();
            story.join("\n")
        };
        if state.twice {
            return Err(Trouble::Twice(story(at)));
        }
        if !state.moved && !is_helped(state) {
            return Err(Trouble::Stuck(story(at)));
        }
        for who in 0..3 {
            let mut choices = Choices::default();
            loop {
                let mut next = state;
                let what = next.turn(who, &mut choices);
                if known.insert(next.essence()) {
                    seen.push((next, what, who, at));
                }
                if !choices.again() {
                    break;
                }
            }
        }
        at += 1;
    }
    Ok(seen.len())
}

/// Whether somebody moves the caller soon, if nothing goes wrong from now on: both work at the same
/// pace, and no update that is under way comes to anything.
fn is_helped(mut state: State) -> bool {
    (state.faults, state.underway) = (0, [None; 2]);
    for _ in 0..PATIENCE {
        let mut asked = [false; 2];
        loop {
            let before = state;
            for (r, asked) in asked.iter_mut().enumerate() {
                let stage = state.redirectors[r].stage;
                // Once asked, it waits a while before it asks again.
                if !(*asked && stage == Stage::Decide) {
                    *asked |= matches!(stage, Stage::Asking | Stage::Ready);
                    state.turn(r, &mut Choices::default());
                }
            }
            if state.moved {
                return true;
            }
            if state == before {
                break;
            }
        }
        state.turn(2, &mut Choices::default());
    }
    false
}
