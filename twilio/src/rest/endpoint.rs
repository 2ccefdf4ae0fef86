//! The requests that we make, by name.

/// The requests that we make, as metrics name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Reading a call.
    FetchCall,
    /// Updating a call: the redirect.
    UpdateCall,
    /// Listing voice queues.
    ListQueues,
    /// Listing the members of a voice queue.
    ListMembers,
    /// Reading a task.
    FetchTask,
    /// Closing a task.
    UpdateTask,
    /// Listing the tasks in a task queue.
    ListTasks,
    /// Reading the account.
    FetchAccount,
    /// Listing workspaces.
    ListWorkspaces,
    /// Reading a workspace.
    FetchWorkspace,
    /// Setting a workspace's event callback.
    UpdateWorkspace,
    /// Listing task channels.
    ListTaskChannels,
    /// Listing task queues.
    ListTaskQueues,
    /// Creating a task queue.
    CreateTaskQueue,
    /// Updating a task queue.
    UpdateTaskQueue,
    /// Deleting a task queue.
    DeleteTaskQueue,
    /// Listing workflows.
    ListWorkflows,
    /// Creating a workflow.
    CreateWorkflow,
    /// Updating a workflow.
    UpdateWorkflow,
    /// Deleting a workflow.
    DeleteWorkflow,
    /// Listing Studio flows.
    ListFlows,
    /// Reading a Studio flow with its definition.
    FetchFlow,
    /// Asking whether a flow definition is valid.
    ValidateFlow,
    /// Creating a Studio flow.
    CreateFlow,
    /// Updating a Studio flow.
    UpdateFlow,
    /// Deleting a Studio flow.
    DeleteFlow,
    /// Listing Event Streams sinks.
    ListSinks,
    /// Creating an Event Streams sink.
    CreateSink,
    /// Deleting an Event Streams sink.
    DeleteSink,
    /// Listing Event Streams subscriptions.
    ListSubscriptions,
    /// Creating an Event Streams subscription.
    CreateSubscription,
    /// Deleting an Event Streams subscription.
    DeleteSubscription,
    /// Listing the account's phone numbers.
    ListIncomingNumbers,
    /// Setting where the calls to a phone number go.
    UpdateIncomingNumber,
    /// Reading which numbers of a country may be dialled.
    FetchDialingPermissions,
}

impl Endpoint {
    /// The name of the operation in Twilio's specification.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FetchCall => "FetchCall",
            Self::UpdateCall => "UpdateCall",
            Self::ListQueues => "ListQueue",
            Self::ListMembers => "ListMember",
            Self::FetchTask => "FetchTask",
            Self::UpdateTask => "UpdateTask",
            Self::ListTasks => "ListTask",
            Self::FetchAccount => "FetchAccount",
            Self::ListWorkspaces => "ListWorkspace",
            Self::FetchWorkspace => "FetchWorkspace",
            Self::UpdateWorkspace => "UpdateWorkspace",
            Self::ListTaskChannels => "ListTaskChannel",
            Self::ListTaskQueues => "ListTaskQueue",
            Self::CreateTaskQueue => "CreateTaskQueue",
            Self::UpdateTaskQueue => "UpdateTaskQueue",
            Self::DeleteTaskQueue => "DeleteTaskQueue",
            Self::ListWorkflows => "ListWorkflow",
            Self::CreateWorkflow => "CreateWorkflow",
            Self::UpdateWorkflow => "UpdateWorkflow",
            Self::DeleteWorkflow => "DeleteWorkflow",
            Self::ListFlows => "ListFlow",
            Self::FetchFlow => "FetchFlow",
            Self::ValidateFlow => "UpdateFlowValidate",
            Self::CreateFlow => "CreateFlow",
            Self::UpdateFlow => "UpdateFlow",
            Self::DeleteFlow => "DeleteFlow",
            Self::ListSinks => "ListSink",
            Self::CreateSink => "CreateSink",
            Self::DeleteSink => "DeleteSink",
            Self::ListSubscriptions => "ListSubscription",
            Self::CreateSubscription => "CreateSubscription",
            Self::DeleteSubscription => "DeleteSubscription",
            Self::ListIncomingNumbers => "ListIncomingPhoneNumber",
            Self::UpdateIncomingNumber => "UpdateIncomingPhoneNumber",
            Self::FetchDialingPermissions => "FetchDialingPermissionsCountry",
        }
    }
}
