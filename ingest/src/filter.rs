//! The one question: does this event say that nobody took a call of ours?

use jiff::Timestamp;
use queue::{RedirectRequest, Source};
use service::Plans;
use twilio::{CancelReason, Conversation, EventType, TaskRouterEvent};

/// Why an event is of no concern to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// Not a type that may mean a stranded caller.
    OtherType,
    /// A task queue that is no placeholder of ours.
    OtherTaskQueue,
    /// A task that stands for no call: a chat, say.
    NoCall,
    /// A caller to whom somebody has talked already: a redirect might cut them off.
    Conversation(Conversation),
    /// The task ended in a way that leaves nobody waiting, or no plan rescues its caller.
    NotStranded,
    /// The task was cancelled, and its reason doesn't tell whether anybody is left waiting.
    UnknownReason,
}

impl Ignored {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::OtherType => "an event of another type",
            Self::OtherTaskQueue => "not a placeholder task queue",
            Self::NoCall => "the task stands for no call",
            Self::Conversation(Conversation::Conference) => "the caller is in a conference",
            Self::Conversation(Conversation::Transfer) => "the caller is being transferred",
            Self::NotStranded => "the end of the task leaves nobody waiting",
            Self::UnknownReason => "the task was cancelled for a reason that we don't know",
        }
    }
}

/// The redirect that the event asks for, if it asks for one. `source` is how the event came.
pub(crate) fn redirect_request(
    event: &TaskRouterEvent,
    source: Source,
    plans: &Plans,
    now: Timestamp,
) -> Result<RedirectRequest, Ignored> {
    let task_queue = event.task_queue_sid.as_ref();
    let (plan, source) = match (event.event_type, event.cancel_reason) {
        (EventType::TaskQueueEntered, _) => {
            let plan = task_queue.and_then(|task_queue| plans.get(task_queue));
            (plan.ok_or(Ignored::OtherTaskQueue)?, source)
        }
        (EventType::WorkflowTimeout, _) | (EventType::TaskCanceled, CancelReason::LeftWaiting) => {
            let plan = plans.rescuer(task_queue);
            (plan.ok_or(Ignored::NotStranded)?, Source::Rescue)
        }
        (EventType::TaskCanceled, CancelReason::HungUp) => return Err(Ignored::NotStranded),
        (EventType::TaskCanceled, CancelReason::Unknown) => return Err(Ignored::UnknownReason),
    };
    let call_sid = event.attributes.call_sid.ok_or(match source {
        // Whatever its channel, it ended like others.
        Source::Rescue => Ignored::NotStranded,
        _ => Ignored::NoCall,
    })?;
    if let Some(conversation) = event.attributes.conversation {
        return Err(Ignored::Conversation(conversation));
    }
    Ok(RedirectRequest {
        event_sid: event.sid,
        account_sid: event.account_sid,
        workspace_sid: event.workspace_sid,
        task_sid: event.task_sid,
        call_sid,
        task_queue_sid: plan.task_queue_sid,
        workflow_sid: event.workflow_sid,
        task_created_at: event.task_created_at,
        // By Twilio's clock, whatever ours says.
        entered_at: event.timestamp.unwrap_or(now),
        source,
        verify: event.verify,
        requeued_at: None,
        caller: event.attributes.caller,
    })
}

#[cfg(test)]
mod tests {
    use twilio::TaskAttributes;

    use super::*;

    const PLACEHOLDER: &str = "WQ00000000000000000000000000000001";
    const WITHOUT_RESCUE: &str = "WQ00000000000000000000000000000002";

    fn plans() -> Plans {
        format!(
            r#"
            [[plan]]
            task_queue_sid = "{PLACEHOLDER}"
            forward_to = "+14155550100"
            rescue = true

            [[plan]]
            task_queue_sid = "{WITHOUT_RESCUE}"
            forward_to = "+14155550101"
            rescue = false
            "#
        )
        .parse()
        .unwrap()
    }

    fn event(event_type: EventType, task_queue: Option<&str>) -> TaskRouterEvent {
        let sid = |prefix: &str| format!("{prefix}0123456789abcdef0123456789abcdef");
        TaskRouterEvent {
            event_type,
            sid: sid("EV").parse().unwrap(),
            account_sid: sid("AC").parse().unwrap(),
            workspace_sid: sid("WS").parse().unwrap(),
            task_sid: sid("WT").parse().unwrap(),
            attributes: TaskAttributes {
                call_sid: Some(sid("CA").parse().unwrap()),
                ..TaskAttributes::default()
            },
            task_queue_sid: task_queue.map(|sid| sid.parse().unwrap()),
            workflow_sid: None,
            timestamp: Some(Timestamp::now()),
            task_created_at: None,
            verify: false,
            cancel_reason: CancelReason::HungUp,
        }
    }

    fn ask(event: &TaskRouterEvent) -> Result<RedirectRequest, Ignored> {
        redirect_request(event, Source::Callback, &plans(), Timestamp::now())
    }

    #[test]
    fn a_task_that_enters_a_placeholder_asks_for_a_redirect() {
        let request = ask(&event(EventType::TaskQueueEntered, Some(PLACEHOLDER))).unwrap();
        assert_eq!(request.source, Source::Callback);
        assert_eq!(request.task_queue_sid.as_str(), PLACEHOLDER);
    }

    #[test]
    fn a_task_in_another_queue_or_without_a_call_does_not() {
        let other = "WQ0000000000000000000000000000000f";
        let entered = event(EventType::TaskQueueEntered, Some(other));
        assert_eq!(ask(&entered), Err(Ignored::OtherTaskQueue));
        let mut chat = event(EventType::TaskQueueEntered, Some(PLACEHOLDER));
        chat.attributes.call_sid = None;
        assert_eq!(ask(&chat), Err(Ignored::NoCall));
    }

    #[test]
    fn a_caller_whose_task_ran_out_is_rescued_where_a_plan_says_so() {
        let mut canceled = event(EventType::TaskCanceled, None);
        assert_eq!(ask(&canceled), Err(Ignored::NotStranded), "hung up");
        canceled.cancel_reason = CancelReason::Unknown;
        assert_eq!(ask(&canceled), Err(Ignored::UnknownReason));
        canceled.cancel_reason = CancelReason::LeftWaiting;
        let request = ask(&canceled).unwrap();
        assert_eq!(request.source, Source::Rescue);
        assert_eq!(request.task_queue_sid.as_str(), PLACEHOLDER);

        assert!(ask(&event(EventType::WorkflowTimeout, Some(PLACEHOLDER))).is_ok());
        let timed_out = event(EventType::WorkflowTimeout, Some(WITHOUT_RESCUE));
        assert_eq!(ask(&timed_out), Err(Ignored::NotStranded));
    }

    #[test]
    fn a_caller_in_conversation_is_left_alone() {
        for conversation in [Conversation::Conference, Conversation::Transfer] {
            for event_type in [EventType::TaskQueueEntered, EventType::WorkflowTimeout] {
                let mut event = event(event_type, Some(PLACEHOLDER));
                event.attributes.conversation = Some(conversation);
                assert_eq!(ask(&event), Err(Ignored::Conversation(conversation)));
            }
        }
    }

    #[test]
    fn an_event_counts_from_when_twilio_says_whatever_our_clock_says() {
        let now = Timestamp::now();
        let mut entered = event(EventType::TaskQueueEntered, Some(PLACEHOLDER));
        let said = now + std::time::Duration::from_secs(3600);
        entered.timestamp = Some(said);
        let request = redirect_request(&entered, Source::Callback, &plans(), now).unwrap();
        assert_eq!((request.entered_at, request.verify), (said, false));
    }

    #[test]
    fn an_event_that_leaves_doubt_is_to_be_verified() {
        let mut entered = event(EventType::TaskQueueEntered, Some(PLACEHOLDER));
        assert!(!ask(&entered).unwrap().verify);
        entered.verify = true;
        assert!(ask(&entered).unwrap().verify);
    }
}
