//! What an operator sees: the dashboard, the alerts and the runbook, against what the processes say.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use simulator::{Endpoint, Fault, PlaceCall, Rule};
use tests::{Backend, PATIENCE, Prometheus, Stack, StackOptions, http};

/// The expressions that have no data here: no RabbitMQ is scraped.
const OF_RABBITMQ: &str = "rabbitmq_";

fn deployed(file: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../")).join(file)
}

fn text(file: &str) -> String {
    std::fs::read_to_string(deployed(file)).unwrap()
}

/// The page that the refused callers must bring about.
const GIVEN_UP: &str =
    r#"ALERTS{alertname="OverflowCallersGivenUp",alertstate="firing",reason="refused"}"#;

const RULES: &str = "deploy/prometheus/rules/overflow.yml";

fn panels() -> Vec<Value> {
    let dashboard: Value =
        serde_json::from_str(&text("deploy/grafana/dashboards/overflow.json")).unwrap();
    dashboard["panels"].as_array().unwrap().clone()
}

/// What the dashboard asks, as Grafana would ask it for all plans.
fn expressions() -> Vec<String> {
    let expressions: Vec<_> = panels()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default())
        .map(|target| {
            target["expr"]
                .as_str()
                .unwrap()
                .replace("$__rate_interval", "1m")
                .replace("$__range", "1h")
                .replace("$plan", ".*")
        })
        .collect();
    for expression in &expressions {
        assert!(!expression.contains('$'), "unknown variable: {expression}");
    }
    expressions
}

/// Our metrics that are named in a text.
fn metrics(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("overflow_"))
        .map(family)
        .collect()
}

/// A histogram is one metric.
fn family(name: &str) -> String {
    let base = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    base.unwrap_or(name).to_owned()
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_work_on_what_the_processes_expose() {
    let options = StackOptions {
        settings: vec![
            ("SWEEP_INTERVAL", "500ms".to_owned()),
            ("SWEEP_GRACE", "1s".to_owned()),
            // Nobody is there.
            ("FORWARD_NOTIFY", "https://127.0.0.1:9/".to_owned()),
            ("NOTIFY_PRIVATE", "true".to_owned()),
        ],
        redirectors: 2,
        ..StackOptions::default()
    };
    let stack = Stack::start(Backend::Sqlite, options).await;
    let prometheus = Prometheus::start(&stack, &deployed(RULES)).await;

    // Rates need several scrapes with something happening between them.
    let deadline = Instant::now() + PATIENCE;
    loop {
        callers_of_all_kinds(&stack).await;
        let mut missing = without_data(&prometheus).await;
        missing.extend(rules_not_evaluated(&prometheus).await);
        if prometheus.query(GIVEN_UP).await.is_empty() {
            missing.push(GIVEN_UP.to_owned());
        }
        if missing.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "still missing: {missing:#?}");
    }

    let exposed = exposed(&prometheus).await;
    let shown = metrics(&expressions().join("\n"));
    assert_eq!(shown, exposed, "shown on the dashboard, and exposed");
    let mut asked = runbook_queries();
    for query in &asked {
        prometheus.query(query).await;
    }
    asked.extend(alert_expressions(&prometheus).await);
    let unknown = &metrics(&asked.join("\n")) - &exposed;
    assert!(unknown.is_empty(), "nobody exposes {unknown:?}");

    let deliveries = [("match[]", "overflow_redirector_deliveries_total")];
    let plans = prometheus.get("label/plan/values", &deliveries).await;
    assert_eq!(plans, json!(["default", "none"]), "to choose from");
}

/// Callers redirected, after a retry, by the sweep and after being given up; a forged callback and
/// one of no concern.
async fn callers_of_all_kinds(stack: &Stack) {
    let simulator = &stack.simulator;
    let refusal = Fault::Status {
        status: 400,
        code: 20001,
        retry_after: None,
    };
    for fault in [Fault::INTERNAL_SERVER_ERROR, refusal] {
        let once = Rule::on([Endpoint::UpdateCall], fault).next(1);
        simulator.faults().add(once);
        simulator.place_call(PlaceCall::into_placeholder()).unwrap();
        // The refused one is a dead letter, and on hold until the sweep finds it.
        stack
            .expect("a redirect", |state| state.waiting_count() == 0)
            .await;
    }
    let unheard = PlaceCall::into_placeholder().withholding_events();
    let unheard = simulator.place_call(unheard).unwrap();
    let forged = simulator.entered_callback(unheard.task_sid).unwrap();
    let mut callbacks = simulator.irrelevant_callbacks(1);
    callbacks.push(forged.forged());
    simulator.deliver(callbacks, 2).await;
    stack
        .expect("the sweep's find", |state| state.waiting_count() == 0)
        .await;
}

/// The dashboard's expressions that bring nothing, or nothing but `NaN`.
async fn without_data(prometheus: &Prometheus) -> Vec<String> {
    let mut empty = Vec::new();
    for expression in expressions() {
        let result = prometheus.query(&expression).await;
        let has_data = result.iter().any(|sample| sample["value"][1] != "NaN");
        if !has_data && !expression.contains(OF_RABBITMQ) {
            empty.push(expression);
        }
    }
    empty
}

async fn alerts(prometheus: &Prometheus) -> Vec<Value> {
    let rules = prometheus.get("rules", &[]).await;
    let groups = rules["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

async fn alert_expressions(prometheus: &Prometheus) -> Vec<String> {
    let alerts = alerts(prometheus).await;
    alerts
        .iter()
        .map(|alert| alert["query"].to_string())
        .collect()
}

/// What the runbook tells its reader to ask Prometheus.
fn runbook_queries() -> Vec<String> {
    let runbook = text("RUNBOOK.md");
    let blocks = runbook.split("```promql\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// The alerts that Prometheus has not come to yet.
///
/// # Panics
/// It could not evaluate one.
async fn rules_not_evaluated(prometheus: &Prometheus) -> Vec<String> {
    let mut alerts = alerts(prometheus).await;
    assert!(!alerts.is_empty(), "no rules loaded");
    for alert in &alerts {
        assert_ne!(alert["health"], "err", "{alert}");
    }
    alerts.retain(|alert| alert["health"] != "ok");
    alerts
        .iter()
        .map(|alert| alert["name"].to_string())
        .collect()
}

/// The metrics that the processes expose.
async fn exposed(prometheus: &Prometheus) -> BTreeSet<String> {
    let ours = [("match[]", r#"{job=~"ingest|redirector"}"#)];
    let names = prometheus.get("label/__name__/values", &ours).await;
    let names = names.as_array().unwrap().iter();
    metrics(
        &names
            .map(|name| name.as_str().unwrap())
            .collect::<Vec<_>>()
            .join(" "),
    )
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for_and_in_the_older_one_else() {
    let stack = Stack::start(Backend::Sqlite, StackOptions::default()).await;
    for process in stack.ingests.iter().chain(&stack.redirectors) {
        let url = format!("http://{}/metrics", process.admin());
        let get = async |accept: &str| {
            let request = http().get(&url).header("accept", accept);
            let answer = request.send().await.unwrap();
            let content_type = answer.headers()["content-type"]
                .to_str()
                .unwrap()
                .to_owned();
            (content_type, answer.text().await.unwrap())
        };
        let asked = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
        let (content_type, text) = get(asked).await;
        assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"));
        assert!(text.ends_with("# EOF\n"), "{text}");

        let (content_type, text) = get("*/*").await;
        assert!(content_type.starts_with("text/plain; version=0.0.4"));
        let checked = promtool_check_metrics(&text);
        assert!(checked.status.success(), "{checked:?}");
    }
}

fn promtool_check_metrics(text: &str) -> Output {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = promtool.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    promtool.wait_with_output().unwrap()
}

#[test]
fn each_alert_has_its_section_in_the_runbook_and_links_to_it() {
    let (rules, runbook) = (text(RULES), text("RUNBOOK.md"));
    let values = |text: &str, key: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim);
        lines
            .filter_map(|line| line.strip_prefix(key))
            .map(str::to_owned)
            .collect()
    };
    let alerts = values(&rules, "- alert: ");
    assert!(!alerts.is_empty());
    let links: Vec<_> = alerts
        .iter()
        .map(|alert| format!("RUNBOOK.md#{}", alert.to_lowercase()))
        .collect();
    assert_eq!(values(&rules, "runbook_url: "), links);
    let sections: BTreeSet<_> = values(&runbook, "### ").into_iter().collect();
    assert_eq!(
        sections,
        alerts.into_iter().collect(),
        "sections of the runbook, and alerts"
    );
}

#[test]
fn panels_have_their_own_place_and_name_and_say_what_they_mean() {
    let panels = panels();
    let ids: BTreeSet<_> = panels
        .iter()
        .map(|panel| panel["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), panels.len(), "ids are unique");
    let mut taken = BTreeSet::new();
    for panel in &panels {
        let title = panel["title"].as_str().unwrap();
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(
            at("x") + at("w") <= 24,
            "{title} is wider than the dashboard"
        );
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} covers another panel");
            }
        }
        if panel["type"] != "row" {
            let description = panel["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{title} doesn't say what it means");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}
