//! A workflow of the user's, extended and given back.

use serde_json::json;
use twilio::WorkflowSid;

use crate::support::{Operator, env_value, json};

struct Own {
    operator: Operator,
    workflow: WorkflowSid,
    configuration: String,
}

impl Own {
    /// A workflow with two filters, of which the second stops at a target without timeout.
    async fn new() -> Self {
        let operator = Operator::new().await;
        let workspace = operator.workspace_sid();
        let queues = operator.client().task_queues(&workspace).await.unwrap();
        let (sales, support) = (queues[0].sid, queues[1].sid);
        // Keys in an order of their own, and one that we know nothing of.
        let configuration = format!(
            r#"{{"task_routing":{{"filters":[{{"targets":[{{"timeout":20,"queue":"{sales}","priority":"5"}}],"filter_friendly_name":"VIP","expression":"vip == true","note":1}},{{"filter_friendly_name":"Others","expression":"1==1","targets":[{{"queue":"{support}"}}]}}],"default_filter":{{"queue":"{support}"}}}}}}"#
        );
        let workflow = operator
            .client()
            .create_workflow(&workspace, "Main line", &configuration)
            .await
            .unwrap()
            .sid;
        Self {
            operator,
            workflow,
            configuration,
        }
    }

    async fn setup(&self, more: &[&str]) -> String {
        let own = ["--workflow", self.workflow.as_str(), "--in-place"];
        let arguments = [&own, more].concat();
        self.operator.setup(&arguments).await.done()
    }

    async fn current(&self) -> String {
        let workspace = self.operator.workspace_sid();
        let workflows = self.operator.client().workflows(&workspace).await.unwrap();
        let workflow = workflows.into_iter().find(|w| w.sid == self.workflow);
        workflow.unwrap().configuration
    }

    fn placeholder(&self) -> String {
        env_value(&self.operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap()
    }
}

#[tokio::test]
async fn the_placeholder_becomes_the_last_target_of_each_filter_and_all_else_stays() {
    let own = Own::new().await;
    let output = own.setup(&[]).await;
    let placeholder = own.placeholder();
    let added = format!(r#",{{"queue":"{placeholder}"}}]"#);
    assert_eq!(
        own.current().await,
        own.configuration
            .replace("}]", &format!("}}{added}"))
            .replace(
                &format!("}}{added},\"default_filter\""),
                "}],\"default_filter\""
            )
    );
    assert!(
        output.contains("+            \"queue\": \"(new) [TR Call Redirection]"),
        "{output}"
    );
    assert!(
        output.contains("filter \"Others\" has a target without timeout"),
        "{output}"
    );

    // Only the placeholder was made.
    let workspace = own.operator.workspace_sid();
    let client = own.operator.client();
    assert_eq!(client.task_queues(&workspace).await.unwrap().len(), 4 + 1);
    assert_eq!(client.workflows(&workspace).await.unwrap().len(), 1 + 1);
    assert_eq!(client.flows().await.unwrap(), []);
    assert!(own.setup(&[]).await.contains("Nothing to do"));
}

#[tokio::test]
async fn teardown_gives_it_back_to_the_letter() {
    let own = Own::new().await;
    own.setup(&[]).await;
    // A second run must not take the extended one for the original.
    own.setup(&["--target-timeout", "30"]).await;
    let others = &json(&own.current().await)["task_routing"]["filters"][1]["targets"];
    assert_eq!(others[0]["timeout"], 30);
    own.operator.teardown(&[]).await.done();
    assert_eq!(own.current().await, own.configuration);
    let workspace = own.operator.workspace_sid();
    let queues = own.operator.client().task_queues(&workspace).await.unwrap();
    assert_eq!(queues.len(), 4);
}

#[tokio::test]
async fn what_the_user_changed_since_stays() {
    let own = Own::new().await;
    own.setup(&[]).await;
    let mut changed = json(&own.current().await);
    let filters = changed["task_routing"]["filters"].as_array_mut().unwrap();
    filters[0]["targets"][0]["timeout"] = json!(45);
    let client = own.operator.client();
    client
        .update_workflow(
            &own.operator.workspace_sid(),
            &own.workflow,
            &changed.to_string(),
        )
        .await
        .unwrap();
    own.operator.teardown(&[]).await.done();
    let expected = json(
        &own.configuration
            .replace("\"timeout\":20", "\"timeout\":45"),
    );
    assert_eq!(json(&own.current().await), expected);
}

#[tokio::test]
async fn without_the_record_the_placeholder_stays_as_long_as_a_workflow_leads_to_it() {
    let own = Own::new().await;
    own.setup(&[]).await;
    std::fs::remove_file(own.operator.state_file()).unwrap();
    let extended = own.current().await;
    let output = own.operator.teardown(&[]).await.failed();
    assert!(output.contains("can't be restored"), "{output}");
    assert!(
        output.contains("is kept: it is used by workflow \"Main line\""),
        "{output}"
    );
    assert_eq!(own.current().await, extended);

    let workspace = own.operator.workspace_sid();
    let client = own.operator.client();
    client
        .update_workflow(&workspace, &own.workflow, &own.configuration)
        .await
        .unwrap();
    own.operator.teardown(&[]).await.done();
    assert_eq!(client.task_queues(&workspace).await.unwrap().len(), 4);
}

/// What setup would do again, it has done.
#[tokio::test]
async fn setup_run_again_without_its_record_knows_what_it_added() {
    let own = Own::new().await;
    let setup = [
        "--workflow",
        own.workflow.as_str(),
        "--target-timeout",
        "20",
    ];
    own.operator.setup(&setup).await.done();
    std::fs::remove_file(own.operator.state_file()).unwrap();
    own.operator.setup(&setup).await.done();
    own.operator.teardown(&[]).await.done();
    assert_eq!(json(&own.current().await), json(&own.configuration));
}

#[tokio::test]
async fn a_workflow_that_does_not_exist_or_can_not_be_read_is_refused() {
    let operator = Operator::new().await;
    let unknown = format!("WW{:032x}", 1);
    let output = operator.setup(&["--workflow", &unknown]).await.failed();
    assert!(output.contains(&unknown), "{output}");
}
