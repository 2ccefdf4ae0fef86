//! What tests add to an account before something is provisioned in it.

use serde_json::Value;
use twilio::{E164, PhoneNumberSid, TaskQueueSid, WorkflowSid, WorkspaceSid};

use crate::dates::Dates;
use crate::ordered::Ordered;
use crate::resources::{IncomingNumber, TaskRouting, Workspace};
use crate::simulator::Simulator;

/// What takes the calls to a number in place of its voice URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberTaker {
    /// A TwiML application.
    Application,
    /// A SIP trunk.
    Trunk,
}

impl Simulator {
    /// Gives the account a phone number whose calls go to `voice_url`, unless `taker` takes them.
    pub fn add_number(
        &self,
        number: E164,
        voice_url: &str,
        taker: Option<NumberTaker>,
    ) -> PhoneNumberSid {
        self.core.change(|state| {
            let (application, trunk) = match taker {
                None => (None, None),
                Some(NumberTaker::Application) => (Some(state.ids.text("AP")), None),
                Some(NumberTaker::Trunk) => (None, Some(state.ids.text("TK"))),
            };
            let sid = state.ids.sid();
            let number = IncomingNumber {
                sid,
                number,
                voice_url: voice_url.to_owned(),
                voice_method: "POST".to_owned(),
                voice_application: application,
                trunk,
                dates: Dates::new(state.now()),
            };
            state.incoming_numbers.insert(sid, number);
            sid
        })
    }

    /// Gives the account another workspace, with nothing in it.
    pub fn add_workspace(&self, friendly_name: &str) -> WorkspaceSid {
        self.core.change(|state| {
            let dates = Dates::new(state.now());
            let workspace = Workspace::new(&mut state.ids, friendly_name, dates);
            let sid = workspace.sid;
            state.workspaces.insert(sid, workspace);
            sid
        })
    }

    /// Twilio gives up on all sinks of Event Streams that there are.
    pub fn fail_sinks(&self) {
        self.core.change(|state| {
            let sids: Vec<_> = state.sinks.values().map(|sink| sink.sid).collect();
            for sid in sids {
                if let Some(sink) = state.sinks.get_mut(&sid) {
                    sink.has_failed = true;
                }
            }
        });
    }

    /// Allows or forbids dialling a country, by its ISO code.
    pub fn set_country_allowed(&self, iso_code: &str, allowed: bool) {
        self.core.change(|state| {
            if allowed {
                state.forbidden_countries.remove(iso_code);
            } else {
                state.forbidden_countries.insert(iso_code.to_owned());
            }
        });
    }
}

/// Task queues and workflows as somebody else has them.
impl Simulator {
    /// Takes away the task queues and the workflow that the account has from the start.
    pub fn clear_workspace(&self) {
        self.core.change(|state| {
            state.workflows = Ordered::default();
            state.task_queues = Ordered::default();
        });
    }

    /// Sets which workers a task queue offers its tasks to.
    pub fn set_target_workers(&self, queue: TaskQueueSid, expression: &str) {
        self.core.change(|state| {
            if let Some(queue) = state.task_queues.get_mut(&queue) {
                expression.clone_into(&mut queue.target_workers);
            }
        });
    }

    /// Somebody else changes a workflow's configuration.
    ///
    /// # Errors
    /// It is none.
    pub fn set_configuration(
        &self,
        workflow: WorkflowSid,
        configuration: &str,
    ) -> serde_json::Result<()> {
        let routing = TaskRouting::parse(configuration)?;
        self.core.change(|state| {
            if let Some(workflow) = state.workflows.get_mut(&workflow) {
                configuration.clone_into(&mut workflow.configuration);
                workflow.routing = routing;
            }
        });
        Ok(())
    }

    /// The task queues through which a task with these attributes passes if nobody takes it; none if
    /// it isn't created.
    pub fn way_of(&self, workflow: WorkflowSid, attributes: &Value) -> Vec<TaskQueueSid> {
        self.core.look(|state| {
            let workflow = state.workflows.get(&workflow);
            workflow.map_or_else(Vec::new, |workflow| workflow.routing.way(attributes))
        })
    }
}
