//! Answers match Twilio's own specification, if its files are there: in the folder that `TWILIO_OPENAPI`
//! names, or `../shared/twilio-openapi` beside the project.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use simulator::{Conduct, Config, PlaceCall, RequestRecord, Simulator, State, TaskAfterRedirect};
use twilio::rest::Endpoint;

use crate::support::{Answered, Api, DIAL, Receiver, Reply, fast, seconds, start, waiting};

struct Specification {
    files: Vec<Value>,
}

impl Specification {
    fn read() -> Option<Self> {
        let folder = std::env::var_os("TWILIO_OPENAPI").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/twilio-openapi"),
            PathBuf::from,
        );
        let files = [
            "twilio_api_v2010.json",
            "twilio_taskrouter_v1.json",
            "twilio_studio_v2.json",
            "twilio_events_v1.json",
            "twilio_voice_v1.json",
        ]
        .map(|name| std::fs::read(folder.join(name)));
        if files.iter().any(Result::is_err) {
            eprintln!(
                "skipped: no OpenAPI files of Twilio's in {}",
                folder.display()
            );
            return None;
        }
        let parse = |file: std::io::Result<Vec<u8>>| serde_json::from_slice(&file.unwrap());
        Some(Self {
            files: files.map(|file| parse(file).unwrap()).into(),
        })
    }

    /// Checks the operation's name and its answer's body.
    fn check(&self, request: &RequestRecord, status: u16, body: &Value) {
        let template = request.template.unwrap();
        let name = serde_json::to_value(request.endpoint).unwrap();
        let (file, operation) = self
            .files
            .iter()
            .find_map(|file| {
                let path = file["paths"].get(template)?;
                Some((file, path.get(request.method.to_lowercase())?))
            })
            .unwrap_or_else(|| panic!("{} {template} is unknown", request.method));
        assert_eq!(operation["operationId"], name);
        let answer = &operation["responses"][status.to_string()];
        if status == 204 {
            assert!(
                answer.is_object() && body.is_null(),
                "{name} has no answer {status}"
            );
            return;
        }
        let schema = &answer["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{name} has no answer {status}");
        matches(file, schema, body, &name.to_string());
    }
}

fn matches(file: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return matches(file, file.pointer(pointer).unwrap(), value, at);
    }
    if value.is_null() {
        assert_eq!(schema["nullable"], true, "{at} is null");
        return;
    }
    match schema["type"].as_str() {
        Some("string") => {
            let text = value
                .as_str()
                .unwrap_or_else(|| panic!("{at} is no string"));
            text_matches(schema, text, at);
        }
        Some("integer") => assert!(value.is_i64(), "{at} is no integer"),
        Some("boolean") => assert!(value.is_boolean(), "{at} is no boolean"),
        Some("array") => {
            let items = value
                .as_array()
                .unwrap_or_else(|| panic!("{at} is no array"));
            // Items of any kind need not be there.
            let any = schema["items"]["$ref"].is_null() && schema["items"]["type"].is_null();
            assert!(any || !items.is_empty(), "{at} is empty: nothing to check");
            for item in items {
                matches(file, &schema["items"], item, at);
            }
        }
        Some("object") => {
            let fields = value
                .as_object()
                .unwrap_or_else(|| panic!("{at} is no object"));
            let Some(properties) = schema["properties"].as_object() else {
                return;
            };
            let known: BTreeSet<_> = properties.keys().collect();
            assert_eq!(fields.keys().collect::<BTreeSet<_>>(), known, "{at}");
            for (name, field) in fields {
                matches(file, &properties[name], field, &format!("{at}.{name}"));
            }
        }
        // Any JSON.
        None => {}
        other => panic!("{at}: type {other:?}"),
    }
}

fn text_matches(schema: &Value, text: &str, at: &str) {
    if let Some(prefix) = schema["pattern"]
        .as_str()
        .and_then(|pattern| pattern.strip_suffix("[0-9a-fA-F]{32}$"))
    {
        let digits = text.strip_prefix(prefix.trim_start_matches('^'));
        let valid =
            digits.is_some_and(|d| d.len() == 32 && d.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(valid, "{at}: {text}");
    }
    if let Some(values) = schema["enum"].as_array() {
        assert!(values.iter().any(|value| value == text), "{at}: {text}");
    }
    match schema["format"].as_str() {
        Some("date-time") => assert!(text.parse::<jiff::Timestamp>().is_ok(), "{at}: {text}"),
        Some("date-time-rfc-2822") => {
            assert!(jiff::fmt::rfc2822::parse(text).is_ok(), "{at}: {text}");
        }
        _ => {}
    }
}

/// Makes requests, and checks what is answered.
struct Checked<'a> {
    specification: &'a Specification,
    simulator: &'a Simulator,
    api: &'a Api,
    endpoints: BTreeSet<&'static str>,
}

impl Checked<'_> {
    async fn get(&mut self, path: &str) -> Value {
        let answer = self.api.get(path).await;
        self.check(answer)
    }

    /// Returns the SID of what was created or changed.
    async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> String {
        let answer = self.api.post(path, form).await;
        let body = self.check(answer);
        body["sid"].as_str().unwrap_or_default().to_owned()
    }

    async fn delete(&mut self, path: &str) {
        let request = self.api.request(reqwest::Method::DELETE, path);
        let answer = self.api.send(request).await.unwrap();
        self.check(answer);
    }

    fn check(&mut self, answer: Answered) -> Value {
        let journal = self.simulator.journal();
        let request = journal.requests().next_back().unwrap();
        let status = answer.status.as_u16();
        let body = answer.ok();
        self.specification.check(request, status, &body);
        self.endpoints.insert(request.endpoint.unwrap().as_str());
        body
    }
}

#[tokio::test]
async fn every_operation_answers_in_the_shape_of_the_specification() {
    let Some(specification) = Specification::read() else {
        return;
    };
    // The task of a redirected caller is there to be cancelled.
    let simulator = start(Config {
        task_after_redirect: TaskAfterRedirect::Stays,
        ..fast()
    })
    .await;
    let mut checked = Checked {
        specification: &specification,
        simulator: &simulator,
        api: &Api::of(&simulator),
        endpoints: BTreeSet::new(),
    };
    calls(&mut checked).await;
    task_router(&mut checked).await;
    numbers_and_countries(&mut checked).await;
    flows(&mut checked).await;
    event_streams(&mut checked).await;
    let all = Endpoint::ALL.iter().map(|endpoint| endpoint.as_str());
    assert_eq!(checked.endpoints, all.collect());
}

async fn calls(checked: &mut Checked<'_>) {
    let web = Receiver::start().await;
    web.will([Reply::Twiml(DIAL.into())]);
    let caller = waiting(checked.simulator);
    let other = waiting(checked.simulator);
    checked.simulator.place_call(PlaceCall::default()).unwrap();
    let account = &checked.api.account;
    checked.get(&format!("{account}.json")).await;
    let queues = checked.get(&format!("{account}/Queues.json")).await;
    let queue = queues["queues"][0]["sid"].as_str().unwrap();
    let queue = format!("{account}/Queues/{queue}");
    let member = format!("{queue}/Members/{}.json", caller.call_sid);
    checked.get(&format!("{queue}.json")).await;
    checked.get(&format!("{queue}/Members.json")).await;
    checked.get(&member).await;
    checked.post(&member, &[("Url", &web.url("/"))]).await;
    let call = checked.api.call(&other);
    checked.get(&call).await;
    checked.post(&call, &[("Twiml", DIAL)]).await;
    checked.post(&call, &[("Status", "completed")]).await;
    let calls = format!("{account}/Calls.json");
    checked.get(&calls).await;
    let draft = [
        ("To", "+14155550123"),
        ("From", "+14155550160"),
        ("Twiml", DIAL),
    ];
    let made = checked.post(&calls, &draft).await;
    let has_rung = |state: &State| {
        let log = state.journal().caller(&made.parse().unwrap());
        log.is_some_and(|log| !log.callees.is_empty())
    };
    checked.simulator.wait_until(has_rung).await;
    let rung = checked.get(&format!("{calls}?ParentCallSid={made}")).await;
    let leg = rung["calls"][0]["sid"].as_str().unwrap();
    checked.get(&format!("{account}/Calls/{leg}.json")).await;
    let conduct = Conduct {
        message: Some(seconds(20)),
        ..Conduct::default()
    };
    let talkative = PlaceCall {
        conduct,
        ..PlaceCall::into_placeholder()
    };
    let call = checked.simulator.place_call(talkative).unwrap().call_sid;
    let record = format!("<Response><Record action=\"{}\"/></Response>", web.url("/"));
    assert!(checked.simulator.redirect(call, &record));
    checked
        .simulator
        .wait_until(|state| !state.is_in_progress(&call))
        .await;
    checked
        .get(&format!("{account}/Calls/{call}/Recordings.json"))
        .await;
    let tasks = format!("{}/Tasks", checked.api.workspace);
    let task = checked.api.task(&other);
    checked.get(&tasks).await;
    checked.post(&tasks, &[("Attributes", "{}")]).await;
    checked.get(&task).await;
    checked
        .post(&task, &[("AssignmentStatus", "canceled")])
        .await;
    checked.get(&task).await;
    checked.delete(&task).await;
}

async fn task_router(checked: &mut Checked<'_>) {
    let workspace = &checked.api.workspace;
    checked.get("/v1/Workspaces").await;
    checked.get(workspace).await;
    checked
        .post(workspace, &[("EventsFilter", "task-queue.entered")])
        .await;
    let channels = format!("{workspace}/TaskChannels");
    checked.get(&channels).await;
    checked.get(&format!("{channels}/voice")).await;

    let queues = format!("{workspace}/TaskQueues");
    checked.get(&queues).await;
    let queue = checked.post(&queues, &[("FriendlyName", "New")]).await;
    let queue_path = format!("{queues}/{queue}");
    checked.get(&queue_path).await;
    checked
        .post(&queue_path, &[("TargetWorkers", "1==2")])
        .await;

    let workflows = format!("{workspace}/Workflows");
    checked.get(&workflows).await;
    let configuration =
        format!(r#"{{"task_routing":{{"filters":[],"default_filter":{{"queue":"{queue}"}}}}}}"#);
    let form = [("FriendlyName", "New"), ("Configuration", &configuration)];
    let workflow = checked.post(&workflows, &form).await;
    let workflow = format!("{workflows}/{workflow}");
    checked.get(&workflow).await;
    checked
        .post(&workflow, &[("TaskReservationTimeout", "15")])
        .await;
    checked.delete(&workflow).await;
    checked.delete(&queue_path).await;
}

async fn numbers_and_countries(checked: &mut Checked<'_>) {
    let number = "+14155550150".parse().unwrap();
    let number = checked
        .simulator
        .add_number(number, "https://ivr.example.com/", None);
    let numbers = format!("{}/IncomingPhoneNumbers", checked.api.account);
    checked.get(&format!("{numbers}.json")).await;
    let number = format!("{numbers}/{number}.json");
    checked.get(&number).await;
    checked.post(&number, &[("VoiceUrl", "")]).await;
    let verified = format!("{}/OutgoingCallerIds.json", checked.api.account);
    checked.get(&verified).await;
    checked.get("/v1/DialingPermissions/Countries").await;
}

async fn flows(checked: &mut Checked<'_>) {
    let definition =
        r#"{"initial_state":"Trigger","states":[{"name":"Trigger","transitions":[]}]}"#;
    let form = [
        ("FriendlyName", "Ours"),
        ("Status", "published"),
        ("Definition", definition),
    ];
    checked.post("/v2/Flows/Validate", &form).await;
    let flow = checked.post("/v2/Flows", &form).await;
    checked.get("/v2/Flows").await;
    let flow = format!("/v2/Flows/{flow}");
    checked.get(&flow).await;
    checked.post(&flow, &form).await;
    checked.delete(&flow).await;
}

async fn event_streams(checked: &mut Checked<'_>) {
    let sink = [
        ("Description", "Ours"),
        (
            "SinkConfiguration",
            r#"{"destination":"https://example.com/"}"#,
        ),
        ("SinkType", "webhook"),
    ];
    let sink = checked.post("/v1/Sinks", &sink).await;
    checked.get("/v1/Sinks").await;
    let subscription = [
        ("Description", "Ours"),
        ("SinkSid", &sink),
        (
            "Types",
            r#"{"type":"com.twilio.taskrouter.task-queue.entered"}"#,
        ),
    ];
    let subscription = checked.post("/v1/Subscriptions", &subscription).await;
    checked.get("/v1/Subscriptions").await;
    let subscription = format!("/v1/Subscriptions/{subscription}");
    checked
        .get(&format!("{subscription}/SubscribedEvents"))
        .await;
    checked.get(&subscription).await;
    checked.delete(&subscription).await;
    let sink = format!("/v1/Sinks/{sink}");
    checked.get(&sink).await;
    checked.delete(&sink).await;
}
