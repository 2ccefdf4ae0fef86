//! One message to one receiver.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response};
use secrecy::ExposeSecret;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};

use crate::public::{Guard, NotPublic};
use crate::{Reach, Target};

/// How much of an answer is read, for its connection to be of use again.
const MOST_OF_ANSWER: usize = 64 * 1024;

/// The way to one receiver.
pub struct Webhook {
    target: Target,
    http: Client,
}

/// Why a receiver was not told. It says nothing of the message, and of the URL nothing but the host.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It said no, and will say it again, or can't be reached at all.
    #[error("{0}")]
    Final(String),
    /// Trying again may help. It may have been told.
    #[error("{problem}")]
    Passing {
        /// What went wrong.
        problem: String,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
        /// Whether it was too much.
        too_many: bool,
    },
}

impl Webhook {
    /// The way to `target`, which has `timeout` for its whole answer.
    ///
    /// # Errors
    /// The system's certificates can't be read.
    pub fn new(target: Target, timeout: Duration) -> Result<Self, Failure> {
        let http = match target.reach {
            // Where a proxy leads is up to the proxy, which alone may know the name.
            _ if by_proxy(&target) => builder(timeout),
            Reach::Public => guarded(timeout, Guard::public()),
            Reach::Anywhere => builder(timeout).no_proxy(),
        };
        let http = http.build()?;
        Ok(Self { target, http })
    }

    /// Tells it, at the time `at`, what is the same each time that it has the same `id`.
    ///
    /// # Errors
    /// It didn't say that it took the message.
    pub async fn post(&self, id: &str, at: Timestamp, body: &str) -> Result<(), Failure> {
        let mut request = self
            .http
            .post(self.target.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(HEADER_WEBHOOK_ID, id)
            .header(HEADER_WEBHOOK_TIMESTAMP, at.as_second());
        if !self.target.keys.is_empty() {
            request = request.header(HEADER_WEBHOOK_SIGNATURE, self.signatures(id, at, body));
        }
        let answer = request.body(body.to_owned()).send().await?;
        let told = meaning(&answer);
        read(answer).await;
        told
    }

    fn signatures(&self, id: &str, at: Timestamp, body: &str) -> String {
        let sign = |key: &crate::SigningKey| {
            let signer = standardwebhooks::Webhook::new(key.0.expose_secret()).ok()?;
            signer.sign(id, at.as_second(), body.as_bytes()).ok()
        };
        let signatures: Vec<_> = self.target.keys.iter().filter_map(sign).collect();
        signatures.join(" ")
    }
}

fn builder(timeout: Duration) -> ClientBuilder {
    // It fails if the process already has a provider, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("flex-overflow/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        // A redirect would lead the message wherever the receiver says.
        .redirect(reqwest::redirect::Policy::none())
}

fn guarded(timeout: Duration, guard: Guard) -> ClientBuilder {
    builder(timeout).no_proxy().dns_resolver(Arc::new(guard))
}

/// Whether a proxy of the environment leads to it, as one does to Twilio.
fn by_proxy(target: &Target) -> bool {
    let url = target.url.as_str().parse();
    !target.is_local() && url.is_ok_and(|url| Matcher::from_env().intercept(&url).is_some())
}

/// What the receiver says beside that is not kept: it may repeat what it was told.
async fn read(mut answer: Response) {
    let mut left = MOST_OF_ANSWER;
    while let Ok(Some(chunk)) = answer.chunk().await {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            break;
        }
    }
}

fn meaning(answer: &Response) -> Result<(), Failure> {
    let status = answer.status().as_u16();
    let problem = match status {
        200..=299 => return Ok(()),
        300..=399 => {
            "answers with a redirect, which is not followed: give the URL that it leads to"
        }
        410 => "wants to be told no more",
        408 | 429 | 500.. => "can't take it now",
        _ => "refuses it",
    };
    let problem = format!("the receiver {problem} (it answered {status})");
    if !matches!(status, 408 | 429 | 500..) {
        return Err(Failure::Final(problem));
    }
    let header = |name| answer.headers().get(name)?.to_str().ok();
    Err(Failure::Passing {
        problem,
        retry_after: header(RETRY_AFTER).and_then(|asked| retry::after(asked, header(DATE))),
        too_many: status == 429,
    })
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let first: &(dyn Error + 'static) = &error;
        let causes = std::iter::successors(Some(first), |&error| error.source());
        if causes.clone().any(|cause| cause.is::<NotPublic>()) {
            return Self::Final(NotPublic.to_string());
        }
        // reqwest's own message is mostly "error sending request".
        let said: Vec<_> = causes.map(ToString::to_string).collect();
        Self::Passing {
            problem: format!("no answer from the receiver: {}", said.join(": ")),
            retry_after: None,
            too_many: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use reqwest::dns::{Addrs, Name, Resolve, Resolving};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Stands for a public address.
    const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    const PRIVATE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A name whose owner tells one thing after the other.
    struct Rebinding(AtomicUsize);

    impl Resolve for Rebinding {
        fn resolve(&self, _: Name) -> Resolving {
            let told: &'static [IpAddr] = match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => &[PRIVATE, PUBLIC],
                _ => &[PRIVATE],
            };
            let told = told.iter().map(|ip| SocketAddr::new(*ip, 0));
            Box::pin(std::future::ready(Ok(Box::new(told) as Addrs)))
        }
    }

    async fn answer_one(listener: &TcpListener) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await.unwrap();
        let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn a_name_that_turns_to_a_private_address_is_not_followed_there() {
        let public = TcpListener::bind((PUBLIC, 0)).await.unwrap();
        let port = public.local_addr().unwrap().port();
        let private = std::net::TcpListener::bind((PRIVATE, port)).unwrap();
        private.set_nonblocking(true).unwrap();

        let url = format!("http://receiver.example.com:{port}/hush");
        let guard = Guard {
            names: Arc::new(Rebinding(AtomicUsize::new(0))),
            allows: |address| address == PUBLIC,
        };
        let webhook = Webhook {
            target: Target::new(&url, Vec::new(), Reach::Anywhere).unwrap(),
            http: guarded(Duration::from_secs(30), guard).build().unwrap(),
        };
        let tell = || webhook.post("CA1", Timestamp::now(), "{}");
        let (told, ()) = tokio::join!(tell(), answer_one(&public));
        told.unwrap();
        let refused = tell().await.unwrap_err();
        assert!(matches!(refused, Failure::Final(_)), "{refused}");
        assert!(
            refused.to_string().contains("no public address"),
            "{refused}"
        );
        let nobody_came = private.accept().unwrap_err();
        assert_eq!(nobody_came.kind(), ErrorKind::WouldBlock);
    }
}
