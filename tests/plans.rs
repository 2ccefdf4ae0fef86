//! `overflow plans`, as a team lead reads it.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::process::{Command, Output};

use tests::binary;

const PLANS: &str = r#"
[[plan]]
name = "sales"
task_queue_sid = "WQ0123456789abcdef0123456789abcdef"
time_zone = "Europe/Berlin"
holidays = "DE"
closed = ["2026-12-24"]
notify = "https://hooks.example.com/services/hush"
notify_number = true

[[plan.step]]
dial = ["+14155550100", "+14155550101"]
timeout = "20s"
when = "Mo-Fr 08:00-18:00; PH off"

[[plan.step]]
dial = ["+14155550102", "+14155550103"]
accept = "Press 1 to take a call for Sales."

[[plan.step]]
voicemail = "Please leave your name and number."

[[plan]]
name = "night"
task_queue_sid = "WQ0123456789abcdef0123456789abcdee"
forward_to = "+14155550177"
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(text: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        std::fs::write(folder.file(), text).unwrap();
        folder
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("plans.toml")
    }

    fn plans(&self, arguments: &[&str]) -> Output {
        Command::new(binary("overflow"))
            .arg("plans")
            .args(arguments)
            .arg("plans.toml")
            .current_dir(&self.0)
            .env_clear()
            .output()
            .unwrap()
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.plans(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn check_tells_what_each_plan_does_at_a_time() {
    let folder = Folder::new(PLANS);
    let by_day = folder.said(&["check", "--at", "2026-12-23T10:00"]);
    assert!(
        by_day.contains("sales on Wed 2026-12-23, 10:00:\n  1.  step 1: rings 2 numbers together")
    );
    let on_a_holiday = folder.said(&["check", "--at", "2026-12-25T10:00"]);
    for line in [
        "  -   step 1: rings 2 numbers together",
        "  1.  step 2: rings 2 numbers one after another; who picks up must press 1",
        "  2.  step 3: voicemail of at most 120 s",
        "Next closed days: Fri 2026-12-25, Sat 2026-12-26, Fri 2027-01-01",
        "night: rings +14155550177 at any time.",
    ] {
        assert!(on_a_holiday.contains(line), "{line}\n{on_a_holiday}");
    }
    let closed = folder.said(&["check", "--at", "2026-12-24T10:00"]);
    assert!(closed.contains("  -   step 1"), "{closed}");
}

#[test]
fn show_draws_each_step_with_its_hours_and_numbers() {
    let drawn = Folder::new(PLANS).said(&["show"]);
    let (step, night) = (
        drawn.find("├── 1. rings 2 numbers together"),
        drawn.find("night"),
    );
    assert!(step.is_some() && step < night, "{drawn}");
    let told =
        "│  hooks.example.com is told of callers who were recorded or missed, with their numbers\n";
    assert!(drawn.contains(told) && !drawn.contains("hush"), "{drawn}");
    assert!(
        drawn.contains("│      Mo-Fr 08:00-18:00; PH off\n│      +14155550100\n"),
        "{drawn}"
    );
}

#[test]
fn a_file_that_cannot_be_used_is_refused_with_all_that_is_wrong() {
    let wrong = PLANS.replace("WQ0123456789abcdef0123456789abcdee", "WQ1");
    let output = Folder::new(&wrong.replace("\"DE\"", "\"Germany\"")).plans(&["check"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    for line in [
        "plans.toml, line 2, plan \"sales\": holidays: \"Germany\" is no country",
        "plans.toml, line 23, plan \"night\": task_queue_sid: ",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}
