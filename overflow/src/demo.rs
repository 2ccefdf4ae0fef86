//! `overflow demo`: the whole way of an event, against the simulator, told as it happens.

mod ladder;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use queue::amqp::AmqpQueue;
use queue::{CallerEnd, Content, Health, History, QueueUrl};
use service::process::bind;
use service::role::{RunArgs, Settings};
use service::settings::{Setting, from_flags};
use service::telemetry::LogArgs;
use service::{Host, Problems, out};
use simulator::{Config, PlaceCall, Simulator, Speed};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use twilio::{CallSid, E164, PublicUrl};

use crate::pair::{self, Pair};
use crate::simulate::DEFAULT_LISTEN;
use crate::story::{Teller, millis};

/// How long the redirect may take after that before `--once` gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a task takes through the demo's workflow.
const WALK: Duration = Duration::from_secs(20);

/// What to do after it.
const NEXT: &str = "Next: the same with your own account, in ten minutes: provision/README.md";

/// A demonstration.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DemoArgs {
    /// Shorten the waits in the task queues to half a second in all, instead of five
    #[arg(long)]
    fast: bool,

    /// End after one call, with exit code 0 only if it was redirected
    #[arg(long)]
    once: bool,

    /// Redirect to a ladder: the first number is busy, the second a mailbox, and the third, --number,
    /// takes the call
    #[arg(long)]
    ladder: bool,

    /// The number to redirect to (nobody is really called)
    #[arg(long, value_name = "+…", default_value = "+14155550100")]
    number: Setting<E164>,

    /// The queue: amqp://… for RabbitMQ  [default: an embedded queue in a temporary file]
    #[arg(long, value_name = "URL")]
    queue: Option<String>,

    /// Where the simulator listens, for `overflow call`  [default: 127.0.0.1:4010]
    #[arg(long, env = "SIMULATOR_LISTEN", value_name = "ADDRESS", default_value = "")]
    listen: Setting<Option<SocketAddr>>,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// A demonstration, resolved.
pub(crate) struct Demo {
    speed: Speed,
    once: bool,
    ladder: bool,
    number: E164,
    queue: Option<String>,
    listen: SocketAddr,
}

impl DemoArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<Demo> {
        let factor = if self.fast { 40.0 } else { 4.0 };
        let queue = Setting::<Option<QueueUrl>>::named("--queue".to_owned(), self.queue.clone()).must(
            |queue| !matches!(queue, Some(QueueUrl::Sqlite(_))),
            "names a file, whose requests the demo would take: leave it out, and the demo uses its own file",
        );
        let default_listen = match self.once {
            // Nobody places further calls: any port will do.
            true => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            false => DEFAULT_LISTEN,
        };
        Some(Demo {
            speed: Speed::new(factor).unwrap_or(Speed::REAL),
            once: self.once,
            ladder: self.ladder,
            number: problems.take(self.number),
            queue: problems.take(queue).and(self.queue),
            listen: problems
                .take(self.listen.example(DEFAULT_LISTEN))
                .unwrap_or(default_listen),
        })
    }
}

/// Runs the demonstration until `stop` is cancelled or, once, until the call is redirected.
pub(crate) async fn run(demo: Demo, stop: CancellationToken) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let simulator_listener = bind("SIMULATOR_LISTEN", demo.listen).await?;
    let ingest_listener = bind("LISTEN", SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let public_url: PublicUrl = format!("http://{}", ingest_listener.local_addr()?).parse()?;
    let simulator = Simulator::start(
        simulator_listener,
        Config {
            speed: demo.speed,
            phones: ladder::phones(&demo)?,
            callback_url: Some(public_url.event_callback()),
            ..Config::default()
        },
    )?;
    let pair = pair_settings(&simulator, &public_url, &demo, folder.path())?;
    let pair_stop = stop.child_token();
    let host = Host::open(&pair.queue, pair_stop.clone()).await?;
    let url = &pair.queue.url;
    if let Health::Down(problem) | Health::Broken(problem) = host.queue.health() {
        bail!("cannot use the queue {url}: {problem}");
    }
    let (broker, shown) = match url {
        QueueUrl::Amqp(nodes) => {
            let broker = (nodes.clone(), pair.queue.options.clone());
            (Some(broker), format!("RabbitMQ ({url})"))
        }
        QueueUrl::Sqlite(_) => (None, "the embedded queue (a temporary file)".to_owned()),
    };
    out::line(format_args!(
        "A contact centre in which no agent is free, {factor:.0} times faster than in reality. Twilio is\n\
         simulated, so nobody is really called; requests go over {shown}.\n",
        factor = WALK.as_secs_f64() / demo.speed.shorten(WALK).as_secs_f64(),
    ));
    let told = host.queue.history(Duration::ZERO).await?;
    let running = tokio::spawn(pair::run_on(ingest_listener, pair, host));
    let outcome = play_with_pair(&simulator, told, running, &demo, &stop, &pair_stop).await;
    simulator.shutdown().await;
    if let Some((nodes, options)) = broker {
        let removed = async { AmqpQueue::open(&nodes, options).await?.remove().await };
        let removed = removed.await;
        let said = "cannot remove from the broker what the demo made there";
        return outcome.and(removed.context(said));
    }
    outcome
}

/// Plays the demonstration with ingest and redirector that run, and stops them.
async fn play_with_pair(
    simulator: &Simulator,
    told: Box<dyn History>,
    mut running: JoinHandle<anyhow::Result<()>>,
    demo: &Demo,
    stop: &CancellationToken,
    pair_stop: &CancellationToken,
) -> anyhow::Result<()> {
    let outcome = tokio::select! {
        ended = &mut running => return ended.context("the pair panicked")?,
        outcome = play(simulator, demo, told) => outcome,
        () = stop.cancelled() => match demo.once {
            true => Err(anyhow!("stopped before the call was redirected")),
            false => Ok(()),
        },
    };
    pair_stop.cancel();
    running.await.context("the pair panicked")??;
    outcome
}

/// Places a call, tells of it until it was redirected, and goes on with those of others unless it is
/// to be one only.
async fn play(
    simulator: &Simulator,
    demo: &Demo,
    outcomes: Box<dyn History>,
) -> anyhow::Result<()> {
    let mut teller = Teller::new(simulator.story(), false, demo.ladder);
    let caller = simulator.place_call(PlaceCall::default())?;
    let walk = demo.speed.shorten(
        WALK + if demo.ladder {
            ladder::CLIMB
        } else {
            Duration::ZERO
        },
    );
    let told = tokio::time::timeout(walk + PATIENCE, teller.tell_of(caller.call_sid)).await;
    let told = told.context("the call was not redirected and its task closed in time")?;
    let after = match told {
        Ok(after) => after.context("the call was not redirected")?,
        seen => return out::seen(seen.map(drop)),
    };
    let number = demo.number.as_str();
    let journal = simulator.journal();
    let rang = journal.caller(&caller.call_sid).is_some_and(|heard| {
        let mut callees = heard.callees.iter();
        let has_them = callees.any(|c| c.number == demo.number && c.had_the_caller());
        heard.redirects() == 1 && has_them && !heard.was_given_away_without_a_key()
    });
    if !rang {
        bail!("the call was not redirected once to {number}");
    }
    let after = millis(after);
    let what = match demo.ladder {
        true => format!(
            "it was redirected. The first number was busy, the\n\
             second a mailbox that pressed no key; {number} has the caller."
        ),
        false => format!("it was ringing at {number}, once."),
    };
    out::line(format_args!(
        "\nNobody took the call: {after} later {what}\n\
         Without Flex Overflow the caller would still hear music."
    ));
    // On a ladder a conversation counts once it has lasted longer than the question.
    if !demo.ladder {
        simulator.hang_up(caller.call_sid);
        let ended = tokio::time::timeout(PATIENCE, end_of(caller.call_sid, outcomes)).await;
        let ended = ended.context("it was not told what became of the caller")??;
        out::line(format_args!(
            "Later they hung up. 1 caller redirected, 1 {}.",
            ended.as_str()
        ));
    }
    if demo.once {
        out::line(NEXT);
        return Ok(());
    }
    let simulator = match simulator.api_url().port() {
        Some(4010) | None => String::new(),
        Some(_) => {
            let url = simulator.api_url().origin().ascii_serialization();
            format!(" --simulator {url}")
        }
    };
    out::line(format_args!(
        "Place another with `overflow call{simulator}` from a second terminal, stop with Ctrl-C.\n{NEXT}\n"
    ));
    out::seen(teller.tell().await)
}

/// What became of a caller.
async fn end_of(call: CallSid, mut told: Box<dyn History>) -> anyhow::Result<CallerEnd> {
    loop {
        if let Content::Outcome(outcome) = told.next().await?
            && outcome.call_sid == call
            && let Some(end) = outcome.caller
        {
            return Ok(end);
        }
    }
}

/// The settings that `overflow run` would get.
fn pair_settings(
    simulator: &Simulator,
    public_url: &PublicUrl,
    demo: &Demo,
    folder: &Path,
) -> anyhow::Result<Settings<Pair>> {
    let file = |name: &str| folder.join(name).display().to_string();
    let embedded = || format!("sqlite:{}", file("demo.db"));
    let queue_url = demo.queue.clone().unwrap_or_else(embedded);
    let mut flags = vec![
        format!("--account-sid={}", simulator.account_sid()),
        format!("--auth-token={}", simulator.auth_token()),
        format!("--api-url={}", simulator.api_url()),
        format!("--queue={queue_url}"),
        // Another demo's requests are about another simulator's calls.
        format!("--queue-prefix=overflow-demo-{}", std::process::id()),
        format!("--public-url={public_url}"),
        // Not the spool of the working directory.
        format!("--spool={}", file("spool.db")),
        "--admin-listen=127.0.0.1:0".to_owned(),
    ];
    match demo.ladder {
        true => {
            let plans = file("plans.toml");
            std::fs::write(&plans, ladder::plans(simulator.placeholder(), demo))?;
            flags.push(format!("--redirect-plans={plans}"));
        }
        false => flags.extend([
            format!("--forward-call-task-queue-sid={}", simulator.placeholder()),
            format!("--forward-to-number={}", demo.number.as_str()),
        ]),
    }
    let mut problems = Problems::default();
    let settings = from_flags::<RunArgs<Pair>>(flags)?.resolve(&mut problems);
    Ok(problems.finish(settings)?)
}
