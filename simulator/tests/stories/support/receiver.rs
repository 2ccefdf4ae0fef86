use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use simulator::Carrier;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use twilio::{AuthToken, FormParams, SIGNATURE_HEADER, SignatureVerifier, SignedUrl};

/// What a receiver does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    Status(u16),
    Twiml(String),
    /// Once it is notified.
    TwimlLater(String, Arc<Notify>),
    Hang,
}

/// A received request.
#[derive(Debug, Clone)]
pub struct Received {
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn param(&self, name: &str) -> Option<String> {
        FormParams::parse(&self.body).get(name).map(str::to_owned)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether it is signed with `token` for `url`, as a form.
    pub fn is_signed_form(&self, token: &str, url: &str) -> bool {
        SignatureVerifier::new([AuthToken::new(token)])
            .verify_form(
                &SignedUrl::new(url),
                self.uri.query(),
                &FormParams::parse(&self.body),
                self.header(SIGNATURE_HEADER),
            )
            .is_ok()
    }

    /// Whether it is signed with `token` for `url`, as a body with a hash.
    pub fn is_signed_body(&self, token: &str, url: &str) -> bool {
        SignatureVerifier::new([AuthToken::new(token)])
            .verify_body(
                &SignedUrl::new(url),
                self.uri.query(),
                &self.body,
                self.header(SIGNATURE_HEADER),
            )
            .is_ok()
    }
}

/// A web server that answers as it is told, 204 otherwise.
pub struct Receiver {
    url: String,
    shared: Arc<Mutex<Shared>>,
    server: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    replies: VecDeque<Reply>,
    received: Vec<Received>,
    under_way: usize,
    most_under_way: usize,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::<Mutex<Shared>>::default();
        let app = Router::new().fallback(receive).with_state(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            url,
            shared,
            server: Some(server),
        }
    }

    /// One that is reached by the carrier only.
    pub fn in_process() -> (Self, Carrier) {
        let shared = Arc::<Mutex<Shared>>::default();
        let receiver = Self {
            url: "http://receiver.example".to_owned(),
            shared: shared.clone(),
            server: None,
        };
        let carrier = move |request: reqwest::Request| {
            let shared = State(shared.clone());
            let uri = request.url().as_str().parse().unwrap();
            let body = request.body().and_then(reqwest::Body::as_bytes);
            let body = Bytes::copy_from_slice(body.unwrap_or_default());
            let received = receive(shared, uri, request.headers().clone(), body);
            async move {
                let (head, body) = received.await.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                Ok(Response::from_parts(head, body).into())
            }
            .boxed()
        };
        (receiver, Arc::new(carrier))
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Answers the next requests like this.
    pub fn will(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.lock().unwrap().replies.extend(replies);
    }

    /// The largest number of requests at a time.
    pub fn most_at_a_time(&self) -> usize {
        self.shared.lock().unwrap().most_under_way
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.lock().unwrap().received.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.iter().for_each(JoinHandle::abort);
    }
}

async fn receive(
    State(shared): State<Arc<Mutex<Shared>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = {
        let mut shared = shared.lock().unwrap();
        shared.received.push(Received { uri, headers, body });
        shared.under_way += 1;
        shared.most_under_way = shared.most_under_way.max(shared.under_way);
        shared.replies.pop_front()
    };
    // Time for others to come in between.
    tokio::task::yield_now().await;
    shared.lock().unwrap().under_way -= 1;
    match reply.unwrap_or(Reply::Status(204)) {
        Reply::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Reply::Twiml(text) => text.into_response(),
        Reply::TwimlLater(text, now) => {
            now.notified().await;
            text.into_response()
        }
        Reply::Hang => std::future::pending().await,
    }
}
