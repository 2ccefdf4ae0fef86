//! Is this machine's clock right, by Twilio's?

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use twilio::rest::Client;

use super::report::Report;

/// `Date` is cut to the second, and some time under way.
const NOTABLE: SignedDuration = SignedDuration::from_secs(5);

/// How far this machine's clock is ahead, once Twilio has answered.
#[derive(Default)]
pub(super) struct Ahead(Arc<Mutex<Option<SignedDuration>>>);

impl Ahead {
    /// A client whose answers are measured by.
    pub(super) fn of(&self, client: &Client) -> Client {
        let ahead = Arc::clone(&self.0);
        client.clone().observed_by(Arc::new(move |exchange| {
            if let Some(date) = exchange.date {
                *ahead.lock() = Some(Timestamp::now().duration_since(date));
            }
        }))
    }

    pub(super) fn check(&self, report: &mut Report) {
        // Said before: there was no answer.
        let Some(ahead) = *self.0.lock() else { return };
        if ahead.abs() < NOTABLE {
            return report.ok("clock", "this machine's goes with Twilio's");
        }
        let side = if ahead.is_negative() {
            "behind"
        } else {
            "ahead of"
        };
        report.warn(
            "clock",
            format!("this machine's is {} s {side} Twilio's", ahead.abs().as_secs()),
            "set it by NTP (`timedatectl`); redirects go by Twilio's clock, but logs and the ages of \
             dead letters go by this one",
        );
    }
}
