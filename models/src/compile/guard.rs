//! Calls into readers that panic where a file's parts do not fit together, or say something unforeseen.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether this thread is inside such a call, whose panic is nobody's to read.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `call` gives, or `None` where it panics. No panic on this thread prints anything meanwhile, nor gathers a
/// backtrace, which takes more memory than most models do.
///
/// ```
/// use fieldscore_models::compile::guard::guarded;
///
/// assert_eq!(guarded(|| "12".parse::<u8>().unwrap()), Some(12));
/// assert_eq!(guarded(|| "twelve".parse::<u8>().unwrap()), None);
/// ```
pub fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                usual(panic);
            }
        }));
    });
    let outer = GUARDED.replace(true);
    // What the call leaves half done is dropped with it.
    let done = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(outer);
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_none_and_the_next_call_is_whole() {
        assert_eq!(guarded(|| [1, 2][std::env::args().count() + 7]), None);
        assert_eq!(guarded(|| 3), Some(3));
    }
}
