//! Finding RabbitMQ on this machine.

use std::path::{Path, PathBuf};

/// Where packages put `sbin/rabbitmq-server`, below a folder named after the version.
const PACKAGES: &str = "/usr/lib/rabbitmq/lib";

/// RabbitMQ is not on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotInstalled;

impl std::fmt::Display for NotInstalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "RabbitMQ is not installed, so the tests can't start a node of their own; run \
             `apt-get install rabbitmq-server` (the service that the package sets up is not used), \
             or `tests/run`, which installs what it needs, or name an unpacked release by \
             RABBITMQ_HOME",
        )
    }
}

impl std::error::Error for NotInstalled {}

/// The folder with `rabbitmq-server` and `rabbitmqctl`. Not those in the PATH: Debian's wrappers
/// there switch to the system-wide service's user and data.
pub(crate) fn find() -> Result<PathBuf, NotInstalled> {
    let named = std::env::var_os("RABBITMQ_HOME").map(PathBuf::from);
    let packaged = std::fs::read_dir(PACKAGES)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    named
        .into_iter()
        .chain(packaged)
        .map(|home| home.join("sbin"))
        .find(|sbin| is_file(&sbin.join("rabbitmq-server")))
        .ok_or(NotInstalled)
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file())
}
