//! What an overview says where something is missing: a part that should answer, a look that should have
//! been taken, the queue. What isn't known is not told as if it were.

#![allow(clippy::unwrap_used, reason = "tests")]

mod scene;

use overview::{Overview, Whereabouts};
use queue::{Cause, Consumer, Message, Publish, Queue, Reason};
use scene::{SECOND, Scene, assert_not_well, request, sid, watch_for};
use service::report::{AtWork, Sweep};

fn silent(overview: &Overview) -> usize {
    let processes = overview.processes.iter();
    processes.filter(|process| process.is_silent).count()
}

async fn dies(consumer: &mut dyn Consumer, reason: Reason) {
    let cause = Cause {
        reason,
        attempts: 1,
        last_error: None,
    };
    let delivery = consumer.next().await.unwrap();
    delivery.dead_letter(&cause).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pair_without_its_ingest_or_its_redirector_is_not_well() {
    const NO_INGEST: &str = "no ingest says how it stands";
    let scene = Scene::new();
    let watcher = scene.watcher();
    let overview = watcher.overview().await;
    let no_redirector = "no redirector is at the queue";
    assert_not_well(&overview, &[no_redirector, NO_INGEST]);
    let _redirector = scene.redirector(1).await;
    assert_not_well(&*watch_for(&watcher, 2).await, &[NO_INGEST]);
    scene.process("ingest", 2);
    assert_not_well(&*watch_for(&watcher, 2).await, &[]);
    // It dies: it is named, and once.
    scene.broker.kill("ingest-2", 10);
    let overview = watch_for(&watcher, 10).await;
    assert_not_well(&overview, &["ingest 2 on here has said nothing for "]);
    assert_not_well(&*watch_for(&watcher, 400).await, &[NO_INGEST]);
}

#[tokio::test(start_paused = true)]
async fn while_the_queue_is_away_nobody_is_counted_and_nobody_is_missed() {
    let scene = Scene::new();
    let (redirector, watcher) = (scene.redirector(1).await, scene.watcher());
    scene.process("ingest", 2);
    redirector.holds(vec![scene.at_work(1, 0)]);
    assert_eq!(watcher.overview().await.callers, Some(1));
    scene.broker.disconnect("watcher", 10);
    for seconds in [1, 60] {
        let overview = watch_for(&watcher, seconds).await;
        assert_not_well(&overview, &["the queue can't be used: "]);
        assert_eq!((overview.callers, overview.queued), (None, None));
        let said = &overview.sentence;
        let expected = "Who waits is not known; the queue can't be used: ";
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(silent(&overview), 0);
    }
    redirector.holds(vec![scene.at_work(2, 0)]);
    scene.broker.connect("watcher");
    for _ in 0..10 {
        let overview = watch_for(&watcher, 1).await;
        assert_not_well(&overview, &[]);
        assert_eq!((overview.callers, silent(&overview)), (Some(1), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_left_while_nobody_looked_is_not_missed() {
    let scene = Scene::new();
    let (watcher, _stays) = (scene.watcher(), scene.redirector(1).await);
    scene.process("ingest", 3);
    let leaves = scene.redirector(2).await;
    assert_eq!(watcher.overview().await.processes.len(), 3);
    tokio::time::sleep(SECOND * 60).await;
    leaves.queue.close().await;
    tokio::time::sleep(SECOND * 60).await;
    for _ in 0..10 {
        let overview = watch_for(&watcher, 1).await;
        assert_not_well(&overview, &[]);
        assert_eq!(overview.processes.len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_stands_by_does_not_answer_for_one_that_hangs() {
    let scene = Scene::new();
    scene.process("ingest", 3);
    let _hangs = {
        let hangs = scene.broker.open("hangs", queue::Options::default());
        hangs.consume(queue::Lane::Redirects, 1).await.unwrap()
    };
    let standby = scene.process("redirector", 2);
    standby.says(|report| report.redirector.as_mut().unwrap().stands_by = true);
    let overview = scene.watcher().overview().await;
    assert_not_well(&overview, &["1 of 1 redirectors at the queue"]);
}

#[tokio::test(start_paused = true)]
async fn the_past_is_not_whole_before_the_queue_could_tell_it() {
    let scene = Scene::new();
    let (redirector, watcher) = (scene.redirector(1).await, scene.watcher());
    scene.process("ingest", 2);
    // The reading has begun, and nothing was read.
    tokio::time::sleep(SECOND / 10).await;
    scene.broker.disconnect("watcher", 10);
    redirector.tells(scene.redirected(1, 60).into()).await;
    let overview = watch_for(&watcher, 20).await;
    assert!(!overview.day.is_whole);
    scene.broker.connect("watcher");
    let overview = watch_for(&watcher, 1).await;
    assert!(overview.day.is_whole);
    assert_eq!(overview.day.plans[0].redirected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_at_two_redirectors_is_one_caller() {
    let scene = Scene::new();
    let (one, two) = (scene.redirector(1).await, scene.redirector(2).await);
    scene.process("ingest", 3);
    let retried = AtWork {
        attempts: 3,
        last_error: Some("Twilio answered 503".to_owned()),
        ..scene.at_work(1, 20)
    };
    // What the sweep of the first has put on the queue came to itself.
    one.holds(vec![scene.at_work(1, 20), scene.at_work(2, 1)]);
    two.holds(vec![retried]);
    let overview = scene.watcher().overview().await;
    assert_eq!((overview.callers, overview.waiting.len()), (Some(2), 2));
    let first = &overview.waiting[0];
    assert_eq!(first.call_sid, sid("CA", 1));
    let is_told = matches!(first.whereabouts, Whereabouts::Retried { attempts: 3, .. });
    assert!(is_told, "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn callers_of_a_sweep_long_ago_are_not_told_as_if_they_waited() {
    let scene = Scene::new();
    let (redirector, watcher) = (scene.redirector(1).await, scene.watcher());
    scene.process("ingest", 2);
    redirector.swept(scene.ago(5), vec![scene.on_hold(1, 20)]);
    assert_eq!(watcher.overview().await.callers, Some(1));
    let overview = watch_for(&watcher, 180).await;
    assert_eq!(overview.callers, Some(0));
    assert!(overview.waiting.is_empty());
    let missed = "redirector 1 on here has not seen all who are on hold at Twilio for 3 min";
    assert_not_well(&overview, &[missed]);
    // Or one never came through.
    redirector.says(|report| {
        report.redirector.as_mut().unwrap().sweep = Some(Sweep {
            at: None,
            due: scene.ago(1),
            callers: Vec::new(),
        });
    });
    let overview = watch_for(&watcher, 2).await;
    let missed = "redirector 1 on here has not seen all who are on hold at Twilio: ";
    assert_not_well(&overview, &[missed]);
    assert_eq!(overview.swept_at, None);
}

#[tokio::test(start_paused = true)]
async fn a_caller_on_hold_who_was_given_up_needs_a_person() {
    let scene = Scene::new();
    let mut redirector = scene.redirector(1).await;
    scene.process("ingest", 2);
    let given_up = Message::from(request(1, scene.ago(20)));
    redirector.queue.publish(&given_up).await.unwrap();
    dies(
        &mut **redirector.consumer.as_mut().unwrap(),
        Reason::Refused,
    )
    .await;
    redirector.swept(
        scene.ago(1),
        vec![scene.on_hold(1, 20), scene.on_hold(2, 20)],
    );
    let overview = scene.watcher().overview().await;
    assert_eq!(overview.callers, Some(2));
    let told = overview.waiting.iter().map(|waiting| &waiting.whereabouts);
    let [Whereabouts::GivenUp, Whereabouts::Nobody] = told.collect::<Vec<_>>()[..] else {
        panic!("{:?}", overview.waiting)
    };
    let expected = [
        "1 caller on hold at Twilio whose request is a dead letter",
        "1 caller on hold at Twilio whom none of us has",
        "1 call could not be redirected within the past hour: refused",
    ];
    assert_not_well(&overview, &expected);
}
