//! The allocator of the program, and how long it keeps memory that nobody uses.

use std::ffi::{c_int, c_long};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3: the crate binds the function and not its number.
const PURGE_DELAY: c_int = 15;

/// How long an empty page is kept before the kernel gets it, in milliseconds. With mimalloc's own
/// second a server under a steady load grows for hours (`docs/decisions/0018-memory-that-stays.md`).
const PURGE_DELAY_MS: c_long = 10;

/// Sets what mimalloc is told. `MIMALLOC_PURGE_DELAY` in the environment goes before it.
pub(crate) fn tune() {
    // SAFETY: stores one number in a table of options, which every thread may read at any time; no
    // other thread runs yet, for this is called first in `main`.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS) };
}

#[cfg(test)]
mod tests {
    #[test]
    fn given_no_word_in_the_environment_when_tuned_should_keep_empty_pages_for_ten_milliseconds() {
        use super::*;
        // By this the option is known: no other has this value.
        const UNTUNED_MS: c_long = 1000;
        // SAFETY: both read or write one number of a table of options.
        let read = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        let before = read();
        tune();
        match std::env::var_os("MIMALLOC_PURGE_DELAY") {
            Some(_) => assert_eq!(read(), before, "a tester's own setting stays"),
            None => assert_eq!((before, read()), (UNTUNED_MS, PURGE_DELAY_MS)),
        }
    }
}
