//! One setting: its variable, its type and its default stand at its argument, and nowhere else.

use std::ffi::{OsStr, OsString};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::num::{IntErrorKind, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize, ParseIntError};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{TypedValueParser, ValueParserFactory};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, Args, Command};

use super::Problems;

/// What can be read from the text of a setting. With `Option`, an empty text is none.
pub trait Value: Clone + Send + Sync + 'static {
    /// A right one, shown where the setting has no default.
    const EXAMPLE: &'static str = "";

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the text, to be said behind the variable's name.
    fn read(text: &str) -> Result<Self, String>;
}

/// A setting as it was given: clap would stop at the first that can't be read, so it takes them
/// all, and [`Problems::take`] collects what is wrong.
#[derive(Debug, Clone)]
pub struct Setting<T> {
    name: String,
    example: String,
    /// The default where the text can't be read.
    value: T,
    problem: Option<String>,
}

impl<T> Setting<T> {
    /// Gives a better example than its type does.
    #[must_use]
    pub fn example(mut self, example: impl ToString) -> Self {
        self.example = example.to_string();
        self
    }

    /// Demands something of the value.
    #[must_use]
    pub fn must(mut self, is_right: impl FnOnce(&T) -> bool, otherwise: &str) -> Self {
        if self.problem.is_none() && !is_right(&self.value) {
            self.problem = Some(otherwise.to_owned());
        }
        self
    }
}

impl<T: Value> Setting<Option<T>> {
    /// A setting that is no argument, as its user calls it.
    pub fn named(name: String, text: Option<String>) -> Self {
        let text = text.unwrap_or_default();
        let read = Value::read(text.trim());
        Self {
            name,
            example: T::EXAMPLE.to_owned(),
            problem: read.as_ref().err().cloned(),
            value: read.unwrap_or_default(),
        }
    }
}

impl Setting<Duration> {
    /// Demands a time that isn't zero.
    #[must_use]
    pub fn more_than_0(self) -> Self {
        self.must(|duration| !duration.is_zero(), "must be more than 0")
    }
}

impl Problems {
    /// The value of a setting, or else its default and a problem.
    pub fn take<T>(&mut self, setting: Setting<T>) -> T {
        if let Some(problem) = &setting.problem {
            self.add(&setting.name, problem, &setting.example);
        }
        setting.value
    }

    /// The value of a setting that must be there.
    pub fn required<T>(&mut self, setting: Setting<Option<T>>) -> Option<T> {
        self.take(setting.must(Option::is_some, "is not set"))
    }
}

/// The arguments as these flags alone give them, whatever the environment holds.
///
/// # Errors
/// There is no such flag.
pub fn from_flags<A: Args>(
    flags: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<A, clap::Error> {
    let command = A::augment_args(Command::new("overflow").no_binary_name(true))
        .mut_args(|argument| argument.env(None::<&'static str>));
    A::from_arg_matches(&command.try_get_matches_from(flags)?)
}

/// Reads a [`Setting`].
#[derive(Debug, Clone)]
pub struct SettingParser<T>(PhantomData<T>);

impl<T: Value> ValueParserFactory for Setting<T> {
    type Parser = SettingParser<T>;

    fn value_parser() -> Self::Parser {
        SettingParser(PhantomData)
    }
}

impl<T: Value> TypedValueParser for SettingParser<T> {
    type Value = Setting<T>;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        text: &OsStr,
    ) -> Result<Setting<T>, clap::Error> {
        self.parse_ref_(command, argument, text, ValueSource::EnvVariable)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        text: &OsStr,
        source: ValueSource,
    ) -> Result<Setting<T>, clap::Error> {
        let Some((argument, text)) = argument.zip(text.to_str()) else {
            return Err(clap::Error::new(ErrorKind::InvalidUtf8).with_cmd(command));
        };
        let default = argument.get_default_values().first();
        let default = default
            .and_then(|default| default.to_str())
            .unwrap_or_default();
        // That is how compose files and shells pass on what isn't set.
        let text = Some(text.trim()).filter(|text| !text.is_empty());
        let (value, problem) = match T::read(text.unwrap_or(default)) {
            Ok(value) => (value, None),
            Err(problem) => {
                let stand_in = T::read(default);
                let is_wrong = |problem| clap::Error::raw(ErrorKind::ValueValidation, problem);
                (stand_in.map_err(is_wrong)?, Some(problem))
            }
        };
        Ok(Setting {
            // As the user gave it.
            name: match (argument.get_env(), argument.get_long()) {
                (Some(variable), _) if source != ValueSource::CommandLine => {
                    variable.to_string_lossy().into_owned()
                }
                (_, flag) => format!("--{}", flag.unwrap_or_default()),
            },
            example: match default {
                "" => T::EXAMPLE.to_owned(),
                default => default.to_owned(),
            },
            value,
            problem,
        })
    }
}

/// Implements [`Value`] by `FromStr`, with an example for settings without default.
#[macro_export]
macro_rules! values {
    ($($T:ty = $example:literal),* $(,)?) => {$(
        impl $crate::settings::Value for $T {
            const EXAMPLE: &'static str = $example;

            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|problem| format!("{problem}"))
            }
        }
    )*};
}

values! {
    PathBuf = "overflow.db",
    queue::QueueUrl = "amqp://guest:guest@127.0.0.1:5672",
    twilio::AccountSid = "AC0123456789abcdef0123456789abcdef",
    twilio::ApiKeySid = "SK0123456789abcdef0123456789abcdef",
    twilio::TaskQueueSid = "WQ0123456789abcdef0123456789abcdef",
    twilio::PublicUrl = "https://overflow.example.com",
    twilio::WorkflowSid = "WW0123456789abcdef0123456789abcdef",
    twilio::WorkspaceSid = "WS0123456789abcdef0123456789abcdef",
    twilio::E164 = "+14155550100",
    twilio::twiml::Record = "record-from-answer",
    twilio::rest::ApiUrl = "https://api.dublin.ie1.twilio.com",
}

/// With its scheme.
impl Value for url::Url {
    const EXAMPLE: &'static str = "http://127.0.0.1:4010";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is not a URL".to_owned())
    }
}

impl<T: Value> Value for Option<T> {
    const EXAMPLE: &'static str = T::EXAMPLE;

    fn read(text: &str) -> Result<Self, String> {
        match text {
            "" => Ok(None),
            text => T::read(text).map(Some),
        }
    }
}

impl Value for bool {
    const EXAMPLE: &'static str = "true";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "is neither true nor false".into())
    }
}

/// Whole numbers, the smallest of which is that.
macro_rules! numbers {
    ($($T:ty => $least:literal),* $(,)?) => {$(
        impl Value for $T {
            const EXAMPLE: &'static str = "1000";

            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|problem: ParseIntError| {
                    match problem.kind() {
                        IntErrorKind::PosOverflow => format!("must be at most {}", Self::MAX),
                        IntErrorKind::Zero | IntErrorKind::NegOverflow => {
                            concat!("must be at least ", $least).to_owned()
                        }
                        _ => "is not a whole number: digits only, no unit".to_owned(),
                    }
                })
            }
        }
    )*};
}

numbers!(
    NonZeroU16 => 1,
    NonZeroU32 => 1,
    NonZeroU64 => 1,
    NonZeroUsize => 1,
);

/// An address to listen on.
impl Value for SocketAddr {
    const EXAMPLE: &'static str = "127.0.0.1:9090";

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| "is not an IP address with a port".to_owned())
    }
}

/// With its unit, such as `500ms`, `3s` or `15m`.
impl Value for Duration {
    const EXAMPLE: &'static str = "15m";

    fn read(text: &str) -> Result<Self, String> {
        if text == "0" {
            return Ok(Self::ZERO);
        }
        let signed: jiff::SignedDuration = text
            .parse()
            .map_err(|_| format!("{text:?} is not a duration with a unit (ms, s, m or h)"))?;
        Self::try_from(signed).map_err(|_| format!("{text:?} is negative"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Args)]
    struct Given {
        #[arg(long, default_value = "10")]
        limit: Setting<NonZeroU16>,
        #[arg(long, default_value = "3s")]
        wait: Setting<Duration>,
        #[arg(long, default_value = "")]
        account: Setting<Option<twilio::AccountSid>>,
    }

    fn given(flags: &[&str]) -> Given {
        from_flags(flags).unwrap()
    }

    #[test]
    fn every_problem_is_a_line_that_names_its_setting_and_an_example() {
        let given = given(&["--limit=many", "--wait=3"]);
        let mut problems = Problems::default();
        assert_eq!(problems.take(given.limit).get(), 10);
        assert_eq!(problems.take(given.wait), Duration::from_secs(3));
        assert_eq!(problems.required(given.account), None);
        let error = problems.finish(Some(())).unwrap_err().to_string();
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines.len(), 3, "{error}");
        let wanted = [
            ("--limit", "10"),
            ("--wait", "3s"),
            ("--account", "AC0123456789abcdef0123456789abcdef"),
        ];
        for (line, (flag, example)) in lines.iter().zip(wanted) {
            assert!(line.starts_with(&format!("{flag}: ")), "{line}");
            assert!(line.contains(&format!("{flag}={example}")), "{line}");
        }
    }

    #[test]
    fn empty_means_left_out() {
        let given = given(&["--limit= ", "--account="]);
        let mut problems = Problems::default();
        assert_eq!(problems.take(given.limit).get(), 10);
        assert_eq!(problems.take(given.account), None);
        assert!(problems.finish(Some(())).is_ok());
    }

    #[test]
    fn what_is_demanded_is_held_against_the_value() {
        let mut problems = Problems::default();
        problems.take(given(&["--wait=0"]).wait.more_than_0());
        for limit in ["0", "30s", "-1", "70000"] {
            problems.take(given(&[&format!("--limit={limit}")]).limit);
        }
        let error = problems.finish(Some(())).unwrap_err().to_string();
        assert!(error.contains("--wait: must be more than 0 (example: --wait=3s)"));
        for problem in [
            "must be at least 1",
            "is not a whole number: digits only, no unit",
            "must be at most 65535",
        ] {
            let line = format!("--limit: {problem} (example: --limit=10)");
            assert!(error.contains(&line), "{error}");
        }
    }

    #[test]
    fn durations_carry_their_unit() {
        for (text, wanted) in [
            ("500ms", Duration::from_millis(500)),
            ("3s", Duration::from_secs(3)),
            ("15m", Duration::from_secs(900)),
            ("1h30m", Duration::from_secs(5400)),
            ("0", Duration::ZERO),
        ] {
            assert_eq!(Duration::read(text), Ok(wanted), "{text}");
        }
    }
}
