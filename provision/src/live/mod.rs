//! `overflow verify-live`: finds out, with phones of the operator's own, what Twilio does where its
//! documentation is silent.

mod answers;
mod experiments;
mod listener;
mod made;
mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
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
use crate::error::{Doing, Error, Result};
use crate::post::post;
use crate::workspace;

/// The file of answers, unless it is named.
pub(crate) const FILE: &str = ".overflow-live.json";

/// No phone that rings ends by itself meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Finds out, with phones of the operator's own, what Twilio does where its documentation is silent.
#[derive(Debug, Clone, clap::Args)]
pub struct VerifyLiveArgs {
    /// A phone of your own, at hand, two or three times: the caller's, the one that is rung, and one
    /// that rings beside it, else the caller's, where a second call waits  [required]
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
    listen: SocketAddr,
    listener: Arc<Listener>,
    /// Signs as Twilio does.
    token: AuthToken,
    stop: CancellationToken,
}

impl VerifyLiveArgs {
    pub(crate) async fn run(self, console: &mut Console<'_>, patience: Patience) -> Result<Status> {
        let stop = service::shutdown::on_signal()
            .map_err(|error| Error::Unclear(format!("cannot listen for signals: {error}")))?;
        let mut problems = Problems::default();
        let live = self.resolve(patience, stop, &mut problems);
        let live = problems.finish(live)?;
        let socket = TcpListener::bind(live.listen).await.map_err(|error| {
            let listen = live.listen;
            Error::Unclear(format!(
                "cannot listen on {listen}: {error}\n  Choose another port by --listen."
            ))
        })?;
        let served = tokio::spawn(axum::serve(socket, live.listener.router()).into_future());
        let ended = match live.probe().await {
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
    ) -> Option<VerifyLive> {
        let account = args::account(self.twilio, patience, problems);
        let phones = self.phone.into_iter().filter_map(|phone| {
            problems.required(Setting::named("--phone".to_owned(), Some(phone)))
        });
        let phones: Vec<E164> = phones.collect();
        let different: BTreeSet<_> = phones.iter().collect();
        if !(2..=3).contains(&phones.len()) || different.len() < phones.len() {
            problems.add_line("--phone: give two or three different phones of your own");
        }
        let (from, workspace) = (problems.take(self.from), problems.take(self.workspace));
        let wait = self
            .wait
            .must(|wait| *wait <= LONGEST_WAIT, "must be at most 30s");
        let (listen, wait) = (problems.take(self.listen), problems.take(wait));
        let public_url = problems.required(self.public_url);
        let (twilio, api) = account?;
        let (verifier, public_url) = (twilio.verifier(problems)?, public_url?);
        if twilio.client.api_url.is_twilio() && public_url.flaw() == Some(PublicUrlFlaw::Private) {
            problems.add_line(format!(
                "PUBLIC_URL: {public_url} {}",
                PublicUrlFlaw::Private
            ));
        }
        Some(VerifyLive {
            api,
            workspace,
            phones,
            from,
            wait,
            yes: self.yes,
            file: self.live_file,
            listen,
            listener: Listener::new(public_url, verifier),
            token: twilio.auth_tokens.first()?.clone(),
            stop,
        })
    }
}

impl VerifyLive {
    /// Whether the public URL leads to the listener, before a call is made.
    async fn probe(&self) -> Result<()> {
        let listen = self.listen;
        let url = self.listener.url(Asked::Probe);
        let problem = match post(&url, &[], Some(&self.token)).await {
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
        let (caller, rung, other) = (self.phones[0], self.phones[1], self.other_phone());
        console.line(format_args!(
            "This makes 4 real calls that show {from:?}, in about three minutes. Twilio charges the \
             account for each:\n\
             \x20 1. to {caller:?}, who is the caller\n\
             \x20 2. to {rung:?}, who is rung for them\n\
             \x20 3. to {rung:?} again, and at once to {other:?}{}\n\
             A task queue and a workflow, {:?}, are made in the workspace, and removed in the end.\n",
            if other == caller { ", where a second call waits" } else { "" },
            made::NAME
        ));
        let mut run = Run {
            live: self,
            console,
            workspace,
            from,
            answers: answers.unwrap_or_default(),
            called_at: None,
            call: None,
        };
        let ended = run.experiments().await;
        let cleaned = run.clean_up().await;
        let told = run.answers.told();
        for told in &told {
            match told {
                Ok(told) => console.line(format_args!("✓ {told}")),
                Err(question) => console.line(format_args!("! not found out: {question}")),
            }
        }
        if cleaned.is_err() {
            console.line(format_args!(
                "! Not everything could be removed: run this again, or delete workflow and task queue \
                 {:?} in the console.",
                made::NAME
            ));
        }
        ended.and(cleaned)?;
        Ok(match told.iter().all(Result::is_ok) {
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
        let none = "the account has no phone number\n  Name a verified one by --from.";
        first.ok_or_else(|| Error::Unclear(none.to_owned()))
    }
}
