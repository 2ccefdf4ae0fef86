//! Lists in pages: by `next_page_uri` in the 2010 API, by `meta` in the later ones.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::error::ApiError;
use super::request::ApiRequest;
use crate::state::State;

const DEFAULT_SIZE: usize = 50;
const LARGEST_SIZE: usize = 1000;

/// The place of an item in a list, smallest first: its sort key, then when it was created.
pub(super) type Place = (i64, i64);

/// Answers with the requested page of the items, in a list called `name`. A page token
/// names the last item of the page before, so that none is skipped if items vanish in between.
pub(super) fn page<T>(
    state: &State,
    request: &ApiRequest,
    name: &'static str,
    mut items: Vec<(Place, T)>,
    show: impl Fn(T) -> Value,
) -> Result<Response, ApiError> {
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
    let next = (end < items.len() && end > start)
        .then(|| uri(request, size, number + 1, Some(token(items[end - 1].0))));
    let previous = number.checked_sub(1);
    let previous = previous.map(|number| uri(request, size, number, None));
    let (first, own) = (
        uri(request, size, 0, None),
        uri(request, size, number, None),
    );
    let shown: Vec<Value> = items
        .drain(start..end)
        .map(|(_, item)| show(item))
        .collect();

    if request.record.path.starts_with("/2010-04-01/") {
        let start = number * size;
        let list = json!({
            "end": (start + shown.len()).saturating_sub(1),
            "first_page_uri": first,
            "next_page_uri": next,
            "page": number,
            "page_size": size,
            "previous_page_uri": previous,
            "start": start,
            "uri": own,
            name: shown,
        });
        return Ok(Json(list).into_response());
    }
    let base = state.base_url.as_str().trim_end_matches('/');
    let absolute = |uri: String| format!("{base}{uri}");
    let list = json!({
        "meta": {
            "first_page_url": absolute(first),
            "key": name,
            "next_page_url": next.map(absolute),
            "page": number,
            "page_size": size,
            "previous_page_url": previous.map(absolute),
            "url": absolute(own),
        },
        name: shown,
    });
    Ok(Json(list).into_response())
}

/// The address of a page of the list.
fn uri(request: &ApiRequest, size: usize, number: usize, token: Option<String>) -> String {
    let is_filter = |name: &str| !matches!(name, "PageSize" | "Page" | "PageToken");
    let filters = request
        .record
        .query
        .iter()
        .filter(|(name, _)| is_filter(name));
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(filters)
        .append_pair("PageSize", &size.to_string())
        .append_pair("Page", &number.to_string())
        .extend_pairs(token.map(|token| ("PageToken", token)))
        .finish();
    format!("{}?{query}", request.record.path)
}

fn token(place: Place) -> String {
    format!("PT{}.{}", place.0, place.1)
}

fn parse_token(token: &str) -> Option<Place> {
    let (first, second) = token.strip_prefix("PT")?.split_once('.')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}
