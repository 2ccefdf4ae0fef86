//! Answers match Twilio's own specification, if its files are there: in the folder that `TWILIO_OPENAPI`
//! names, or `../shared/twilio-openapi` beside the project.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use serde_json::Value;
use simulator::{Config, PlaceCall, RequestRecord, TaskAfterRedirect};

use crate::support::{Api, DIAL, Receiver, Reply, fast, start, waiting};

type Form = Vec<(&'static str, String)>;

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
        let content = &operation["responses"][status.to_string()]["content"];
        let schema = &content["application/json"]["schema"];
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
            assert!(!items.is_empty(), "{at} is empty: nothing to check");
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

#[tokio::test]
async fn every_operation_answers_in_the_shape_of_the_specification() {
    let Some(specification) = Specification::read() else {
        return;
    };
    let web = Receiver::start().await;
    web.will([Reply::Twiml(DIAL.into())]);
    // The task of a redirected caller is there to be cancelled.
    let simulator = start(Config {
        task_after_redirect: TaskAfterRedirect::Stays,
        ..fast()
    })
    .await;
    let api = Api::of(&simulator);
    let caller = waiting(&simulator);
    let other = waiting(&simulator);
    simulator.place_call(PlaceCall::default()).unwrap();
    let (account, workspace) = (&api.account, &api.workspace);

    let queues = api.get(&format!("{account}/Queues.json")).await.ok();
    let queue = queues["queues"][0]["sid"].as_str().unwrap();
    let queue = format!("{account}/Queues/{queue}");
    let member = format!("{queue}/Members/{}.json", caller.call_sid);
    let workflows = format!("{workspace}/Workflows");
    let configuration = api.get(&workflows).await.ok();
    let configuration = configuration["workflows"][0]["configuration"].as_str();
    let configuration = configuration.unwrap();
    let task_queue = format!("{workspace}/TaskQueues/{}", simulator.placeholder());
    let workflow = format!("{workflows}/{}", simulator.workflow_sid());
    let twiml = web.url("/");

    let get = |path: &str| (path.to_owned(), None);
    let post = |path: &str, form: &[(&'static str, &str)]| {
        let form = form.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
        (path.to_owned(), Some(form))
    };
    let requests: Vec<(String, Option<Form>)> = vec![
        get(&format!("{account}/Queues.json")),
        get(&format!("{queue}.json")),
        get(&member),
        post(&member, &[("Url", &twiml)]),
        get(&api.call(&other)),
        post(&api.call(&other), &[("Twiml", DIAL)]),
        post(&api.call(&other), &[("Status", "completed")]),
        get("/v1/Workspaces"),
        get(workspace),
        post(workspace, &[("EventsFilter", "task-queue.entered")]),
        get(&format!("{workspace}/TaskQueues")),
        post(
            &format!("{workspace}/TaskQueues"),
            &[("FriendlyName", "New")],
        ),
        get(&task_queue),
        get(&workflows),
        post(
            &workflows,
            &[("FriendlyName", "New"), ("Configuration", configuration)],
        ),
        get(&workflow),
        get(&format!("{workspace}/Tasks")),
        post(&format!("{workspace}/Tasks"), &[("Attributes", "{}")]),
        get(&api.task(&other)),
        post(&api.task(&other), &[("AssignmentStatus", "canceled")]),
        get(&api.task(&other)),
    ];
    let mut checked = HashMap::new();
    for (path, form) in requests {
        let answer = match form {
            None => api.get(&path).await,
            Some(form) => {
                let form: Vec<_> = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
                api.post(&path, &form).await
            }
        };
        let journal = simulator.journal();
        let request = journal.requests().next_back().unwrap();
        let status = answer.status.as_u16();
        specification.check(request, status, &answer.ok());
        checked.insert(request.endpoint, request.template);
    }
    assert_eq!(checked.len(), 19, "an operation was not checked");
}

#[tokio::test]
async fn what_is_provisioned_is_shown_in_the_shape_of_the_specification() {
    let Some(specification) = Specification::read() else {
        return;
    };
    let simulator = start(fast()).await;
    let api = Api::of(&simulator);
    let (account, workspace) = (&api.account, &api.workspace);
    let number = simulator.add_number(
        "+14155550150".parse().unwrap(),
        "https://ivr.example.com/",
        None,
    );
    let check = |answer: crate::support::Answered| {
        let journal = simulator.journal();
        let request = journal.requests().next_back().unwrap();
        let status = answer.status.as_u16();
        let body = answer.ok();
        specification.check(request, status, &body);
        body["sid"].as_str().unwrap_or_default().to_owned()
    };

    check(api.get(&format!("{account}.json")).await);
    check(api.get(&format!("{workspace}/TaskChannels")).await);
    let numbers = format!("{account}/IncomingPhoneNumbers");
    check(api.get(&format!("{numbers}.json")).await);
    let number = format!("{numbers}/{number}.json");
    check(api.get(&number).await);
    check(api.post(&number, &[("VoiceUrl", "")]).await);
    check(api.get("/v1/DialingPermissions/Countries/GB").await);

    let sink = [
        ("Description", "Ours"),
        (
            "SinkConfiguration",
            r#"{"destination":"https://example.com/"}"#,
        ),
        ("SinkType", "webhook"),
    ];
    let sink = check(api.post("/v1/Sinks", &sink).await);
    check(api.get("/v1/Sinks").await);
    let subscription = [
        ("Description", "Ours"),
        ("SinkSid", &sink),
        (
            "Types",
            r#"{"type":"com.twilio.taskrouter.task-queue.entered"}"#,
        ),
    ];
    check(api.post("/v1/Subscriptions", &subscription).await);
    check(api.get("/v1/Subscriptions").await);

    let task_queue = [("FriendlyName", "Renamed"), ("TargetWorkers", "1==2")];
    let placeholder = simulator.placeholder();
    check(
        api.post(
            &format!("{workspace}/TaskQueues/{placeholder}"),
            &task_queue,
        )
        .await,
    );
    let workflow = format!("{workspace}/Workflows/{}", simulator.workflow_sid());
    check(api.post(&workflow, &[("FriendlyName", "Renamed")]).await);
}
