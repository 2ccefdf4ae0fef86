//! How everything stands: who waits and where, what became of callers, what is dead, what isn't well.
//! The command line prints it, the page shows it.

mod model;

pub use model::{
    Day, DeadLetter, DeadLetters, Hour, NotWell, Overview, PlanDay, PlanNow, Process, Recent,
    StepNow, Waiting, Whereabouts,
};
