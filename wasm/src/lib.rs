//! The runtime for browsers and node. The npm package in `npm/` wraps what is here into its own
//! classes; this crate converts types between JavaScript and Rust, and does nothing else.
//!
//! What holds: no applicant's value stays in the module's memory once a call has come back (freed
//! memory is zeroed by `memory`, the rest by the runtime), and errors are thrown as the strings
//! of `error`, which hold no value either.

#[cfg(feature = "casework")]
mod casework;
mod convert;
mod error;
mod logger;
mod memory;
#[cfg(feature = "casework")]
mod notice;
mod session;
mod store;

pub use session::Session;
pub use store::Store;

use wasm_bindgen::prelude::wasm_bindgen;

/// Sends the runtime's log to the console, from `level` up: 0 is off, 1 errors only, 5 everything.
#[wasm_bindgen(js_name = setLog)]
pub fn set_log(level: u8) {
    logger::set(level);
}
