//! Which countries an account may dial
//! (<https://www.twilio.com/docs/voice/api/dialingpermissions-country-resource>).

use serde::{Deserialize, Deserializer};

use super::{Client, Endpoint, RestError, null_is_empty};

/// Whether numbers of a country may be dialled, by how often fraud is done with them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CountryPermissions {
    /// Its name.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub name: String,
    /// Most numbers.
    #[serde(default, deserialize_with = "null_is_false")]
    pub low_risk_numbers_enabled: bool,
    /// Premium numbers and the like.
    #[serde(default, deserialize_with = "null_is_false")]
    pub high_risk_special_numbers_enabled: bool,
    /// Numbers with a known history of toll fraud.
    #[serde(default, deserialize_with = "null_is_false")]
    pub high_risk_tollfraud_numbers_enabled: bool,
}

impl Client {
    /// The permissions of a country, named by its ISO 3166 code of two letters; `None` where Twilio
    /// doesn't know it.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn dialing_permissions(
        &self,
        iso_code: &str,
    ) -> Result<Option<CountryPermissions>, RestError> {
        let path = format!("/v1/DialingPermissions/Countries/{iso_code}");
        self.find(Endpoint::FetchDialingPermissionsCountry, &path)
            .await
    }
}

fn null_is_false<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Option::<bool>::deserialize(from).map(Option::unwrap_or_default)
}
