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
use twilio::twiml::{self, Say, Verb};
use twilio::{FormParams, PublicUrl, SIGNATURE_HEADER, SignatureVerifier, SignedUrl, WorkflowSid};

/// How long the caller waits for the next step, and whoever picked up for the caller's hang-up, in
/// seconds.
const HOLD: u32 = 300;

/// What Twilio asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing: we see whether the public URL leads here.
    Probe,
    /// The caller has picked up.
    Begin,
    /// Somebody has picked up who is to refuse.
    Whisper,
    /// They have.
    Refused,
    /// Somebody has picked up while another phone rings.
    Listen,
    /// That is over.
    Over,
}

impl Asked {
    const ALL: [Self; 6] = [
        Self::Probe,
        Self::Begin,
        Self::Whisper,
        Self::Refused,
        Self::Listen,
        Self::Over,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Begin => "begin",
            Self::Whisper => "whisper",
            Self::Refused => "refused",
            Self::Listen => "listen",
            Self::Over => "over",
        }
    }
}

/// Where Twilio asks, under the public URL.
pub(super) struct Listener {
    public_url: PublicUrl,
    /// Below it, what was asked for by a run before is not found.
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
            path: format!("/verify-live/{:016x}/", rand::random::<u64>()),
            verifier,
            workflow: OnceLock::new(),
            asked: Mutex::default(),
        })
    }

    /// Its routes. A path in the public URL may come along or not.
    pub(super) fn router(self: &Arc<Self>) -> Router {
        let mut prefixes = vec!["", self.public_url.path_prefix()];
        prefixes.dedup();
        prefixes
            .into_iter()
            .fold(Router::new(), |router, prefix| {
                router.route(&format!("{prefix}{}{{asked}}", self.path), post(answer))
            })
            .with_state(Arc::clone(self))
    }

    pub(super) fn url(&self, asked: Asked) -> String {
        self.public_url
            .join(&format!("{}{}", self.path, asked.as_str()))
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

    fn verbs(&self, asked: Asked) -> Vec<Verb> {
        let say = |text: &str| {
            Verb::Say(Say {
                text: text.to_owned(),
                language: None,
                voice: None,
            })
        };
        match (asked, self.workflow.get()) {
            (Asked::Begin, Some(workflow)) => vec![
                say("You are the caller. Please wait."),
                Verb::Enqueue(*workflow),
            ],
            (Asked::Whisper, _) => vec![say("Thank you. This call ends now."), Verb::Hangup],
            (Asked::Refused, _) => vec![say("Please look at the terminal."), Verb::Pause(HOLD)],
            (Asked::Listen, _) => vec![
                say("Please stay on the line, and look at the terminal."),
                Verb::Pause(HOLD),
                Verb::Hangup,
            ],
            _ => vec![Verb::Hangup],
        }
    }
}

async fn answer(
    State(listener): State<Arc<Listener>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(asked) = Asked::ALL.into_iter().find(|asked| asked.as_str() == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let params = FormParams::parse(&body);
    let signature = headers.get(SIGNATURE_HEADER);
    let verified = listener.verifier.verify_form(
        &SignedUrl::new(&listener.url(asked)),
        query.as_deref(),
        &params,
        signature.and_then(|signature| signature.to_str().ok()),
    );
    if let Err(error) = verified {
        tracing::warn!(%error, "a request was refused as not Twilio's");
        return StatusCode::FORBIDDEN.into_response();
    }
    listener.asked.lock().push((asked, params));
    match twiml::Response(listener.verbs(asked)).to_document() {
        Ok(twiml) => ([(CONTENT_TYPE, "text/xml")], twiml.as_str().to_owned()).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
