//! `overflow doctor` on plans with steps.

use crate::doctor::Ready;
use crate::support::{Operator, RunningIngest, env_value};

const OWN: &str = "+14155550150";
const LADDER: &str = r#"
    [[plan]]
    name = "sales"
    task_queue_sid = "PLACEHOLDER"
    caller_id_fallback = "+14155550150"

    [[plan.step]]
    dial = ["+14155550100"]
    accept = "Press 1."

    [[plan.step]]
    dial = ["+14155550101"]
"#;

/// An operator whose plan is a ladder, and an ingest with this file, or with none.
async fn ladder(ingests: &str, doctors: &str) -> (Ready, Vec<String>) {
    let mut operator = Operator::new().await;
    operator.add_number(OWN, "https://ivr.example.com/");
    operator.setup(&["--number", OWN]).await.done();
    let placeholder = env_value(&operator.env_file(), "FORWARD_CALL_TASK_QUEUE_SID").unwrap();
    let file = |name: &str, text: &str| {
        let path = operator.path(name);
        std::fs::write(&path, text.replace("PLACEHOLDER", &placeholder)).unwrap();
        path.display().to_string()
    };
    let (ingests, doctors) = (file("ingest.toml", ingests), file("doctor.toml", doctors));
    let other = "WQ0000000000000000000000000000000f";
    let plans = ["--redirect-plans", &ingests];
    let ingest = RunningIngest::start_with(&mut operator, other, "", &plans).await;
    operator.setup(&[]).await.done();
    let ready = Ready {
        operator,
        placeholder,
        ingest: Some(ingest),
        forward_to: "+14155550100",
    };
    (ready, ["--redirect-plans".to_owned(), doctors].into())
}

async fn doctor(ready: &Ready, plans: &[String]) -> String {
    let queue = format!("sqlite:{}", ready.operator.path("queue.db").display());
    let plans: Vec<_> = plans.iter().map(String::as_str).collect();
    let arguments = [&["doctor", "--queue", &queue][..], &plans].concat();
    ready.operator.run(&arguments).await.output
}

#[tokio::test]
async fn a_ladder_is_tried_as_twilio_would_and_its_numbers_are_looked_for() {
    let (ready, plans) = ladder(LADDER, LADDER).await;
    let output = doctor(&ready, &plans).await;
    assert!(
        output.contains("✓ ladder           ingest says what follows the first step"),
        "{output}"
    );
    assert!(
        output.contains("✓ caller ID        +…50 of plan \"sales\" may be shown"),
        "{output}"
    );
    assert!(!output.contains('✗'), "{output}");
    let verified = LADDER.replace("+14155550150", "+14155550160");
    let (ready, plans) = ladder(&verified, &verified).await;
    let output = doctor(&ready, &plans).await;
    assert!(output.contains("✓ caller ID        +…60"), "{output}");
}

#[tokio::test]
async fn another_file_a_number_of_somebody_elses_and_a_loop_are_found() {
    let others = LADDER.replace("Press 1.", "Press 1, please.");
    let elsewhere = LADDER
        .replace(
            "caller_id_fallback = \"+14155550150\"",
            "caller_id_fallback = \"+14155550199\"",
        )
        .replace("+14155550101", OWN);
    let (ready, plans) = ladder(&others, &elsewhere).await;
    let output = doctor(&ready, &plans).await;
    for line in [
        "! ladder           ingest's plan \"sales\" is not the one that stands here",
        "✗ caller ID        +…99 of plan \"sales\" is neither a number of the account's nor verified",
        "✗ loop             +…50 of plan \"sales\" leads back into a workflow",
    ] {
        assert!(output.contains(line), "{line}\n{output}");
    }
}
