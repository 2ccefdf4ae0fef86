//! The operations of Twilio's API, by name.

use serde::{Deserialize, Serialize};

macro_rules! endpoints {
    ($($product:literal { $($(#[$doc:meta])* $name:ident,)+ })+) => {
        /// The operations of Twilio's API that we and the simulator know, by the names that they
        /// have in its specification.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Endpoint {
            $($($(#[$doc])* $name,)+)+
        }

        impl Endpoint {
            /// All of them.
            pub const ALL: &[Self] = &[$($(Self::$name),+),+];

            /// The name of the operation in Twilio's specification.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$name => stringify!($name),)+)+
                }
            }

            /// The subdomain of the product that it belongs to.
            pub(super) fn product(self) -> &'static str {
                match self {
                    $($(Self::$name)|+ => $product,)+
                }
            }
        }
    };
}

endpoints! {
    "api" {
        /// Reading the account.
        FetchAccount,
        /// Making a call.
        CreateCall,
        /// Listing calls, such as those that were made for a caller.
        ListCall,
        /// Reading a call.
        FetchCall,
        /// Updating a call: the redirect.
        UpdateCall,
        /// Listing what of a call was recorded.
        ListCallRecording,
        /// Listing voice queues.
        ListQueue,
        /// Reading a voice queue.
        FetchQueue,
        /// Listing the members of a voice queue.
        ListMember,
        /// Reading a member of a voice queue.
        FetchMember,
        /// Taking a member out of a voice queue.
        UpdateMember,
        /// Listing the account's phone numbers.
        ListIncomingPhoneNumber,
        /// Reading where the calls to a phone number go.
        FetchIncomingPhoneNumber,
        /// Setting where the calls to a phone number go.
        UpdateIncomingPhoneNumber,
        /// Listing numbers that were verified.
        ListOutgoingCallerId,
    }
    "taskrouter" {
        /// Listing workspaces.
        ListWorkspace,
        /// Reading a workspace.
        FetchWorkspace,
        /// Setting a workspace's event callback.
        UpdateWorkspace,
        /// Listing task channels.
        ListTaskChannel,
        /// Reading a task channel, by SID or unique name.
        FetchTaskChannel,
        /// Listing task queues.
        ListTaskQueue,
        /// Creating a task queue.
        CreateTaskQueue,
        /// Reading a task queue.
        FetchTaskQueue,
        /// Updating a task queue.
        UpdateTaskQueue,
        /// Deleting a task queue.
        DeleteTaskQueue,
        /// Listing workflows.
        ListWorkflow,
        /// Creating a workflow.
        CreateWorkflow,
        /// Reading a workflow.
        FetchWorkflow,
        /// Updating a workflow.
        UpdateWorkflow,
        /// Deleting a workflow.
        DeleteWorkflow,
        /// Listing the tasks in a task queue.
        ListTask,
        /// Creating a task.
        CreateTask,
        /// Reading a task.
        FetchTask,
        /// Closing a task.
        UpdateTask,
        /// Deleting a task.
        DeleteTask,
    }
    "studio" {
        /// Listing Studio flows.
        ListFlow,
        /// Creating a Studio flow.
        CreateFlow,
        /// Reading a Studio flow with its definition.
        FetchFlow,
        /// Updating a Studio flow.
        UpdateFlow,
        /// Deleting a Studio flow.
        DeleteFlow,
        /// Asking whether a flow definition is valid.
        UpdateFlowValidate,
    }
    "events" {
        /// Listing Event Streams sinks.
        ListSink,
        /// Creating an Event Streams sink.
        CreateSink,
        /// Reading an Event Streams sink.
        FetchSink,
        /// Deleting an Event Streams sink.
        DeleteSink,
        /// Listing Event Streams subscriptions.
        ListSubscription,
        /// Creating an Event Streams subscription.
        CreateSubscription,
        /// Reading an Event Streams subscription.
        FetchSubscription,
        /// Deleting an Event Streams subscription.
        DeleteSubscription,
        /// Listing the types of events that a subscription is for.
        ListSubscribedEvent,
    }
    "voice" {
        /// Listing which numbers of each country may be dialled.
        ListDialingPermissionsCountry,
    }
}
