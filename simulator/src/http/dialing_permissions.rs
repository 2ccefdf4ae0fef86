//! Which countries may be dialled.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::error::ApiError;
use super::request::ApiRequest;
use super::resource::links;
use crate::state::State;

/// The countries that the simulator knows: code, name, continent, calling code.
const COUNTRIES: [(&str, &str, &str, &str); 6] = [
    ("AU", "Australia", "OCEANIA", "+61"),
    ("DE", "Germany", "EUROPE", "+49"),
    ("FR", "France", "EUROPE", "+33"),
    ("GB", "United Kingdom", "EUROPE", "+44"),
    ("SG", "Singapore", "ASIA", "+65"),
    ("US", "United States", "NORTH_AMERICA", "+1"),
];

pub(super) fn fetch(state: &mut State, request: &ApiRequest) -> Result<Response, ApiError> {
    let asked: String = request.sid("IsoCode")?;
    let (iso_code, name, continent, calling_code) = COUNTRIES
        .into_iter()
        .find(|(code, ..)| *code == asked)
        .ok_or_else(|| request.not_found())?;
    let countries = format!("{}v1/DialingPermissions/Countries", state.base_url);
    let url = format!("{countries}/{iso_code}");
    let shown = json!({
        "iso_code": iso_code,
        "name": name,
        "continent": continent,
        "country_codes": [calling_code],
        "low_risk_numbers_enabled": !state.forbidden_countries.contains(iso_code),
        "high_risk_special_numbers_enabled": false,
        "high_risk_tollfraud_numbers_enabled": false,
        "links": links(&url, &["highrisk_special_prefixes"]),
        "url": url,
    });
    Ok(Json(shown).into_response())
}
