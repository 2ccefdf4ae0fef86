//! The harness itself: nodes boot, break as told, and leave nothing behind.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rabbitmq::{Cluster, Node};

/// Far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(300);

fn greeting(address: SocketAddr, within: Duration) -> Option<u8> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(within)).ok()?;
    stream.write_all(b"AMQP\0\0\x09\x01").ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    Some(first[0])
}

#[test]
fn a_node_can_be_frozen_killed_and_restarted_with_its_data() {
    let node = Node::start();
    assert!(node.url().contains(&node.address().to_string()));
    node.ctl(&["add_vhost", "kept"]);

    node.freeze();
    assert_eq!(greeting(node.address(), Duration::from_millis(300)), None);
    node.resume();
    assert_eq!(greeting(node.address(), PATIENCE), Some(1));

    node.kill();
    assert!(TcpStream::connect(node.address()).is_err());
    node.restart();
    assert!(node.ctl(&["list_vhosts"]).contains("kept"));

    node.raise_memory_alarm();
    node.clear_alarm();

    let address = node.address();
    drop(node);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_cluster_goes_on_without_one_of_its_nodes_and_takes_it_back() {
    let cluster = Cluster::start();
    let [first, second, third] = cluster.nodes() else {
        panic!("three nodes");
    };
    let running = |asked: &Node| {
        let said = asked.ctl(&["-q", "eval", "[node() | nodes()]."]);
        let nodes = [first, second, third].into_iter();
        nodes.filter(|node| said.contains(&node.name())).count()
    };
    assert_eq!(running(third), 3);

    first.kill();
    let until = Instant::now() + PATIENCE;
    while running(second) != 2 {
        assert!(Instant::now() < until, "the others don't notice");
    }
    assert_eq!(greeting(second.address(), PATIENCE), Some(1));
    first.restart();
    while running(first) != 3 {
        assert!(Instant::now() < until, "it does not come back");
    }
}

/// Not a test of its own: what the test below kills.
#[test]
#[ignore = "run by the test below"]
fn holds_a_node_for_ever() {
    println!("listens at {}", Node::shared().address());
    loop {
        std::thread::park();
    }
}

#[test]
fn a_node_ends_with_its_test_process_even_when_that_is_killed() {
    let mut process = Command::new(std::env::current_exe().expect("a test has a path"))
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "holds_a_node_for_ever",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a test can be run");
    let mut said = String::new();
    let mut output = process.stdout.take().expect("it is piped");
    let address: SocketAddr = loop {
        let mut byte = [0];
        output.read_exact(&mut byte).expect("it prints its address");
        said.push(char::from(byte[0]));
        if let Some(line) = said.strip_suffix('\n')
            && let Some((_, address)) = line.rsplit_once("listens at ")
        {
            break address.parse().expect("an address");
        }
    };
    assert_eq!(greeting(address, PATIENCE), Some(1));

    process.kill().expect("it runs");
    process.wait().expect("it was our child");

    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < until, "the node outlived its process");
        std::thread::sleep(Duration::from_millis(20));
    }
}
