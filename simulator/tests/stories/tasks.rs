//! Tasks over the API.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::IF_MATCH;
use serde_json::{Value, json};
use simulator::{Config, PlaceCall};

use crate::support::{Answered, Api, fast, start, waiting};

fn etag(answer: &Answered) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

fn sids(page: &Value) -> Vec<String> {
    let tasks = page["tasks"].as_array().unwrap().iter();
    tasks
        .map(|task| task["sid"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_update_with_an_old_etag_is_refused() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let path = api.task(&caller);
    let etag_then = etag(&api.get(&path).await);
    let update = async |etag: &str, priority: &str| {
        let request = api
            .request(Method::POST, &path)
            .header(IF_MATCH, etag)
            .form(&[("Priority", priority)]);
        api.send(request).await.unwrap()
    };
    let first = update(&etag_then, "5").await;
    assert_eq!(first.status, 200);
    assert_ne!(etag(&first), etag_then);
    assert_eq!(update(&etag_then, "6").await.error(), (412, 20412));
    assert_eq!(api.get(&path).await.ok()["priority"], 5);
    assert_eq!(update(&etag(&first), "7").await.ok()["priority"], 7);
    assert_eq!(update("*", "8").await.ok()["priority"], 8);
}

#[tokio::test]
async fn attributes_are_replaced_not_merged() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let path = api.task(&caller);
    let attributes = r#"{"conversations":{"abandoned":"Follow-Up"}}"#;
    let task = api.post(&path, &[("Attributes", attributes)]).await.ok();
    assert_eq!(task["attributes"], attributes);
    for bad in ["", "null", "[]", "{"] {
        let answer = api.post(&path, &[("Attributes", bad)]).await;
        assert_eq!(answer.error(), (400, 20001), "{bad}");
    }
}

#[tokio::test]
async fn only_a_task_that_nobody_has_can_be_cancelled() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let cancel = [("AssignmentStatus", "canceled"), ("Reason", "redirected")];
    let pending = waiting(&simulator);
    let task = api.post(&api.task(&pending), &cancel).await.ok();
    assert_eq!(task["assignment_status"], "canceled");
    assert_eq!(task["reason"], "redirected");
    let again = api.post(&api.task(&pending), &cancel).await;
    assert_eq!(again.error(), (400, 20001));
    assert_eq!(
        again.body["message"],
        format!(
            "Cannot cancel task {} because it is not pending or reserved.",
            pending.task_sid
        )
    );
    // The task is gone, the caller isn't.
    assert_eq!(simulator.callers_still_waiting(), [pending.call_sid]);

    let assigned = waiting(&simulator);
    assert!(simulator.agent_answers(assigned.call_sid));
    let path = api.task(&assigned);
    assert_eq!(api.post(&path, &cancel).await.error(), (400, 20001));
    for status in ["wrapping", "completed"] {
        let task = api.post(&path, &[("AssignmentStatus", status)]).await.ok();
        assert_eq!(task["assignment_status"], status);
    }
    for status in ["pending", "assigned", "completed", "lost"] {
        let answer = api.post(&path, &[("AssignmentStatus", status)]).await;
        assert_eq!(answer.error(), (400, 20001), "{status}");
    }
}

#[tokio::test]
async fn an_ended_task_is_gone_some_time_later() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    assert!(simulator.hang_up(caller.call_sid));
    let task = api.get(&api.task(&caller)).await.ok();
    assert_eq!(task["assignment_status"], "canceled");

    let simulator = start(Config {
        task_retention: Duration::from_millis(1),
        ..fast()
    })
    .await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    assert!(simulator.hang_up(caller.call_sid));
    simulator
        .wait_until(|state| state.task(&caller.task_sid).is_none())
        .await;
    assert_eq!(api.get(&api.task(&caller)).await.error(), (404, 20404));
}

#[tokio::test]
async fn a_deleted_task_is_gone_and_its_caller_waits_on() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let path = api.task(&caller);
    let delete = || api.request(reqwest::Method::DELETE, &path);
    let old = delete().header("If-Match", "\"99\"");
    assert_eq!(api.send(old).await.unwrap().error(), (412, 20412));
    assert_eq!(api.send(delete()).await.unwrap().status, 204);
    assert_eq!(api.get(&path).await.error(), (404, 20404));
    assert_eq!(api.send(delete()).await.unwrap().error(), (404, 20404));
    assert_eq!(simulator.callers_still_waiting(), [caller.call_sid]);
}

#[tokio::test]
async fn the_tasks_pending_in_a_queue_are_listed_oldest_first() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let callers = simulator
        .place_calls(5, &PlaceCall::into_placeholder())
        .unwrap();
    assert!(simulator.hang_up(callers[1].call_sid));
    assert!(simulator.agent_answers(callers[2].call_sid));
    let pending = format!(
        "{}/Tasks?TaskQueueSid={}&AssignmentStatus=pending",
        api.workspace,
        simulator.placeholder()
    );
    let expected: Vec<_> = [0, 3, 4]
        .map(|i: usize| callers[i].task_sid.to_string())
        .into();
    let ascending = api
        .get(&format!("{pending}&Ordering=DateCreated:asc"))
        .await
        .ok();
    assert_eq!(sids(&ascending), expected);
    assert!(ascending["tasks"][0]["task_queue_entered_date"].is_string());
    let attributes = ascending["tasks"][0]["attributes"].as_str().unwrap();
    assert!(attributes.contains(callers[0].call_sid.as_str()));

    let descending = api
        .get(&format!("{pending}&Ordering=DateCreated:desc"))
        .await
        .ok();
    assert!(sids(&descending).iter().rev().eq(&expected));
    let several = "AssignmentStatus=pending,assigned";
    let several = pending.replace("AssignmentStatus=pending", several);
    assert_eq!(sids(&api.get(&several).await.ok()).len(), 4);
    let other = format!("{}/Tasks?TaskQueueName=Sales", api.workspace);
    assert_eq!(api.get(&other).await.ok()["tasks"], json!([]));
    for bad in [
        "Ordering=Size:asc",
        "Ordering=DateCreated",
        "AssignmentStatus=lost",
    ] {
        let path = format!("{}/Tasks?{bad}", api.workspace);
        assert_eq!(api.get(&path).await.error(), (400, 20001), "{bad}");
    }
}

#[tokio::test]
async fn the_higher_priority_comes_first_where_it_is_asked_for() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let callers = simulator
        .place_calls(3, &PlaceCall::into_placeholder())
        .unwrap();
    api.post(&api.task(&callers[1]), &[("Priority", "9")])
        .await
        .ok();
    let path = format!(
        "{}/Tasks?Ordering=Priority:desc,DateCreated:desc",
        api.workspace
    );
    let expected: Vec<_> = [1, 2, 0]
        .map(|i: usize| callers[i].task_sid.to_string())
        .into();
    assert_eq!(sids(&api.get(&path).await.ok()), expected);
}

#[tokio::test]
async fn a_task_that_vanishes_between_two_pages_hides_no_other() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let callers = simulator
        .place_calls(6, &PlaceCall::into_placeholder())
        .unwrap();
    let path = format!(
        "{}/Tasks?AssignmentStatus=pending&PageSize=2",
        api.workspace
    );
    let first = api.get(&path).await.ok();
    // Both of the first page, one of them the page's last.
    for caller in &callers[..2] {
        assert!(simulator.hang_up(caller.call_sid));
    }
    let mut seen: HashSet<_> = sids(&first).into_iter().collect();
    let mut next = first["meta"]["next_page_url"].as_str().map(str::to_owned);
    while let Some(url) = next {
        let page = api.get(&url).await.ok();
        seen.extend(sids(&page));
        next = page["meta"]["next_page_url"].as_str().map(str::to_owned);
    }
    assert_eq!(seen.len(), 6);
}

#[tokio::test]
async fn lists_can_hide_attributes_as_the_specification_says() {
    let simulator = start(Config {
        attributes_in_lists: false,
        ..fast()
    })
    .await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let listed = api.get(&format!("{}/Tasks", api.workspace)).await.ok();
    assert_eq!(listed["tasks"][0]["attributes"], Value::Null);
    assert!(api.get(&api.task(&caller)).await.ok()["attributes"].is_string());
}

#[tokio::test]
async fn a_task_can_be_created_for_a_call_or_for_none() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let path = format!("{}/Tasks", api.workspace);
    let attributes = r#"{"channelType":"web"}"#;
    let form = [
        ("Attributes", attributes),
        ("Timeout", "60"),
        ("Priority", "3"),
    ];
    let answer = api.post(&path, &form).await;
    assert_eq!(answer.status, 201);
    let task = answer.ok();
    assert_eq!(task["attributes"], attributes);
    assert_eq!(task["timeout"], 60);
    assert_eq!(task["priority"], 3);
    assert_eq!(task["workflow_sid"], simulator.workflow_sid().as_str());
    assert_eq!(task["task_queue_friendly_name"], "Sales");
}
