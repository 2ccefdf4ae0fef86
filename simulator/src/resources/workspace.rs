//! Workspaces.

use serde::Serialize;
use twilio::WorkspaceSid;

use crate::dates::Dates;
use crate::events::EventKind;

/// A workspace. It says which events are sent, and where to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Workspace {
    pub(crate) sid: WorkspaceSid,
    pub(crate) friendly_name: String,
    /// Empty where no events are sent.
    pub(crate) event_callback_url: String,
    /// `None` for all of them.
    pub(crate) events_filter: Option<String>,
    pub(crate) multi_task_enabled: bool,
    pub(crate) default_activity_sid: String,
    pub(crate) timeout_activity_sid: String,
    /// The `OU…` SID that events carry.
    #[serde(skip)]
    pub(crate) operating_unit: String,
    #[serde(flatten)]
    pub(crate) dates: Dates,
}

impl Workspace {
    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        self.events_filter.as_ref().is_none_or(|filter| {
            filter
                .split(',')
                .any(|listed| listed.trim() == kind.as_str())
        })
    }
}
