//! Ladders, as callers and those who are rung hear them: the real ingest answers, by tokio's clock.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod edge;
mod outcomes;
mod random;
mod scene;

use std::collections::BTreeSet;
use std::time::Duration;

use simulator::{CalleeEnd, CallerLog, Conduct, Fate, Readings};
use tokio::time::Instant;

use scene::{FIRST, LADDER, SECOND, Scene, THIRD, Way};

/// Nobody is there.
const NOBODY: [(&str, &str); 3] = [(FIRST, "busy"), (SECOND, "mailbox"), (THIRD, "silent")];

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ends(log: &CallerLog) -> Vec<CalleeEnd> {
    let ends = log.callees.iter().filter_map(|callee| callee.ended());
    ends.map(|(end, _)| end).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_is_busy_the_second_a_mailbox_the_third_takes_it() {
    let phones = [
        (FIRST, "busy"),
        (SECOND, "mailbox,rings=10"),
        (THIRD, "answers,presses=1,stays=120"),
    ];
    for readings in Readings::all() {
        let log = Scene::new(readings, &phones, LADDER)
            .lived(Conduct::default())
            .await;
        assert_eq!(log.fate(), Fate::Human, "{readings:?}");
        let expected = [CalleeEnd::Busy, CalleeEnd::Refused, CalleeEnd::HungUp];
        assert_eq!(ends(&log), expected, "{readings:?}");
        assert!(log.callees[2].had_the_caller());
    }
}

#[tokio::test(start_paused = true)]
async fn who_presses_the_wrong_key_or_hangs_up_does_not_have_the_caller() {
    for phone in [
        "answers",
        "answers,presses=2",
        "answers,stays=3",
        "answers,presses=1,thinks=30",
    ] {
        let phones = [(FIRST, phone), (SECOND, "answers,presses=1,stays=60")];
        for readings in Readings::all() {
            let log = Scene::new(readings, &phones, LADDER)
                .lived(Conduct::default())
                .await;
            assert_eq!(log.fate(), Fate::Human, "{phone} {readings:?}");
            assert!(!log.callees[0].had_the_caller(), "{phone} {readings:?}");
            assert!(log.callees[1].had_the_caller(), "{phone} {readings:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_is_there_a_message_is_left_or_the_last_sentence_heard() {
    let leaves = |message| Conduct {
        message: Some(message),
        ..Conduct::default()
    };
    let hangs_up = Conduct {
        hangs_up_after_message: true,
        ..leaves(seconds(20))
    };
    for readings in Readings::all() {
        for (conduct, fate) in [
            (leaves(seconds(20)), Fate::Message),
            (leaves(seconds(1000)), Fate::Message),
            (hangs_up, Fate::Message),
            (leaves(seconds(1)), Fate::LastSentence),
            (Conduct::default(), Fate::LastSentence),
        ] {
            let log = Scene::new(readings, &NOBODY, LADDER).lived(conduct).await;
            assert_eq!(log.fate(), fate, "{conduct:?} {readings:?}");
            let expected = [CalleeEnd::Busy, CalleeEnd::Refused, CalleeEnd::NoAnswer];
            assert_eq!(ends(&log), expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_that_ring_together_are_one_step() {
    let together = LADDER.replace("accept = \"Press 1 to take a call for Sales.\"", "");
    let phones = [
        (FIRST, "silent"),
        (SECOND, "answers,rings=7,stays=60"),
        (THIRD, "answers,rings=9,stays=60"),
    ];
    for readings in Readings::all() {
        let log = Scene::new(readings, &phones, &together)
            .lived(Conduct::default())
            .await;
        assert_eq!(log.fate(), Fate::Human);
        let expected = [CalleeEnd::Canceled, CalleeEnd::HungUp, CalleeEnd::Canceled];
        assert_eq!(ends(&log), expected, "{readings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_hang_up_at_each_moment() {
    let mut fates = BTreeSet::new();
    for third in ["silent", "answers,presses=1,stays=60"] {
        let phones = [NOBODY[0], NOBODY[1], (THIRD, third)];
        for readings in [
            Readings::default(),
            Readings {
                action_after_hang_up: true,
                ..Readings::default()
            },
        ] {
            for patience in (0..160).map(|n| Duration::from_millis(n * 500 + 250)) {
                let conduct = Conduct {
                    patience: Some(patience),
                    message: Some(seconds(10)),
                    ..Conduct::default()
                };
                let log = Scene::new(readings, &phones, LADDER).lived(conduct).await;
                let fate = log.fate();
                let served = [Fate::HungUp, Fate::Human, Fate::Message];
                assert!(served.contains(&fate), "{patience:?} {log:?}");
                fates.insert(fate);
            }
        }
    }
    assert_eq!(fates.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn where_no_ingest_answers_for_15_seconds_twilio_says_so_itself() {
    let scene = Scene::new(Readings::default(), &NOBODY, LADDER);
    let caller = scene.redirected(Conduct::default());
    *scene.way.lock() = Way::Closed;
    assert_eq!(scene.over(caller).await.fate(), Fate::ApplicationError);

    for (away, fate) in [(12, Fate::LastSentence), (16, Fate::ApplicationError)] {
        let scene = Scene::new(Readings::default(), &NOBODY, LADDER);
        let caller = scene.redirected(Conduct::default());
        // The first number has rung for three seconds when Twilio asks.
        let until = Instant::now() + seconds(3 + away);
        *scene.way.lock() = Way::SilentUntil(until);
        assert_eq!(scene.over(caller).await.fate(), fate, "{away}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_twice_is_answered_alike() {
    let phones = [NOBODY[0], NOBODY[1], (THIRD, "answers,presses=1,stays=60")];
    for readings in Readings::all() {
        let scene = Scene::new(readings, &phones, LADDER);
        *scene.way.lock() = Way::LosesAnswers;
        let log = scene.lived(Conduct::default()).await;
        let expected = [CalleeEnd::Busy, CalleeEnd::Refused, CalleeEnd::HungUp];
        assert_eq!(ends(&log), expected, "{readings:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_ingest_answers_for_a_whisper_nobody_gets_the_caller_without_a_key() {
    let phones = [
        (FIRST, "mailbox,rings=5"),
        (SECOND, "answers,presses=1,stays=60"),
    ];
    let scene = Scene::new(Readings::default(), &phones, LADDER);
    let caller = scene.redirected(Conduct::default());
    // Away when the mailbox picks up, back when Twilio asks what is next.
    *scene.way.lock() = Way::Closed;
    let call = caller.call_sid;
    let is_over = |log: &CallerLog| log.callees.first().is_some_and(|c| c.ended().is_some());
    scene
        .simulator
        .wait_until(|state| {
            let over = state.journal().caller(&call).is_some_and(is_over);
            if over {
                *scene.way.lock() = Way::Open;
            }
            over
        })
        .await;
    let log = scene.over(caller).await;
    assert!(!log.was_given_away_without_a_key());
    assert_eq!(ends(&log)[0], CalleeEnd::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_is_asked_late_is_no_conversation() {
    for readings in Readings::all() {
        let phones = [(FIRST, "mailbox,rings=5"), (SECOND, "busy"), NOBODY[2]];
        let scene = Scene::new(readings, &phones, LADDER);
        let caller = scene.redirected(Conduct::default());
        let until = tokio::time::Instant::now() + seconds(5 + 12);
        *scene.way.lock() = Way::SilentUntil(until);
        let log = scene.over(caller).await;
        assert_eq!(log.fate(), Fate::LastSentence, "{readings:?}");
    }
}
