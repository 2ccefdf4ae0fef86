//! How a caller's task passes through its workflow, and the events that tell about it.

use std::time::Duration;

use crate::support::{Api, Receiver, fast, start, waiting};
use serde_json::{Value, json};
use simulator::{
    CallbackOutcome, Config, EventKind, Heard, PlaceCall, State, Story, TaskAfterRedirect,
    TaskStatus,
};

#[tokio::test]
async fn a_task_that_nobody_takes_walks_all_queues_and_stays_in_the_placeholder() {
    let receiver = Receiver::start().await;
    let simulator = start(Config {
        callback_url: Some(receiver.url("/events")),
        ..fast()
    })
    .await;
    let mut story = simulator.story();
    let caller = simulator.place_call(PlaceCall::default()).unwrap();
    // workflow.entered, task.created, four queues entered, three of them left.
    simulator
        .wait_until(|state| state.journal().callback_count() == 9)
        .await;

    let task = simulator.inspect(|state| state.task(&caller.task_sid));
    let task = task.unwrap();
    assert_eq!(task.status, TaskStatus::Pending);
    assert_eq!(task.queue, simulator.placeholder());
    assert_eq!(simulator.callers_still_waiting(), [caller.call_sid]);

    let mut names = Vec::new();
    while let Ok(moment) = story.try_recv() {
        if let Story::QueueEntered { name, timeout, .. } = moment.story {
            names.push((name, timeout.map(|timeout| timeout.as_millis())));
        }
    }
    let expected = [
        ("Sales", Some(10)),
        ("Support", Some(10)),
        ("Everyone", Some(20)),
        ("Call Redirection", None),
    ];
    assert_eq!(
        names,
        expected.map(|(name, timeout)| (name.to_owned(), timeout))
    );
    let mut types: Vec<_> = receiver
        .received()
        .iter()
        .filter_map(|received| received.param("EventType"))
        .collect();
    types.sort();
    assert_eq!(
        types.iter().filter(|t| *t == "task-queue.entered").count(),
        4
    );
    assert_eq!(
        types.iter().filter(|t| *t == "task-queue.timeout").count(),
        3
    );
    assert!(types.contains(&"workflow.entered".to_owned()));
    assert!(types.contains(&"task.created".to_owned()));
}

#[tokio::test]
async fn an_event_callback_is_signed_and_has_every_parameter_that_twilio_sends() {
    let receiver = Receiver::start().await;
    let url = receiver.url("/taskrouter/events?tenant=a");
    let simulator = start(Config {
        callback_url: Some(format!("{url}#rc=5&rp=all")),
        events_filter: Some("task-queue.entered, task.canceled".into()),
        ..fast()
    })
    .await;
    let caller = waiting(&simulator);
    simulator
        .wait_until(|state| state.journal().callback_count() == 1)
        .await;
    let received = receiver.received().remove(0);
    assert_eq!(received.uri, "/taskrouter/events?tenant=a");
    assert!(received.is_signed_form(simulator.auth_token(), &receiver.url("/taskrouter/events")));
    assert!(!received.is_signed_form("another token", &receiver.url("/taskrouter/events")));

    for name in [
        "AccountSid",
        "EventDescription",
        "EventType",
        "OperatingUnitSid",
        "ResourceSid",
        "ResourceType",
        "Sid",
        "TaskAge",
        "TaskAssignmentStatus",
        "TaskAttributes",
        "TaskChannelSid",
        "TaskChannelUniqueName",
        "TaskDateCreated",
        "TaskPriority",
        "TaskQueueEnteredDate",
        "TaskQueueName",
        "TaskQueueSid",
        "TaskQueueTargetExpression",
        "TaskSid",
        "TaskVersion",
        "Timestamp",
        "TimestampMs",
        "WorkflowName",
        "WorkflowSid",
        "WorkspaceName",
        "WorkspaceSid",
    ] {
        assert!(received.param(name).is_some(), "{name}");
    }
    let param = |name| received.param(name).unwrap();
    assert_eq!(param("EventType"), "task-queue.entered");
    assert_eq!(param("TaskSid"), caller.task_sid.as_str());
    assert_eq!(param("TaskQueueSid"), simulator.placeholder().as_str());
    assert_eq!(param("WorkflowSid"), simulator.workflow_sid().as_str());
    assert_eq!(param("TaskAssignmentStatus"), "pending");
    let attributes: Value = serde_json::from_str(&param("TaskAttributes")).unwrap();
    assert_eq!(attributes["call_sid"], caller.call_sid.as_str());
    for name in ["from", "to", "called", "from_country", "direction"] {
        assert!(attributes[name].is_string(), "{name}");
    }
}

#[tokio::test]
async fn an_event_that_the_filter_does_not_list_is_not_sent() {
    let receiver = Receiver::start().await;
    let simulator = start(Config {
        callback_url: Some(receiver.url("/")),
        ..fast()
    })
    .await;
    simulator.set_events_filter(Some(&[EventKind::TaskCanceled]));
    let caller = waiting(&simulator);
    assert!(simulator.hang_up(caller.call_sid));
    simulator
        .wait_until(|state| state.journal().callback_count() == 1)
        .await;
    assert_eq!(
        receiver.received()[0].param("EventType").as_deref(),
        Some("task.canceled")
    );
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_waiting_takes_the_task_along() {
    let receiver = Receiver::start().await;
    let simulator = start(Config {
        callback_url: Some(receiver.url("/")),
        events_filter: Some("task.canceled".into()),
        ..fast()
    })
    .await;
    let caller = waiting(&simulator);
    assert!(simulator.hang_up(caller.call_sid));
    assert!(!simulator.hang_up(caller.call_sid));
    simulator
        .wait_until(|state| state.journal().callback_count() == 1)
        .await;
    let received = receiver.received().remove(0);
    for name in ["Reason", "TaskCanceledReason"] {
        assert_eq!(received.param(name).as_deref(), Some("hangup"));
    }
    assert!(simulator.callers_still_waiting().is_empty());
    let error = Api::of(&simulator).redirect(&caller).await.error();
    assert_eq!(error, (400, 21220));
}

#[tokio::test]
async fn a_task_that_expires_leaves_its_caller_waiting() {
    let simulator = start(Config {
        task_ttl: Duration::from_millis(20),
        ..fast()
    })
    .await;
    let caller = waiting(&simulator);
    let task = simulator
        .wait_for(|state| {
            let task = state.task(&caller.task_sid);
            task.filter(|task| task.status.is_terminal())
        })
        .await;
    assert_eq!(task.status, TaskStatus::Canceled);
    assert_eq!(task.reason.as_deref(), Some("Task TTL Exceeded"));
    assert_eq!(simulator.callers_still_waiting(), [caller.call_sid]);
}

#[tokio::test]
async fn a_task_that_falls_off_its_workflow_leaves_its_caller_waiting() {
    let receiver = Receiver::start().await;
    let simulator = start(Config {
        callback_url: Some(receiver.url("/")),
        events_filter: Some("workflow.timeout,task.canceled".into()),
        ..fast()
    })
    .await;
    let api = Api::of(&simulator);
    let configuration = format!(
        r#"{{"task_routing":{{"filters":[{{"expression":"1==1","targets":[
        {{"queue":"{}","timeout":1}}]}}]}}}}"#,
        simulator.placeholder()
    );
    let workflow = api
        .post(
            &format!("{}/Workflows", api.workspace),
            &[("FriendlyName", "short"), ("Configuration", &configuration)],
        )
        .await
        .ok();
    let caller = simulator
        .place_call(PlaceCall {
            workflow: Some(workflow["sid"].as_str().unwrap().parse().unwrap()),
            ..PlaceCall::default()
        })
        .unwrap();
    simulator
        .wait_until(|state| state.journal().callback_count() == 2)
        .await;
    let mut types: Vec<_> = receiver
        .received()
        .iter()
        .filter_map(|received| received.param("EventType"))
        .collect();
    types.sort();
    assert_eq!(types, ["task.canceled", "workflow.timeout"]);
    assert!(simulator.inspect(|state| state.is_waiting(&caller.call_sid)));
}

#[tokio::test]
async fn an_agent_may_take_a_call_before_it_is_redirected() {
    let simulator = start(fast()).await;
    let caller = waiting(&simulator);
    assert!(simulator.agent_answers(caller.call_sid));
    assert!(!simulator.agent_answers(caller.call_sid));
    let task = simulator.inspect(|state| state.task(&caller.task_sid));
    assert_eq!(task.unwrap().status, TaskStatus::Assigned);
    assert!(simulator.callers_still_waiting().is_empty());

    Api::of(&simulator).redirect(&caller).await.ok();
    let journal = simulator.journal();
    let log = journal.caller(&caller.call_sid).unwrap();
    assert!(log.entries.iter().any(|e| e.heard == Heard::AgentAnswered));
    assert_eq!(log.conversations_cut(), 1);
}

#[tokio::test]
async fn the_task_of_a_redirected_call_stays_or_goes_as_it_is_set() {
    for (setting, expected) in [
        (TaskAfterRedirect::Stays, TaskStatus::Pending),
        (TaskAfterRedirect::Canceled, TaskStatus::Canceled),
    ] {
        let simulator = start(Config {
            task_after_redirect: setting,
            ..fast()
        })
        .await;
        let caller = waiting(&simulator);
        Api::of(&simulator).redirect(&caller).await.ok();
        let task = simulator.inspect(|state| state.task(&caller.task_sid));
        assert_eq!(task.unwrap().status, expected);
    }
}

#[tokio::test]
async fn events_of_a_task_can_be_withheld_and_sent_by_the_test() {
    let receiver = Receiver::start().await;
    let simulator = start(Config {
        callback_url: Some(receiver.url("/")),
        ..fast()
    })
    .await;
    let caller = simulator
        .place_call(PlaceCall::into_placeholder().withholding_events())
        .unwrap();
    let callback = simulator.entered_callback(caller.task_sid).unwrap();
    assert_eq!(callback.call(), Some(caller.call_sid));
    let deliveries = simulator
        .deliver(vec![callback.clone(), callback.clone()], 1)
        .await;
    assert_eq!(deliveries[0].outcome, CallbackOutcome::Answered(204));
    let received = receiver.received();
    assert_eq!(received.len(), 2);
    for received in received {
        assert_eq!(
            received.param("Sid").as_deref(),
            Some(callback.event().as_str())
        );
    }
}

#[tokio::test]
async fn the_same_seed_places_the_same_calls() {
    let calls = async |seed| {
        let simulator = start(Config {
            seed: Some(seed),
            ..Config::default()
        })
        .await;
        let callers = simulator.place_calls(3, &PlaceCall::default()).unwrap();
        (simulator.account_sid(), callers)
    };
    assert_eq!(calls(1).await, calls(1).await);
    assert_ne!(calls(1).await, calls(2).await);
}

#[tokio::test]
async fn an_offer_that_an_agent_ignores_ends_and_so_does_their_turn() {
    let receiver = Receiver::start().await;
    let simulator = start(Config {
        callback_url: Some(receiver.url("/")),
        ..fast()
    })
    .await;
    let api = Api::of(&simulator);
    let workflow = format!("{}/Workflows/{}", api.workspace, simulator.workflow_sid());
    let reservation = [("TaskReservationTimeout", "15")];
    let changed = api.post(&workflow, &reservation).await.ok();
    assert_eq!(changed["task_reservation_timeout"], 15);
    let caller = simulator.place_call(PlaceCall::default()).unwrap();
    assert!(simulator.offer(caller.task_sid));
    // The time in Sales ends meanwhile. With it the task goes on as soon as nobody is asked.
    let went_on = |state: &State| {
        let task = state.task(&caller.task_sid);
        task.is_some_and(|task| task.queue == simulator.placeholder())
    };
    simulator.wait_until(went_on).await;
    let activity = |state: &State| {
        state.journal().callbacks().any(|callback| {
            callback.kind == EventKind::WorkerActivityUpdate && callback.outcome.is_success()
        })
    };
    simulator.wait_until(activity).await;
    let received = receiver.received();
    let param = |kind: &str, name: &str| {
        let mut received = received.iter();
        let event = received.find(|one| one.param("EventType").as_deref() == Some(kind))?;
        event.param(name)
    };
    assert!(param("reservation.timeout", "TaskSid").is_some());
    let activity = param("worker.activity.update", "WorkerActivityName");
    assert_eq!(activity.as_deref(), Some("Offline"));
}

#[tokio::test]
async fn tasks_that_wait_go_by_a_changed_workflow_only_if_that_is_asked_for() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let workflow = format!("{}/Workflows/{}", api.workspace, simulator.workflow_sid());
    let queues = format!("{}/TaskQueues", api.workspace);
    let night = api.post(&queues, &[("FriendlyName", "Night")]).await.ok();
    let night = night["sid"].as_str().unwrap();
    let routing = json!({ "filters": [], "default_filter": { "queue": night } });
    let configuration = json!({ "task_routing": routing }).to_string();
    let queue = || {
        let task = simulator.inspect(|state| state.task(&caller.task_sid));
        task.unwrap().queue.to_string()
    };
    let change = [("Configuration", configuration.as_str())];
    api.post(&workflow, &change).await.ok();
    assert_eq!(queue(), simulator.placeholder().to_string());
    api.post(&workflow, &[("ReEvaluateTasks", "true")])
        .await
        .ok();
    assert_eq!(queue(), night);
}
