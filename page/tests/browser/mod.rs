//! A browser at a page, with as much of one as the page relies on.

#![allow(dead_code, reason = "not everybody needs all of it")]

use page::PageSettings;
use queue::Filter;
use reqwest::header::{COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};

use crate::sample::{self, Served, TOKEN, overview, requests};

/// Any port will do.
pub const ANY_PORT: &str = "127.0.0.1:0";

/// The browser.
pub struct Browser {
    pub client: Client,
    pub served: Served,
    /// The authority under which it finds the page.
    pub host: String,
    /// Where it says that forms come from.
    pub origin: String,
    pub cookie: String,
}

impl Browser {
    pub async fn at(settings: PageSettings) -> Self {
        Self::of(sample::serve(settings, overview).await)
    }

    pub fn of(served: Served) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let host = format!("localhost:{}", served.port);
        Self {
            client: Client::builder().redirect(Policy::none()).build().unwrap(),
            origin: format!("http://{host}"),
            host,
            served,
            cookie: String::new(),
        }
    }

    /// As it would be found under that URL.
    pub fn under(&mut self, url: &str) {
        self.origin = url.to_owned();
        self.host = url.split_once("://").unwrap().1.to_owned();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.served.port)
    }

    pub async fn get(&self, path: &str) -> Response {
        let request = self.client.get(self.url(path)).header(HOST, &self.host);
        request.header(COOKIE, &self.cookie).send().await.unwrap()
    }

    pub async fn page(&self) -> String {
        self.get("").await.text().await.unwrap()
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self.client.post(self.url(path)).header(HOST, &self.host);
        let request = request
            .header(COOKIE, &self.cookie)
            .header(ORIGIN, &self.origin);
        request.form(form).send().await.unwrap()
    }

    pub async fn sign_in(&mut self) {
        let answer = self.post("sign-in", &[("token", TOKEN)]).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(answer.headers()[LOCATION], "./");
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap();
        self.cookie = cookie.split(';').next().unwrap().to_owned();
    }

    /// What the page's forms carry.
    pub async fn form_key(&self) -> String {
        let page = self.page().await;
        let key = between(&page, "name=\"form_key\" value=\"", "\"");
        key.expect("nobody is signed in").to_owned()
    }

    /// Presses a button, and returns what the page then says of it.
    pub async fn press(&self, how: &str, chosen: &[(&str, &str)]) -> String {
        let form_key = self.form_key().await;
        let form = [&[("form_key", form_key.as_str()), ("how", how)], chosen].concat();
        let answer = self.post("dead-letters", &form).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(answer.headers()[LOCATION], "./#dead-letters");
        let page = self.page().await;
        let said = between(&page, "<p class=\"done\" role=\"status\">", "</p>");
        said.unwrap().to_owned()
    }

    pub async fn dead(&self) -> Vec<String> {
        let letters = self.served.queue.list(&Filter::default()).await.unwrap();
        letters
            .into_iter()
            .map(|letter| letter.id.to_string())
            .collect()
    }
}

pub fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

pub fn event(number: u32) -> String {
    requests::message(number).content.id()
}
