//! Lists in pages: by `next_page_uri` in the 2010 API, by `meta` in the later ones.

use serde::Serialize;
use url::Url;

use super::answer::ApiError;
use super::request::ApiRequest;

const DEFAULT_SIZE: usize = 50;
const LARGEST_SIZE: usize = 1000;

/// The place of an item in a list, smallest first: what is sorted by, then when it was created.
pub(super) type Place = (i64, i64);

/// One page of a list, and where others are.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    path: String,
    number: usize,
    size: usize,
    query: Vec<(String, String)>,
    next_token: Option<String>,
}

/// Takes the page that is asked for out of all items. A page token names the last item of the page
/// before, so that items which vanish in between make no other be skipped.
pub(super) fn page<T>(
    request: &ApiRequest,
    mut items: Vec<(Place, T)>,
) -> Result<Page<T>, ApiError> {
    let size: usize = request.parsed_query("PageSize")?.unwrap_or(DEFAULT_SIZE);
    if !(1..=LARGEST_SIZE).contains(&size) {
        let message = format!("Page size must be from 1 to {LARGEST_SIZE}");
        return Err(ApiError::invalid(message));
    }
    let number: usize = request.parsed_query("Page")?.unwrap_or(0);
    items.sort_unstable_by_key(|(place, _)| *place);
    let start = match request.query("PageToken") {
        Some(token) => {
            let last =
                parse_token(token).ok_or_else(|| ApiError::invalid("PageToken is not valid"))?;
            items.partition_point(|(place, _)| *place <= last)
        }
        None => number.saturating_mul(size).min(items.len()),
    };
    let end = (start + size).min(items.len());
    let next_token = (end < items.len() && end > start).then(|| token(items[end - 1].0));
    Ok(Page {
        items: items.drain(start..end).map(|(_, item)| item).collect(),
        path: request.path.clone(),
        number,
        size,
        query: request
            .query
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "PageSize" | "Page" | "PageToken"))
            .cloned()
            .collect(),
        next_token,
    })
}

fn token(place: Place) -> String {
    format!("PT{}.{}", place.0, place.1)
}

fn parse_token(token: &str) -> Option<Place> {
    let (first, second) = token.strip_prefix("PT")?.split_once('.')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

/// `meta` of a list.
#[derive(Serialize)]
pub(super) struct Meta {
    first_page_url: String,
    key: &'static str,
    next_page_url: Option<String>,
    page: usize,
    page_size: usize,
    previous_page_url: Option<String>,
    url: String,
}

/// What a list of the 2010 API says of itself.
#[derive(Serialize)]
pub(super) struct Uris {
    end: usize,
    first_page_uri: String,
    next_page_uri: Option<String>,
    page: usize,
    page_size: usize,
    previous_page_uri: Option<String>,
    start: usize,
    uri: String,
}

impl<T> Page<T> {
    pub(super) fn meta(&self, base: &Url, key: &'static str) -> Meta {
        let absolute = |uri: String| format!("{}{uri}", base.as_str().trim_end_matches('/'));
        Meta {
            first_page_url: absolute(self.uri(0, None)),
            key,
            next_page_url: self.next().map(absolute),
            page: self.number,
            page_size: self.size,
            previous_page_url: self.previous().map(absolute),
            url: absolute(self.uri(self.number, None)),
        }
    }

    pub(super) fn uris(&self) -> Uris {
        let start = self.number * self.size;
        Uris {
            end: (start + self.items.len()).saturating_sub(1),
            first_page_uri: self.uri(0, None),
            next_page_uri: self.next(),
            page: self.number,
            page_size: self.size,
            previous_page_uri: self.previous(),
            start,
            uri: self.uri(self.number, None),
        }
    }

    fn next(&self) -> Option<String> {
        let token = self.next_token.as_deref()?;
        Some(self.uri(self.number + 1, Some(token)))
    }

    fn previous(&self) -> Option<String> {
        Some(self.uri(self.number.checked_sub(1)?, None))
    }

    fn uri(&self, number: usize, token: Option<&str>) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.query)
            .append_pair("PageSize", &self.size.to_string())
            .append_pair("Page", &number.to_string())
            .extend_pairs(token.map(|token| ("PageToken", token)))
            .finish();
        format!("{}?{query}", self.path)
    }
}
