//! The operations of Twilio's API that the simulator answers.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::http::Method;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, ApiError};
use super::request::ApiRequest;
use super::{
    accounts, calls, dialing_permissions, flows, incoming_numbers, members, sinks, subscriptions,
    task_channels, task_queues, tasks, voice_queues, workflows, workspaces,
};
use crate::state::State;

/// An operation, by the name that it has in Twilio's specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum Endpoint {
    FetchCall,
    UpdateCall,
    ListQueue,
    FetchQueue,
    ListMember,
    FetchMember,
    UpdateMember,
    ListWorkspace,
    FetchWorkspace,
    UpdateWorkspace,
    ListTaskQueue,
    CreateTaskQueue,
    FetchTaskQueue,
    ListWorkflow,
    CreateWorkflow,
    FetchWorkflow,
    ListTask,
    CreateTask,
    FetchTask,
    UpdateTask,
    UpdateTaskQueue,
    DeleteTaskQueue,
    UpdateWorkflow,
    DeleteWorkflow,
    ListTaskChannel,
    FetchAccount,
    ListIncomingPhoneNumber,
    FetchIncomingPhoneNumber,
    UpdateIncomingPhoneNumber,
    FetchDialingPermissionsCountry,
    ListFlow,
    CreateFlow,
    FetchFlow,
    UpdateFlow,
    DeleteFlow,
    UpdateFlowValidate,
    ListSink,
    CreateSink,
    DeleteSink,
    ListSubscription,
    CreateSubscription,
    DeleteSubscription,
}

/// Answers one kind of request. Its changes are made when it returns.
pub(super) type Handler = fn(&mut State, &ApiRequest) -> Result<Answer, ApiError>;

/// Where requests for an endpoint go. Each resource's module lists its own.
pub(super) struct Operation {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    /// As in the specification.
    pub(super) template: &'static str,
    pub(super) handler: Handler,
}

impl Operation {
    pub(super) const fn get(endpoint: Endpoint, template: &'static str, handler: Handler) -> Self {
        Self::new(endpoint, Method::GET, template, handler)
    }

    pub(super) const fn post(endpoint: Endpoint, template: &'static str, handler: Handler) -> Self {
        Self::new(endpoint, Method::POST, template, handler)
    }

    pub(super) const fn delete(
        endpoint: Endpoint,
        template: &'static str,
        handler: Handler,
    ) -> Self {
        Self::new(endpoint, Method::DELETE, template, handler)
    }

    const fn new(
        endpoint: Endpoint,
        method: Method,
        template: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            endpoint,
            method,
            template,
            handler,
        }
    }

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
    let all = [
        accounts::OPERATIONS,
        calls::OPERATIONS,
        incoming_numbers::OPERATIONS,
        voice_queues::OPERATIONS,
        members::OPERATIONS,
        workspaces::OPERATIONS,
        task_queues::OPERATIONS,
        workflows::OPERATIONS,
        tasks::OPERATIONS,
        task_channels::OPERATIONS,
        flows::OPERATIONS,
        sinks::OPERATIONS,
        subscriptions::OPERATIONS,
        dialing_permissions::OPERATIONS,
    ];
    let mut by_path = HashMap::<_, Vec<_>>::new();
    for operation in all.into_iter().flatten() {
        let path = operation.template.replace("}.json", "}");
        by_path.entry(path).or_default().push(operation);
    }
    by_path
});
