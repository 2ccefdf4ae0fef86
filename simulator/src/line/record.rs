//! A caller leaves a message.

use std::time::Duration;

use tokio::time::Instant;
use twilio::RecordingSid;

use super::{Line, Params, Stopped, Turn};
use crate::dates::Dates;
use crate::journal::{HangUp, Heard};
use crate::resources::Recording;
use crate::twiml::Record;

impl Line {
    /// Goes on with the next verb if nothing is recorded, by one reading.
    pub(super) async fn record(&self, record: Record) -> Result<Option<Turn>, Stopped> {
        let (conduct, readings) = self.core.look(|state| {
            let conduct = state.calls.get(&self.call).map(|call| call.conduct);
            (conduct.unwrap_or_default(), state.config.readings)
        });
        let Some(message) = conduct.message else {
            self.wait(record.timeout).await?;
            let params = self.recorded(Duration::ZERO);
            let asks = readings.action_without_recording;
            return Ok(asks.then_some(Turn::Asks(record.action, params)));
        };
        let (lasts, began) = (message.min(record.max_length), Instant::now());
        let lasted = match self.wait(lasts).await {
            Ok(()) => lasts,
            Err(Stopped) => self.core.speed.lengthen(began.elapsed()).min(lasts),
        };
        let mut params = self.recorded(lasted);
        if conduct.hangs_up_after_message {
            let _ = self.change(|state| state.end_call(self.call, HangUp::Caller));
        } else if lasts < record.max_length {
            // After so long a silence it is over.
            let _ = self.wait(record.timeout).await;
        }
        if !self.stop.is_cancelled() {
            return Ok(Some(Turn::Asks(record.action, params)));
        }
        // What is recorded is recorded; nobody follows the answer.
        if self.core.look(|state| !state.is_in_progress(&self.call)) {
            params.push(("Digits", "hangup".to_owned()));
            let _ = self.asks(&record.action, params).await;
        }
        Err(Stopped)
    }

    fn recorded(&self, lasted: Duration) -> Params {
        self.core.change(|state| {
            state.heard(self.call, Heard::Recorded { lasted });
            let sid: RecordingSid = state.ids.sid();
            let recording = sid.to_string();
            if !lasted.is_zero() {
                let kept = Recording {
                    sid,
                    call: self.call,
                    lasted,
                    dates: Dates::new(state.now()),
                };
                state.recordings.insert(sid, kept);
            }
            let account = state.account.sid;
            let url = format!(
                "https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/{recording}"
            );
            vec![
                ("RecordingUrl", url),
                ("RecordingSid", recording),
                ("RecordingDuration", lasted.as_secs().to_string()),
            ]
        })
    }
}
