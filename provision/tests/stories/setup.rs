//! `overflow setup` on accounts of all kinds.

use serde_json::json;
use simulator::{Config, PlaceCall};
use twilio::rest::{FlowDraft, TaskQueueDraft};

use crate::support::{
    CALLBACK, OUR_EVENTS, Operator, PREFIX, PUBLIC_URL, RunningIngest, env_value, json,
};

const NUMBER: &str = "+14155550150";
const OLD_VOICE_URL: &str = "https://ivr.example.com/welcome";

#[tokio::test]
async fn an_empty_account_gets_the_six_resources_the_callback_and_the_settings() {
    let operator = Operator::new().await;
    let output = operator.setup(&[]).await.done();
    for name in [
        "task queue [TR Call Redirection] Sales",
        "task queue [TR Call Redirection] Support",
        "task queue [TR Call Redirection] Everyone",
        "task queue [TR Call Redirection] Call Redirection",
        "workflow [TR Call Redirection] Call Redirection Workflow",
        "Studio flow [TR Call Redirection] Call Redirection Studio Flow",
    ] {
        assert!(output.contains(&format!("+ {name}\n")), "{output}");
        assert!(output.contains(&format!("✓ created {name} (")), "{output}");
    }

    let client = operator.client();
    let queues = client.task_queues(&operator.workspace_sid()).await.unwrap();
    let sid = |name: &str| {
        let name = format!("{PREFIX} {name}");
        let queue = queues.iter().find(|queue| queue.friendly_name == name);
        queue.unwrap().sid.to_string()
    };
    let placeholder = sid("Call Redirection");
    let workflows = client.workflows(&operator.workspace_sid()).await.unwrap();
    let workflow = workflows.last().unwrap();
    let routing = &json(&workflow.configuration)["task_routing"];
    assert_eq!(
        routing["filters"][0]["targets"],
        json!([
            {"queue": sid("Sales"), "timeout": 5},
            {"queue": sid("Support"), "timeout": 5},
            {"queue": sid("Everyone"), "timeout": 10},
            {"queue": placeholder},
        ])
    );
    assert_eq!(routing["filters"][0]["expression"], "1==1");
    assert_eq!(routing["default_filter"], json!({"queue": placeholder}));
    let nobody = queues.iter().find(|q| q.sid.as_str() == placeholder);
    assert_eq!(nobody.unwrap().target_workers, "1==2");

    let flow = &client.flows().await.unwrap()[0];
    let flow = client.flow(&flow.sid).await.unwrap().unwrap();
    assert_eq!(flow.status, "published");
    let widget = &flow.definition["states"][1]["properties"];
    assert_eq!(widget["workflow"], workflow.sid.as_str());

    let workspace = operator.workspace().await;
    assert_eq!(workspace.event_callback_url, CALLBACK);
    assert_eq!(workspace.events_filter, OUR_EVENTS);

    let env = operator.env_file();
    let account = operator.simulator.account_sid().to_string();
    for (name, value) in [
        ("TWILIO_ACCOUNT_SID", account.as_str()),
        ("TWILIO_WORKSPACE_SID", operator.workspace_sid().as_str()),
        ("FORWARD_CALL_TASK_QUEUE_SID", &placeholder),
        ("PUBLIC_URL", PUBLIC_URL),
    ] {
        assert_eq!(env_value(&env, name).as_deref(), Some(value));
    }
    let written = [
        &env,
        &output,
        &std::fs::read_to_string(operator.state_file()).unwrap(),
    ]
    .map(|text| text.contains(operator.simulator.auth_token()));
    assert_eq!(written, [false; 3], "the auth token was written somewhere");
}

#[tokio::test]
async fn no_call_is_promised_while_no_number_leads_to_the_flow() {
    const MISSING: &str = "No number leads to the flow yet: run it again with --number +…";
    let mut operator = Operator::new().await;
    let output = operator.setup(&[]).await.done();
    assert!(output.contains(&format!("Set up. {MISSING}")), "{output}");
    let again = operator.setup(&[]).await.done();
    assert!(
        again.contains(&format!("Nothing to do. {MISSING}")),
        "{again}"
    );
    let placeholder = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
    let ingest = RunningIngest::start(&mut operator, &placeholder).await;
    operator.setup(&[]).await.done();
    let doctor = async || operator.doctor(&placeholder, "+14155550100", &[]).await;
    let found = doctor().await.done();
    assert!(
        found.contains("Redirects work for callers who get to the workflow, but no number leads"),
        "{found}"
    );

    // By a flow of the user's they do come.
    let client = operator.client();
    let workflows = client.workflows(&operator.workspace_sid()).await.unwrap();
    let ours = workflows.last().unwrap().sid;
    let flow = &client.flows().await.unwrap()[0];
    let flow = client.flow(&flow.sid).await.unwrap().unwrap();
    assert!(flow.definition.to_string().contains(ours.as_str()));
    let draft = FlowDraft {
        friendly_name: "Welcome",
        definition: &flow.definition.to_string(),
        commit_message: "made by hand",
    };
    client.create_flow(&draft).await.unwrap();
    let again = operator.setup(&[]).await.done();
    assert!(!again.contains(MISSING), "{again}");
    let found = doctor().await.done();
    assert!(found.contains("\nRedirects work; "), "{found}");

    operator.add_number(NUMBER, OLD_VOICE_URL);
    let pointed = operator.setup(&["--number", NUMBER]).await.done();
    assert!(!pointed.contains(MISSING), "{pointed}");
    ingest.stop().await;
}

#[tokio::test]
async fn the_plan_says_which_number_gets_a_flow_that_is_yet_to_be_made() {
    let operator = Operator::new().await;
    operator.add_number(NUMBER, OLD_VOICE_URL);
    let output = operator.setup(&["--number", NUMBER]).await.done();
    let sid = operator.number(NUMBER).await.sid;
    let name = format!("~ phone number {NUMBER} ({sid})\n");
    assert!(output.contains(&name), "no {name:?} in: {output}");
    let new = format!("voice URL: {OLD_VOICE_URL} → (new) {PREFIX} Call Redirection Studio Flow\n");
    assert!(output.contains(&new), "no {new:?} in: {output}");
}

#[tokio::test]
async fn the_second_time_there_is_nothing_to_do() {
    let operator = Operator::new().await;
    operator.add_number(NUMBER, OLD_VOICE_URL);
    operator.setup(&["--number", NUMBER]).await.done();
    let before = operator.snapshot().await;
    let asked = operator.simulator.journal().request_count();
    let output = operator.setup(&["--number", NUMBER]).await.done();
    assert!(output.contains("Nothing to do"), "{output}");
    let journal = operator.simulator.journal();
    let asked = usize::try_from(asked).unwrap();
    let changed = journal.requests().skip(asked).find(|r| r.method != "GET");
    assert!(changed.is_none(), "{changed:?}");
    assert_eq!(operator.snapshot().await, before);
}

#[tokio::test]
async fn set_up_checked_used_and_taken_down_twice_in_a_row() {
    let mut operator = Operator::new().await;
    operator.add_number(NUMBER, OLD_VOICE_URL);
    let untouched = operator.snapshot().await.at_twilio();
    for _ in 0..2 {
        operator.setup(&[]).await.done();
        let placeholder = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
        let ingest = RunningIngest::start(&mut operator, &placeholder).await;
        // The public URL is known only now.
        operator.setup(&["--number", NUMBER]).await.done();
        let report = operator.doctor(&placeholder, "+14155550100", &[]).await;
        let report = report.done();
        assert!(!report.contains('✗'), "{report}");

        let workflows = operator
            .client()
            .workflows(&operator.workspace_sid())
            .await
            .unwrap();
        let call = PlaceCall {
            workflow: Some(workflows.last().unwrap().sid),
            ..PlaceCall::into_placeholder()
        };
        let caller = operator.simulator.place_call(call).unwrap();
        let delivered = |state: &simulator::State| {
            state
                .journal()
                .callbacks()
                .any(|c| c.call == Some(caller.call_sid) && c.outcome.is_success())
        };
        operator.simulator.wait_until(delivered).await;
        assert!(operator.simulator.hang_up(caller.call_sid));
        ingest.stop().await;

        operator.teardown(&[]).await.done();
        assert_eq!(operator.snapshot().await.at_twilio(), untouched);
        assert!(!operator.state_file().exists());
    }
}

#[tokio::test]
async fn what_was_changed_in_the_console_is_shown_and_set_right() {
    let operator = Operator::new().await;
    operator.setup(&[]).await.done();
    let client = operator.client();
    let workspace = operator.workspace_sid();
    let queues = client.task_queues(&workspace).await.unwrap();
    let named = |name: &str| {
        let name = format!("{PREFIX} {name}");
        queues
            .iter()
            .find(|queue| queue.friendly_name == name)
            .unwrap()
    };
    let placeholder = named("Call Redirection");
    let draft = TaskQueueDraft {
        friendly_name: &placeholder.friendly_name,
        target_workers: "1==1",
    };
    client
        .update_task_queue(&workspace, &placeholder.sid, &draft)
        .await
        .unwrap();
    let sales = named("Sales");
    let skilled = TaskQueueDraft {
        friendly_name: &sales.friendly_name,
        target_workers: "routing.skills HAS \"sales\"",
    };
    client
        .update_task_queue(&workspace, &sales.sid, &skilled)
        .await
        .unwrap();

    let output = operator.setup(&[]).await.done();
    assert!(output.contains("target workers: 1==1 → 1==2"), "{output}");
    assert!(
        output.contains("0 to create, 1 to change, 0 to delete"),
        "{output}"
    );
    let queues = client.task_queues(&workspace).await.unwrap();
    let workers = |sid| {
        let queue = queues.iter().find(|queue| queue.sid == sid).unwrap();
        queue.target_workers.as_str()
    };
    assert_eq!(workers(placeholder.sid), "1==2");
    assert_eq!(
        workers(sales.sid),
        "routing.skills HAS \"sales\"",
        "the user decides"
    );
}

#[tokio::test]
async fn a_dry_run_and_a_no_change_nothing() {
    let operator = Operator::new().await;
    let before = operator.snapshot().await;
    let output = operator.run(&["setup", "--dry-run"]).await.done();
    assert!(output.contains("+ workflow"), "{output}");
    operator.run_answering(&["setup"], &[false]).await.failed();
    let unasked = operator.run(&["setup"]).await.failed();
    assert!(unasked.contains("cannot ask"), "{unasked}");
    assert_eq!(operator.snapshot().await, before);
    assert!(!operator.state_file().exists());
    operator.run_answering(&["setup"], &[true]).await.done();
}

#[tokio::test]
async fn an_existing_filter_is_merged_and_comes_back() {
    let operator = Operator::with(Config {
        events_filter: Some("task.created, task.canceled".into()),
        ..Config::default()
    })
    .await;
    operator.setup(&[]).await.done();
    assert_eq!(
        operator.workspace().await.events_filter,
        "task.created,task.canceled,task-queue.entered,workflow.timeout"
    );
    operator.teardown(&[]).await.done();
    let workspace = operator.workspace().await;
    assert_eq!(workspace.events_filter, "task.created, task.canceled");
    assert_eq!(workspace.event_callback_url, "");
}

#[tokio::test]
async fn a_new_public_url_moves_the_callback_and_keeps_what_was_before() {
    let mut operator = Operator::with(Config {
        callback_url: Some("https://crm.example.com/events".into()),
        ..Config::default()
    })
    .await;
    operator.setup(&["--replace-callback"]).await.done();
    operator.public_url = "https://new.example.com".into();
    operator.setup(&[]).await.done();
    let url = operator.workspace().await.event_callback_url;
    assert!(
        url.starts_with("https://new.example.com/taskrouter/events#"),
        "{url}"
    );
    operator.teardown(&[]).await.done();
    let url = operator.workspace().await.event_callback_url;
    assert_eq!(url, "https://crm.example.com/events");
}

#[tokio::test]
async fn a_workspace_with_120_task_queues_is_read_to_its_end() {
    let mut operator = Operator::new().await;
    let (client, workspace) = (operator.client(), operator.workspace_sid());
    operator.setup(&[]).await.done();
    // Ours are among the first hundred; a second set comes after them.
    for number in 0..120 {
        let draft = TaskQueueDraft {
            friendly_name: &format!("Team {number}"),
            target_workers: "1==1",
        };
        client.create_task_queue(&workspace, &draft).await.unwrap();
    }
    std::fs::remove_file(operator.path(".env")).unwrap();
    operator.record = "late.json";
    let late = ["--prefix", "[Late]"];
    operator.setup(&late).await.done();
    let output = operator.setup(&late).await.done();
    assert!(output.contains("Nothing to do"), "{output}");
    let queues = client.task_queues(&workspace).await.unwrap();
    assert_eq!(queues.len(), 4 + 4 + 120 + 4);
}

#[tokio::test]
async fn event_streams_leave_the_callback_to_whoever_uses_it() {
    let operator = Operator::with(Config {
        callback_url: Some("https://crm.example.com/events".into()),
        ..Config::default()
    })
    .await;
    let before = operator.snapshot().await.at_twilio();
    let via = ["--via", "event-streams"];
    let output = operator.setup(&via).await.done();
    assert!(
        output.contains("https://crm.example.com/events, left to"),
        "{output}"
    );
    let sinks = operator.client().sinks().await.unwrap();
    let url = "https://overflow.example.com/taskrouter/event-stream";
    assert_eq!(sinks[0].destination(), Some(url));
    let subscriptions = operator
        .client()
        .subscriptions(&sinks[0].sid)
        .await
        .unwrap();
    assert_eq!(subscriptions.len(), 1);
    let journal = operator.simulator.journal();
    let types: Vec<_> = journal
        .requests()
        .flat_map(|request| &request.form)
        .filter(|(name, _)| name == "Types")
        .map(|(_, value)| json(value)["type"].clone())
        .collect();
    assert_eq!(
        types,
        [
            "com.twilio.taskrouter.task-queue.entered",
            "com.twilio.taskrouter.task.canceled",
            "com.twilio.taskrouter.workflow.timeout"
        ]
    );
    assert!(operator.setup(&via).await.done().contains("Nothing to do"));
    operator.teardown(&[]).await.done();
    assert_eq!(operator.snapshot().await.at_twilio(), before);
}

#[tokio::test]
async fn changing_the_way_of_events_leaves_one_way_only() {
    let operator = Operator::new().await;
    operator.setup(&[]).await.done();
    operator.setup(&["--via", "event-streams"]).await.done();
    assert_eq!(operator.workspace().await.event_callback_url, "");
    assert_eq!(operator.client().sinks().await.unwrap().len(), 1);
    operator.setup(&["--via", "callback"]).await.done();
    assert_eq!(operator.workspace().await.event_callback_url, CALLBACK);
    assert_eq!(operator.client().sinks().await.unwrap(), []);
}

#[tokio::test]
async fn a_sink_that_posts_elsewhere_is_replaced() {
    let mut operator = Operator::new().await;
    operator.setup(&["--via", "event-streams"]).await.done();
    operator.public_url = "https://new.example.com".into();
    operator.setup(&["--via", "event-streams"]).await.done();
    let sinks = operator.client().sinks().await.unwrap();
    assert_eq!(sinks.len(), 1);
    let url = "https://new.example.com/taskrouter/event-stream";
    assert_eq!(sinks[0].destination(), Some(url));
}

#[tokio::test]
async fn a_number_is_pointed_at_the_flow_and_its_old_url_shown() {
    let operator = Operator::new().await;
    operator.add_number("+14155550151", "https://other.example.com/");
    operator.add_number(NUMBER, OLD_VOICE_URL);
    let output = operator.setup(&["--number", NUMBER]).await.done();
    assert!(
        output.contains(&format!("voice URL: {OLD_VOICE_URL} →")),
        "{output}"
    );
    let flow = operator.client().flows().await.unwrap()[0].sid;
    let url = operator.number(NUMBER).await.voice.url;
    assert!(url.ends_with(&format!("/Flows/{flow}")), "{url}");
    let other = operator.number("+14155550151").await.voice.url;
    assert_eq!(other, "https://other.example.com/");
}

#[tokio::test]
async fn the_forward_number_is_written_but_not_shown() {
    let operator = Operator::new().await;
    let output = operator
        .setup(&["--forward-to-number", "+442071838750"])
        .await
        .done();
    assert!(!output.contains("2071838750"), "{output}");
    let number = env_value(&operator.env_file(), "FORWARD_TO_NUMBER");
    assert_eq!(number.as_deref(), Some("+442071838750"));
}

#[tokio::test]
async fn lines_of_the_settings_file_that_are_not_ours_stay() {
    let operator = Operator::new().await;
    let before = "# mine\nTWILIO_AUTH_TOKEN=hush\nPUBLIC_URL=https://old.example.com\nMINE=1\n";
    std::fs::write(operator.path(".env"), before).unwrap();
    let output = operator.setup(&[]).await.done();
    assert!(!output.contains("hush"), "{output}");
    let env = operator.env_file();
    let expected = before.replace("https://old.example.com", PUBLIC_URL);
    assert!(env.starts_with(&expected), "{env}");
}
