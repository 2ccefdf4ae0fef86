//! The HTTP side: Twilio's API, and the simulator's own.

mod answer;
mod connection;
mod endpoint;
mod paging;
mod request;
mod serve;

mod accounts;
mod calls;
mod dialing_permissions;
mod flows;
mod incoming_numbers;
mod members;
mod sinks;
mod subscriptions;
mod task_channels;
mod task_queues;
mod tasks;
mod voice_queues;
mod workflows;
mod workspaces;

mod control;

pub(crate) use connection::{Gate, Line};
pub use endpoint::Endpoint;
pub(crate) use serve::router;

use serde_json::{Map, Value};
use twilio::WorkspaceSid;

use answer::ApiError;
use request::ApiRequest;

use crate::state::State;

/// The workspace that a path names, which must exist.
fn workspace(state: &State, request: &ApiRequest) -> Result<WorkspaceSid, ApiError> {
    let sid: WorkspaceSid = request.sid("WorkspaceSid")?;
    let known = state.workspaces.get(&sid).is_some();
    known.then_some(sid).ok_or_else(|| request.not_found())
}

fn name_taken(kind: &str, name: &str) -> ApiError {
    ApiError::invalid(format!(
        "{kind} with FriendlyName {name} already exists in the workspace"
    ))
}

/// The links of a resource to what is below it: `task_queues` is at `…/TaskQueues`.
fn links(url: &str, names: &[&str]) -> Map<String, Value> {
    names
        .iter()
        .map(|name| ((*name).to_owned(), format!("{url}/{}", camel(name)).into()))
        .collect()
}

/// `task_queues` as a path has it: `TaskQueues`.
fn camel(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let (first, rest) = word.split_at(1);
            [first.to_ascii_uppercase(), rest.to_owned()]
        })
        .collect()
}
