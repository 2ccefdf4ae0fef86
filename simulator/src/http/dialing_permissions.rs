//! `/v1/DialingPermissions/Countries/{IsoCode}`

use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::{Answer, ApiError};
use super::endpoint::{Endpoint, Route};
use super::request::ApiRequest;
use crate::state::State;

const COUNTRY: &str = "/v1/DialingPermissions/Countries/{IsoCode}";

/// The countries that the simulator knows: code, name, continent, calling code.
const COUNTRIES: [(&str, &str, &str, &str); 6] = [
    ("AU", "Australia", "OCEANIA", "+61"),
    ("DE", "Germany", "EUROPE", "+49"),
    ("FR", "France", "EUROPE", "+33"),
    ("GB", "United Kingdom", "EUROPE", "+44"),
    ("SG", "Singapore", "ASIA", "+65"),
    ("US", "United States", "NORTH_AMERICA", "+1"),
];

pub(super) const ROUTES: &[Route] = &[Route::get(
    Endpoint::FetchDialingPermissionsCountry,
    COUNTRY,
    fetch,
)];

#[derive(Serialize)]
struct Shown<'a> {
    iso_code: &'a str,
    name: &'a str,
    continent: &'a str,
    country_codes: [&'a str; 1],
    low_risk_numbers_enabled: bool,
    high_risk_special_numbers_enabled: bool,
    high_risk_tollfraud_numbers_enabled: bool,
    url: String,
    links: Map<String, Value>,
}

fn fetch(state: &mut State, request: &ApiRequest) -> Result<Answer, ApiError> {
    let asked: String = request.sid("IsoCode")?;
    let (iso_code, name, continent, calling_code) = COUNTRIES
        .into_iter()
        .find(|(code, ..)| *code == asked)
        .ok_or_else(|| request.not_found())?;
    let url = format!(
        "{}v1/DialingPermissions/Countries/{iso_code}",
        state.base_url
    );
    Ok(Answer::ok(&Shown {
        iso_code,
        name,
        continent,
        country_codes: [calling_code],
        low_risk_numbers_enabled: !state.forbidden_countries.contains(iso_code),
        high_risk_special_numbers_enabled: false,
        high_risk_tollfraud_numbers_enabled: false,
        links: super::links(&url, &["highrisk_special_prefixes"]),
        url,
    }))
}
