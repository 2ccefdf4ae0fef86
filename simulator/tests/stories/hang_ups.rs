//! Callers who hang up, or are taken away.

use simulator::{CalleeEnd, CallerLog, Conduct, Fate, HangUp, Heard, PlaceCall, Readings};

use crate::support::{CONNECT, FIRST, Scene, dial, seconds, told};

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_gone_leaves_no_phone_ringing() {
    for action_after_hang_up in [false, true] {
        let readings = Readings {
            action_after_hang_up,
            ..Readings::default()
        };
        let scene = Scene::new(readings, &[(FIRST, "silent")]);
        scene.will(&[&dial(&[FIRST], true)]);
        let caller = scene.redirected(Conduct::default());
        let is_ringing = |log: &CallerLog| !log.callees.is_empty();
        scene
            .simulator
            .wait_until(|state| {
                let log = state.journal().caller(&caller.call_sid);
                log.is_some_and(is_ringing)
            })
            .await;
        assert!(scene.simulator.hang_up(caller.call_sid));
        let log = scene.log(caller);
        assert_eq!(log.callees[0].ended().unwrap().0, CalleeEnd::Canceled);
        assert_eq!(log.fate(), Fate::HungUp);
        if action_after_hang_up {
            scene.until_asked("/dialed").await;
            let asked = scene.asked_once("/dialed");
            assert_eq!(told(&asked, "DialCallStatus"), "canceled");
            assert_eq!(told(&asked, "CallStatus"), "completed");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn callers_hang_up_by_themselves() {
    let phones = [(FIRST, "answers")];
    let scene = Scene::new(Readings::default(), &phones);
    scene.will(&[&dial(&[FIRST], false)]);
    let talks = Conduct {
        talks: Some(seconds(60)),
        ..Conduct::default()
    };
    let caller = scene.redirected(talks);
    let log = scene.over(caller).await;
    assert_eq!(log.callees[0].ended().unwrap().0, CalleeEnd::CallerGone);
    assert_eq!(log.fate(), Fate::Human);
    let by = HangUp::Caller;
    assert_eq!(log.entries.last().unwrap().heard, Heard::HungUp { by });

    let impatient = Conduct {
        patience: Some(seconds(15)),
        ..Conduct::default()
    };
    let waiting = PlaceCall {
        conduct: impatient,
        ..PlaceCall::into_placeholder()
    };
    let caller = scene.simulator.place_call(waiting).unwrap();
    assert_eq!(scene.over(caller).await.fate(), Fate::HungUp);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_redirected_away_is_cut_and_its_action_asked_for() {
    let scene = Scene::new(Readings::default(), &[]);
    scene.will(&[&dial(&[FIRST], false)]);
    let caller = scene.redirected(Conduct::default());
    scene
        .simulator
        .wait_until(|state| {
            let log = state.journal().caller(&caller.call_sid);
            log.is_some_and(|log| log.dialled().count() == 1)
        })
        .await;
    scene.will(&[CONNECT]);
    scene.redirect(caller);
    scene.until_asked("/dialed").await;
    let asked = scene.asked_once("/dialed");
    assert_eq!(told(&asked, "DialCallStatus"), "completed");
    let log = scene.log(caller);
    assert_eq!(log.conversations_cut(), 1);
    assert_eq!(log.callees[0].ended().unwrap().0, CalleeEnd::CallerGone);
    assert!(!log.was_dialled_twice_at_once());
}
