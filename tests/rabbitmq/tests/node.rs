//! The harness itself: nodes boot, break as told, and leave nothing behind.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rabbitmq::Node;

fn greeting(port: u16, within: Duration) -> Option<u8> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(within)).ok()?;
    stream.write_all(b"AMQP\0\0\x09\x01").ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    Some(first[0])
}

#[test]
fn a_node_can_be_frozen_killed_and_restarted_with_its_data() {
    let node = Node::start();
    assert!(node.url().contains(&node.port().to_string()));
    node.ctl(&["add_vhost", "kept"]);

    node.freeze();
    assert_eq!(greeting(node.port(), Duration::from_millis(300)), None);
    node.resume();
    assert_eq!(greeting(node.port(), Duration::from_secs(20)), Some(1));

    node.kill();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, node.port())).is_err());
    node.restart();
    assert!(node.ctl(&["list_vhosts"]).contains("kept"));

    node.raise_memory_alarm();
    node.clear_alarm();

    let port = node.port();
    drop(node);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

/// Not a test of its own: what the test below kills.
#[test]
#[ignore = "run by the test below"]
fn holds_a_node_for_ever() {
    println!("port {}", Node::shared().port());
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
    let port: u16 = loop {
        let mut byte = [0];
        output.read_exact(&mut byte).expect("it prints its port");
        said.push(char::from(byte[0]));
        if let Some(line) = said.strip_suffix('\n')
            && let Some((_, port)) = line.rsplit_once("port ")
        {
            break port.parse().expect("a port is a number");
        }
    };
    assert_eq!(greeting(port, Duration::from_secs(20)), Some(1));

    process.kill().expect("it runs");
    process.wait().expect("it was our child");

    let until = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
        assert!(Instant::now() < until, "the node outlived its process");
        std::thread::sleep(Duration::from_millis(20));
    }
}
