//! The bundle: the one signed file that reaches a device; and the store that installs updates.
#![forbid(unsafe_code)]

pub(crate) mod cbor;
pub mod container;
mod meta;
pub mod store;

pub use cbor::encode;

pub use meta::{EngineKind, Meta};
