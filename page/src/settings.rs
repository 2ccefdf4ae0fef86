//! The page's own settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use service::Problems;
use service::settings::{Setting, Value};
use url::Url;

/// So short a token could be guessed.
const SHORTEST_TOKEN: usize = 16;

const TOKEN_EXAMPLE: &str = "the output of `openssl rand -hex 32`";

/// The page for a browser.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Page")]
pub struct PageArgs {
    /// Where to listen for browsers, an IP address with a port; anybody who gets there may read
    /// [default: off; `overflow page`: 127.0.0.1:8090]
    #[arg(long, env = "PAGE_LISTEN", value_name = "ADDRESS", default_value = "")]
    pub page_listen: Setting<Option<SocketAddr>>,

    /// Where browsers find it, if not by a loopback name or by the address that it listens on:
    /// the URL of a proxy in front, for one; several with commas
    #[arg(long, env = "PAGE_URL", value_name = "URL", default_value = "")]
    pub page_url: Setting<Option<Urls>>,

    /// Who has this token may replay and discard dead letters, and sees whole numbers in plans.
    /// Prefer the variable or the file: flags show in process lists  [default: nobody may]
    #[arg(long, env = "PAGE_TOKEN", value_name = "TOKEN")]
    pub page_token: Option<String>,

    /// A file that holds the token
    #[arg(long, env = "PAGE_TOKEN_FILE", value_name = "FILE")]
    pub page_token_file: Option<PathBuf>,
}

/// The page's settings, resolved.
#[derive(Debug, Clone)]
pub struct PageSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where browsers find it beside that.
    pub urls: Vec<Url>,
    /// What signs in.
    pub token: Option<SecretString>,
}

/// Where browsers find the page.
#[derive(Debug, Clone)]
pub struct Urls(Vec<Url>);

impl Value for Urls {
    const EXAMPLE: &'static str = "https://overflow.example.com";

    fn read(text: &str) -> Result<Self, String> {
        let urls = text.split(',').map(|url| {
            let url = Url::parse(url.trim()).ok();
            url.filter(|url| matches!(url.scheme(), "http" | "https"))
        });
        // It isn't repeated, for it may hold a password.
        let urls = urls.collect::<Option<_>>().map(Self);
        urls.ok_or_else(|| "holds what is no URL with http or https".to_owned())
    }
}

impl PageArgs {
    /// Parses them; `None` if there is to be no page.
    pub fn resolve(
        self,
        problems: &mut Problems,
        default: Option<SocketAddr>,
    ) -> Option<PageSettings> {
        let token = problems.secret(
            "PAGE_TOKEN",
            self.page_token,
            self.page_token_file,
            TOKEN_EXAMPLE,
        );
        if token
            .as_ref()
            .is_some_and(|token| token.expose_secret().len() < SHORTEST_TOKEN)
        {
            let problem = format!("is shorter than {SHORTEST_TOKEN} characters");
            problems.add("PAGE_TOKEN", problem, TOKEN_EXAMPLE);
        }
        let urls = problems.take(self.page_url);
        let listen = self.page_listen.example("127.0.0.1:8090");
        Some(PageSettings {
            listen: problems.take(listen).or(default)?,
            urls: urls.map_or_else(Vec::new, |Urls(urls)| urls),
            token,
        })
    }
}
