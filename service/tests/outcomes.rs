//! Who is told what became of callers, and what is made of it.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use jiff::Timestamp;
use ladder::{Hop, Offer, PATH, Position, Stage};
use queue::{CallerEnd, OutcomeKind};
use service::plan::PlanArgs;
use service::settings::from_flags;
use service::{Plans, Problems};
use twilio::rest::CallStatus;
use twilio::twiml::MAX_INLINE_CHARS;
use twilio::{Caller, E164, FormParams, PublicUrl};

const QUEUE: &str = "WQ00000000000000000000000000000001";

/// A name that doesn't fit into a URL.
const NUMBER: &str = r#"
    [[plan]]
    name = "Köln / nachts"
    task_queue_sid = "WQ00000000000000000000000000000001"
    forward_to = "+14155550155"
"#;

const LADDER: &str = r#"
    [[plan]]
    name = "sales"
    task_queue_sid = "WQ00000000000000000000000000000001"
    time_zone = "UTC"

    [[plan.step]]
    dial = ["+14155550100", "+14155550101"]
    when = "Mo-Su 08:00-18:00"

    [[plan.step]]
    dial = ["+14155550102", "+14155550103"]
    accept = "Press 1 to take it."
    when = "Mo-Su 08:00-20:00"
"#;

const DAY: &str = "2026-11-27T11:00:00Z";
const EVENING: &str = "2026-11-27T19:00:00Z";
const NIGHT: &str = "2026-11-27T23:00:00Z";

fn public_url() -> PublicUrl {
    "https://overflow.example.com/flex".parse().unwrap()
}

fn read(text: &str) -> Plans {
    Plans::read(text, Some(&public_url())).unwrap()
}

/// As a process reads them, by its settings.
fn given(text: &str, flags: &[&str], public_url: Option<&PublicUrl>) -> Result<Plans, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, text).unwrap();
    let plans = format!("--redirect-plans={}", file.path().display());
    let args: PlanArgs = from_flags([&[plans.as_str()], flags].concat()).unwrap();
    let mut problems = Problems::default();
    let plans = args.resolve(public_url, &mut problems);
    problems.finish(plans).map_err(|wrong| wrong.to_string())
}

/// What a caller hears first, and what they get by it.
fn begins(plans: &Plans, now: &str) -> (String, Offer) {
    let plan = plans.default_plan().unwrap();
    let first = plan.begin(&Caller::default(), now.parse().unwrap());
    (first.twiml.as_str().to_owned(), first.offer)
}

/// The paths at which Twilio tells of endings, as the document names them.
fn told_at(document: &str) -> Vec<String> {
    let named = document.split("statusCallbackEvent=\"completed\" statusCallback=\"");
    let paths = named.skip(1).map(|rest| {
        let (url, overrides) = rest.split('"').next().unwrap().split_once('#').unwrap();
        assert!(overrides.starts_with("rc=5&amp;rp=all"), "{overrides}");
        let path = url
            .strip_prefix("https://overflow.example.com/flex")
            .unwrap();
        path.strip_prefix(PATH).unwrap().to_owned()
    });
    paths.collect()
}

#[test]
fn twilio_tells_how_each_call_to_a_number_ended() {
    let (document, offer) = begins(&read(NUMBER), DAY);
    assert_eq!(told_at(&document), [format!("{QUEUE}/1.1/number/ended")]);
    assert_eq!(offer, Offer::More);

    let plans = read(LADDER);
    let (document, offer) = begins(&plans, DAY);
    let hash = plans.default_plan().unwrap().ladder().unwrap().hash();
    let together = format!("sales/1.1/{hash}/ended");
    assert_eq!(told_at(&document), [together.clone(), together]);
    assert_eq!(offer, Offer::More);
    let (document, _) = begins(&plans, EVENING);
    assert_eq!(told_at(&document), [format!("sales/2.1/{hash}/ended")]);
}

#[test]
fn it_does_not_where_that_is_switched_off_or_nobody_could_hear_it() {
    for (text, flags, url) in [
        (NUMBER, vec!["--outcomes=false"], Some(public_url())),
        (LADDER, vec!["--outcomes=false"], Some(public_url())),
        (NUMBER, vec![], None),
    ] {
        let plans = given(text, &flags, url.as_ref()).unwrap();
        let (document, _) = begins(&plans, DAY);
        assert!(!document.contains("statusCallback"), "{document}");
        assert_eq!(plans.outcomes(), flags.is_empty());
    }
    let wrong = given(NUMBER, &["--outcomes=maybe"], None).unwrap_err();
    assert_eq!(
        wrong,
        "--outcomes: is neither true nor false (example: --outcomes=true)"
    );
}

#[test]
fn what_goes_with_the_redirect_counts_with_all_that_is_told() {
    let url = public_url();
    let silent = |notice: &str| {
        let text = format!("{NUMBER}    notice = \"{notice}\"");
        let length = |plans: Plans| begins(&plans, DAY).0.chars().count();
        let read = |flags: &[&str]| given(&text, flags, Some(&url)).map(length);
        (read(&["--outcomes=false"]), read(&[]))
    };
    let (without, with) = silent("Hold.");
    let left = MAX_INLINE_CHARS - with.unwrap();
    let notice = |length: usize| format!("Hold.{}", ".".repeat(length));
    assert_eq!(silent(&notice(left)).1.unwrap(), MAX_INLINE_CHARS);
    let (fits, is_too_long) = silent(&notice(left + 1));
    assert!(fits.unwrap() > without.unwrap());
    assert!(
        is_too_long
            .unwrap_err()
            .contains("notice: the TwiML has 4001 characters")
    );
}

#[test]
fn nobody_can_be_told_where_it_is_not_found_out() {
    let text = format!("{NUMBER}    notify = \"https://hooks.example.com/hush\"");
    assert!(given(&text, &[], None).is_ok());
    let refused = given(&text, &["--outcomes=false"], None).unwrap_err();
    assert!(
        refused.contains("\"Köln / nachts\": notify: needs OUTCOMES=true"),
        "{refused}"
    );
    assert!(!refused.contains("hush"), "{refused}");
}

#[test]
fn last_words_are_known_as_such() {
    let plans = read(LADDER);
    let (document, offer) = begins(&plans, NIGHT);
    assert!(document.contains("Nobody can take your call"));
    assert_eq!(offer, Offer::LastWords);

    let now: Timestamp = EVENING.parse().unwrap();
    let offer = |stage, go, params: &str| {
        let hop = Hop {
            plan: "sales",
            position: Position { step: 1, go },
            hash: "",
            again: false,
            stage,
        };
        let params = FormParams::parse(params.as_bytes());
        plans.answer(&hop, &params, now, &public_url()).offer
    };
    let busy = "DialCallStatus=busy";
    let talked = "DialCallStatus=completed&DialBridged=true&DialCallDuration=90";
    assert_eq!(offer(Stage::Asked, 0, busy), Offer::More);
    assert_eq!(offer(Stage::Asked, 1, busy), Offer::LastWords);
    assert_eq!(offer(Stage::Asked, 1, talked), Offer::Nothing);
    for about_whoever_picked_up in [Stage::PickedUp, Stage::Pressed] {
        assert_eq!(offer(about_whoever_picked_up, 1, ""), Offer::Nothing);
    }
    assert_eq!(
        offer(Stage::Recorded, 1, "RecordingDuration=9"),
        Offer::Nothing
    );
    assert_eq!(offer(Stage::NotRecorded, 1, ""), Offer::LastWords);
}

/// What the plan makes of a call to a number that rings there.
fn leg(
    text: &str,
    at: &str,
    status: CallStatus,
    seconds: u64,
) -> Option<(OutcomeKind, Option<CallerEnd>)> {
    let plans = read(text);
    let plan = plans.default_plan().unwrap();
    let ending = plan.leg(at.parse().unwrap(), status, Duration::from_secs(seconds))?;
    let step = (text == LADDER).then(|| at.to_owned());
    assert_eq!(ending.step, step);
    Some((ending.outcome, ending.caller))
}

#[test]
fn an_ending_means_something_for_the_caller() {
    const UNANSWERED: [(CallStatus, OutcomeKind); 4] = [
        (CallStatus::Busy, OutcomeKind::Busy),
        (CallStatus::NoAnswer, OutcomeKind::NoAnswer),
        (CallStatus::Failed, OutcomeKind::Failed),
        (CallStatus::Canceled, OutcomeKind::Canceled),
    ];
    let taken = Some((OutcomeKind::Answered, Some(CallerEnd::Taken)));
    assert_eq!(leg(NUMBER, "1.1", CallStatus::Completed, 1), taken);
    assert_eq!(leg(LADDER, "1.1", CallStatus::Completed, 1), taken);
    for (status, outcome) in UNANSWERED {
        let missed = Some((outcome, Some(CallerEnd::Missed)));
        assert_eq!(leg(NUMBER, "1.1", status, 0), missed, "nothing follows");
        assert_eq!(
            leg(LADDER, "1.1", status, 0),
            Some((outcome, None)),
            "the ladder goes on"
        );
    }
    // Where a key is asked for, whoever was on the line no longer than that takes did not take it.
    let asking = 2 + 10 + 8 + 5;
    let not_accepted = Some((OutcomeKind::NotAccepted, None));
    assert_eq!(
        leg(LADDER, "2.2", CallStatus::Completed, asking),
        not_accepted
    );
    assert_eq!(leg(LADDER, "2.2", CallStatus::Completed, asking + 1), taken);
    // Nobody knows whether a key was asked for at a step that is gone.
    assert_eq!(leg(LADDER, "9.1", CallStatus::Completed, 60), not_accepted);
    for status in [
        CallStatus::Queued,
        CallStatus::Ringing,
        CallStatus::InProgress,
        CallStatus::Unknown,
    ] {
        assert_eq!(leg(LADDER, "1.1", status, 0), None);
    }
}

#[test]
fn a_path_is_read_by_whichever_plans_there_are() {
    let read_by = |text: &str, path: &str| {
        let plans = read(text);
        let hop = Hop::parse(path).unwrap();
        let ending = plans.leg(&hop, CallStatus::Completed, Duration::from_secs(20));
        let ending = ending.unwrap();
        let unanswered = plans.leg(&hop, CallStatus::Busy, Duration::ZERO).unwrap();
        (
            plans.name_of(&hop).to_owned(),
            ending.outcome,
            unanswered.caller,
        )
    };
    let number = format!("{QUEUE}/1.1/number/ended");
    let of_ladder = "sales/2.1/0123abcd/ended";
    let missed = Some(CallerEnd::Missed);
    let was = |name: &str, outcome, caller| (name.to_owned(), outcome, caller);
    for (text, path, expected) in [
        (
            NUMBER,
            number.as_str(),
            was("Köln / nachts", OutcomeKind::Answered, missed),
        ),
        // The plan has steps now; the caller came when it had none.
        (LADDER, &number, was("sales", OutcomeKind::Answered, missed)),
        (
            LADDER,
            of_ladder,
            was("sales", OutcomeKind::NotAccepted, None),
        ),
        // A plan that is gone may have asked for a key.
        (
            NUMBER,
            of_ladder,
            was("sales", OutcomeKind::NotAccepted, None),
        ),
    ] {
        assert_eq!(read_by(text, path), expected, "{path}");
    }
}

#[test]
fn a_ladder_that_became_one_number_is_still_followed_by_words() {
    let plans = read(&NUMBER.replace("Köln / nachts", "sales"));
    let hop = Hop::parse("sales/1.1/0123abcd/dialed").unwrap();
    let busy = FormParams::parse(b"DialCallStatus=busy");
    let next = plans.answer(&hop, &busy, DAY.parse().unwrap(), &public_url());
    assert_eq!(next.offer, Offer::More);
    let told = told_at(next.twiml.as_str());
    let hop = Hop::parse(&told[0]).unwrap();
    let ending = plans.leg(&hop, CallStatus::Busy, Duration::ZERO).unwrap();
    assert_eq!((ending.outcome, ending.caller), (OutcomeKind::Busy, None));
}

#[test]
fn a_number_has_its_place() {
    let number = |text: &str| -> E164 { text.parse().unwrap() };
    let plans = read(LADDER);
    let plan = plans.default_plan().unwrap();
    for (rung, place) in [
        ("+14155550100", Some("1.1")),
        ("+14155550101", Some("1.1")),
        ("+14155550102", Some("2.1")),
        ("+14155550103", Some("2.2")),
        ("+14155550104", None),
    ] {
        let position = plan.position_of(&number(rung), Position::default());
        assert_eq!(
            position.map(|at| at.to_string()).as_deref(),
            place,
            "{rung}"
        );
    }
    let plans = read(NUMBER);
    let plan = plans.default_plan().unwrap();
    assert_eq!(
        plan.position_of(&number("+14155550155"), Position::default()),
        Some(Position::default())
    );
    assert_eq!(
        plan.position_of(&number("+14155550100"), Position::default()),
        None
    );
}
