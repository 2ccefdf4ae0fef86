//! Workspaces.

use serde::Serialize;
use twilio::WorkspaceSid;

use crate::dates::Dates;
use crate::events::EventKind;
use crate::ids::Ids;

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
    pub(crate) timeout_activity_name: String,
    /// The `OU…` SID that events carry.
    #[serde(skip)]
    pub(crate) operating_unit: String,
    #[serde(flatten)]
    pub(crate) dates: Dates,
}

impl Workspace {
    /// One that sends no events.
    pub(crate) fn new(ids: &mut Ids, friendly_name: &str, dates: Dates) -> Self {
        Self {
            sid: ids.sid(),
            friendly_name: friendly_name.to_owned(),
            event_callback_url: String::new(),
            events_filter: None,
            multi_task_enabled: true,
            default_activity_sid: ids.text("WA"),
            timeout_activity_sid: ids.text("WA"),
            timeout_activity_name: "Offline".to_owned(),
            operating_unit: ids.text("OU"),
            dates,
        }
    }

    pub(crate) fn wants(&self, kind: EventKind) -> bool {
        self.events_filter.as_ref().is_none_or(|filter| {
            filter
                .split(',')
                .any(|listed| listed.trim() == kind.as_str())
        })
    }
}
