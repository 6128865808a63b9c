//! What the tests share: a small bundle made in memory, random forests, surgery on bundles' bytes, a
//! naive evaluation of plans, a counting allocator, captured logs, a storage that fails on demand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test support: a broken fixture is a failed test"
)]

pub mod alloc;
pub mod fixture;
pub mod forest;
pub mod logs;
pub mod naive;
pub mod onnx;
pub mod project;
pub mod random;
pub mod storage;
pub mod surgery;
pub mod tflite;
