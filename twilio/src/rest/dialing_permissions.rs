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
    /// What its numbers begin with. Countries share codes: `+44` is Jersey's, too.
    #[serde(default, deserialize_with = "null_is_default")]
    pub country_codes: Vec<String>,
    /// Most numbers.
    #[serde(default, deserialize_with = "null_is_default")]
    pub low_risk_numbers_enabled: bool,
    /// Premium numbers and the like.
    #[serde(default, deserialize_with = "null_is_default")]
    pub high_risk_special_numbers_enabled: bool,
    /// Numbers with a known history of toll fraud.
    #[serde(default, deserialize_with = "null_is_default")]
    pub high_risk_tollfraud_numbers_enabled: bool,
}

impl CountryPermissions {
    /// How many digits of the number its longest fitting code takes; `None` where none fits.
    pub fn fits(&self, number: &crate::E164) -> Option<usize> {
        let digits = |text: &str| {
            let digits = text.chars().filter(char::is_ascii_digit);
            digits.collect::<String>()
        };
        let number = digits(number.as_str());
        let codes = self.country_codes.iter().map(|code| digits(code));
        codes
            .filter(|code| !code.is_empty() && number.starts_with(code))
            .map(|code| code.len())
            .max()
    }
}

impl Client {
    /// The permissions of all countries that Twilio knows.
    ///
    /// # Errors
    /// Twilio refused, or no answer came.
    pub async fn dialing_permissions(&self) -> Result<Vec<CountryPermissions>, RestError> {
        let first = "/v1/DialingPermissions/Countries?PageSize=1000".to_owned();
        self.list(Endpoint::ListDialingPermissionsCountry, first, "content")
            .await
    }
}

fn null_is_default<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}
