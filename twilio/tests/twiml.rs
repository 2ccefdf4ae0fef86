//! The TwiML that a redirected caller hears.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use twilio::twiml::{Dial, MAX_INLINE_CHARS, Notice, Record, Seconds, TwimlError};

fn dial() -> Dial {
    Dial {
        number: "+14155550100".parse().unwrap(),
        caller_id: None,
        timeout: None,
        time_limit: None,
        record: Record::DoNotRecord,
        notice: None,
    }
}

fn notice(text: &str) -> Option<Notice> {
    Some(Notice {
        text: text.to_owned(),
        language: None,
        voice: None,
    })
}

#[test]
fn a_plain_redirect_dials_the_number() {
    assert_eq!(
        dial().to_twiml().unwrap().as_str(),
        r#"<?xml version="1.0" encoding="UTF-8"?><Response><Dial><Number>+14155550100</Number></Dial></Response>"#
    );
}

#[test]
fn every_wish_has_its_attribute() {
    let dial = Dial {
        caller_id: Some("+14155550199".parse().unwrap()),
        timeout: Seconds::new(25),
        time_limit: Seconds::new(3600),
        record: Record::FromAnswerDual,
        notice: Some(Notice {
            text: "One moment & we put you through <now>.".into(),
            language: Some("en-GB".into()),
            voice: Some("Polly.Amy".into()),
        }),
        ..dial()
    };
    assert_eq!(
        dial.to_twiml().unwrap().as_str(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>\
         <Say language=\"en-GB\" voice=\"Polly.Amy\">One moment &amp; we put you through &lt;now&gt;.</Say>\
         <Dial callerId=\"+14155550199\" timeout=\"25\" timeLimit=\"3600\" record=\"record-from-answer-dual\">\
         <Number>+14155550100</Number></Dial></Response>"
    );
}

#[test]
fn seconds_that_twilio_refuses_cannot_be_asked_for() {
    assert!(Seconds::<5, 600>::new(4).is_none());
    assert!(Seconds::<5, 600>::new(5).is_some());
    assert!(Seconds::<5, 600>::new(600).is_some());
    assert!(Seconds::<5, 600>::new(601).is_none());
}

#[test]
fn a_notice_that_twilio_or_xml_cannot_take_is_refused() {
    let long = Dial {
        notice: notice(&"ä".repeat(MAX_INLINE_CHARS)),
        ..dial()
    };
    assert!(matches!(long.to_twiml(), Err(TwimlError::TooLong(_))));
    let control = Dial {
        notice: notice("a\u{1}b"),
        ..dial()
    };
    assert!(matches!(
        control.to_twiml(),
        Err(TwimlError::NotXml('\u{1}'))
    ));
}

proptest! {
    #[test]
    fn any_notice_is_said_and_adds_no_element(text in "[^\\p{C}\\s]([^\\p{C}]{0,80}[^\\p{C}\\s])?", voice in "[a-zA-Z.<>&\"' ]{0,20}") {
        let dial = Dial {
            notice: Some(Notice { text: text.clone(), language: None, voice: Some(voice) }),
            ..dial()
        };
        let document = dial.to_twiml().unwrap();
        let mut reader = Reader::from_str(document.as_str());
        let (mut elements, mut said) = (Vec::new(), String::new());
        loop {
            match reader.read_event().unwrap() {
                Event::Start(e) => elements.push(e.name().as_ref().to_owned()),
                Event::Text(t) if elements.last().is_some_and(|e| e == "Say") => said.push_str(&t),
                Event::GeneralRef(r) if elements.last().is_some_and(|e| e == "Say") => {
                    let entity = format!("&{};", &*r);
                    said.push_str(&quick_xml::escape::unescape(&entity).unwrap());
                }
                Event::Eof => break,
                _ => {}
            }
        }
        prop_assert_eq!(elements, ["Response", "Say", "Dial", "Number"]);
        prop_assert_eq!(said, text);
    }
}
