//! `cargo xtask form`: the browser form, built from the packed npm package, tested or served.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::bundle;
use crate::cross::{debian, npm};
use crate::run::{self, Result};
use crate::wasm;
use crate::workspace::Workspace;

/// Serve the browser form on 127.0.0.1, with the golden credit bundle
#[derive(Debug, clap::Args)]
pub struct FormArgs {
    /// The bundle to serve
    #[arg(long, default_value = "tests/golden/credit/credit.fsb")]
    bundle: String,
    /// Its public key, in hexadecimal
    #[arg(long, default_value = "tests/golden/credit/key.txt")]
    key: String,
    /// The lender's `age` recipient for encrypted exports
    #[arg(long)]
    recipient: Option<String>,
    /// The port
    #[arg(long, default_value_t = 8417)]
    port: u16,
    /// Build only, into wasm/form/dist
    #[arg(long, conflicts_with = "test")]
    build: bool,
    /// Run the form's tests in Chromium instead
    #[arg(long)]
    test: bool,
}

const FORM: &str = "wasm/form";

/// The task.
pub fn run(workspace: &Workspace, args: &FormArgs) -> Result<()> {
    build(workspace)?;
    if args.build {
        return Ok(());
    }
    if args.test {
        return test(workspace);
    }
    let mut serve = script("serve");
    serve
        .args(["--bundle", &args.bundle, "--key", &args.key])
        .args(["--port", &args.port.to_string()]);
    if let Some(recipient) = &args.recipient {
        serve.args(["--recipient", recipient]);
    }
    run::run(&mut serve)
}

/// Builds the pages and the element into `wasm/form/dist`, once.
pub fn build(workspace: &Workspace) -> Result<()> {
    static BUILT: OnceLock<()> = OnceLock::new();
    if BUILT.get().is_none() {
        make(workspace)?;
        BUILT.get_or_init(|| ());
    }
    Ok(())
}

fn make(workspace: &Workspace) -> Result<()> {
    let package = wasm::package(workspace)?;
    npm(Path::new(FORM))?;
    // Not from a registry: the form is built with the package as it would be published.
    run::run(
        Command::new("npm")
            .args(["install", "--no-save", "--no-audit", "--no-fund"])
            .args(["--prefer-offline", "--loglevel=error"])
            .arg(std::path::absolute(&package.packed).map_err(run::Failure::at("package"))?)
            .current_dir(FORM),
    )?;
    run::run(
        Command::new("npm")
            .args(["run", "--silent", "types"])
            .current_dir(FORM),
    )?;
    run::run(&mut script("build"))
}

/// Runs the form's tests; [`build`] comes before.
pub fn test(workspace: &Workspace) -> Result<()> {
    debian("chromium", &["chromium"])?;
    let command = bundle::command(workspace)?;
    run::run(
        Command::new("npm")
            .args(["run", "--silent", "test"])
            .env(
                "FIELDSCORE_COMMAND",
                std::path::absolute(&command).map_err(run::Failure::at(command.display()))?,
            )
            .current_dir(FORM),
    )
}

/// What a first visit with this bundle loads, as the JSON object that the script prints.
pub fn first_visit(workspace: &Workspace, bundle: &Path) -> Result<String> {
    debian("chromium", &["chromium"])?;
    build(workspace)?;
    run::output(script("size").arg(bundle))
}

/// Runs the tests of the form at the kiosk, with its program, which has the form inside.
pub fn test_kiosk(program: &Path) -> Result<()> {
    debian("chromium", &["chromium"])?;
    let program = std::path::absolute(program).map_err(run::Failure::at("program"))?;
    run::run(
        Command::new("npm")
            .args(["run", "--silent", "test:kiosk"])
            .env("FIELDSCORE_DEVICE", program)
            .current_dir(FORM),
    )
}

fn script(name: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(format!("{FORM}/scripts/{name}.js"));
    command
}
