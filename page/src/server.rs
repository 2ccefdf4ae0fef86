//! How the page is served, and who may do what.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Form, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, LOCATION, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;
use service::http::{self, Limits, ListenerMetrics, Timeouts};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::Page;
use crate::change::Wanted;
use crate::refusal::Refusal;
use crate::sessions::{LIFE, Session};
use crate::site::Site;
use crate::view::{self, Viewer};

/// How many connections there are at most; those that say nothing make room for others.
const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(100).expect("it isn't 0");

/// More than any of our forms takes.
const LONGEST_FORM: usize = 4096;

/// How long a change is waited for before the page says how far it is.
const PATIENCE: Duration = Duration::from_secs(5);

const COOKIE_NAME: &str = "overflow_page";

/// What the page is made of, beside HTML.
const FILES: [(&str, &str, &str); 3] = [
    ("/page.css", "text/css", include_str!("../assets/page.css")),
    (
        "/page.js",
        "text/javascript",
        include_str!("../assets/page.js"),
    ),
    (
        "/icon.svg",
        "image/svg+xml",
        include_str!("../assets/icon.svg"),
    ),
];

/// What every answer says.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With no-referrer, browsers don't say either where a form of our own comes from.
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (HeaderName::from_static("x-frame-options"), "DENY"),
];

impl Page {
    /// Serves on `listener` until `stop` is cancelled.
    pub async fn serve(
        self,
        listener: TcpListener,
        timeouts: Timeouts,
        metrics: ListenerMetrics,
        stop: CancellationToken,
    ) {
        let listen = listener.local_addr().ok().map(tracing::field::display);
        tracing::info!(listen, "the page is up");
        let limits = Limits {
            timeouts,
            connections: CONNECTIONS,
        };
        http::serve(listener, Arc::new(self).router(), limits, metrics, stop).await;
    }

    fn router(self: Arc<Self>) -> Router {
        let pages = Router::new()
            .route("/", get(show))
            .route("/sign-in", post(sign_in))
            .route("/sign-out", post(sign_out))
            .route("/dead-letters", post(settle));
        let files = FILES.into_iter().fold(pages, |router, (path, kind, text)| {
            let file = move || async move { ([(CONTENT_TYPE, kind)], text) };
            router.route(path, get(file))
        });
        files
            .layer(DefaultBodyLimit::max(LONGEST_FORM))
            .layer(from_fn_with_state(Arc::clone(&self), guard))
            .with_state(self)
    }

    fn session(&self, headers: &HeaderMap) -> Option<Arc<Session>> {
        cookies(headers).find_map(|id| self.sessions.get(id))
    }
}

/// Whoever asks for something.
#[derive(Clone)]
struct Visitor {
    site: Site,
    session: Option<Arc<Session>>,
}

impl Visitor {
    /// The session, if the form is its own.
    fn sender(self, form_key: &str) -> Result<Arc<Session>, Refusal> {
        match self.session.filter(|session| session.sent(form_key)) {
            Some(session) => Ok(session),
            None => Err(Refusal(StatusCode::FORBIDDEN, OTHER_FORM)),
        }
    }
}

/// Answers only to our own names, and only to what a page of our own or a person asks for.
async fn guard(State(page): State<Arc<Page>>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let says = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let is_elsewhere = matches!(says("sec-fetch-site"), Some(b"cross-site" | b"same-site"));
    let mut answer = match page.sites.find(headers) {
        None => (StatusCode::MISDIRECTED_REQUEST, OTHER_NAME).into_response(),
        Some(_) if is_elsewhere && says("sec-fetch-mode") != Some(b"navigate") => {
            StatusCode::FORBIDDEN.into_response()
        }
        Some(site) if request.method().is_safe() || site.sent(headers) => {
            let is_private = site.is_private();
            let session = is_private.then(|| page.session(headers)).flatten();
            request.extensions_mut().insert(Visitor { site, session });
            next.run(request).await
        }
        Some(_) => Refusal(StatusCode::FORBIDDEN, OTHER_FORM).into_response(),
    };
    let headers = HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value)));
    answer.headers_mut().extend(headers);
    answer
}

const OTHER_NAME: &str =
    "This is no name of the page. PAGE_URL says which it has, beside localhost.\n";

const OTHER_FORM: &str = "This form is not of this page as it is now. Load the page again. Behind a \
                          proxy, PAGE_URL must say by which URL browsers find the page.";

async fn show(State(page): State<Arc<Page>>, Extension(visitor): Extension<Visitor>) -> Response {
    let read_only = match (page.sessions.can_be_opened(), visitor.site.is_private()) {
        (false, _) => Some("Read-only"),
        (true, false) => Some("Read-only: signing in needs https, or a tunnel to localhost"),
        (true, true) => None,
    };
    let viewer = Viewer {
        session: visitor.session.as_deref(),
        read_only,
    };
    let overview = page.source.overview().await;
    view::page(&overview, &viewer).into_response()
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

async fn sign_in(
    State(page): State<Arc<Page>>,
    Extension(visitor): Extension<Visitor>,
    Form(form): Form<Token>,
) -> Result<Response, Refusal> {
    if !visitor.site.is_private() {
        let why = "The token is not taken over plain HTTP: use https, or a tunnel to localhost.";
        return Err(Refusal(StatusCode::FORBIDDEN, why));
    }
    let opened = page.sessions.open(form.token.trim());
    let (id, session) = opened.inspect_err(|Refusal(_, why)| {
        tracing::warn!(%why, "nobody was signed in to the page");
    })?;
    tracing::info!(session = session.number, "somebody signed in to the page");
    Ok(keep(&id, LIFE, &visitor.site))
}

#[derive(Deserialize)]
struct SignOut {
    form_key: String,
}

async fn sign_out(
    State(page): State<Arc<Page>>,
    Extension(visitor): Extension<Visitor>,
    Form(form): Form<SignOut>,
) -> Result<Response, Refusal> {
    let forgotten = keep("", Duration::ZERO, &visitor.site);
    let session = visitor.sender(&form.form_key)?;
    page.sessions.close(&session);
    tracing::info!(session = session.number, "somebody signed out of the page");
    Ok(forgotten)
}

async fn settle(
    State(page): State<Arc<Page>>,
    Extension(visitor): Extension<Visitor>,
    Form(wanted): Form<Wanted>,
) -> Result<Response, Refusal> {
    let session = visitor.sender(&wanted.form_key)?;
    let change = wanted.change();
    let nothing = "The form doesn't say what to do with which dead letter.";
    let change = change.ok_or(Refusal(StatusCode::BAD_REQUEST, nothing))?;
    *session.change.lock() = Some(Arc::clone(&change));
    // In a task of its own, for it goes on if the browser leaves.
    let made = tokio::spawn(async move {
        change.make(&*page.queue, session.number).await;
        page.source.dead_letters_changed().await;
    });
    let _ = tokio::time::timeout(PATIENCE, made).await;
    Ok(back("./#dead-letters"))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, why) = self;
        (status, view::refusal(why)).into_response()
    }
}

/// After a form, so that a reload doesn't send it again. Relative, for a proxy may cut off a path.
fn back(to: &'static str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

/// Has the browser keep a session's ID for so long.
fn keep(id: &str, life: Duration, site: &Site) -> Response {
    let secure = if site.is_encrypted() { "; Secure" } else { "" };
    let life = life.as_secs();
    let cookie = format!("{COOKIE_NAME}={id}; Max-Age={life}; HttpOnly; SameSite=Strict{secure}");
    ([(SET_COOKIE, cookie)], back("./")).into_response()
}

/// The sessions' IDs that a browser has kept; there may be others' cookies for the same name.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let sent = headers.get_all(COOKIE).into_iter();
    let sent = sent.filter_map(|sent| sent.to_str().ok());
    let cookies = sent.flat_map(|sent| sent.split(';'));
    cookies.filter_map(|cookie| match cookie.trim().split_once('=') {
        Some((COOKIE_NAME, id)) => Some(id),
        _ => None,
    })
}
