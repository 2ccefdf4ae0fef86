//! Workspaces.

use jiff::Timestamp;
use twilio::WorkspaceSid;

use crate::events::EventKind;

/// A workspace. It says which events are sent, and where to.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    pub(crate) sid: WorkspaceSid,
    pub(crate) friendly_name: String,
    pub(crate) event_callback_url: Option<String>,
    pub(crate) events_filter: Option<String>,
    pub(crate) multi_task_enabled: bool,
    pub(crate) default_activity: String,
    pub(crate) timeout_activity: String,
    /// The `OU…` SID that events carry.
    pub(crate) operating_unit: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

impl Workspace {
    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        let filter = self.events_filter.as_deref().unwrap_or_default();
        filter.is_empty()
            || filter
                .split(',')
                .any(|listed| listed.trim() == kind.as_str())
    }
}
