//! Reading TwiML as Twilio does, for the verbs that a redirect uses.

use std::str::FromStr;

use roxmltree::{Document, Node};
use twilio::E164;

use crate::journal::{CallbackOutcome, DialOutcome, DialRecord};

#[derive(Debug, PartialEq)]
pub(crate) enum Verb {
    Say(String),
    Pause,
    Hangup,
    Dial(DialRecord),
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
    #[error("<{0}> is nothing that the simulator can do")]
    Unknown(String),
    #[error("attribute {0} is not valid")]
    Attribute(&'static str),
    #[error("HTTP retrieval failure: {0}")]
    NotFetched(CallbackOutcome),
}

/// The verbs of a `<Response>`, in order.
pub(crate) fn parse(text: &str) -> Result<Vec<Verb>, InvalidTwiml> {
    let document = Document::parse(text)?;
    let root = document.root_element();
    if !root.has_tag_name("Response") {
        return Err(InvalidTwiml::NoResponse);
    }
    elements(root).map(verb).collect()
}

fn verb(element: Node<'_, '_>) -> Result<Verb, InvalidTwiml> {
    match element.tag_name().name() {
        "Say" => Ok(Verb::Say(text(element))),
        "Pause" => Ok(Verb::Pause),
        "Hangup" => Ok(Verb::Hangup),
        "Dial" => dial(element).map(Verb::Dial),
        other => Err(InvalidTwiml::Unknown(other.to_owned())),
    }
}

fn dial(element: Node<'_, '_>) -> Result<DialRecord, InvalidTwiml> {
    if let Some(other) = elements(element).find(|noun| !noun.has_tag_name("Number")) {
        return Err(InvalidTwiml::Unknown(other.tag_name().name().to_owned()));
    }
    let numbers = elements(element).map(text).chain([text(element)]);
    Ok(DialRecord {
        // Twilio executes the verb and fails to dial what is not in E.164 form (error 13224).
        numbers: numbers.filter_map(|number| number.parse().ok()).collect(),
        caller_id: attribute::<E164>(element, "callerId")?,
        timeout: attribute(element, "timeout")?,
        time_limit: attribute(element, "timeLimit")?,
        record: attribute(element, "record")?,
        sequential: attribute(element, "sequential")?.unwrap_or(false),
        outcome: DialOutcome::Failed,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_and_a_dial_are_read_with_their_attributes() {
        let verbs = parse(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <!-- overflow -->
            <Response>
                <Say voice="Polly.Vicki">Max &amp; M&#246;ritz</Say>
                <Dial callerId="+14155550100" timeout="20" timeLimit="3600" record="do-not-record">
                    <Number>+14155550101</Number><Number>+14155550102</Number>
                </Dial>
                <Hangup/>
            </Response>"#,
        )
        .unwrap();
        let [Verb::Say(text), Verb::Dial(dial), Verb::Hangup] = &verbs[..] else {
            panic!("{verbs:?}");
        };
        assert_eq!(text, "Max & Möritz");
        let numbers: Vec<_> = dial.numbers.iter().map(E164::as_str).collect();
        assert_eq!(numbers, ["+14155550101", "+14155550102"]);
        assert_eq!(dial.caller_id, Some("+14155550100".parse().unwrap()));
        assert_eq!((dial.timeout, dial.time_limit), (Some(20), Some(3600)));
        assert_eq!(dial.record.as_deref(), Some("do-not-record"));
    }

    #[test]
    fn what_is_no_twiml_is_an_application_error() {
        for text in [
            "",
            "hello",
            "<Response>",
            "<Response><Dial>+14155550100</Response>",
            "<Response><Say>a & b</Say></Response>",
            "<Response><Say>&nbsp;</Say></Response>",
            "<Response/><Response/>",
            "<Response/>and more",
            "<response/>",
            "<Response><Teleport/></Response>",
            "<Response><Dial><Sip>sip:a@example.com</Sip></Dial></Response>",
            "<Response><Dial timeout=\"soon\">+14155550100</Dial></Response>",
            "<Response><Dial timeout=20>+14155550100</Dial></Response>",
            "<Response><Dial callerId=\"me\">+14155550100</Dial></Response>",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_that_is_not_in_e164_form_is_not_dialled() {
        let verbs = parse("<Response><Dial>0800 1234</Dial></Response>").unwrap();
        let [Verb::Dial(dial)] = &verbs[..] else {
            panic!("{verbs:?}");
        };
        assert!(dial.numbers.is_empty());
    }
}
