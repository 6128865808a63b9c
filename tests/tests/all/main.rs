//! Behaviour across crates, in one binary: linking it once is what costs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

mod arithmetic;
mod attacks;
mod blends;
mod builds;
mod challenger;
mod contributions;
mod credit;
mod credit_lightgbm;
mod decisions;
mod engines;
mod families;
mod forests;
mod golden;
mod inputs;
mod loan;
mod memory;
mod notices;
mod peaks;
mod phones;
mod policy;
mod redaction;
mod seeds;
mod store;
mod tensors;
mod values;
mod zoo_nets;

#[global_allocator]
static ALLOCATOR: fieldscore_tests::alloc::Counting = fieldscore_tests::alloc::Counting;
