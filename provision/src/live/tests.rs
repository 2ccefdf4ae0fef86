//! The command before a simulated Twilio.

#![allow(clippy::unwrap_used)]

mod stage;

use axum::body::Body;

use simulator::{Endpoint, Fault, Loss, Readings, Rule, TaskAfterRedirect};
use tower::ServiceExt;

use self::stage::{CALLER, OTHER, Operator, RUNG, Stage, TOKEN, own};
use super::answers::{
    ActionAfterHangUp, DialCallStatus, Found, Others, RefusedWhisper, TaskAfterUpdate,
};
use super::*;

/// Whether these are the answers under these readings.
fn are_found(answers: Answers, readings: Readings, task: TaskAfterRedirect) -> bool {
    let task = match task {
        TaskAfterRedirect::Stays => TaskAfterUpdate::StaysOpen,
        TaskAfterRedirect::Canceled => TaskAfterUpdate::canceled(Some("redirected".into())),
    };
    let (status, bridged) = match readings.refused_whisper {
        simulator::RefusedWhisper::NoAnswer => (DialCallStatus::NoAnswer, false),
        simulator::RefusedWhisper::Completed => (DialCallStatus::Completed, false),
        simulator::RefusedWhisper::CompletedAndBridged => (DialCallStatus::Completed, true),
    };
    let bridged = Some(bridged);
    let others = match readings.others_ring_on {
        true => Others::RingOn,
        false => Others::HungUp,
    };
    let action = match readings.action_after_hang_up {
        true => ActionAfterHangUp::Requested,
        false => ActionAfterHangUp::NotRequested,
    };
    answers.task_after_update.unwrap().answer == task
        && answers.refused_whisper.unwrap().answer == RefusedWhisper { status, bridged }
        && answers.others.unwrap().answer == others
        && answers.action_after_hang_up.unwrap().answer == action
}

#[tokio::test(start_paused = true)]
async fn under_each_reading_it_is_the_reading_that_is_found_out() {
    for readings in Readings::all() {
        for task in [TaskAfterRedirect::Canceled, TaskAfterRedirect::Stays] {
            for third in [false, true] {
                let mut stage = Stage::new(readings, task);
                if third {
                    stage.live.phones.push(own(OTHER));
                }
                let why = format!("{readings:?} {task:?} {third}");
                let (ended, written) = stage.run().await;
                assert_eq!(ended.unwrap(), Status::Done, "{why}: {written}");
                assert!(
                    are_found(stage.answers(), readings, task),
                    "{why}: {written}"
                );
                for told in stage.answers().told() {
                    let told = told.unwrap();
                    assert!(written.contains(&told), "{why}: {told}\n{written}");
                }
                stage.nothing_is_left(&why).await;
                let other = if third { OTHER } else { CALLER };
                assert_eq!(stage.rung(), [RUNG, RUNG, other].map(own), "{why}");
                assert_eq!(stage.count(Endpoint::CreateCall), 1, "{why}");
                let file = std::fs::read_to_string(&stage.live.file).unwrap();
                for text in [&written, &file] {
                    assert!(!text.contains("41555501"), "{why}: {text}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_call_is_confirmed_and_without_a_yes_none_is_made() {
    for (agrees, calls, rung) in [(0, 0, 0), (1, 1, 0), (2, 1, 1)] {
        let stage = Stage::by_default();
        let mut operator = Operator::of(&stage);
        operator.agrees = agrees;
        let (ended, written) = stage.run_with(&mut operator).await;
        let problem = ended.unwrap_err().to_string();
        assert_eq!(problem, "no further call is made", "{written}");
        assert_eq!(stage.count(Endpoint::CreateCall), calls);
        assert_eq!(stage.rung().len(), rung);
        stage.nothing_is_left(&format!("{agrees} times yes")).await;
        // What was found out until then is kept.
        assert_eq!(stage.answers().refused_whisper.is_some(), agrees == 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_at_any_moment_leaves_nothing_behind() {
    let mut interrupted = 0;
    for line in 1.. {
        let stage = Stage::by_default();
        let mut operator = Operator::of(&stage);
        operator.heard.lock().signal = Some((line, stage.live.stop.clone()));
        let (ended, written) = stage.run_with(&mut operator).await;
        stage
            .nothing_is_left(&format!("line {line} of {written}"))
            .await;
        match ended {
            Ok(status) => {
                assert_eq!(status, Status::Done);
                break;
            }
            Err(Error::Interrupted) => interrupted += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(interrupted > 10, "{interrupted}");
}

#[tokio::test(start_paused = true)]
async fn requests_that_fail_at_any_moment_leave_nothing_behind() {
    for fault in [
        Fault::INTERNAL_SERVER_ERROR,
        Fault::UNAUTHORIZED,
        Fault::Reset,
        Fault::Hang,
        Fault::LoseAnswer(Loss::Reset),
    ] {
        for in_a_row in [1, 3] {
            let mut failed = 0;
            for first in 0.. {
                let stage = Stage::by_default();
                *stage.ill.lock() = Some((first, in_a_row, fault));
                let (ended, written) = stage.run().await;
                if stage.ill.lock().is_some() {
                    // There are no more.
                    assert_eq!(ended.unwrap(), Status::Done);
                    break;
                }
                let why = format!("{fault:?} from {first}, {in_a_row} in a row: {written}");
                stage.nothing_is_left(&why).await;
                failed += usize::from(ended.is_err());
            }
            assert!(failed > 10, "{fault:?}: {failed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_removed_is_told_and_the_next_run_removes_it() {
    let stage = Stage::by_default();
    let refused = Rule::on([Endpoint::DeleteWorkflow], Fault::INTERNAL_SERVER_ERROR);
    stage.simulator.faults().add(refused);
    let (ended, written) = stage.run().await;
    let problem = ended.unwrap_err().to_string();
    assert!(problem.contains("cannot delete the workflow"), "{problem}");
    assert!(
        written.contains("! Not everything could be removed"),
        "{written}"
    );
    assert!(
        stage.answers().told().iter().all(Result::is_ok),
        "the calls were made"
    );

    stage.simulator.faults().clear();
    let mut operator = Operator::of(&stage);
    operator.agrees = 0;
    let _ = stage.run_with(&mut operator).await;
    stage.nothing_is_left("after the next run").await;
}

#[tokio::test(start_paused = true)]
async fn phones_that_do_otherwise_leave_questions_open() {
    // The caller's is not reached.
    for phone in ["busy", "silent", "failed"] {
        let stage = Stage::by_default();
        stage.phone(CALLER, phone);
        let (ended, _) = stage.run().await;
        let problem = ended.unwrap_err().to_string();
        assert!(
            problem.contains("+…01 was not picked up"),
            "{phone}: {problem}"
        );
        assert!(!stage.live.file.exists(), "{phone}");
        stage.nothing_is_left(phone).await;
    }
    // The second isn't; or it hangs up before the caller; or the caller's isn't hung up at all.
    for (phone, hesitates, found) in [
        ("silent", 5, [true, false, false, false]),
        ("answers,stays=10", 20, [true, true, true, false]),
        ("answers", 1000, [true, true, true, false]),
    ] {
        let stage = Stage::by_default();
        stage.phone(RUNG, phone);
        let mut operator = Operator::of(&stage);
        operator.heard.lock().hesitates = Duration::from_secs(hesitates);
        let (ended, written) = stage.run_with(&mut operator).await;
        assert_eq!(ended.unwrap(), Status::Failed, "{written}");
        let is_found = stage.answers().told().map(|told| told.is_ok());
        assert_eq!(is_found, found, "{phone}: {written}");
        stage.nothing_is_left(phone).await;
    }
    // The third is busy.
    let mut stage = Stage::by_default();
    stage.live.phones.push(own(OTHER));
    stage.phone(OTHER, "busy");
    let (ended, written) = stage.run().await;
    assert_eq!(ended.unwrap(), Status::Failed);
    assert!(
        written.contains("+…03 could not be rung meanwhile"),
        "{written}"
    );
    let answers = stage.answers();
    assert!(answers.others.is_none() && answers.action_after_hang_up.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_number_that_may_not_be_shown_is_refused() {
    let mut stage = Stage::by_default();
    stage.live.from = Some(own(OTHER));
    let (ended, _) = stage.run().await;
    let problem = ended.unwrap_err().to_string();
    assert!(
        problem.contains("cannot make a call: Twilio answered 400 (error 21210)"),
        "{problem}"
    );
    stage.nothing_is_left("a number of somebody else's").await;
}

#[tokio::test(start_paused = true)]
async fn answers_of_another_account_or_an_earlier_run_stay_and_a_broken_file_is_told() {
    let stage = Stage::by_default();
    let other = "AC00000000000000000000000000000001".parse().unwrap();
    let theirs = Answers {
        others: Some(Found::now(Others::RingOn)),
        ..Answers::default()
    };
    theirs.write(&stage.live.file, other).unwrap();
    stage.run().await.0.unwrap();
    let (found, file) = (stage.answers(), &stage.live.file);
    assert_eq!(Answers::read(file, other).unwrap(), Some(theirs));

    let mut again = Stage::by_default();
    again.live.file.clone_from(file);
    again.phone(RUNG, "silent");
    let (ended, _) = again.run().await;
    assert_eq!(ended.unwrap(), Status::Done, "nothing is open");
    assert_eq!(again.answers().others, found.others);

    std::fs::write(file, "{").unwrap();
    let (ended, written) = stage.run().await;
    let problem = ended.unwrap_err().to_string();
    assert!(
        problem.contains("is not as `overflow verify-live` writes it"),
        "{problem}"
    );
    assert_eq!(written, "");
}

#[tokio::test(start_paused = true)]
async fn only_twilio_is_answered_and_only_what_it_is_to_ask() {
    let stage = Stage::by_default();
    let ask = async |url: &str, token: Option<&str>| {
        let path = url.strip_prefix("https://live.example.com").unwrap();
        let mut request = axum::http::Request::post(path);
        if let Some(token) = token {
            let signature = twilio::sign_form(&AuthToken::new(token), url, &Default::default());
            request = request.header(twilio::SIGNATURE_HEADER, signature);
        }
        let router = stage.live.listener.router();
        let answer = router.oneshot(request.body(Body::empty()).unwrap()).await;
        answer.unwrap().status().as_u16()
    };
    let url = stage.live.listener.url(Asked::Begin);
    assert_eq!(ask(&url, None).await, 403);
    assert_eq!(ask(&url, Some("another")).await, 403);
    assert_eq!(ask(&format!("{url}s"), Some(TOKEN)).await, 400);
    assert!(stage.live.listener.asked(Asked::Begin).is_none());
    assert_eq!(ask(&url, Some(TOKEN)).await, 200);
    assert!(stage.live.listener.asked(Asked::Begin).is_some());
}
