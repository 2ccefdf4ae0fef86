//! The page as browsers meet it, on a real listener: what it shows, to whom, and who may change what.

#![allow(clippy::unwrap_used, reason = "tests")]

mod browser;
mod sample;

use std::sync::atomic::Ordering;

use browser::{ANY_PORT, Browser, between, event};
use page::PageSettings;
use queue::{Lane, Reason};
use reqwest::StatusCode;
use reqwest::header::{COOKIE, HOST, HeaderMap, ORIGIN, SET_COOKIE};
use sample::{NUMBER, TOKEN, quiet, settings};

#[tokio::test]
async fn each_section_says_how_everything_stands() {
    let page = Browser::at(settings(ANY_PORT)).await.page().await;
    let section = |id: &str| {
        let start = format!("<section id=\"{id}\"");
        between(&page, &start, "</section>").unwrap()
    };
    for (id, words) in [
        (
            "to-do",
            &[
                "1 caller on hold at Twilio whom none of us has",
                "see whether it hangs or has died",
            ][..],
        ),
        (
            "waiting",
            &[
                ">72 s<",
                "on hold at Twilio, and none of us has them",
                "tried 3 times, again in 4.0 s by redirector 412 on ops-1",
                "401: ",
                "in line for Twilio at redirector 412 on ops-1",
                "on the queue",
                "in the spool of ingest 77 on ops-2",
                "2 more, 3 on the queue.",
                "Twilio was last asked who waits, ",
                ">8 s ago<",
            ],
        ),
        (
            "recent",
            &[
                ">4 s ago<",
                "3 ms",
                "not known yet",
                "412 ms",
                "taken",
                "8.4 s",
                "missed",
                "no-answer",
                "2 min",
                "left a message",
                "The last 24 hours by the hour: 215 redirected.",
                "the most in one hour: 31",
            ],
        ),
        (
            "dead-letters",
            &[
                "3 dead letters: what could not be done",
                "Twilio refused the redirect for good",
                "refused</code> · 2",
                "it could not be done before its deadline",
                "503: upstream connect error",
                "Sign in to replay",
            ],
        ),
        (
            "plans",
            &[
                "rings +…42",
                "in force",
                "not now",
                ">in 2 h</time>, at ",
                "The same at any time.",
            ],
        ),
        ("today", &["130", "101", "3 ms", "640 ms", "–"]),
        (
            "processes",
            &["redirector 412 on ops-1", ">1 s ago<", "does not answer"],
        ),
    ] {
        for words in words {
            assert!(section(id).contains(words), "{words:?} in {}", section(id));
        }
    }
    assert!(page.contains("<title>Not well – Flex Overflow</title>"));
    assert!(page.contains("7 callers waiting, the longest 72 s"));
    assert_eq!(section("waiting").matches("<tr").count(), 6);
    assert_eq!(
        section("recent").matches("<rect class=\"taken\"").count(),
        18
    );
}

#[tokio::test]
async fn a_page_on_which_nothing_has_happened_says_so() {
    let served = sample::serve(settings(ANY_PORT), quiet).await;
    let page = Browser::of(served).page().await;
    for words in [
        "Nobody is waiting; all parts well.",
        "Nobody.",
        "None in the last 24 hours.",
        "Nobody was redirected.",
    ] {
        assert!(page.contains(words), "{words} in {page}");
    }
    assert!(!page.contains("What to do"));
}

#[tokio::test]
async fn what_comes_from_outside_is_text_and_no_markup() {
    let page = Browser::at(settings(ANY_PORT)).await.page().await;
    assert!(page.contains("Sales &lt;b&gt;abroad&lt;/b&gt;"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("400 &lt;b&gt;21220"));
    assert!(!page.contains("<b>") && !page.contains("<script>"));
    // All that runs or is loaded is a file of ours, by a relative URL.
    for attribute in ["href=\"", "src=\"", "action=\""] {
        for url in page.split(attribute).skip(1) {
            let url = url.split('"').next().unwrap();
            let is_ours = ["page.css", "page.js", "icon.svg", "sign-in", "#main", "./"];
            assert!(is_ours.contains(&url), "{url}");
        }
    }
    assert!(!page.contains("style=") && !page.contains("onclick"));
}

#[tokio::test]
async fn numbers_are_whole_only_for_those_who_signed_in() {
    let mut browser = Browser::at(settings(ANY_PORT)).await;
    assert!(!browser.page().await.contains(NUMBER));
    browser.sign_in().await;
    let page = browser.page().await;
    assert!(page.contains(NUMBER) && page.contains("Sign out"));
    let form_key = browser.form_key().await;
    let answer = browser.post("sign-out", &[("form_key", &form_key)]).await;
    let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("overflow_page=; Max-Age=0; "),
        "{cookie}"
    );
    // Not only the browser has forgotten it.
    assert!(!browser.page().await.contains(NUMBER));
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let browser = Browser::at(settings(ANY_PORT)).await;
    for (path, status, kind) in [
        ("", 200, "text/html; charset=utf-8"),
        ("page.css", 200, "text/css"),
        ("page.js", 200, "text/javascript"),
        ("icon.svg", 200, "image/svg+xml"),
        ("nothing", 404, ""),
        ("dead-letters", 405, ""),
    ] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status(), status, "{path}");
        let header = |name: &str| header(answer.headers(), name);
        if !kind.is_empty() {
            assert_eq!(header("content-type"), kind);
        }
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "same-origin");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin");
        let policy = header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"));
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn only_its_own_names_get_the_page() {
    let with_url = |listen: &str| PageSettings {
        urls: vec![
            "https://ops.example.com/overflow".parse().unwrap(),
            "http://ops-1:8090".parse().unwrap(),
        ],
        ..settings(listen)
    };
    let mut browser = Browser::at(with_url(ANY_PORT)).await;
    let everywhere = Browser::at(settings("0.0.0.0:0")).await.served.port;
    for (port, host, found) in [
        (0, "localhost", true),
        (0, "localhost:1234", true),
        (0, "127.0.0.1:8090", true),
        (0, "[::1]:8090", true),
        (0, "ops.example.com", true),
        (0, "OPS.example.com:443", true),
        (0, "ops-1:8090", true),
        (0, "ops-1", false),
        (0, "ops.example.com:8443", false),
        (0, "evil.example.com", false),
        (0, "localhost.evil.example.com", false),
        (0, "localhost@evil.example.com", false),
        (0, "192.168.1.7:8090", false),
        (0, "", false),
        (everywhere, "192.168.1.7:8090", true),
        (everywhere, "evil.example.com", false),
    ] {
        browser.host = host.to_owned();
        let port = if port == 0 { browser.served.port } else { port };
        for path in ["", "page.js"] {
            let request = browser
                .client
                .get(format!("http://127.0.0.1:{port}/{path}"));
            let answer = request.header(HOST, host).send().await.unwrap();
            assert_eq!(answer.status().is_success(), found, "{host} {path}");
            let text = answer.text().await.unwrap();
            assert!(
                found || (!text.contains("CA0") && !text.contains("evil")),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn another_page_gets_nothing_and_sends_nothing() {
    let mut browser = Browser::at(settings(ANY_PORT)).await;
    for (site, mode, gets) in [
        ("cross-site", "no-cors", false),
        ("cross-site", "cors", false),
        ("same-site", "no-cors", false),
        // A link, from a chat for one.
        ("cross-site", "navigate", true),
        ("same-origin", "cors", true),
        ("none", "navigate", true),
    ] {
        let request = browser
            .client
            .get(browser.url(""))
            .header(HOST, &browser.host);
        let request = request
            .header("sec-fetch-site", site)
            .header("sec-fetch-mode", mode);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().is_success(), gets, "{site} {mode}");
        assert!(
            answer
                .headers()
                .get("access-control-allow-origin")
                .is_none()
        );
    }
    browser.sign_in().await;
    let ours = browser.origin.clone();
    let form_key = browser.form_key().await;
    let id = event(1);
    for (origin, site, key) in [
        ("https://evil.example.com", None, form_key.as_str()),
        ("null", None, &form_key),
        ("http://localhost", None, &form_key),
        ("", None, &form_key),
        (&ours, Some("cross-site"), &form_key),
        (&ours, Some("same-site"), &form_key),
        (&ours, None, "guessed"),
        (&ours, None, ""),
    ] {
        for path in ["dead-letters", "sign-in", "sign-out"] {
            if path == "sign-in" && origin == ours && site.is_none() {
                continue;
            }
            let request = browser
                .client
                .post(browser.url(path))
                .header(HOST, &browser.host);
            let mut request = request.header(COOKIE, &browser.cookie);
            if !origin.is_empty() {
                request = request.header(ORIGIN, origin);
            }
            if let Some(site) = site {
                request = request.header("sec-fetch-site", site);
            }
            let form = [
                ("form_key", key),
                ("how", "discard"),
                ("id", &id),
                ("token", TOKEN),
            ];
            let answer = request.form(&form).send().await.unwrap();
            assert_eq!(
                answer.status(),
                StatusCode::FORBIDDEN,
                "{path} {origin} {site:?}"
            );
            assert!(answer.headers().get(SET_COOKIE).is_none());
        }
    }
    assert_eq!(browser.dead().await.len(), 3);
}

#[tokio::test]
async fn a_token_signs_in_and_wrong_ones_are_heard_five_times_a_minute() {
    let browser = Browser::at(settings(ANY_PORT)).await;
    for _ in 0..5 {
        let answer = browser.post("sign-in", &[("token", "guessed")]).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let text = answer.text().await.unwrap();
        assert!(text.contains("That is not the token.") && !text.contains("guessed"));
    }
    let answer = browser.post("sign-in", &[("token", TOKEN)]).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    // In an address it would be in histories and logs.
    for path in [format!("sign-in?token={TOKEN}"), format!("?token={TOKEN}")] {
        assert!(browser.get(&path).await.headers().get(SET_COOKIE).is_none());
    }
}

#[tokio::test]
async fn a_token_is_taken_only_where_nobody_on_the_way_reads_it() {
    let mut browser = Browser::at(PageSettings {
        urls: vec![
            "https://ops.example.com".parse().unwrap(),
            "http://ops-1:8090".parse().unwrap(),
        ],
        ..settings(ANY_PORT)
    })
    .await;
    for (url, is_taken, attributes) in [
        ("http://ops-1:8090", false, ""),
        (
            "https://ops.example.com",
            true,
            "; Max-Age=43200; HttpOnly; SameSite=Strict; Secure",
        ),
        (
            "http://127.0.0.1:7777",
            true,
            "; Max-Age=43200; HttpOnly; SameSite=Strict",
        ),
    ] {
        browser.under(url);
        let page = browser.page().await;
        assert_eq!(page.contains("name=\"token\""), is_taken, "{url}");
        assert_eq!(page.contains("signing in needs https"), !is_taken, "{url}");
        let answer = browser.post("sign-in", &[("token", TOKEN)]).await;
        assert_eq!(answer.status() == StatusCode::SEE_OTHER, is_taken, "{url}");
        let cookie = header(answer.headers(), "set-cookie");
        assert!(cookie.ends_with(attributes), "{url}: {cookie}");
    }
    // What comes by plain HTTP under the name of a proxy says so.
    browser.under("http://ops.example.com");
    let answer = browser.post("sign-in", &[("token", TOKEN)]).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn without_a_token_nobody_signs_in() {
    let browser = Browser::at(PageSettings {
        token: None,
        ..settings(ANY_PORT)
    })
    .await;
    let page = browser.page().await;
    assert!(page.contains("Read-only") && !page.contains("name=\"token\""));
    assert!(page.contains("overflow dead-letters"));
    for token in ["", TOKEN] {
        let answer = browser.post("sign-in", &[("token", token)]).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_dead_letter_is_replayed_or_discarded_and_the_page_says_what_was_done() {
    let mut browser = Browser::at(settings(ANY_PORT)).await;
    browser.sign_in().await;
    let mut replayed = browser
        .served
        .queue
        .consume(Lane::Redirects, 10)
        .await
        .unwrap();
    let [first, second, third] = [1, 2, 3].map(event);

    let said = browser.press("replay", &[("id", &first)]).await;
    assert_eq!(
        said,
        "1 dead letter replayed. Twilio is asked first whether the caller still waits; who has hung up \
         is left alone."
    );
    let delivery = replayed.next().await.unwrap();
    assert!(delivery.message.request().unwrap().requeued_at.is_some());
    assert_eq!(browser.dead().await, [second.as_str(), &third]);

    let said = browser.press("discard", &[("id", &third)]).await;
    assert_eq!(said, "1 dead letter discarded.");
    assert_eq!(browser.dead().await, [second.as_str()]);

    let said = browser.press("discard", &[("id", &third)]).await;
    assert_eq!(said, "Nothing was discarded: it isn't there any more.");
}

#[tokio::test]
async fn all_of_a_reason_are_those_that_were_on_the_page() {
    let mut browser = Browser::at(settings(ANY_PORT)).await;
    browser.sign_in().await;
    let page = browser.page().await;
    let seen = between(&page, "name=\"seen\" value=\"", "\"").unwrap();
    let all = |reason| [("reason", reason), ("seen", seen)];

    let long_before = [("reason", "refused"), ("seen", "2026-01-01T00:00:00Z")];
    let said = browser.press("discard", &long_before).await;
    assert_eq!(said, "Nothing was discarded: it isn't there any more.");
    assert_eq!(browser.dead().await.len(), 3);

    let said = browser.press("discard", &all("refused")).await;
    assert_eq!(said, "2 dead letters discarded.");
    assert_eq!(browser.dead().await, [event(3)]);
    // A form that names none chooses none, and not all.
    let form_key = browser.form_key().await;
    for form in [&[][..], &[("reason", "expired")], &[("seen", seen)]] {
        let form = [&[("form_key", form_key.as_str()), ("how", "discard")], form].concat();
        let answer = browser.post("dead-letters", &form).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
    assert_eq!(browser.dead().await, [event(3)]);
}

#[tokio::test]
async fn a_letter_that_died_after_the_last_look_is_none_of_all() {
    let mut browser = Browser::at(settings(ANY_PORT)).await;
    browser.sign_in().await;
    browser.page().await;
    browser.served.looks.store(false, Ordering::Relaxed);
    sample::die(&*browser.served.queue, 4, Reason::Refused, None).await;

    // However much later the page was made.
    let page = browser.page().await;
    assert!(page.contains("Discard all 2 for good"));
    let seen = between(&page, "name=\"seen\" value=\"", "\"").unwrap();
    let all = [("reason", "refused"), ("seen", seen)];
    let said = browser.press("discard", &all).await;
    assert_eq!(said, "2 dead letters discarded.");
    assert_eq!(browser.dead().await, [event(3), event(4)]);
}

#[tokio::test]
async fn a_replay_is_explained_by_what_the_letter_is() {
    let mut browser = Browser::at(settings(ANY_PORT)).await;
    browser.sign_in().await;
    let explained = [
        (
            4,
            Reason::NotNotified,
            "Whoever is to be told of the caller is told once more.",
        ),
        (5, Reason::Undecodable, "is read once more"),
        (
            6,
            Reason::NoPlan,
            "Twilio is asked first whether the caller still waits",
        ),
    ];
    for (number, reason, _) in &explained {
        sample::die(&*browser.served.queue, *number, reason.clone(), None).await;
    }
    for (number, reason, explained) in &explained {
        let page = browser.page().await;
        let group = format!("<code>{reason}</code> · 1</small></h3><p class=\"hint\">");
        let hint = between(&page, &group, "</p>").unwrap();
        assert!(hint.contains(explained), "{hint}");
        let id = event(*number);
        let chosen = [("id", id.as_str()), ("reason", reason.as_str())];
        let said = browser.press("replay", &chosen).await;
        assert!(said.starts_with("1 dead letter replayed. "), "{said}");
        assert!(said.contains(explained), "{said}");
    }
}

#[tokio::test]
async fn what_was_not_done_is_said_with_its_reason() {
    let mut browser = Browser::at(settings(ANY_PORT)).await;
    browser.sign_in().await;
    browser.served.queue.close().await;
    let said = browser.press("replay", &[("id", "EV1")]).await;
    let why = "the queue is not connected: the queue was closed.";
    assert_eq!(
        said,
        format!("0 dead letters replayed, the rest not: {why}")
    );
}
