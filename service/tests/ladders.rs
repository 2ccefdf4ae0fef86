//! What callers and those who are rung meet on a ladder, hop by hop.

#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use ladder::{Hop, PATH};
use service::Plans;
use twilio::{Caller, FormParams, PublicUrl};

const PLANS: &str = r#"
    [[plan]]
    name = "sales"
    task_queue_sid = "WQ00000000000000000000000000000001"
    time_zone = "Europe/Berlin"
    holidays = "DE"
    caller_id_fallback = "+14155550190"

    [[plan.step]]
    dial = ["+14155550100", "+14155550101"]
    timeout = 20
    when = "Mo-Fr 08:00-18:00; PH off"

    [[plan.step]]
    dial = ["+14155550102", "+14155550103"]
    accept = "Press 1 to take a call for Sales."
    caller_id = "called"

    [[plan.step]]
    voicemail = "Please leave your name and number."

    [[plan.step]]
    say = "Please call again tomorrow."
"#;

const NOON: &str = "2026-11-27T11:00:00Z";
const NIGHT: &str = "2026-11-27T23:00:00Z";

fn public_url() -> PublicUrl {
    "https://overflow.example.com/flex".parse().unwrap()
}

fn read(text: &str) -> Plans {
    Plans::read(text, Some(&public_url())).unwrap()
}

/// A call on the ladder: what it is told now, and the paths that the document names.
#[derive(Clone)]
struct Call {
    plans: Plans,
    now: Timestamp,
    document: String,
}

impl Call {
    fn begin(text: &str, now: &str) -> Self {
        let (plans, now) = (read(text), now.parse().unwrap());
        let called = FormParams::parse(b"To=%2B14155550111&From=%2B14155550122");
        let first = plans
            .default_plan()
            .unwrap()
            .begin(&Caller::of(&called), now);
        Self {
            document: first.twiml.as_str().to_owned(),
            plans,
            now,
        }
    }

    /// Twilio asks for the URL that ends in `stage`.
    fn asks(&mut self, stage: &str, params: &str) -> &mut Self {
        let path = self.path(stage);
        assert_eq!(
            self.answer(&path, params),
            Some(Hop::parse(&path).unwrap().hash)
        );
        self
    }

    /// The same of an ingest that may have other plans.
    fn asks_others(&mut self, stage: &str, params: &str) -> &mut Self {
        let path = self.path(stage);
        self.answer(&path, params);
        self
    }

    /// The hash of the ladder that what is told now comes from.
    fn answer(&mut self, path: &str, params: &str) -> Option<&str> {
        let hop = Hop::parse(path).unwrap();
        let numbers = "To=%2B14155550111&From=%2B14155550122";
        let params = FormParams::parse(format!("{numbers}&{params}").as_bytes());
        let next = self.plans.answer(&hop, &params, self.now, &public_url());
        self.document = next.twiml.as_str().to_owned();
        next.hash
    }

    /// What follows [`PATH`] in the URL of the document that ends in `stage`.
    fn path(&self, stage: &str) -> String {
        let end = format!("/{stage}#");
        let mut urls = self.document.split(['"', '>']);
        let asked = |text: &str| stage == "dialed" && text.contains("/asked#");
        let url = urls.find(|text| text.contains(&end) || asked(text));
        let url = url.unwrap_or_else(|| panic!("no {stage} in {}", self.document));
        let (url, overrides) = url.split_once('#').unwrap();
        // Whoever picked up hears nothing until they are asked.
        let is_quick = ["picked-up", "pressed"].contains(&stage);
        let retries = if is_quick { "rc=2" } else { "rc=5" };
        assert!(overrides.starts_with(retries), "{overrides}");
        let path = url
            .strip_prefix("https://overflow.example.com/flex")
            .unwrap();
        path.strip_prefix(PATH).unwrap().to_owned()
    }

    fn rings(&self) -> Vec<&str> {
        let numbers = self
            .document
            .split("</Number>")
            .filter_map(|part| part.rsplit('>').next());
        numbers.filter(|number| number.starts_with('+')).collect()
    }

    fn says(&self, text: &str) -> bool {
        self.document.contains(text)
    }

    fn ends(&self) -> bool {
        self.document.ends_with("<Hangup/></Response>") && !self.says("<Gather")
    }
}

#[test]
fn by_day_a_team_rings_together_and_by_night_the_first_step_is_skipped() {
    let call = Call::begin(PLANS, NOON);
    assert_eq!(call.rings(), ["+14155550100", "+14155550101"]);
    assert!(call.says("timeout=\"20\"") && !call.says("callerId"));
    let call = Call::begin(PLANS, NIGHT);
    assert_eq!(call.rings(), ["+14155550102"]);
    // They see which of the company's numbers was called.
    assert!(call.says("callerId=\"+14155550111\""));
}

#[test]
fn whoever_is_busy_or_silent_is_followed_by_the_next_and_nobody_by_a_voicemail() {
    for nobody in [
        "DialCallStatus=busy",
        "DialCallStatus=no-answer",
        "DialCallStatus=failed",
        "DialCallStatus=canceled",
        "DialCallStatus=completed&DialBridged=false&DialCallDuration=9",
        // Nobody pressed the key, by the least helpful reading of the documentation.
        "DialCallStatus=completed&DialBridged=true&DialCallDuration=15",
    ] {
        let mut call = Call::begin(PLANS, NIGHT);
        assert_eq!(
            call.asks("dialed", nobody).rings(),
            ["+14155550103"],
            "{nobody}"
        );
        call.asks("dialed", nobody);
        assert!(
            call.says("Please leave your name") && call.says("<Record"),
            "{nobody}"
        );
        // Whatever Twilio does after <Record> where nothing was recorded.
        for (stage, params) in [("recorded", "RecordingDuration=1"), ("not-recorded", "")] {
            let mut call = Call {
                document: call.document.clone(),
                ..Call::begin(PLANS, NIGHT)
            };
            assert!(call.asks(stage, params).says("call again tomorrow") && call.ends());
        }
        call.asks("recorded", "RecordingDuration=2&RecordingSid=RE1");
        assert!(call.ends() && !call.says("<Say"), "{}", call.document);
    }
}

#[test]
fn nobody_is_rung_for_a_caller_who_has_been_talked_to() {
    let mut call = Call::begin(PLANS, NOON);
    // Without a key, whoever picked up had the caller, however short it was.
    call.asks(
        "dialed",
        "DialCallStatus=completed&DialBridged=true&DialCallDuration=1",
    );
    assert_eq!(call.document, Call::begin(PLANS, NIGHT).hang_up());
    let mut call = Call::begin(PLANS, NIGHT);
    call.asks(
        "dialed",
        "DialCallStatus=completed&DialBridged=true&DialCallDuration=60",
    );
    assert!(call.ends() && !call.says("<Say"));
}

impl Call {
    fn hang_up(&self) -> String {
        let head = self.document.split("<Response>").next().unwrap();
        format!("{head}<Response><Hangup/></Response>")
    }
}

#[test]
fn only_the_key_connects_and_everything_else_ends_that_leg() {
    let mut asked = Call::begin(PLANS, NIGHT);
    asked.asks("picked-up", "");
    assert!(asked.says("Press 1 to take a call for Sales.") && asked.says("<Hangup/>"));
    for (keys, connects) in [
        ("1", true),
        ("2", false),
        ("11", false),
        ("", false),
        ("*", false),
    ] {
        let mut call = Call {
            document: asked.document.clone(),
            ..Call::begin(PLANS, NIGHT)
        };
        call.asks("pressed", &format!("Digits={keys}"));
        // An empty answer connects.
        assert_eq!(call.says("<Response/>"), connects, "{keys}");
        assert_eq!(call.ends(), !connects, "{keys}");
    }
}

#[test]
fn a_ladder_ends_in_words_and_a_caller_without_a_number_is_dialled_with_another() {
    let text = r#"
        [[plan]]
        name = "night"
        task_queue_sid = "WQ00000000000000000000000000000001"
        caller_id_fallback = "+14155550190"
        [[plan.step]]
        dial = ["+14155550100"]
    "#;
    let mut call = Call::begin(text, NOON);
    call.asks("dialed", "DialCallStatus=busy");
    assert!(call.says("<Say>Nobody can take your call") && call.ends());
    let plans = read(text);
    let withheld = Caller::of(&FormParams::parse(b"From=%2B266696687"));
    let first = plans
        .default_plan()
        .unwrap()
        .begin(&withheld, NOON.parse().unwrap());
    assert!(first.twiml.as_str().contains("callerId=\"+14155550190\""));
}

#[test]
fn a_ladder_that_changed_goes_on_with_what_there_is() {
    let before = Call::begin(PLANS, NIGHT);
    let hop = before.path("dialed");
    let busy = FormParams::parse(b"DialCallStatus=busy");
    let talked = FormParams::parse(b"DialBridged=true&DialCallDuration=90");
    let answer = |plans: &str, hop: &str, params: &FormParams| {
        let now = NOON.parse().unwrap();
        let (hop, plans) = (Hop::parse(hop).unwrap(), read(plans));
        let next = plans.answer(&hop, params, now, &public_url());
        (next.twiml.as_str().to_owned(), next.hash == Some(hop.hash))
    };
    // Another number, another sentence: the place is the same.
    let (document, is_the_same) = answer(&PLANS.replace("0103", "0104"), &hop, &busy);
    assert!(document.contains("+14155550104") && !is_the_same);
    // The step is gone, and those behind it.
    let shorter = PLANS
        .split("[[plan.step]]")
        .take(2)
        .collect::<Vec<_>>()
        .join("[[plan.step]]");
    let (document, is_the_same) = answer(&shorter, &hop, &busy);
    assert!(document.contains("Nobody can take your call") && !is_the_same);
    // The plan has another name, or one number only now: the caller begins anew, unless they have
    // been talked to.
    for (plans, begins_with) in [
        (PLANS.replace("\"sales\"", "\"selling\""), "+14155550100"),
        (
            "[[plan]]\nname = \"sales\"\ntask_queue_sid = \"WQ00000000000000000000000000000001\"\n\
             forward_to = \"+14155550155\""
                .to_owned(),
            "+14155550155",
        ),
    ] {
        let (document, is_the_same) = answer(&plans, &hop, &busy);
        assert!(document.contains(begins_with) && !is_the_same, "{document}");
        let (document, _) = answer(&plans, &hop, &talked);
        assert_eq!(document, before.hang_up());
        let asked = hop.replace("asked", "picked-up");
        assert_eq!(answer(&plans, &asked, &busy).0, before.hang_up());
    }
}

#[test]
fn a_caller_on_a_ladder_that_became_one_number_is_told_when_nobody_is_there() {
    let number = "[[plan]]\nname = \"sales\"\ntask_queue_sid = \"WQ00000000000000000000000000000001\"\n\
                  forward_to = \"+14155550155\"";
    for (number, nobody) in [
        (number.to_owned(), "DialCallStatus=busy&DialBridged=false"),
        (
            number.replace("sales", "selling"),
            "DialCallStatus=no-answer",
        ),
    ] {
        let mut call = Call::begin(PLANS, NIGHT);
        call.plans = read(&number);
        assert_eq!(call.asks_others("dialed", nobody).rings(), ["+14155550155"]);
        let talked = "DialBridged=true&DialCallDuration=90";
        let mut another = call.clone();
        let ended = another.asks_others("dialed", talked);
        assert_eq!(ended.document, call.hang_up());
        assert!(
            call.asks_others("dialed", nobody)
                .says("Nobody can take your call")
                && call.ends()
        );
    }
}

#[test]
fn two_ingests_that_do_not_know_each_others_plans_send_nobody_round() {
    let steps = "task_queue_sid = \"WQ00000000000000000000000000000001\"\n\
                 [[plan.step]]\ndial = [\"+14155550100\"]\n";
    let [one, other] =
        ["sales", "selling"].map(|name| format!("[[plan]]\nname = \"{name}\"\n{steps}"));
    let mut call = Call::begin(&one, NOON);
    let busy = FormParams::parse(b"DialCallStatus=busy");
    let mut rung = 1;
    for plans in [&other, &one].into_iter().cycle().take(8) {
        let path = call.path("dialed");
        let plans = read(plans);
        let hop = Hop::parse(&path).unwrap();
        let next = plans.answer(&hop, &busy, call.now, &public_url());
        call.document = next.twiml.as_str().to_owned();
        if call.ends() {
            break;
        }
        rung += 1;
    }
    assert_eq!(rung, 2, "it begins anew once");
    assert!(call.says("Nobody can take your call") && call.ends());
}

#[test]
fn what_is_said_before_an_attempt_that_is_skipped_is_not_the_last_word() {
    let text = r#"
        [[plan]]
        name = "sales"
        task_queue_sid = "WQ00000000000000000000000000000001"
        time_zone = "Europe/Berlin"
        [[plan.step]]
        say = "One moment, we connect you."
        [[plan.step]]
        dial = ["+14155550100"]
        when = "Mo-Fr 08:00-18:00"
    "#;
    let call = Call::begin(text, NIGHT);
    assert!(call.says("One moment") && call.says("Nobody can take your call") && call.ends());
}

#[test]
fn what_is_known_of_a_ladders_end_is_what_a_caller_hears_whom_nobody_takes() {
    let silent = PLANS.split("[[plan.step]]").take(4).collect::<Vec<_>>();
    let silent = silent.join("[[plan.step]]");
    let by_day = PLANS.replace("say =", "when = \"Mo-Fr 08:00-18:00\"\nsay =");
    let early = silent.replace(
        "[[plan.step]]\n    voicemail",
        "[[plan.step]]\n    say = \"Hello.\"\n    [[plan.step]]\n    voicemail",
    );
    for (text, now, expected) in [
        (PLANS, NOON, false),
        (&silent, NOON, true),
        (&early, NOON, true),
        (&by_day, NOON, false),
        (&by_day, NIGHT, true),
    ] {
        let mut call = Call::begin(text, now);
        while !call.ends() {
            match call.says("<Record") {
                true => call.asks("recorded", "RecordingDuration=0"),
                false => call.asks("dialed", "DialCallStatus=busy"),
            };
        }
        let plan = call.plans.default_plan().unwrap();
        assert_eq!(plan.ladder().unwrap().ends_in_our_words(call.now), expected);
        assert_eq!(call.says("Nobody can take your call"), expected, "{text}");
    }
}
