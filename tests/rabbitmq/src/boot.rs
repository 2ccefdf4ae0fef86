//! Booting a node's processes, and seeing to it that they end.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::files::{self, Ports};

const BOOT_WITHIN: Duration = Duration::from_secs(120);
const STOP_WITHIN: Duration = Duration::from_secs(10);
const NODE_NAME: &str = "overflow@localhost";

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

/// Boots one node, each time with the same data and ports.
pub(crate) struct Launcher {
    sbin: PathBuf,
    folder: PathBuf,
    pub(crate) ports: Ports,
    warden: Child,
    epmd: Child,
}

impl Launcher {
    pub(crate) fn new(sbin: PathBuf) -> Self {
        let ports = Ports::free();
        let folder = files::folder(ports).expect("the folder for temporary files can be written");
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
        // Erlang's name service, from which rabbitmqctl learns the node's port.
        let epmd = child("epmd", &folder)
            .args(["epmd", "-address", "127.0.0.1", "-port"])
            .arg(ports.epmd.to_string())
            .spawn()
            .expect("sh can be run");
        Self {
            sbin,
            folder,
            ports,
            warden,
            epmd,
        }
    }

    /// Starts the broker and waits until it answers.
    pub(crate) fn boot(&self) -> Child {
        let log = self.folder.join("output.log");
        let output = fs::File::create(&log).expect("the node's folder can be written");
        let mut command = child("broker", &self.folder);
        command
            .arg(self.sbin.join("rabbitmq-server"))
            .stderr(output.try_clone().expect("a file handle can be cloned"))
            .stdout(output);
        self.environment(&mut command);
        let mut broker = command.spawn().expect("sh can be run");

        let until = Instant::now() + BOOT_WITHIN;
        while !self.answers() {
            let ended = broker.try_wait().expect("the broker is our child");
            assert!(
                ended.is_none() && Instant::now() < until,
                "RabbitMQ did not start ({ended:?}):\n{}",
                fs::read_to_string(&log).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(25));
        }
        broker
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join(files::CERTIFICATE)
    }

    pub(crate) fn ctl(&self) -> Command {
        let mut command = Command::new(self.sbin.join("rabbitmqctl"));
        command.args(["-n", NODE_NAME]);
        self.environment(&mut command);
        command
    }

    fn environment(&self, command: &mut Command) {
        let folder = &self.folder;
        command
            .current_dir(folder)
            .env("HOME", folder)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.ports.epmd.to_string())
            .env("RABBITMQ_NODENAME", NODE_NAME)
            .env("RABBITMQ_USE_LONGNAME", "false")
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
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.ports.amqp.to_string())
            .env("RABBITMQ_DIST_PORT", self.ports.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", folder.join("data"))
            .env("RABBITMQ_LOG_BASE", folder)
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_PID_FILE", folder.join("erlang-pid"))
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            // The start script then becomes the broker itself, so that our signals reach it.
            .env("RUNNING_UNDER_SYSTEMD", "true");
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.amqp)) else {
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
        let _ = self.epmd.wait();
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
    let until = Instant::now() + STOP_WITHIN;
    while !all_stopped(&threads) {
        assert!(Instant::now() < until, "the broker does not stop");
        thread::sleep(Duration::from_millis(1));
    }
}

fn all_stopped(threads: &std::path::Path) -> bool {
    let mut states = fs::read_dir(threads)
        .expect("the broker runs")
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok());
    states.all(|status| status.lines().any(|line| line.starts_with("State:\tT")))
}

fn child(name: &str, folder: &std::path::Path) -> Command {
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
