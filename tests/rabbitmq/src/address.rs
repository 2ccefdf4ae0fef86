//! Addresses that nobody else takes, also while nobody listens there.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

use socket2::{Domain, Socket, Type};

/// Below the range from which the system takes the local ports of outgoing connections: a client
/// that knocks at a dead server again and again would else end up connected to itself.
const OURS: Range<u16> = 10_000..24_000;
const EVERYBODYS: Range<u16> = 24_000..32_000;

/// The loopback address of this process: the tests of two processes never want the same port, and
/// what is killed and started again finds its own free.
pub(crate) fn own() -> Ipv4Addr {
    let [high, middle, low] = match std::process::id().to_be_bytes() {
        // Process IDs have 22 bits at most.
        [_, high, middle, low] => [high + 1, middle, low],
    };
    Ipv4Addr::new(127, high, middle, low)
}

/// A loopback address with a port that only who is told of it uses: this process by its own address,
/// and each port of it is given away once.
///
/// # Panics
/// All are given away.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(OURS.start);
    let ports = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
    ports
        .take_while(|port| OURS.contains(port))
        .map(|port| SocketAddr::from((own(), port)))
        // Somebody may listen on all addresses of this machine.
        .find(|address| nobody_listens(*address).is_ok())
        .expect("an address is free")
}

/// Binds the address without listening there: a process that is started just now inherits the socket
/// for a moment, and one that listens would keep the address taken.
fn nobody_listens(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// A port that is perhaps free on all addresses, for Erlang, which is not content with one of them.
pub(crate) fn random_port() -> u16 {
    let number = RandomState::new().build_hasher().finish();
    let length = u64::from(EVERYBODYS.end - EVERYBODYS.start);
    EVERYBODYS.start + u16::try_from(number % length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::process::Command;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn an_address_is_free_while_processes_are_started() {
        let enough = AtomicBool::new(false);
        let taken = std::thread::scope(|threads| {
            threads.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    Command::new("true").status().unwrap();
                }
            });
            let taken = (0..2_000).find_map(|_| TcpListener::bind(free_address()).err());
            enough.store(true, Ordering::Relaxed);
            taken
        });
        assert!(taken.is_none(), "{taken:?}");
    }

    #[test]
    fn where_somebody_listens_on_all_addresses_is_not_free() {
        let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = everywhere.local_addr().unwrap().port();
        assert!(nobody_listens(SocketAddr::from((own(), port))).is_err());
    }
}
