//! One connection, served to its end or to the end of our patience.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::io::InspectReader;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::connections::Connection;
use super::progress::{Phase, Progress};
use super::timeouts::Timeouts;

/// What is kept of a head or of pipelined requests at most: heads of Twilio's take up a few KiB.
const MAX_BUFFER: usize = 64 * 1024;

impl Connection {
    /// Answers requests until the client has gone, is late, or is to make room for others; after
    /// `stop`, until the request under way is answered.
    pub(super) async fn serve(
        self,
        stream: TcpStream,
        router: Router,
        timeouts: Timeouts,
        stop: CancellationToken,
    ) {
        let progress = Arc::clone(&self.progress);
        let heard = Arc::clone(&self.progress);
        let stream = InspectReader::new(stream, move |_| heard.heard());
        let service = service_fn(|request| answer(router.clone(), request, Arc::clone(&progress)));
        let mut served = pin!(
            http1::Builder::new()
                .max_buf_size(MAX_BUFFER)
                .serve_connection(TokioIo::new(stream), service)
        );
        let mut alarm = pin!(sleep_until(Instant::now() + timeouts.header));
        let mut stopping = false;
        let cut = loop {
            // hyper's own limit for heads counts from the answer before, so it would be one for
            // idle connections, too.
            let served_in_time = poll_fn(|cx| {
                if served.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                loop {
                    let Some((deadline, late)) = progress.deadline(&timeouts) else {
                        return Poll::Pending;
                    };
                    if deadline < alarm.deadline() {
                        alarm.as_mut().reset(deadline);
                    }
                    ready!(alarm.as_mut().poll(cx));
                    if deadline <= alarm.deadline() {
                        return Poll::Ready(Some(late));
                    }
                    // It was set for what the client has done since.
                    alarm.as_mut().reset(deadline);
                }
            });
            tokio::select! {
                biased;
                cut = served_in_time => break cut,
                () = progress.shed.notified() => break None,
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    progress.hurry();
                    served.as_mut().graceful_shutdown();
                }
            }
        };
        if let Some(cut) = cut {
            self.connections.metrics.cut(cut);
        }
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    progress: Arc<Progress>,
) -> Result<axum::response::Response, Infallible> {
    let request = request.map(|body| Arriving::new(body, Arc::clone(&progress)));
    let answer = router.oneshot(request.map(Body::new)).await;
    progress.enter(Phase::Idle);
    answer
}

/// A body that says when it is whole.
struct Arriving {
    body: Incoming,
    progress: Arc<Progress>,
}

impl Arriving {
    fn new(body: Incoming, progress: Arc<Progress>) -> Self {
        progress.enter(match body.is_end_stream() {
            true => Phase::Answering,
            false => Phase::Body,
        });
        Self { body, progress }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.progress.enter(Phase::Answering);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
