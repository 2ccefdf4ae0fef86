//! Callers who become dead letters.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::kind::Kind;
use crate::promises::Promise;
use crate::strikes::Struck;
use crate::twilio_side::Wire;
use crate::weather::CLEARS_AFTER;

/// Whoever is given up later than this after the weather has cleared was given up in calm.
const CALM: Duration = Duration::from_secs(20);

/// Notes the callers who are helped when they become dead letters, as far as Twilio could be asked,
/// and those who wait though it could be asked long since.
pub fn watch(struck: &Struck, wire: &Wire, kinds: &[Kind]) -> impl Future<Output = ()> + use<> {
    let (broker, simulator) = (struck.broker.clone(), Arc::clone(&wire.simulator));
    let (notes, teller, began) = (wire.notes.clone(), wire.teller.clone(), Instant::now());
    let could_ask = match kinds.iter().any(|kind| kind.is_of_the_api()) {
        true => CLEARS_AFTER,
        false => Duration::ZERO,
    };
    async move {
        let mut seen = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let letters = broker.dead_letters();
            for letter in letters.get(seen..).unwrap_or_default() {
                let Some(call) = letter.request().map(|request| request.call_sid) else {
                    continue;
                };
                let what = format!("its request is a dead letter: {}", letter.cause.reason);
                teller.say_of(call, what);
                let now = began.elapsed();
                let waits = simulator.inspect(|state| match state.is_in_progress(&call) {
                    true => Some(state.is_waiting(&call)),
                    false => None,
                });
                match waits {
                    Some(false) if now > could_ask => {
                        notes.broken(Promise::DeadLetter, Some(call));
                    }
                    Some(true) if now > CLEARS_AFTER + CALM => {
                        notes.broken(Promise::GivenUp, Some(call));
                    }
                    _ => {}
                }
            }
            seen = letters.len();
        }
    }
}
