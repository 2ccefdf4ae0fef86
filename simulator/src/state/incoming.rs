//! Where a call goes, and what became of it.

use serde_json::{Value, json};
use twilio::{CallSid, E164, WorkflowSid};

use super::{PlaceCall, PlaceCallError, State};
use crate::resources::{Activity, Flow, IncomingNumber};

impl State {
    /// A call to this number of the account's, or to whichever leads to Flex.
    ///
    /// # Errors
    /// The account has no such number, or it leads elsewhere.
    pub(crate) fn route_call(&self, to: Option<E164>) -> Result<PlaceCall, PlaceCallError> {
        let call = |to: Option<E164>, workflow| PlaceCall {
            to,
            workflow,
            ..PlaceCall::default()
        };
        let mut numbers = self.incoming_numbers.values();
        let Some(to) = to else {
            let led = |number: &IncomingNumber| {
                let workflow = self.workflow_behind(number)?;
                Some(call(Some(number.number), Some(workflow)))
            };
            let flows = || self.flows.values().rev().find_map(Flow::workflow_of_calls);
            let any = || flows().or_else(|| self.any_workflow());
            return Ok(numbers.find_map(led).unwrap_or_else(|| call(None, any())));
        };
        let Some(number) = numbers.find(|number| number.number == to) else {
            return Err(PlaceCallError::NoNumber(to));
        };
        match self.workflow_behind(number) {
            Some(workflow) => Ok(call(Some(to), Some(workflow))),
            None => Err(PlaceCallError::NoFlow(to)),
        }
    }

    /// The workflow to which a number leads, by a Studio flow.
    fn workflow_behind(&self, number: &IncomingNumber) -> Option<WorkflowSid> {
        let account = self.account.sid;
        let leads_to = |flow: &&Flow| number.voice_url == flow.webhook_url(account);
        self.flows.values().find(leads_to)?.workflow_of_calls()
    }

    /// The workflow of the start, or another where that is gone.
    fn any_workflow(&self) -> Option<WorkflowSid> {
        let first = self.workflows.get(&self.demo.workflow);
        let found = first.or_else(|| self.workflows.values().next());
        found.map(|workflow| workflow.sid)
    }

    /// What a call does now, and what its caller has heard; `None` if there was no such call.
    pub(crate) fn call_view(&self, call: CallSid) -> Option<Value> {
        let shown = self.calls.get(&call)?;
        let log = self.journal.caller(&call)?;
        let task = shown.task.and_then(|task| self.tasks.get(&task));
        Some(json!({
            "status": match shown.activity {
                Activity::Ringing => "ringing",
                Activity::Waiting { .. } => "waiting",
                Activity::Instructed => "instructed",
                Activity::Talking => "talking",
                Activity::Over => "over",
            },
            "task_queue": task.map(|task| self.task_queue_name(task.target().queue)),
            "task_queue_entered_at_ms": task.map(|task| task.entered_at.as_secs_f64() * 1e3),
            "fate": log.fate(),
            "entries": log.entries,
            "callees": log.callees,
        }))
    }
}
