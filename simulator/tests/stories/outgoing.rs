//! Calls that a request makes.

use serde_json::Value;
use simulator::{Callee, CalleeEnd, CallerLog, HangUp, Heard, Simulator, State};
use twilio::{CallSid, E164};

use crate::support::{Api, FIRST, fast, start};

const OWN: &str = "+14155550160";
const SECOND: &str = "+14155550102";

struct Outgoing {
    simulator: Simulator,
    api: Api,
    calls: String,
}

impl Outgoing {
    async fn start(phones: &[(&str, &str)]) -> Self {
        let simulator = start(fast()).await;
        for (number, phone) in phones {
            let phone: simulator::Phone = phone.parse().unwrap();
            simulator.set_phone(number.parse().unwrap(), phone);
        }
        let api = Api::of(&simulator);
        let calls = format!("{}/Calls.json", api.account);
        Self {
            simulator,
            api,
            calls,
        }
    }

    async fn make(&self, twiml: &str) -> CallSid {
        let form = [("To", FIRST), ("From", OWN), ("Twiml", twiml)];
        let made = self.api.post(&self.calls, &form).await.ok();
        assert_eq!(made["status"], "ringing");
        assert_eq!(made["direction"], "outbound-api");
        made["sid"].as_str().unwrap().parse().unwrap()
    }

    fn path(&self, call: CallSid) -> String {
        format!("{}/Calls/{call}.json", self.api.account)
    }

    async fn status(&self, call: CallSid) -> Value {
        self.api.get(&self.path(call)).await.ok()["status"].clone()
    }

    async fn until(&self, call: CallSid, is_so: impl Fn(&CallerLog) -> bool) {
        let is_so = |state: &State| state.journal().caller(&call).is_some_and(&is_so);
        self.simulator.wait_until(is_so).await;
    }

    async fn over(&self, call: CallSid) {
        let over = |state: &State| !state.is_in_progress(&call);
        self.simulator.wait_until(over).await;
    }

    fn ended_by(&self, call: CallSid) -> HangUp {
        let journal = self.simulator.journal();
        match journal.caller(&call).unwrap().entries.last().unwrap().heard {
            Heard::HungUp { by } => by,
            ref other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn who_picks_up_hears_the_instructions_and_who_does_not_ends_the_call() {
    const SAY: &str = "<Response><Say>Hello.</Say></Response>";
    let scene = Outgoing::start(&[(FIRST, "answers,rings=2")]).await;
    let call = scene.make(SAY).await;
    scene.over(call).await;
    assert_eq!(scene.status(call).await, "completed");
    let journal = scene.simulator.journal();
    let heard = journal.caller(&call).unwrap().entries.iter();
    let heard: Vec<_> = heard.map(|entry| entry.heard.clone()).collect();
    let by = HangUp::Twiml;
    let said = Heard::Said {
        text: "Hello.".into(),
    };
    assert_eq!(heard, [Heard::PickedUp, said, Heard::HungUp { by }]);
    for (phone, status) in [
        ("busy", "busy"),
        ("silent", "no-answer"),
        ("failed", "failed"),
        ("answers,rings=61", "no-answer"),
    ] {
        let scene = Outgoing::start(&[(FIRST, phone)]).await;
        let call = scene.make(SAY).await;
        scene.over(call).await;
        assert_eq!(scene.status(call).await, status, "{phone}");
        assert_eq!(scene.ended_by(call), HangUp::NotReached, "{phone}");
    }
}

#[tokio::test]
async fn a_ringing_call_can_be_ended_and_not_redirected() {
    let scene = Outgoing::start(&[(FIRST, "answers,rings=50000")]).await;
    for status in ["completed", "canceled"] {
        let form = [("To", FIRST), ("From", OWN), ("Timeout", "60000")];
        let form = [&form[..], &[("Twiml", "<Response/>")]].concat();
        let made = scene.api.post(&scene.calls, &form).await.ok();
        let call: CallSid = made["sid"].as_str().unwrap().parse().unwrap();
        let redirect = [("Twiml", "<Response/>")];
        let refused = scene.api.post(&scene.path(call), &redirect).await;
        assert_eq!(refused.error(), (400, 21220));
        let form = [("Status", status)];
        let ended = scene.api.post(&scene.path(call), &form).await.ok();
        assert_eq!(ended["status"], "canceled");
    }
}

#[tokio::test]
async fn who_is_called_waits_in_a_queue_and_a_task_stands_for_them() {
    let scene = Outgoing::start(&[(FIRST, "answers,rings=1")]).await;
    let workflow = scene.simulator.workflow_sid();
    let enqueue = format!("<Response><Enqueue workflowSid=\"{workflow}\"/></Response>");
    let call = scene.make(&enqueue).await;
    scene
        .simulator
        .wait_until(|state| state.is_waiting(&call))
        .await;
    let task = scene.simulator.inspect(|state| state.task_of(&call));
    let status = |task| scene.simulator.inspect(|state| state.task(&task)).unwrap();
    assert_eq!(status(task.unwrap()).call, Some(call));
    assert!(scene.simulator.hang_up(call));
    assert_eq!(status(task.unwrap()).reason.as_deref(), Some("hangup"));

    for wrong in [
        "<Enqueue>music</Enqueue>",
        "<Enqueue workflowSid=\"WW0123456789abcdef0123456789abcdef\"/>",
    ] {
        let call = scene.make(&format!("<Response>{wrong}</Response>")).await;
        scene.over(call).await;
        assert_eq!(scene.ended_by(call), HangUp::ApplicationError, "{wrong}");
    }
}

#[tokio::test]
async fn whoever_is_rung_for_a_caller_is_listed_and_who_talks_lets_another_call_ring() {
    let phones = [(FIRST, "answers,rings=1"), (SECOND, "answers,rings=2")];
    let scene = Outgoing::start(&phones).await;
    let dial = format!(
        "<Response><Dial><Number>{FIRST}</Number><Number>{SECOND}</Number></Dial></Response>"
    );
    let call = scene.make(&dial).await;
    let connected = |log: &CallerLog| log.callees.iter().any(|callee| callee.had_the_caller());
    scene.until(call, connected).await;
    let path = format!("{}?ParentCallSid={call}", scene.calls);
    let legs = scene.api.get(&path).await.ok();
    let legs = legs["calls"].as_array().unwrap();
    let shown = |leg: &Value| (leg["to"].clone(), leg["status"].clone());
    let expected = [(FIRST, "canceled"), (SECOND, "in-progress")];
    let expected = expected.map(|(to, status)| (to.into(), status.into()));
    assert_eq!(legs.iter().map(shown).collect::<Vec<_>>(), expected);
    assert!(
        legs.iter()
            .all(|leg| leg["parent_call_sid"] == call.as_str())
    );
    let journal = scene.simulator.journal();
    let waiting = &journal.caller(&call).unwrap().callees[0];
    assert_eq!(waiting.ended().unwrap().0, CalleeEnd::Canceled);
    assert!(waiting.when(|what| *what == Callee::PickedUp).is_none());
}

#[tokio::test]
async fn only_the_accounts_own_numbers_and_verified_ones_are_shown() {
    let scene = Outgoing::start(&[]).await;
    let own: E164 = "+14155550150".parse().unwrap();
    for (to, from, code) in [
        (FIRST, own.as_str(), Some(21210)),
        ("4155550101", OWN, Some(21211)),
        (FIRST, "me", Some(21212)),
        (FIRST, OWN, None),
    ] {
        let form = [("To", to), ("From", from), ("Twiml", "<Response/>")];
        let answer = scene.api.post(&scene.calls, &form).await;
        match code {
            Some(code) => assert_eq!(answer.error(), (400, code)),
            None => drop(answer.ok()),
        }
    }
    let nothing = [("To", FIRST), ("From", OWN)];
    let answer = scene.api.post(&scene.calls, &nothing).await;
    assert_eq!(answer.error(), (400, 21205));
    scene
        .simulator
        .add_number(own, "https://ivr.example.com/", None);
    let form = [
        ("To", FIRST),
        ("From", own.as_str()),
        ("Url", "http://127.0.0.1:9/"),
    ];
    scene.api.post(&scene.calls, &form).await.ok();
}
