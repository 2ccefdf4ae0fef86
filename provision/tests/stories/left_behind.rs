//! Workflows whose calls end where nobody looks: in a former placeholder, or in none any more.

use serde_json::{Value, json};
use simulator::{Config, PlaceCall};
use twilio::rest::TaskQueueDraft;
use twilio::{TaskQueueSid, WorkflowSid};

use crate::shapes::{Account, account};
use crate::support::{Operator, env_value};

const NUMBER: &str = "+14155550150";
const OLD_VOICE_URL: &str = "https://ivr.example.com/welcome";

impl Account {
    async fn add_workflow(&self, name: &str, targets: Value) -> WorkflowSid {
        let filter = json!({ "filter_friendly_name": "All", "expression": "1==1",
                             "targets": targets });
        let configuration = json!({ "task_routing": { "filters": [filter] } }).to_string();
        let (client, workspace) = (self.operator.client(), self.operator.workspace_sid());
        let made = client.create_workflow(&workspace, name, &configuration);
        made.await.unwrap().sid
    }

    async fn add_placeholder(&self) -> TaskQueueSid {
        let draft = TaskQueueDraft {
            friendly_name: "Mine",
            target_workers: "1==2",
        };
        let (client, workspace) = (self.operator.client(), self.operator.workspace_sid());
        let made = client.create_task_queue(&workspace, &draft).await;
        made.unwrap().sid
    }

    /// Whether calls that come by the workflow and that nobody takes end in the placeholder.
    fn redirects(&self, workflow: WorkflowSid) -> bool {
        let call = json!({ "call_sid": format!("CA{:032x}", 1) });
        let way = self.operator.simulator.way_of(workflow, &call);
        way.last() == Some(&self.placeholder())
    }

    async fn doctor(&self) -> String {
        let (operator, placeholder) = (&self.operator, self.placeholder());
        let doctor = operator.doctor(placeholder.as_str(), "+14155550100", &[]);
        doctor.await.output
    }

    /// What setup says of it is no success, and doctor has a ✗ for it. Doing what both say mends it.
    async fn is_left_behind(&self, workflow: WorkflowSid, setup: &[&str], words: &str) {
        let output = self.setup(setup).await.failed();
        let todo = format!("`overflow setup --workflow {workflow}`");
        for word in [words, &todo, workflow.as_str()] {
            assert!(output.contains(word), "{setup:?}: no {word:?} in: {output}");
        }
        assert!(!output.contains("Set up."), "{setup:?}: {output}");
        self.is_found_by_doctor(workflow).await;
        let extend = ["--workflow", workflow.as_str()];
        self.operator.setup(&extend).await.done();
        assert!(self.redirects(workflow), "{setup:?}");
        let report = self.doctor().await;
        assert!(
            !report.contains("is not as setup would extend it"),
            "{report}"
        );
        let again = self.setup(&[]).await.done();
        assert!(again.contains("Nothing to do"), "{setup:?}: {again}");
    }

    async fn is_found_by_doctor(&self, workflow: WorkflowSid) {
        let report = self.doctor().await;
        let mut lines = report.lines();
        let found = lines.any(|it| it.starts_with("✗ workflow") && it.contains(workflow.as_str()));
        assert!(found, "{report}");
        assert!(
            report.contains(&format!("--workflow {workflow}")),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_workflow_that_leads_to_the_former_placeholder_is_told_of() {
    for (adopts, extends_another) in [(false, false), (true, false), (false, true)] {
        let account = account("escalation").await;
        account.setup(&["--workflow"]).await.done();
        let mine = account.add_placeholder().await.to_string();
        let targets = json!([{ "queue": account.queues["Sales"], "timeout": 20 }]);
        let other = account
            .add_workflow("Other line", targets)
            .await
            .to_string();
        let change = match adopts {
            true => ["--placeholder", &mine],
            false => ["--prefix", "[Other]"],
        };
        let other = extends_another.then_some(["--workflow", &other]);
        let setup = [&change[..], other.as_ref().map_or(&[], |it| &it[..])].concat();
        // Not through the account, which would put its own workflow behind --workflow.
        account.operator.setup(&setup).await.failed();
        let former = "still leads to task queue \"[TR Call Redirection] ";
        account.is_left_behind(account.workflow, &[], former).await;
    }
}

/// Setup has never extended it.
#[tokio::test]
async fn so_is_one_that_its_user_has_made_lead_there() {
    let account = account("escalation").await;
    account.setup(&["--workflow"]).await.done();
    let former = account.placeholder();
    let targets = json!([{ "queue": account.queues["Sales"], "timeout": 20 }, { "queue": former }]);
    let by_hand = account.add_workflow("By hand", targets).await;
    let other = ["--prefix", "[Other]", "--workflow"];
    account
        .is_left_behind(by_hand, &other, "still leads to task queue")
        .await;
    // As it was before setup came to it.
    account.operator.teardown(&[]).await.done();
    let call = json!({ "call_sid": format!("CA{:032x}", 1) });
    let way = account.operator.simulator.way_of(by_hand, &call);
    assert_eq!(way.last(), Some(&former));
}

#[tokio::test]
async fn callers_who_wait_in_the_former_placeholder_are_told_of() {
    let account = account("escalation").await;
    account.setup(&["--workflow"]).await.done();
    let former = account.placeholder();
    let targets = json!([{ "queue": former }]);
    let call = PlaceCall {
        workflow: Some(account.add_workflow("At once", targets).await),
        ..PlaceCall::into_placeholder()
    };
    account.operator.simulator.place_call(call).unwrap();
    let output = account.setup(&["--prefix", "[Other]"]).await.failed();
    let waiting =
        format!("1 task still in task queue \"[TR Call Redirection] Call Redirection\" ({former})");
    assert!(output.contains(&waiting), "{output}");
}

#[tokio::test]
async fn an_extended_workflow_that_somebody_put_back_is_not_forgotten() {
    let account = account("escalation").await;
    let (client, workspace) = (account.operator.client(), account.operator.workspace_sid());
    let read = async || client.workflow(&workspace, &account.workflow).await;
    let before = read().await.unwrap().unwrap().configuration;
    account.setup(&["--workflow"]).await.done();
    let simulator = &account.operator.simulator;
    simulator
        .set_configuration(account.workflow, &before)
        .unwrap();
    account.is_found_by_doctor(account.workflow).await;
    let words = "no longer leads to the placeholder";
    account.is_left_behind(account.workflow, &[], words).await;
    // Nothing was made that nobody asked for.
    let queues = client.task_queues(&workspace).await.unwrap();
    assert_eq!(queues.len(), account.queues.len() + 1);
    assert_eq!(client.workflows(&workspace).await.unwrap().len(), 1);
    assert_eq!(client.flows().await.unwrap(), []);
}

#[tokio::test]
async fn a_number_follows_its_flow_when_that_was_deleted_and_is_made_anew() {
    for by_hand in [false, true] {
        let operator = match by_hand {
            true => Operator::by_hand(Config::default()).await,
            false => Operator::new().await,
        };
        operator.add_number(NUMBER, OLD_VOICE_URL);
        operator.setup(&["--number", NUMBER]).await.done();
        let client = operator.client();
        let flow = async || client.flows().await.unwrap()[0].sid;
        let deleted = flow().await;
        client.delete_flow(&deleted).await.unwrap();
        let finding = format!("leads to Studio flow {deleted}, which does not exist");
        let doctor = async || {
            let placeholder = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID");
            let placeholder = placeholder.unwrap();
            let report = operator.doctor(&placeholder, "+14155550100", &[]);
            report.await.output
        };
        let report = doctor().await;
        let mut lines = report.lines();
        assert!(
            lines.any(|line| line.starts_with("✗ number") && line.contains(&finding)),
            "{report}"
        );
        operator.setup(&[]).await.done();
        let url = operator.number(NUMBER).await.voice.url;
        assert!(url.ends_with(flow().await.as_str()), "{url}");
        assert!(!doctor().await.contains("does not exist"));
        assert!(operator.setup(&[]).await.done().contains("Nothing to do"));
        operator.teardown(&[]).await.done();
        assert_eq!(operator.number(NUMBER).await.voice.url, OLD_VOICE_URL);
    }
}
