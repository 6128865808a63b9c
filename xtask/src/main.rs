//! The project's tasks: `cargo xtask TASK`.
//!
//! Figures go to stdout, everything else to stderr. A task that needs a tool installs it into
//! `target/xtask-tools`; the first command that fails ends the task with its exit status.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to whoever started it"
)]

mod android;
mod bench;
mod browser;
mod bundle;
mod check;
mod cross;
mod device;
mod engines;
mod form;
mod fuzz;
mod instructions;
mod ios;
mod libraries;
mod million;
mod order;
mod parity;
mod phones;
mod run;
mod serves;
mod sizes;
mod splits;
mod steps;
mod test;
mod tools;
mod wasm;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::Result;
use crate::workspace::Workspace;

/// The project's tasks
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Test(test::TestArgs),
    Check(check::CheckArgs),
    Fuzz(fuzz::FuzzArgs),
    Splits(splits::SplitsArgs),
    Million(million::MillionArgs),
    Parity(parity::ParityArgs),
    Device(device::DeviceArgs),
    Engines(engines::EnginesArgs),
    Sizes(sizes::SizesArgs),
    Bench(bench::BenchArgs),
    Wasm(wasm::WasmArgs),
    Form(form::FormArgs),
    Phones(phones::PhonesArgs),
    Ios(ios::IosArgs),
    Android(android::AndroidArgs),
}

impl Task {
    fn run(&self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Test(args) => test::run(workspace, args),
            Self::Check(args) => check::run(workspace, args),
            Self::Fuzz(args) => fuzz::run(workspace, args),
            Self::Splits(args) => splits::run(workspace, args),
            Self::Million(args) => million::run(workspace, args),
            Self::Parity(args) => parity::run(workspace, args),
            Self::Device(args) => device::run(workspace, args),
            Self::Engines(args) => engines::run(workspace, args),
            Self::Sizes(args) => sizes::run(workspace, args),
            Self::Bench(args) => bench::run(workspace, args),
            Self::Wasm(args) => wasm::run(workspace, args),
            Self::Form(args) => form::run(workspace, args),
            Self::Phones(args) => phones::run(workspace, args),
            Self::Ios(args) => ios::run(workspace, args),
            Self::Android(args) => android::run(workspace, args),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match Workspace::find().and_then(|workspace| cli.task.run(&workspace)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            if let Some(hint) = failure.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(failure.status())
        }
    }
}
