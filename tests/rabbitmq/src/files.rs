//! What a node has to itself: a folder and ports.

use std::collections::hash_map::RandomState;
use std::fs::{self, Permissions};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Below the range from which the system takes the local ports of outgoing connections: a client
/// that knocks at a dead node again and again would else end up connected to itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The node's certificate, which vouches for itself.
pub(crate) const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) amqp: u16,
    pub(crate) amqps: u16,
    pub(crate) distribution: u16,
    pub(crate) epmd: u16,
}

impl Ports {
    pub(crate) fn free() -> Self {
        let length = u64::from(PORTS.end - PORTS.start);
        let first = random() % length;
        let mut free = (0..length)
            .map(|n| PORTS.start + u16::try_from((first + n) % length).unwrap_or_default())
            .filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
        let mut next = || free.next().expect("a port is free");
        Self {
            amqp: next(),
            amqps: next(),
            distribution: next(),
            epmd: next(),
        }
    }
}

/// A new folder for a node with its configuration in it.
pub(crate) fn folder(ports: Ports) -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("overflow-rabbitmq-{:016x}", random()));
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    fs::write(
        folder.join("rabbitmq.conf"),
        format!(
            "listeners.tcp.1 = 127.0.0.1:{}\n\
             disk_free_limit.absolute = 50MB\n\
             vm_memory_high_watermark.absolute = 2GB\n\
             listeners.ssl.1 = 127.0.0.1:{}\n\
             ssl_options.cacertfile = {CERTIFICATE}\n\
             ssl_options.certfile = {CERTIFICATE}\n\
             ssl_options.keyfile = {KEY}\n",
            ports.amqp, ports.amqps
        ),
    )?;
    let own =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(io::Error::other)?;
    fs::write(folder.join(CERTIFICATE), own.cert.pem())?;
    fs::write(folder.join(KEY), own.signing_key.serialize_pem())?;
    fs::write(folder.join("enabled_plugins"), "[].\n")?;
    secret(&folder.join(".erlang.cookie"))?;
    Ok(folder)
}

/// Without this, whoever reaches the distribution port on this machine owns the node.
fn secret(path: &Path) -> io::Result<()> {
    fs::write(path, format!("{:016x}{:016x}", random(), random()))?;
    fs::set_permissions(path, Permissions::from_mode(0o400))
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
