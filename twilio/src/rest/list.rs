//! Lists, page by page.

use std::collections::BTreeSet;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Client, Endpoint, RestError, unreadable};
use crate::json::Object;

/// A guard against a list that never ends.
const MAX_PAGES: usize = 100;

/// The readable items of a list: one bad item doesn't hide the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// How many other items can't be read.
    pub unreadable: usize,
}

impl Client {
    /// All items of a list. `key` is what the list calls them.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        first: String,
        key: &str,
    ) -> Result<Vec<T>, RestError> {
        let listed = self.list_readable(endpoint, first, key, |_| {}).await?;
        match listed.unreadable {
            0 => Ok(listed.items),
            _ => Err(problem(endpoint, "an item is not of the expected shape")),
        }
    }

    /// The items of a list that can be read. Those that are there so far are shown after each page
    /// that isn't the last.
    pub(super) async fn list_readable<T: DeserializeOwned>(
        &self,
        endpoint: Endpoint,
        first: String,
        key: &str,
        so_far: impl Fn(&Listed<T>),
    ) -> Result<Listed<T>, RestError> {
        let mut listed = Listed {
            items: Vec::new(),
            unreadable: 0,
        };
        let mut seen = BTreeSet::new();
        let mut next = Some(first);
        while let Some(path) = next {
            let request = self.request(Method::GET, endpoint, &path);
            if !seen.insert(path) {
                return Err(problem(endpoint, "its pages go round in a circle"));
            }
            if seen.len() > MAX_PAGES {
                return Err(problem(endpoint, "it has too many pages"));
            }
            let answer = self.send(endpoint, request).await?;
            let body = answer.bytes().await.map_err(RestError::from_reqwest)?;
            let body = String::from_utf8_lossy(&body);
            let page = Object::parse(&body).map_err(|e| unreadable(endpoint, &e))?;
            let items = page.json(key).unwrap_or_default();
            let items: Vec<&RawValue> =
                serde_json::from_str(items).map_err(|e| unreadable(endpoint, &e))?;
            for item in items {
                match serde_json::from_str(item.get()) {
                    Ok(item) => listed.items.push(item),
                    Err(_) => listed.unreadable += 1,
                }
            }
            next = next_page(&page).map_err(|()| problem(endpoint, "its next page has no URL"))?;
            if next.is_some() {
                so_far(&listed);
            }
        }
        if listed.unreadable > 0 {
            tracing::warn!(
                list = endpoint.as_str(),
                unreadable = listed.unreadable,
                "a list of Twilio's holds items that can't be read"
            );
        }
        Ok(listed)
    }
}

fn problem(endpoint: Endpoint, what: &str) -> RestError {
    RestError::Unreadable(format!("{}: {what}", endpoint.as_str()))
}

/// The path of the next page: the 2010 API gives it so, the later ones give a whole URL, of which
/// the host is left out lest our credentials go elsewhere.
fn next_page(page: &Object<'_>) -> Result<Option<String>, ()> {
    if let Some(path) = page.text("next_page_uri") {
        return match path.starts_with('/') {
            true => Ok(Some(path.into_owned())),
            false => Err(()),
        };
    }
    let Some(meta) = page.json("meta") else {
        return Ok(None);
    };
    let meta = Object::parse(meta).map_err(|_| ())?;
    let Some(url) = meta.text("next_page_url") else {
        return Ok(None);
    };
    let url = url::Url::parse(&url).map_err(|_| ())?;
    Ok(Some(
        url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
    ))
}
