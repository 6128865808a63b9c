//! The command and the credit bundle, as other tasks need them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Failure, Result, cargo, run};
use crate::workspace::Workspace;

/// The credit bundle as it was signed for good.
pub const GOLDEN: &str = "tests/golden/credit/credit.fsb";
/// One golden bundle of each family of models, in a folder of its own.
const FAMILIES: &str = "tests/golden/families";

/// The folders of the families' golden bundles, by name.
pub fn families() -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(FAMILIES).map_err(Failure::at(FAMILIES))?;
    let mut folders = entries
        .map(|entry| Ok(entry.map_err(Failure::at(FAMILIES))?.path()))
        .collect::<Result<Vec<_>>>()?;
    folders.sort();
    match folders.is_empty() {
        true => Err(Failure::new(format!(
            "{FAMILIES}: no golden bundle is here"
        ))),
        false => Ok(folders),
    }
}

/// The golden bundle in a folder: it is called as the folder is.
pub fn golden_in(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default();
    folder.join(name).with_extension("fsb")
}

/// The tables of a golden bundle's applications: field and file of each CSV file besides theirs.
pub fn tables(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut tables = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Failure::at(folder.display()))? {
        let path = entry.map_err(Failure::at(folder.display()))?.path();
        let field = path.file_stem().unwrap_or_default().to_string_lossy();
        if path.extension().is_some_and(|kind| kind == "csv") && field != "applications" {
            tables.push((field.into_owned(), path.clone()));
        }
    }
    tables.sort();
    Ok(tables)
}

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
