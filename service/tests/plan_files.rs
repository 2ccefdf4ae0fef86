//! What is said of a file of plans that can't be used: all of it, with line, plan and step.

#![allow(clippy::unwrap_used)]

use queue::CallerEnd;
use service::plan::PlanArgs;
use service::settings::from_flags;
use service::{Plans, Problems};
use twilio::PublicUrl;

const STEPS: &str = r#"
[[plan]]
name = "sales"
task_queue_sid = "WQ00000000000000000000000000000001"
"#;

fn resolve(text: &str, public_url: Option<&PublicUrl>) -> (Result<Plans, String>, Vec<String>) {
    resolve_with(text, &[], public_url)
}

fn resolve_with(
    text: &str,
    flags: &[&str],
    public_url: Option<&PublicUrl>,
) -> (Result<Plans, String>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plans.toml");
    std::fs::write(&file, text).unwrap();
    let plans = format!("--redirect-plans={}", file.display());
    let args: PlanArgs = from_flags([&[&*plans], flags].concat()).unwrap();
    let mut problems = Problems::default();
    let plans = args.resolve(public_url, &mut problems);
    let warnings = problems.take_warnings();
    let said = |error: service::settings::InvalidSettings| {
        error
            .to_string()
            .replace(&file.display().to_string(), "plans.toml")
    };
    (problems.finish(plans).map_err(said), warnings)
}

fn public_url() -> PublicUrl {
    "https://overflow.example.com".parse().unwrap()
}

#[test]
fn all_problems_are_said_at_once_each_with_its_line_plan_and_step() {
    let (refused, _) = resolve(
        r#"
[[plan]]
name = "sales"
task_queue_sid = "WQ1"
time_zone = "Europe/Berlim"
forward_to = "+14155550100"

[[plan.step]]
dial = ["0415 555 0100"]
transcribe = true

[[plan.step]]
dial = ["+14155550100"]
say = "Hello."

[[plan]]
name = "support desk"
task_queue_sid = "WQ00000000000000000000000000000002"
language = "de-DE"

[[plan.step]]
voicemail = "Bitte sprechen Sie."
transcribe = true
max_lenght = 5

[[plan.step]]
say = "Auf Wiederhören."
when = "Mo-Fr 08:00-18:00; PH off"
"#,
        Some(&public_url()),
    );
    let refused = refused.unwrap_err();
    let lines: Vec<_> = refused.lines().collect();
    for wanted in [
        "plans.toml, line 2, plan \"sales\": task_queue_sid: ",
        "plans.toml, line 2, plan \"sales\": forward_to: is for a plan of one number",
        "plans.toml, line 2, plan \"sales\": time_zone: \"Europe/Berlim\" is no time zone",
        "plans.toml, line 2, plan \"sales\", step 1: dial: not an E.164 number",
        "plans.toml, line 2, plan \"sales\", step 1: transcribe: has no meaning for dial",
        "plans.toml, line 2, plan \"sales\", step 2: must do one thing",
        "plans.toml, line 16, plan \"support desk\": name: is part of URLs",
        "plans.toml, line 16, plan \"support desk\", step 1: max_lenght: not known here, expected one of",
        "plans.toml, line 16, plan \"support desk\", step 2: when: speak of public holidays",
        "plans.toml, line 16, plan \"support desk\", step 2: when: needs the plan's time zone",
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(wanted)),
            "{wanted}\n{refused}"
        );
    }
    assert!(
        !refused.contains("0415"),
        "no number is repeated: {refused}"
    );
}

#[test]
fn each_setting_that_cannot_be_read_is_named_and_the_others_are_looked_at_all_the_same() {
    let (refused, _) = resolve(
        r#"
[[plan]]
nmae = "sales"
task_queue = "WQ00000000000000000000000000000001"
time_zone = "Europe/Berlim"
holiday = "DE"

[[plan.step]]
dail = ["+14155550100"]
timeout = "4s"
prompt = "Press 1."

[[plan]]
name = 5
task_queue_sid = "WQ1"
rescue = "never"

[[plan.step]]
dial = "+14155550100"
"#,
        Some(&public_url()),
    );
    let refused = refused.unwrap_err();
    for wanted in [
        "plans.toml, line 2, plan: holiday, nmae, task_queue: not known here, expected one of",
        "plans.toml, line 2, plan: task_queue_sid: is not set",
        "plans.toml, line 2, plan: time_zone: \"Europe/Berlim\" is no time zone",
        "plans.toml, line 2, plan, step 1: dail, prompt: not known here, expected one of",
        "plans.toml, line 2, plan, step 1: must do one thing",
        "plans.toml, line 13, plan: name: must be a string",
        "plans.toml, line 13, plan: rescue: must be a boolean",
        "plans.toml, line 13, plan: task_queue_sid: not a task queue SID",
        "plans.toml, line 13, plan, step 1: dial: must be a list",
    ] {
        let mut lines = refused.lines();
        assert!(
            lines.any(|line| line.starts_with(wanted)),
            "{wanted}\n{refused}"
        );
    }
    assert!(
        !refused.contains("+1415"),
        "no number is repeated: {refused}"
    );
}

#[test]
fn a_text_that_xml_cannot_hold_is_named_and_nothing_is_said_of_its_length() {
    let text = |name: &str| format!("{name} = \"1\\u0001\"\n");
    let dial = "dial = [\"+14155550100\"]\n";
    let step = |step: String| format!("[[plan.step]]\n{step}");
    for (plan, wanted) in [
        (step(text("say")), "step 1: say"),
        (step(text("voicemail")), "step 1: voicemail"),
        (step(format!("{dial}{}", text("accept"))), "step 1: accept"),
        (
            step("play = \"https://example.com/1\\u0001\"\n".to_owned()),
            "step 1: play",
        ),
        // They are heard at the end, if nowhere before.
        (text("language") + &step(dial.to_owned()), "language"),
        (text("voice") + &step(dial.to_owned()), "voice"),
        (
            format!("forward_to = \"+14155550100\"\n{}", text("notice")),
            "notice",
        ),
        (
            format!(
                "forward_to = \"+14155550100\"\nnotice = \"Hello.\"\n{}",
                text("notice_voice")
            ),
            "notice_voice",
        ),
    ] {
        let (refused, _) = resolve(&format!("{STEPS}{plan}"), Some(&public_url()));
        let refused = refused.expect_err(wanted);
        let said = format!("{wanted}: holds the character '\\u{{1}}', which XML cannot hold");
        assert!(refused.contains(&said), "{said}\n{refused}");
        assert!(!refused.contains("4000"), "{refused}");
    }
}

#[test]
fn only_american_english_is_written_down() {
    for (voice, is_taken) in [
        ("", true),
        ("language = \"en-US\"", true),
        ("language = \"en-US\"\nvoice = \"Polly.Joanna\"", true),
        ("voice = \"alice\"", true),
        ("voice = \"Google.en-US-Standard-A\"", true),
        ("language = \"en-GB\"", false),
        ("voice = \"Polly.Vicki\"", false),
        ("voice = \"Google.de-DE-Standard-A\"", false),
        (
            "language = \"en-US\"\nvoice = \"Google.de-DE-Standard-A\"",
            false,
        ),
    ] {
        let step = "[[plan.step]]\nvoicemail = \"Speak.\"\ntranscribe = true\n";
        let (plans, _) = resolve(&format!("{STEPS}{voice}\n{step}"), Some(&public_url()));
        assert_eq!(plans.is_ok(), is_taken, "{voice}");
        if let Err(refused) = plans {
            let wanted = "step 1: transcribe: Twilio writes down American English";
            assert!(refused.contains(wanted), "{refused}");
        }
    }
}

#[test]
fn each_thing_that_twilio_cannot_do_is_refused() {
    let eleven = ["\"+14155550100\""; 11].join(", ");
    for (step, wanted) in [
        (format!("dial = [{eleven}]"), "rings 11 numbers together"),
        (
            "dial = []".into(),
            "holds no number (example: dial = [\"+14155550100\"])",
        ),
        (
            "dial = [\"+14155550100\"]\ntimeout = \"4s\"".into(),
            "in whole seconds (example: timeout = \"20s\")",
        ),
        (
            "dial = [\"+14155550100\"]\naccept = \"x 1\"\naccept_key = \"#\"".into(),
            "a digit",
        ),
        (
            "dial = [\"+14155550100\"]\ncaller_id = \"calling\"".into(),
            "not an E.164 number",
        ),
        (
            "voicemail = \"Speak.\"\nmax_length = 121\ntranscribe = true".into(),
            "up to 120 s",
        ),
        (
            "voicemail = \"Speak.\"\nfinish_on_key = \"A\"".into(),
            "keys of a phone",
        ),
        (
            "play = \"http://example.com/a.mp3\"".into(),
            "a URL with https",
        ),
        (format!("say = \"{}\"", "a".repeat(4000)), "4000 characters"),
        ("say = \"a\\u0001b\"".into(), "which XML cannot hold"),
        (
            "dial = [\"+14155550100\"]\naccept = \"1 \\u0001\"".into(),
            "which XML cannot hold",
        ),
        ("say = \" \"".into(), "say: says nothing"),
        (
            "dial = [\"+14155550100\"]\naccept = \"\"".into(),
            "accept: says nothing",
        ),
        (
            "dial = [\"+14155550100\"]\naccept_key = \"2\"".into(),
            "accept_key: needs accept",
        ),
        (
            "dial = [\"+14155550100\", \"+14155550100\"]".into(),
            "holds a number twice",
        ),
        (
            "voicemail = \"Speak.\"\nfinish_on_key = \"\"".into(),
            "keys of a phone",
        ),
    ] {
        let text = format!("{STEPS}[[plan.step]]\n{step}\n");
        let (refused, _) = resolve(&text, Some(&public_url()));
        let refused = refused.expect_err(wanted);
        assert!(refused.contains(wanted), "{wanted}: {refused}");
        assert!(refused.contains("plan \"sales\", step 1"), "{refused}");
    }
}

#[test]
fn what_is_sent_with_the_redirect_fits_whichever_steps_are_skipped() {
    let head = format!("{STEPS}time_zone = \"UTC\"\n");
    let say = |length| format!("[[plan.step]]\nsay = \"{}\"\n", "a".repeat(length));
    let dial = |more: &str| format!("[[plan.step]]\ndial = [\"+14155550100\"]\n{more}");
    for (steps, refused) in [
        (
            say(2000) + &dial("when = \"Mo-Fr\"\n") + &say(2500),
            Some("step 3"),
        ),
        (
            say(3775) + &dial("caller_id = \"called\"\n"),
            Some("step 2"),
        ),
        (say(3900), Some("step 1")),
        // What is behind the first dial is fetched, and may be longer.
        (say(2000) + &dial("") + &say(5000), None),
        (dial(&format!("accept = \"1{}\"\n", "a".repeat(5000))), None),
    ] {
        let (plans, _) = resolve(&format!("{head}{steps}"), Some(&public_url()));
        match refused {
            Some(step) => assert!(plans.unwrap_err().contains(step), "{step}"),
            None => assert!(plans.is_ok()),
        }
    }
    let flat = |length| {
        let notice = "a".repeat(length);
        format!(
            "{STEPS}forward_to = \"+14155550100\"\ncaller_id_fallback = \"+14155550190\"\n\
             notice = \"{notice}\"\n"
        )
    };
    assert!(resolve(&flat(3700), None).0.is_ok());
    assert!(resolve(&flat(3870), None).0.is_err());
}

#[test]
fn holidays_are_those_that_are_known_and_a_comment_is_none() {
    let hours = |holidays: &str, when: &str| {
        let head = format!("{STEPS}time_zone = \"Europe/Berlin\"\n{holidays}\n");
        let step = format!("[[plan.step]]\nsay = \"Hello.\"\nwhen = '{when}'\n");
        resolve(&(head + &step), Some(&public_url())).0
    };
    assert!(hours("", "Mo-Fr 08:00-18:00 \"PHONE\"").is_ok());
    assert!(hours("", "Mo-Su 00:00-24:00; SH off").is_err());
    let refused = hours("holidays = \"DE\"", "Mo-Su 00:00-24:00; SH off");
    assert!(refused.unwrap_err().contains("school holidays"));
}

#[test]
fn steps_need_the_public_url_and_what_is_odd_is_said() {
    let text = format!(
        "{STEPS}[[plan.step]]\ndial = [\"+14155550100\"]\naccept = \"Press 2.\"\n\
         [[plan.step]]\nvoicemail = \"\"\n"
    );
    let (refused, _) = resolve(&text, None);
    assert!(
        refused
            .unwrap_err()
            .contains("PUBLIC_URL: is needed for the steps of plan \"sales\"")
    );
    let (plans, warnings) = resolve(&text, Some(&public_url()));
    assert!(plans.is_ok());
    let warnings = warnings.join("\n");
    assert!(
        warnings.contains("step 1: accept: does not say that the key is 1"),
        "{warnings}"
    );
    assert!(
        warnings.contains("step 2: voicemail: callers are recorded"),
        "{warnings}"
    );
}

#[test]
fn what_is_set_for_a_number_that_is_not_there_is_named() {
    let flat = format!("{STEPS}forward_to = \"+14155550100\"\n");
    let flags = [
        "--forward-notify=https://hooks.example.com/hush",
        "--forward-timeout=20s",
    ];
    let (plans, warnings) = resolve_with(&flat, &flags, None);
    assert!(plans.is_ok());
    let [timeout, notify] = &*warnings else {
        panic!("{warnings:?}");
    };
    assert!(
        timeout.starts_with("FORWARD_TIMEOUT: is for FORWARD_TO_NUMBER"),
        "{timeout}"
    );
    assert!(
        notify.starts_with("FORWARD_NOTIFY: is for FORWARD_TO_NUMBER"),
        "{notify}"
    );
    assert!(!notify.contains("hush"));
}

#[test]
fn a_plan_of_one_number_needs_no_public_url() {
    let flat = format!("{STEPS}forward_to = \"+14155550100\"\n");
    assert!(resolve(&flat, None).0.is_ok());
    let (refused, _) = resolve(&format!("{flat}time_zone = \"UTC\"\n"), None);
    assert!(
        refused
            .unwrap_err()
            .contains("time_zone: is for plans with steps")
    );
}

const FLAT: &str = r#"
[[plan]]
name = "sales"
task_queue_sid = "WQ00000000000000000000000000000001"
forward_to = "+14155550100"
"#;

/// A password of a chat tool, and a key.
const TOKEN: &str = "T0hush";
const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn who_is_told_of_which_callers_stands_in_the_plan_and_is_secret() {
    let notify = |more: &str| {
        let url = format!("notify = \"https://hooks.example.com/{TOKEN}\"\n");
        let plans = resolve(&format!("{FLAT}{url}{more}"), None).0.unwrap();
        let debug = format!("{plans:?}");
        assert!(debug.contains("hooks.example.com"), "{debug}");
        assert!(!debug.contains(TOKEN) && !debug.contains("MfKQ"), "{debug}");
        plans.default_plan().unwrap().notify.clone().unwrap()
    };
    let wanted = |more| CallerEnd::ALL.map(|end| notify(more).wants(end));
    assert_eq!(
        wanted(""),
        [false, true, true],
        "not of those who were taken"
    );
    assert_eq!(wanted("notify_on = [\"taken\"]"), [true, false, false]);
    assert!(!notify("").number);
    assert!(notify("notify_number = true").number);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let from_file = notify(&format!("notify_secret_file = {file:?}"));
    assert_eq!(from_file, notify(&format!("notify_secret = {KEY:?}")));
    assert_ne!(from_file, notify(""));
    let nobody = resolve(FLAT, None).0.unwrap();
    assert_eq!(nobody.default_plan().unwrap().notify, None);
}

#[test]
fn what_is_wrong_with_who_is_told_is_said_at_once_and_shows_no_secret() {
    let wrong = format!(
        "{FLAT}notify = \"https://10.0.0.1/{TOKEN}\"\nnotify_on = [\"lost\"]\n\
         notify_secret = \"{TOKEN}\"\n\
         {FLAT}notify_number = true\n\
         {FLAT}notify = \"http://example.com/{TOKEN}\"\nnotify_on = []\n\
         notify_secret = \"{KEY}\"\nnotify_secret_file = \"/nowhere\"\n\
         {FLAT}notify = \"{TOKEN}\"\nnotify_secret_file = \"/nowhere\"\n"
    );
    let refused = resolve(&wrong, None).0.unwrap_err();
    let plan = |line| format!("plans.toml, line {line}, plan \"sales\"");
    for wanted in [
        format!("{}: notify_secret: is no key of Standard Webhooks", plan(2)),
        format!(
            "{}: notify_on: must hold missed, recorded or taken, and nothing else \
             (example: notify_on = [\"missed\", \"recorded\"])",
            plan(2)
        ),
        format!(
            "{}: notify: leads to a private address; NOTIFY_PRIVATE=true allows that",
            plan(2)
        ),
        format!("{}: notify_number: has no meaning without", plan(10)),
        format!(
            "{}: notify: must be a URL with https, unless NOTIFY_PRIVATE is true",
            plan(16)
        ),
        format!("{}: notify_on: must hold missed", plan(16)),
        format!(
            "{}: notify_secret_file: is set, and notify_secret too: leave one out \
             (example: notify_secret_file = \"/run/secrets/notify_secret\")",
            plan(16)
        ),
        format!("{}: notify: is not a URL with https", plan(25)),
        format!("{}: notify_secret_file: cannot read /nowhere", plan(25)),
    ] {
        assert!(refused.contains(&wanted), "{wanted}\n{refused}");
    }
    assert!(
        !refused.contains(TOKEN) && !refused.contains(KEY),
        "{refused}"
    );
}

#[test]
fn who_is_told_is_no_part_of_a_ladder() {
    let hash = |more: &str| {
        let text = format!("{STEPS}{more}[[plan.step]]\nsay = \"Hello.\"\n");
        let plans = resolve(&text, Some(&public_url())).0.unwrap();
        let ladder = plans.default_plan().unwrap().ladder().unwrap();
        ladder.hash().to_owned()
    };
    let more = "notify = \"https://example.com\"\nnotify_number = true\n";
    assert_eq!(hash(more), hash(""));
}

#[test]
fn the_plan_of_the_environment_tells_somebody_too() {
    let flags = |more: &[&str]| {
        let plan = [
            "--forward-call-task-queue-sid=WQ00000000000000000000000000000001",
            "--forward-to-number=+14155550100",
        ];
        let args: PlanArgs = from_flags(plan.iter().chain(more)).unwrap();
        let mut problems = Problems::default();
        let plans = args.resolve(None, &mut problems);
        let plans = problems.finish(plans).map_err(|error| error.to_string());
        plans.map(|plans| plans.default_plan().unwrap().notify.clone())
    };
    let private = [
        "--forward-notify=http://10.0.0.1/",
        "--forward-notify-on=missed, taken",
    ];
    let refused = flags(&private).unwrap_err();
    assert!(refused.starts_with("FORWARD_NOTIFY: must be"), "{refused}");
    let allowed = [
        &private[..],
        &["--notify-private=true", "--forward-notify-number=true"],
    ];
    let notify = flags(&allowed.concat()).unwrap().unwrap();
    assert_eq!(notify.target.host(), "10.0.0.1");
    let wants = CallerEnd::ALL.map(|end| notify.wants(end));
    assert_eq!((wants, notify.number), ([true, false, true], true));
    assert_eq!(flags(&["--forward-notify="]), Ok(None));
    let refused = flags(&["--forward-notify-on=missed"]).unwrap_err();
    assert!(
        refused.starts_with("FORWARD_NOTIFY_ON: has no"),
        "{refused}"
    );
    let refused = flags(&[
        "--forward-notify=https://example.com",
        "--forward-notify-on=all",
    ]);
    assert!(
        refused
            .unwrap_err()
            .contains("FORWARD_NOTIFY_ON=missed,recorded")
    );
}
