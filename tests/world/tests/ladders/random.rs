//! Ladders, phones, callers and weather by chance: whatever happens, a caller ends with somebody, a
//! message, their own hang-up or words.

use std::collections::BTreeSet;

use simulator::{Conduct, Fate, Readings};
use tokio::time::Instant;

use super::outcomes::judge;
use super::scene::{FIRST, SECOND, Scene, THIRD, Way};
use super::seconds;

const FOURTH: &str = "+14155550104";
const NUMBERS: [&str; 4] = [FIRST, SECOND, THIRD, FOURTH];

const LIVES: u64 = 2_000;

fn one_of<T: Copy>(dice: &mut fastrand::Rng, these: &[T]) -> T {
    these[dice.usize(..these.len())]
}

fn ladder(dice: &mut fastrand::Rng) -> String {
    let steps = (0..dice.usize(1..=5)).map(|_| {
        let numbers: Vec<_> = dice.choose_multiple(NUMBERS, dice.clone().usize(1..=4));
        let when = one_of(dice, &["", "", "when = \"Mo-Su 06:00-12:00\"\n"]);
        let does = match dice.u8(..6) {
            0 | 1 => format!("dial = {numbers:?}\naccept = \"Press 1 to take a call.\""),
            2 | 3 => format!("dial = {numbers:?}\ntimeout = {}", dice.u8(5..40)),
            4 => "voicemail = \"Please leave a message.\"".to_owned(),
            _ => "say = \"Please hold.\"".to_owned(),
        };
        format!("[[plan.step]]\n{when}{does}\n")
    });
    let steps: String = steps.collect();
    format!("time_zone = \"UTC\"\n{steps}")
}

fn phone(dice: &mut fastrand::Rng) -> String {
    let kind = one_of(
        dice,
        &["busy", "silent", "failed", "mailbox", "answers", "answers"],
    );
    let mut phone = format!("{kind},rings={}", dice.u8(..30));
    if kind == "mailbox" {
        phone += &format!(",stays={}", dice.u8(20..120));
    }
    if kind == "answers" {
        let key = one_of(dice, &["", ",presses=1", ",presses=1", ",presses=2"]);
        phone += &format!("{key},thinks={},stays={}", dice.u8(..12), dice.u8(1..120));
    }
    phone
}

#[tokio::test(start_paused = true)]
async fn whatever_a_ladder_and_the_phones_do_nobody_is_left_in_silence() {
    let readings: Vec<_> = Readings::all().collect();
    let mut fates = BTreeSet::new();
    for seed in 0..LIVES {
        let mut dice = fastrand::Rng::with_seed(seed);
        let text = ladder(&mut dice);
        let phones = NUMBERS.map(|number| (number, phone(&mut dice)));
        let told: Vec<_> = phones
            .iter()
            .map(|(n, phone)| (*n, phone.as_str()))
            .collect();
        let conduct = Conduct {
            patience: dice.bool().then(|| seconds(dice.u64(1..200))),
            talks: dice.bool().then(|| seconds(dice.u64(1..200))),
            message: dice.bool().then(|| seconds(dice.u64(..60))),
            hangs_up_after_message: dice.bool(),
        };
        let readings = one_of(&mut dice, &readings);
        let other = ladder(&mut dice);
        let scene = Scene::with_other_plans(readings, &told, &text, &other);
        let caller = scene.redirected(conduct);
        let begins = Instant::now() + seconds(dice.u64(..90));
        let (way, lasts) = (scene.way.clone(), seconds(dice.u64(..11)));
        let weather = dice.u8(..4);
        let turns = async move {
            tokio::time::sleep_until(begins).await;
            match weather {
                0 => {}
                1 => *way.lock() = Way::LosesAnswers,
                2 => *way.lock() = Way::OtherPlans,
                _ => *way.lock() = Way::SilentUntil(Instant::now() + lasts),
            }
            std::future::pending().await
        };
        let log = tokio::select! {
            log = scene.over(caller) => log,
            () = turns => unreachable!("the weather has no end"),
        };
        let what =
            format!("seed {seed}, {readings:?}, {conduct:?}\n{text}{other}{told:#?}\n{log:#?}");
        let fate = log.fate();
        let may_reach_a_mailbox = (text + &other).contains("timeout = ");
        let is_good = match fate {
            Fate::Human | Fate::Message | Fate::HungUp | Fate::LastSentence => true,
            Fate::Mailbox => may_reach_a_mailbox,
            Fate::UnderWay | Fate::Silence | Fate::ApplicationError => false,
        };
        assert!(is_good, "{fate:?}: {what}");
        assert!(!log.was_dialled_twice_at_once(), "{what}");
        assert!(!log.was_given_away_without_a_key(), "{what}");
        assert_eq!(log.conversations_cut(), 0, "{what}");
        let told = scene.outcomes().await;
        judge(&log, &told, weather != 2);
        fates.insert(fate);
    }
    assert_eq!(fates.len(), 5, "{fates:?}");
}
