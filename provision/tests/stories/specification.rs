//! Every request that the commands and the redirector make holds against Twilio's own
//! specification, where its files are: in the folder that `TWILIO_OPENAPI` names, or
//! `../shared/twilio-openapi` beside the project.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use simulator::{PlaceCall, RequestRecord};
use twilio::E164;
use twilio::rest::Instructions;
use twilio::twiml::{Response, Verb};

use crate::support::{Operator, RunningIngest, env_value};

const NUMBER: &str = "+14155550150";
const FILES: [&str; 5] = [
    "twilio_api_v2010.json",
    "twilio_events_v1.json",
    "twilio_studio_v2.json",
    "twilio_taskrouter_v1.json",
    "twilio_voice_v1.json",
];

struct Specification(Vec<Value>);

impl Specification {
    fn read() -> Option<Self> {
        let folder = std::env::var_os("TWILIO_OPENAPI").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/twilio-openapi"),
            PathBuf::from,
        );
        let files: Result<Vec<_>, _> = FILES
            .iter()
            .map(|name| std::fs::read(folder.join(name)))
            .collect();
        match files {
            Ok(files) => Some(Self(
                files
                    .iter()
                    .map(|file| serde_json::from_slice(file).unwrap())
                    .collect(),
            )),
            Err(_) => {
                eprintln!(
                    "skipped: no OpenAPI files of Twilio's in {}",
                    folder.display()
                );
                None
            }
        }
    }

    /// Checks a request; returns the operation's name.
    fn check(&self, request: &RequestRecord) -> String {
        let (file, operation) = self
            .0
            .iter()
            .find_map(|file| {
                let (template, item) = file["paths"]
                    .as_object()?
                    .iter()
                    .filter(|(template, _)| segments(template, &request.path).is_some())
                    // The one with fewer names in it is the more special one.
                    .min_by_key(|(template, _)| template.matches('{').count())?;
                let operation = item.get(request.method.to_lowercase())?;
                Some((file, (template.clone(), operation)))
            })
            .unwrap_or_else(|| panic!("{} {} is unknown", request.method, request.path));
        let (template, operation) = operation;
        let name = operation["operationId"].as_str().unwrap().to_owned();
        let parameters = operation["parameters"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let path = segments(&template, &request.path).unwrap();
        self.check_parameters(file, &name, &parameters, "path", &path);
        self.check_parameters(file, &name, &parameters, "query", &request.query);
        let content = &operation["requestBody"]["content"];
        let body = &content["application/x-www-form-urlencoded"]["schema"];
        check_form(file, &name, body, request);
        name
    }

    fn check_parameters(
        &self,
        file: &Value,
        name: &str,
        parameters: &[Value],
        place: &str,
        given: &[(String, String)],
    ) {
        let of_place = || parameters.iter().filter(|p| p["in"] == place);
        for (key, value) in given {
            let parameter = of_place()
                .find(|parameter| parameter["name"] == key.as_str())
                .unwrap_or_else(|| panic!("{name} has no {place} parameter {key}"));
            fits(file, &parameter["schema"], value, &format!("{name}.{key}"));
        }
        for required in of_place().filter(|parameter| parameter["required"] == true) {
            let key = required["name"].as_str().unwrap();
            assert!(given.iter().any(|(k, _)| k == key), "{name} lacks {key}");
        }
    }
}

/// What stands in the path for the names in the template; `None` if it is another path.
fn segments(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (template, path): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return None;
    }
    let mut found = Vec::new();
    for (part, value) in template.into_iter().zip(path) {
        match part.strip_prefix('{').and_then(|part| part.split_once('}')) {
            None if part == value => {}
            None => return None,
            Some((name, suffix)) => {
                found.push((name.to_owned(), value.strip_suffix(suffix)?.to_owned()));
            }
        }
    }
    Some(found)
}

fn check_form(file: &Value, name: &str, schema: &Value, request: &RequestRecord) {
    if schema.is_null() {
        assert!(request.form.is_empty(), "{name} takes no body");
        return;
    }
    let content_type = request.content_type.as_deref();
    assert_eq!(
        content_type,
        Some("application/x-www-form-urlencoded"),
        "{name}"
    );
    for (key, value) in &request.form {
        let property = schema["properties"]
            .get(key)
            .unwrap_or_else(|| panic!("{name} has no parameter {key}"));
        fits(file, property, value, &format!("{name}.{key}"));
    }
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for key in required.iter().map(|key| key.as_str().unwrap()) {
        assert!(request.form_value(key).is_some(), "{name} lacks {key}");
    }
}

fn fits(file: &Value, schema: &Value, value: &str, at: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = file.pointer(reference.trim_start_matches('#')).unwrap();
        return fits(file, target, value, at);
    }
    match schema["type"].as_str() {
        Some("integer") => {
            let number: i64 = value.parse().unwrap_or_else(|_| panic!("{at}: {value}"));
            let bound = |key: &str, default| schema[key].as_i64().unwrap_or(default);
            assert!(number >= bound("minimum", i64::MIN), "{at}: {value}");
            assert!(number <= bound("maximum", i64::MAX), "{at}: {value}");
        }
        Some("boolean") => assert!(matches!(value, "true" | "false"), "{at}: {value}"),
        // Given once for each item.
        Some("array") => fits(file, &schema["items"], value, at),
        Some("string") => fits_string(schema, value, at),
        // Any JSON: SinkConfiguration, Definition, Types.
        _ => assert!(
            serde_json::from_str::<Value>(value).is_ok(),
            "{at}: {value}"
        ),
    }
}

fn fits_string(schema: &Value, value: &str, at: &str) {
    if let Some(pattern) = schema["pattern"].as_str() {
        let prefix = pattern
            .strip_prefix('^')
            .and_then(|pattern| pattern.strip_suffix("[0-9a-fA-F]{32}$"))
            .unwrap_or_else(|| panic!("{at}: pattern {pattern} is of a new kind"));
        let digits = value.strip_prefix(prefix).unwrap_or_default();
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(digits.len() == 32 && hexadecimal, "{at}: {value}");
    }
    if let Some(values) = schema["enum"].as_array() {
        assert!(values.iter().any(|known| known == value), "{at}: {value}");
    }
    match schema["format"].as_str() {
        // Empty, it clears what was set.
        Some("uri") => assert!(
            value.is_empty() || url::Url::parse(value).is_ok(),
            "{at}: {value}"
        ),
        Some("phone-number") => assert!(value.parse::<twilio::E164>().is_ok(), "{at}: {value}"),
        Some("iso-country-code") => {
            let upper = value.bytes().all(|byte| byte.is_ascii_uppercase());
            assert!(value.len() == 2 && upper, "{at}: {value}");
        }
        _ => {}
    }
}

/// Makes each request that anything of ours makes.
async fn make_all_requests(operator: &mut Operator) {
    let crm = "https://crm.example.com/events";
    operator.simulator.set_callback(Some(crm));
    operator.add_number(NUMBER, "https://ivr.example.com/");
    let streams = ["--via", "event-streams"];
    operator.setup(&streams).await.done();
    let placeholder = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
    let ingest = RunningIngest::start(operator, &placeholder).await;
    operator.setup(&streams).await.done();
    let report = operator.doctor(&placeholder, "+14155550100", &[]);
    report.await.done();
    let callback = [
        "--via",
        "callback",
        "--replace-callback",
        "--number",
        NUMBER,
    ];
    operator.setup(&callback).await.done();
    break_what_setup_mends(operator, &placeholder).await;
    operator.setup(&callback).await.done();
    let own = operator.simulator.workflow_sid();
    let extended = ["--workflow", own.as_str(), "--target-timeout", "5"];
    operator.setup(&extended).await.done();
    let workspace = operator.workspace_sid();
    let workspace = ["--workspace", workspace.as_str()];
    let report = operator.doctor(&placeholder, "+14155550100", &workspace);
    report.await.done();
    redirect(operator, &placeholder).await;
    ingest.stop().await;
    operator.teardown(&["--force"]).await.done();
}

async fn break_what_setup_mends(operator: &Operator, placeholder: &str) {
    let (client, workspace) = (operator.client(), operator.workspace_sid());
    let draft = twilio::rest::TaskQueueDraft {
        friendly_name: "Renamed",
        target_workers: "1==1",
    };
    let placeholder = placeholder.parse().unwrap();
    client
        .update_task_queue(&workspace, &placeholder, &draft)
        .await
        .unwrap();
    let workflow = client.workflows(&workspace).await.unwrap().pop().unwrap();
    let changed = workflow
        .configuration
        .replace("\"timeout\":10", "\"timeout\":9");
    client
        .update_workflow(&workspace, &workflow.sid, &changed)
        .await
        .unwrap();
    let flow = client.flows().await.unwrap()[0].sid;
    let definition = client.flow(&flow).await.unwrap().unwrap().definition;
    let changed = definition.to_string().replace("310", "320");
    let draft = twilio::rest::FlowDraft {
        friendly_name: "Renamed",
        definition: &changed,
        commit_message: "by hand",
    };
    client.update_flow(&flow, &draft).await.unwrap();
}

/// As the redirector does.
async fn redirect(operator: &Operator, placeholder: &str) {
    let (client, workspace) = (operator.client(), operator.workspace_sid());
    let account = operator.simulator.account_sid();
    let place = || {
        operator
            .simulator
            .place_call(PlaceCall::into_placeholder())
            .unwrap()
    };
    let (first, second) = (place(), place());
    let workflow = operator.simulator.workflow_sid();
    let queue = client
        .voice_queue(&account, &workflow)
        .await
        .unwrap()
        .unwrap();
    let members = client
        .queue_members(&account, &queue, |_| {})
        .await
        .unwrap();
    assert_eq!(members.unwrap().items.len(), 2);
    client
        .task(&workspace, &first.task_sid)
        .await
        .unwrap()
        .unwrap();
    client
        .call_status(&account, &first.call_sid)
        .await
        .unwrap()
        .unwrap();
    // The workflow leads there since it was extended.
    let placeholder = placeholder.parse().unwrap();
    let pending = client
        .pending_tasks(&workspace, &placeholder)
        .await
        .unwrap();
    assert_eq!(pending.items.len(), 2);
    let number: E164 = "+14155550100".parse().unwrap();
    let response = Response(vec![Verb::Dial(number.into())]);
    let twiml = response.to_twiml().unwrap();
    for (caller, instructions) in [
        (first, Instructions::Twiml(&twiml)),
        (
            second,
            Instructions::Url("https://overflow.example.com/twiml/redirect"),
        ),
    ] {
        let redirected = client.update_call(&account, &caller.call_sid, instructions);
        redirected.await.unwrap();
        let canceled = client.cancel_task(&workspace, &caller.task_sid, "redirected");
        let canceled = canceled.await.unwrap();
        assert!(!canceled, "Twilio has cancelled it with the redirect");
    }
}

#[tokio::test]
async fn every_request_holds_against_the_specification() {
    let Some(specification) = Specification::read() else {
        return;
    };
    let mut operator = Operator::new().await;
    make_all_requests(&mut operator).await;
    let journal = operator.simulator.journal();
    let made: BTreeSet<_> = journal
        .requests()
        .map(|request| specification.check(request))
        .collect();
    let known: BTreeSet<_> = ALL.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(made, known);
}

/// Every operation that the REST client knows.
const ALL: [&str; 39] = [
    "CreateFlow",
    "CreateSink",
    "CreateSubscription",
    "CreateTaskQueue",
    "CreateWorkflow",
    "DeleteFlow",
    "DeleteSink",
    "DeleteSubscription",
    "DeleteTaskQueue",
    "DeleteWorkflow",
    "FetchAccount",
    "FetchCall",
    "FetchFlow",
    "FetchIncomingPhoneNumber",
    "FetchTask",
    "FetchTaskQueue",
    "FetchWorkflow",
    "FetchWorkspace",
    "ListDialingPermissionsCountry",
    "ListFlow",
    "ListIncomingPhoneNumber",
    "ListMember",
    "ListQueue",
    "ListSink",
    "ListSubscribedEvent",
    "ListSubscription",
    "ListTask",
    "ListTaskChannel",
    "ListTaskQueue",
    "ListWorkflow",
    "ListWorkspace",
    "UpdateCall",
    "UpdateFlow",
    "UpdateFlowValidate",
    "UpdateIncomingPhoneNumber",
    "UpdateTask",
    "UpdateTaskQueue",
    "UpdateWorkflow",
    "UpdateWorkspace",
];
