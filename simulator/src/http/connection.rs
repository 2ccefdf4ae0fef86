//! A server that can be closed and opened again, and connections that can be cut.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::core::Core;

/// After `accept` failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves a router on an address that can be closed and opened again.
pub(crate) struct Server {
    core: Arc<Core>,
    router: Router,
    address: SocketAddr,
    listening: Mutex<Option<Listening>>,
}

/// A listener, and what ends it and its connections.
struct Listening {
    close: CancellationToken,
    accepting: JoinHandle<Option<()>>,
}

impl Server {
    pub(crate) fn start(
        core: Arc<Core>,
        router: Router,
        listener: TcpListener,
        address: SocketAddr,
    ) -> Self {
        let server = Self {
            core,
            router,
            address,
            listening: Mutex::new(None),
        };
        server.listen(listener);
        server
    }

    fn listen(&self, listener: TcpListener) {
        let close = self.core.ended.child_token();
        let accept = accept(
            listener,
            self.core.clone(),
            self.router.clone(),
            close.clone(),
        );
        let accepting = self.core.spawn(accept);
        *self.listening.lock() = Some(Listening { close, accepting });
    }

    /// Refuses connections from now on, and resets those that are open.
    pub(crate) async fn close(&self) {
        let listening = self.listening.lock().take();
        if let Some(Listening { close, accepting }) = listening {
            close.cancel();
            // The listener is dropped by then.
            let _ = accepting.await;
        }
    }

    /// Accepts connections again, at the same address.
    pub(crate) async fn open(&self) -> io::Result<()> {
        self.listen(self.bind().await?);
        Ok(())
    }

    /// Tries for a second: a child process that is just starting may hold the old socket for a moment.
    async fn bind(&self) -> io::Result<TcpListener> {
        for _ in 0..20 {
            match TcpListener::bind(self.address).await {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                bound => return bound,
            }
        }
        TcpListener::bind(self.address).await
    }
}

/// Serves connections until `close` is cancelled.
async fn accept(listener: TcpListener, core: Arc<Core>, router: Router, close: CancellationToken) {
    while let Some(accepted) = close.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                let handle = ConnectionHandle::new(close.child_token());
                core.running.spawn(serve(stream, router.clone(), handle));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a connection until its client leaves or its handle cuts it.
async fn serve(stream: TcpStream, router: Router, handle: ConnectionHandle) {
    // Answers are small, and clients wait for each.
    let _ = stream.set_nodelay(true);
    let owner = handle.clone();
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(owner.clone()));
        router.clone().oneshot(request)
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        () = handle.cut.cancelled() => {}
        _ = &mut connection => return,
    }
    if !handle.is_orderly.load(Ordering::Relaxed) {
        // Closing a socket that doesn't linger resets the connection.
        let stream = connection.into_parts().io.into_inner();
        let _ = stream.set_zero_linger();
    }
}

/// Cuts one connection.
#[derive(Clone)]
pub(crate) struct ConnectionHandle {
    cut: CancellationToken,
    is_orderly: Arc<AtomicBool>,
}

impl ConnectionHandle {
    fn new(cut: CancellationToken) -> Self {
        Self {
            cut,
            is_orderly: Arc::default(),
        }
    }

    /// For a request without a connection. The token is cancelled if it would be cut.
    pub(crate) fn alone() -> (Self, CancellationToken) {
        let cut = CancellationToken::new();
        (Self::new(cut.clone()), cut)
    }

    /// Resets the connection: the peer sees `ECONNRESET`.
    pub(super) fn reset(&self) {
        self.cut.cancel();
    }

    /// Closes the connection in order: the peer sees its end.
    pub(super) fn close(&self) {
        self.is_orderly.store(true, Ordering::Relaxed);
        self.cut.cancel();
    }
}
