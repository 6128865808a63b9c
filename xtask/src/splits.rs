//! `cargo xtask splits`: what the credit model is worth on its five splits.

use crate::run::{self, Result, cargo};
use crate::workspace::Workspace;

/// Build the credit model on its five splits and compare it with LightGBM
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Fails where a gate fails, or where the bundles' mean AUC on the test parts \
                        is below LightGBM's."
)]
pub struct SplitsArgs {
    /// One JSON object per split on stdout
    #[arg(long)]
    json: bool,
}

/// The task.
pub fn run(_: &Workspace, args: &SplitsArgs) -> Result<()> {
    measure(args.json)
}

/// Runs the program that measures.
pub fn measure(json: bool) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--release", "-p", "fieldscore-benches"]);
    command.args(["--features", "compiler", "--bin", "splits"]);
    if json {
        command.args(["--", "--json"]);
    }
    run::run(&mut command)
}
