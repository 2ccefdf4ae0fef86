//! Stories of setup, doctor and teardown, told against the simulator over real HTTP.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod support;

mod channels;
mod doctor;
mod doctor_proofs;
mod doctor_table;
mod edited;
mod interrupted;
mod joins;
mod ladders;
mod left_behind;
mod live;
mod meanwhile;
mod refusals;
mod setup;
mod setup_table;
mod shapes;
mod specification;
mod teardown;
mod workflow;
