//! Answers what Twilio asks during the calls.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parking_lot::Mutex;
use serde::Deserialize;
use twilio::twiml::{self, Say, Verb};
use twilio::{FormParams, PublicUrl, SIGNATURE_HEADER, SignatureVerifier, SignedUrl, WorkflowSid};

/// How long phones are held while their owner looks at the terminal, in seconds.
const HOLD: u32 = 300;

/// What Twilio asks for, as paths write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Asked {
    /// Nothing: we see whether the public URL leads here.
    Probe,
    /// The caller has picked up.
    Begin,
    /// Somebody has picked up who is to be hung up on.
    Whisper,
    /// They have been.
    Refused,
    /// Somebody has picked up while another phone rings.
    Listen,
    /// That is over.
    Over,
}

/// Where Twilio asks, under the public URL.
pub(super) struct Listener {
    public_url: PublicUrl,
    /// What was to be asked of a run before is not found.
    path: String,
    verifier: SignatureVerifier,
    workflow: OnceLock<WorkflowSid>,
    asked: Mutex<Vec<(Asked, FormParams)>>,
}

impl Listener {
    /// For one run.
    pub(super) fn new(public_url: PublicUrl, verifier: SignatureVerifier) -> Arc<Self> {
        Arc::new(Self {
            public_url,
            path: format!("/verify-live/{:016x}", rand::random::<u64>()),
            verifier,
            workflow: OnceLock::new(),
            asked: Mutex::default(),
        })
    }

    /// Its routes. A path in the public URL may come along or not.
    pub(super) fn router(self: &Arc<Self>) -> Router {
        let mut prefixes = vec!["", self.public_url.path_prefix()];
        prefixes.dedup();
        let routes = prefixes.into_iter().fold(Router::new(), |router, prefix| {
            router.route(&format!("{prefix}{}/{{asked}}", self.path), post(answer))
        });
        routes.with_state(Arc::clone(self))
    }

    pub(super) fn url(&self, asked: Asked) -> String {
        self.public_url.join(&format!("{}/{asked:?}", self.path))
    }

    /// Whoever plays the caller is to wait there.
    pub(super) fn lead_to(&self, workflow: WorkflowSid) {
        // There is one for each run.
        let _ = self.workflow.set(workflow);
    }

    /// What was said with the first request for that, if there was one.
    pub(super) fn asked(&self, what: Asked) -> Option<FormParams> {
        let asked = self.asked.lock();
        let first = asked.iter().find(|(asked, _)| *asked == what);
        first.map(|(_, params)| params.clone())
    }

    fn answer(&self, asked: Asked) -> twiml::Response {
        let say = |text: &str| {
            Verb::Say(Say {
                text: text.to_owned(),
                language: None,
                voice: None,
            })
        };
        twiml::Response(match (asked, self.workflow.get()) {
            (Asked::Begin, Some(workflow)) => vec![Verb::Enqueue(*workflow)],
            (Asked::Whisper, _) => vec![say("Thank you. Goodbye."), Verb::Hangup],
            (Asked::Refused | Asked::Listen, _) => vec![
                say("Please stay on the line, and look at the terminal."),
                Verb::Pause(HOLD),
                Verb::Hangup,
            ],
            _ => vec![Verb::Hangup],
        })
    }
}

async fn answer(
    State(listener): State<Arc<Listener>>,
    Path(asked): Path<Asked>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (url, params) = (
        SignedUrl::new(&listener.url(asked)),
        FormParams::parse(&body),
    );
    let signature = headers.get(SIGNATURE_HEADER);
    let signature = signature.and_then(|signature| signature.to_str().ok());
    let verifier = &listener.verifier;
    if let Err(error) = verifier.verify_form(&url, query.as_deref(), &params, signature) {
        tracing::warn!(%error, "a request was refused as not Twilio's");
        return StatusCode::FORBIDDEN.into_response();
    }
    listener.asked.lock().push((asked, params));
    match listener.answer(asked).to_document() {
        Ok(twiml) => ([(CONTENT_TYPE, "text/xml")], twiml.as_str().to_owned()).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
