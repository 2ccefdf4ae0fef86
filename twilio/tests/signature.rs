//! `X-Twilio-Signature` against the vectors of Twilio's own libraries and documentation.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use twilio::{
    AuthToken, FormParams, SignatureError, SignatureVerifier, SignedUrl, sign_body, sign_form,
};

const TOKEN: &str = "12345";
const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
const PARAMS: [(&str, &str); 5] = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675309"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
];

fn verifier() -> SignatureVerifier {
    SignatureVerifier::new([AuthToken::new(TOKEN)])
}

fn params(pairs: &[(&'static str, &'static str)]) -> FormParams {
    pairs.iter().copied().collect()
}

fn verify(url: &str, params: &FormParams, signature: &str) -> Result<(), SignatureError> {
    verifier().verify_form(&SignedUrl::new(url), None, params, Some(signature))
}

#[test]
fn forms_verify_whichever_way_the_port_was_signed() {
    let with =
        |scheme: &str, port: &str| format!("{scheme}://mycompany.com{port}/myapp.php?foo=1&bar=2");
    for (url, signature) in [
        (with("https", ""), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (with("https", ":1234"), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (with("https", ""), "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (with("https", ":443"), "kvajT1Ptam85bY51eRf/AJRuM3w="),
        (with("http", ""), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        (with("http", ":80"), "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        (with("http", ":1234"), "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
    ] {
        assert_eq!(verify(&url, &params(&PARAMS), signature), Ok(()), "{url}");
    }
}

#[test]
fn forms_verify_with_and_without_user_information() {
    for (url, signature) in [
        (
            "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2",
            "CukzLTc1tT5dXEDIHm/tKBanW10=",
        ),
        (
            "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2",
            "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=",
        ),
        (
            "https://user:pass@mycompany.com:443/myapp.php?foo=1&bar=2",
            "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=",
        ),
        (
            "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2",
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
    ] {
        assert_eq!(verify(url, &params(&PARAMS), signature), Ok(()), "{url}");
    }
}

#[test]
fn repeated_parameters_are_signed_once_each_in_order() {
    let digits = [
        ("Sid", "CA123"),
        ("SidAccount", "AC123"),
        ("Digits", "5678"),
        ("Digits", "1234"),
        ("Digits", "1234"),
    ];
    assert_eq!(
        verify(URL, &params(&digits), "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
        Ok(())
    );

    let address = "MessagingBinding.Address";
    for order in [
        ["+1325xxxxxxx", "+1415xxxxxxx"],
        ["+1415xxxxxxx", "+1325xxxxxxx"],
    ] {
        let addresses = [(address, order[0]), (address, order[1])];
        assert_eq!(
            verify(URL, &params(&addresses), "83O6e2vORAoJHUNzJjDWN1jz+BA="),
            Ok(())
        );
    }
}

#[test]
fn the_documentations_example_verifies() {
    let caller = "+14158675310";
    let params = params(&[
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", caller),
        ("Digits", "1234"),
        ("From", caller),
        ("To", "+18005551212"),
    ]);
    let url = "https://example.com/myapp.php?foo=1&bar=2";
    assert_eq!(verify(url, &params, "L/OH5YylLD5NRKLltdqwSvS0BnU="), Ok(()));
}

#[test]
fn an_apostrophe_in_the_query_is_signed_as_sent() {
    let url = format!("{URL}&Body=It's+amazing");
    assert_eq!(
        verify(&url, &params(&PARAMS), "dsq4Ehbj6cs+KdTkpF5sSSplOWw="),
        Ok(())
    );
}

#[test]
fn bodies_that_are_no_form_are_bound_by_their_hash() {
    let body = br#"{"property": "value", "boolean": true}"#;
    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let empty_hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let base = SignedUrl::new("https://mycompany.com/myapp.php");
    for (query, body, signature) in [
        (
            format!("foo=1&bar=2&bodySHA256={hash}"),
            &body[..],
            "a9nBmqA0ju/hNViExpshrM61xv4=",
        ),
        (
            format!("bodySHA256={hash}"),
            &body[..],
            "y77kIzt2vzLz71DgmJGsen2scGs=",
        ),
        (
            format!("foo=1&bar=2&bodySHA256={empty_hash}"),
            b"{}",
            "Ldidvp12m26NI7eqEvxnEpkd9Hc=",
        ),
    ] {
        let verify =
            |body: &[u8]| verifier().verify_body(&base, Some(&query), body, Some(signature));
        assert_eq!(verify(body), Ok(()), "{query}");
        assert_eq!(verify(b"{ }"), Err(SignatureError::WrongBodyHash));
    }
}

#[test]
fn a_body_without_its_hash_is_refused_though_the_url_is_signed() {
    let url = "https://mycompany.com/myapp.php";
    let signature = sign_form(&AuthToken::new(TOKEN), url, &FormParams::default());
    let verified = verifier().verify_body(&SignedUrl::new(url), None, b"{}", Some(&signature));
    assert_eq!(verified, Err(SignatureError::NoBodyHash));
}

#[test]
fn the_fragment_with_connection_overrides_is_not_signed() {
    let token = AuthToken::new(TOKEN);
    let url = "https://example.com/taskrouter/events";
    let signature = sign_form(&token, &format!("{url}#rc=5&rp=all"), &params(&PARAMS));
    assert_eq!(
        verify(&format!("{url}#rc=2"), &params(&PARAMS), &signature),
        Ok(())
    );
}

#[test]
fn any_of_several_tokens_verifies_while_one_is_rotated() {
    let both = SignatureVerifier::new([AuthToken::new("new"), AuthToken::new("old")]);
    for token in ["new", "old"] {
        let signature = sign_form(&AuthToken::new(token), URL, &params(&PARAMS));
        let verified = both.verify_form(
            &SignedUrl::new(URL),
            None,
            &params(&PARAMS),
            Some(&signature),
        );
        assert_eq!(verified, Ok(()));
    }
    let signature = sign_form(&AuthToken::new("other"), URL, &params(&PARAMS));
    let verified = both.verify_form(
        &SignedUrl::new(URL),
        None,
        &params(&PARAMS),
        Some(&signature),
    );
    assert_eq!(verified, Err(SignatureError::Mismatch));
}

#[test]
fn no_token_verifies_nothing() {
    let none = SignatureVerifier::new([]);
    let signature = sign_form(&AuthToken::new(""), URL, &params(&PARAMS));
    let verified = none.verify_form(
        &SignedUrl::new(URL),
        None,
        &params(&PARAMS),
        Some(&signature),
    );
    assert_eq!(verified, Err(SignatureError::Mismatch));
}

#[test]
fn a_missing_or_garbled_signature_is_refused() {
    let url = SignedUrl::new(URL);
    let refused = |signature| verifier().verify_form(&url, None, &params(&PARAMS), signature);
    assert_eq!(refused(None), Err(SignatureError::Missing));
    for garbled in ["", "=", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "ÄÖÜ", "UlNPWQ=="] {
        assert_eq!(
            refused(Some(garbled)),
            Err(SignatureError::Mismatch),
            "{garbled}"
        );
    }
}

#[test]
fn the_token_stays_out_of_debug_output() {
    let shown = format!(
        "{:?} {:?}",
        AuthToken::new("hush"),
        SignatureVerifier::new([AuthToken::new("hush")])
    );
    assert!(!shown.contains("hush"), "{shown}");
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_what_is_altered_does_not(
        pairs in proptest::collection::vec(("[A-Z][a-z]{1,8}", ".{0,12}"), 1..8),
        which in any::<prop::sample::Index>(),
        added in "[a-zA-Z0-9ä+]{1,4}",
    ) {
        let token = AuthToken::new(TOKEN);
        let url = "https://example.com/taskrouter/events";
        let form = |pairs: &[(String, String)]| {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(pairs);
            form.finish()
        };
        let sent = form(&pairs);
        let signature = sign_form(&token, url, &FormParams::parse(sent.as_bytes()));
        prop_assert_eq!(verify(url, &FormParams::parse(sent.as_bytes()), &signature), Ok(()));

        let mut altered = pairs.clone();
        let which = which.index(altered.len());
        altered[which].1.push_str(&added);
        let altered = form(&altered);
        prop_assert_eq!(
            verify(url, &FormParams::parse(altered.as_bytes()), &signature),
            Err(SignatureError::Mismatch)
        );
    }

    #[test]
    fn a_signed_body_verifies_and_an_altered_one_does_not(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
    ) {
        let url = "https://example.com/taskrouter/event-stream";
        let (signed_url, signature) = sign_body(&AuthToken::new(TOKEN), url, &body);
        let query = signed_url.split_once('?').unwrap().1;
        let verify = |body: &[u8]| {
            verifier().verify_body(&SignedUrl::new(url), Some(query), body, Some(&signature))
        };
        prop_assert_eq!(verify(&body), Ok(()));
        let mut altered = body.clone();
        if altered.is_empty() {
            altered.push(0);
        } else {
            let at = at.index(altered.len());
            altered[at] ^= 1;
        }
        prop_assert_eq!(verify(&altered), Err(SignatureError::WrongBodyHash));
    }

    #[test]
    fn no_input_makes_verification_panic(
        url in ".{0,40}", query in proptest::option::of(".{0,20}"),
        body in proptest::collection::vec(any::<u8>(), 0..80), signature in ".{0,40}",
    ) {
        let verifier = verifier();
        let url = SignedUrl::new(&url);
        let params = FormParams::parse(&body);
        prop_assert!(verifier.verify_form(&url, query.as_deref(), &params, Some(&signature)).is_err());
        prop_assert!(verifier.verify_body(&url, query.as_deref(), &body, Some(&signature)).is_err());
    }
}
