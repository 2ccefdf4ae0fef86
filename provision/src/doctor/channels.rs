//! Do only calls get to the placeholder? Nobody serves a message there.

use twilio::WorkspaceSid;
use twilio::rest::{Task, TaskQueue, Workflow};

use super::report::Report;
use crate::api::Api;
use crate::configuration::Configuration;
use crate::error::Doing;
use crate::record::ReplacedConfiguration;
use crate::wording::{counted, named};

/// An earlier setup extended the filters themselves, whatever came to them. What led to the
/// placeholder before is as its user wants it.
pub(super) fn check_workflow(
    workflow: &Workflow,
    replaced: &ReplacedConfiguration,
    configuration: &Configuration,
    placeholder: &str,
    report: &mut Report<'_>,
) {
    if replaced.in_place {
        return;
    }
    let led_before = Configuration::parse(&replaced.previous)
        .map(|before| before.filters_of_all_channels(placeholder))
        .unwrap_or_default();
    let mut filters = configuration.filters_of_all_channels(placeholder);
    filters.retain(|filter| !led_before.contains(filter));
    if filters.is_empty() {
        return;
    }
    let (name, sid) = (&workflow.friendly_name, workflow.sid);
    report.warn(
        "channels",
        format!(
            "{name:?} ({sid}): messages, too, get to the placeholder by {}, where nobody serves them",
            named("filter", &filters)
        ),
        format!(
            "run `overflow setup --workflow {sid}`, which lets a copy for calls lead there; with \
             --in-place if only calls come to it"
        ),
    );
}

/// What waits in the placeholder and is no call, nobody takes out again.
pub(super) async fn check_tasks(
    api: &Api,
    workspace: &WorkspaceSid,
    queue: &TaskQueue,
    report: &mut Report<'_>,
) {
    let tasks = api.client.pending_tasks(workspace, &queue.sid);
    let tasks = tasks.await.doing("list the tasks in the placeholder");
    let Some(tasks) = report.read("placeholder", tasks) else {
        return;
    };
    let is_no_call = |task: &&Task| {
        let attributes = task.attributes.as_ref();
        attributes.is_some_and(|attributes| attributes.call_sid.is_none())
    };
    let count = tasks.items.iter().filter(is_no_call).count();
    if count > 0 {
        report.warn(
            "channels",
            format!(
                "placeholder {:?} holds {} without a call: nobody serves messages there",
                queue.friendly_name,
                counted(count, "task")
            ),
            "let only calls get there: in the workflow, a copy of the filter with `AND call_sid \
             CONTAINS \"CA\"` before it leads there, as `overflow setup --workflow WW…` makes it",
        );
    }
}
