//! What `overflow doctor` says of accounts as people have them.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::shapes::{Account, account, broken, shapes};
use crate::support::json;

/// How far somebody has come.
#[derive(Debug, Clone, Copy)]
enum Given {
    /// No setup ran. `FORWARD_CALL_TASK_QUEUE_SID` names this queue.
    AsItIs(&'static str),
    /// Setup ran with these arguments (`--workflow` is followed by the user's).
    After(&'static [&'static str]),
}

use Given::{After, AsItIs};

/// A sign, the check, and words of the finding.
type Says = (char, &'static str, &'static str);

/// The shape, how far somebody has come, and what doctor says. All that it finds wrong is in the row.
type Row = (&'static str, Given, &'static [Says]);

const EXTENDED: Given = After(&["--workflow"]);
const IN_PLACE: Given = After(&["--workflow", "--in-place"]);
const SET_UP: Given = After(&[]);
const PARKED: Given = AsItIs("Nobody answered");

const NO_EVENTS: Says = ('✗', "event callback", "the workspace's events go ");
const BY_CALLBACK: Says = ('✓', "event callback", "overflow.example.com");
const BY_STREAM: Says = ('✓', "event stream", "overflow.example.com");
const ALL_CALLS: Says = (
    '✓',
    "workflow",
    "calls that nobody takes end in the placeholder",
);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("stock", AsItIs("Everyone"),
        &[('✗', "placeholder", "matches every worker: calls there ring agents"), NO_EVENTS]),
    ("stock", EXTENDED,
        &[ALL_CALLS, ('✓', "default filter", "are not redirected"), BY_CALLBACK]),
    ("stock", SET_UP, &[ALL_CALLS, BY_CALLBACK, ('!', "number", "no phone number leads")]),
    ("stock, without default filter", EXTENDED,
        &[ALL_CALLS, ('✓', "default filter", "has none, and its filters take every call")]),
    ("one filter, one target without timeout", EXTENDED,
        &[('✗', "workflow", "no workflow leads to the placeholder")]),
    ("one filter, one target without timeout", After(&["--workflow", "--target-timeout", "20"]),
        &[ALL_CALLS]),
    ("one filter, one target with timeout", EXTENDED, &[ALL_CALLS]),
    ("one filter, one target with timeout", IN_PLACE, &[ALL_CALLS]),
    ("escalation", EXTENDED, &[ALL_CALLS]),
    ("sticky agent", EXTENDED, &[ALL_CALLS]),
    ("keys that only the console knows, no name, no default", EXTENDED,
        &[ALL_CALLS, ('✓', "default filter", "has none, and its filters take every call")]),
    ("20 filters", EXTENDED, &[ALL_CALLS, ('✓', "default filter", "are not redirected")]),
    ("20 filters", After(&["--workflow", "--filter", "Language 3"]),
        &[('!', "workflow", "does not lead to the placeholder → if its callers are to be")]),
    ("a second filter that no task gets to", EXTENDED, &[ALL_CALLS]),
    ("skip_if in the last target, another filter behind it", EXTENDED,
        &[('!', "workflow", "filter \"Sales first\" does not lead to the placeholder")]),
    ("skip_if in the last target, another filter behind it",
        After(&["--workflow", "--filter", "Sales first"]),
        &[('!', "workflow", "only callers who skip it (`skip_if`) get past it")]),
    ("skip_if in the last target, nothing behind it", EXTENDED,
        &[('✗', "workflow", "no workflow leads to the placeholder")]),
    ("skip_if in a target before the last", EXTENDED, &[ALL_CALLS]),
    ("filters that don't take all, no default filter", EXTENDED,
        &[ALL_CALLS, ('✓', "default filter", "has none, and its filters take every call")]),
    ("transfers to a worker before everything else", EXTENDED,
        &[('!', "workflow", "filter \"Assign to worker\" does not lead to the placeholder")]),
    ("a filter for each channel", EXTENDED, &[ALL_CALLS]),
    ("calls and chats through one filter", EXTENDED, &[ALL_CALLS]),
    ("calls and chats through one filter", IN_PLACE, &[ALL_CALLS]),
    ("one list of channels that are no calls, and one filter for all", EXTENDED,
        &[('✗', "workflow", "no workflow leads to the placeholder")]),
    ("one list of channels that are no calls, and one filter for all",
        After(&["--workflow", "--target-timeout", "20"]), &[ALL_CALLS]),
    ("a list of channels of their own, and one filter for all", EXTENDED,
        &[('✗', "workflow", "no call gets to the placeholder"),
          ('!', "workflow", "filter \"All\" does not lead to the placeholder")]),
    ("a list of channels of their own, and one filter for all",
        After(&["--workflow", "--target-timeout", "20"]), &[ALL_CALLS]),
    ("a filter for calls alone", EXTENDED, &[ALL_CALLS]),
    ("a placeholder by hand", PARKED, &[ALL_CALLS, NO_EVENTS]),
    ("a placeholder by hand", SET_UP,
        &[ALL_CALLS, ('✓', "default filter", "go to the placeholder"), BY_CALLBACK]),
    ("a placeholder by hand, named in .env", SET_UP, &[ALL_CALLS, BY_CALLBACK]),
    ("two placeholders by hand", PARKED, &[ALL_CALLS, NO_EVENTS]),
    ("the queue that .env names rings agents", AsItIs("Sales"),
        &[('!', "placeholder", "may match workers: routing.skills HAS \"sales\" → set its target \
                               workers to 1==2, which nobody matches, in the console"),
          ('✗', "workflow", "gives the placeholder a timeout"), NO_EVENTS]),
    ("a placeholder with a timeout", SET_UP,
        &[('✗', "workflow", "gives the placeholder a timeout: then the task is deleted")]),
    ("a placeholder with a timeout", EXTENDED, &[ALL_CALLS]),
    ("a placeholder that is not last", PARKED,
        &[('!', "workflow", "has targets after the placeholder, which callers never reach"), NO_EVENTS]),
    ("a placeholder that can be skipped", SET_UP,
        &[('✗', "workflow", "lets callers skip the placeholder"),
          ('✗', "workflow", "no call gets to the placeholder")]),
    ("a placeholder that can be skipped", EXTENDED, &[ALL_CALLS]),
    ("a placeholder that nobody gets to", SET_UP,
        &[('✗', "workflow", "has a target without timeout: no caller gets past it"),
          ('✗', "workflow", "no call gets to the placeholder")]),
    ("a placeholder that nobody gets to", After(&["--workflow", "--target-timeout", "20"]),
        &[ALL_CALLS]),
    ("a placeholder as default filter only", SET_UP,
        &[ALL_CALLS, ('✓', "default filter", "go to the placeholder")]),
    ("a placeholder as default filter, behind one for all", SET_UP,
        &[ALL_CALLS, ('!', "number", "no phone number leads")]),
    ("a placeholder as default filter, behind one for all", EXTENDED, &[ALL_CALLS]),
    ("a queue that matches nobody, for other ends", AsItIs("Parked by agents"),
        &[('!', "workflow", "filter \"Parking\" takes callers out of the placeholder again"),
          ('!', "workflow", "filter \"Sales\" does not lead to the placeholder"), NO_EVENTS]),
    ("a queue that matches nobody, for other ends", EXTENDED,
        &[('!', "workflow", "filter \"Parking\" does not lead to the placeholder")]),
    ("a queue that matches nobody, of a survey", SET_UP,
        &[ALL_CALLS, ('!', "number", "no phone number leads")]),
    ("a copy for calls, made by hand", SET_UP, &[ALL_CALLS, BY_CALLBACK]),
    ("copies for calls, by hand as the README has it", SET_UP, &[ALL_CALLS, BY_CALLBACK]),
    ("a callback of somebody else's", PARKED,
        &[ALL_CALLS, ('✗', "event callback", "go to https://crm.example.com/events")]),
    ("a callback of somebody else's", After(&["--via", "event-streams"]), &[ALL_CALLS, BY_STREAM]),
    ("our callback by hand, without overrides", PARKED,
        &[('!', "event callback", "has no connection overrides"),
          ('!', "event callback", "is written in other letters than PUBLIC_URL")]),
    ("our callback by hand, without overrides", SET_UP, &[ALL_CALLS, BY_CALLBACK]),
    ("our sink by hand", PARKED, &[ALL_CALLS, BY_STREAM]),
    ("our sink by hand", After(&["--via", "callback"]),
        &[ALL_CALLS, BY_STREAM, BY_CALLBACK, ('!', "event callback", "events come more than once")]),
    ("our sink by hand beside a callback of somebody else's", PARKED, &[ALL_CALLS, BY_STREAM]),
    ("a sink of somebody else's", PARKED, &[ALL_CALLS, NO_EVENTS]),
    ("a sink of somebody else's", SET_UP, &[ALL_CALLS, BY_CALLBACK]),
    ("a flow of their own", SET_UP, &[ALL_CALLS]),
    ("a flow with a message and a request behind the queue", SET_UP,
        &[('!', "Studio flow", "runs \"text\" (send-message), \"note\" (make-http-request)")]),
];

/// What the shapes are about. The rest is the same for all, and stories of its own tell of it.
const CHECKS: [&str; 9] = [
    "placeholder",
    "workflow",
    "default filter",
    "channels",
    "voice queue",
    "event callback",
    "event stream",
    "number",
    "Studio flow",
];

#[tokio::test]
async fn doctor_says_of_each_shape_what_it_should() {
    let failed = broken(TABLE, hold).await.into_iter();
    let failed: Vec<_> = failed.map(|row| (row.0, row.1)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

async fn hold((name, given, says): &'static Row) {
    let account = account(name).await;
    let placeholder = match given {
        AsItIs(queue) => account.queues[queue],
        After(arguments) => {
            account.setup(arguments).await;
            account.placeholder()
        }
    };
    let found = findings(&account, placeholder.as_str()).await;
    let row = format!("{name} {given:?}: {found:#?}");
    let is_said = |(sign, check, text): &Finding, said: &Says| {
        *sign == said.0 && check == said.1 && text.contains(said.2)
    };
    for said in *says {
        assert!(
            found.iter().any(|one| is_said(one, said)),
            "no {said:?}: {row}"
        );
    }
    for one in found.iter().filter(|(sign, ..)| *sign != '✓') {
        assert!(
            says.iter().any(|said| is_said(one, said)),
            "also {one:?}: {row}"
        );
    }
    assert!(!row.contains("hush"), "{row}");
    // Where it is content with the user's workflow, calls that nobody takes stay in the placeholder.
    let workflow = account.workflow.as_str();
    let content = found
        .iter()
        .any(|(sign, check, text)| *sign == '✓' && check == "workflow" && text.contains(workflow));
    if content {
        let [calls, _] = account.ways();
        for call in calls {
            assert_eq!(call.last(), Some(&placeholder), "{row}");
        }
    }
}

/// A sign, the check, and what was found and is to be done.
type Finding = (char, String, String);

async fn findings(account: &Account, placeholder: &str) -> Vec<Finding> {
    let report = account
        .operator
        .doctor(placeholder, "+14155550100", &["--json"]);
    let report = json(&report.await.output);
    let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    let found = report["checks"].as_array().unwrap().iter().map(|line| {
        let sign = match line["status"].as_str().unwrap() {
            "ok" => '✓',
            "warning" => '!',
            _ => '✗',
        };
        let todo = line["todo"].as_str().map(|todo| format!(" → {todo}"));
        let said = text(line, "found") + todo.as_deref().unwrap_or_default();
        (sign, text(line, "check"), said)
    });
    found
        .filter(|(_, check, _)| CHECKS.contains(&check.as_str()))
        .collect()
}

#[test]
fn every_shape_is_in_the_table() {
    let named: BTreeSet<_> = TABLE.iter().map(|(name, ..)| *name).collect();
    let shapes: BTreeSet<_> = shapes().iter().map(|shape| shape.name).collect();
    assert_eq!(named, shapes);
}
