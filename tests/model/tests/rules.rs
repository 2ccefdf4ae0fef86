//! The rules hold, and each is needed.

use model::Fault::{self, ConfirmLost, Gap, Kill, NoAnswer, Pause};
use model::{Omission, Trouble, search};

#[test]
fn with_all_rules_nobody_is_updated_twice_and_nobody_is_left_waiting() {
    let states = search(None, &Fault::ALL).unwrap();
    assert!(states > 1_000_000, "{states} states are not everything");
}

#[test]
fn without_any_one_rule_a_caller_is_updated_twice() {
    use Omission as O;
    for (omission, faults) in [
        (O::NewIncarnation, &[Kill][..]),
        (O::OwnSuccess, &[]),
        (O::OwnUnanswered, &[NoAnswer]),
        (O::EventAges, &[Kill]),
        (O::LookByAsking, &[NoAnswer]),
        (O::LookAfterW, &[NoAnswer]),
        (O::LateInW, &[NoAnswer, Pause]),
        (O::GInW, &[NoAnswer, Pause]),
        (O::PInW, &[NoAnswer, Pause]),
        (O::ReadBackOwn, &[]),
        (O::OwnById, &[ConfirmLost]),
        (O::CheckBeforeSend, &[]),
        (O::IntentAges, &[]),
        (O::AgeFromSubmission, &[]),
        (O::ReadBackAtStart, &[Kill]),
        (O::GapIsDoubt, &[Gap]),
    ] {
        let found = search(Some(omission), faults);
        assert!(
            matches!(found, Err(Trouble::Twice(_))),
            "{omission:?}: {found:?}"
        );
    }
}

#[test]
fn who_appends_while_waiting_or_minds_who_comes_behind_postpones_the_other_for_ever() {
    for omission in [Omission::ProofFirst, Omission::BehindDoesNotCount] {
        let found = search(Some(omission), &[]);
        assert!(
            matches!(found, Err(Trouble::Stuck(_))),
            "{omission:?}: {found:?}"
        );
    }
}

#[test]
fn the_story_of_a_failure_can_be_read() {
    let Err(Trouble::Twice(story)) = search(Some(Omission::OwnSuccess), &[]) else {
        panic!("nothing found");
    };
    let second = "A takes a copy\n\
                  A has the event as proof\n\
                  A has its intent logged\n\
                  A reads on\n\
                  A updates the call: 200";
    assert_eq!(story, format!("{second}\n{second}"));
}
