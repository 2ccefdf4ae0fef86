//! Brokers with several addresses, of which some drop packets.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use queue::amqp::AmqpQueue;
use queue::{Health, Options, Queue, QueueUrl};
use rabbitmq::{Hole, Node};

const PATIENCE: Duration = Duration::from_secs(60);
const URL: &str = "QUEUE_TEST_URL";
const HOSTS: &str = "QUEUE_TEST_HOSTS";

/// A node, and a hole at its port on another address.
async fn node_and_hole() -> (Node, Hole) {
    let node = tokio::task::spawn_blocking(Node::start).await.unwrap();
    // Nearer to our own address than the node: names are resolved to it first. No other process's.
    let [.., high, low] = std::process::id().to_be_bytes();
    let elsewhere = IpAddr::V4(Ipv4Addr::new(127, 0, high.max(1), low));
    let hole = Hole::at(SocketAddr::new(elsewhere, node.address().port()));
    (node, hole)
}

async fn comes_up(url: &str) {
    let Ok(QueueUrl::Amqp(nodes)) = url.parse() else {
        panic!("{url}")
    };
    let queue = AmqpQueue::open(&nodes, Options::default()).await.unwrap();
    let up = tokio::time::timeout(PATIENCE, async {
        while queue.health() != Health::Up {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(up.await.is_ok(), "{url}: {:?}", queue.health());
    queue.close().await;
}

/// Mounts a file of its own over `/etc/hosts`, which takes root.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_address_of_a_name_will_do() {
    if let Ok(url) = std::env::var(URL) {
        return comes_up(&url).await;
    }
    let (node, hole) = node_and_hole().await;
    let hosts = tempfile::NamedTempFile::new().unwrap();
    let (first, second) = (hole.address().ip(), node.address().ip());
    std::fs::write(&hosts, format!("{first} broker\n{second} broker\n")).unwrap();
    let url = format!("amqp://guest:guest@broker:{}/%2f", node.address().port());
    let script = format!(
        "mount --bind \"${HOSTS}\" /etc/hosts || exit 42; \
         exec \"$0\" --exact any_address_of_a_name_will_do"
    );
    let other = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(URL, url)
        .env(HOSTS, hosts.path())
        .status();
    match other {
        Ok(status) if status.code() != Some(42) => assert!(status.success()),
        _ => eprintln!("skipped: a mount is not permitted here (it takes root)"),
    }
}
