//! Stories of what the simulator does, told over real HTTP.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod support;

mod api;
mod control;
mod delivery;
mod endings;
mod faults;
mod hang_ups;
mod messages;
mod outgoing;
mod phones;
mod provisioning;
mod redirects;
mod specification;
mod tasks;
mod workflow;
