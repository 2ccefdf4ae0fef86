//! Flows, task queues and workflows that come and go.

use serde_json::json;

use crate::support::{Api, fast, start};

#[tokio::test]
async fn a_flow_is_validated_published_and_deleted() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let definition =
        r#"{"initial_state":"Trigger","states":[{"name":"Trigger","transitions":[]}]}"#;
    let form = [
        ("FriendlyName", "Ours"),
        ("Status", "published"),
        ("Definition", definition),
    ];
    let valid = api.post("/v2/Flows/Validate", &form).await.ok();
    assert_eq!(valid["valid"], true);
    let flow = api.post("/v2/Flows", &form).await.ok();
    let path = format!("/v2/Flows/{}", flow["sid"].as_str().unwrap());
    assert_eq!(api.get(&path).await.ok()["revision"], 1);
    let broken = definition.replace("\"initial_state\":\"Trigger\"", "\"initial_state\":\"x\"");
    let broken = [form[0], form[1], ("Definition", broken.as_str())];
    assert_eq!(api.post(&path, &broken).await.error(), (400, 20001));
    assert_eq!(api.post(&path, &form).await.ok()["revision"], 2);
    let delete = api.request(reqwest::Method::DELETE, &path);
    assert_eq!(api.send(delete).await.unwrap().status, 204);
    assert_eq!(api.get(&path).await.error(), (404, 20404));
}

#[tokio::test]
async fn what_is_in_use_can_not_be_deleted() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let workspace = &api.workspace;
    let delete = async |path: &str| {
        let request = api.request(reqwest::Method::DELETE, path);
        api.send(request).await.unwrap()
    };
    let queue = format!("{workspace}/TaskQueues/{}", simulator.placeholder());
    assert_eq!(delete(&queue).await.error(), (400, 20001));
    let workflow = format!("{workspace}/Workflows/{}", simulator.workflow_sid());
    assert_eq!(delete(&workflow).await.status, 204);
    assert_eq!(delete(&queue).await.status, 204);
}

#[tokio::test]
async fn a_task_channel_is_found_by_its_sid_or_its_unique_name() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let channels = format!("{}/TaskChannels", api.workspace);
    let listed = api.get(&channels).await.ok();
    let sid = listed["channels"][0]["sid"].as_str().unwrap();
    for name in ["voice", sid] {
        let channel = api.get(&format!("{channels}/{name}")).await.ok();
        assert_eq!(channel["sid"], sid);
        assert_eq!(channel["unique_name"], "voice");
    }
    let unknown = api.get(&format!("{channels}/chat")).await;
    assert_eq!(unknown.error(), (404, 20404));
}

#[tokio::test]
async fn what_twilio_would_not_take_is_refused() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let queues = format!("{}/TaskQueues", api.workspace);
    let queue = format!("{queues}/{}", simulator.placeholder());
    for wrong in ["1==", "1==2)", "skills HAS", "sales and support", "=="] {
        let form = [("FriendlyName", "New"), ("TargetWorkers", wrong)];
        assert_eq!(
            api.post(&queues, &form).await.error(),
            (400, 20001),
            "{wrong}"
        );
        assert_eq!(
            api.post(&queue, &form[1..]).await.error(),
            (400, 20001),
            "{wrong}"
        );
    }
    for right in [
        "1==2",
        "routing.skills HAS \"sales\" AND level > 3",
        "name != null",
    ] {
        api.post(&queue, &[("TargetWorkers", right)]).await.ok();
    }
    let unknown = format!("TC{:032x}", 1);
    let tasks = format!("{}/Tasks", api.workspace);
    let task = [("TaskChannel", unknown.as_str())];
    assert_eq!(api.post(&tasks, &task).await.error(), (400, 20001));
    let definition = json!({ "initial_state": "Flex", "states": [{
        "name": "Flex", "type": "send-to-flex", "transitions": [],
        "properties": { "workflow": simulator.workflow_sid(), "channel": unknown },
    }] });
    let definition = definition.to_string();
    let flow = [
        ("FriendlyName", "Ours"),
        ("Status", "published"),
        ("Definition", definition.as_str()),
    ];
    assert_eq!(api.post("/v2/Flows", &flow).await.error(), (400, 20001));
}

#[tokio::test]
async fn what_an_update_sets_is_shown_from_then_on() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let workflow = format!("{}/Workflows/{}", api.workspace, simulator.workflow_sid());
    let timeout = [("TaskReservationTimeout", "15")];
    api.post(&workflow, &timeout).await.ok();
    assert_eq!(
        api.get(&workflow).await.ok()["task_reservation_timeout"],
        15
    );
    let queue = format!("{}/TaskQueues/{}", api.workspace, simulator.placeholder());
    let form = [("TaskOrder", "LIFO"), ("MaxReservedWorkers", "5")];
    api.post(&queue, &form).await.ok();
    let queue = api.get(&queue).await.ok();
    assert_eq!(
        (&queue["task_order"], &queue["max_reserved_workers"]),
        (&"LIFO".into(), &5.into())
    );
}
