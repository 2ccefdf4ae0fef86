//! A role, what a process does for callers, and what every process with a role has beside it.

use std::net::SocketAddr;
use std::process::ExitCode;

use queue::Options;
use tokio_util::sync::CancellationToken;
use twilio::PublicUrl;

use crate::admin::{AdminArgs, AdminSettings};
use crate::plan::PlanArgs;
use crate::process::start;
use crate::settings::{QueueArgs, QueueSettings, Setting, TwilioArgs, TwilioSettings};
use crate::telemetry::LogArgs;
use crate::{Host, Plans, Problems};

/// What a process does: ingest, redirector, or both. It is given by its arguments.
pub trait Role: clap::Args {
    /// Its own settings, resolved.
    type Settings;

    /// Where the admin listener is unless it is told otherwise.
    const ADMIN_LISTEN: SocketAddr;

    /// Whether Twilio must be able to reach it.
    const NEEDS_PUBLIC_URL: bool;

    /// Resolves its own settings, and collects what is wrong with them.
    fn resolve(
        self,
        twilio: Option<&TwilioSettings>,
        public_url: Option<&PublicUrl>,
        problems: &mut Problems,
    ) -> Option<Self::Settings>;

    /// Has its own say in how the queue is used.
    fn adjust(_settings: &Self::Settings, _queue: &mut Options) {}

    /// Works until the host stops.
    fn run(settings: Settings<Self>, host: Host) -> impl Future<Output = anyhow::Result<()>>;
}

/// The command line of a process with a role.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs<R: Role> {
    /// The account.
    #[command(flatten)]
    pub twilio: TwilioArgs,
    /// The URL by which Twilio reaches ingest: signatures are made over it
    /// [required, by a redirector only for plans with steps, and to be told of outcomes]
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", default_value = "")]
    pub public_url: Setting<Option<PublicUrl>>,

    /// The redirect plans.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// The queue.
    #[command(flatten)]
    pub queue: QueueArgs,
    /// What is the role's own.
    #[command(flatten)]
    pub role: R,
    /// Logs and traces.
    #[command(flatten)]
    pub log: LogArgs,
    /// The admin listener.
    #[command(flatten)]
    pub admin: AdminArgs,
}

/// The settings of a process with a role.
#[derive(Debug)]
pub struct Settings<R: Role> {
    /// The account.
    pub twilio: TwilioSettings,
    /// The redirect plans.
    pub plans: Plans,
    /// The queue.
    pub queue: QueueSettings,
    /// What is the role's own.
    pub role: R::Settings,
    /// The admin listener.
    pub admin: AdminSettings,
}

impl<R: Role> RunArgs<R> {
    /// Runs the process `name` to its end.
    pub fn main(self, name: &str) -> ExitCode {
        if let Some(health) = self.admin.health(R::ADMIN_LISTEN) {
            return health;
        }
        let logs = self.log.clone();
        start(name, logs, |problems| self.resolve(problems), Settings::run)
    }

    /// Resolves the settings, and collects what is wrong with them.
    pub fn resolve(self, problems: &mut Problems) -> Option<Settings<R>> {
        let twilio = self.twilio.resolve(problems);
        let public_url = match R::NEEDS_PUBLIC_URL {
            true => problems.required(self.public_url),
            false => problems.take(self.public_url),
        };
        let plans = self.plan.resolve(public_url.as_ref(), problems);
        if public_url.is_none() && plans.as_ref().is_some_and(Plans::outcomes) {
            problems.warn(
                "PUBLIC_URL",
                "is not set, so Twilio isn't asked to tell what becomes of callers, and it takes at least \
                 15 minutes to know: set what ingest has, or OUTCOMES=false",
            );
        }
        let queue = self.queue.resolve(problems);
        let role = self
            .role
            .resolve(twilio.as_ref(), public_url.as_ref(), problems);
        let admin = self.admin.resolve(problems, R::ADMIN_LISTEN);
        let (mut queue, role) = (queue?, role?);
        R::adjust(&role, &mut queue.options);
        Some(Settings {
            twilio: twilio?,
            plans: plans?,
            queue,
            role,
            admin,
        })
    }
}

impl<R: Role> Settings<R> {
    /// Opens the queue, and works until `stop` is cancelled.
    ///
    /// # Errors
    /// The queue or an address can't be used, or the work fails.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let host = Host::open(&self.queue, stop).await?;
        R::run(self, host).await
    }
}
