//! Panics of what is simulated: counted, and told by the world.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

static HOOK: Once = Once::new();

/// How many panics there were in this thread, since it was first asked.
pub fn count() -> u32 {
    HOOK.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            COUNT.set(COUNT.get() + 1);
            if COUNT.get() == 1 {
                tell(panic);
            }
        }));
    });
    COUNT.get()
}
