//! When a step is in force.

#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use ladder::{Calendar, Hours, InvalidHours};

fn berlin() -> Calendar {
    Calendar::new("Europe/Berlin", Some("DE"), ["2026-12-24"]).unwrap()
}

fn at(local: &str, calendar: &Calendar) -> Timestamp {
    calendar.moment(local.parse().unwrap()).unwrap()
}

#[test]
fn hours_are_meant_in_their_time_zone_summer_and_winter_and_as_clocks_are_turned() {
    let calendar = berlin();
    let hours = Hours::new("Mo-Su 01:30-03:30", &calendar).unwrap();
    for (utc, is_in_force) in [
        // In winter Berlin is an hour ahead, in summer two.
        ("2026-01-14T00:29:59Z", false),
        ("2026-01-14T00:30:00Z", true),
        ("2026-07-15T01:29:59Z", true),
        ("2026-07-15T01:30:00Z", false),
        // The 29th of March has no 02:30: at 01:00 UTC it is 3 o'clock.
        ("2026-03-29T00:30:00Z", true),
        ("2026-03-29T01:00:00Z", true),
        ("2026-03-29T01:30:00Z", false),
        // The 25th of October has it twice.
        ("2026-10-25T00:30:00Z", true),
        ("2026-10-25T01:30:00Z", true),
        ("2026-10-25T02:30:00Z", false),
    ] {
        assert_eq!(hours.contain(utc.parse().unwrap()), is_in_force, "{utc}");
    }
}

#[test]
fn holidays_and_days_of_ones_own_are_off_and_have_steps_of_their_own() {
    let calendar = berlin();
    let hours = |text| Hours::new(text, &calendar).unwrap();
    let (office, of_days_off) = (hours("Mo-Fr 08:00-18:00; PH off"), hours("PH 00:00-24:00"));
    // Says nothing of holidays, so the country's don't count, but one's own days do.
    let every_day = hours("Mo-Fr 08:00-18:00");
    for (day, on_office, on_every_day) in [
        ("2026-12-23T10:00", true, true),
        ("2026-12-24T10:00", false, false),
        ("2026-12-25T10:00", false, true),
        ("2026-12-28T10:00", true, true),
        ("2026-12-28T18:00", false, false),
    ] {
        let now = at(day, &calendar);
        assert_eq!(office.contain(now), on_office, "{day}");
        assert_eq!(every_day.contain(now), on_every_day, "{day}");
        let is_off = day < "2026-12-26" && day > "2026-12-24";
        assert_eq!(of_days_off.contain(now), is_off, "{day}");
    }
    let from = "2026-12-20".parse().unwrap();
    let days: Vec<_> = calendar.closed_days(from, 3);
    let days: Vec<_> = days.iter().map(ToString::to_string).collect();
    assert_eq!(days, ["2026-12-24", "2026-12-25", "2026-12-26"]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let calendar = |zone, country, closed| Calendar::new(zone, country, Some(closed)).err();
    assert_eq!(
        calendar("Europe/Berlim", None, "2026-12-24"),
        Some(InvalidHours::TimeZone("Europe/Berlim".into()))
    );
    assert_eq!(
        calendar("Europe/Berlin", Some("Germany"), "2026-12-24"),
        Some(InvalidHours::Country("Germany".into()))
    );
    assert_eq!(
        calendar("Europe/Berlin", None, "24.12."),
        Some(InvalidHours::Day("24.12.".into()))
    );
    let nowhere = Calendar::new("UTC", None, []).unwrap();
    assert_eq!(
        Hours::new("PH off", &nowhere).err(),
        Some(InvalidHours::NoCountry)
    );
    let refused = Hours::new("from nine to five", &berlin());
    assert!(matches!(refused, Err(InvalidHours::Syntax(_))));
}

#[test]
fn the_next_change_is_told_over_holidays_days_of_ones_own_and_turned_clocks() {
    let calendar = berlin();
    for (hours, from, changes) in [
        (
            "Mo-Fr 08:00-18:00; PH off",
            "2026-12-23T10:00",
            "2026-12-23T18:00",
        ),
        // The 24th is off, the 25th a holiday, then it is the weekend.
        (
            "Mo-Fr 08:00-18:00; PH off",
            "2026-12-23T18:00",
            "2026-12-28T08:00",
        ),
        ("Mo-Fr 08:00-18:00", "2026-12-23T18:00", "2026-12-25T08:00"),
        ("24/7", "2026-12-23T18:00", "2026-12-24T00:00"),
        ("24/7", "2026-12-24T10:00", "2026-12-25T00:00"),
        ("Mo-Su 02:30-10:00", "2026-03-29T00:00", "2026-03-29T03:30"),
    ] {
        let hours = Hours::new(hours, &calendar).unwrap();
        let change = hours.next_change(at(from, &calendar)).unwrap();
        let local = calendar.at(change).to_string();
        assert_eq!(local, format!("{changes}:00"), "{hours:?} from {from}");
        assert_ne!(hours.contain(at(from, &calendar)), hours.contain(change));
    }
    let always = Calendar::new("Europe/Berlin", None, []).unwrap();
    let always = Hours::new("24/7", &always).unwrap();
    assert_eq!(always.next_change(Timestamp::UNIX_EPOCH), None);
}
