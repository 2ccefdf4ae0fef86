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
        None,
    )
    .unwrap();
    let [Verb::Say(text), Verb::Dial(dial), Verb::Hangup] = &verbs[..] else {
        panic!("{verbs:?}");
    };
    assert_eq!(text, "Max & Möritz");
    let dial = &dial.record;
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
        "<Response><Dial action=\"/next\">+14155550100</Dial></Response>",
        "<Response><Dial action=\"ftp://example.com\">+14155550100</Dial></Response>",
        "<Response><Gather><Dial>+14155550100</Dial></Gather></Response>",
        "<Response><Record/></Response>",
        "<Response><Redirect method=\"PUT\">https://example.com</Redirect></Response>",
        "<Response><Redirect/></Response>",
    ] {
        assert!(parse(text, None).is_err(), "{text}");
    }
}

#[test]
fn a_number_that_is_not_in_e164_form_is_not_dialled() {
    let verbs = parse("<Response><Dial>0800 1234</Dial></Response>", None).unwrap();
    let [Verb::Dial(dial)] = &verbs[..] else {
        panic!("{verbs:?}");
    };
    assert!(dial.record.numbers.is_empty());
}

#[test]
fn urls_are_meant_from_where_the_document_is() {
    let text = r#"<Response>
        <Gather timeout="10" numDigits="1" action="/pressed#rc=5"><Say>Press 1</Say></Gather>
        <Record maxLength="120"/><Redirect method="GET">../next</Redirect></Response>"#;
    let verbs = parse(text, Some("https://example.com/a/b?c=d")).unwrap();
    let ask = |url: &str, method| Ask {
        url: url.into(),
        method,
    };
    let expected = [
        Verb::Gather(Gather {
            prompt: vec![Verb::Say("Press 1".into())],
            timeout: Duration::from_secs(10),
            num_digits: Some(1),
            action: ask("https://example.com/pressed#rc=5", TwimlMethod::Post),
        }),
        Verb::Record(Record {
            action: ask("https://example.com/a/b?c=d", TwimlMethod::Post),
            max_length: Duration::from_secs(120),
            timeout: Duration::from_secs(5),
        }),
        Verb::Redirect(ask("https://example.com/next", TwimlMethod::Get)),
    ];
    assert_eq!(verbs, expected);
}
