//! What a receiver may do, and what that means: real ones, at the loopback address.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use jiff::Timestamp;
use notify::{Failure, InvalidTarget, Reach, SigningKey, Target, Webhook};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Longer than any answer takes that comes.
const LONG: Duration = Duration::from_secs(60);

/// The password that chat tools put into a URL.
const TOKEN: &str = "T0hush";

async fn tell(webhook: &Webhook) -> Result<(), Failure> {
    let id = "CA00000000000000000000000000000001";
    let body = r#"{"text":"A caller was missed."}"#;
    webhook.post(id, Timestamp::now(), body).await
}

fn webhook(url: &str, reach: Reach, timeout: Duration) -> Webhook {
    Webhook::new(Target::new(url, Vec::new(), reach).unwrap(), timeout).unwrap()
}

/// Reads a request to its end.
async fn asked(stream: &mut TcpStream) -> String {
    let mut asked = String::new();
    while !asked.ends_with('}') {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "it hung up");
        asked.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    asked
}

/// What comes of telling a receiver that does this with its one connection.
async fn told_by(receives: impl AsyncFnOnce(TcpStream), timeout: Duration) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let webhook = webhook(
        &format!("http://{address}/services/{TOKEN}"),
        Reach::Anywhere,
        timeout,
    );
    let receiver = async {
        let (stream, _) = listener.accept().await.unwrap();
        receives(stream).await;
    };
    let (told, ()) = tokio::join!(tell(&webhook), receiver);
    if let Err(failure) = &told {
        assert!(!format!("{failure} {failure:?}").contains(TOKEN));
    }
    told
}

async fn answered(answer: &str) -> Result<(), Failure> {
    let receives = async |mut stream: TcpStream| {
        asked(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    told_by(receives, LONG).await
}

#[tokio::test]
async fn each_answer_has_its_meaning() {
    let is_told = |told: Result<(), Failure>| told.is_ok();
    for status in ["200 OK", "202 Accepted", "204 No Content"] {
        let answer = format!("HTTP/1.1 {status}\r\n\r\n");
        assert!(is_told(answered(&answer).await), "{status}");
    }
    for (answer, is_final) in [
        ("301 Moved Permanently\r\nLocation: http://127.0.0.1/", true),
        ("302 Found\r\nLocation: https://example.com/", true),
        ("400 Bad Request", true),
        ("404 Not Found", true),
        ("408 Request Timeout", false),
        ("410 Gone", true),
        ("429 Too Many Requests", false),
        ("500 Internal Server Error", false),
        ("503 Service Unavailable", false),
    ] {
        let whole = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n");
        let failure = answered(&whole).await.unwrap_err();
        assert_eq!(matches!(failure, Failure::Final(_)), is_final, "{answer}");
        assert!(failure.to_string().contains(&answer[..3]), "{failure}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let address = elsewhere.local_addr().unwrap();
    for status in ["302 Found", "307 Temporary Redirect"] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nLocation: http://{address}/\r\nContent-Length: 0\r\n\r\n"
        );
        let failure = answered(&answer).await.unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("answers with a redirect, which is not followed")
        );
        assert!(elsewhere.accept().is_err(), "nobody came");
    }
}

#[tokio::test]
async fn how_long_it_asks_to_wait_is_told() {
    let asks = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    let wanted = Some(Duration::from_secs(7));
    match answered(asks).await.unwrap_err() {
        Failure::Passing {
            retry_after,
            too_many,
            ..
        } => assert_eq!((retry_after, too_many), (wanted, true)),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn one_that_is_slow_or_closes_or_is_away_may_be_tried_again() {
    let slow = async |mut stream: TcpStream| {
        asked(&mut stream).await;
        // Until the other side has had enough.
        let _ = stream.read(&mut [0]).await;
    };
    let failure = told_by(slow, Duration::from_secs(1)).await.unwrap_err();
    assert!(failure.to_string().contains("timed out"), "{failure}");
    assert!(matches!(failure, Failure::Passing { .. }), "{failure}");

    let closes = async |mut stream: TcpStream| {
        asked(&mut stream).await;
    };
    let failure = told_by(closes, LONG).await.unwrap_err();
    assert!(matches!(failure, Failure::Passing { .. }), "{failure}");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/{TOKEN}", nobody.local_addr().unwrap());
    drop(nobody);
    let failure = tell(&webhook(&url, Reach::Anywhere, LONG)).await;
    let failure = failure.unwrap_err();
    assert!(matches!(failure, Failure::Passing { .. }), "{failure}");
    assert!(!failure.to_string().contains(TOKEN), "{failure}");
}

#[tokio::test]
async fn no_more_of_an_answer_is_read_than_is_good_for_us() {
    let endless = async |mut stream: TcpStream| {
        asked(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        // It ends, for the other side hangs up.
        while stream.write_all(&[b'x'; 10_000]).await.is_ok() {}
    };
    told_by(endless, LONG).await.unwrap();
}

#[tokio::test]
async fn a_name_of_a_private_address_is_not_connected_to_unless_allowed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("https://localhost:{port}/{TOKEN}");
    let refused = tell(&webhook(&url, Reach::Public, LONG)).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Failure::Final(_)), "{refused}");
    assert!(
        refused.to_string().contains("no public address"),
        "{refused}"
    );

    let allowed = webhook(&url, Reach::Anywhere, LONG);
    let hangs_up = async { drop(listener.accept().await.unwrap()) };
    let (no_tls, ()) = tokio::join!(tell(&allowed), hangs_up);
    assert!(matches!(no_tls, Err(Failure::Passing { .. })));
}

#[test]
fn what_cannot_be_a_receiver_is_refused_from_the_start() {
    let refused = |url: &str, reach| Target::new(url, Vec::new(), reach).err();
    for (url, problem) in [
        ("hooks.example.com/x", InvalidTarget::NoUrl),
        ("https://", InvalidTarget::NoUrl),
        ("ftp://example.com/", InvalidTarget::NoUrl),
        ("mailto:a@example.com", InvalidTarget::NoUrl),
        ("http://example.com/x", InvalidTarget::NotHttps),
        ("https://10.0.0.1/x", InvalidTarget::NotPublic),
        ("https://169.254.169.254/", InvalidTarget::NotPublic),
        ("https://2130706433/", InvalidTarget::NotPublic),
        ("https://0x7f.1/", InvalidTarget::NotPublic),
        ("https://[::1]:8443/x", InvalidTarget::NotPublic),
        ("https://[::ffff:192.168.0.1]/", InvalidTarget::NotPublic),
    ] {
        let (public, anywhere) = (refused(url, Reach::Public), refused(url, Reach::Anywhere));
        assert_eq!(public, Some(problem), "{url}");
        assert_eq!(anywhere.is_none(), problem != InvalidTarget::NoUrl, "{url}");
    }
}

#[test]
fn nothing_secret_is_shown() {
    let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let keys = vec![key.parse::<SigningKey>().unwrap()];
    let url = format!("https://user:{TOKEN}@hooks.example.com/services/{TOKEN}?{TOKEN}");
    let target = Target::new(&url, keys, Reach::Public).unwrap();
    let shown = format!(
        "{target:?} {:?} {}",
        key.parse::<SigningKey>(),
        target.host()
    );
    assert!(!shown.contains(TOKEN) && !shown.contains("MfKQ"), "{shown}");
    assert_eq!(target.host(), "hooks.example.com");
    for wrong in [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ",
        "whsec_",
        "whsec_!",
    ] {
        assert!(wrong.parse::<SigningKey>().is_err(), "{wrong}");
    }
}
