//! Reading TwiML as Twilio does, for the verbs that redirects and ladders use.

#[cfg(test)]
mod tests;

use std::str::FromStr;
use std::time::Duration;

use roxmltree::{Document, Node};
use twilio::{E164, WorkflowSid};
use url::Url;

use crate::journal::{CallbackOutcome, DialOutcome, DialRecord};

#[derive(Debug, PartialEq)]
pub(crate) enum Verb {
    Say(String),
    Play(String),
    Pause(Duration),
    Hangup,
    Redirect(Ask),
    Enqueue(WorkflowSid),
    Dial(Dial),
    Gather(Gather),
    Record(Record),
}

/// Where what comes next is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Absolute, with its fragment.
    pub(crate) url: String,
    pub(crate) method: TwimlMethod,
}

/// How TwiML is fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum TwimlMethod {
    Get,
    #[default]
    Post,
}

/// `<Dial>` (<https://www.twilio.com/docs/voice/twiml/dial>).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dial {
    pub(crate) record: DialRecord,
    /// Its numbers.
    pub(crate) nouns: Vec<Noun>,
    pub(crate) action: Option<Ask>,
}

/// `<Number>` (<https://www.twilio.com/docs/voice/twiml/number>).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Noun {
    pub(crate) number: E164,
    /// What whoever picks up hears first.
    pub(crate) whisper: Option<Ask>,
    /// Who is told of the end of the call to it, by a `POST`.
    pub(crate) status_callback: Option<String>,
}

/// `<Gather>` (<https://www.twilio.com/docs/voice/twiml/gather>).
#[derive(Debug, PartialEq)]
pub(crate) struct Gather {
    /// What is heard meanwhile: `<Say>`, `<Play>` and `<Pause>`.
    pub(crate) prompt: Vec<Verb>,
    /// How long a key is waited for after that, and another where more than one may come.
    pub(crate) timeout: Duration,
    /// How many keys are waited for; any number if `None`.
    pub(crate) num_digits: Option<u32>,
    pub(crate) action: Ask,
}

/// `<Record>` (<https://www.twilio.com/docs/voice/twiml/record>).
#[derive(Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) action: Ask,
    pub(crate) max_length: Duration,
    /// After so long a silence it ends.
    pub(crate) timeout: Duration,
}

/// Why the caller hears "an application error has occurred".
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum InvalidTwiml {
    #[error("document parse failure: {0}")]
    NotXml(#[from] roxmltree::Error),
    #[error("document parse failure: it is not UTF-8")]
    NotUtf8,
    #[error("the root element is not <Response>")]
    NoResponse,
    #[error("<{0}> is nothing that the simulator can do there")]
    Unknown(String),
    #[error("attribute {0} is not valid")]
    Attribute(&'static str),
    #[error("it names no URL, or none that is absolute")]
    Url,
    #[error("HTTP retrieval failure: {0}")]
    NotFetched(CallbackOutcome),
}

/// The verbs of a `<Response>`, in order. Relative URLs are meant from where the document is; one that
/// came inline is nowhere.
pub(crate) fn parse(text: &str, base: Option<&str>) -> Result<Vec<Verb>, InvalidTwiml> {
    let document = Document::parse(text)?;
    let root = document.root_element();
    if !root.has_tag_name("Response") {
        return Err(InvalidTwiml::NoResponse);
    }
    let base = base.and_then(|base| base.parse().ok());
    let reader = Reader { base };
    elements(root).map(|element| reader.verb(element)).collect()
}

/// The event of which is told where `statusCallbackEvent` doesn't say.
const COMPLETED: &str = "completed";

struct Reader {
    base: Option<Url>,
}

impl Reader {
    fn verb(&self, element: Node<'_, '_>) -> Result<Verb, InvalidTwiml> {
        match element.tag_name().name() {
            "Redirect" => {
                let url = self.url(&text(element))?;
                let method = attribute(element, "method")?.unwrap_or_default();
                Ok(Verb::Redirect(Ask { url, method }))
            }
            "Dial" => self.dial(element).map(Verb::Dial),
            "Gather" => Ok(Verb::Gather(Gather {
                prompt: elements(element).map(heard).collect::<Result<_, _>>()?,
                timeout: seconds(element, "timeout", 5)?,
                num_digits: attribute(element, "numDigits")?,
                action: self.action_or_here(element)?,
            })),
            "Record" => Ok(Verb::Record(Record {
                action: self.action_or_here(element)?,
                max_length: seconds(element, "maxLength", 3600)?,
                timeout: seconds(element, "timeout", 5)?,
            })),
            "Enqueue" => attribute(element, "workflowSid")?
                .map(Verb::Enqueue)
                .ok_or(InvalidTwiml::Attribute("workflowSid")),
            "Hangup" => Ok(Verb::Hangup),
            _ => heard(element),
        }
    }

    fn dial(&self, element: Node<'_, '_>) -> Result<Dial, InvalidTwiml> {
        if let Some(other) = elements(element).find(|noun| !noun.has_tag_name("Number")) {
            return Err(InvalidTwiml::Unknown(other.tag_name().name().to_owned()));
        }
        let mut nouns = Vec::new();
        for noun in elements(element).chain([element]) {
            // Twilio executes the verb and fails to dial what is not in E.164 form (error 13224).
            if let Ok(number) = text(noun).parse() {
                nouns.push(Noun {
                    number,
                    whisper: self.ask(noun, "url", "method")?,
                    status_callback: self.status_callback(noun)?,
                });
            }
        }
        Ok(Dial {
            record: DialRecord {
                numbers: nouns.iter().map(|noun| noun.number).collect(),
                caller_id: attribute::<E164>(element, "callerId")?,
                timeout: attribute(element, "timeout")?,
                time_limit: attribute(element, "timeLimit")?,
                record: attribute(element, "record")?,
                sequential: attribute(element, "sequential")?.unwrap_or(false),
                outcome: DialOutcome::Failed,
            },
            nouns,
            action: self.ask(element, "action", "method")?,
        })
    }

    /// Who is told of the end of the call to a number. Nobody is told of anything else here.
    fn status_callback(&self, noun: Node<'_, '_>) -> Result<Option<String>, InvalidTwiml> {
        let events = noun.attribute("statusCallbackEvent").unwrap_or(COMPLETED);
        let tells = events.split_whitespace().any(|event| event == COMPLETED);
        let url = noun.attribute("statusCallback").filter(|_| tells);
        url.map(|url| self.url(url)).transpose()
    }

    /// What `action` names, or where the document is.
    fn action_or_here(&self, element: Node<'_, '_>) -> Result<Ask, InvalidTwiml> {
        if let Some(ask) = self.ask(element, "action", "method")? {
            return Ok(ask);
        }
        Ok(Ask {
            url: self.url("")?,
            method: attribute(element, "method")?.unwrap_or_default(),
        })
    }

    fn ask(
        &self,
        element: Node<'_, '_>,
        url: &str,
        method: &'static str,
    ) -> Result<Option<Ask>, InvalidTwiml> {
        let Some(url) = element.attribute(url) else {
            return Ok(None);
        };
        Ok(Some(Ask {
            url: self.url(url)?,
            method: attribute(element, method)?.unwrap_or_default(),
        }))
    }

    fn url(&self, url: &str) -> Result<String, InvalidTwiml> {
        let meant = Url::options().base_url(self.base.as_ref()).parse(url);
        let meant = meant.map_err(|_| InvalidTwiml::Url)?;
        match meant.scheme() {
            "http" | "https" if Url::parse(url).is_ok() => Ok(url.to_owned()),
            "http" | "https" => Ok(meant.into()),
            _ => Err(InvalidTwiml::Url),
        }
    }
}

impl FromStr for TwimlMethod {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "GET" => Ok(Self::Get),
            "POST" => Ok(Self::Post),
            _ => Err(()),
        }
    }
}

/// A verb that is but heard.
fn heard(element: Node<'_, '_>) -> Result<Verb, InvalidTwiml> {
    match element.tag_name().name() {
        "Say" => Ok(Verb::Say(text(element))),
        "Play" => Ok(Verb::Play(text(element))),
        "Pause" => seconds(element, "length", 1).map(Verb::Pause),
        other => Err(InvalidTwiml::Unknown(other.to_owned())),
    }
}

fn seconds(
    element: Node<'_, '_>,
    name: &'static str,
    default: u64,
) -> Result<Duration, InvalidTwiml> {
    let seconds = attribute(element, name)?.unwrap_or(default);
    Ok(Duration::from_secs(seconds))
}

fn elements<'a, 'input>(parent: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    parent.children().filter(Node::is_element)
}

/// An element's own text, without its children's.
fn text(element: Node<'_, '_>) -> String {
    let texts = element.children().filter(Node::is_text);
    let text: String = texts.filter_map(|text| text.text()).collect();
    text.trim().to_owned()
}

fn attribute<T: FromStr>(
    element: Node<'_, '_>,
    name: &'static str,
) -> Result<Option<T>, InvalidTwiml> {
    let value = element.attribute(name).map(str::parse).transpose();
    value.map_err(|_| InvalidTwiml::Attribute(name))
}
