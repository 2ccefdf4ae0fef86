//! Carries the plan out: first what leads callers to ours, then what handles them, then the queues.

use twilio::rest::WorkspaceChange;

use super::Teardown;
use super::plan::Plan;
use crate::api::Repeatable;
use crate::console::{Console, Status};
use crate::error::Error;
use crate::inventory::Inventory;
use crate::record::{Record, RecordFile};

/// A plan being carried out.
pub(super) struct Work<'a, 'c> {
    pub(super) teardown: &'a Teardown,
    pub(super) inventory: &'a Inventory,
    pub(super) records: &'a RecordFile,
    pub(super) record: Option<Record>,
    pub(super) console: &'a mut Console<'c>,
}

impl Work<'_, '_> {
    pub(super) async fn carry_out(mut self, plan: &Plan) -> Result<(), Error> {
        let api = &self.teardown.api;
        let client = &api.client;
        let workspace = &self.inventory.workspace.sid;
        for (number, replaced) in &plan.numbers {
            let request =
                || client.update_incoming_number(&api.account, number, &replaced.previous);
            api.ask("restore the phone number", Repeatable::Yes, request)
                .await?;
            self.say(format!("restored phone number {number}"));
            self.forget(|record| {
                record.numbers.remove(number);
            })?;
        }
        // Before the callback goes, so that nobody is sent to a placeholder that nobody watches.
        for (workflow, configuration) in &plan.workflows {
            let request = || client.update_workflow(workspace, workflow, configuration);
            api.ask("restore the workflow", Repeatable::Yes, request)
                .await?;
            self.say(format!("restored workflow {workflow}"));
            self.forget(|record| {
                record.extended_workflows.remove(workflow);
            })?;
        }
        if let Some(restoration) = &plan.callback {
            let change = WorkspaceChange {
                event_callback_url: &restoration.url,
                events_filter: &restoration.filter,
            };
            let request = || client.update_workspace(workspace, change);
            let doing = "restore the workspace's event callback";
            api.ask(doing, Repeatable::Yes, request).await?;
            self.say("restored the workspace's event callback".to_owned());
            self.forget(|record| record.callback = None)?;
        }
        for stream in &self.inventory.streams {
            stream.delete(api).await?;
            self.say(format!("deleted Event Streams sink {}", stream.sink.sid));
        }
        if let Some(flow) = &plan.flow {
            let request = || client.delete_flow(flow);
            api.ask("delete the Studio flow", Repeatable::Yes, request)
                .await?;
            self.say(format!("deleted Studio flow {flow}"));
        }
        if let Some(workflow) = &plan.workflow {
            let request = || client.delete_workflow(workspace, workflow);
            api.ask("delete the workflow", Repeatable::Yes, request)
                .await?;
            self.say(format!("deleted workflow {workflow}"));
        }
        for queue in &plan.task_queues {
            let request = || client.delete_task_queue(workspace, queue);
            api.ask("delete the task queue", Repeatable::Yes, request)
                .await?;
            self.say(format!("deleted task queue {queue}"));
        }
        match plan.status() {
            Status::Done => self.records.remove(),
            _ => Ok(()),
        }
    }

    fn say(&mut self, text: String) {
        self.console.line(format_args!("✓ {text}"));
    }

    /// What is put back is not to be put back again.
    fn forget(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), Error> {
        match &mut self.record {
            Some(record) => {
                change(record);
                self.records.write(record)
            }
            None => Ok(()),
        }
    }
}
