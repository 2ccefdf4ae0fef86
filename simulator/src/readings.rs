//! What Twilio's documentation leaves open about calls.

use serde::{Deserialize, Serialize};

/// How Twilio does what its documentation doesn't say. The default is what seems likeliest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Readings {
    /// Whether the other numbers of a `<Dial>` ring on while whoever picked up hears a whisper. Else
    /// they are hung up when the first picks up.
    pub others_ring_on: bool,
    /// What `action` is told of somebody who picked up and, after a whisper, didn't get the caller.
    pub refused_whisper: RefusedWhisper,
    /// Whether a `<Dial>`'s `action` is requested when the caller hangs up.
    pub action_after_hang_up: bool,
    /// Whether a `<Record>`'s `action` is requested when nothing was recorded. Else what follows the
    /// verb is reached.
    pub action_without_recording: bool,
}

/// `DialCallStatus` and `DialBridged` after a refused whisper.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedWhisper {
    /// `no-answer` and `false`.
    NoAnswer,
    /// `completed` and `false`.
    #[default]
    Completed,
    /// `completed` and `true`, as if somebody had had the caller.
    CompletedAndBridged,
}

impl Readings {
    /// Each combination.
    pub fn all() -> impl Iterator<Item = Self> {
        let refused = [
            RefusedWhisper::NoAnswer,
            RefusedWhisper::Completed,
            RefusedWhisper::CompletedAndBridged,
        ];
        refused.into_iter().flat_map(|refused_whisper| {
            (0..8).map(move |bits| Self {
                others_ring_on: bits & 1 > 0,
                refused_whisper,
                action_after_hang_up: bits & 2 > 0,
                action_without_recording: bits & 4 > 0,
            })
        })
    }
}
