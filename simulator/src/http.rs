//! The HTTP side: Twilio's API, and the simulator's own.

mod connection;
mod error;
mod middleware;
mod operation;
mod paging;
mod request;
mod resource;

mod calls;
mod event_streams;
mod fixed;
mod flows;
mod incoming_numbers;
mod recordings;
mod task_queues;
mod tasks;
mod voice_queues;
mod workflows;
mod workspaces;

mod control;

pub(crate) use connection::{ConnectionHandle, Server};

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};

use self::error::ApiError;
use self::middleware::Exchange;
use self::operation::Operation;
use crate::core::Core;

/// Twilio's API and the simulator's own, on one address: their paths don't collide.
pub(crate) fn router(core: Arc<Core>) -> Router {
    let paths = Operation::paths();
    let api = paths
        .fold(Router::new(), |api, path| api.route(path, any(answer)))
        .fallback(answer)
        // They run from the last to the first.
        .layer(from_fn_with_state(core.clone(), middleware::limit))
        .layer(from_fn_with_state(core.clone(), middleware::authenticate))
        .layer(from_fn_with_state(core.clone(), middleware::inject_faults))
        .layer(from_fn_with_state(core.clone(), middleware::record));
    api.merge(control::router()).with_state(core)
}

async fn answer(
    Shared(core): Shared<Arc<Core>>,
    Extension(exchange): Extension<Arc<Exchange>>,
) -> Result<Response, ApiError> {
    let handler = exchange.operation.clone()?.handler;
    let request = &exchange.request;
    core.change(|state| {
        request.check_scope(state)?;
        handler(state, request)
    })
}
