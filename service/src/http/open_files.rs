//! How many connections the limit of open files leaves.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the queue, the spool, requests to Twilio and the admin listener need at most.
const OTHERS: u64 = 256;

/// How many connections a listener may have. The soft limit is raised to the hard one first: it is
/// kept low for programs that can't count beyond 1024.
pub(super) fn for_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Where it can't be raised, the old one holds.
    let _ = setrlimit(Resource::Nofile, raised);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let left = files - OTHERS.min(files / 2);
    usize::try_from(left).unwrap_or(usize::MAX)
}
