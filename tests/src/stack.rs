//! The pair against the simulator.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use queue::{DeadLetter, Filter, Options, Queue, QueueError, QueueUrl, Stats};
use rabbitmq::{Node, free_address};
use simulator::{Config, PlaceCall, Simulator, Speed};
use tokio::net::TcpListener;

use crate::PATIENCE;
use crate::process::{Process, Surroundings, binary};

/// The outside number of the tests.
pub const NUMBER: &str = "+14155550100";

/// What lies between ingest and redirector.
#[derive(Clone, Copy)]
pub enum Backend {
    /// A file.
    Sqlite,
    /// A RabbitMQ node.
    Amqp(&'static Node),
}

impl Backend {
    /// Both kinds; the node is shared by the tests of a binary.
    pub fn all() -> [Self; 2] {
        [Self::Sqlite, Self::Amqp(Node::shared())]
    }
}

/// How a [`Stack`] is set up.
pub struct StackOptions {
    /// How many ingests.
    pub ingests: usize,
    /// How many redirectors.
    pub redirectors: usize,
    /// Settings of all processes beside those that the stack makes.
    pub settings: Vec<(&'static str, String)>,
    /// The simulator's.
    pub simulator: Config,
    /// How the ingests reach the queue, if by another way than the redirectors and the tests.
    pub ingest_queue: Option<String>,
    /// How the redirectors reach it, if by another way.
    pub redirector_queue: Option<String>,
    /// The folder of the ingests' spools; that of everything else where it is `None`.
    pub spools: Option<PathBuf>,
    /// What the processes are started into.
    pub surroundings: Surroundings,
    /// The address that all ingests stand behind; each has its own where there is none.
    pub public_url: Option<String>,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            ingests: 1,
            redirectors: 1,
            settings: Vec::new(),
            simulator: Config {
                speed: Speed::new(100.0).unwrap(),
                ..Config::default()
            },
            ingest_queue: None,
            redirector_queue: None,
            spools: None,
            surroundings: Surroundings::default(),
            public_url: None,
        }
    }
}

/// The simulator, the queue, and processes of ours around it.
pub struct Stack {
    /// The simulator; what it remembers is what the tests judge by.
    pub simulator: Arc<Simulator>,
    /// The ingests, each at a URL of its own.
    pub ingests: Vec<Process>,
    /// Where each ingest takes event callbacks.
    pub callback_urls: Vec<String>,
    /// The redirectors.
    pub redirectors: Vec<Process>,
    ingest_addresses: Vec<SocketAddr>,
    queue_url: String,
    ingest_queue: String,
    redirector_queue: String,
    spools: PathBuf,
    surroundings: Surroundings,
    public_url: Option<String>,
    prefix: String,
    settings: Vec<(&'static str, String)>,
    folder: tempfile::TempDir,
}

impl Stack {
    /// Starts everything, with a queue that nobody else uses.
    pub async fn start(backend: Backend, options: StackOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let queue_url = match backend {
            Backend::Sqlite => format!("sqlite:{}", folder.path().join("queue.db").display()),
            Backend::Amqp(node) => node.url(),
        };
        Self::start_at(queue_url, folder, options).await
    }

    /// Starts everything with the queue at `queue_url`.
    pub async fn start_at(
        queue_url: String,
        folder: tempfile::TempDir,
        options: StackOptions,
    ) -> Self {
        static NUMBER_OF_STACKS: std::sync::atomic::AtomicU32 =
            std::sync::atomic::AtomicU32::new(0);
        let nth = NUMBER_OF_STACKS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let listener = TcpListener::bind(free_address()).await.unwrap();
        let simulator = Simulator::start(listener, options.simulator).unwrap();
        let mut stack = Self {
            simulator: Arc::new(simulator),
            ingests: Vec::new(),
            callback_urls: Vec::new(),
            redirectors: Vec::new(),
            ingest_addresses: Vec::new(),
            ingest_queue: options.ingest_queue.unwrap_or_else(|| queue_url.clone()),
            redirector_queue: options
                .redirector_queue
                .unwrap_or_else(|| queue_url.clone()),
            queue_url,
            spools: options.spools.unwrap_or_else(|| folder.path().to_owned()),
            surroundings: options.surroundings,
            public_url: options.public_url,
            prefix: format!("test-{}-{nth}", std::process::id()),
            settings: options.settings,
            folder,
        };
        for _ in 0..options.ingests {
            stack.listen_at(free_address()).await;
        }
        for _ in 0..options.redirectors {
            let redirector = stack.start_redirector().await;
            stack.redirectors.push(redirector);
        }
        stack
    }

    /// Starts an ingest at an address. The first takes the workspace's callbacks.
    pub async fn listen_at(&mut self, address: SocketAddr) {
        let url = format!("{}/taskrouter/events", self.public_url(address));
        if self.callback_urls.is_empty() {
            let callback = format!("{url}#rc=5&rp=all&ct=2000&rt=2500");
            self.simulator.set_callback(Some(&callback));
        }
        self.ingest_addresses.push(address);
        self.callback_urls.push(url);
        let ingest = self.start_ingest(self.ingests.len()).await;
        self.ingests.push(ingest);
    }

    /// Starts the ingest that listens where the `index`th does.
    pub async fn start_ingest(&self, index: usize) -> Process {
        let settings = self.ingest_settings(index, &self.ingest_queue);
        Process::start("ingest", self.folder(), &settings, self.surroundings).await
    }

    /// The settings of the `index`th ingest with the queue at `queue_url`.
    pub fn ingest_settings(&self, index: usize, queue_url: &str) -> Vec<(&'static str, String)> {
        let address = self.ingest_addresses[index];
        let mut settings = self.common_settings();
        settings.push(("LISTEN", address.to_string()));
        settings.push(("PUBLIC_URL", self.public_url(address)));
        settings.push(("QUEUE_URL", queue_url.to_owned()));
        settings.push(("SPOOL", self.spool(index).display().to_string()));
        settings.extend(self.settings.iter().cloned());
        settings
    }

    /// The spool of the `index`th ingest.
    pub fn spool(&self, index: usize) -> PathBuf {
        self.spools.join(format!("spool-{index}.db"))
    }

    /// Starts another redirector.
    pub async fn start_redirector(&self) -> Process {
        self.start_redirector_with(&[]).await
    }

    /// Starts another redirector, some of its settings changed.
    pub async fn start_redirector_with(&self, changes: &[(&'static str, String)]) -> Process {
        let mut settings = self.common_settings();
        settings.push(("QUEUE_URL", self.redirector_queue.clone()));
        settings.extend(self.settings.iter().cloned());
        settings.extend(changes.iter().cloned());
        Process::start("redirector", self.folder(), &settings, self.surroundings).await
    }

    /// Where each ingest listens.
    pub fn ingest_addresses(&self) -> &[SocketAddr] {
        &self.ingest_addresses
    }

    fn public_url(&self, address: SocketAddr) -> String {
        self.public_url
            .clone()
            .unwrap_or_else(|| format!("http://{address}"))
    }

    fn common_settings(&self) -> Vec<(&'static str, String)> {
        let simulator = &self.simulator;
        vec![
            ("TWILIO_API_URL", simulator.api_url().to_string()),
            ("TWILIO_ACCOUNT_SID", simulator.account_sid().to_string()),
            ("TWILIO_AUTH_TOKEN", simulator.auth_token().to_owned()),
            (
                "FORWARD_CALL_TASK_QUEUE_SID",
                simulator.placeholder().to_string(),
            ),
            ("FORWARD_TO_NUMBER", NUMBER.to_owned()),
            ("QUEUE_PREFIX", self.prefix.clone()),
        ]
    }

    /// The settings that the command line needs to reach the queue.
    pub fn queue_settings(&self) -> [(&'static str, String); 2] {
        [
            ("QUEUE_URL", self.queue_url.clone()),
            ("QUEUE_PREFIX", self.prefix.clone()),
        ]
    }

    /// Runs a binary of ours to its end, with the settings of a redirector.
    pub fn run(&self, name: &str, arguments: &[&str]) -> Output {
        Command::new(binary(name))
            .args(arguments)
            .current_dir(self.folder())
            .env_clear()
            .envs(self.common_settings())
            .envs(self.queue_settings())
            .env("ADMIN_LISTEN", "127.0.0.1:0")
            .envs(self.settings.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Where the processes of this stack keep their files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A handle of the test's own on the queue.
    pub async fn queue(&self) -> Arc<dyn Queue> {
        let url: QueueUrl = self.queue_url.parse().unwrap();
        let options = Options {
            prefix: self.prefix.clone(),
            ..Options::default()
        };
        queue::open(&url, options).await.unwrap()
    }

    /// How the queue stands once nothing is ready or unacknowledged: awaited, for acks take a moment.
    pub async fn queue_when_idle(&self) -> Stats {
        let queue = self.queue().await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = answered(async || queue.stats().await).await;
            if stats.ready == 0 && stats.unacked.unwrap_or(0) == 0 {
                queue.close().await;
                return stats;
            }
            assert!(Instant::now() < deadline, "the queue stays as {stats:?}");
            // The queue tells nobody when it runs empty.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The dead letters, oldest first.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let queue = self.queue().await;
        let letters = answered(async || queue.list(&Filter::default()).await).await;
        queue.close().await;
        letters
    }

    /// Makes something in Twilio's workspace, and says its SID.
    pub async fn create(&self, what: &str, form: &[(&str, &str)]) -> String {
        let twilio = &self.simulator;
        let (api, workspace) = (twilio.api_url(), twilio.workspace_sid());
        let answer = http()
            .post(format!("{api}v1/Workspaces/{workspace}/{what}"))
            .basic_auth(twilio.account_sid(), Some(twilio.auth_token()))
            .form(form)
            .send()
            .await
            .unwrap();
        let answer = answer.text().await.unwrap();
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let sid = answer["sid"].as_str();
        sid.unwrap_or_else(|| panic!("no SID: {answer}")).to_owned()
    }

    /// The answer to one more caller's callback: its status, if there is one.
    pub async fn callback(&self) -> Option<u16> {
        let silent = PlaceCall::into_placeholder().withholding_events();
        let caller = self.simulator.place_call(silent).unwrap();
        let callback = self.simulator.entered_callback(caller.task_sid).unwrap();
        let delivered = self.simulator.deliver(vec![callback], 1).await;
        delivered[0].outcome.status()
    }

    /// Fails the test unless the simulator comes to see `condition`.
    pub async fn expect(&self, what: &str, condition: impl FnMut(&simulator::State) -> bool) {
        let waited = tokio::time::timeout(PATIENCE, self.simulator.wait_until(condition));
        assert!(waited.await.is_ok(), "not seen: {what}");
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("the logs are kept in {}", self.folder.path().display());
        }
    }
}

/// Asks until there is an answer: each has some seconds, and a broker that is short of processors may
/// need more.
async fn answered<T>(ask: impl AsyncFn() -> Result<T, QueueError>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Err(error) if error.is_transient() && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => return answer.unwrap(),
        }
    }
}

/// A client for the tests' own requests.
pub fn http() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        reqwest::Client::builder()
            .no_proxy()
            // A service that was killed and started again must not be met by an old connection.
            .pool_max_idle_per_host(0)
            .build()
            .unwrap()
    })
}
