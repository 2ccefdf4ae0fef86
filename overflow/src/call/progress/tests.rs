use std::time::Duration;

use simulator::{Conduct, Config, PlaceCall, Simulator};

use super::*;

/// What is told of a caller who is redirected to these instructions, a minute and a half later.
async fn told(conduct: Conduct, twiml: &str) -> String {
    let phones = ["busy", "mailbox", "answers,rings=5", "silent"].iter();
    let numbered = phones.enumerate().map(|(number, phone)| {
        let number = format!("+1415555010{number}");
        (number.parse().unwrap(), phone.parse().unwrap())
    });
    let simulator = Simulator::in_process(Config {
        phones: numbered.collect(),
        ..Config::default()
    });
    let call = PlaceCall {
        conduct,
        ..PlaceCall::into_placeholder()
    };
    let call = simulator.place_call(call).unwrap().call_sid;
    assert!(
        progress(&simulator, call)
            .await
            .told()
            .contains("still waits")
    );
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(simulator.redirect(call, &format!("<Response>{twiml}</Response>")));
    tokio::time::sleep(Duration::from_secs(90)).await;
    let progress = progress(&simulator, call).await;
    assert_eq!(progress.redirects(), 1);
    let told = progress.told();
    let after = ", 20 ms after it entered Call Redirection";
    assert!(told.contains(after), "{told}");
    told.replace(after, "")
}

async fn progress(simulator: &Simulator, call: twilio::CallSid) -> Progress {
    let asked = axum::http::Request::get(format!("/simulator/calls/{call}"));
    let answer = simulator.answer(asked.body(axum::body::Body::empty()).unwrap());
    let body = answer.await.unwrap().into_body();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_followed_to_who_has_them_or_to_the_end() {
    const LAST: &str = "<Say>Please call again.</Say><Hangup/>";
    let dial = |numbers: &[u8]| {
        let dials = numbers
            .iter()
            .map(|n| format!("<Dial>+1415555010{n}</Dial>"));
        dials.collect::<String>() + LAST
    };
    let record = "<Record action=\"http://localhost:1/\"/>".to_owned() + LAST;
    let seconds = Duration::from_secs;
    let quiet = Conduct::default();
    let message = Conduct {
        message: Some(seconds(7)),
        hangs_up_after_message: true,
        ..quiet
    };
    let impatient = Conduct {
        patience: Some(seconds(10)),
        ..quiet
    };
    for (conduct, twiml, expected) in [
        (quiet, dial(&[9]), "redirected to +14155550109"),
        (
            quiet,
            dial(&[0, 2]),
            "redirected to +14155550102, who had the caller 8.0 s later",
        ),
        (
            quiet,
            dial(&[0, 1]),
            "redirected to a mailbox at +14155550101, who had the caller 6.0 s later",
        ),
        (
            quiet,
            dial(&[0]),
            "redirected: nobody took it, and the last the caller heard was “Please call again.”",
        ),
        (
            quiet,
            dial(&[3, 3, 3]),
            "redirected: it still rings at +14155550103",
        ),
        (
            impatient,
            dial(&[3]),
            "redirected: the caller hung up before anybody took it",
        ),
        (
            message,
            record.clone(),
            "redirected: nobody took it, and the caller left a message of 7 s",
        ),
        (
            quiet,
            "<Hangup/>".to_owned(),
            "redirected: nobody took it, and it ended without a word",
        ),
        (
            quiet,
            "<Dial".to_owned(),
            "redirected: the caller heard an application error",
        ),
    ] {
        let told = told(conduct, &twiml).await;
        assert!(told.starts_with(expected), "{told}, not {expected}");
    }
}
