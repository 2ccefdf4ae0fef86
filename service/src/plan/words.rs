//! What the steps of plans do, in words.

use ladder::{Action, CallerId, Ring};

/// What a step does, without a number.
pub fn does(action: &Action) -> String {
    match action {
        Action::Ring(ring) => rings(ring),
        Action::Voicemail(voicemail) => {
            let written = if voicemail.transcribe {
                ", written down"
            } else {
                ""
            };
            let length = voicemail.max_length.get();
            format!(
                "voicemail of at most {length} s{written}: {:?}",
                voicemail.prompt.text
            )
        }
        Action::Say(say) => format!("says {:?}", say.text),
        Action::Play(url) => format!("plays {url}"),
    }
}

fn rings(ring: &Ring) -> String {
    let how = match (ring.numbers.len(), &ring.accept) {
        (1, None) => "rings one number".to_owned(),
        (1, Some(accept)) => format!("rings one number, who must press {}", accept.key),
        (count, None) => {
            format!("rings {count} numbers together; the first to pick up has the caller")
        }
        (count, Some(accept)) => format!(
            "rings {count} numbers one after another; who picks up must press {}",
            accept.key
        ),
    };
    let each = ring.timeout.map_or(30, |timeout| timeout.get());
    let shown = match ring.caller_id {
        CallerId::Caller => "",
        CallerId::Called => "; shows the number that was called",
        CallerId::Number(_) => "; shows another number",
    };
    format!("{how}; {each} s{shown}")
}
