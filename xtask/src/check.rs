//! `cargo xtask check`: format, lints, documentation, dependencies.

use std::path::Path;
use std::process::Command;

use crate::engines;
use crate::run::{self, Result, cargo};
use crate::steps::Steps;
use crate::tools::CARGO_DENY;
use crate::workspace::Workspace;

/// Check format, lints, documentation and dependencies
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Check dependencies against the RustSec advisories too, which are fetched over the network
    #[arg(long)]
    advisories: bool,
}

/// All features but [`TFLITE`].
const FEATURES: [&str; 2] = [
    "--features",
    "fieldscore-runtime/mmap,fieldscore-runtime/tract,fieldscore-benches/compiler,\
     fieldscore-mobile/tensors,fieldscore-wasm/casework,fieldscore-wasm/outputs,fieldscore-wasm/tables,fieldscore-wasm/tensors,\
     fieldscore-wasm/trees",
];

/// The engine whose library comes for Linux.
const TFLITE: [&str; 2] = ["--features", "fieldscore-tests/tflite"];

/// The task.
pub fn run(workspace: &Workspace, args: &CheckArgs) -> Result<()> {
    let mut steps = Steps::of("check");
    steps.step("format", || {
        for manifest in [
            "Cargo.toml",
            "fuzz/Cargo.toml",
            "benches/peers/Cargo.toml",
            "benches/counter/Cargo.toml",
        ] {
            if Path::new(manifest).exists() {
                let mut fmt = cargo();
                fmt.args(["fmt", "--all", "--check", "--manifest-path", manifest]);
                run::run(&mut fmt).map_err(|failure| failure.with_hint(FORMAT))?;
            }
        }
        Ok(())
    })?;
    let engine = match cfg!(target_os = "linux") {
        true => Some(engines::environment(workspace)?),
        false => None,
    };
    let with_features = |command: &mut Command| {
        command.args(FEATURES);
        if let Some(environment) = &engine {
            command.args(TFLITE).envs(environment.iter().cloned());
        }
    };
    steps.step("lints", || {
        let mut clippy = cargo();
        clippy.args(["clippy", "--workspace", "--all-targets"]);
        with_features(&mut clippy);
        run::run(clippy.args(["--", "-D", "warnings"])).map_err(|f| f.with_hint(CLIPPY))
    })?;
    steps.step("documentation", || {
        let mut doc = cargo();
        doc.args(["doc", "--workspace", "--no-deps"]);
        with_features(&mut doc);
        run::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
    })?;
    if engine.is_none() {
        eprintln!("not checked: the TensorFlow Lite engine, whose library comes for Linux");
    }
    steps.step("dependencies", || dependencies(workspace, args.advisories))
}

const FORMAT: &str = "cargo fmt --all mends the format; rustup component add rustfmt installs it";
const CLIPPY: &str = "rustup component add clippy installs clippy where it is missing";

fn dependencies(workspace: &Workspace, advisories: bool) -> Result<()> {
    let mut deny = Command::new(CARGO_DENY.program(workspace)?);
    deny.args(["--all-features", "check", "bans", "licenses", "sources"]);
    if advisories {
        deny.arg("advisories");
    }
    run::run(&mut deny)?;
    if !advisories {
        eprintln!(
            "not checked: security advisories, whose database is fetched over the network \
             (cargo xtask check --advisories)"
        );
    }
    Ok(())
}
