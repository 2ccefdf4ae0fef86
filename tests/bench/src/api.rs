//! Twilio's API, as fast as axum can be.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{any, post};
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// The API.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    answers_after: Duration,
    requests: AtomicU64,
    updates: Mutex<HashMap<String, Instant>>,
}

impl Api {
    /// Starts it; it answers an update after so long.
    pub async fn start(answers_after: Duration) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let api = Self(Arc::new(Inner {
            address: listener.local_addr()?,
            answers_after,
            requests: AtomicU64::new(0),
            updates: Mutex::default(),
        }));
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}/Calls/{call}", post(update))
            .fallback(any(other))
            .with_state(api.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(api)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    /// When each call was updated first, by its SID; they are forgotten.
    pub fn take_updates(&self) -> HashMap<String, Instant> {
        std::mem::take(&mut self.0.updates.lock())
    }

    /// How many calls were updated.
    pub fn updated(&self) -> usize {
        self.0.updates.lock().len()
    }

    /// How many requests came, of any kind.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }
}

async fn update(
    State(api): State<Api>,
    Path((account, call)): Path<(String, String)>,
    _body: Bytes,
) -> impl IntoResponse {
    let call = call.trim_end_matches(".json").to_owned();
    let answer = format!(r#"{{"sid":"{call}","account_sid":"{account}","status":"in-progress"}}"#);
    api.0.requests.fetch_add(1, Ordering::Relaxed);
    api.0
        .updates
        .lock()
        .entry(call)
        .or_insert_with(Instant::now);
    if !api.0.answers_after.is_zero() {
        tokio::time::sleep(api.0.answers_after).await;
    }
    ([(CONTENT_TYPE, "application/json")], answer)
}

/// What is asked beside updates gets an empty answer.
async fn other(State(api): State<Api>) -> impl IntoResponse {
    api.0.requests.fetch_add(1, Ordering::Relaxed);
    ([(CONTENT_TYPE, "application/json")], "{}")
}
