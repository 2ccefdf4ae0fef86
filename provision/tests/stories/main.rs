//! Stories of setup, doctor and teardown, told against the simulator over real HTTP.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod support;

mod doctor;
mod doctor_proofs;
mod interrupted;
mod refusals;
mod setup;
mod specification;
mod teardown;
mod workflow;
