//! The phone numbers that lead to our Studio flow.

use twilio::E164;
use twilio::rest::{IncomingNumber, VoiceWebhook};

use super::plan::Planner;
use crate::error::{Doing, Error, Result};
use crate::inventory::answered_by;
use crate::step::Step;
use crate::unmade::yet_to_be_made;

impl Planner<'_> {
    /// The number that is to lead to it.
    pub(super) async fn number(&self, number: &E164) -> Result<IncomingNumber> {
        let api = &self.setup.api;
        let numbers = api.client.incoming_numbers(&api.account, Some(number));
        let numbers = numbers.await.doing("list the phone numbers")?;
        let found = numbers.into_iter().find(|incoming| incoming.is(number));
        let found = found.ok_or_else(|| Error::NoSuchNumber(number.as_str().to_owned()))?;
        match answered_by(&found) {
            None => Ok(found),
            Some(by) => Err(Error::NumberTaken {
                number: found.sid,
                by,
            }),
        }
    }

    /// Those that setup pointed at a flow of which this one takes the place.
    pub(super) async fn left_numbers(&self) -> Result<Vec<IncomingNumber>> {
        let api = &self.setup.api;
        let mut left = Vec::new();
        for (sid, recorded) in &self.site.record.numbers {
            let number = api.client.incoming_number(&api.account, sid).await;
            let number = number.doing("read a phone number")?;
            left.extend(number.filter(|number| {
                let url = &number.voice.url;
                *url == recorded.installed_url
                    && *url != self.flow_url()
                    && answered_by(number).is_none()
            }));
        }
        Ok(left)
    }

    /// Calls to the number go to the flow.
    pub(super) fn pointed(&self, number: &IncomingNumber) -> Step {
        let url = self.flow_url();
        // Once ours, what was before that is what teardown restores.
        let recorded = self.site.record.numbers.get(&number.sid);
        let previous = match recorded.filter(|r| r.installed_url == number.voice.url) {
            Some(recorded) => recorded.previous.clone(),
            None => number.voice.clone(),
        };
        let method = match number.voice.url == url {
            true => number.voice.method.clone(),
            false => "POST".to_owned(),
        };
        let voice = VoiceWebhook { method, url };
        let sid = number.sid;
        let typed = self.setup.number.as_ref();
        let named = match typed.filter(|typed| number.is(typed)) {
            Some(typed) => format!("{} ({sid})", typed.as_str()),
            None => sid.to_string(),
        };
        Step::number(number, &named, voice, Some(previous))
    }

    fn flow_url(&self) -> String {
        match &self.site.inventory.flow {
            Some(flow) => self.setup.api.webhook_of(flow),
            None => yet_to_be_made(&self.site.names.studio_flow()),
        }
    }
}
