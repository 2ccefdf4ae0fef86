//! Callers who follow instructions, in process and by tokio's clock.

use std::time::Duration;

use simulator::{Caller, CallerLog, Conduct, Config, PlaceCall, Readings, Simulator};

use super::receiver::{Received, Receiver, Reply};

/// A last sentence.
pub const SORRY: &str = "<Response><Say>Sorry.</Say><Hangup/></Response>";

/// Instructions that connect whoever is asked.
pub const CONNECT: &str = "<Response/>";
/// A number.
pub const FIRST: &str = "+14155550101";

/// A `<Dial>` to these numbers, with a whisper if they are asked.
pub fn dial(numbers: &[&str], asked: bool) -> String {
    let whisper = if asked { " url=\"/whisper\"" } else { "" };
    let nouns = numbers
        .iter()
        .map(|n| format!("<Number{whisper}>{n}</Number>"));
    let nouns: String = nouns.collect();
    format!(
        "<Response><Dial timeout=\"20\" answerOnBridge=\"true\" action=\"/dialed\">{nouns}</Dial>\
         <Say>unreachable</Say></Response>"
    )
}

/// A simulator, its callers, and whoever answers what Twilio asks.
pub struct Scene {
    pub simulator: Simulator,
    pub web: Receiver,
}

impl Scene {
    pub fn new(readings: Readings, phones: &[(&str, &str)]) -> Self {
        let phone =
            |(number, phone): &(&str, &str)| (number.parse().unwrap(), phone.parse().unwrap());
        let (web, carrier) = Receiver::in_process();
        let simulator = Simulator::in_process(Config {
            readings,
            phones: phones.iter().map(phone).collect(),
            carrier: Some(carrier),
            ..Config::default()
        });
        Self { simulator, web }
    }

    /// A caller, whose instructions come from the receiver.
    pub fn redirected(&self, conduct: Conduct) -> Caller {
        let call = PlaceCall {
            conduct,
            ..PlaceCall::into_placeholder()
        };
        let caller = self.simulator.place_call(call).unwrap();
        self.redirect(caller);
        caller
    }

    pub fn redirect(&self, caller: Caller) {
        let url = self.web.url("/begin");
        let twiml = format!("<Response><Redirect>{url}</Redirect></Response>");
        assert!(self.simulator.redirect(caller.call_sid, &twiml));
    }

    /// What a caller heard in all.
    pub async fn over(&self, caller: Caller) -> CallerLog {
        let call = caller.call_sid;
        let over = self
            .simulator
            .wait_until(|state| !state.is_in_progress(&call));
        let day = Duration::from_secs(24 * 60 * 60);
        tokio::time::timeout(day, over).await.expect("it ends");
        self.log(caller)
    }

    pub fn log(&self, caller: Caller) -> CallerLog {
        let journal = self.simulator.journal();
        journal.caller(&caller.call_sid).unwrap().clone()
    }

    pub fn will(&self, documents: &[&str]) {
        let twiml = |document: &&str| Reply::Twiml((*document).to_owned());
        self.web.will(documents.iter().map(twiml));
    }

    /// What was asked for at a path.
    pub fn asked(&self, path: &str) -> Vec<Received> {
        let mut received = self.web.received();
        received.retain(|request| request.uri.path() == path);
        received
    }

    /// The one time that it was asked for.
    pub fn asked_once(&self, path: &str) -> Received {
        let mut asked = self.asked(path);
        assert_eq!(asked.len(), 1, "{path}");
        let asked = asked.remove(0);
        let token = self.simulator.auth_token();
        assert!(asked.is_signed_form(token, &self.web.url(path)));
        asked
    }

    /// Waits until it was asked for.
    pub async fn until_asked(&self, path: &str) {
        while self.asked(path).is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

pub fn told(request: &Received, name: &str) -> String {
    request.param(name).unwrap_or_default()
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
