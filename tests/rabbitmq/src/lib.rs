//! Private, throwaway RabbitMQ nodes for tests: the real broker, killed and frozen for real.
//!
//! A [`Node`] runs Debian's `rabbitmq-server` as the current user on a loopback address that is this
//! process's own, with its data in a folder of its own; a [`Cluster`] is three of them, joined. The system-wide service is neither used nor touched. Nothing stays
//! behind: a small shell script watches over the node and ends it when the test process ends,
//! however that happens.

mod address;
mod boot;
mod cluster;
mod files;
mod hole;
mod install;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub use address::free_address;
use boot::Launcher;
pub use cluster::Cluster;
pub use hole::Hole;
pub use install::NotInstalled;

/// How long the node may take to see what it is told: far above what it takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running RabbitMQ node with the user `guest`, password `guest`. It ends when it is dropped, or
/// with the process.
pub struct Node {
    launcher: Launcher,
    broker: Mutex<Option<Child>>,
}

impl Node {
    /// Boots a node of one's own and waits until it takes connections, which takes some seconds.
    ///
    /// # Panics
    /// RabbitMQ is not installed (the message says how to install it), or it doesn't start (the
    /// message ends with its log).
    pub fn start() -> Self {
        Self::try_start().unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// As [`Node::start`], for who can do without.
    ///
    /// # Errors
    /// RabbitMQ is not installed.
    ///
    /// # Panics
    /// It is installed and doesn't start.
    pub fn try_start() -> Result<Self, NotInstalled> {
        let node = Self::boot(Launcher::new(install::find()?));
        node.choose_metadata_store();
        Ok(node)
    }

    fn boot(launcher: Launcher) -> Self {
        let broker = launcher.boot();
        Self {
            launcher,
            broker: Mutex::new(Some(broker)),
        }
    }

    /// RabbitMQ 4 has Khepri beside Mnesia.
    fn choose_metadata_store(&self) {
        if std::env::var_os("RABBITMQ_METADATA_STORE").is_some_and(|store| store == "khepri") {
            self.ctl(&["enable_feature_flag", "--experimental", "khepri_db"]);
        }
    }

    /// The node that all tests of this process share, for those that don't break it. Keep them
    /// apart by prefix.
    ///
    /// # Panics
    /// As [`Node::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Node> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// The node's address with user, password and virtual host.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@{}/%2f", self.address())
    }

    /// The node's address for TLS.
    pub fn tls_url(&self) -> String {
        format!("amqps://guest:guest@{}/%2f", self.launcher.addresses.amqps)
    }

    /// The file of the certificate that clients must trust for TLS: nobody else vouches for it.
    pub fn certificate(&self) -> PathBuf {
        self.launcher.certificate()
    }

    /// Where the node listens.
    pub fn address(&self) -> SocketAddr {
        self.launcher.addresses.amqp
    }

    /// The node's name among the nodes of its cluster.
    pub fn name(&self) -> String {
        self.launcher.name()
    }

    /// Ends the broker as a power cut would. Its data stays for [`Node::restart`].
    pub fn kill(&self) {
        if let Some(mut broker) = self.broker().take() {
            broker.kill().expect("the broker can be killed");
            broker.wait().expect("the broker was our child");
        }
    }

    /// Boots the broker again, killing it first if it runs, with its data and at the same address.
    ///
    /// # Panics
    /// It doesn't start.
    pub fn restart(&self) {
        self.kill();
        *self.broker() = Some(self.launcher.boot());
    }

    /// Stops the broker in the middle of whatever it does; its connections stay open, dead silent.
    pub fn freeze(&self) {
        self.signal("STOP");
        boot::await_stopped(self.broker().as_ref().expect("the broker runs"));
    }

    /// Lets a frozen broker go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Runs `rabbitmqctl` against the node and returns what it printed.
    ///
    /// # Panics
    /// It fails; the message has its arguments and what it said.
    pub fn ctl(&self, args: &[&str]) -> String {
        self.run("rabbitmqctl", args)
    }

    /// Turns the management API on, and says where it is.
    ///
    /// # Panics
    /// The node doesn't run.
    pub fn manage(&self) -> String {
        self.run("rabbitmq-plugins", &["enable", "rabbitmq_management"]);
        format!("http://{}", self.launcher.addresses.management)
    }

    fn run(&self, command: &str, args: &[&str]) -> String {
        let output = self
            .launcher
            .command(command)
            .args(args)
            .output()
            .expect("RabbitMQ's commands can be run");
        assert!(
            output.status.success(),
            "{command} {args:?} failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the node has written down which quorum queues it has. RabbitMQ does so half a second
    /// late: killed before, it never again finds a leader for a queue that is new.
    pub fn remember_queues(&self) {
        self.ctl(&["-q", "eval", "[dets:sync(Table) || Table <- dets:all()]."]);
    }

    /// Makes the node believe that it is short of memory, so that it blocks whoever publishes.
    pub fn raise_memory_alarm(&self) {
        self.ctl(&["-q", "set_vm_memory_high_watermark", "0"]);
        self.await_alarm(true);
    }

    /// Ends the memory alarm.
    pub fn clear_alarm(&self) {
        self.ctl(&["-q", "set_vm_memory_high_watermark", "absolute", "2GB"]);
        self.await_alarm(false);
    }

    fn await_alarm(&self, raised: bool) {
        let until = Instant::now() + PATIENCE;
        while self
            .ctl(&["-q", "eval", "rabbit_alarm:get_alarms()."])
            .contains("memory")
            != raised
        {
            assert!(Instant::now() < until, "no alarm change: raised={raised}");
        }
    }

    fn signal(&self, name: &str) {
        let broker = self.broker();
        let broker = broker.as_ref().expect("the broker runs");
        boot::signal(broker, name);
    }

    fn broker(&self) -> MutexGuard<'_, Option<Child>> {
        self.broker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
