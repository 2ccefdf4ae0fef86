//! How everything stands: who waits and where, what became of callers, what is dead, what isn't well.
//! The command line prints it, the page shows it.

mod callers;
mod counts;
mod dead;
mod given_up;
mod happening;
mod heard;
mod model;
mod past;
mod plans;
mod reading;
mod watcher;
mod well;
mod words;

pub use happening::{Happening, Happenings};
pub use model::{
    Day, DeadLetter, DeadLetters, Hour, NotWell, Overview, PlanDay, PlanNow, Process, Recent,
    StepNow, Waiting, Whereabouts,
};
pub use watcher::Watcher;
pub use words::{counted, span};
