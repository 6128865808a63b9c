//! The exported API, as Kotlin and Swift call it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests fail by panicking"
)]

mod boundary;
#[path = "../common/mod.rs"]
mod common;
mod errors;
mod golden;
// The golden bundle with a table is a net of tensor steps.
#[cfg(feature = "tensors")]
mod tables;
