//! The commands.

use twilio::rest::Patience;

use crate::console::{Console, Status};
use crate::doctor::DoctorArgs;
use crate::error::Error;
use crate::live::VerifyLiveArgs;
use crate::setup::SetupArgs;
use crate::teardown::TeardownArgs;

/// What can be done with Twilio's side.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Set Twilio's side up: task queues, workflow, Studio flow, event callback
    Setup(Box<SetupArgs>),
    /// Check everything that a redirect needs, and change nothing
    Doctor(Box<DoctorArgs>),
    /// Remove what setup made, and restore what it replaced
    Teardown(Box<TeardownArgs>),
    /// Find out, with phones of your own, what Twilio does where its documentation is silent
    ///
    /// What becomes of a task by the redirect, what Twilio says after a refused whisper, whether others
    /// ring on meanwhile, and whether it asks on when the caller hangs up. It makes four real calls,
    /// which Twilio charges for, asks before each, and removes in the end what it made. Twilio must get
    /// to this command: beside a running ingest, let `cloudflared tunnel --url http://127.0.0.1:8081`
    /// give it a URL of its own. For example
    /// `overflow verify-live --public-url https://calm-fox.trycloudflare.com --phone +14155550101
    /// --phone +14155550102`. The exit code is 0 only if all is found out.
    VerifyLive(Box<VerifyLiveArgs>),
}

impl Command {
    /// Does it, and says why where that fails. Requests are repeated, with `patience`, while Twilio
    /// says that it is asked too often.
    pub async fn run(self, console: &mut Console<'_>, patience: Patience) -> Status {
        let ended = match self {
            Self::Setup(args) => args.run(console, patience).await,
            Self::Doctor(args) => Ok(args.run(console, patience).await),
            Self::Teardown(args) => args.run(console, patience).await,
            Self::VerifyLive(args) => args.run(console, patience).await,
        };
        match ended {
            Ok(status) => status,
            Err(Error::Settings(invalid)) => {
                console.line(invalid);
                Status::WrongSettings
            }
            Err(Error::Interrupted) => {
                console.line("interrupted");
                Status::Interrupted
            }
            Err(error) => {
                console.line(format_args!("✗ {error}"));
                Status::Failed
            }
        }
    }
}
