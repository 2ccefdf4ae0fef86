//! Messages that callers leave.

use simulator::{Conduct, Fate, Readings};

use crate::support::{SORRY, Scene, seconds, told};

const RECORD: &str = r#"<Response><Say>Please leave a message.</Say>
    <Record maxLength="120" action="/recorded"/><Redirect>/not-recorded</Redirect></Response>"#;

#[tokio::test(start_paused = true)]
async fn a_message_is_recorded_and_told() {
    for (message, hangs_up_after_message, duration) in
        [(20, false, "20"), (20, true, "20"), (500, false, "120")]
    {
        let scene = Scene::new(Readings::default(), &[]);
        scene.will(&[RECORD, "<Response><Hangup/></Response>"]);
        let conduct = Conduct {
            message: Some(seconds(message)),
            hangs_up_after_message,
            ..Conduct::default()
        };
        let caller = scene.redirected(conduct);
        let log = scene.over(caller).await;
        scene.until_asked("/recorded").await;
        let asked = scene.asked_once("/recorded");
        assert_eq!(told(&asked, "RecordingDuration"), duration);
        assert!(told(&asked, "RecordingSid").starts_with("RE"));
        assert!(told(&asked, "RecordingUrl").ends_with(&told(&asked, "RecordingSid")));
        let digits = hangs_up_after_message.then_some("hangup");
        assert_eq!(asked.param("Digits").as_deref(), digits);
        assert!(scene.asked("/not-recorded").is_empty());
        assert_eq!(log.fate(), Fate::Message);
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_recording_of_nothing_is_a_reading() {
    for action_without_recording in [false, true] {
        let readings = Readings {
            action_without_recording,
            ..Readings::default()
        };
        let scene = Scene::new(readings, &[]);
        scene.will(&[RECORD, SORRY]);
        let caller = scene.redirected(Conduct::default());
        let log = scene.over(caller).await;
        match action_without_recording {
            true => {
                let asked = scene.asked_once("/recorded");
                assert_eq!(told(&asked, "RecordingDuration"), "0");
            }
            false => drop(scene.asked_once("/not-recorded")),
        }
        assert_eq!(log.fate(), Fate::LastSentence);
    }
}
