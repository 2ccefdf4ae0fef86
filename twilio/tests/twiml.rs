//! The TwiML that a redirected caller hears.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use twilio::twiml::{
    Dial, Gather, MAX_INLINE_CHARS, Message, Number, Record, Response, Say, Seconds, TwimlError,
    Verb,
};

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

fn document(verbs: impl Into<Vec<Verb>>) -> String {
    let document = Response(verbs.into()).to_twiml().unwrap();
    document.as_str().strip_prefix(HEAD).unwrap().to_owned()
}

fn dial() -> Dial {
    number("+14155550100").into()
}

fn number(text: &str) -> twilio::E164 {
    text.parse().unwrap()
}

fn say(text: &str) -> Say {
    Say {
        text: text.to_owned(),
        language: None,
        voice: None,
    }
}

#[test]
fn a_plain_redirect_dials_the_number() {
    assert_eq!(
        document([Verb::Dial(dial())]),
        "<Response><Dial><Number>+14155550100</Number></Dial></Response>"
    );
}

#[test]
fn every_wish_has_its_attribute() {
    let notice = Say {
        language: Some("en-GB".into()),
        voice: Some("Polly.Amy".into()),
        ..say("One moment & we put you through <now>.")
    };
    let dial = Dial {
        caller_id: Some(number("+14155550199")),
        timeout: Seconds::new(25),
        time_limit: Seconds::new(3600),
        record: Record::FromAnswerDual,
        ..dial()
    };
    assert_eq!(
        document([Verb::Say(notice), Verb::Dial(dial)]),
        "<Response>\
         <Say language=\"en-GB\" voice=\"Polly.Amy\">One moment &amp; we put you through &lt;now&gt;.</Say>\
         <Dial callerId=\"+14155550199\" timeout=\"25\" timeLimit=\"3600\" record=\"record-from-answer-dual\">\
         <Number>+14155550100</Number></Dial></Response>"
    );
}

#[test]
fn whoever_picks_up_may_be_asked_first() {
    let dial = Dial {
        numbers: vec![Number {
            number: number("+14155550100"),
            whisper: Some("https://overflow.example.com/asked#rc=5&rt=2500".into()),
            status_callback: None,
        }],
        action: Some("https://overflow.example.com/dialed".into()),
        ..dial()
    };
    assert_eq!(
        document([Verb::Dial(dial)]),
        "<Response><Dial answerOnBridge=\"true\" action=\"https://overflow.example.com/dialed\">\
         <Number url=\"https://overflow.example.com/asked#rc=5&amp;rt=2500\">+14155550100</Number>\
         </Dial></Response>"
    );
    let gather = Gather {
        prompt: say("Press 1."),
        timeout: 10,
        action: "https://overflow.example.com/pressed".into(),
    };
    assert_eq!(
        document([Verb::Gather(gather), Verb::Hangup]),
        "<Response><Gather numDigits=\"1\" timeout=\"10\" action=\"https://overflow.example.com/pressed\">\
         <Say>Press 1.</Say></Gather><Hangup/></Response>"
    );
    assert_eq!(document([]), "<Response/>");
}

#[test]
fn the_end_of_each_call_to_a_number_may_be_told() {
    let ended = |name: &str| Number {
        status_callback: Some(format!("https://overflow.example.com/{name}#rc=5&rp=all")),
        ..number("+14155550100").into()
    };
    let dial = Dial {
        numbers: vec![ended("ended"), number("+14155550101").into()],
        ..dial()
    };
    assert_eq!(
        document([Verb::Dial(dial)]),
        "<Response><Dial><Number statusCallbackEvent=\"completed\" \
         statusCallback=\"https://overflow.example.com/ended#rc=5&amp;rp=all\">+14155550100</Number>\
         <Number>+14155550101</Number></Dial></Response>"
    );
}

#[test]
fn a_message_is_recorded_and_what_follows_it_is_said() {
    let message = Message {
        action: "https://overflow.example.com/recorded".into(),
        max_length: Seconds::new(120).unwrap(),
        finish_on_key: Some("#".into()),
        transcribe: true,
    };
    assert_eq!(
        document([
            Verb::Play("https://example.com/a.mp3?b=1&c".into()),
            Verb::Record(message),
            Verb::Redirect("https://overflow.example.com/not-recorded".into()),
        ]),
        "<Response><Play>https://example.com/a.mp3?b=1&amp;c</Play>\
         <Record action=\"https://overflow.example.com/recorded\" maxLength=\"120\" finishOnKey=\"#\" transcribe=\"true\"/>\
         <Redirect>https://overflow.example.com/not-recorded</Redirect></Response>"
    );
}

#[test]
fn a_caller_waits_for_a_workflow() {
    let workflow = "WW0123456789abcdef0123456789abcdef".parse().unwrap();
    assert_eq!(
        document([Verb::Pause(10), Verb::Enqueue(workflow)]),
        "<Response><Pause length=\"10\"/>\
         <Enqueue workflowSid=\"WW0123456789abcdef0123456789abcdef\"/></Response>"
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
fn a_text_that_twilio_or_xml_cannot_take_is_refused() {
    let refused = |text: &str| Response(vec![Verb::Say(say(text))]).to_twiml();
    let long = "ä".repeat(MAX_INLINE_CHARS);
    assert!(matches!(refused(&long), Err(TwimlError::TooLong(_))));
    assert!(matches!(
        refused("a\u{1}b"),
        Err(TwimlError::NotXml('\u{1}'))
    ));
}

proptest! {
    #[test]
    fn any_text_is_said_and_adds_no_element(text in "[^\\p{C}\\s]([^\\p{C}]{0,80}[^\\p{C}\\s])?", voice in "[a-zA-Z.<>&\"' ]{0,20}") {
        let notice = Say { voice: Some(voice), ..say(&text) };
        let document = Response(vec![Verb::Say(notice), Verb::Dial(dial())]).to_twiml().unwrap();
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
