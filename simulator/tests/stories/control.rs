//! The simulator's own API, as a second terminal uses it.

use reqwest::Client;
use serde_json::{Value, json};
use simulator::{CallbackOutcome, Caller, Config, Simulator};

use crate::support::{Api, Receiver, Reply, client, fast, start, waiting};

struct Control {
    client: Client,
    base: String,
}

impl Control {
    fn of(simulator: &Simulator) -> Self {
        Self {
            client: client(),
            base: simulator.api_url().join("/simulator/").unwrap().into(),
        }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await;
        answer.unwrap().json().await.unwrap()
    }

    async fn put(&self, path: &str, body: Value) -> u16 {
        let request = self.client.put(format!("{}{path}", self.base));
        request.json(&body).send().await.unwrap().status().as_u16()
    }

    async fn post(&self, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.base));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }
}

#[tokio::test]
async fn a_call_is_placed_without_saying_anything_about_it() {
    let simulator = start(fast()).await;
    let (status, callers) = Control::of(&simulator).post("calls", None).await;
    assert_eq!(status, 201);
    let call = callers[0]["call_sid"].as_str().unwrap().parse().unwrap();
    assert_eq!(simulator.callers_still_waiting(), [call]);
}

#[tokio::test]
async fn calls_are_placed_with_numbers_and_straight_into_the_placeholder() {
    let simulator = start(fast()).await;
    let control = Control::of(&simulator);
    let body = json!({ "from": "+14155550100", "begin": "last_step", "count": 2 });
    let (status, callers) = control.post("calls", Some(body)).await;
    assert_eq!(status, 201);
    assert_eq!(callers.as_array().unwrap().len(), 2);
    for caller in callers.as_array().unwrap() {
        let task = caller["task_sid"].as_str().unwrap().parse().unwrap();
        let task = simulator.inspect(|state| state.task(&task)).unwrap();
        assert_eq!(task.queue, simulator.placeholder());
    }
    for bad in [json!({ "from": "0800" }), json!({ "count": 1_000_000 })] {
        assert_eq!(control.post("calls", Some(bad)).await.0, 400);
    }
    let unknown = json!({ "form": "+14155550100" });
    assert_eq!(control.post("calls", Some(unknown)).await.0, 422);
}

#[tokio::test]
async fn what_became_of_a_call_can_be_asked() {
    let simulator = start(fast()).await;
    let (api, control) = (Api::of(&simulator), Control::of(&simulator));
    let caller = waiting(&simulator);
    let path = format!("calls/{}", caller.call_sid);
    let call = control.get(&path).await;
    assert_eq!(call["status"], "waiting");
    assert_eq!(call["task_queue"], "Call Redirection");
    api.redirect(&caller).await.ok();
    let call = control.get(&path).await;
    assert_eq!(call["status"], "talking");
    assert_eq!(call["entries"][2]["heard"], "dialled");
    let unknown = format!("{}calls/CA{:032x}", control.base, 1);
    let unknown = control.client.get(unknown).send().await.unwrap();
    assert_eq!(unknown.status(), 404);
}

#[tokio::test]
async fn callers_hang_up_and_tasks_expire_once() {
    let simulator = start(fast()).await;
    let control = Control::of(&simulator);
    let caller = waiting(&simulator);
    let expire = format!("tasks/{}/expire", caller.task_sid);
    assert_eq!(control.post(&expire, None).await.0, 204);
    assert_eq!(control.post(&expire, None).await.0, 409);
    let hang_up = format!("calls/{}/hangup", caller.call_sid);
    assert_eq!(control.post(&hang_up, None).await.0, 204);
    assert_eq!(control.post(&hang_up, None).await.0, 409);
}

#[tokio::test]
async fn phones_readings_and_what_callers_do_are_set() {
    let simulator = start(fast()).await;
    let (api, control) = (Api::of(&simulator), Control::of(&simulator));
    assert_eq!(control.put("phones/+14155550123", json!("busy")).await, 204);
    assert_eq!(control.put("phones/0800", json!("busy")).await, 400);
    for bad in ["drunk", "mailbox,presses=1"] {
        assert_eq!(control.put("phones/+14155550123", json!(bad)).await, 422);
    }
    let readings = json!({ "others_ring_on": true, "refused_whisper": "no_answer" });
    assert_eq!(control.put("readings", readings).await, 204);
    let misspelt = json!({ "other_ring_on": true });
    assert_eq!(control.put("readings", misspelt).await, 422);

    let body = json!({ "begin": "last_step", "conduct": { "message_ms": 20_000 } });
    let (status, callers) = control.post("calls", Some(body)).await;
    assert_eq!(status, 201);
    let text = |name: &str| callers[0][name].as_str().unwrap();
    let caller = Caller {
        call_sid: text("call_sid").parse().unwrap(),
        task_sid: text("task_sid").parse().unwrap(),
    };
    let receiver = Receiver::start().await;
    receiver.will([Reply::Twiml(
        "<Response><Say>Thank you.</Say></Response>".into(),
    )]);
    let twiml = format!(
        "<Response><Dial>+14155550123</Dial><Record action=\"{}\"/></Response>",
        receiver.url("/recorded")
    );
    api.post(&api.call(&caller), &[("Twiml", &twiml)])
        .await
        .ok();
    simulator
        .wait_until(|state| !state.is_in_progress(&caller.call_sid))
        .await;
    let journal = control.get("journal").await;
    let log = &journal["callers"][0];
    assert_eq!(log["callees"][0]["number"], "+14155550123");
    let heard = |heard: &str| {
        let entries = log["entries"].as_array().unwrap();
        entries
            .iter()
            .find(|entry| entry["heard"] == heard)
            .unwrap()
    };
    assert_eq!(heard("dialled")["outcome"], "busy");
    assert_eq!(heard("recorded")["lasted_ms"], 20_000.0);
    assert_eq!(log["fate"], "message");
}

#[tokio::test]
async fn faults_are_set_and_cleared() {
    let simulator = start(fast()).await;
    let (api, control) = (Api::of(&simulator), Control::of(&simulator));
    let caller = waiting(&simulator);
    for (fault, when, status) in [
        (
            json!({ "status": { "status": 429, "code": 20429, "retry_after": 1 } }),
            json!({ "next": 1 }),
            Some(429),
        ),
        (json!({ "delay": { "ms": 1 } }), json!("always"), Some(200)),
        (json!("reset"), json!({ "probability": 1.0 }), None),
        (
            json!({ "lose_answer": "close" }),
            json!({ "next": 1 }),
            None,
        ),
    ] {
        let rule = json!({ "endpoints": ["UpdateCall"], "fault": fault, "when": when });
        let (answered, added) = control.post("faults", Some(rule)).await;
        assert_eq!(answered, 200, "{fault}");
        assert!(added["rule"].is_number());
        let answer = api.try_redirect(&caller).await.ok();
        assert_eq!(answer.map(|answer| answer.status.as_u16()), status);
        let cleared = control.client.delete(format!("{}faults", control.base));
        assert_eq!(cleared.send().await.unwrap().status(), 204);
    }
    let misspelt = json!({ "endpoints": ["UpdateCalls"], "fault": "reset" });
    assert_eq!(control.post("faults", Some(misspelt)).await.0, 422);
}

#[tokio::test]
async fn callback_faults_are_set() {
    let receiver = Receiver::start().await;
    let simulator = start(Config {
        callback_url: Some(receiver.url("/")),
        ..fast()
    })
    .await;
    let rule = json!({ "events": ["task-queue.entered"], "fault": "drop" });
    let control = Control::of(&simulator);
    assert_eq!(control.post("callback-faults", Some(rule)).await.0, 200);
    waiting(&simulator);
    simulator
        .wait_until(|state| state.journal().callback_count() == 3)
        .await;
    let journal = simulator.journal();
    let dropped = journal
        .callbacks()
        .filter(|record| record.outcome == CallbackOutcome::Dropped);
    assert_eq!(dropped.count(), 1);
}

#[tokio::test]
async fn the_state_and_the_journal_can_be_read() {
    let simulator = start(fast()).await;
    let (api, control) = (Api::of(&simulator), Control::of(&simulator));
    let (redirected, still_waiting) = (waiting(&simulator), waiting(&simulator));
    api.redirect(&redirected).await.ok();

    let state = control.get("state").await;
    assert_eq!(
        state["callers_waiting"],
        json!([still_waiting.call_sid.as_str()])
    );
    assert_eq!(
        state["placeholder_task_queue_sid"],
        simulator.placeholder().as_str()
    );
    assert_eq!(state["open_tasks"], 1);
    assert_eq!(state["api_requests"], 1);

    let journal = control.get("journal").await;
    let log = &journal["callers"][0]["entries"];
    let heard: Vec<_> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["heard"].as_str().unwrap())
        .collect();
    assert_eq!(heard, ["hold_music", "redirected", "dialled"]);
    assert_eq!(log[2]["numbers"], json!(["+14155550123"]));
    assert_eq!(log[2]["outcome"], "answered");
    assert!(log[2]["at_ms"].is_number());
    assert_eq!(journal["requests"][0]["endpoint"], "UpdateCall");
    assert_eq!(journal["requests"][0]["outcome"]["answered"]["status"], 200);
}

#[tokio::test]
async fn a_wrong_path_is_answered_with_those_that_there_are() {
    let simulator = start(fast()).await;
    let base = simulator.api_url().as_str();
    for path in ["simulator", "simulator/fault", "simulator/calls/CA1/x/y"] {
        let answer = client().get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        let there = answer.text().await.unwrap();
        assert!(there.contains("POST /simulator/callback-faults"), "{there}");
    }
}

#[tokio::test]
async fn a_new_account_has_no_placeholder_to_show() {
    let simulator = start(Config {
        is_set_up: false,
        ..fast()
    })
    .await;
    let state = Control::of(&simulator).get("state").await;
    assert_eq!(state["placeholder_task_queue_sid"], json!(null));
}
