//! The folder that a node has to itself.

use std::collections::hash_map::RandomState;
use std::fs::{self, Permissions};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::boot::Addresses;

/// The node's certificate, which vouches for itself.
pub(crate) const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// What nodes must share to talk to each other. Without it, whoever reaches the distribution port on
/// this machine would own the node.
#[derive(Clone)]
pub(crate) struct Cookie(String);

impl Cookie {
    pub(crate) fn new() -> Self {
        Self(format!("{:016x}{:016x}", random(), random()))
    }
}

/// A new folder for a node with its configuration in it.
pub(crate) fn folder(addresses: Addresses, cookie: &Cookie) -> io::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("overflow-rabbitmq-{:016x}", random()));
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    fs::write(
        folder.join("rabbitmq.conf"),
        format!(
            "listeners.tcp.1 = {}\n\
             disk_free_limit.absolute = 50MB\n\
             vm_memory_high_watermark.absolute = 2GB\n\
             listeners.ssl.1 = {}\n\
             ssl_options.cacertfile = {CERTIFICATE}\n\
             ssl_options.certfile = {CERTIFICATE}\n\
             ssl_options.keyfile = {KEY}\n",
            addresses.amqp, addresses.amqps
        ),
    )?;
    let own = rcgen::generate_simple_self_signed([addresses.amqps.ip().to_string()])
        .map_err(io::Error::other)?;
    fs::write(folder.join(CERTIFICATE), own.cert.pem())?;
    fs::write(folder.join(KEY), own.signing_key.serialize_pem())?;
    fs::write(folder.join("enabled_plugins"), "[].\n")?;
    let (ip, port) = (addresses.management.ip(), addresses.management.port());
    fs::write(
        folder.join("advanced.config"),
        format!(
            "[{{rabbitmq_management, [{{listener, [{{ip, \"{ip}\"}}, {{port, {port}}}]}}]}}].\n"
        ),
    )?;
    secret(&folder.join(".erlang.cookie"), cookie)?;
    Ok(folder)
}

fn secret(path: &Path, cookie: &Cookie) -> io::Result<()> {
    fs::write(path, &cookie.0)?;
    fs::set_permissions(path, Permissions::from_mode(0o400))
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
