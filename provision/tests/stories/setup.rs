//! `overflow setup` on accounts of all kinds.

use serde_json::json;
use simulator::{Config, PlaceCall};
use twilio::rest::TaskQueueDraft;

use crate::support::{
    CALLBACK, Desk, OUR_EVENTS, PREFIX, PUBLIC_URL, RunningIngest, env_value, json,
};

const NUMBER: &str = "+14155550150";
const OLD_VOICE_URL: &str = "https://ivr.example.com/welcome";

#[tokio::test]
async fn an_empty_account_gets_the_six_resources_the_callback_and_the_settings() {
    let desk = Desk::new().await;
    let output = desk.setup(&[]).await.done();
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

    let client = desk.client();
    let queues = client.task_queues(&desk.workspace_sid()).await.unwrap();
    let sid = |name: &str| {
        let name = format!("{PREFIX} {name}");
        let queue = queues.iter().find(|queue| queue.friendly_name == name);
        queue.unwrap().sid.to_string()
    };
    let placeholder = sid("Call Redirection");
    let workflows = client.workflows(&desk.workspace_sid()).await.unwrap();
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

    let workspace = desk.workspace().await;
    assert_eq!(workspace.event_callback_url, CALLBACK);
    assert_eq!(workspace.events_filter, OUR_EVENTS);

    let env = desk.env_file();
    let account = desk.simulator.account_sid().to_string();
    for (name, value) in [
        ("TWILIO_ACCOUNT_SID", account.as_str()),
        ("TWILIO_WORKSPACE_SID", desk.workspace_sid().as_str()),
        ("FORWARD_CALL_TASK_QUEUE_SID", &placeholder),
        ("PUBLIC_URL", PUBLIC_URL),
    ] {
        assert_eq!(env_value(&env, name).as_deref(), Some(value));
    }
    let written = [
        &env,
        &output,
        &std::fs::read_to_string(desk.state_file()).unwrap(),
    ]
    .map(|text| text.contains(desk.simulator.auth_token()));
    assert_eq!(written, [false; 3], "the auth token was written somewhere");
}

#[tokio::test]
async fn the_second_time_there_is_nothing_to_do() {
    let desk = Desk::new().await;
    desk.add_number(NUMBER, OLD_VOICE_URL);
    desk.setup(&["--number", NUMBER]).await.done();
    let before = desk.snapshot().await;
    let asked = desk.simulator.journal().request_count();
    let output = desk.setup(&["--number", NUMBER]).await.done();
    assert!(output.contains("Nothing to do"), "{output}");
    let journal = desk.simulator.journal();
    let asked = usize::try_from(asked).unwrap();
    let changed = journal.requests().skip(asked).find(|r| r.method != "GET");
    assert!(changed.is_none(), "{changed:?}");
    assert_eq!(desk.snapshot().await, before);
}

#[tokio::test]
async fn set_up_checked_used_and_taken_down_twice_in_a_row() {
    let mut desk = Desk::new().await;
    desk.add_number(NUMBER, OLD_VOICE_URL);
    let untouched = desk.snapshot().await.at_twilio();
    for _ in 0..2 {
        desk.setup(&[]).await.done();
        let placeholder = env_value(&desk.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
        let ingest = RunningIngest::start(&mut desk, &placeholder).await;
        // The public URL is known only now.
        desk.setup(&["--number", NUMBER]).await.done();
        let queue = format!("sqlite:{}", desk.path("queue.db").display());
        let arguments = [
            "doctor",
            "--forward-call-task-queue-sid",
            &placeholder,
            "--forward-to-number",
            "+14155550100",
            "--queue",
            &queue,
        ];
        let report = desk.run(&arguments).await.done();
        assert!(!report.contains('✗'), "{report}");

        let workflows = desk
            .client()
            .workflows(&desk.workspace_sid())
            .await
            .unwrap();
        let call = PlaceCall {
            workflow: Some(workflows.last().unwrap().sid),
            ..PlaceCall::into_placeholder()
        };
        let caller = desk.simulator.place_call(call).unwrap();
        let delivered = |state: &simulator::State| {
            state
                .journal()
                .callbacks()
                .any(|c| c.call == Some(caller.call_sid) && c.outcome.is_success())
        };
        desk.simulator.wait_until(delivered).await;
        assert!(desk.simulator.hang_up(caller.call_sid));
        ingest.stop().await;

        desk.teardown(&[]).await.done();
        assert_eq!(desk.snapshot().await.at_twilio(), untouched);
        assert!(!desk.state_file().exists());
    }
}

#[tokio::test]
async fn what_was_changed_in_the_console_is_shown_and_set_right() {
    let desk = Desk::new().await;
    desk.setup(&[]).await.done();
    let client = desk.client();
    let workspace = desk.workspace_sid();
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

    let output = desk.setup(&[]).await.done();
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
        "is the user's to say"
    );
}

#[tokio::test]
async fn a_dry_run_and_a_no_change_nothing() {
    let desk = Desk::new().await;
    let before = desk.snapshot().await;
    let output = desk.run(&["setup", "--dry-run"]).await.done();
    assert!(output.contains("+ workflow"), "{output}");
    desk.run_answering(&["setup"], &[false]).await.failed();
    let unasked = desk.run(&["setup"]).await.failed();
    assert!(unasked.contains("cannot ask"), "{unasked}");
    assert_eq!(desk.snapshot().await, before);
    assert!(!desk.state_file().exists());
    desk.run_answering(&["setup"], &[true]).await.done();
}

#[tokio::test]
async fn an_existing_filter_is_merged_and_comes_back() {
    let desk = Desk::with(Config {
        events_filter: Some("task.created, task.canceled".into()),
        ..Config::default()
    })
    .await;
    desk.setup(&[]).await.done();
    assert_eq!(
        desk.workspace().await.events_filter,
        "task.created,task.canceled,task-queue.entered,workflow.timeout"
    );
    desk.teardown(&[]).await.done();
    let workspace = desk.workspace().await;
    assert_eq!(workspace.events_filter, "task.created, task.canceled");
    assert_eq!(workspace.event_callback_url, "");
}

#[tokio::test]
async fn a_new_public_url_moves_the_callback_and_keeps_what_was_before() {
    let mut desk = Desk::with(Config {
        callback_url: Some("https://crm.example.com/events".into()),
        ..Config::default()
    })
    .await;
    desk.setup(&["--replace-callback"]).await.done();
    desk.public_url = "https://new.example.com".into();
    desk.setup(&[]).await.done();
    let url = desk.workspace().await.event_callback_url;
    assert!(
        url.starts_with("https://new.example.com/taskrouter/events#"),
        "{url}"
    );
    desk.teardown(&[]).await.done();
    let url = desk.workspace().await.event_callback_url;
    assert_eq!(url, "https://crm.example.com/events");
}

#[tokio::test]
async fn a_workspace_with_120_task_queues_is_read_to_its_end() {
    let mut desk = Desk::new().await;
    let (client, workspace) = (desk.client(), desk.workspace_sid());
    desk.setup(&[]).await.done();
    // Ours are among the first hundred; a second set comes after them.
    for number in 0..120 {
        let draft = TaskQueueDraft {
            friendly_name: &format!("Team {number}"),
            target_workers: "1==1",
        };
        client.create_task_queue(&workspace, &draft).await.unwrap();
    }
    desk.record = "late.json";
    let late = ["--prefix", "[Late]"];
    desk.setup(&late).await.done();
    let output = desk.setup(&late).await.done();
    assert!(output.contains("Nothing to do"), "{output}");
    let queues = client.task_queues(&workspace).await.unwrap();
    assert_eq!(queues.len(), 4 + 4 + 120 + 4);
}

#[tokio::test]
async fn event_streams_leave_the_callback_to_whoever_uses_it() {
    let desk = Desk::with(Config {
        callback_url: Some("https://crm.example.com/events".into()),
        ..Config::default()
    })
    .await;
    let before = desk.snapshot().await.at_twilio();
    let via = ["--via", "event-streams"];
    let output = desk.setup(&via).await.done();
    assert!(
        output.contains("https://crm.example.com/events, left to"),
        "{output}"
    );
    let sinks = desk.client().sinks().await.unwrap();
    let url = "https://overflow.example.com/taskrouter/event-stream";
    assert_eq!(sinks[0].destination(), Some(url));
    let subscriptions = desk.client().subscriptions(&sinks[0].sid).await.unwrap();
    assert_eq!(subscriptions.len(), 1);
    let journal = desk.simulator.journal();
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
    assert!(desk.setup(&via).await.done().contains("Nothing to do"));
    desk.teardown(&[]).await.done();
    assert_eq!(desk.snapshot().await.at_twilio(), before);
}

#[tokio::test]
async fn changing_the_way_of_events_leaves_one_way_only() {
    let desk = Desk::new().await;
    desk.setup(&[]).await.done();
    desk.setup(&["--via", "event-streams"]).await.done();
    assert_eq!(desk.workspace().await.event_callback_url, "");
    assert_eq!(desk.client().sinks().await.unwrap().len(), 1);
    desk.setup(&["--via", "callback"]).await.done();
    assert_eq!(desk.workspace().await.event_callback_url, CALLBACK);
    assert_eq!(desk.client().sinks().await.unwrap(), []);
}

#[tokio::test]
async fn a_sink_that_posts_elsewhere_is_replaced() {
    let mut desk = Desk::new().await;
    desk.setup(&["--via", "event-streams"]).await.done();
    desk.public_url = "https://new.example.com".into();
    desk.setup(&["--via", "event-streams"]).await.done();
    let sinks = desk.client().sinks().await.unwrap();
    assert_eq!(sinks.len(), 1);
    let url = "https://new.example.com/taskrouter/event-stream";
    assert_eq!(sinks[0].destination(), Some(url));
}

#[tokio::test]
async fn a_number_is_pointed_at_the_flow_and_its_old_url_shown() {
    let desk = Desk::new().await;
    desk.add_number("+14155550151", "https://other.example.com/");
    desk.add_number(NUMBER, OLD_VOICE_URL);
    let output = desk.setup(&["--number", NUMBER]).await.done();
    assert!(
        output.contains(&format!("voice URL: {OLD_VOICE_URL} →")),
        "{output}"
    );
    let flow = desk.client().flows().await.unwrap()[0].sid;
    let url = desk.number(NUMBER).await.voice.url;
    assert!(url.ends_with(&format!("/Flows/{flow}")), "{url}");
    let other = desk.number("+14155550151").await.voice.url;
    assert_eq!(other, "https://other.example.com/");
}

#[tokio::test]
async fn the_forward_number_is_written_but_not_shown() {
    let desk = Desk::new().await;
    let output = desk
        .setup(&["--forward-to-number", "+442071838750"])
        .await
        .done();
    assert!(!output.contains("2071838750"), "{output}");
    let number = env_value(&desk.env_file(), "FORWARD_TO_NUMBER");
    assert_eq!(number.as_deref(), Some("+442071838750"));
}

#[tokio::test]
async fn lines_of_the_settings_file_that_are_not_ours_stay() {
    let desk = Desk::new().await;
    let before = "# mine\nTWILIO_AUTH_TOKEN=hush\nPUBLIC_URL=https://old.example.com\nMINE=1\n";
    std::fs::write(desk.path(".env"), before).unwrap();
    let output = desk.setup(&[]).await.done();
    assert!(!output.contains("hush"), "{output}");
    let env = desk.env_file();
    let expected = before.replace("https://old.example.com", PUBLIC_URL);
    assert!(env.starts_with(&expected), "{env}");
}
