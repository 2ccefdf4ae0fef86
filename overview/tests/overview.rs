//! What an overview says, over a queue in memory and processes that are played.

#![allow(clippy::unwrap_used, reason = "tests")]

mod scene;

use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use overview::{Overview, Whereabouts};
use parking_lot::Mutex;
use queue::{
    CallerEnd, Cause, Content, Lane, Message, Options, OutcomeKind, Publish, Queue, Reason,
};
use scene::{SECOND, Scene, assert_not_well, request, sid, watch_for};
use service::report::{Api, AtWork, IngestReport, Stage, Trouble};

fn whereabouts(overview: &Overview) -> Vec<String> {
    let waiting = overview.waiting.iter();
    let told = waiting.map(|waiting| format!("{:?}", waiting.whereabouts));
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn all_is_well_where_nobody_waits_and_every_redirector_answers() {
    let scene = Scene::new();
    let (_one, _two) = (scene.redirector(1).await, scene.redirector(2).await);
    let _ingest = scene.process("ingest", 3);
    let overview = scene.watcher().overview().await;
    assert_eq!(overview.sentence, "Nobody is waiting; all parts well.");
    assert_not_well(&overview, &[]);
    let names: Vec<_> = overview.processes.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "ingest 3 on here",
            "redirector 1 on here",
            "redirector 2 on here"
        ]
    );
    assert!(overview.day.is_whole);
    assert_eq!(overview.day.hours.len(), 24);
    assert_eq!(overview.plans[0].steps[0].masked, "rings +…00");
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_with_where_and_for_how_long() {
    let scene = Scene::new();
    let (redirector, ingest) = (scene.redirector(1).await, scene.process("ingest", 2));
    redirector.holds(vec![
        scene.at_work(1, 2),
        AtWork {
            stage: Stage::Pausing,
            attempts: 2,
            last_error: Some("Twilio answered 503".to_owned()),
            next_at: Some(scene.clock.now() + SECOND),
            ..scene.at_work(2, 4)
        },
    ]);
    ingest.says(|report| {
        report.ingest = Some(IngestReport {
            spooled: 1,
            callers: vec![scene.on_hold(3, 1)],
        });
    });
    let overview = scene.watcher().overview().await;
    assert_eq!(overview.callers, Some(3));
    let told = whereabouts(&overview);
    let retried = told[0].contains("Retried") && told[0].contains("503");
    assert!(retried, "{told:?}");
    assert!(told[1].contains("AtRedirector"), "{told:?}");
    let spooled = told[2].contains("Spool") && told[2].contains("ingest 2");
    assert!(spooled, "{told:?}");
    assert_not_well(&overview, &["1 message in the spool of ingest 2"]);
    let said = &overview.sentence;
    assert!(
        said.starts_with("3 callers waiting, the longest "),
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_wrong_makes_nobody_wait_longer() {
    let scene = Scene::new();
    let there = Scene {
        broker: scene.broker.clone(),
        clock: Clock::simulated(scene.clock.now() - SECOND * 3600),
    };
    scene.process("ingest", 2);
    let redirector = there.redirector(1).await;
    redirector.holds(vec![there.at_work(1, 4)]);
    let overview = scene.watcher().overview().await;
    let since = overview.waiting[0].since.unwrap();
    let waited = overview.at.duration_since(since).as_secs();
    assert!((4..10).contains(&waited), "{waited}");
    assert_not_well(&overview, &[]);
}

#[tokio::test(start_paused = true)]
async fn whoever_should_answer_and_does_not_is_named() {
    let scene = Scene::new();
    let watcher = scene.watcher();
    scene.process("ingest", 3);
    let (first, _second) = (scene.redirector(1).await, scene.redirector(2).await);
    // Of another version, perhaps.
    let mute = scene.broker.open("mute", Options::default());
    let at_queue = mute.consume(Lane::Redirects, 1).await.unwrap();
    let overview = watcher.overview().await;
    assert_not_well(&overview, &["1 of 3 redirectors at the queue"]);

    drop(at_queue);
    assert_not_well(&*watch_for(&watcher, 5).await, &[]);
    scene.broker.kill("redirector-1", 10);
    drop(first.consumer);
    let overview = watch_for(&watcher, 10).await;
    assert_not_well(&overview, &["redirector 1 on here has said nothing for "]);
    assert!(overview.processes.iter().any(|process| process.is_silent));
    let overview = watch_for(&watcher, 400).await;
    assert_not_well(&overview, &[]);
    assert_eq!(overview.processes.len(), 2, "it is gone for good");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stops_is_not_missed() {
    let scene = Scene::new();
    let watcher = scene.watcher();
    scene.process("ingest", 3);
    let (_stays, leaves) = (scene.redirector(1).await, scene.redirector(2).await);
    assert_eq!(watcher.overview().await.processes.len(), 3);
    leaves.says(|report| report.stopping = true);
    leaves.queue.close().await;
    drop(leaves);
    let overview = watch_for(&watcher, 20).await;
    assert_not_well(&overview, &[]);
    assert_eq!(overview.processes.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_while_nobody_looks() {
    let scene = Scene::new();
    let (redirector, other) = (scene.redirector(1).await, scene.process("ingest", 2));
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    other.queue.report(Arc::new(move || {
        *counted.lock() += 1;
        Vec::new()
    }));
    let watcher = scene.watcher();
    tokio::time::sleep(SECOND * 60).await;
    assert_eq!(*count.lock(), 0);
    watcher.overview().await;
    tokio::time::sleep(SECOND * 60).await;
    let asked = *count.lock();
    assert!((2..15).contains(&asked), "{asked}");
    // Whoever looks again is told how it stands then.
    redirector.holds(vec![scene.at_work(1, 0)]);
    tokio::time::sleep(SECOND * 60).await;
    let overview = watcher.overview().await;
    assert_eq!(overview.callers, Some(1));
    assert!(!overview.processes[0].is_silent);
}

#[tokio::test(start_paused = true)]
async fn a_caller_whom_nobody_has_is_told_and_not_one_who_was_helped_since() {
    let scene = Scene::new();
    let redirector = scene.redirector(1).await;
    scene.process("ingest", 2);
    let held = scene.at_work(2, 20);
    let on_hold = vec![
        scene.on_hold(1, 50),
        held.caller.clone(),
        scene.on_hold(3, 20),
    ];
    redirector.holds(vec![held]);
    redirector.swept(scene.ago(5), on_hold);
    let helped = Content::from(scene.redirected(3, 2));
    redirector.tells(helped).await;
    let overview = scene.watcher().overview().await;
    let first = &overview.waiting[0];
    assert!(
        matches!(first.whereabouts, Whereabouts::Nobody),
        "{first:?}"
    );
    assert_eq!(first.call_sid, sid("CA", 1));
    assert_eq!((overview.waiting.len(), overview.callers), (2, Some(2)));
    let swept = overview.at.duration_since(overview.swept_at.unwrap());
    assert!((5..10).contains(&swept.as_secs()), "{swept:?}");
    let lost = "1 caller on hold at Twilio whom none of us has";
    assert_not_well(&overview, &[lost]);
}

#[tokio::test(start_paused = true)]
async fn while_requests_wait_on_the_queue_a_caller_on_hold_may_be_one_of_them() {
    let scene = Scene::new();
    let redirector = scene.redirector(1).await;
    redirector.swept(
        scene.ago(5),
        vec![scene.on_hold(1, 20), scene.on_hold(2, 15)],
    );
    let queue = scene.process("ingest", 2).queue;
    for n in [1, 2] {
        let request = Message::from(request(n, scene.ago(20)));
        queue.publish(&request).await.unwrap();
    }
    let overview = scene.watcher().overview().await;
    // The consumer has a prefetch of one, and nobody takes what it has.
    assert_eq!(overview.queued, Some(2));
    assert_eq!(whereabouts(&overview), ["Queue", "Queue"]);
    assert_eq!(overview.callers, Some(2));
    assert_not_well(&overview, &[]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_well_is_told_worst_first_with_what_to_do() {
    let scene = Scene::new();
    let (redirector, ingest) = (scene.redirector(1).await, scene.process("ingest", 2));
    ingest.says(|report| {
        report.troubles.push(Trouble {
            works: true,
            why: "requests go to the spool: the connection was lost".to_owned(),
        });
    });
    redirector.holds(vec![AtWork {
        attempts: 7,
        last_error: Some("Twilio answered 429".to_owned()),
        ..scene.at_work(1, 40)
    }]);
    redirector.says(|report| {
        report.redirector.as_mut().unwrap().apis.push(Api {
            name: "calls".to_owned(),
            in_flight: 0,
            allowance: 25,
            in_line: 3,
            held_back: true,
        });
    });
    let overview = scene.watcher().overview().await;
    assert_not_well(
        &overview,
        &[
            "ingest 2 on here works with less than it should have: requests go to the spool",
            "a caller has waited for 4",
            "redirector 1 on here holds back requests to Twilio (calls)",
        ],
    );
    let waits = &overview.not_well[1].what;
    assert!(waits.ends_with(": Twilio answered 429"), "{waits}");
    assert!(
        overview
            .not_well
            .iter()
            .all(|found| !found.to_do.is_empty())
    );
    let said = &overview.sentence;
    assert!(said.starts_with("1 caller waiting, for 4"), "{said}");
    assert!(said.ends_with("2 other things to see to."), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_told_with_its_reason_in_words() {
    let scene = Scene::new();
    scene.process("ingest", 2);
    let mut redirector = scene.redirector(1).await;
    let request = Message::from(request(1, scene.ago(1)));
    redirector.queue.publish(&request).await.unwrap();
    let consumer = redirector.consumer.as_mut().unwrap();
    let cause = Cause {
        reason: Reason::Refused,
        attempts: 3,
        last_error: Some("Twilio answered 400".to_owned()),
    };
    let delivery = consumer.next().await.unwrap();
    delivery.dead_letter(&cause).await.unwrap();
    let overview = scene.watcher().overview().await;
    let letter = &overview.dead.shown[0];
    assert_eq!(letter.why, "Twilio refused the redirect for good");
    assert_eq!((letter.attempts, letter.call_sid), (3, Some(sid("CA", 1))));
    assert_eq!(overview.dead.by_reason, [("refused".to_owned(), 1)]);
    let given_up = "1 call could not be redirected within the past hour: refused";
    assert_not_well(&overview, &[given_up]);
}

#[tokio::test(start_paused = true)]
async fn redirects_and_what_became_of_them_are_told_of_the_past_and_as_they_come() {
    use OutcomeKind::{Answered, Busy, HungUp, Voicemail};
    let scene = Scene::new();
    let redirector = scene.redirector(1).await;
    for n in 1..=3 {
        let redirected = Content::from(scene.redirected(n, 60));
        redirector.tells(redirected).await;
    }
    let watcher = scene.watcher();
    let overview = watcher.overview().await;
    assert_eq!(overview.day.plans[0].redirected, 3);
    let newest = &overview.recent[0];
    assert_eq!(newest.call_sid, sid("CA", 3));
    assert_eq!((newest.outcome, newest.end), (None, None));

    for (n, outcome, end) in [
        (1, Busy, None),
        (1, Answered, Some(CallerEnd::Taken)),
        (2, Voicemail, Some(CallerEnd::Recorded)),
        (3, HungUp, Some(CallerEnd::Missed)),
        // Twilio's word comes late.
        (3, Answered, Some(CallerEnd::Taken)),
        // And may come twice.
        (3, Answered, Some(CallerEnd::Taken)),
    ] {
        let outcome = Content::Outcome(scene.outcome(n, outcome, end));
        redirector.tells(outcome).await;
    }
    tokio::time::sleep(SECOND).await;
    let overview = watcher.overview().await;
    let plan = &overview.day.plans[0];
    assert_eq!((plan.taken, plan.recorded, plan.missed), (2, 1, 0));
    let hour = overview.day.hours.last().unwrap();
    assert_eq!((hour.redirected, hour.taken, hour.missed), (3, 3, 0));
    assert_eq!(overview.recent[0].end, Some(CallerEnd::Taken));
    assert_eq!(overview.recent[2].outcome, Some(Answered));
    // In the form that programs read.
    let json = serde_json::to_value(&*overview).unwrap();
    assert_eq!(json["recent"][0]["took_ms"], 200);
    assert_eq!(json["day"]["plans"][0]["p95_ms"], 200);
    assert!(!json.to_string().contains("5550100"), "{json}");
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_plan_who_reach_nobody_are_told_with_the_usual_reason() {
    let scene = Scene::new();
    scene.process("ingest", 2);
    let redirector = scene.redirector(1).await;
    for n in 1..=5 {
        let redirected = Content::from(scene.redirected(n, 60));
        redirector.tells(redirected).await;
        let missed = scene.outcome(n, OutcomeKind::Failed, Some(CallerEnd::Missed));
        redirector.tells(Content::Outcome(missed)).await;
    }
    let watcher = scene.watcher();
    let overview = watcher.overview().await;
    let nobody = "callers of plan \"sales\" are redirected, and nobody has them: failed";
    assert_not_well(&overview, &[nobody]);
    assert!(overview.not_well[0].to_do.contains("13214"));
    let taken = scene.outcome(6, OutcomeKind::Answered, Some(CallerEnd::Taken));
    redirector.tells(Content::Outcome(taken)).await;
    assert_not_well(&*watch_for(&watcher, 1).await, &[]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_outside_the_hours_is_no_reason_for_alarm() {
    let scene = Scene::new();
    scene.process("ingest", 2);
    let redirector = scene.redirector(1).await;
    for n in 1..=5 {
        let closed = scene.outcome(n, OutcomeKind::Closed, Some(CallerEnd::Missed));
        redirector.tells(Content::Outcome(closed)).await;
    }
    let overview = scene.watcher().overview().await;
    assert_not_well(&overview, &[]);
    assert_eq!(overview.day.plans[0].missed, 5);
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_caller_is_counted_by_the_hour_of_the_redirect() {
    const MINUTE: u32 = 60;
    // It is half past.
    let scene = Scene::new();
    let (redirector, watcher) = (scene.redirector(1).await, scene.watcher());
    let taken = |n| scene.outcome(n, OutcomeKind::Answered, Some(CallerEnd::Taken));
    redirector
        .tells(scene.redirected(1, 40 * MINUTE).into())
        .await;
    for ended in [1, 2] {
        redirector.tells(Content::Outcome(taken(ended))).await;
    }
    // This was told later than what came of it.
    redirector
        .tells(scene.redirected(2, 40 * MINUTE).into())
        .await;
    let overview = watcher.overview().await;
    let hours = &overview.day.hours[22..];
    let told = hours.iter().map(|hour| (hour.redirected, hour.taken));
    assert_eq!(told.collect::<Vec<_>>(), [(2, 2), (0, 0)]);
    assert_eq!(overview.recent[0].end, Some(CallerEnd::Taken));
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_a_day_is_forgotten() {
    const HOUR: Duration = Duration::from_secs(3600);
    let scene = Scene::new();
    let (redirector, watcher) = (scene.redirector(1).await, scene.watcher());
    let counts = |overview: &Overview| -> Vec<u64> {
        let hours = overview.day.hours.iter();
        hours.map(|hour| hour.redirected).collect()
    };
    for n in [1, 2] {
        let redirected = Content::from(scene.redirected(n, 0));
        redirector.tells(redirected).await;
        watcher.overview().await;
        tokio::time::sleep(HOUR).await;
    }
    let told = counts(&*watcher.overview().await);
    assert_eq!(told[21..], [1, 1, 0]);
    tokio::time::sleep(HOUR * 22).await;
    let overview = watcher.overview().await;
    let told = counts(&overview);
    assert_eq!((told[0], told.iter().sum()), (1, 1));
    assert_eq!(overview.day.plans[0].redirected, 1);
}
