//! Connection overrides in a URL's fragment
//! (<https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides>).

use std::time::Duration;

use crate::journal::CallbackOutcome;

/// How long Twilio waits for an answer, and when it asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Overrides {
    pub(super) connect_timeout: Duration,
    read_timeout: Duration,
    total_time: Duration,
    retries: u32,
    /// What is tried again, in the words of the override `rp`.
    policy: Vec<String>,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(15),
            total_time: Duration::from_secs(15),
            retries: 1,
            policy: vec!["ct".to_owned()],
        }
    }
}

impl Overrides {
    /// The URL without its fragment, and what the fragment says. Values out of range are clamped;
    /// what can't be parsed leaves the default.
    pub(super) fn split(url: &str) -> (&str, Self) {
        let mut overrides = Self::default();
        let Some((url, fragment)) = url.split_once('#') else {
            return (url, overrides);
        };
        for (name, value) in form_urlencoded::parse(fragment.as_bytes()) {
            let millis = |least: u64, most: u64| {
                let millis: u64 = value.parse().ok()?;
                Some(Duration::from_millis(millis.clamp(least, most)))
            };
            match &*name {
                "ct" => replace(&mut overrides.connect_timeout, millis(100, 10_000)),
                "rt" => replace(&mut overrides.read_timeout, millis(100, 15_000)),
                "tt" => replace(&mut overrides.total_time, millis(100, 15_000)),
                "rc" => replace(
                    &mut overrides.retries,
                    value.parse().ok().map(|count: u32| count.min(5)),
                ),
                "rp" => {
                    let words = value.split(',').map(|word| word.trim().to_owned());
                    overrides.policy = words.collect();
                }
                _ => {}
            }
        }
        (url, overrides)
    }

    /// How long the next answer may take.
    pub(super) fn timeout(&self, elapsed: Duration) -> Duration {
        let left = self.total_time.saturating_sub(elapsed);
        self.read_timeout.min(left)
    }

    /// Whether Twilio tries again after an attempt, the first of which is 1.
    pub(super) fn retries(
        &self,
        attempt: u32,
        outcome: CallbackOutcome,
        elapsed: Duration,
    ) -> bool {
        attempt <= self.retries && elapsed < self.total_time && self.retries_on(outcome)
    }

    fn retries_on(&self, outcome: CallbackOutcome) -> bool {
        let wanted = match outcome {
            CallbackOutcome::Answered(400..=499) => "4xx",
            CallbackOutcome::Answered(500..=599) => "5xx",
            CallbackOutcome::NotConnected => "ct",
            CallbackOutcome::TimedOut => "rt",
            CallbackOutcome::Broken => "all",
            CallbackOutcome::Answered(_) | CallbackOutcome::Dropped => return false,
        };
        self.policy
            .iter()
            .any(|word| word == wanted || word == "all")
    }
}

fn replace<T>(value: &mut T, with: Option<T>) {
    if let Some(with) = with {
        *value = with;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_fragment_twilio_retries_once_and_only_a_failed_connection() {
        let (url, overrides) = Overrides::split("https://example.com/a?b=c");
        assert_eq!(url, "https://example.com/a?b=c");
        assert_eq!(overrides, Overrides::default());
        assert!(overrides.retries_on(CallbackOutcome::NotConnected));
        assert!(!overrides.retries_on(CallbackOutcome::TimedOut));
        assert!(!overrides.retries_on(CallbackOutcome::Answered(503)));
    }

    #[test]
    fn a_fragment_sets_timeouts_and_retries_within_twilios_limits() {
        let (url, overrides) =
            Overrides::split("https://example.com/#rc=9&rp=4xx,5xx,rt&ct=50&rt=2500&tt=99999&x=y");
        assert_eq!(url, "https://example.com/");
        assert_eq!(overrides.retries, 5);
        assert_eq!(overrides.connect_timeout, Duration::from_millis(100));
        assert_eq!(overrides.read_timeout, Duration::from_millis(2500));
        assert_eq!(overrides.total_time, Duration::from_secs(15));
        assert!(overrides.retries_on(CallbackOutcome::Answered(404)));
        assert!(overrides.retries_on(CallbackOutcome::TimedOut));
        assert!(!overrides.retries_on(CallbackOutcome::NotConnected));
        assert!(!overrides.retries_on(CallbackOutcome::Answered(204)));
    }

    #[test]
    fn all_means_all_but_a_good_answer() {
        let (_, overrides) = Overrides::split("http://localhost/#rp=all");
        for outcome in [
            CallbackOutcome::Answered(400),
            CallbackOutcome::Answered(500),
            CallbackOutcome::NotConnected,
            CallbackOutcome::TimedOut,
            CallbackOutcome::Broken,
        ] {
            assert!(overrides.retries_on(outcome), "{outcome:?}");
        }
        assert!(!overrides.retries_on(CallbackOutcome::Answered(204)));
    }
}
