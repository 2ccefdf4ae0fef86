//! What is read of a request.

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode};
use twilio::SIGNATURE_HEADER;

/// What is signed, and the signature. Nothing else of a request is copied.
pub(crate) struct Signed<const MAX_BYTES: usize> {
    /// What follows the URL's `?`.
    pub(crate) query: Option<String>,
    pub(crate) body: Bytes,
    signature: Option<HeaderValue>,
}

impl<const MAX_BYTES: usize> Signed<MAX_BYTES> {
    pub(crate) fn query(&self) -> &str {
        self.query.as_deref().unwrap_or_default()
    }

    pub(crate) fn signature(&self) -> Option<&str> {
        self.signature.as_ref()?.to_str().ok()
    }
}

impl<S: Sync, const MAX_BYTES: usize> FromRequest<S> for Signed<MAX_BYTES> {
    type Rejection = (StatusCode, String);

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let signature = request.headers().get(SIGNATURE_HEADER).cloned();
        let query = request.uri().query().map(str::to_owned);
        let body = to_bytes(request.into_body(), MAX_BYTES).await;
        let body = body.map_err(|error| {
            let problem = format!("a body of at most {MAX_BYTES} bytes is read: {error}\n");
            (StatusCode::PAYLOAD_TOO_LARGE, problem)
        })?;
        Ok(Self {
            query,
            body,
            signature,
        })
    }
}
