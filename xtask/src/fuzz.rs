//! `cargo xtask fuzz`: each fuzz target for a short while, from its committed seeds.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{self, Failure, Result};
use crate::tools::CARGO_FUZZ;
use crate::workspace::{Workspace, metadata};

/// Seconds for each target, where nothing else is said.
pub const SECONDS: u64 = 20;

/// Fuzz each target for a short while, from its seeds
#[derive(Debug, clap::Args)]
pub struct FuzzArgs {
    /// Only these targets [default: all of fuzz/Cargo.toml]
    targets: Vec<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = SECONDS)]
    seconds: u64,
}

/// The task.
pub fn run(workspace: &Workspace, args: &FuzzArgs) -> Result<()> {
    smoke(workspace, args.seconds, &args.targets)
}

/// Runs targets (all, if none is named). What they find stays in `target/fuzz`.
pub fn smoke(workspace: &Workspace, seconds: u64, only: &[String]) -> Result<()> {
    let all = targets()?;
    if let Some(unknown) = only.iter().find(|name| !all.contains(name)) {
        let known = all.join(", ");
        return Err(Failure::new(format!(
            "{unknown}: expected a fuzz target: {known}"
        )));
    }
    let program = CARGO_FUZZ.program(workspace)?;
    for target in all.iter().filter(|&t| only.is_empty() || only.contains(t)) {
        let seeds = Path::new("fuzz/seeds").join(target);
        if !seeds.is_dir() {
            return Err(Failure::new(format!(
                "{}: expected a folder with the target's seeds",
                seeds.display()
            )));
        }
        let corpus = workspace.folder(&format!("fuzz/corpus/{target}"))?;
        let artifacts = workspace.folder(&format!("fuzz/artifacts/{target}"))?;
        // A stable compiler takes the sanitizer's flags only so.
        run::run(
            Command::new(&program)
                .env("RUSTC_BOOTSTRAP", "1")
                .args(["fuzz", "run", "--target-dir"])
                .arg(workspace.folder("fuzz/build")?)
                .arg(target)
                .args([absolute(&corpus)?, absolute(&seeds)?])
                .arg("--")
                .arg(format!("-max_total_time={seconds}"))
                .args(["-timeout=10", "-rss_limit_mb=2048"])
                .args(["-verbosity=0", "-print_funcs=0", "-print_final_stats=1"])
                .arg(format!("-artifact_prefix={}/", artifacts.display())),
        )?;
    }
    Ok(())
}

/// The names of all targets.
fn targets() -> Result<Vec<String>> {
    let manifest = Path::new("fuzz/Cargo.toml");
    let metadata = metadata(manifest)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let names: Vec<String> = packages
        .filter(|package| {
            let path = package["manifest_path"].as_str().unwrap_or_default();
            Path::new(path).ends_with(manifest)
        })
        .flat_map(|package| package["targets"].as_array().into_iter().flatten())
        .filter(|target| target["kind"][0] == "bin")
        .filter_map(|target| Some(target["name"].as_str()?.to_owned()))
        .collect();
    if names.is_empty() {
        return Err(Failure::new("fuzz/Cargo.toml: expected fuzz targets"));
    }
    Ok(names)
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(Failure::at(path.display()))
}
