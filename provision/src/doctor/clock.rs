//! Does this machine's clock agree with Twilio's?

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use twilio::rest::Client;

use super::report::Report;

/// `Date` has whole seconds, and the answer takes some time to arrive.
const NOTABLE: SignedDuration = SignedDuration::from_secs(5);

/// How far this machine's clock is ahead, once Twilio has answered.
#[derive(Default)]
pub(super) struct Ahead(Arc<Mutex<Option<SignedDuration>>>);

impl Ahead {
    /// A client that measures it with every answer.
    pub(super) fn of(&self, client: &Client) -> Client {
        let ahead = Arc::clone(&self.0);
        client.clone().observed_by(Arc::new(move |exchange| {
            if let Some(date) = exchange.date {
                *ahead.lock() = Some(Timestamp::now().duration_since(date));
            }
        }))
    }

    pub(super) fn check(&self, report: &mut Report<'_>) {
        // No answer came. That was reported above.
        let Some(ahead) = *self.0.lock() else { return };
        if ahead.abs() < NOTABLE {
            return report.ok("clock", "this machine's clock agrees with Twilio's");
        }
        let side = match ahead.is_negative() {
            true => "behind",
            false => "ahead of",
        };
        let seconds = ahead.abs().as_secs();
        report.warn(
            "clock",
            format!("this machine's clock is {seconds} s {side} Twilio's"),
            "set it with NTP (`timedatectl`); redirects go by Twilio's clock, but logs and the ages of \
             dead letters go by this one",
        );
    }
}
