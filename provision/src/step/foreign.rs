//! Changes of what isn't ours: set by setup, which records what it replaces, and restored by
//! teardown, which replaces nothing.

use std::collections::BTreeMap;

use twilio::rest::{
    IncomingNumber, VoiceWebhook, Workflow, WorkflowDraft, Workspace, WorkspaceChange,
};

use super::{Step, Work};
use crate::callback::{EventsFilter, shown};
use crate::record::{ReplacedCallback, ReplacedConfiguration, ReplacedVoice};

impl Step {
    /// The workspace's event callback and its filter.
    pub(crate) fn callback(
        found: &Workspace,
        url: String,
        filter: String,
        replaced: Option<ReplacedCallback>,
    ) -> Self {
        let (back, done) = match replaced {
            Some(_) => ("", "set"),
            None => (", put back", "restored"),
        };
        let mut step = Self::keep(format!("event callback of the workspace{back}"));
        step.field("URL", &shown(&found.event_callback_url), &shown(&url));
        let events = |filter: &str| EventsFilter::parse(filter).shown();
        step.field("events", &events(&found.events_filter), &events(&filter));
        let found = found.clone();
        step.then(async move |work: &mut Work<'_, '_>| {
            let (client, workspace) = work.twilio();
            let again = client.workspace(&workspace);
            let ours = |w: &Workspace| (w.event_callback_url.clone(), w.events_filter.clone());
            let what = "the workspace's event callback";
            work.check_unchanged(what, &found, again, ours).await?;
            let change = WorkspaceChange {
                event_callback_url: &url,
                events_filter: &filter,
            };
            work.replace(
                replaced,
                |record, replaced| record.callback = replaced,
                client.update_workspace(&workspace, change),
                "set the workspace's event callback",
                &format!("{done} the workspace's event callback"),
            )
            .await
        })
    }

    /// Where calls to a phone number go, `named` as its user knows it.
    pub(crate) fn number(
        found: &IncomingNumber,
        named: &str,
        voice: VoiceWebhook,
        previous: Option<VoiceWebhook>,
    ) -> Self {
        let sid = found.sid;
        let done = match previous {
            Some(_) => format!("pointed phone number {sid} at the Studio flow"),
            None => format!("restored phone number {sid}"),
        };
        let mut step = Self::keep(format!("phone number {named}"));
        step.field("voice URL", &shown(&found.voice.url), &shown(&voice.url));
        let found = found.clone();
        step.then(async move |work: &mut Work<'_, '_>| {
            let (client, account) = (work.twilio().0, work.site.api.account);
            let again = client.incoming_number(&account, &sid);
            let what = format!("phone number {sid}");
            let ours = |number: &IncomingNumber| number.voice.clone();
            work.check_unchanged(&what, &found, again, ours).await?;
            let voice = VoiceWebhook {
                url: work.fill_in(voice.url),
                ..voice
            };
            let replaced = previous.map(|previous| ReplacedVoice {
                installed_url: voice.url.clone(),
                previous,
            });
            work.replace(
                replaced,
                |record, replaced| put(&mut record.numbers, sid, replaced),
                client.update_incoming_number(&account, &sid, &voice),
                "change where calls to the phone number go",
                &done,
            )
            .await
        })
    }

    /// The configuration of a workflow of the user's.
    pub(crate) fn user_workflow(
        found: &Workflow,
        configuration: String,
        replaced: Option<ReplacedConfiguration>,
        re_evaluates: bool,
    ) -> Self {
        let (name, sid) = (found.friendly_name.clone(), found.sid);
        let done = match replaced {
            Some(_) => "extended",
            None => "restored",
        };
        let mut step = Self::resource("workflow", &name, Some(sid));
        step.configuration(&found.configuration, &configuration);
        step.says_who_goes_by_it(re_evaluates);
        let found = found.clone();
        step.then(async move |work: &mut Work<'_, '_>| {
            let (client, workspace) = work.twilio();
            work.check_workflow(&found).await?;
            let configuration = work.fill_in_json(&configuration);
            let replaced = replaced.map(|replaced| ReplacedConfiguration {
                installed: configuration.clone(),
                ..replaced
            });
            let draft = WorkflowDraft {
                re_evaluate_tasks: re_evaluates,
                ..(&configuration).into()
            };
            work.replace(
                replaced,
                |record, replaced| put(&mut record.extended_workflows, sid, replaced),
                client.update_workflow(&workspace, &sid, draft),
                &format!("change workflow {name}"),
                &format!("{done} workflow {name} ({sid})"),
            )
            .await
        })
    }
}

/// Puts the value into the map, or takes it out where there is none.
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}
