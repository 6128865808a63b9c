//! `cargo xtask device`: the kiosk's binary for each target, how large it is, the golden suite through
//! it, and whether it serves.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bundle::{GOLDEN, families, golden_in, tables};
use crate::cross::{Toolchain, debian};
use crate::form;
use crate::run::{self, Failure, Result, cargo};
use crate::serves;
use crate::workspace::Workspace;

/// Build the kiosk's binary for each target, run the golden suite through it, and see it serve
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Targets: this machine; aarch64 and armv7 under qemu-user. With the form inside, where \
                        wasm/form/dist/app has been built. Fails where a binary is larger than 3 MB or \
                        a digest is not the recorded one."
)]
pub struct DeviceArgs {
    /// One JSON object per target on stdout
    #[arg(long)]
    json: bool,
    /// Only this machine
    #[arg(long)]
    native: bool,
    /// Build the form too, and drive it in Chromium as this machine's binary serves it instead
    #[arg(long, conflicts_with_all = ["json", "native"])]
    form: bool,
}

const PACKAGE: &str = "fieldscore-device";
/// Stripped, in bytes.
const MOST: u64 = 3_000_000;
/// The form's files, once they are built.
const FORM: &str = "wasm/form/dist/app";
const SUITE: &str = "tests/golden/credit";
/// Rows that are explained: all that the suite has a digest for.
const EXPLAINED: usize = 1000;
/// Rows that `explain` shows.
const SHOWN: [usize; 3] = [1, 2, 9999];

/// A target that is emulated: its name, its emulator, where its libraries are.
const EMULATED: [(&str, &str, &str); 2] = [
    (
        "aarch64-unknown-linux-gnu",
        "qemu-aarch64",
        "/usr/aarch64-linux-gnu",
    ),
    (
        "armv7-unknown-linux-gnueabihf",
        "qemu-arm",
        "/usr/arm-linux-gnueabihf",
    ),
];

/// The task.
pub fn run(workspace: &Workspace, args: &DeviceArgs) -> Result<()> {
    if args.form {
        form::build(workspace)?;
        return test_form(workspace);
    }
    measure(workspace, args.native, args.json)
}

/// Drives the form in Chromium as this machine's program serves it; the form is built before.
pub fn test_form(workspace: &Workspace) -> Result<()> {
    let program = native(workspace, Some(&built_form()?))?;
    form::test_kiosk(&program)
}

/// Builds and runs everywhere, or only here.
pub fn measure(workspace: &Workspace, only_native: bool, json: bool) -> Result<()> {
    let form = match built_form() {
        Ok(form) => Some(form),
        Err(failure) => {
            eprintln!("without the form inside: {failure}");
            None
        }
    };
    let first = first_rows(workspace)?;
    let program = native(workspace, form.as_deref())?;
    let machine = || Command::new(&program);
    let expected = golden(std::env::consts::ARCH, &machine, &first)?;
    let kiosk = workspace.folder("device")?.join("kiosk");
    serves::check(&mut machine(), &kiosk, form.is_some())?;
    report(std::env::consts::ARCH, &program, json)?;
    if only_native {
        return Ok(());
    }
    debian("qemu-aarch64", &["qemu-user"])?;
    for (target, qemu, root) in EMULATED {
        let program = cross(workspace, target, form.as_deref())?;
        let machine = || {
            let mut command = Command::new(qemu);
            command.args(["-L", root]).arg(&program);
            command
        };
        if golden(target, &machine, &first)? != expected {
            return Err(Failure::new(format!(
                "{target}: `explain` says something else than on this machine"
            )));
        }
        serves::check(&mut machine(), &kiosk, form.is_some())?;
        report(target, &program, json)?;
    }
    Ok(())
}

/// The program for this machine, as small as it gets.
pub fn native(workspace: &Workspace, form: Option<&Path>) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--profile", "min", "-p", PACKAGE]);
    run::run(with_form(&mut command, form))?;
    Ok(workspace.program("min", PACKAGE))
}

fn cross(workspace: &Workspace, target: &str, form: Option<&Path>) -> Result<PathBuf> {
    let toolchain = Toolchain::of(target)?;
    let folder = workspace.folder("device")?;
    let mut command = toolchain.cargo();
    command.args([
        "build",
        "--profile",
        "min",
        "-p",
        PACKAGE,
        "--target",
        target,
    ]);
    command.args(toolchain.arguments());
    command.arg("--target-dir").arg(&folder);
    run::run(with_form(&mut command, form))?;
    Ok(folder.join(target).join("min").join(PACKAGE))
}

/// The form's folder.
///
/// # Errors
/// Where it has not been built.
pub fn built_form() -> Result<PathBuf> {
    if !Path::new(FORM).join("kiosk.html").exists() {
        return Err(Failure::new(format!("{FORM} has not been built"))
            .with_hint("cargo xtask form --build builds it"));
    }
    std::path::absolute(FORM).map_err(Failure::at(FORM))
}

fn with_form<'a>(command: &'a mut Command, form: Option<&Path>) -> &'a mut Command {
    match form {
        Some(form) => command.env("FIELDSCORE_FORM", form),
        None => command.env_remove("FIELDSCORE_FORM"),
    }
}

/// The applications that are explained, as a file.
fn first_rows(workspace: &Workspace) -> Result<PathBuf> {
    let all = format!("{SUITE}/applications.csv");
    let text = std::fs::read_to_string(&all).map_err(Failure::at(&all))?;
    let lines: Vec<&str> = text.lines().take(EXPLAINED + 1).collect();
    let path = workspace.folder("device")?.join("first.csv");
    std::fs::write(&path, lines.join("\n")).map_err(Failure::at(path.display()))?;
    Ok(path)
}

/// Runs the golden suite through a program, and gives what it explains in words.
fn golden(place: &str, machine: &dyn Fn() -> Command, first: &Path) -> Result<String> {
    eprintln!("  {place}");
    let all = format!("{SUITE}/applications.csv");
    let digests = format!("{SUITE}/digests.txt");
    let recorded = std::fs::read_to_string(&digests).map_err(Failure::at(&digests))?;
    let scored = |kind: &str, rows: &Path, more: &[&str]| {
        let mut command = machine();
        command.args(["score", GOLDEN]).arg(rows);
        command.args(["--format", "digest"]).args(more);
        let line = run::output(&mut command)?;
        let line = format!("{kind} {}", line.trim());
        match recorded.lines().any(|known| known == line) {
            true => Ok(()),
            false => Err(Failure::new(format!("{place}: {line} is not in {digests}"))),
        }
    };
    scored("plain", Path::new(&all), &[])?;
    scored("explained", first, &["--explain"])?;
    for folder in families()? {
        opened(place, machine, &folder)?;
    }
    run::output(machine().args(["self-test", GOLDEN]))?;
    run::output(machine().args(["verify", GOLDEN]))?;
    run::output(machine().args(["inspect", GOLDEN]))?;
    let mut text = String::new();
    for row in SHOWN {
        let row = row.to_string();
        let explain = ["explain", GOLDEN, &all, "--format", "jsonl", "--row", &row];
        text += &run::output(machine().args(explain))?;
    }
    Ok(text)
}

/// Has a program run a family's golden bundle over all of its applications.
fn opened(place: &str, machine: &dyn Fn() -> Command, folder: &Path) -> Result<()> {
    let (bundle, digests) = (golden_in(folder), folder.join("digests.txt"));
    let recorded = std::fs::read_to_string(&digests).map_err(Failure::at(digests.display()))?;
    let mut command = machine();
    command
        .arg("score")
        .arg(&bundle)
        .arg(folder.join("applications.csv"));
    for (field, rows) in tables(folder)? {
        command.args(["--table", &format!("{field}={}", rows.display())]);
    }
    let line = run::output(command.args(["--format", "digest"]))?;
    let line = format!("plain {}", line.trim());
    if recorded.lines().any(|known| known == line) {
        return Ok(());
    }
    let digests = digests.display();
    Err(Failure::new(format!("{place}: {line} is not in {digests}")))
}

/// Prints how large a program is, and fails where that is too much.
fn report(target: &str, program: &Path, json: bool) -> Result<()> {
    let place = program.display().to_string();
    let raw = std::fs::metadata(program)
        .map_err(Failure::at(&place))?
        .len();
    if json {
        let value = serde_json::json!({ "artifact": PACKAGE, "target": target, "raw": raw });
        println!("{value}");
    } else {
        println!("{target:<32} {raw:>9} bytes  the recorded decisions");
    }
    match raw > MOST {
        true => Err(Failure::new(format!(
            "{target}: {raw} bytes, at most {MOST} allowed"
        ))),
        false => Ok(()),
    }
}
