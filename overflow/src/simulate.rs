//! `overflow simulator`: a simulated Twilio by itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use secrecy::ExposeSecret;
use service::admin::health;
use service::process::bind;
use service::settings::Setting;
use service::telemetry::LogArgs;
use service::{Problems, out};
use simulator::{Account, Config, InvalidPhone, Phone, Simulator, Speed};
use tokio_util::sync::CancellationToken;
use twilio::{AccountSid, CONNECTION_OVERRIDES, E164, EVENTS_PATH, InvalidE164};
use url::Url;

use crate::story::Teller;

/// Where the simulator listens unless told otherwise.
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4010);

/// Where ingest listens unless told otherwise.
const PUBLIC_URL: &str = "http://127.0.0.1:8080";

/// The account's phone number, and where it leads as Twilio sells it.
const NUMBER: &str = "+14155550150";
const NEW_NUMBER_URL: &str = "https://demo.twilio.com/welcome/voice/";

const AUTH_TOKEN_EXAMPLE: &str = "0123456789abcdef0123456789abcdef";

/// A simulated Twilio.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SimulatorArgs {
    /// Where to listen: Twilio's API, and /simulator/… to steer it
    #[arg(
        long,
        env = "SIMULATOR_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4010"
    )]
    listen: Setting<SocketAddr>,

    /// Play an account that is set up already, for `overflow run`; otherwise a new one, for
    /// `overflow setup`
    #[arg(long)]
    set_up: bool,

    /// Where event callbacks go, connection overrides in the fragment included  [default: nowhere;
    /// with --set-up to ingest on port 8080]
    #[arg(long, value_name = "URL", default_value = "")]
    callback: Setting<Option<Url>>,

    /// How many times faster than in reality a task goes through its workflow of 20 s
    #[arg(long, value_name = "FACTOR", default_value = "4")]
    speed: String,

    /// What becomes of calls to a number, once for each: busy, silent, failed, rejected, mailbox or
    /// answers, and what there is to say beside that: how many seconds it rings, the key that is pressed, the
    /// seconds until then, and after how many seconds they hang up, such as
    /// +14155550100=answers,rings=5,presses=1,thinks=2,stays=60  [default: somebody picks up at once,
    /// and presses 1 if asked]
    #[arg(long, value_name = "NUMBER=PHONE")]
    phone: Vec<String>,

    /// The account to play, with SIMULATOR_AUTH_TOKEN; the SIDs of its task queues follow from it
    /// [default: a made-up one]
    #[arg(long, env = "SIMULATOR_ACCOUNT_SID", value_name = "AC…", default_value = "")]
    account_sid: Setting<Option<AccountSid>>,

    /// Its auth token
    #[arg(long, env = "SIMULATOR_AUTH_TOKEN", value_name = "TOKEN")]
    auth_token: Option<String>,

    /// A file that holds the auth token
    #[arg(long, env = "SIMULATOR_AUTH_TOKEN_FILE", value_name = "FILE")]
    auth_token_file: Option<PathBuf>,

    /// Ask the simulator that listens there whether it is up, and do nothing else: exit code 0 if
    /// it is
    #[arg(long)]
    health: bool,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

fn default_callback() -> String {
    format!("{PUBLIC_URL}{EVENTS_PATH}#{CONNECTION_OVERRIDES}")
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// The simulator's settings, resolved.
pub(crate) struct SimulatorSettings {
    listen: SocketAddr,
    config: Config,
}

impl SimulatorArgs {
    /// The health of the running simulator, if that was asked for.
    pub(crate) fn health(&self) -> Option<ExitCode> {
        let listen = |problems: &mut Problems| problems.take(self.listen.clone());
        self.health
            .then(|| health::ask_where(listen, "/simulator/state"))
    }

    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<SimulatorSettings> {
        let token = problems.secret(
            "SIMULATOR_AUTH_TOKEN",
            self.auth_token,
            self.auth_token_file,
            AUTH_TOKEN_EXAMPLE,
        );
        let account = match token {
            Some(token) => problems
                .required(self.account_sid)
                .map(|sid| Account::new(sid, token.expose_secret().to_owned())),
            None => {
                if problems.take(self.account_sid).is_some() {
                    problems.add("SIMULATOR_AUTH_TOKEN", "is not set", AUTH_TOKEN_EXAMPLE);
                }
                None
            }
        };
        let speed = match self.speed.trim() {
            "" => Ok(Speed::REAL),
            speed => speed.parse(),
        };
        let speed = speed.unwrap_or_else(|problem| {
            problems.add("--speed", problem, "4");
            Speed::REAL
        });
        let phones = self.phone.iter().filter_map(|told| match phone(told) {
            Ok(phone) => Some(phone),
            Err(problem) => {
                problems.add("--phone", problem, "+14155550100=busy");
                None
            }
        });
        let phones = phones.collect();
        let callback = self.callback.example(default_callback()).must(
            |url| url.as_ref().is_none_or(is_http),
            "is not an http or https URL",
        );
        let callback = problems.take(callback).map(String::from);
        Some(SimulatorSettings {
            listen: problems.take(self.listen),
            config: Config {
                account,
                is_set_up: self.set_up,
                callback_url: callback.or_else(|| self.set_up.then(default_callback)),
                speed,
                phones,
                ..Config::default()
            },
        })
    }
}

/// A number, and what becomes of calls to it.
fn phone(told: &str) -> Result<(E164, Phone), String> {
    let (number, phone) = told.split_once('=').unwrap_or((told, ""));
    let number = number
        .parse()
        .map_err(|problem: InvalidE164| problem.to_string())?;
    let phone = phone
        .parse()
        .map_err(|problem: InvalidPhone| problem.to_string())?;
    Ok((number, phone))
}

/// Runs the simulator until `stop` is cancelled.
pub(crate) async fn run(
    settings: SimulatorSettings,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = bind("SIMULATOR_LISTEN", settings.listen).await?;
    let (is_given, is_set_up) = (settings.config.account.is_some(), settings.config.is_set_up);
    let tells_phones = !settings.config.phones.is_empty();
    let simulator = Simulator::start(listener, settings.config)?;
    simulator.add_number(NUMBER.parse()?, NEW_NUMBER_URL, None);
    let (token, made_up) = match is_given {
        true => ("…", ""),
        false => (simulator.auth_token(), "; the token is made up"),
    };
    let (placeholder, next) = match is_set_up {
        true => {
            let next = "`overflow run`, then `overflow call --wait` from another terminal";
            let placeholder = simulator.placeholder();
            (
                format!("FORWARD_CALL_TASK_QUEUE_SID={placeholder}\n"),
                next.to_owned(),
            )
        }
        false => (
            String::new(),
            format!(
                "`overflow setup --number {NUMBER}`, `overflow run`, then `overflow doctor` and \
                 `overflow call --wait` from another terminal"
            ),
        ),
    };
    out::line(format_args!(
        "The simulator is up. Settings for `.env`{made_up}:\n\n\
         TWILIO_API_URL={url}\n\
         TWILIO_ACCOUNT_SID={account}\n\
         TWILIO_AUTH_TOKEN={token}\n\
         {placeholder}\
         FORWARD_TO_NUMBER=+14155550100\n\
         PUBLIC_URL={PUBLIC_URL}\n\n\
         Next: {next}. Stop with Ctrl-C.\n",
        // As setup writes it: lines that are appended again don't contradict those.
        url = simulator.api_url().origin().ascii_serialization(),
        account = simulator.account_sid(),
    ));
    let mut teller = Teller::new(simulator.story(), true, tells_phones);
    let told = tokio::select! {
        told = teller.tell() => told,
        () = stop.cancelled() => Ok(()),
    };
    simulator.shutdown().await;
    out::seen(told)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_settings_of_the_demo_in_containers_name_the_simulators_placeholder() {
        let settings = include_str!("../../deploy/compose/demo.env");
        let setting = |name: &str| {
            let mut lines = settings.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().to_owned()
        };
        let account: AccountSid = setting("TWILIO_ACCOUNT_SID").parse().unwrap();
        let config = Config {
            account: Some(Account::new(account, AUTH_TOKEN_EXAMPLE.to_owned())),
            ..Config::default()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(listener, config).unwrap();
        assert_eq!(
            simulator.placeholder().to_string(),
            setting("FORWARD_CALL_TASK_QUEUE_SID")
        );
    }
}
