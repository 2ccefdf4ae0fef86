//! `--health`: a process asks its running twin, so that a container needs no other program for its
//! health check.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::{Problems, out};

/// How long each step of the question may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How much of the answer is read.
const MAX_ANSWER: u64 = 4096;

/// Asks the process that listens where `listen` resolves to for `path`, as [`ask`] does.
pub fn ask_where(listen: impl FnOnce(&mut Problems) -> SocketAddr, path: &str) -> ExitCode {
    let mut problems = Problems::default();
    let listen = listen(&mut problems);
    match problems.finish(Some(listen)) {
        Ok(listen) => ask(listen, path),
        Err(invalid) => invalid.refuse(),
    }
}

/// Asks the process that listens on `listen` for `path`, and prints what it says. Success if the
/// answer is `200`.
fn ask(listen: SocketAddr, path: &str) -> ExitCode {
    match get(reachable(listen), path) {
        Ok(answer) => {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
            let status = head.split(' ').nth(1).unwrap_or_default();
            if status == "200" {
                out::line(body.trim_end());
                return ExitCode::SUCCESS;
            }
            eprintln!("{listen} answers {status}: {}", body.trim_end());
        }
        Err(error) => eprintln!("{listen} does not answer: {error}"),
    }
    ExitCode::FAILURE
}

fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: the answer ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The address by which this machine reaches what listens on all of its addresses.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    listen
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn answered_with(answer: &'static str) -> ExitCode {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.extend(byte);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(asked).unwrap()
        });
        let health = ask(address, "/readyz");
        assert!(server.join().unwrap().starts_with("GET /readyz HTTP/1.0"));
        health
    }

    #[test]
    fn only_an_answer_of_200_is_health() {
        let ok = answered_with("HTTP/1.0 200 OK\r\ncontent-length: 6\r\n\r\nready\n");
        assert_eq!(ok, ExitCode::SUCCESS);
        let unavailable = answered_with("HTTP/1.0 503 Service Unavailable\r\n\r\nnot ready\n");
        assert_eq!(unavailable, ExitCode::FAILURE);
        assert_eq!(answered_with(""), ExitCode::FAILURE);
    }

    #[test]
    fn nobody_there_is_no_health() {
        let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = closed.local_addr().unwrap();
        drop(closed);
        assert_eq!(ask(address, "/readyz"), ExitCode::FAILURE);
    }

    #[test]
    fn what_listens_everywhere_is_asked_on_loopback() {
        let all: SocketAddr = "0.0.0.0:9090".parse().unwrap();
        assert_eq!(reachable(all), "127.0.0.1:9090".parse().unwrap());
        let all: SocketAddr = "[::]:9090".parse().unwrap();
        assert_eq!(reachable(all), "[::1]:9090".parse().unwrap());
    }
}
