//! The operations of Twilio's API that the simulator answers.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::http::Method;
use axum::response::Response;
use twilio::rest::Endpoint;

use super::error::ApiError;
use super::request::ApiRequest;
use super::resource::{delete, fetch, list};
use super::{
    calls, event_streams, fixed, flows, incoming_numbers, recordings, task_queues, tasks,
    voice_queues, workflows, workspaces,
};
use crate::resources::{
    Flow, IncomingNumber, Sink, Subscription, TaskQueue, VoiceQueue, Workflow, Workspace,
};
use crate::state::State;

/// Answers one kind of request. Its changes are made when it returns.
pub(super) type Handler = fn(&mut State, &ApiRequest) -> Result<Response, ApiError>;

/// Where requests for an endpoint go.
pub(super) struct Operation {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    /// As in the specification.
    pub(super) template: &'static str,
    pub(super) handler: Handler,
}

macro_rules! operations {
    ($($template:literal: $($method:ident $endpoint:ident => $handler:expr),+;)+) => {
        const OPERATIONS: &[Operation] = &[$($(
            Operation {
                endpoint: Endpoint::$endpoint,
                method: Method::$method,
                template: $template,
                handler: $handler,
            },
        )+)+];
    };
}

operations! {
    "/2010-04-01/Accounts/{Sid}.json":
        GET FetchAccount => fixed::fetch_account;
    "/2010-04-01/Accounts/{AccountSid}/Calls.json":
        GET ListCall => calls::list_all,
        POST CreateCall => calls::create;
    "/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json":
        GET FetchCall => calls::fetch_any,
        POST UpdateCall => calls::update;
    "/2010-04-01/Accounts/{AccountSid}/Calls/{CallSid}/Recordings.json":
        GET ListCallRecording => recordings::list;
    "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json":
        GET ListIncomingPhoneNumber => list::<IncomingNumber>;
    "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json":
        GET FetchIncomingPhoneNumber => fetch::<IncomingNumber>,
        POST UpdateIncomingPhoneNumber => incoming_numbers::update;
    "/2010-04-01/Accounts/{AccountSid}/OutgoingCallerIds.json":
        GET ListOutgoingCallerId => fixed::list_verified;
    "/2010-04-01/Accounts/{AccountSid}/Queues.json":
        GET ListQueue => list::<VoiceQueue>;
    "/2010-04-01/Accounts/{AccountSid}/Queues/{Sid}.json":
        GET FetchQueue => fetch::<VoiceQueue>;
    "/2010-04-01/Accounts/{AccountSid}/Queues/{QueueSid}/Members.json":
        GET ListMember => voice_queues::list_members;
    "/2010-04-01/Accounts/{AccountSid}/Queues/{QueueSid}/Members/{CallSid}.json":
        GET FetchMember => voice_queues::fetch_member,
        POST UpdateMember => voice_queues::dequeue;
    "/v1/Workspaces":
        GET ListWorkspace => list::<Workspace>;
    "/v1/Workspaces/{Sid}":
        GET FetchWorkspace => fetch::<Workspace>,
        POST UpdateWorkspace => workspaces::update;
    "/v1/Workspaces/{WorkspaceSid}/TaskChannels":
        GET ListTaskChannel => fixed::list_task_channels;
    "/v1/Workspaces/{WorkspaceSid}/TaskChannels/{Sid}":
        GET FetchTaskChannel => fixed::fetch_task_channel;
    "/v1/Workspaces/{WorkspaceSid}/TaskQueues":
        GET ListTaskQueue => list::<TaskQueue>,
        POST CreateTaskQueue => task_queues::create;
    "/v1/Workspaces/{WorkspaceSid}/TaskQueues/{Sid}":
        GET FetchTaskQueue => fetch::<TaskQueue>,
        POST UpdateTaskQueue => task_queues::update,
        DELETE DeleteTaskQueue => task_queues::delete;
    "/v1/Workspaces/{WorkspaceSid}/Workflows":
        GET ListWorkflow => list::<Workflow>,
        POST CreateWorkflow => workflows::create;
    "/v1/Workspaces/{WorkspaceSid}/Workflows/{Sid}":
        GET FetchWorkflow => fetch::<Workflow>,
        POST UpdateWorkflow => workflows::update,
        DELETE DeleteWorkflow => delete::<Workflow>;
    "/v1/Workspaces/{WorkspaceSid}/Tasks":
        GET ListTask => tasks::list,
        POST CreateTask => tasks::create;
    "/v1/Workspaces/{WorkspaceSid}/Tasks/{Sid}":
        GET FetchTask => tasks::fetch,
        POST UpdateTask => tasks::update,
        DELETE DeleteTask => tasks::delete;
    "/v2/Flows":
        GET ListFlow => list::<Flow>,
        POST CreateFlow => flows::create;
    "/v2/Flows/Validate":
        POST UpdateFlowValidate => flows::validate;
    "/v2/Flows/{Sid}":
        GET FetchFlow => fetch::<Flow>,
        POST UpdateFlow => flows::update,
        DELETE DeleteFlow => delete::<Flow>;
    "/v1/Sinks":
        GET ListSink => list::<Sink>,
        POST CreateSink => event_streams::create_sink;
    "/v1/Sinks/{Sid}":
        GET FetchSink => fetch::<Sink>,
        DELETE DeleteSink => event_streams::delete_sink;
    "/v1/Subscriptions":
        GET ListSubscription => list::<Subscription>,
        POST CreateSubscription => event_streams::subscribe;
    "/v1/Subscriptions/{Sid}":
        GET FetchSubscription => fetch::<Subscription>,
        DELETE DeleteSubscription => delete::<Subscription>;
    "/v1/Subscriptions/{SubscriptionSid}/SubscribedEvents":
        GET ListSubscribedEvent => event_streams::list_subscribed;
    "/v1/DialingPermissions/Countries":
        GET ListDialingPermissionsCountry => fixed::list_countries;
}

impl Operation {
    /// The operations at a path of [`Operation::paths`].
    pub(super) fn at(path: &str) -> &'static [&'static Self] {
        BY_PATH.get(path).map_or(&[], Vec::as_slice)
    }

    /// The paths of all operations, as axum's router takes them.
    pub(super) fn paths() -> impl Iterator<Item = &'static str> {
        BY_PATH.keys().map(String::as_str)
    }
}

/// In axum's router parameters are whole segments, without `.json`.
static BY_PATH: LazyLock<HashMap<String, Vec<&Operation>>> = LazyLock::new(|| {
    let mut by_path = HashMap::<_, Vec<_>>::new();
    for operation in OPERATIONS {
        let path = operation.template.replace("}.json", "}");
        by_path.entry(path).or_default().push(operation);
    }
    by_path
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_that_a_client_of_ours_knows_is_answered() {
        let answered: Vec<_> = OPERATIONS.iter().map(|known| known.endpoint).collect();
        for endpoint in Endpoint::ALL {
            assert!(answered.contains(endpoint), "{}", endpoint.as_str());
        }
    }
}
