//! One message to one receiver.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};

use crate::public::Guard;
use crate::{Failure, Reach, Target};

/// How much of an answer is read, for its connection to be of use again.
const MOST_OF_ANSWER: usize = 64 * 1024;

/// What a receiver is told.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The same each time that it is told.
    pub id: &'a str,
    /// When it is told now.
    pub at: Timestamp,
    /// The JSON.
    pub body: &'a str,
}

/// The way to one receiver.
pub struct Webhook {
    target: Target,
    http: Client,
}

impl Webhook {
    /// The way to `target`, which has `timeout` for its whole answer.
    ///
    /// # Errors
    /// The system's certificates can't be read.
    pub fn new(target: Target, timeout: Duration) -> Result<Self, Failure> {
        let http = match by_proxy(&target) {
            // Where it leads is up to the proxy, which alone may know the name.
            true => builder(timeout),
            false => match target.reach() {
                Reach::Public => guarded(timeout, Guard::public()),
                Reach::Anywhere => builder(timeout).no_proxy(),
            },
        };
        let http = http.build()?;
        Ok(Self { target, http })
    }

    /// Tells it.
    ///
    /// # Errors
    /// It didn't say that it took the message.
    pub async fn post(&self, message: &Message<'_>) -> Result<(), Failure> {
        let request = self.http.post(self.target.url().clone());
        let request = request.headers(self.headers(message));
        let answer = request.body(message.body.to_owned()).send().await?;
        let failure = Failure::of_status(answer.status().as_u16(), retry_after(&answer));
        read(answer).await;
        failure.map_or(Ok(()), Err)
    }

    fn headers(&self, message: &Message<'_>) -> HeaderMap {
        let keys = self.target.keys().iter();
        let signatures: Vec<_> = keys.map(|key| key.sign(message)).collect();
        let headers = [
            (HEADER_WEBHOOK_ID, message.id.to_owned()),
            (HEADER_WEBHOOK_TIMESTAMP, message.at.as_second().to_string()),
            (HEADER_WEBHOOK_SIGNATURE, signatures.join(" ")),
        ];
        let mut map = HeaderMap::new();
        map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers.into_iter().filter(|(_, value)| !value.is_empty()) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                map.insert(name, value);
            }
        }
        map
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
    let url = target.url().as_str().parse();
    !target.is_local() && url.is_ok_and(|url| Matcher::from_env().intercept(&url).is_some())
}

/// What the receiver says is not kept: it may repeat what it was told.
async fn read(mut answer: Response) {
    let mut left = MOST_OF_ANSWER;
    while let Ok(Some(chunk)) = answer.chunk().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => break,
        }
    }
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let header = |name| answer.headers().get(name)?.to_str().ok();
    retry::after(header(RETRY_AFTER)?, header(DATE))
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
        let message = Message {
            id: "CA1",
            at: Timestamp::now(),
            body: "{}",
        };
        let (told, ()) = tokio::join!(webhook.post(&message), answer_one(&public));
        told.unwrap();
        let refused = webhook.post(&message).await.unwrap_err();
        assert!(matches!(refused, Failure::NotPublic), "{refused}");
        let nobody_came = private.accept().unwrap_err();
        assert_eq!(nobody_came.kind(), ErrorKind::WouldBlock);
    }
}
