//! What becomes of callers after the redirect: how it is found out, and who is told.

#![allow(clippy::unwrap_used, reason = "tests")]

mod follow_up;
mod notifier;
mod office;
