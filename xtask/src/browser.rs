//! `cargo xtask bench --only browser`: beside onnxruntime-web in Chromium, in one run.

use std::path::Path;
use std::process::Command;

use crate::cross::{debian, npm};
use crate::run::{self, Failure, Result};
use crate::wasm;
use crate::workspace::Workspace;

/// The measuring pages and what drives them: a package of its own, since the peer is heavy.
const SOURCES: &str = "benches/browser";
/// Rounds, unless told.
const ROUNDS: u64 = 15;

/// Measures `models`, whose files `export` writes into the folder that it is given.
pub fn measure(
    workspace: &Workspace,
    models: &[String],
    rounds: Option<u64>,
    json: bool,
    export: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    debian("chromium", &["chromium"])?;
    let chromium = run::output(Command::new("which").arg("chromium"))?;
    npm(Path::new(SOURCES))?;
    let package = wasm::package(workspace)?;
    let folder = workspace.folder("browser-bench")?;
    let files = folder.join("models");
    export(&files)?;
    let absolute = |path: &Path| std::path::absolute(path).map_err(Failure::at(path.display()));
    let mut command = Command::new("node");
    command
        .arg(format!("{SOURCES}/src/measure.js"))
        .args(["--models", &models.join(",")])
        .arg("--package")
        .arg(absolute(&package.folder)?)
        .arg("--files")
        .arg(absolute(&files)?)
        .arg("--to")
        .arg(absolute(&folder.join("pages"))?)
        .args(["--rounds", &rounds.unwrap_or(ROUNDS).to_string()])
        .env("FIELDSCORE_CHROMIUM", chromium.trim());
    if json {
        command.arg("--json");
    }
    run::run(&mut command)
}

/// Tests what makes figures of samples; needs neither the browser nor the peer.
pub fn test() -> Result<()> {
    debian("node", &["nodejs"])?;
    run::run(
        Command::new("node")
            .args(["--test", "--test-reporter=spec"])
            .arg(format!("{SOURCES}/test/figures.test.js")),
    )
}
