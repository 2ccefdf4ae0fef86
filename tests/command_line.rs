//! The command line as a user meets it: the demo, and settings that can't be.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

use queue::{Options, QueueUrl};
use tests::{Process, Stack, StackOptions, Surroundings, binary, http};
use twilio::{AuthToken, FormParams, SIGNATURE_HEADER, sign_form};

/// Settings with which each of our processes would start.
const GOOD: [(&str, &str); 6] = [
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001"),
    ("TWILIO_AUTH_TOKEN", "0123456789abcdef0123456789abcdef"),
    (
        "FORWARD_CALL_TASK_QUEUE_SID",
        "WQ00000000000000000000000000000001",
    ),
    ("FORWARD_TO_NUMBER", "+14155550100"),
    ("PUBLIC_URL", "https://overflow.example.com"),
    ("ADMIN_LISTEN", "127.0.0.1:0"),
];

/// Runs a binary in an empty folder with the good settings, some changed.
fn run(binary_name: &str, arguments: &[&str], changes: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.toml"), "[[plan]\n").unwrap();
    Command::new(binary(binary_name))
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .envs(GOOD)
        .envs(changes.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn the_demo_redirects_a_caller_on_both_queues() {
    let amqp = rabbitmq::Node::shared().url();
    for queue in [&[][..], &["--queue", &amqp]] {
        let demo = run(
            "overflow",
            &[&["demo", "--once", "--fast"], queue].concat(),
            &[],
        );
        let told = String::from_utf8_lossy(&demo.stdout);
        assert!(
            demo.status.success(),
            "{told}{}",
            String::from_utf8_lossy(&demo.stderr)
        );
        for line in [
            "task enters Sales",
            "hears of it in ",
            "redirected to +14155550100",
            "task closed",
            "later it was ringing at +14155550100, once",
            "Next: ",
        ] {
            assert!(told.contains(line), "{line} in:\n{told}");
        }
        assert!(!told.contains('\x1b'), "{told}");
    }
}

#[test]
fn the_demo_of_a_ladder_goes_on_until_somebody_has_the_caller() {
    let demo = run("overflow", &["demo", "--once", "--fast", "--ladder"], &[]);
    let told = String::from_utf8_lossy(&demo.stdout);
    let said = String::from_utf8_lossy(&demo.stderr);
    assert!(demo.status.success(), "{told}{said}");
    let mut rest = &*told;
    for line in [
        "redirected after",
        "+14155550101 is busy",
        "+14155550102 is picked up by a mailbox",
        "+14155550102 doesn't take the call, and is hung up",
        "+14155550100 presses 1",
        "+14155550100 has the caller",
        "Nobody took the call",
    ] {
        let found = rest.split_once(line);
        rest = found.unwrap_or_else(|| panic!("{line} in:\n{told}")).1;
    }
}

#[test]
fn phones_that_are_none_are_refused_all_at_once() {
    let phones = [
        "simulator",
        "--phone=0800=busy",
        "--phone=+14155550100=drunk",
    ];
    let simulator = run("overflow", &phones, &[]);
    let said = String::from_utf8_lossy(&simulator.stderr);
    assert!(!simulator.status.success());
    for problem in ["not an E.164 number", "expected busy, silent, failed"] {
        assert!(said.contains(problem), "{said}");
    }
}

#[test]
fn a_terminal_shows_the_demo_in_colours_and_the_time_that_runs() {
    let shown = |no_color: &str| {
        let overflow = binary("overflow");
        let demo = Command::new("script")
            .args([
                "-qec",
                &format!("{} demo --once --fast", overflow.display()),
            ])
            .arg("/dev/null")
            .env_clear()
            .envs([
                ("TERM", "xterm"),
                ("PATH", "/usr/bin:/bin"),
                ("NO_COLOR", no_color),
            ])
            .output()
            .unwrap();
        assert!(demo.status.success(), "{demo:?}");
        String::from_utf8_lossy(&demo.stdout).into_owned()
    };
    let (coloured, plain) = (shown(""), shown("1"));
    assert!(coloured.contains("\x1b[1;32mFlex Overflow"), "{coloured}");
    assert!(
        plain.contains("Flex Overflow") && !plain.contains("\x1b[1;32m"),
        "{plain}"
    );
    for shown in [coloured, plain] {
        assert!(shown.contains('█'), "{shown}");
    }
}

#[test]
fn a_wrong_setting_of_each_kind_stops_the_start_with_one_line_that_names_it() {
    let both = &["ingest", "redirector"][..];
    let (ingest, redirector) = (&both[..1], &both[1..]);
    for (binaries, variable, value) in [
        (both, "TWILIO_ACCOUNT_SID", ""),
        (
            both,
            "TWILIO_ACCOUNT_SID",
            "SK00000000000000000000000000000001",
        ),
        (both, "TWILIO_AUTH_TOKEN", ""),
        (both, "TWILIO_AUTH_TOKEN_FILE", "/nowhere/token"),
        (both, "TWILIO_AUTH_TOKEN", "your_auth_token_here"),
        (
            both,
            "TWILIO_AUTH_TOKEN",
            "\"0123456789abcdef0123456789abcdef\"",
        ),
        (
            both,
            "TWILIO_AUTH_TOKEN",
            "\u{feff}0123456789abcdef0123456789abcdef",
        ),
        (both, "TWILIO_API_URL", "api.twilio.com"),
        (both, "TWILIO_API_URL", "https://api.ie1.twilio.com"),
        (both, "TWILIO_API_URL", "https://api.twilio.con"),
        (both, "HTTPS_PROXY", "ftp://proxy.example.com"),
        (both, "TWILIO_API_KEY_SID", "SK1"),
        (both, "TWILIO_TIMEOUT", "10"),
        (both, "FORWARD_CALL_TASK_QUEUE_SID", "WQ1"),
        (both, "FORWARD_TO_NUMBER", "4155550100"),
        (both, "FORWARD_CALLER_ID", "me"),
        (both, "FORWARD_TIMEOUT", "4"),
        (both, "FORWARD_TIMEOUT", "30"),
        (both, "FORWARD_TIMEOUT", "7500ms"),
        (both, "FORWARD_TIME_LIMIT", "a day"),
        (both, "FORWARD_TIME_LIMIT", "25h"),
        (both, "FORWARD_RECORD", "yes"),
        (both, "FORWARD_NOTICE", "\u{1}"),
        (both, "FORWARD_RESCUE", "maybe"),
        (both, "FORWARD_NOTIFY", "http://hooks.example.com/hush"),
        (both, "FORWARD_NOTIFY", "https://192.168.0.1/hush"),
        (both, "FORWARD_NOTIFY_FILE", "/nowhere/url"),
        (both, "FORWARD_NOTIFY_NUMBER", "maybe"),
        (both, "NOTIFY_PRIVATE", "on"),
        (both, "REDIRECT_PLANS", "/nowhere/plans.toml"),
        (both, "REDIRECT_PLANS", "bad.toml"),
        (both, "QUEUE_URL", "redis://localhost"),
        (both, "QUEUE_URL", "amqp://"),
        (both, "QUEUE_DELIVERY_LIMIT", "0"),
        (both, "QUEUE_PREFIX", "a b"),
        (both, "LOG_FORMAT", "xml"),
        (both, "LOG_LEVEL", "WARNING"),
        (both, "HTTP_HEADER_TIMEOUT", "0"),
        (both, "HTTP_IDLE_TIMEOUT", "75"),
        (both, "ADMIN_MAX_CONNECTIONS", "none"),
        (both, "OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        (
            both,
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://user:hush@collector:4318",
        ),
        (both, "ADMIN_LISTEN", "localhost"),
        (ingest, "PUBLIC_URL", ""),
        (ingest, "PUBLIC_URL", "overflow.example.com"),
        (ingest, "PUBLIC_URL", "https:/example.com"),
        (ingest, "PUBLIC_URL", "https:example.com"),
        (ingest, "PUBLIC_URL", "https://example.com\\hooks"),
        (ingest, "PUBLIC_URL", "https://example.com/a b"),
        (ingest, "PUBLIC_URL", "https://exam\nple.com"),
        (ingest, "PUBLIC_URL", "https://example.com/a/../b"),
        (ingest, "MAX_CONNECTIONS", "0"),
        (ingest, "LISTEN", "8080"),
        (ingest, "PUBLISH_TIMEOUT", "20s"),
        (redirector, "REDIRECT_DEADLINE", "soon"),
        (redirector, "REDIRECT_DEADLINE", "25m"),
        (redirector, "NOTIFY_DEADLINE", "25m"),
        (redirector, "NOTIFY_TIMEOUT", "0"),
        (redirector, "PREFETCH", "0"),
        (redirector, "MAX_IN_FLIGHT", "many"),
        (redirector, "RETRY_FIRST", "1h"),
        (redirector, "TWIML_DELIVERY", "post"),
        (redirector, "TWIML_DELIVERY", "https:/example.com"),
    ] {
        for name in binaries {
            let output = run(name, &[], &[(variable, value)]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(
                output.status.code(),
                Some(78),
                "{name} {variable}={value}: {said}"
            );
            assert_eq!(said.lines().count(), 1, "{name} {variable}={value}: {said}");
            assert!(said.contains(variable), "{name} {variable}={value}: {said}");
            assert!(
                said.contains("example"),
                "{name} {variable}={value}: {said}"
            );
        }
    }
}

#[test]
fn several_wrong_settings_are_told_at_once_and_no_secret_is_repeated() {
    let output = run(
        "overflow",
        &["run"],
        &[
            ("FORWARD_TO_NUMBER", "0049301234567"),
            ("QUEUE_URL", "amqp://user:hush@"),
            ("PUBLIC_URL", "https://user:hush@example.com/?token=hush"),
            ("FORWARD_NOTIFY", "http://example.com/hush"),
            ("FORWARD_NOTIFY_SECRET", "hush"),
        ],
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert_eq!(said.lines().count(), 5, "{said}");
    assert!(
        !said.contains("hush") && !said.contains("49301234567"),
        "{said}"
    );
}

#[test]
fn a_dotenv_file_is_read_and_a_line_that_is_no_setting_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let env = folder.path().join(".env");
    let start = || {
        let output = Command::new(binary("ingest"))
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    std::fs::write(&env, "FORWARD_TO_NUMBER=nonsense\n").unwrap();
    assert!(
        start().contains("FORWARD_TO_NUMBER: not an E.164 number"),
        "{}",
        start()
    );
    std::fs::write(&env, "LISTEN=127.0.0.1:0\nTWILIO_AUTH_TOKEN=hush hush\n").unwrap();
    let said = start();
    assert!(said.starts_with(".env: line 2 "), "{said}");
    assert!(!said.contains("hush"), "{said}");
}

#[test]
fn the_example_of_settings_can_be_copied_and_added_to() {
    let folder = tempfile::tempdir().unwrap();
    let start = |added: &str| {
        let example = include_str!("../.env.example");
        std::fs::write(folder.path().join(".env"), format!("{example}{added}")).unwrap();
        let output = Command::new(binary("ingest"))
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    // They are read, and what is wrong with them is told.
    let settings = GOOD.map(|(name, _)| format!("{name}=wrong\n"));
    let said = start(&settings.concat());
    assert!(!said.contains("is not set"), "{said}");
    let [a, b] = ["a", "b"].map(|host| format!("PUBLIC_URL=https://{host}.example.com\n"));
    let said = start(&format!("{a}LISTEN=1\n{b}LISTEN=2\n"));
    for variable in ["PUBLIC_URL", "LISTEN"] {
        let told = format!("set {variable} to different values");
        assert!(said.contains(&told), "{said}");
    }
    assert!(!said.contains("example.com"), "{said}");
}

#[test]
fn a_number_that_is_none_is_told_in_words() {
    for (variable, value, wanted) in [
        ("PREFETCH", "many", "PREFETCH: is not a whole number"),
        ("PREFETCH", "70000", "PREFETCH: must be at most 65535"),
        ("MAX_IN_FLIGHT", "0", "MAX_IN_FLIGHT: must be at least 1"),
        (
            "FORWARD_RESCUE",
            "maybe",
            "FORWARD_RESCUE: is neither true nor false",
        ),
        (
            "FORWARD_TIMEOUT",
            "30",
            "FORWARD_TIMEOUT: \"30\" is not a duration with a unit",
        ),
        (
            "FORWARD_TIMEOUT",
            "4s",
            "FORWARD_TIMEOUT: must be from 5s to 600s",
        ),
    ] {
        let said = run("redirector", &[], &[(variable, value)]);
        let said = String::from_utf8_lossy(&said.stderr);
        assert!(said.starts_with(wanted), "{variable}={value}: {said}");
    }
    for flag in ["--reservation-timeout", "--target-timeout"] {
        for (value, is_right) in [
            ("15", true),
            ("15s", true),
            ("2m", true),
            ("1500ms", false),
            ("25h", false),
            ("0", false),
            ("-1", false),
            ("soon", false),
        ] {
            // Further settings are missing.
            let setup = ["setup", "--in-place=false", "--workflow", "WW1"];
            let setup = match flag {
                "--target-timeout" => &setup[..],
                _ => &setup[..1],
            };
            let value = format!("{flag}={value}");
            let said = run(
                "overflow",
                &[setup, &[&value]].concat(),
                &[("PUBLIC_URL", "")],
            );
            let said = [said.stdout, said.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            let is_refused = said.contains("must be whole seconds from 1s to 24h");
            assert_eq!(is_refused, !is_right, "{value}: {said}");
        }
    }
}

#[test]
fn what_is_wrong_on_the_command_line_is_told_by_the_flag() {
    for (name, arguments, wanted) in [
        (
            "overflow",
            &["call", "--simulator", "foo"][..],
            "--simulator: is not a URL",
        ),
        ("overflow", &["call", "--wait", "30s"], "--wait=30s"),
        (
            "overflow",
            &["simulator", "--callback", "foo"],
            "--callback: is not a URL",
        ),
        (
            "overflow",
            &["simulator", "--callback", "ftp://a"],
            "--callback: is not an http",
        ),
        (
            "ingest",
            &["--spool-max-length", "0"],
            "--spool-max-length: must be at least 1",
        ),
        (
            "ingest",
            &["--public-url", "foo"],
            "--public-url: is not a URL",
        ),
    ] {
        let said = run(name, arguments, &[]);
        let code = said.status.code();
        let said = String::from_utf8_lossy(&said.stderr);
        assert_eq!(code, Some(78), "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
    for (variable, value, wanted) in [
        ("PUBLIC_URL", "foo", "PUBLIC_URL: is not a URL"),
        (
            "OUTCOMES",
            "maybe",
            "OUTCOMES: is neither true nor false (example: OUTCOMES=true)",
        ),
        (
            "SPOOL_MAX_LENGTH",
            "0",
            "SPOOL_MAX_LENGTH: must be at least 1",
        ),
        (
            "QUEUE_MAX_LENGTH",
            "0",
            "QUEUE_MAX_LENGTH: must be at least 1",
        ),
    ] {
        let said = run("ingest", &[], &[(variable, value)]);
        let said = String::from_utf8_lossy(&said.stderr);
        assert!(said.contains(wanted), "{variable}={value}: {said}");
    }
}

#[test]
fn a_demo_without_its_broker_says_so_at_once() {
    let begun = std::time::Instant::now();
    let demo = run(
        "overflow",
        &["demo", "--once", "--queue", "amqp://user:hush@127.0.0.1:1"],
        &[],
    );
    let said = String::from_utf8_lossy(&demo.stderr);
    assert_eq!(demo.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot use the queue amqp://"), "{said}");
    assert!(
        said.contains("127.0.0.1:1") && !said.contains("hush"),
        "{said}"
    );
    assert!(begun.elapsed().as_secs() < 15, "{said}");
}

#[test]
fn dead_letters_that_are_not_named_well_are_refused_with_what_there_is() {
    for (arguments, wanted) in [
        (&["list", "--reason", "nonsense"][..], "expired, no_plan, "),
        (&["replay"], "or say --all"),
        (&["discard", "--yes"], "or say --all"),
        (
            &["list", "--limit", "few"],
            "--limit: is not a whole number",
        ),
        (&["list", "--limit", "0"], "--limit: must be at least 1"),
    ] {
        let output = run("overflow", &[&["dead-letters"], arguments].concat(), &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_dollar_in_a_dotenv_file_is_what_callers_hear() {
    let folder = tempfile::tempdir().unwrap();
    let notice = "FORWARD_NOTICE=\"Press 1. It costs $5.\"\n";
    std::fs::write(folder.path().join(".env"), notice).unwrap();
    let queue = format!("sqlite:{}", folder.path().join("queue.db").display());
    let options = StackOptions {
        redirectors: 0,
        ..StackOptions::default()
    };
    let stack = Stack::start_at(queue, folder, options).await;
    let url = stack.callback_urls[0].replace("/taskrouter/events", "/twiml/redirect");
    let token = AuthToken::new(stack.simulator.auth_token());
    let signature = sign_form(&token, &url, &FormParams::default());
    let request = http().get(url).header(SIGNATURE_HEADER, signature);
    let twiml = request.send().await.unwrap().text().await.unwrap();
    assert!(twiml.contains("Press 1. It costs $5."), "{twiml}");
}

#[tokio::test]
async fn a_start_tells_where_twilio_is_to_call_and_what_is_unlikely_and_a_hangup_is_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings: Vec<_> = GOOD
        .map(|(variable, value)| (variable, value.to_owned()))
        .into();
    settings.push(("LISTEN", "127.0.0.1:0".to_owned()));
    settings.push(("TWILIO_AUTH_TOKEN", "hush0123".to_owned()));
    let public_url = "http://user:hush@overflow.example.com:8443/hooks";
    settings.push(("PUBLIC_URL", public_url.to_owned()));
    let surroundings = Surroundings::default();
    let mut ingest = Process::start("ingest", folder.path(), &settings, surroundings).await;
    ingest.signal("HUP");
    assert!(ingest.ended().await.success());
    let log = ingest.log();
    for said in [
        "http://overflow.example.com:8443/hooks/taskrouter/events",
        "PUBLIC_URL: is not encrypted",
        "TWILIO_AUTH_TOKEN: is not 32 hexadecimal digits",
        "SIGHUP",
    ] {
        assert!(log.contains(said), "{said} in {log}");
    }
    assert!(!log.contains("hush"), "{log}");
}

#[tokio::test]
async fn a_redirector_says_what_it_can_not_know_without_the_public_url() {
    let folder = tempfile::tempdir().unwrap();
    let good = GOOD.into_iter().filter(|(name, _)| *name != "PUBLIC_URL");
    let settings: Vec<_> = good.map(|(name, value)| (name, value.to_owned())).collect();
    for (more, is_said) in [
        (None, true),
        (Some(("OUTCOMES", "false".to_owned())), false),
        (
            Some(("PUBLIC_URL", "https://overflow.example.com".to_owned())),
            false,
        ),
    ] {
        let settings: Vec<_> = settings.iter().cloned().chain(more).collect();
        let surroundings = Surroundings::default();
        let mut redirector =
            Process::start("redirector", folder.path(), &settings, surroundings).await;
        redirector.signal("TERM");
        assert!(redirector.ended().await.success());
        let log = redirector.log();
        assert_eq!(log.contains("PUBLIC_URL: is not set"), is_said, "{log}");
    }
}

#[test]
fn a_bad_line_above_the_working_directory_is_named_with_its_path() {
    let above = tempfile::tempdir().unwrap();
    let env = above.path().join(".env");
    let below = above.path().join("below");
    std::fs::create_dir(&below).unwrap();
    let start = || {
        let mut ingest = Command::new(binary("ingest"));
        let output = ingest.current_dir(&below).env_clear().output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    std::fs::write(&env, "LISTEN=127.0.0.1:0\nTWILIO_AUTH_TOKEN=hush hush\n").unwrap();
    let said = start();
    let place = format!("{}: line 2 ", env.canonicalize().unwrap().display());
    assert!(said.starts_with(&place) && !said.contains("hush"), "{said}");

    std::fs::write(&env, b"LISTEN=127.0.0.1:0\nFORWARD_NOTICE=Gr\xfc\xdfe\n").unwrap();
    let said = start();
    assert!(
        said.contains("line 2: FORWARD_NOTICE holds bytes"),
        "{said}"
    );
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_variable() {
    let output = Command::new(binary("ingest"))
        .env_clear()
        .envs(GOOD)
        .env("FORWARD_NOTICE", OsStr::from_bytes(b"Gr\xfc\xdfe"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(said.starts_with("FORWARD_NOTICE: "), "{said}");
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let address = "https://user:hush@127.0.0.1:1";
    let urls = [
        "PUBLIC_URL",
        "TWILIO_API_URL",
        "QUEUE_URL",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "TWIML_DELIVERY",
        "SIMULATOR_URL",
        "HTTPS_PROXY",
    ];
    let set = urls.map(|variable| (variable, address));
    for (name, arguments) in [
        ("ingest", &["--help"][..]),
        ("redirector", &["--help"]),
        ("overflow", &["run", "--help"]),
        ("overflow", &["doctor", "--help"]),
        ("overflow", &["status", "--help"]),
        ("overflow", &["watch", "--help"]),
        ("overflow", &["setup", "--help"]),
        ("overflow", &["call", "--help"]),
        // What can't be reached is named, without the password.
        ("overflow", &["call"]),
    ] {
        let output = run(name, arguments, &set);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!said.is_empty() && !said.contains("hush"), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_reader_that_has_gone_ends_a_command_quietly_and_a_full_disk_with_an_error() {
    for arguments in [
        &["--help"][..],
        &["dead-letters", "list"],
        &["status"],
        &["demo", "--once", "--fast"],
        &["doctor"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        // Commands that look make no queue.
        let queue = QueueUrl::Sqlite(folder.path().join("overflow.db"));
        let queue = queue::open(&queue, Options::default()).await.unwrap();
        queue.close().await;
        let run = |stdout: Stdio| {
            let mut command = Command::new(binary("overflow"));
            command.args(arguments).current_dir(folder.path());
            command.env_clear().envs(GOOD).stdout(stdout);
            // So that nobody is asked.
            command.env("TWILIO_ACCOUNT_SID", "");
            let output = command.output().unwrap();
            (
                output.status.code(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )
        };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, said) = run(writer.into());
        // Doctor has its own findings.
        assert!(
            matches!(code, Some(0 | 1)),
            "{arguments:?}: {code:?} {said}"
        );
        assert!(!said.contains("anic"), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 0, "{arguments:?}: {said}");

        let full = std::fs::File::options().write(true).open("/dev/full");
        let (code, said) = run(full.unwrap().into());
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("error: "), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
}

#[test]
fn help_documents_every_setting_with_its_variable() {
    for (name, arguments) in [
        ("ingest", &["--help"][..]),
        ("redirector", &["--help"]),
        ("overflow", &["run", "--help"]),
    ] {
        let output = run(name, arguments, &[("TWILIO_AUTH_TOKEN", "hush")]);
        let help = String::from_utf8_lossy(&output.stdout);
        for variable in [
            "TWILIO_ACCOUNT_SID",
            "FORWARD_TO_NUMBER",
            "QUEUE_URL",
            "LOG_LEVEL",
            "ADMIN_LISTEN",
        ] {
            assert!(help.contains(variable), "{variable} in {name}");
        }
        assert!(!help.contains("hush"), "{name} shows a secret");
    }
}
