//! The API refuses, answers and pages as Twilio's does.

use reqwest::Method;
use serde_json::json;
use simulator::{Endpoint, PlaceCall, RequestOutcome};

use crate::support::{Api, DIAL, fast, start, waiting};

#[tokio::test]
async fn requests_need_the_accounts_credentials() {
    let simulator = start(fast()).await;
    let account = simulator.account().clone();
    let path = Api::of(&simulator).workspace;
    let status = async |user: &str, password: &str| {
        let api = Api::of(&simulator).with_credentials(user, password);
        let answer = api.get(&path).await;
        if answer.status != 200 {
            assert_eq!(answer.error(), (401, 20003));
        }
        answer.status.as_u16()
    };
    let (sid, key) = (account.sid.as_str(), account.api_key.as_str());
    assert_eq!(status(sid, &account.auth_token).await, 200);
    assert_eq!(status(key, &account.api_key_secret).await, 200);
    assert_eq!(status(sid, "another token").await, 401);
    assert_eq!(status(key, &account.auth_token).await, 401);
    let url = simulator.api_url().join(&path).unwrap();
    let anonymous = crate::support::client().get(url).send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
}

#[tokio::test]
async fn the_path_needs_the_account_sid_even_with_an_api_key() {
    let simulator = start(fast()).await;
    let key = simulator.account().api_key;
    let api = Api::of(&simulator).with_credentials(key, &simulator.account().api_key_secret);
    let caller = waiting(&simulator);
    assert_eq!(api.get(&api.call(&caller)).await.status, 200);
    for account in [key.as_str(), &format!("AC{:032x}", 0)] {
        let path = format!(
            "/2010-04-01/Accounts/{account}/Calls/{}.json",
            caller.call_sid
        );
        assert_eq!(api.get(&path).await.error(), (404, 20404));
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    for path in [
        "/nothing/here".to_owned(),
        format!("{}/Calls/CA{:032x}.json", api.account, 0),
        format!("{}/Calls/not-a-sid.json", api.account),
        // Without its extension.
        format!("{}/Calls/{}", api.account, caller.call_sid),
        format!("{}/Queues/QU{:032x}.json", api.account, 0),
        format!("{}/Tasks/WT{:032x}", api.workspace, 0),
        format!("{}/TaskQueues/WQ{:032x}", api.workspace, 0),
        format!("{}/Workflows/WW{:032x}", api.workspace, 0),
        format!("/v1/Workspaces/WS{:032x}/Tasks", 0),
    ] {
        assert_eq!(api.get(&path).await.error(), (404, 20404), "{path}");
    }
    let put = api.request(Method::PUT, &api.call(&caller));
    assert_eq!(api.send(put).await.unwrap().error(), (405, 20004));
}

#[tokio::test]
async fn every_answer_names_its_request_and_the_journal_knows_it() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let answer = api.redirect(&caller).await;
    let header = |name: &str| answer.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("twilio-concurrent-requests"), "1");
    assert!(header("twilio-request-duration").parse::<f64>().is_ok());
    let id = header("twilio-request-id");
    assert!(id.starts_with("RQ") && id.len() == 34);

    let journal = simulator.journal();
    let request = journal.requests().next().unwrap();
    assert_eq!(request.id, id);
    assert_eq!(request.endpoint, Some(Endpoint::UpdateCall));
    assert_eq!(request.method, "POST");
    assert_eq!(request.path, api.call(&caller));
    assert_eq!(
        request.template,
        Some("/2010-04-01/Accounts/{AccountSid}/Calls/{Sid}.json")
    );
    assert_eq!(request.form_value("Twiml"), Some(DIAL));
    assert!(matches!(
        request.outcome,
        RequestOutcome::Answered { status: 200, .. }
    ));
    // Numbers are shown only to those who ask for them.
    assert!(!format!("{request:?}").contains("+1415"));
}

#[tokio::test]
async fn a_call_update_takes_one_kind_of_instructions_of_limited_length() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let path = api.call(&caller);
    let say = |length: usize| {
        let text = "ä".repeat(length - "<Response><Say></Say></Response>".len());
        format!("<Response><Say>{text}</Say></Response>")
    };
    let (longest, too_long) = (say(4000), say(4001));
    for form in [
        &[("Url", "http://127.0.0.1/"), ("Twiml", DIAL)][..],
        &[("Twiml", &too_long)],
        &[("Status", "ringing")],
        &[("Url", "http://127.0.0.1/"), ("Method", "PUT")],
        &[("FriendlyName", "no instructions")],
    ] {
        assert_eq!(
            api.post(&path, form).await.error(),
            (400, 20001),
            "{form:?}"
        );
    }
    for url in ["", "not a url", "ftp://example.com/"] {
        let answer = api.post(&path, &[("Url", url)]).await;
        assert_eq!(answer.error(), (400, 21205));
    }
    assert_eq!(simulator.redirects(caller.call_sid), 0);
    assert_eq!(api.post(&path, &[("Twiml", &longest)]).await.status, 200);
}

#[tokio::test]
async fn the_workspace_takes_a_callback_url_and_a_filter() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let before = api.get(&api.workspace).await.ok();
    assert_eq!(before["friendly_name"], "Flex Task Assignment");
    assert_eq!(before["event_callback_url"], "");
    assert_eq!(before["events_filter"], json!(null));
    let url = "https://example.com/taskrouter/events#rc=5&rp=all";
    let form = [
        ("EventCallbackUrl", url),
        ("EventsFilter", "task-queue.entered"),
    ];
    let after = api.post(&api.workspace, &form).await.ok();
    assert_eq!(after["event_callback_url"], url);
    assert_eq!(after["events_filter"], "task-queue.entered");
    assert_eq!(after["friendly_name"], "Flex Task Assignment");
    let listed = "/v1/Workspaces?FriendlyName=Flex%20Task%20Assignment";
    let listed = api.get(listed).await.ok();
    assert_eq!(listed["workspaces"], json!([after]));
    let none = api.get("/v1/Workspaces?FriendlyName=Other").await.ok();
    assert_eq!(none["workspaces"], json!([]));
}

#[tokio::test]
async fn task_queues_and_workflows_can_be_created_and_found() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let queues = format!("{}/TaskQueues", api.workspace);
    let form = [("FriendlyName", "Nobody"), ("TargetWorkers", "1==2")];
    let created = api.post(&queues, &form).await;
    assert_eq!(created.status, 201);
    let queue = created.ok();
    let sid = queue["sid"].as_str().unwrap();
    assert_eq!(api.get(&format!("{queues}/{sid}")).await.ok(), queue);
    let found = api.get(&format!("{queues}?FriendlyName=Nobody")).await.ok();
    assert_eq!(found["task_queues"], json!([queue]));
    assert_eq!(api.post(&queues, &form).await.error(), (400, 20001));
    let nameless = api.post(&queues, &[("TargetWorkers", "1==2")]).await;
    assert_eq!(nameless.error(), (400, 20001));

    let workflows = format!("{}/Workflows", api.workspace);
    let configuration = |queue: &str| {
        let targets = json!([{ "queue": queue, "timeout": 5, "priority": "1" }]);
        let filter = json!({ "expression": "1==1", "targets": targets });
        json!({ "task_routing": { "filters": [filter] } }).to_string()
    };
    let good = configuration(sid);
    let unknown = configuration(&format!("WQ{:032x}", 0));
    let form = |configuration| [("FriendlyName", "Way"), ("Configuration", configuration)];
    for bad in ["", "{}", "not json", unknown.as_str()] {
        let answer = api.post(&workflows, &form(bad)).await;
        assert_eq!(answer.error(), (400, 20001), "{bad}");
    }
    let workflow = api.post(&workflows, &form(&good)).await;
    assert_eq!(workflow.status, 201);
    let workflow = workflow.ok();
    assert_eq!(workflow["configuration"], good);
    let path = format!("{workflows}/{}", workflow["sid"].as_str().unwrap());
    assert_eq!(api.get(&path).await.ok(), workflow);
}

#[tokio::test]
async fn lists_are_paged_by_absolute_urls_in_later_products() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let mut url = format!("{}/TaskQueues?PageSize=3", api.workspace);
    let mut names = Vec::new();
    for expected in [3, 1] {
        let page = api.get(&url).await.ok();
        let queues = page["task_queues"].as_array().unwrap();
        assert_eq!(queues.len(), expected);
        names.extend(queues.iter().map(|queue| queue["friendly_name"].clone()));
        assert_eq!(page["meta"]["page_size"], 3);
        assert_eq!(page["meta"]["key"], "task_queues");
        match page["meta"]["next_page_url"].as_str() {
            Some(next) => url = next.to_owned(),
            None => url.clear(),
        }
    }
    assert_eq!(url, "");
    let expected = ["Sales", "Support", "Everyone", "Call Redirection"];
    assert_eq!(names, expected);
    for size in ["0", "1001", "many"] {
        let path = format!("{}/TaskQueues?PageSize={size}", api.workspace);
        assert_eq!(api.get(&path).await.error(), (400, 20001));
    }
}

#[tokio::test]
async fn lists_are_paged_by_relative_uris_in_the_2010_api() {
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let configuration = api.get(&format!("{}/Workflows", api.workspace)).await.ok()["workflows"][0]
        ["configuration"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut workflows = Vec::new();
    for name in ["first", "second", "third"] {
        let form = [("FriendlyName", name), ("Configuration", &configuration)];
        let path = format!("{}/Workflows", api.workspace);
        let workflow = api.post(&path, &form).await.ok();
        let workflow = workflow["sid"].as_str().unwrap().to_owned();
        let call = PlaceCall {
            workflow: Some(workflow.parse().unwrap()),
            ..PlaceCall::default()
        };
        simulator.place_call(call).unwrap();
        workflows.push(workflow);
    }
    // The specification knows no filter by name.
    let mut path = format!("{}/Queues.json?FriendlyName=first&PageSize=2", api.account);
    let mut names = Vec::new();
    for expected in [2, 1] {
        let page = api.get(&path).await.ok();
        let queues = page["queues"].as_array().unwrap();
        assert_eq!(queues.len(), expected);
        names.extend(queues.iter().map(|queue| queue["friendly_name"].clone()));
        path = page["next_page_uri"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
    }
    assert_eq!(path, "");
    assert_eq!(names, workflows);
}
