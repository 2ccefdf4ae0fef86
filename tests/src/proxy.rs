//! A network that fails on demand: a TCP proxy that passes, cuts, or falls silent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What becomes of connections through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Cut,
    HalfOpen,
}

struct Shared {
    mode: watch::Sender<Mode>,
    targets: watch::Sender<Vec<SocketAddr>>,
    next: AtomicUsize,
}

/// A TCP proxy, to one address or to several in turn. It ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

impl Proxy {
    /// Starts one in front of these addresses.
    pub async fn start(targets: Vec<SocketAddr>) -> Self {
        let address = crate::free_address();
        let listener = TcpListener::bind(address).await.unwrap();
        let shared = Arc::new(Shared {
            mode: watch::Sender::new(Mode::Pass),
            targets: watch::Sender::new(targets),
            next: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects to these addresses from now on.
    pub fn set_targets(&self, targets: Vec<SocketAddr>) {
        self.shared.targets.send_replace(targets);
    }

    /// Ends all connections, and each new one at once.
    pub fn cut(&self) {
        self.shared.mode.send_replace(Mode::Cut);
    }

    /// Swallows whatever is sent, in both directions, without ending any connection, as a router
    /// does that has forgotten them. New connections open and stay silent.
    pub fn half_open(&self) {
        self.shared.mode.send_replace(Mode::HalfOpen);
    }

    /// Passes new connections again. Those that fell silent stay so.
    pub fn restore(&self) {
        self.shared.mode.send_replace(Mode::Pass);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        // Else small answers wait for each other, 40 ms at a time.
        let _ = client.set_nodelay(true);
        tokio::spawn(serve(client, shared.clone()));
    }
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let mode = shared.mode.subscribe();
    let first = *mode.borrow();
    let upstream = match first {
        Mode::Cut => return,
        Mode::HalfOpen => None,
        Mode::Pass => match connect(&shared).await {
            Some(mut upstream) => {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut upstream) => return,
                    () = turns(mode.clone(), Mode::Cut) => return,
                    () = turns(mode.clone(), Mode::HalfOpen) => Some(upstream),
                }
            }
            None => return,
        },
    };
    tokio::select! {
        () = async {
            let upstream = async {
                if let Some(upstream) = upstream {
                    swallow(upstream).await;
                }
            };
            tokio::join!(swallow(client), upstream);
        } => {}
        () = turns(mode, Mode::Cut) => {}
    }
}

/// The first of the targets, beginning with the one whose turn it is, that takes a connection.
async fn connect(shared: &Shared) -> Option<TcpStream> {
    let targets = shared.targets.borrow().clone();
    let turn = shared.next.fetch_add(1, Ordering::Relaxed);
    for nth in 0..targets.len() {
        let target = targets[(turn + nth) % targets.len()];
        if let Ok(upstream) = TcpStream::connect(target).await {
            let _ = upstream.set_nodelay(true);
            return Some(upstream);
        }
    }
    None
}

async fn turns(mut mode: watch::Receiver<Mode>, to: Mode) {
    let _ = mode.wait_for(|mode| *mode == to).await;
}

async fn swallow(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}
