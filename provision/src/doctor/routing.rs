//! Does a caller whom no agent takes get to the placeholder, and stay there?

use service::{Plan, Plans};
use twilio::rest::{TaskQueue, VoiceQueue, Workflow};

use super::channels;
use super::report::Report;
use crate::api::Api;
use crate::configuration::{Configuration, Problem, matches_nobody};
use crate::definitions::Role;
use crate::error::Doing;
use crate::inventory::Inventory;
use crate::record::ReplacedConfiguration;
use crate::wording::counted;

/// A voice queue counts as nearly full from this percentage of its size on.
const NEARLY_FULL: u32 = 80;

pub(super) async fn check(
    api: &Api,
    plans: &Plans,
    inventory: &Inventory,
    report: &mut Report<'_>,
) {
    let voice_queues = api.client.voice_queues(&api.account).await;
    let voice_queues = report.read("voice queue", voice_queues.doing("list the voice queues"));
    let voice_queues = voice_queues.unwrap_or_default();
    for plan in plans.iter() {
        let (sid, name) = (plan.task_queue_sid, &plan.name);
        let mut queues = inventory.all_task_queues.iter();
        let Some(queue) = queues.find(|queue| queue.sid == sid) else {
            report.fail(
                "placeholder",
                format!("task queue {sid} of plan {name:?} is not in this workspace"),
                "run `overflow setup`, or correct FORWARD_CALL_TASK_QUEUE_SID or the plan",
            );
            continue;
        };
        check_placeholder(queue, inventory, report);
        let workspace = &inventory.workspace.sid;
        channels::check_tasks(api, workspace, queue, report).await;
        check_workflows(plan, queue, inventory, &voice_queues, report);
    }
}

fn check_placeholder(queue: &TaskQueue, inventory: &Inventory, report: &mut Report<'_>) {
    let name = format!("{:?} ({})", queue.friendly_name, queue.sid);
    let expression = queue.target_workers.trim();
    let ours = inventory.task_queues.get(&Role::Placeholder);
    let todo = match ours.is_some_and(|ours| ours.sid == queue.sid) {
        true => "set its target workers to 1==2, which nobody matches; `overflow setup` does",
        // Of the user's, setup changes none.
        false => "set its target workers to 1==2, which nobody matches, in the console",
    };
    match matches_nobody(expression) {
        Some(true) => report.ok("placeholder", format!("{name} matches no worker")),
        Some(false) => report.fail(
            "placeholder",
            format!("{name} matches every worker: calls there ring agents"),
            todo,
        ),
        None => {
            let found = format!("{name} may match workers: {expression}");
            report.warn("placeholder", found, todo);
        }
    }
}

fn check_workflows(
    plan: &Plan,
    queue: &TaskQueue,
    inventory: &Inventory,
    voice_queues: &[VoiceQueue],
    report: &mut Report<'_>,
) {
    let placeholder = queue.sid.as_str();
    let (mut leading, mut reaching) = (0, 0);
    for workflow in &inventory.workflows {
        let Ok(configuration) = Configuration::parse(&workflow.configuration) else {
            continue;
        };
        if !configuration.leads_to(placeholder) {
            continue;
        }
        leading += 1;
        reaching += usize::from(configuration.reaches(placeholder));
        check_filters(workflow, &configuration, placeholder, report);
        if let Some(replaced) = inventory.extended.get(&workflow.sid) {
            check_copies(workflow, replaced, &configuration, report);
            channels::check_workflow(workflow, replaced, &configuration, placeholder, report);
        }
        check_voice_queue(workflow, voice_queues, report);
    }
    let name = &plan.name;
    if leading > 0 && reaching == 0 {
        report.fail(
            "workflow",
            format!(
                "no call gets to the placeholder of plan {name:?} by the {} leading to it: nobody is \
                 redirected",
                counted(leading, "workflow")
            ),
            "run `overflow setup --workflow WW…`, which lets calls get there; its plan shows how",
        );
    }
    if leading == 0 {
        report.fail(
            "workflow",
            format!("no workflow leads to the placeholder of plan {name:?}: nobody is redirected"),
            "run `overflow setup`, or `overflow setup --workflow WW…` for a workflow of yours",
        );
    }
}

fn check_filters(
    workflow: &Workflow,
    configuration: &Configuration,
    placeholder: &str,
    report: &mut Report<'_>,
) {
    let name = format!("{:?} ({})", workflow.friendly_name, workflow.sid);
    let findings = configuration.findings(placeholder);
    if findings.is_empty() && configuration.reaches(placeholder) {
        let by = match configuration.filters_to(placeholder) {
            0 => "its default filter".to_owned(),
            count => counted(count, "filter"),
        };
        report.ok(
            "workflow",
            format!("{name}: calls that nobody takes end in the placeholder, by {by}"),
        );
    }
    for finding in findings {
        let (found, todo) = (format!("{name}: {finding}"), finding.problem.remedy());
        match finding.problem {
            Problem::Missing
            | Problem::NotLast
            | Problem::GoesOn
            | Problem::MayStay
            | Problem::EndsSkippable
            | Problem::OneAgent => report.warn("workflow", found, todo),
            Problem::TimesOut | Problem::NeverReached => report.fail("workflow", found, todo),
        }
    }
    let Some(queue) = configuration.default_queue() else {
        if !configuration.leaves_calls_to_the_default() {
            let found = format!("{name} has none, and its filters take every call");
            return report.ok("default filter", found);
        }
        return report.warn(
            "default filter",
            format!(
                "{name} has none: a task that no filter takes is not created, and its call fails"
            ),
            "add one in the console, to the placeholder or a queue of yours",
        );
    };
    let goes = match queue == placeholder {
        true => "the placeholder".to_owned(),
        false => format!("{queue} and are not redirected"),
    };
    let found = format!("{name}: tasks that no filter takes go to {goes}");
    report.ok("default filter", found);
}

/// Calls go by the copies, and their users edit the filters that they see.
fn check_copies(
    workflow: &Workflow,
    replaced: &ReplacedConfiguration,
    configuration: &Configuration,
    report: &mut Report<'_>,
) {
    let (name, sid) = (&workflow.friendly_name, workflow.sid);
    for filter in configuration.edited_beside_copies(replaced) {
        report.warn(
            "workflow",
            format!(
                "{name:?} ({sid}): filter {filter} was edited since setup, and its copy for calls was \
                 not: calls still go by the copy"
            ),
            format!("run `overflow setup --workflow {sid}`, which makes the copy anew"),
        );
    }
}

fn check_voice_queue(workflow: &Workflow, voice_queues: &[VoiceQueue], report: &mut Report<'_>) {
    let name = format!("of workflow {:?}", workflow.friendly_name);
    let mut voice_queues = voice_queues.iter();
    let Some(queue) = voice_queues.find(|queue| queue.holds_callers_of(&workflow.sid)) else {
        let found = format!("{name}: Twilio makes it at the first call");
        return report.ok("voice queue", found);
    };
    let (size, most) = (queue.current_size, queue.max_size);
    let found = format!("{name} holds {size} of {most} callers");
    if most > 0 && size * 100 >= most * NEARLY_FULL {
        let found = format!("{found}: further ones are turned away");
        let todo = "raise its MaxSize (up to 5000) or see why so many wait";
        report.warn("voice queue", found, todo);
    } else {
        report.ok("voice queue", found);
    }
}
