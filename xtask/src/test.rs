//! `cargo xtask test`: everything that `.ci/run` relies on.

use std::process::Command;

use crate::run::{Result, cargo};
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{
    android, browser, bundle, device, engines, form, fuzz, ios, million, parity, phones, run,
    sizes, splits, wasm,
};

/// Run all tests: units, documentation, features, the command, accuracy, memory, parity, fuzzing
#[derive(Debug, clap::Args)]
pub struct TestArgs {
    /// Only `cargo test --workspace`
    #[arg(long)]
    quick: bool,
    /// Rows for the check of constant memory
    #[arg(long, default_value_t = million::ROWS, value_name = "N")]
    rows: u64,
    /// Seconds of fuzzing for each target
    #[arg(long, default_value_t = fuzz::SECONDS, value_name = "SECONDS")]
    fuzz: u64,
}

/// The task.
pub fn run(workspace: &Workspace, args: &TestArgs) -> Result<()> {
    let mut steps = Steps::of("test");
    if args.quick {
        return steps.step("unit, integration, doc tests", || {
            run::run(cargo().args(["test", "--workspace"]))
        });
    }
    // Engines and ways to read a file that a build may have, in the one build: tract takes minutes. Without them,
    // the steps below decide what is recorded, on every surface.
    let environment = engines::environment(workspace)?;
    steps.step("unit, integration, doc tests", || {
        let mut test = cargo();
        test.args(["test", "--workspace", "--features"])
            .arg("fieldscore-runtime/mmap,fieldscore-tests/tflite");
        run::run(test.envs(environment))
    })?;
    steps.step("demo", || {
        run::run(Command::new(bundle::command(workspace)?).arg("demo"))
    })?;
    steps.step("accuracy on five splits", || splits::measure(false))?;
    steps.step("constant memory", || {
        million::measure(workspace, args.rows, false)
    })?;
    steps.step("parity on every target", || {
        parity::measure(workspace, false, false)
    })?;
    steps.step("npm package, node, Chromium", || {
        wasm::test(workspace, &wasm::package(workspace)?)
    })?;
    // What measures in the browser runs outside of tests: its peer is 150 MB.
    steps.step("the browser benchmark's figures", browser::test)?;
    steps.step("form in Chromium", || {
        form::build(workspace)?;
        form::test(workspace)
    })?;
    steps.step("form at the kiosk, in Chromium", || {
        device::test_form(workspace)
    })?;
    steps.step("the kiosk's binary", || {
        device::measure(workspace, false, false)
    })?;
    steps.step("phones' crate with every family of models", || {
        run::run(cargo().args(["test", "-p", phones::PACKAGE, "--features", "tensors"]))
    })?;
    steps.step("Kotlin on a JVM, shrunk too", || {
        android::build(workspace, true)
    })?;
    steps.step("phones", || phones::check(workspace))?;
    steps.step("Swift package", || ios::measure(workspace))?;
    steps.step("sizes", || sizes::check(workspace))?;
    steps.step("fuzz targets", || fuzz::smoke(workspace, args.fuzz, &[]))
}
