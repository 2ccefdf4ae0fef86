//! Errors, in Twilio's form.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error: HTTP status, Twilio's code and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: u16,
    code: u32,
    message: String,
    /// `Retry-After`, in seconds.
    pub(super) retry_after: Option<u32>,
}

impl ApiError {
    pub(super) fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, 20001, message)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::invalid(format!(
            "Missing required parameter {parameter} in the post body"
        ))
    }

    pub(super) fn not_found(path: &str) -> Self {
        let message = format!("The requested resource {path} was not found");
        Self::new(404, 20404, message)
    }

    /// An error with this status and code, in Twilio's words if they are known.
    pub(super) fn coded(status: u16, code: u32) -> Self {
        let message = match code {
            20003 => "Authenticate",
            20004 => "Method not allowed",
            20404 => "The requested resource was not found",
            20429 => "Too Many Requests",
            20500 => "An internal server error has occurred",
            20503 => "Service Unavailable",
            21220 => "Call is not in-progress. Cannot redirect.",
            _ => "Error",
        };
        Self::new(status, code, message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status,
        });
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self
            .retry_after
            .map(|seconds| [(RETRY_AFTER, seconds.to_string())]);
        (status, retry_after, Json(body)).into_response()
    }
}
