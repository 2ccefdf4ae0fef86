//! What wasn't done for somebody.

use axum::http::StatusCode;

/// What wasn't done for somebody, and why.
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) &'static str);
