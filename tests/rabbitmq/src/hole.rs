//! An address at which packets are dropped.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Nobody answers there, not even to refuse: the backlog is full, and nothing is taken out of it.
pub struct Hole {
    address: SocketAddr,
    _listener: Socket,
    _waiting: Vec<TcpStream>,
}

impl Hole {
    /// Makes one.
    ///
    /// # Panics
    /// The address is taken.
    pub fn at(address: SocketAddr) -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be had");
        listener.bind(&address.into()).expect("the address is free");
        listener.listen(1).expect("it can be listened on");
        let soon = Duration::from_millis(300);
        let connections = std::iter::repeat_with(|| TcpStream::connect_timeout(&address, soon));
        Self {
            address,
            _listener: listener,
            _waiting: connections.map_while(Result::ok).collect(),
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
