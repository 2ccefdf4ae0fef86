//! A network that fails on demand: a TCP proxy that passes, cuts, or falls silent.

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
    targets: watch::Sender<Vec<u16>>,
    next: AtomicUsize,
}

/// A TCP proxy on 127.0.0.1, to one port or to several in turn. It ends when it is dropped.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

impl Proxy {
    /// Starts one in front of these ports.
    pub async fn start(targets: Vec<u16>) -> Self {
        let port = crate::free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let shared = Arc::new(Shared {
            mode: watch::Sender::new(Mode::Pass),
            targets: watch::Sender::new(targets),
            next: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Self {
            port,
            shared,
            accepting,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connects to these ports from now on.
    pub fn set_targets(&self, targets: Vec<u16>) {
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
        let port = targets[(turn + nth) % targets.len()];
        if let Ok(upstream) = TcpStream::connect(("127.0.0.1", port)).await {
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
