//! What `overflow verify-live` has found out, as `overflow doctor` shows it.

use crate::support::Operator;

const FILE: &str = r#"{
  "ACCOUNT": {
    "task_after_update": {
      "answer": { "canceled": { "reason": "redirected" } },
      "found_out": "2026-08-01T09:30:00Z"
    },
    "refused_whisper": {
      "answer": { "status": "no-answer", "bridged": false },
      "found_out": "2026-08-02T09:30:00Z"
    },
    "others": { "answer": "ring_on", "found_out": "2026-08-03T09:30:00Z" },
    "action_after_hang_up": null
  }
}
"#;

#[tokio::test]
async fn doctor_shows_what_was_found_out_and_when() {
    let operator = Operator::new().await;
    let file = operator.path("live.json");
    let doctor = async || {
        let file = file.to_str().unwrap();
        operator.run(&["doctor", "--live-file", file]).await.output
    };
    assert!(!doctor().await.contains("live"), "nothing is known");

    let account = operator.simulator.account_sid();
    std::fs::write(&file, FILE.replace("ACCOUNT", account.as_str())).unwrap();
    let output = doctor().await;
    for line in [
        "✓ live             a call update cancels the task of a caller who waits, with the reason \
         \"redirected\" (found out on 2026-08-01)",
        "✓ live             after a refused whisper DialCallStatus is no-answer, DialBridged false \
         (found out on 2026-08-02)",
        "✓ live             others ring on while somebody hears a whisper (found out on 2026-08-03)",
        "✓ live             not found out: whether action is requested after the caller's hang-up",
    ] {
        assert!(output.contains(line), "{line}\n{output}");
    }

    // Another account's are none of its own.
    let other = "AC00000000000000000000000000000001";
    std::fs::write(&file, FILE.replace("ACCOUNT", other)).unwrap();
    assert!(!doctor().await.contains("✓ live"));

    std::fs::write(&file, "{}}").unwrap();
    let output = doctor().await;
    assert!(output.contains("! live             "), "{output}");
}
