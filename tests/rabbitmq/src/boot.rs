//! Booting a node's processes, and seeing to it that they end.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::address::{self, free_address};
use crate::files::{self, Cookie};

/// How long a node may take to boot or to stop: far above what it takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the broker says where somebody else has the port that it was given for others of its kind.
const PORT_TAKEN: &str = "could not bind to distribution port";

/// Writes its process ID to a file before it becomes the program, so that there is no moment at
/// which the warden doesn't know of it.
const BECOME: &str = r#"echo $$ >"$0" && exec "$@""#;

/// Its standard input ends when we do, whatever ended us; then it ends what we started.
const WARDEN: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
for file in "$0"/*.pid; do kill -KILL "$(cat "$file")"; done
until rm -rf "$0"; do sleep 0.1; done
"#;

/// Where a node listens, each time that it is booted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) amqp: SocketAddr,
    pub(crate) amqps: SocketAddr,
    pub(crate) management: SocketAddr,
}

/// What the nodes of a cluster have in common.
#[derive(Clone)]
pub(crate) struct Family {
    cookie: Cookie,
    /// Where Erlang's name service listens, from which nodes and rabbitmqctl learn where a node is.
    epmd: u16,
}

/// Boots one node, each time with the same data and addresses.
pub(crate) struct Launcher {
    sbin: PathBuf,
    folder: PathBuf,
    pub(crate) addresses: Addresses,
    pub(crate) family: Family,
    warden: Child,
    epmd: Option<Child>,
}

impl Launcher {
    /// For a node by itself, or the first of a cluster.
    pub(crate) fn new(sbin: PathBuf) -> Self {
        let mut first = Self::among(
            sbin,
            Family {
                cookie: Cookie::new(),
                epmd: 0,
            },
        );
        let (port, epmd) = start_epmd(&first.folder);
        first.family.epmd = port;
        first.epmd = Some(epmd);
        first
    }

    /// For another node of the cluster.
    pub(crate) fn another(&self) -> Self {
        Self::among(self.sbin.clone(), self.family.clone())
    }

    fn among(sbin: PathBuf, family: Family) -> Self {
        let addresses = Addresses {
            amqp: free_address(),
            amqps: free_address(),
            management: free_address(),
        };
        let folder = files::folder(addresses, &family.cookie)
            .expect("the folder for temporary files can be written");
        let warden = Command::new("sh")
            .args(["-c", WARDEN])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal is meant for the tests; the warden has work to do after.
            .process_group(0)
            .spawn()
            .expect("sh can be run");
        Self {
            sbin,
            folder,
            addresses,
            family,
            warden,
            epmd: None,
        }
    }

    /// The node's name, in Erlang's words.
    pub(crate) fn name(&self) -> String {
        let at = self.addresses.amqp;
        format!("node{}@{}", at.port(), at.ip())
    }

    /// Starts the broker and waits until it answers.
    pub(crate) fn boot(&self) -> Child {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.try_boot(until) {
                Ok(broker) => return broker,
                Err(output) if output.contains(PORT_TAKEN) => {}
                Err(output) => panic!("RabbitMQ did not start:\n{output}"),
            }
        }
    }

    fn try_boot(&self, until: Instant) -> Result<Child, String> {
        let log = self.folder.join("output.log");
        let output = fs::File::create(&log).expect("the node's folder can be written");
        let mut command = child("broker", &self.folder);
        command
            .arg(self.sbin.join("rabbitmq-server"))
            .stderr(output.try_clone().expect("a file handle can be cloned"))
            .stdout(output);
        self.environment(&mut command);
        // Where the nodes of a cluster meet. Any will do, each time.
        command.env("RABBITMQ_DIST_PORT", address::random_port().to_string());
        let mut broker = command.spawn().expect("sh can be run");
        while !self.answers() {
            let ended = broker.try_wait().expect("the broker is our child");
            if ended.is_some() || Instant::now() > until {
                return Err(fs::read_to_string(&log).unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(25));
        }
        Ok(broker)
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join(files::CERTIFICATE)
    }

    /// One of RabbitMQ's commands, for this node.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.sbin.join(name));
        command.args(["-n", &self.name()]);
        self.environment(&mut command);
        command
    }

    fn environment(&self, command: &mut Command) {
        let folder = &self.folder;
        let ip = self.addresses.amqp.ip().to_string();
        let interface = ip.replace('.', ",");
        command
            .current_dir(folder)
            .env("HOME", folder)
            .env("ERL_EPMD_ADDRESS", &ip)
            .env("ERL_EPMD_PORT", self.family.epmd.to_string())
            .env("RABBITMQ_NODENAME", self.name())
            // A name with an address in it.
            .env("RABBITMQ_USE_LONGNAME", "true")
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
            .env(
                "RABBITMQ_ADVANCED_CONFIG_FILE",
                folder.join("advanced.config"),
            )
            .env("RABBITMQ_GENERATED_CONFIG_DIR", folder.join("generated"))
            .env(
                "RABBITMQ_ENABLED_PLUGINS_FILE",
                folder.join("enabled_plugins"),
            )
            .env("RABBITMQ_NODE_IP_ADDRESS", ip)
            .env("RABBITMQ_NODE_PORT", self.addresses.amqp.port().to_string())
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder)
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_PID_FILE", folder.join("erlang-pid"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                format!("-kernel inet_dist_use_interface {{{interface}}}"),
            )
            // The start script then becomes the broker itself, so that our signals reach it.
            .env("RUNNING_UNDER_SYSTEMD", "true");
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.addresses.amqp) else {
            return false;
        };
        let mut first = [0];
        stream
            .set_read_timeout(Some(Duration::from_secs(2)))
            .and_then(|()| stream.write_all(b"AMQP\0\0\x09\x01"))
            .and_then(|()| stream.read_exact(&mut first))
            .is_ok_and(|()| first == [1])
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        drop(self.warden.stdin.take());
        // They end by themselves now; reaped so that no zombies stay while the tests go on.
        let _ = self.warden.wait();
        if let Some(epmd) = &mut self.epmd {
            let _ = epmd.wait();
        }
    }
}

/// Starts Erlang's name service, and waits until it listens. It listens on 127.0.0.1, too, where
/// others may have taken the port.
fn start_epmd(folder: &Path) -> (u16, Child) {
    loop {
        let port = address::random_port();
        let address = SocketAddr::from((address::own(), port));
        let mut epmd = child("epmd", folder)
            .args(["epmd", "-address", &address.ip().to_string(), "-port"])
            .arg(port.to_string())
            .spawn()
            .expect("sh can be run");
        while epmd.try_wait().expect("it is our child").is_none() {
            if TcpStream::connect(address).is_ok() {
                return (port, epmd);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Sends a running process the signal of this name.
pub(crate) fn signal(process: &Child, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", r#"kill -s "$0" "$1""#, name])
        .arg(process.id().to_string())
        .status();
    assert!(
        sent.as_ref().is_ok_and(|status| status.success()),
        "SIG{name} could not be sent: {sent:?}"
    );
}

/// Waits until every thread of a process that was sent SIGSTOP has stopped, for the signal takes its
/// time to reach them.
pub(crate) fn await_stopped(process: &Child) {
    let threads = PathBuf::from(format!("/proc/{}/task", process.id()));
    let until = Instant::now() + PATIENCE;
    while !all_stopped(&threads) {
        assert!(Instant::now() < until, "the broker does not stop");
        thread::sleep(Duration::from_millis(1));
    }
}

fn all_stopped(threads: &Path) -> bool {
    let mut states = fs::read_dir(threads)
        .expect("the broker runs")
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok());
    states.all(|status| status.lines().any(|line| line.starts_with("State:\tT")))
}

fn child(name: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", BECOME])
        .arg(folder.join(name).with_extension("pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command
}
