//! What became of callers, as ingest puts it on the queue.

use std::collections::BTreeSet;

use queue::{CallerEnd, Outcome, OutcomeKind};
use simulator::{CalleeEnd, CalleeLog, CallerLog, Conduct, Fate, Heard, Readings};

use super::scene::{FIRST, LADDER, SECOND, Scene, Way};
use super::{NOBODY, seconds};

const NUMBER: &str = "forward_to = \"+14155550101\"";
const TOGETHER: &str = "[[plan.step]]\ndial = [\"+14155550101\", \"+14155550102\"]";

/// What somebody who reads the queue is told of one attempt, or of the caller.
type Told = (
    OutcomeKind,
    Option<CallerEnd>,
    Option<u64>,
    Option<&'static str>,
);

fn told(outcome: &Outcome) -> (OutcomeKind, Option<CallerEnd>, Option<u64>, Option<&str>) {
    let step = outcome.step.as_deref();
    (outcome.outcome, outcome.caller, outcome.seconds, step)
}

/// Lives a life in each reading, or those that `readings` wants, and compares what is told of it.
async fn lives(
    plan: &str,
    phones: &[(&str, &str)],
    conduct: Conduct,
    wanted: impl Fn(Readings) -> bool,
    expected: &[Told],
) {
    for readings in Readings::all().filter(|readings| wanted(*readings)) {
        let scene = Scene::new(readings, phones, plan);
        let log = scene.lived(conduct).await;
        let outcomes = scene.outcomes().await;
        // Twilio asks and tells at the same time: their order means nothing.
        let all: BTreeSet<_> = outcomes.iter().map(told).collect();
        assert_eq!(outcomes.len(), expected.len());
        assert_eq!(
            all,
            expected.iter().copied().collect(),
            "{readings:?} {plan}"
        );
        for outcome in &outcomes {
            assert_eq!(outcome.call_sid, log.call);
            assert_eq!(outcome.account_sid, scene.simulator.account_sid());
            assert_eq!(outcome.plan, "sales");
            // By ingest's clock, which began then.
            assert!(outcome.at.as_second() < 24 * 60 * 60);
        }
        judge(&log, &outcomes, true);
    }
}

fn patience(patience: u64) -> Conduct {
    Conduct {
        patience: Some(seconds(patience)),
        ..Conduct::default()
    }
}

fn always(_: Readings) -> bool {
    true
}

#[tokio::test(start_paused = true)]
async fn of_a_plan_of_one_number_each_ending_is_the_end_for_the_caller() {
    use CallerEnd::{Missed, Taken};
    let (here, gone) = (Conduct::default(), patience(10));
    for (phone, conduct, outcome, end, lasted) in [
        (
            "answers,stays=75",
            here,
            OutcomeKind::Answered,
            Taken,
            Some(75),
        ),
        ("busy", here, OutcomeKind::Busy, Missed, None),
        ("silent", here, OutcomeKind::NoAnswer, Missed, None),
        ("failed", here, OutcomeKind::Failed, Missed, None),
        ("silent", gone, OutcomeKind::Canceled, Missed, None),
    ] {
        let expected = [(outcome, Some(end), lasted, None)];
        lives(NUMBER, &[(FIRST, phone)], conduct, always, &expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_overtaken_stops_ringing_and_whoever_has_the_caller_is_told_once() {
    let phones = [(FIRST, "silent"), (SECOND, "answers,rings=7,stays=60")];
    let expected = [
        (OutcomeKind::Canceled, None, None, Some("1.1")),
        (
            OutcomeKind::Answered,
            Some(CallerEnd::Taken),
            Some(60),
            Some("1.1"),
        ),
    ];
    lives(TOGETHER, &phones, Conduct::default(), always, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_has_not_accepted_and_a_message_is_recorded() {
    let message = Conduct {
        message: Some(seconds(20)),
        ..Conduct::default()
    };
    for hangs_up_after_message in [false, true] {
        let conduct = Conduct {
            hangs_up_after_message,
            ..message
        };
        let expected = [
            (OutcomeKind::Busy, None, None, Some("1.1")),
            (OutcomeKind::NotAccepted, None, None, Some("1.2")),
            (OutcomeKind::NoAnswer, None, None, Some("1.3")),
            (
                OutcomeKind::Voicemail,
                Some(CallerEnd::Recorded),
                Some(20),
                Some("2.1"),
            ),
        ];
        lives(LADDER, &NOBODY, conduct, always, &expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_left_and_the_caller_hears_last_words() {
    let expected = [
        (OutcomeKind::Busy, None, None, Some("1.1")),
        (OutcomeKind::NotAccepted, None, None, Some("1.2")),
        (OutcomeKind::NoAnswer, None, None, Some("1.3")),
        (OutcomeKind::LastWords, Some(CallerEnd::Missed), None, None),
    ];
    lives(LADDER, &NOBODY, Conduct::default(), always, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_number_that_twilio_makes_no_call_to_has_failed() {
    let phones = [(FIRST, "rejected"), (SECOND, "rejected"), NOBODY[2]];
    let expected = [
        (OutcomeKind::Failed, None, None, Some("1.1")),
        (OutcomeKind::Failed, None, None, Some("1.2")),
        (OutcomeKind::NoAnswer, None, None, Some("1.3")),
        (OutcomeKind::LastWords, Some(CallerEnd::Missed), None, None),
    ];
    lives(LADDER, &phones, Conduct::default(), always, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_hangs_up_is_told_of_where_twilio_asks_then() {
    let phones = [(FIRST, "silent"), NOBODY[1], NOBODY[2]];
    let canceled = (OutcomeKind::Canceled, None, None, Some("1.1"));
    let gone = |step| {
        (
            OutcomeKind::HungUp,
            Some(CallerEnd::Missed),
            None,
            Some(step),
        )
    };
    let asks = |readings: Readings| readings.action_after_hang_up;
    let while_it_rings = [canceled, gone("1.1")];
    lives(LADDER, &phones, patience(10), asks, &while_it_rings).await;
    // Twilio may not ask: it is found out later that nothing followed.
    let silent = |readings: Readings| !readings.action_after_hang_up;
    lives(LADDER, &phones, patience(10), silent, &[canceled]).await;
    // Of a recording it asks by all readings: this one is too short for a message.
    let voicemail = "[[plan.step]]\nvoicemail = \"Speak.\"";
    let conduct = Conduct {
        message: Some(seconds(1)),
        hangs_up_after_message: true,
        ..Conduct::default()
    };
    lives(voicemail, &[], conduct, always, &[gone("1.1")]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_told_twice_has_one_id() {
    for (plan, phones) in [(NUMBER, [(FIRST, "busy"); 3]), (LADDER, NOBODY)] {
        let scene = Scene::new(Readings::default(), &phones, plan);
        *scene.way.lock() = Way::LosesAnswers;
        let log = scene.lived(Conduct::default()).await;
        let outcomes = scene.outcomes().await;
        let ids: BTreeSet<_> = outcomes.iter().map(|outcome| &outcome.id).collect();
        assert!(ids.len() < outcomes.len(), "something came twice");
        let mut expected: BTreeSet<_> = log.callees.iter().map(|c| c.call.to_string()).collect();
        expected.extend((plan == LADDER).then(|| log.call.to_string()));
        assert_eq!(ids, expected.iter().collect());
        judge(&log, &outcomes, true);
    }
}

fn conversation(callee: &CalleeLog) -> OutcomeKind {
    match callee.ended() {
        Some((CalleeEnd::Busy, _)) => OutcomeKind::Busy,
        Some((CalleeEnd::NoAnswer, _)) => OutcomeKind::NoAnswer,
        Some((CalleeEnd::Failed, _)) => OutcomeKind::Failed,
        _ if callee.picked_up().is_none() => OutcomeKind::Canceled,
        _ if callee.had_the_caller() => OutcomeKind::Answered,
        _ => OutcomeKind::NotAccepted,
    }
}

/// Whether what was told is what the caller, and whoever was rung, lived through. Ingests that know
/// other plans can't tell whether somebody was asked for a key.
pub fn judge(log: &CallerLog, outcomes: &[Outcome], knows_plans: bool) {
    let what = || format!("{log:#?}\n{outcomes:#?}");
    for callee in &log.callees {
        let id = callee.call.to_string();
        let mut told = outcomes.iter().filter(|o| o.id == id).peekable();
        assert!(told.peek().is_some(), "nothing of {id}: {}", what());
        let happened = conversation(callee);
        for outcome in told {
            assert_eq!(outcome.dialed_call_sid, Some(callee.call));
            let kind = outcome.outcome;
            let picked_up = [OutcomeKind::Answered, OutcomeKind::NotAccepted];
            let is_right = match happened {
                // It may have been shorter than the asking can be.
                OutcomeKind::Answered if callee.asked => picked_up.contains(&kind),
                _ if !knows_plans && picked_up.contains(&happened) => picked_up.contains(&kind),
                happened => kind == happened,
            };
            assert!(
                is_right,
                "{kind:?} of {id}, which was {happened:?}: {}",
                what()
            );
        }
    }
    let was_recorded = log
        .entries
        .iter()
        .any(|entry| matches!(entry.heard, Heard::Recorded { lasted } if lasted >= seconds(2)));
    let had = |outcome: &&Outcome| outcome.caller.is_some();
    for outcome in outcomes.iter().filter(had) {
        let fate = log.fate();
        let may_be = match (outcome.outcome, outcome.caller) {
            (OutcomeKind::Voicemail, Some(CallerEnd::Recorded)) => was_recorded,
            (OutcomeKind::Answered, Some(CallerEnd::Taken)) => true,
            (OutcomeKind::HungUp, Some(CallerEnd::Missed)) => {
                // Or they had somebody for less than the asking can take.
                fate == Fate::HungUp || log.callees.iter().any(|callee| callee.asked)
            }
            (OutcomeKind::LastWords, Some(CallerEnd::Missed)) => !was_recorded,
            (_, Some(CallerEnd::Missed)) => fate != Fate::Human && fate != Fate::Message,
            _ => false,
        };
        assert!(may_be, "{outcome:?}: {}", what());
    }
    let ends: BTreeSet<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.caller)
        .collect();
    assert_eq!(
        ends.contains(&CallerEnd::Recorded),
        was_recorded,
        "{}",
        what()
    );
    let talked = |callee: &CalleeLog| callee.had_the_caller() && !callee.asked;
    if knows_plans && log.callees.iter().any(talked) {
        assert_eq!(ends, BTreeSet::from([CallerEnd::Taken]), "{}", what());
    }
    let came_to_a_question = !log.callees.is_empty() || was_recorded;
    if log.fate() == Fate::LastSentence && came_to_a_question {
        let told = |outcome: &Outcome| outcome.outcome == OutcomeKind::LastWords;
        assert!(outcomes.iter().any(told), "{}", what());
    }
}
