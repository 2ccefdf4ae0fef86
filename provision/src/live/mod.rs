//! `overflow verify-live`: finds out, with phones of the operator's own, what Twilio does where its
//! documentation is silent.

mod answers;
mod experiments;
mod listener;
mod made;
mod run;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use service::Problems;
use service::settings::{Setting, TwilioArgs};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use twilio::rest::Patience;
use twilio::{AuthToken, E164, PublicUrl, PublicUrlFlaw, WorkspaceSid};

pub(crate) use self::answers::Answers;

use self::listener::{Asked, Listener};
use self::run::Run;
use crate::api::Api;
use crate::args;
use crate::console::{Console, Status};
use crate::doctor;
use crate::error::{Doing, Error, Result};
use crate::workspace;

/// The file of answers, unless it is named.
pub(crate) const FILE: &str = ".overflow-live.json";

/// Finds out what Twilio does where its documentation is silent.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyLiveArgs {
    /// A phone of your own, at hand; two or three times: the caller's, the one that is rung, and one
    /// that rings beside it [default: the caller's, where a second call waits]
    #[arg(long, value_name = "+…")]
    phone: Vec<String>,

    /// The number that the phones show: one of the account's, or verified  [default: the account's
    /// first]
    #[arg(long, value_name = "+…", default_value = "")]
    from: Setting<Option<E164>>,

    /// The URL by which Twilio reaches this command  [required]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", default_value = "")]
    public_url: Setting<Option<PublicUrl>>,

    /// Where this command listens meanwhile
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: Setting<SocketAddr>,

    /// How long something may take until it counts as not done
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    wait: Setting<Duration>,

    /// Don't ask before each call
    #[arg(long, short)]
    yes: bool,

    /// The file that keeps the answers, without any number; doctor shows it
    #[arg(long, value_name = "FILE", default_value = FILE)]
    live_file: PathBuf,

    /// The TaskRouter workspace, WS…  [default: the one named "Flex Task Assignment"]
    #[arg(long, env = "TWILIO_WORKSPACE_SID", value_name = "WS…", default_value = "")]
    workspace: Setting<Option<WorkspaceSid>>,

    // Last: what follows them would stand under their headings.
    #[command(flatten)]
    twilio: TwilioArgs,
}

/// What is to be found out, and with what.
struct VerifyLive {
    api: Api,
    workspace: Option<WorkspaceSid>,
    phones: Vec<E164>,
    from: Option<E164>,
    wait: Duration,
    yes: bool,
    file: PathBuf,
    listener: Arc<Listener>,
    stop: CancellationToken,
}

/// The command, resolved.
struct Settings {
    live: VerifyLive,
    listen: SocketAddr,
    token: AuthToken,
}

impl VerifyLiveArgs {
    pub(crate) async fn run(self, console: &mut Console<'_>, patience: Patience) -> Result<Status> {
        let stop = service::shutdown::on_signal()?;
        let mut problems = Problems::default();
        let settings = self.resolve(patience, stop, &mut problems);
        let Settings {
            live,
            listen,
            token,
        } = problems.finish(settings)?;
        let socket = TcpListener::bind(listen).await;
        let socket = socket.map_err(|error| {
            Error::Unclear(format!(
                "cannot listen on {listen}: {error}\n  Choose another port by --listen."
            ))
        })?;
        let served = tokio::spawn(axum::serve(socket, live.listener.router()).into_future());
        let ended = match live.probe(&token, listen).await {
            Ok(()) => live.run(console).await,
            Err(error) => Err(error),
        };
        served.abort();
        ended
    }

    fn resolve(
        self,
        patience: Patience,
        stop: CancellationToken,
        problems: &mut Problems,
    ) -> Option<Settings> {
        let account = args::account(self.twilio, patience, problems);
        let phones = self.phone.into_iter().filter_map(|phone| {
            problems.required(Setting::named("--phone".to_owned(), Some(phone)))
        });
        let phones: Vec<E164> = phones.collect();
        let is_twice = |at: usize| phones[..at].contains(&phones[at]);
        if !(2..=3).contains(&phones.len()) || (0..phones.len()).any(is_twice) {
            problems.add_line("--phone: give two or three different phones of your own");
        }
        let (from, workspace) = (problems.take(self.from), problems.take(self.workspace));
        let (listen, wait) = (problems.take(self.listen), problems.take(self.wait));
        let public_url = problems.required(self.public_url);
        let (twilio, api) = account?;
        let (verifier, public_url) = (twilio.verifier(problems)?, public_url?);
        if twilio.client.api_url.is_twilio() && public_url.flaw() == Some(PublicUrlFlaw::Private) {
            problems.add_line(format!(
                "PUBLIC_URL: {public_url} {}",
                PublicUrlFlaw::Private
            ));
        }
        Some(Settings {
            listen,
            token: twilio.auth_tokens.first()?.clone(),
            live: VerifyLive {
                api,
                workspace,
                phones,
                from,
                wait,
                yes: self.yes,
                file: self.live_file,
                listener: Listener::new(public_url, verifier),
                stop,
            },
        })
    }
}

impl VerifyLive {
    /// Whether the public URL leads to the listener, before a call is made.
    async fn probe(&self, token: &AuthToken, listen: SocketAddr) -> Result<()> {
        let url = self.listener.url(Asked::Probe);
        let problem = match doctor::post(&url, &[], Some(token)).await {
            Ok(answer) if answer.status == 200 => return Ok(()),
            Ok(answer) => format!("it answers {}", answer.status),
            Err(problem) => problem,
        };
        Err(Error::Unclear(format!(
            "the public URL does not lead to this command, which listens on {listen}: {problem}\n  \
             No call was made. Let a tunnel lead there (`cloudflared tunnel --url http://{listen}`), \
             and name its URL by --public-url; or let your proxy pass /verify-live/… on to it."
        )))
    }

    /// The phone that rings beside the second.
    fn other_phone(&self) -> E164 {
        *self.phones.get(2).unwrap_or(&self.phones[0])
    }

    /// Says what it does, makes the calls, tells and keeps what was found out, and cleans up.
    async fn run(&self, console: &mut Console<'_>) -> Result<Status> {
        let answers = Answers::read(&self.file, self.api.account)?;
        let workspace = workspace::find(&self.api, self.workspace).await?.sid;
        let from = self.shown_number().await?;
        self.announce(from, console);
        let mut run = Run {
            live: self,
            console,
            workspace,
            from,
            answers,
            called_at: None,
            call: None,
        };
        let ended = run.experiments().await;
        let cleaned = run.clean_up().await;
        let Run { answers, .. } = run;
        for answer in answers.told() {
            console.line(format_args!("- {answer}"));
        }
        if cleaned.is_err() {
            console.line(format_args!(
                "! Not everything could be removed: run this again, or delete workflow and task queue \
                 {:?} in the console.",
                made::NAME
            ));
        }
        ended.and(cleaned)?;
        Ok(match answers.are_all_there() {
            true => Status::Done,
            false => Status::Failed,
        })
    }

    async fn shown_number(&self) -> Result<E164> {
        if let Some(from) = self.from {
            return Ok(from);
        }
        let own = self.api.client.incoming_numbers(&self.api.account, None);
        let own = own.await.doing("list the phone numbers")?;
        let first = own.iter().find_map(|number| number.number());
        first.ok_or_else(|| {
            Error::Unclear(
                "the account has no phone number\n  Name a verified one by --from.".to_owned(),
            )
        })
    }

    fn announce(&self, from: E164, console: &mut Console<'_>) {
        let (caller, rung, other) = (self.phones[0], self.phones[1], self.other_phone());
        let waits = match self.phones.len() {
            2 => ", as a second call beside the first",
            _ => "",
        };
        console.line(format_args!(
            "This makes 4 real calls, and Twilio charges the account for each:\n\
             \x20 1. to {caller:?}, who is the caller\n\
             \x20 2. to {rung:?}, who is rung for them\n\
             \x20 3. to {rung:?} again, and at once to {other:?}{waits}\n\
             They show {from:?}, and take about three minutes. A task queue and a workflow are made in \
             the workspace, {:?}, and removed in the end.\n",
            made::NAME
        ));
    }
}
