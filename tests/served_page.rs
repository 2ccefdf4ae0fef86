//! The page for a browser, served by `overflow page` and by `overflow run`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use queue::Lane;
use rabbitmq::{Node, free_address};
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use simulator::{Caller, Endpoint, Fault, PlaceCall, Rule};
use tests::{Backend, NUMBER, PATIENCE, Process, Stack, StackOptions, Surroundings, binary, http};

const TOKEN: &str = "correct horse battery staple";

/// Nobody redirects.
fn options(ingests: usize) -> StackOptions {
    StackOptions {
        ingests,
        redirectors: 0,
        ..StackOptions::default()
    }
}

/// `overflow page` beside the stack's queue.
async fn page_alone(stack: &Stack) -> (Process, Browser) {
    let listen = free_address();
    let mut settings = stack.queue_settings().to_vec();
    settings.push(("PAGE_LISTEN", listen.to_string()));
    let (folder, surroundings) = (stack.folder(), Surroundings::default());
    let page = Process::command("overflow", &["page"], folder, &settings, surroundings).await;
    (page, Browser::at(listen))
}

/// `overflow run` with the page, whose token is in a file.
async fn pair_with_page(stack: &Stack) -> (Process, Browser) {
    let (listen, page) = (free_address(), free_address());
    let twilio = &stack.simulator;
    let callback = format!("http://{listen}/taskrouter/events#rc=5&rp=all&ct=2000&rt=2500");
    twilio.set_callback(Some(&callback));
    let token = stack.folder().join("token");
    std::fs::write(&token, format!("{TOKEN}\n")).unwrap();
    let mut settings = stack.queue_settings().to_vec();
    settings.extend([
        ("TWILIO_API_URL", twilio.api_url().to_string()),
        ("TWILIO_ACCOUNT_SID", twilio.account_sid().to_string()),
        ("TWILIO_AUTH_TOKEN", twilio.auth_token().to_owned()),
        (
            "FORWARD_CALL_TASK_QUEUE_SID",
            twilio.placeholder().to_string(),
        ),
        ("FORWARD_TO_NUMBER", NUMBER.to_owned()),
        ("PUBLIC_URL", format!("http://{listen}")),
        ("LISTEN", listen.to_string()),
        ("PAGE_LISTEN", page.to_string()),
        ("PAGE_TOKEN_FILE", token.display().to_string()),
        // It would bring back the callers of dead letters, who stay on hold here.
        ("SWEEP_INTERVAL", "1h".to_owned()),
    ]);
    let (folder, surroundings) = (stack.folder(), Surroundings::default());
    let pair = Process::command("overflow", &["run"], folder, &settings, surroundings).await;
    (pair, Browser::at(page))
}

/// As much of a browser as the page relies on.
struct Browser {
    client: Client,
    url: String,
    cookie: String,
}

impl Browser {
    fn at(address: SocketAddr) -> Self {
        // The tests' own client has readied the cryptography.
        let _ = http();
        let client = Client::builder().no_proxy().redirect(Policy::none());
        Self {
            client: client.build().unwrap(),
            url: format!("http://{address}"),
            cookie: String::new(),
        }
    }

    async fn page(&self) -> String {
        let request = self.client.get(&self.url).header(COOKIE, &self.cookie);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.unwrap()
    }

    /// The page once `wanted` is on it.
    async fn page_with(&self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let page = self.page().await;
            if page.contains(wanted) {
                return page;
            }
            assert!(Instant::now() < deadline, "no {wanted:?} on {page}");
            // It can't be awaited.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
        let request = self.client.post(format!("{}/{path}", self.url));
        let request = request.header(COOKIE, &self.cookie);
        let request = request.header(ORIGIN, &self.url).form(form);
        request.send().await.unwrap()
    }

    async fn sign_in(&mut self, token: &str) -> StatusCode {
        let answer = self.post("sign-in", &[("token", token)]).await;
        if let Some(cookie) = answer.headers().get(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap().split(';').next();
            cookie.unwrap().clone_into(&mut self.cookie);
        }
        answer.status()
    }

    /// Replays a letter, and returns the page that follows.
    async fn replay(&self, id: &str) -> String {
        let page = self.page().await;
        let (_, key) = page.split_once("name=\"form_key\" value=\"").unwrap();
        let (key, _) = key.split_once('"').unwrap();
        let form = [
            ("form_key", key),
            ("how", "replay"),
            ("id", id),
            ("reason", "refused"),
        ];
        let answer = self.post("dead-letters", &form).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        self.page().await
    }
}

/// A caller whom Twilio refuses to redirect, and the ID of the dead letter.
async fn refused(stack: &Stack, browser: &Browser) -> (Caller, String) {
    let refusal = Fault::Status {
        status: 400,
        code: 21219,
        retry_after: None,
    };
    let faults = stack.simulator.faults();
    faults.add(Rule::on([Endpoint::UpdateCall], refusal));
    let caller = stack.simulator.place_call(PlaceCall::into_placeholder());
    let caller = caller.unwrap();
    browser.page_with("refused</code> · 1").await;
    faults.clear();
    let letters = stack.dead_letters().await;
    assert_eq!(letters.len(), 1);
    (caller, letters[0].id.to_string())
}

#[test]
fn a_wrong_setting_of_the_page_stops_the_start_with_one_line_that_names_it() {
    for (variable, value) in [
        ("PAGE_TOKEN", "hush"),
        ("PAGE_TOKEN", "\"hush hush hush hush\""),
        ("PAGE_TOKEN_FILE", "/nowhere/token"),
        ("PAGE_URL", "overflow.example.com"),
        ("PAGE_URL", "ftp://user:hush@overflow.example.com"),
        ("PAGE_URL", "https://a.example.com, b.example.com"),
        ("PAGE_LISTEN", "8090"),
        ("PAGE_LISTEN", "localhost:8090"),
    ] {
        for command in ["page", "run"] {
            let folder = tempfile::tempdir().unwrap();
            let output = Command::new(binary("overflow"))
                .arg(command)
                .current_dir(folder.path())
                .env_clear()
                .envs([
                    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000001"),
                    ("TWILIO_AUTH_TOKEN", "0123456789abcdef0123456789abcdef"),
                    (
                        "FORWARD_CALL_TASK_QUEUE_SID",
                        "WQ00000000000000000000000000000001",
                    ),
                    ("FORWARD_TO_NUMBER", NUMBER),
                    ("PUBLIC_URL", "https://overflow.example.com"),
                ])
                .env(variable, value)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let what = format!("{command} {variable}={value}: {said}");
            assert_eq!(output.status.code(), Some(78), "{what}");
            assert_eq!(said.lines().count(), 1, "{what}");
            assert!(said.starts_with(variable), "{what}");
            assert!(said.contains("(example: PAGE_"), "{what}");
            assert!(!said.contains("hush"), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_asks_nothing_of_twilio_and_takes_nothing_off_the_queue() {
    for backend in Backend::all() {
        let stack = Stack::start(backend, options(1)).await;
        let caller = stack.simulator.place_call(PlaceCall::into_placeholder());
        let caller = caller.unwrap();
        let (_page, browser) = page_alone(&stack).await;
        let page = browser.page_with("1 caller waiting").await;
        assert!(page.contains("1 more, 1 on the queue."), "{page}");
        for _ in 0..5 {
            browser.page().await;
        }
        let status = stack.run("overflow", &["status"]);
        let said = String::from_utf8_lossy(&status.stdout);
        assert!(said.starts_with("1 caller waiting"), "{said}");
        let asked = stack.simulator.journal().request_count();
        assert_eq!(asked, 0, "requests to Twilio");

        let queue = stack.queue().await;
        let mut consumer = queue.consume(Lane::Redirects, 1).await.unwrap();
        let delivery = consumer.next().await.unwrap();
        let request = delivery.message.request().unwrap();
        assert_eq!(request.call_sid, caller.call_sid);
        assert!(!delivery.redelivered);
        assert_eq!(delivery.delivery_count, 0);
        queue.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_replayed_by_whoever_has_the_token_and_the_page_knows_at_once() {
    for backend in Backend::all() {
        let stack = Stack::start(backend, options(0)).await;
        let (pair, mut browser) = pair_with_page(&stack).await;
        let (caller, id) = refused(&stack, &browser).await;
        assert_eq!(browser.sign_in("guessed").await, StatusCode::FORBIDDEN);
        assert_eq!(browser.sign_in(TOKEN).await, StatusCode::SEE_OTHER);
        let page = browser.replay(&id).await;
        assert!(
            page.contains("1 dead letter replayed. Twilio is asked first"),
            "{page}"
        );
        assert!(!page.contains(&id), "{page}");
        stack
            .expect("a redirect", |state| {
                state.journal().redirects(&caller.call_sid) == 1
            })
            .await;
        browser.page_with(caller.call_sid.as_str()).await;

        let (gone, id) = refused(&stack, &browser).await;
        assert!(stack.simulator.hang_up(gone.call_sid));
        let page = browser.replay(&id).await;
        assert!(page.contains("who has hung up is left alone"), "{page}");
        pair.logged("call_ended").await;
        browser.page_with("Nobody is waiting").await;
        assert_eq!(stack.simulator.redirects(gone.call_sid), 0);
        let log = pair.log();
        assert!(log.contains(&id) && !log.contains(TOKEN), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_that_its_queue_is_away_and_is_right_again_when_it_is_back() {
    let node = Node::start();
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack::start_at(node.url(), folder, options(1)).await;
    assert_eq!(stack.callback().await, Some(204));
    let (_page, browser) = page_alone(&stack).await;
    browser.page_with("1 caller waiting").await;
    node.kill();
    let page = browser.page_with("the queue can't be used").await;
    assert!(!page.contains("all parts well"), "{page}");
    node.restart();
    browser.page_with("1 caller waiting").await;
}
