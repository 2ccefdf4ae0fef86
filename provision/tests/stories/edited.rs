//! Workflows that their users edit after setup has extended them: what teardown gives back is what
//! they would have without it, and the next setup extends what they have now.

use serde_json::{Value, json};

use crate::shapes::{Account, account};
use crate::support::json;

/// Some filters have no name.
const SHAPES: [(&str, &str); 4] = [
    ("keys that only the console knows, no name, no default", ""),
    ("one filter, one target without timeout", "Sales"),
    ("escalation", "All"),
    ("calls and chats through one filter", "All"),
];

const WAYS: [&[&str]; 2] = [
    &["--workflow", "--target-timeout", "20"],
    &["--workflow", "--target-timeout", "20", "--in-place"],
];

/// What a user does to a workflow whose filter has this name.
type Edit = fn(&mut Value, &str, &Account);

const EDITS: [(&str, Edit); 9] = [
    ("another name and expression", |routing, name, _| {
        let filter = filter(routing, name);
        filter["expression"] = json!("language == \"l3\"");
        filter["filter_friendly_name"] = json!("Renamed");
    }),
    ("another expression", |routing, name, _| {
        filter(routing, name)["expression"] = json!("language == \"l3\"");
    }),
    ("another name", |routing, name, _| {
        filter(routing, name)["filter_friendly_name"] = json!("Renamed");
    }),
    ("a key that we know nothing of", |routing, name, _| {
        filter(routing, name)["note"] = json!(1);
    }),
    ("a priority", |routing, name, _| {
        filter(routing, name)["targets"][0]["priority"] = json!(5);
    }),
    ("a target before the others", |routing, name, account| {
        let first = json!({ "queue": account.queues["Sales"], "timeout": 7 });
        let targets = filter(routing, name)["targets"].as_array_mut();
        targets.unwrap().insert(0, first);
    }),
    ("a filter before the others", |routing, _, account| {
        let first = json!({ "expression": "vip == true",
                            "targets": [{ "queue": account.queues["Sales"] }] });
        routing["filters"].as_array_mut().unwrap().insert(0, first);
    }),
    ("another default", |routing, _, account| {
        routing["default_filter"]["queue"] = json!(account.queues["Sales"]);
    }),
    ("no default", |routing, _, _| {
        routing
            .as_object_mut()
            .unwrap()
            .shift_remove("default_filter");
    }),
];

fn filter<'a>(routing: &'a mut Value, name: &str) -> &'a mut Value {
    let mut filters = routing["filters"].as_array_mut().unwrap().iter_mut();
    let found =
        filters.find(|filter| filter["filter_friendly_name"].as_str().unwrap_or_default() == name);
    found.unwrap()
}

impl Account {
    async fn current(&self) -> Value {
        let client = self.operator.client();
        let workspace = self.operator.workspace_sid();
        let workflow = client.workflow(&workspace, &self.workflow).await;
        json(&workflow.unwrap().unwrap().configuration)
    }

    /// The user edits the workflow.
    async fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let mut configuration = self.current().await;
        edit(&mut configuration["task_routing"]);
        let simulator = &self.operator.simulator;
        let set = simulator.set_configuration(self.workflow, &configuration.to_string());
        set.unwrap();
    }
}

#[tokio::test]
async fn teardown_takes_out_what_setup_added_and_nothing_else() {
    for (shape, name) in SHAPES {
        for setup in WAYS {
            for (what, edit) in EDITS {
                let account = account(shape).await;
                let mut expected = account.current().await;
                edit(&mut expected["task_routing"], name, &account);
                account.setup(setup).await.done();
                account.edit(|routing| edit(routing, name, &account)).await;
                account.operator.teardown(&[]).await.done();
                let row = format!("{shape} {setup:?} {what}");
                assert_eq!(account.current().await, expected, "{row}");
            }
        }
    }
}

#[tokio::test]
async fn the_next_setup_extends_what_the_user_has_now() {
    for (shape, name) in SHAPES {
        for setup in WAYS {
            for (what, edit) in EDITS {
                let row = format!("{shape} {setup:?} {what}");
                let edited = account(shape).await;
                edited.setup(setup).await.done();
                edited.edit(|routing| edit(routing, name, &edited)).await;
                edited.setup(setup).await;
                let new = account(shape).await;
                new.edit(|routing| edit(routing, name, &new)).await;
                let said = new.setup(setup).await.output;
                let expected = new.current().await.to_string();
                // The SIDs of the two accounts differ.
                let mut sids = new
                    .queues
                    .iter()
                    .map(|(name, sid)| (edited.queues[name], *sid));
                let placeholders = (edited.placeholder(), new.placeholder());
                let current = edited.current().await.to_string();
                let current = sids
                    .by_ref()
                    .chain([placeholders])
                    .fold(current, |text, (a, b)| text.replace(a.as_str(), b.as_str()));
                assert_eq!(json(&current), json(&expected), "{row}: {said}");
                let again = edited.setup(setup).await.output;
                assert!(
                    again.contains("Nothing to do") || again.contains('✗'),
                    "{row}: {again}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_default_that_was_pointed_at_the_placeholder_goes_where_it_went() {
    for setup in WAYS {
        let account = account("escalation").await;
        let before = account.current().await;
        account.setup(setup).await.done();
        let placeholder = account.placeholder();
        let edit = |routing: &mut Value| routing["default_filter"]["queue"] = json!(placeholder);
        account.edit(edit).await;
        account.operator.teardown(&[]).await.done();
        assert_eq!(account.current().await, before);
    }
}

/// Where nothing came behind the target to which setup gave a timeout, nothing does afterwards: with
/// it, the task would be deleted while its caller waits.
#[tokio::test]
async fn no_caller_falls_off_the_end_of_a_filter_that_teardown_gives_back() {
    let [.., in_place] = WAYS;
    let account = account("one filter, one target without timeout").await;
    let before = account.current().await;
    account.setup(in_place).await.done();
    let longer = |routing: &mut Value| {
        filter(routing, "Sales")["targets"][0]["timeout"] = json!(45);
    };
    account.edit(longer).await;
    account.operator.teardown(&[]).await.done();
    assert_eq!(account.current().await, before);
}

#[tokio::test]
async fn what_the_user_made_lead_to_the_placeholder_is_theirs_and_keeps_it() {
    let [copies, ..] = WAYS;
    let account = account("escalation").await;
    let before = account.current().await;
    account.setup(copies).await.done();
    let targets = json!([{ "queue": account.queues["Sales"], "timeout": 5 },
                         { "queue": account.placeholder() }]);
    let theirs = json!({ "filter_friendly_name": "Mine", "expression": "vip == true",
                         "targets": targets });
    let last = |routing: &mut Value| {
        routing["filters"]
            .as_array_mut()
            .unwrap()
            .push(theirs.clone());
    };
    account.edit(last).await;
    let output = account.operator.teardown(&[]).await.failed();
    assert!(
        output.contains("is kept: it is used by workflow"),
        "{output}"
    );
    let mut expected = before;
    last(&mut expected["task_routing"]);
    assert_eq!(account.current().await, expected);
}

#[tokio::test]
async fn another_placeholder_takes_the_place_of_the_first() {
    for setup in WAYS {
        let account = account("escalation").await;
        let before = account.current().await;
        account.setup(setup).await.done();
        let first = account.placeholder();
        let other = [setup, &["--prefix", "[Other]"]].concat();
        account.setup(&other).await.done();
        let second = account.placeholder();
        let [calls, _] = account.ways();
        for call in calls {
            assert_eq!(call.last(), Some(&second), "{setup:?}");
            assert!(!call.contains(&first), "{setup:?}: {call:?}");
        }
        account.operator.teardown(&[]).await.done();
        assert_eq!(account.current().await, before);
        account
            .operator
            .teardown(&["--prefix", "[TR Call Redirection]"])
            .await
            .done();
    }
}

#[tokio::test]
async fn doctor_says_where_a_copy_is_no_longer_like_its_filter() {
    let [copies, ..] = WAYS;
    let account = account("escalation").await;
    account.setup(copies).await.done();
    let report = async || {
        let placeholder = account.placeholder();
        let doctor = account
            .operator
            .doctor(placeholder.as_str(), "+14155550100", &[]);
        doctor.await.output
    };
    let finding = "filter \"All\" was edited since setup, and its copy for calls was not";
    assert!(!report().await.contains(finding));
    let shorter = |routing: &mut Value| {
        filter(routing, "All")["targets"][0]["timeout"] = json!(5);
    };
    account.edit(shorter).await;
    let said = report().await;
    assert!(said.contains(finding), "{said}");
    let output = account.setup(&["--workflow"]).await.done();
    assert!(output.contains("-            \"timeout\": 10"), "{output}");
    assert!(!report().await.contains(finding));
}

/// An earlier setup made them.
#[tokio::test]
async fn a_copy_of_a_filter_that_is_left_by_now_goes() {
    let account = account("transfers to a worker before everything else").await;
    let before = account.current().await;
    let named = [
        "--workflow",
        "--target-timeout",
        "20",
        "--filter",
        "Assign to worker",
    ];
    account.setup(&named).await.done();
    let copied = |configuration: &Value| configuration.to_string().contains("worker (calls)");
    assert!(copied(&account.current().await));
    account.setup(&["--workflow"]).await.done();
    assert!(!copied(&account.current().await));
    account.operator.teardown(&[]).await.done();
    assert_eq!(account.current().await, before);
}
