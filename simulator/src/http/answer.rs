//! Answers and errors as Twilio words them.

use serde::Serialize;

/// What a request is answered with.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) etag: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn ok(resource: &impl Serialize) -> Self {
        Self::json(200, resource)
    }

    pub(super) fn created(resource: &impl Serialize) -> Self {
        Self::json(201, resource)
    }

    /// 204, as after a deletion.
    pub(super) fn no_content() -> Self {
        Self {
            status: 204,
            etag: None,
            body: Vec::new(),
        }
    }

    pub(super) fn with_etag(self, etag: String) -> Self {
        Self {
            etag: Some(etag),
            ..self
        }
    }

    fn json(status: u16, body: &impl Serialize) -> Self {
        Self {
            status,
            etag: None,
            // Structs of strings and numbers.
            body: serde_json::to_vec(body).unwrap_or_else(|_| unreachable!()),
        }
    }
}

/// An error: HTTP status, Twilio's code and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(super) status: u16,
    pub(super) code: u32,
    pub(super) message: String,
}

impl ApiError {
    pub(super) fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
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

    /// An error of which the status and code are given, in Twilio's words where they are known.
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

    pub(super) fn answer(&self) -> Answer {
        #[derive(Serialize)]
        struct Body<'a> {
            code: u32,
            message: &'a str,
            more_info: String,
            status: u16,
        }
        Answer::json(
            self.status,
            &Body {
                code: self.code,
                message: &self.message,
                more_info: format!("https://www.twilio.com/docs/errors/{}", self.code),
                status: self.status,
            },
        )
    }
}
