//! The command and the credit bundle, as other tasks need them.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{Result, cargo, run};
use crate::workspace::Workspace;

/// The credit bundle as it was signed for good.
pub const GOLDEN: &str = "tests/golden/credit/credit.fsb";

/// Builds the command `fieldscore` and gives its program.
pub fn command(workspace: &Workspace) -> Result<PathBuf> {
    run(cargo().args(["build", "--release", "-p", "fieldscore-models"]))?;
    Ok(workspace.program("release", "fieldscore"))
}

/// Builds the credit bundle and gives its path. What `build` prints goes to stderr: a task's stdout
/// is for its own figures.
pub fn credit(workspace: &Workspace) -> Result<PathBuf> {
    let bundle = workspace.target.join("credit.fsb");
    run(Command::new(command(workspace)?)
        .args(["build", "models/zoo/credit", "-o"])
        .arg(&bundle)
        .stdout(std::io::stderr()))?;
    Ok(bundle)
}
