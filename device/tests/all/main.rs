//! The kiosk's binary from outside: its verbs, its server, its disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod commands;
#[cfg(unix)]
mod disk;
mod kill;
mod kiosk;
mod serve;
