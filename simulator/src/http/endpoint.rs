//! The operations of Twilio's API that the simulator answers.

use serde::{Deserialize, Serialize};

use super::answer::{Answer, ApiError};
use super::request::ApiRequest;
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

/// HTTP methods that the API knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Delete,
}

/// Answers one kind of request. Whatever it changes, it changes before it returns.
pub(super) type Handler = fn(&mut State, &ApiRequest) -> Result<Answer, ApiError>;

/// How requests come to an operation. A module per resource lists its own.
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    pub(super) method: Method,
    /// As in the specification.
    pub(super) template: &'static str,
    pub(super) handler: Handler,
}

impl Route {
    pub(super) const fn get(endpoint: Endpoint, template: &'static str, handler: Handler) -> Self {
        Self {
            endpoint,
            method: Method::Get,
            template,
            handler,
        }
    }

    pub(super) const fn post(endpoint: Endpoint, template: &'static str, handler: Handler) -> Self {
        Self {
            endpoint,
            method: Method::Post,
            template,
            handler,
        }
    }

    pub(super) const fn delete(
        endpoint: Endpoint,
        template: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            endpoint,
            method: Method::Delete,
            template,
            handler,
        }
    }
}
