//! The one question: does this event say that nobody took a call of ours?

use jiff::Timestamp;
use queue::{RedirectRequest, Source};
use service::Plans;
use twilio::{EventType, TaskRouterEvent};

/// Why an event is of no concern to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// Not a type that may mean a stranded caller.
    OtherType,
    /// A task queue that is no placeholder of ours.
    OtherTaskQueue,
    /// A task that stands for no call: a chat, say.
    NoCall,
    /// The call is in a conference, or is being transferred: the caller is with somebody.
    InConference,
    /// The task ended in a way that leaves nobody waiting, or no plan rescues its caller.
    NotStranded,
}

impl Ignored {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::OtherType => "an event of another type",
            Self::OtherTaskQueue => "not a placeholder task queue",
            Self::NoCall => "the task stands for no call",
            Self::InConference => "the call is in a conference or a transfer",
            Self::NotStranded => "the end of the task leaves nobody waiting",
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
    let stranded = match event.event_type {
        EventType::TaskQueueEntered | EventType::WorkflowTimeout => true,
        EventType::TaskCanceled => event.ttl_exceeded,
    };
    if !stranded {
        return Err(Ignored::NotStranded);
    }
    let (plan, source) = match event.event_type {
        EventType::TaskQueueEntered => (
            event
                .task_queue_sid
                .as_ref()
                .and_then(|task_queue| plans.get(task_queue))
                .ok_or(Ignored::OtherTaskQueue)?,
            source,
        ),
        EventType::TaskCanceled | EventType::WorkflowTimeout => (
            plans
                .rescuer(event.task_queue_sid.as_ref())
                .ok_or(Ignored::NotStranded)?,
            Source::Rescue,
        ),
    };
    if event.attributes.in_conference {
        return Err(Ignored::InConference);
    }
    Ok(RedirectRequest {
        event_sid: event.sid,
        account_sid: event.account_sid,
        workspace_sid: event.workspace_sid,
        task_sid: event.task_sid,
        call_sid: event.attributes.call_sid.ok_or(Ignored::NoCall)?,
        task_queue_sid: plan.task_queue_sid,
        workflow_sid: event.workflow_sid,
        entered_at: event.timestamp.unwrap_or(now),
        source,
        verify: event.timestamp.is_none()
            || (event.event_type == EventType::TaskQueueEntered && !event.is_pending),
        requeued_at: None,
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
                in_conference: false,
            },
            is_pending: true,
            task_queue_sid: task_queue.map(|sid| sid.parse().unwrap()),
            workflow_sid: None,
            timestamp: None,
            ttl_exceeded: false,
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
        assert_eq!(ask(&canceled), Err(Ignored::NotStranded), "hung up, say");
        canceled.ttl_exceeded = true;
        let request = ask(&canceled).unwrap();
        assert_eq!(request.source, Source::Rescue);
        assert_eq!(request.task_queue_sid.as_str(), PLACEHOLDER);

        assert!(ask(&event(EventType::WorkflowTimeout, Some(PLACEHOLDER))).is_ok());
        let timed_out = event(EventType::WorkflowTimeout, Some(WITHOUT_RESCUE));
        assert_eq!(ask(&timed_out), Err(Ignored::NotStranded));
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
        let now = Timestamp::now();
        let ask = |event| redirect_request(&event, Source::Callback, &plans(), now);
        let entered = || TaskRouterEvent {
            timestamp: Some(now),
            ..event(EventType::TaskQueueEntered, Some(PLACEHOLDER))
        };
        assert!(!ask(entered()).unwrap().verify);
        let without_time = TaskRouterEvent {
            timestamp: None,
            ..entered()
        };
        assert!(ask(without_time).unwrap().verify);
        let reserved = TaskRouterEvent {
            is_pending: false,
            ..entered()
        };
        assert!(ask(reserved).unwrap().verify);
        let mut in_conference = entered();
        in_conference.attributes.in_conference = true;
        assert_eq!(ask(in_conference), Err(Ignored::InConference));
    }
}
