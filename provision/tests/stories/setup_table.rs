//! What `overflow setup` does with accounts as people have them.

use std::collections::BTreeSet;

use twilio::rest::{Sink, Subscription};

use crate::shapes::{Account, account, broken, shapes};
use crate::support::Snapshot;

/// What setup does.
#[derive(Debug, Clone, Copy)]
enum Does {
    /// It makes task queues, workflow and flow of its own, beside the user's.
    MakesItsOwn,
    /// It uses the user's placeholder and workflow, and leaves both as they are.
    Adopts,
    /// In the user's workflow, calls that nobody takes end in the placeholder, and all other tasks go
    /// the way that they went.
    Extends,
    /// The same for every task.
    ExtendsInPlace,
    /// It does what it can, and says that no call gets to the placeholder.
    SaysNo,
    /// It changes nothing.
    Refuses,
}

use Does::{Adopts, Extends, ExtendsInPlace, MakesItsOwn, Refuses, SaysNo};

/// The shape, the arguments (`--workflow` is followed by the user's), what setup does, and words of
/// its output.
type Row = (
    &'static str,
    &'static [&'static str],
    Does,
    &'static [&'static str],
);

const EXTEND: &[&str] = &["--workflow"];
const IN_PLACE: &[&str] = &["--workflow", "--in-place"];

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("stock", &[], MakesItsOwn, &["Set up."]),
    ("stock", EXTEND, Extends, &["+        \"filter_friendly_name\": \"Calls\""]),
    ("stock", IN_PLACE, ExtendsInPlace, &["1==1"]),
    ("stock, without default filter", EXTEND, Extends, &["Set up."]),
    ("one filter, one target without timeout", EXTEND, SaysNo,
        &["filter \"Sales\" has a target without timeout: no caller gets past it", "--target-timeout 20"]),
    ("one filter, one target without timeout", &["--workflow", "--target-timeout", "20"], Extends,
        &["\"Sales (calls)\""]),
    ("one filter, one target with timeout", EXTEND, Extends, &["\"Sales (calls)\""]),
    ("one filter, one target with timeout", IN_PLACE, ExtendsInPlace, &[]),
    ("escalation", EXTEND, Extends, &["120 s to take an offered call", "activity \"Offline\""]),
    ("sticky agent", EXTEND, Extends, &[]),
    ("keys that only the console knows, no name, no default", EXTEND, Extends, &["\"1 (calls)\""]),
    ("20 filters", EXTEND, Extends, &["\"Language 20 (calls)\"", "(default filter), as before"]),
    ("20 filters", &["--workflow", "--filter", "Language 3", "--filter", "Language 5"], Extends,
        &["\"Language 3 (calls)\""]),
    ("20 filters", &["--workflow", "--filter", "Language 21"], Refuses,
        &["no filter \"Language 21\"", "\"Language 20\""]),
    ("a second filter that no task gets to", EXTEND, Extends, &["\"All (calls)\""]),
    ("skip_if in the last target, another filter behind it", EXTEND, Extends,
        &["filter \"Sales first\" ends in a target with `skip_if`", "\"Then everyone (calls)\""]),
    ("skip_if in the last target, another filter behind it",
        &["--workflow", "--filter", "Sales first"], Extends, &["only callers who skip it"]),
    ("skip_if in the last target, nothing behind it", EXTEND, SaysNo,
        &["filter \"Sales\" ends in a target with `skip_if`", "`--filter`"]),
    ("skip_if in the last target, nothing behind it", IN_PLACE, SaysNo, &["`--filter`"]),
    ("skip_if in a target before the last", EXTEND, Extends, &[]),
    ("filters that don't take all, no default filter", EXTEND, Extends, &["\"Calls\""]),
    ("transfers to a worker before everything else", EXTEND, Extends,
        &["filter \"Assign to worker\" takes calls meant for one agent", "`--filter`"]),
    ("transfers to a worker before everything else", &["--workflow", "--target-timeout", "20"],
        Extends, &["filter \"Assign to worker\" takes calls meant for one agent"]),
    ("a filter for each channel", EXTEND, Extends, &["\"Voice (calls)\""]),
    ("calls and chats through one filter", EXTEND, Extends, &["\"All (calls)\""]),
    ("one list of channels that are no calls, and one filter for all", EXTEND, SaysNo,
        &["filter \"All\" has a target without timeout"]),
    ("one list of channels that are no calls, and one filter for all",
        &["--workflow", "--target-timeout", "20"], Extends, &["\"All (calls)\""]),
    ("a list of channels of their own, and one filter for all", EXTEND, SaysNo,
        &["filter \"All\" has a target without timeout"]),
    ("a list of channels of their own, and one filter for all",
        &["--workflow", "--target-timeout", "20"], Extends, &["\"All (calls)\""]),
    ("a filter for calls alone", EXTEND, Extends, &["Set up."]),
    ("a placeholder by hand", &[], Adopts, &["which matches nobody (1==2)", "which leads to it"]),
    ("a placeholder by hand", &["--prefix", "[Mine]"], MakesItsOwn, &["[Mine] Sales"]),
    ("a placeholder by hand", &["--placeholder", "WQ00000000000000000000000000000000"], Refuses,
        &["no task queue WQ00000000000000000000000000000000"]),
    ("a placeholder by hand, named in .env", &[], Adopts,
        &["which FORWARD_CALL_TASK_QUEUE_SID names"]),
    ("two placeholders by hand", &[], Refuses,
        &["\"Nobody answered\" (WQ", "\"Night\" (WQ", "\"Night line\" (WW", "--placeholder", "--prefix"]),
    ("the queue that .env names rings agents", &[], Refuses,
        &["\"Sales\" (WQ", "is not a placeholder", "routing.skills HAS"]),
    ("a placeholder with a timeout", &[], Adopts, &["gives the placeholder a timeout"]),
    ("a placeholder that is not last", &[], MakesItsOwn, &[]),
    ("a placeholder that can be skipped", &[], SaysNo, &["lets callers skip the placeholder"]),
    ("a placeholder that can be skipped", EXTEND, ExtendsInPlace, &["Set up."]),
    ("a placeholder that nobody gets to", &[], SaysNo, &["no caller gets past it"]),
    ("a placeholder as default filter only", &[], Adopts, &["Set up."]),
    ("a placeholder as default filter, behind one for all", &[], MakesItsOwn, &["Set up."]),
    ("a queue that matches nobody, for other ends", EXTEND, Extends, &["\"Sales (calls)\""]),
    ("a queue that matches nobody, of a survey", &[], MakesItsOwn, &["Set up."]),
    ("a copy for calls, made by hand", &[], Adopts, &["Set up."]),
    ("a copy for calls, made by hand", EXTEND, Extends, &["Set up."]),
    ("copies for calls, by hand as the README has it", &[], Adopts, &["Set up."]),
    ("copies for calls, by hand as the README has it", EXTEND, Extends, &["Set up."]),
    ("a callback of somebody else's", &[], Refuses,
        &["https://crm.example.com/events", "--via event-streams"]),
    ("a callback of somebody else's", &["--via", "event-streams"], Adopts,
        &["event callback: https://crm.example.com/events?…, left"]),
    ("our callback by hand, without overrides", &[], Adopts, &["✓ set the workspace's event"]),
    ("our sink by hand", &[], Adopts,
        &["= Event Streams sink and subscription Made in the console"]),
    ("our sink by hand", &["--via", "callback"], Adopts, &["events come twice"]),
    ("our sink by hand beside a callback of somebody else's", &[], Adopts,
        &["= Event Streams sink and subscription Made in the console"]),
    ("a sink of somebody else's", &[], Adopts, &["✓ set the workspace's event callback"]),
    ("a flow of their own", &[], Adopts, &["Set up."]),
    ("a flow with a message and a request behind the queue", &[], Adopts, &["Set up."]),
];

#[tokio::test]
async fn setup_does_with_each_shape_what_it_should() {
    let failed = broken(TABLE, hold).await.into_iter();
    let failed: Vec<_> = failed.map(|row| (row.0, row.1)).collect();
    assert_eq!(failed, []);
}

async fn hold((name, arguments, does, words): &'static Row) {
    let account = account(name).await;
    let row = format!("{name} {arguments:?}");
    Case { row, account }.hold(arguments, *does, words).await;
}

#[test]
fn every_shape_is_in_the_table() {
    let named: BTreeSet<_> = TABLE.iter().map(|(name, ..)| *name).collect();
    let shapes: BTreeSet<_> = shapes().iter().map(|shape| shape.name).collect();
    assert_eq!(named, shapes);
    assert!(shapes.len() >= 20);
}

const NO_WAY: &str = "✗ No call gets to the placeholder";

struct Case {
    row: String,
    account: Account,
}

impl Case {
    async fn hold(&self, arguments: &[&str], does: Does, words: &[&str]) {
        let operator = &self.account.operator;
        let before = operator.snapshot().await.at_twilio();
        let ways_before = self.account.ways();
        let configurations = self.configurations().await;
        let receivers = self.receivers().await;
        let run = self.account.setup(arguments).await;
        for word in words {
            assert!(
                run.output.contains(word),
                "{}: no {word:?} in: {}",
                self.row,
                run.output
            );
        }
        assert!(!run.output.contains("hush"), "{}: {}", self.row, run.output);
        let row = &self.row;
        match does {
            Refuses => {
                run.failed();
                assert_eq!(operator.snapshot().await.at_twilio(), before, "{row}");
                return;
            }
            SaysNo => {
                let output = run.failed();
                assert!(output.contains(NO_WAY), "{row}: {output}");
                assert!(!output.contains("Set up."), "{row}: {output}");
                assert!(!output.contains("overflow run"), "{row}: {output}");
                assert_eq!(self.account.ways(), ways_before, "{row}");
                return self.take_down(before, receivers).await;
            }
            _ => drop(run.done()),
        }
        let placeholder = self.account.placeholder();
        let queues = operator
            .client()
            .task_queues(&operator.workspace_sid())
            .await;
        let made = queues.unwrap().len() - self.account.queues.len();
        let [calls, others] = self.account.ways();
        let end_there = |ways: &[Vec<_>]| ways.iter().all(|way| way.last() == Some(&placeholder));
        match does {
            MakesItsOwn => assert_eq!((made, [calls, others]), (4, ways_before), "{row}"),
            Adopts => {
                assert!(
                    made == 0 && calls.iter().all(|way| way.contains(&placeholder)),
                    "{row}"
                );
                assert_eq!([calls, others], ways_before, "{row}");
            }
            _ => {
                assert!(end_there(&calls), "{row}: {calls:?}");
                match does {
                    Extends => assert_eq!(others, ways_before[1], "{row}"),
                    _ => assert!(end_there(&others), "{row}: {others:?}"),
                }
            }
        }
        if !matches!(does, Extends | ExtendsInPlace) {
            let now = self.configurations().await;
            assert!(configurations.iter().all(|one| now.contains(one)), "{row}");
        }
        let again = self.account.setup(arguments).await.done();
        assert!(again.contains("Nothing to do"), "{row}: {again}");
        self.take_down(before, receivers).await;
    }

    /// Everything of the user's is as it was.
    async fn take_down(&self, before: Snapshot, receivers: Vec<(Sink, Vec<Subscription>)>) {
        let operator = &self.account.operator;
        operator.teardown(&[]).await.done();
        let left = operator.snapshot().await.at_twilio();
        assert_eq!(left, before, "{}", self.row);
        // These very ones, not others like them.
        assert_eq!(self.receivers().await, receivers, "{}", self.row);
    }

    async fn receivers(&self) -> Vec<(Sink, Vec<Subscription>)> {
        let client = self.account.operator.client();
        let mut receivers = Vec::new();
        for sink in client.sinks().await.unwrap() {
            let subscriptions = client.subscriptions(&sink.sid).await.unwrap();
            receivers.push((sink, subscriptions));
        }
        receivers
    }

    /// The workflows, and the flows that nobody would take for ours.
    async fn configurations(&self) -> Vec<String> {
        let operator = &self.account.operator;
        let client = operator.client();
        let workflows = client.workflows(&operator.workspace_sid()).await.unwrap();
        let workflows = workflows.into_iter().map(|workflow| workflow.configuration);
        let mut configurations: Vec<_> = workflows.collect();
        for flow in client.flows().await.unwrap() {
            if !flow.friendly_name.contains("Call Redirection Studio Flow") {
                let flow = client.flow(&flow.sid).await.unwrap().unwrap();
                configurations.push(flow.definition.to_string());
            }
        }
        configurations
    }
}
