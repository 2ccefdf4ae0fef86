//! Phones that ring, and what callers and callees hear.

use simulator::{
    Callee, CalleeEnd, CalleeLog, Conduct, DialOutcome, Fate, Heard, Phone, PickUp, Readings,
    RefusedWhisper,
};

use crate::support::{CONNECT, FIRST, Reply, SORRY, Scene, dial, seconds, told};

const SECOND: &str = "+14155550102";
/// A whisper.
const ASK: &str = r#"<Response><Gather numDigits="1" timeout="10" action="/pressed">
    <Say>Press 1 to take a call for Sales.</Say></Gather><Hangup/></Response>"#;

fn what(callee: &CalleeLog) -> Vec<Callee> {
    callee.moments.iter().map(|m| m.what.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn who_presses_the_key_has_the_caller() {
    let scene = Scene::new(
        Readings::default(),
        &[(FIRST, "answers,presses=1,stays=60")],
    );
    scene.will(&[
        &dial(&[FIRST], true),
        ASK,
        CONNECT,
        "<Response><Hangup/></Response>",
    ]);
    let caller = scene.redirected(Conduct::default());
    let log = scene.over(caller).await;

    let [callee] = &log.callees[..] else {
        panic!("{log:?}");
    };
    let expected = [
        Callee::Rung,
        Callee::PickedUp,
        Callee::Heard("Press 1 to take a call for Sales.".into()),
        Callee::Pressed('1'),
        Callee::Connected,
        Callee::Ended(CalleeEnd::HungUp),
    ];
    assert_eq!(what(callee), expected);
    assert!(
        log.entries
            .iter()
            .any(|entry| entry.heard == Heard::Ringing)
    );
    assert_eq!(log.fate(), Fate::Human);
    assert!(!log.was_given_away_without_a_key());
    assert_eq!(log.conversations_cut(), 0);

    for (path, digits) in [("/whisper", None), ("/pressed", Some("1"))] {
        let asked = scene.asked_once(path);
        assert_eq!(asked.param("Digits").as_deref(), digits);
        assert_eq!(told(&asked, "CallSid"), callee.call.as_str());
        assert_eq!(told(&asked, "ParentCallSid"), caller.call_sid.as_str());
        assert_eq!(told(&asked, "To"), FIRST);
        assert_eq!(told(&asked, "Direction"), "outbound-dial");
    }
    let asked = scene.asked_once("/dialed");
    assert_eq!(told(&asked, "CallSid"), caller.call_sid.as_str());
    assert_eq!(told(&asked, "DialCallSid"), callee.call.as_str());
    assert_eq!(told(&asked, "DialCallStatus"), "completed");
    assert_eq!(told(&asked, "DialBridged"), "true");
    let lasted: u64 = told(&asked, "DialCallDuration").parse().unwrap();
    assert_eq!(lasted, 60);
}

#[tokio::test(start_paused = true)]
async fn where_it_is_not_said_that_one_key_is_enough_another_is_waited_for() {
    let connected_after = async |ask: &str| {
        let phone = "answers,thinks=9,presses=1,stays=60";
        let scene = Scene::new(Readings::default(), &[(FIRST, phone)]);
        scene.will(&[&dial(&[FIRST], true), ask, CONNECT, SORRY]);
        let log = scene.over(scene.redirected(Conduct::default())).await;
        let callee = &log.callees[0];
        callee.when(|what| *what == Callee::Connected).unwrap() - callee.picked_up().unwrap()
    };
    assert_eq!(connected_after(ASK).await, seconds(9));
    let any = ASK.replace("numDigits=\"1\" ", "");
    assert_eq!(connected_after(&any).await, seconds(9 + 10));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_says_why() {
    for (phone, status, end) in [
        ("busy", "busy", CalleeEnd::Busy),
        ("silent", "no-answer", CalleeEnd::NoAnswer),
        ("answers,rings=21", "no-answer", CalleeEnd::NoAnswer),
        ("failed", "failed", CalleeEnd::Failed),
    ] {
        let scene = Scene::new(Readings::default(), &[(FIRST, phone)]);
        scene.will(&[&dial(&[FIRST], true), SORRY]);
        let caller = scene.redirected(Conduct::default());
        let log = scene.over(caller).await;
        let asked = scene.asked_once("/dialed");
        assert_eq!(told(&asked, "DialCallStatus"), status);
        assert_eq!(told(&asked, "DialBridged"), "false");
        assert_eq!(asked.param("DialCallDuration"), None);
        assert_eq!(what(&log.callees[0]), [Callee::Rung, Callee::Ended(end)]);
        assert_eq!(log.fate(), Fate::LastSentence, "{phone}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_whisper_is_told_by_each_reading() {
    for (refused_whisper, status, bridged) in [
        (RefusedWhisper::NoAnswer, "no-answer", "false"),
        (RefusedWhisper::Completed, "completed", "false"),
        (RefusedWhisper::CompletedAndBridged, "completed", "true"),
    ] {
        let readings = Readings {
            refused_whisper,
            ..Readings::default()
        };
        // A mailbox hears all of it; somebody presses the wrong key; somebody hangs up.
        for phone in ["mailbox", "answers,presses=2", "answers,stays=3"] {
            let scene = Scene::new(readings, &[(FIRST, phone)]);
            scene.will(&[&dial(&[FIRST], true), ASK]);
            let refused = "<Response><Hangup/></Response>";
            match phone {
                "answers,presses=2" => scene.will(&[refused, SORRY]),
                _ => scene.will(&[SORRY]),
            }
            let caller = scene.redirected(Conduct::default());
            let log = scene.over(caller).await;
            let asked = scene.asked_once("/dialed");
            assert_eq!(told(&asked, "DialCallStatus"), status, "{phone}");
            assert_eq!(told(&asked, "DialBridged"), bridged, "{phone}");
            assert!(asked.param("DialCallDuration").is_some());
            assert_eq!(log.fate(), Fate::LastSentence, "{phone}");
            assert!(!log.callees[0].had_the_caller());
            let outcome = log.entries.iter().find_map(|entry| match &entry.heard {
                Heard::Dialled(dial) => Some(dial.outcome),
                _ => None,
            });
            assert_eq!(outcome, Some(DialOutcome::Refused));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whether_others_ring_on_while_somebody_is_asked_is_a_reading() {
    let phones = [
        (FIRST, "mailbox,rings=1"),
        (SECOND, "answers,rings=8,presses=1,stays=60"),
    ];
    for others_ring_on in [false, true] {
        let readings = Readings {
            others_ring_on,
            ..Readings::default()
        };
        let scene = Scene::new(readings, &phones);
        scene.will(&[&dial(&[FIRST, SECOND], true), ASK]);
        match others_ring_on {
            true => scene.will(&[ASK, CONNECT, SORRY]),
            false => scene.will(&[SORRY]),
        }
        let caller = scene.redirected(Conduct::default());
        let log = scene.over(caller).await;
        let ends: Vec<_> = log.callees.iter().map(|c| c.ended().unwrap().0).collect();
        match others_ring_on {
            true => {
                assert_eq!(ends, [CalleeEnd::Canceled, CalleeEnd::HungUp]);
                assert_eq!(log.fate(), Fate::Human);
            }
            false => {
                assert_eq!(ends, [CalleeEnd::Refused, CalleeEnd::Canceled]);
                assert_eq!(log.fate(), Fate::LastSentence);
            }
        }
        assert!(!log.was_dialled_twice_at_once());
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_nobody_asks_swallows_the_caller() {
    let scene = Scene::new(Readings::default(), &[(FIRST, "mailbox,stays=30")]);
    scene.will(&[&dial(&[FIRST], false), SORRY]);
    let caller = scene.redirected(Conduct::default());
    let log = scene.over(caller).await;
    assert_eq!(log.fate(), Fate::Mailbox);
    let empty = Scene::new(Readings::default(), &[(FIRST, "mailbox,stays=30")]);
    empty.will(&[&dial(&[FIRST], true), CONNECT, SORRY]);
    let caller = empty.redirected(Conduct::default());
    let log = empty.over(caller).await;
    assert!(log.was_given_away_without_a_key());
}

#[tokio::test(start_paused = true)]
async fn a_whisper_that_cannot_be_fetched_ends_the_call_to_whoever_picked_up() {
    let scene = Scene::new(Readings::default(), &[(FIRST, "mailbox")]);
    scene.will(&[&dial(&[FIRST], true)]);
    scene.web.will([Reply::Status(500)]);
    scene.will(&[SORRY]);
    let caller = scene.redirected(Conduct::default());
    let log = scene.over(caller).await;
    assert_eq!(log.callees[0].ended().unwrap().0, CalleeEnd::Refused);
    assert_eq!(log.fate(), Fate::LastSentence);
}

#[tokio::test(start_paused = true)]
async fn an_action_that_cannot_be_fetched_is_an_application_error() {
    let scene = Scene::new(Readings::default(), &[(FIRST, "busy")]);
    let overrides = dial(&[FIRST], false).replace("/dialed", "/dialed#rc=2&amp;rp=5xx");
    scene.will(&[&overrides]);
    scene.web.will([500, 503, 502].map(Reply::Status));
    let caller = scene.redirected(Conduct::default());
    let log = scene.over(caller).await;
    assert_eq!(scene.asked("/dialed").len(), 3);
    assert_eq!(log.fate(), Fate::ApplicationError);

    let began = scene.simulator.inspect(|state| state.elapsed());
    scene.will(&[&dial(&[FIRST], false)]);
    scene.web.will([Reply::Hang]);
    let caller = scene.redirected(Conduct::default());
    assert_eq!(scene.over(caller).await.fate(), Fate::ApplicationError);
    let passed = scene.simulator.inspect(|state| state.elapsed()) - began;
    // It rang for three.
    assert_eq!(passed.as_secs(), 3 + 15);
}

#[tokio::test(start_paused = true)]
async fn numbers_in_sequence_ring_one_after_another() {
    let scene = Scene::new(
        Readings::default(),
        &[(FIRST, "busy"), (SECOND, "answers,stays=9")],
    );
    let sequence = dial(&[FIRST, SECOND], false).replace("<Dial", "<Dial sequential=\"true\"");
    scene.will(&[&sequence, SORRY]);
    let caller = scene.redirected(Conduct::default());
    let log = scene.over(caller).await;
    let (first, second) = (&log.callees[0], &log.callees[1]);
    assert!(first.ended().unwrap().1 <= second.moments[0].at);
    assert_eq!(log.fate(), Fate::Human);
}

#[tokio::test(start_paused = true)]
async fn instructions_that_end_without_a_word_are_silence() {
    let scene = Scene::new(Readings::default(), &[(FIRST, "busy")]);
    scene.will(&[&dial(&[FIRST], false), CONNECT]);
    let caller = scene.redirected(Conduct::default());
    assert_eq!(scene.over(caller).await.fate(), Fate::Silence);
}

#[tokio::test(start_paused = true)]
async fn a_phone_can_be_changed_at_any_time() {
    let scene = Scene::new(Readings::default(), &[(FIRST, "busy")]);
    let somebody = Phone {
        stays: Some(seconds(5)),
        ..Phone::default()
    };
    for (phone, fate) in [
        (PickUp::Failed.into(), Fate::LastSentence),
        (somebody, Fate::Human),
    ] {
        scene.simulator.set_phone(FIRST.parse().unwrap(), phone);
        scene.will(&[&dial(&[FIRST], false), SORRY]);
        let caller = scene.redirected(Conduct::default());
        assert_eq!(scene.over(caller).await.fate(), fate);
    }
}
