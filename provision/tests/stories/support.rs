//! An account in the simulator, a folder to work in, and the commands as the command line has them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use futures::FutureExt;
use futures::future::BoxFuture;
use ingest::IngestArgs;
use provision::{Ask, Command, Console, Patience, Status};
use serde_json::Value;
use service::Problems;
use service::role::RunArgs;
use simulator::{Config, Simulator, Speed};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use twilio::rest::{Client, ClientConfig, Credentials, EventSchema, IncomingNumber, Workspace};
use twilio::{AuthToken, E164, EventType, SinkSid, WorkspaceSid};

pub const PREFIX: &str = "[TR Call Redirection]";
pub const PUBLIC_URL: &str = "https://overflow.example.com";
pub const CALLBACK: &str =
    "https://overflow.example.com/taskrouter/events#rc=5&rp=all&ct=2000&rt=2500";
pub const OUR_EVENTS: &str = "task-queue.entered,task.canceled,workflow.timeout";

#[derive(Debug, Parser)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

/// How a command ended, and what it wrote.
#[derive(Debug)]
pub struct Run {
    pub status: Status,
    pub output: String,
}

impl Run {
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.status, Status::Done, "{}", self.output);
        self.output
    }

    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.status, Status::Failed, "{}", self.output);
        self.output
    }
}

/// Gives these answers, in this order.
#[derive(Default)]
pub struct Answers(VecDeque<bool>);

impl Ask for Answers {
    fn confirm<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, io::Result<bool>> {
        let answer = self.0.pop_front();
        let answer = answer.ok_or_else(|| io::Error::other("nobody is there"));
        async { answer }.boxed()
    }
}

/// Says yes once this has happened.
struct Meanwhile<F>(F);

impl<F: FnMut() + Send> Ask for Meanwhile<F> {
    fn confirm<'a>(&'a mut self, _: &'a str) -> BoxFuture<'a, io::Result<bool>> {
        (self.0)();
        async { Ok(true) }.boxed()
    }
}

/// An operator, with an account at (simulated) Twilio and a folder to work in.
pub struct Operator {
    pub simulator: Simulator,
    pub folder: tempfile::TempDir,
    pub patience: Patience,
    pub public_url: String,
    /// The name of setup's record in the folder.
    pub record: &'static str,
    auth_token: String,
}

impl Operator {
    pub async fn new() -> Self {
        Self::with(Config {
            seed: Some(7),
            speed: Speed::new(500.0).unwrap(),
            ..Config::default()
        })
        .await
    }

    /// Whose workflow ends in a queue that rings agents, so that nothing of ours is there yet.
    pub async fn with(config: Config) -> Self {
        let operator = Self::by_hand(config).await;
        let simulator = &operator.simulator;
        simulator.set_target_workers(simulator.placeholder(), "1==1");
        operator
    }

    /// Who has no task queue and no workflow yet.
    pub async fn bare(config: Config) -> Self {
        let operator = Self::by_hand(config).await;
        operator.simulator.clear_workspace();
        operator
    }

    /// Who has made a placeholder and a workflow that ends in it, by hand: the simulator's own.
    pub async fn by_hand(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let simulator = Simulator::start(listener, config).unwrap();
        Self {
            auth_token: simulator.auth_token().to_owned(),
            simulator,
            folder: tempfile::tempdir().unwrap(),
            patience: impatient(),
            public_url: PUBLIC_URL.to_owned(),
            record: "state.json",
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn state_file(&self) -> PathBuf {
        self.path(self.record)
    }

    pub fn env_file(&self) -> String {
        std::fs::read_to_string(self.path(".env")).unwrap_or_default()
    }

    /// The same operator with another auth token.
    pub fn with_auth_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.auth_token);
        self
    }

    /// Runs a command, answering its questions.
    pub async fn run_answering(&self, arguments: &[&str], answers: &[bool]) -> Run {
        let answers = answers.iter().copied().collect();
        self.run_asking(arguments, &mut Answers(answers)).await
    }

    /// Runs a command and says yes, after something happened while it asked.
    pub async fn run_while(&self, arguments: &[&str], happens: impl FnMut() + Send) -> Run {
        self.run_asking(arguments, &mut Meanwhile(happens)).await
    }

    async fn run_asking(&self, arguments: &[&str], ask: &mut dyn Ask) -> Run {
        let mut output = Vec::new();
        let status = self.run_to(&mut output, arguments, ask).await;
        Run {
            status,
            output: String::from_utf8(output).unwrap(),
        }
    }

    /// Runs a command that writes to `output`.
    pub async fn run_to(
        &self,
        output: &mut (dyn io::Write + Send),
        arguments: &[&str],
        ask: &mut dyn Ask,
    ) -> Status {
        let account = self.simulator.account_sid();
        let (state_file, env_file) = (self.state_file(), self.path(".env"));
        let mut all = vec!["overflow", arguments[0]];
        all.extend(["--account-sid", account.as_str()]);
        all.extend(["--auth-token", &self.auth_token]);
        all.extend(["--api-url", self.simulator.api_url().as_str()]);
        all.extend(["--state-file", state_file.to_str().unwrap()]);
        all.extend(["--public-url", &self.public_url]);
        if arguments[0] == "setup" {
            all.extend(["--env-file", env_file.to_str().unwrap()]);
        }
        all.extend(&arguments[1..]);
        let mut console = Console::new(output, ask);
        let CommandLine { command } = CommandLine::try_parse_from(all).unwrap();
        command.run(&mut console, self.patience).await
    }

    /// Runs a command that must not ask.
    pub async fn run(&self, arguments: &[&str]) -> Run {
        self.run_answering(arguments, &[]).await
    }

    /// `overflow setup --yes` with more arguments.
    pub async fn setup(&self, more: &[&str]) -> Run {
        self.run(&[&["setup", "--yes"], more].concat()).await
    }

    /// `overflow teardown --yes` with more arguments.
    pub async fn teardown(&self, more: &[&str]) -> Run {
        self.run(&[&["teardown", "--yes"], more].concat()).await
    }

    /// `overflow doctor` with the settings of a pair, and more arguments.
    pub async fn doctor(&self, placeholder: &str, forward_to: &str, more: &[&str]) -> Run {
        let queue = format!("sqlite:{}", self.path("queue.db").display());
        let arguments = [
            "doctor",
            "--forward-call-task-queue-sid",
            placeholder,
            "--forward-to-number",
            forward_to,
            "--queue",
            &queue,
        ];
        self.run(&[&arguments[..], more].concat()).await
    }

    pub fn client(&self) -> Client {
        let token = AuthToken::new(self.simulator.auth_token());
        Client::new(&ClientConfig {
            api_url: self.simulator.api_url().as_str().parse().unwrap(),
            ..ClientConfig::new(Credentials::AuthToken(self.simulator.account_sid(), token))
        })
        .unwrap()
    }

    pub fn workspace_sid(&self) -> WorkspaceSid {
        self.simulator.workspace_sid()
    }

    pub async fn workspace(&self) -> Workspace {
        let sid = self.workspace_sid();
        self.client().workspace(&sid).await.unwrap().unwrap()
    }

    pub async fn number(&self, number: &str) -> IncomingNumber {
        let number: E164 = number.parse().unwrap();
        let account = self.simulator.account_sid();
        let mut found = self
            .client()
            .incoming_numbers(&account, Some(&number))
            .await
            .unwrap();
        found.remove(0)
    }

    pub fn add_number(&self, number: &str, voice_url: &str) {
        self.simulator
            .add_number(number.parse().unwrap(), voice_url, None);
    }

    /// A sink by hand, with a subscription of all our events.
    pub async fn add_sink(&self, description: &str, destination: &str) -> SinkSid {
        let client = self.client();
        let sink = client.create_webhook_sink(description, destination).await;
        let sink = sink.unwrap().sid;
        let types = EventType::ALL.map(|event| EventSchema {
            event_type: event.cloud_event_name(),
            schema_version: 1,
        });
        let subscribed = client.create_subscription(description, &sink, &types);
        subscribed.await.unwrap();
        sink
    }

    /// Everything that setup and teardown may touch, SIDs of ours replaced by names so that two
    /// accounts can be compared.
    pub async fn snapshot(&self) -> Snapshot {
        let client = self.client();
        let workspace = self.workspace_sid();
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let api_url = self.simulator.api_url().as_str().trim_end_matches('/');
        names.insert(api_url.to_owned(), "<api>".to_owned());
        let mut resources = Vec::new();
        for queue in client.task_queues(&workspace).await.unwrap() {
            let label = format!("<queue {}>", queue.friendly_name);
            resources.push(format!("{label} {}", queue.target_workers));
            names.insert(queue.sid.to_string(), label);
        }
        let mut configurations = Vec::new();
        for workflow in client.workflows(&workspace).await.unwrap() {
            let label = format!("<workflow {}>", workflow.friendly_name);
            names.insert(workflow.sid.to_string(), label.clone());
            configurations.push(format!("{label} {}", workflow.configuration));
        }
        for summary in client.flows().await.unwrap() {
            let flow = client.flow(&summary.sid).await.unwrap().unwrap();
            let label = format!("<flow {}>", flow.friendly_name);
            configurations.push(format!("{label} {} {}", flow.status, flow.definition));
            names.insert(flow.sid.to_string(), label);
        }
        for sink in client.sinks().await.unwrap() {
            let label = format!("<sink {}>", sink.description);
            let subscriptions = client.subscriptions(&sink.sid).await.unwrap().len();
            let destination = sink.destination().unwrap();
            resources.push(format!(
                "{label} {destination} {subscriptions} subscriptions"
            ));
        }
        let current = self.workspace().await;
        resources.push(format!(
            "callback {:?} filter {:?}",
            current.event_callback_url, current.events_filter
        ));
        let account = self.simulator.account_sid();
        for number in client.incoming_numbers(&account, None).await.unwrap() {
            configurations.push(format!(
                "number {} {}",
                number.voice.method, number.voice.url
            ));
        }
        configurations.extend(self.env_file().lines().map(str::to_owned));
        resources.extend(configurations.into_iter().map(|text| {
            names
                .iter()
                .fold(text, |text, (sid, name)| text.replace(sid, name))
        }));
        resources.sort();
        Snapshot(resources)
    }
}

/// An account, comparable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(pub Vec<String>);

impl Snapshot {
    /// Without the settings file, which teardown leaves alone.
    pub fn at_twilio(self) -> Self {
        Self(
            self.0
                .into_iter()
                .filter(|line| !line.contains("SID=") && !line.contains("_URL="))
                .collect(),
        )
    }
}

/// Gives up at once.
pub fn impatient() -> Patience {
    Patience {
        limit: Duration::ZERO,
        ..Patience::default()
    }
}

#[derive(Parser)]
struct IngestCommandLine {
    #[command(flatten)]
    run: RunArgs<IngestArgs>,
}

/// Ingest, as its own process would run it.
pub struct RunningIngest {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl RunningIngest {
    /// Starts it on a free port, and makes that the operator's public URL.
    pub async fn start(operator: &mut Operator, placeholder: &str) -> Self {
        Self::start_below(operator, placeholder, "").await
    }

    /// The same, with a path in the public URL.
    pub async fn start_below(operator: &mut Operator, placeholder: &str, path: &str) -> Self {
        Self::start_with(operator, placeholder, path, &[]).await
    }

    /// The same, with more settings.
    pub async fn start_with(
        operator: &mut Operator,
        placeholder: &str,
        path: &str,
        more: &[&str],
    ) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        operator.public_url = format!("http://{address}{path}");
        let account = operator.simulator.account_sid();
        let queue = format!("sqlite:{}", operator.path("queue.db").display());
        let (listen, public_url) = (address.to_string(), operator.public_url.clone());
        let settings = [
            "ingest",
            "--account-sid",
            account.as_str(),
            "--auth-token",
            operator.simulator.auth_token(),
            "--forward-call-task-queue-sid",
            placeholder,
            "--forward-to-number",
            "+14155550100",
            "--queue",
            &queue,
            "--listen",
            &listen,
            "--admin-listen",
            "127.0.0.1:0",
            "--public-url",
            &public_url,
        ];
        let app = IngestCommandLine::try_parse_from([&settings[..], more].concat()).unwrap();
        let mut problems = Problems::default();
        let settings = app.run.resolve(&mut problems);
        let settings = problems.finish(settings).unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            settings.run(stopped).await.unwrap();
        });
        while TcpStream::connect(address).await.is_err() {
            assert!(!task.is_finished(), "ingest did not start");
            tokio::task::yield_now().await;
        }
        Self { stop, task }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

/// A value of the settings file.
pub fn env_value(text: &str, name: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
