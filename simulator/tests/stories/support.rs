//! A simulator, a client of its API, and a receiver of its callbacks.

mod receiver;
mod scene;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;
use simulator::{Caller, Config, PlaceCall, Simulator, Speed};
use tokio::net::TcpListener;

pub use receiver::{Receiver, Reply};
pub use scene::{CONNECT, FIRST, SORRY, Scene, dial, seconds, told};

/// With steps of milliseconds instead of seconds.
pub fn fast() -> Config {
    Config {
        seed: Some(42),
        speed: Speed::new(500.0).unwrap(),
        ..Config::default()
    }
}

pub async fn start(config: Config) -> Simulator {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Simulator::start(listener, config).unwrap()
}

pub fn waiting(simulator: &Simulator) -> Caller {
    simulator.place_call(PlaceCall::into_placeholder()).unwrap()
}

pub const DIAL: &str = "<Response><Dial>+14155550123</Dial></Response>";

/// A client with the account's credentials.
pub struct Api {
    client: reqwest::Client,
    base: String,
    user: String,
    password: String,
    pub account: String,
    pub workspace: String,
}

pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Api {
    pub fn of(simulator: &Simulator) -> Self {
        Self {
            client: client(),
            base: simulator
                .api_url()
                .as_str()
                .trim_end_matches('/')
                .to_owned(),
            user: simulator.account_sid().to_string(),
            password: simulator.auth_token().to_owned(),
            account: format!("/2010-04-01/Accounts/{}", simulator.account_sid()),
            workspace: format!("/v1/Workspaces/{}", simulator.workspace_sid()),
        }
    }

    pub fn with_credentials(self, user: impl ToString, password: &str) -> Self {
        Self {
            user: user.to_string(),
            password: password.to_owned(),
            ..self
        }
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.send(self.request(reqwest::Method::GET, path))
            .await
            .unwrap()
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answered {
        self.try_post(path, form).await.unwrap()
    }

    pub async fn try_post(
        &self,
        path: &str,
        form: &[(&str, &str)],
    ) -> Result<Answered, reqwest::Error> {
        self.send(self.request(reqwest::Method::POST, path).form(form))
            .await
    }

    pub async fn redirect(&self, caller: &Caller) -> Answered {
        self.post(&self.call(caller), &[("Twiml", DIAL)]).await
    }

    pub async fn try_redirect(&self, caller: &Caller) -> Result<Answered, reqwest::Error> {
        self.try_post(&self.call(caller), &[("Twiml", DIAL)]).await
    }

    pub fn call(&self, caller: &Caller) -> String {
        format!("{}/Calls/{}.json", self.account, caller.call_sid)
    }

    pub fn task(&self, caller: &Caller) -> String {
        format!("{}/Tasks/{}", self.workspace, caller.task_sid)
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = match path.starts_with("http") {
            true => path.to_owned(),
            false => format!("{}{path}", self.base),
        };
        self.client
            .request(method, url)
            .basic_auth(&self.user, Some(&self.password))
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answered, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await?;
        Ok(Answered {
            status,
            headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }
}

impl Answered {
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self.body
    }

    /// The HTTP status and Twilio's code of an error.
    pub fn error(&self) -> (u16, u64) {
        let code = self.body["code"].as_u64().unwrap();
        assert_eq!(self.body["status"], self.status.as_u16());
        assert!(self.body["message"].is_string());
        assert_eq!(
            self.body["more_info"],
            format!("https://www.twilio.com/docs/errors/{code}")
        );
        (self.status.as_u16(), code)
    }
}

pub fn client() -> reqwest::Client {
    // Installed by the simulator already, in most tests.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
