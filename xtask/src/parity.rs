//! `cargo xtask parity`: the digests of the golden bundle's decisions on every target and kernel
//! path.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cross::{self, Toolchain, debian};
use crate::run::{self, Failure, Result, cargo};
use crate::workspace::Workspace;

/// Compare the golden bundle's decisions on every target and kernel path
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Targets: this machine with each kernel path it has; aarch64 with and without \
                        dot product and armv7 (qemu-user); wasm32 with and without simd128 (node and \
                        wasmtime). Each but wasm32 also as a host that has set flush-to-zero. Fails \
                        naming those that differ."
)]
pub struct ParityArgs {
    /// One JSON object per digest on stdout
    #[arg(long)]
    json: bool,
    /// Only this machine's own paths
    #[arg(long)]
    native: bool,
}

const GOLDEN: &str = "tests/golden/credit";
const PACKAGE: &str = "fieldscore-parity";

/// How many decisions without and with contributions, and how many layers by the kernels alone:
/// natively, and where a processor is emulated.
const NATIVE: [&str; 3] = ["10000,100000", "100,1000", "1000"];
const EMULATED: [&str; 3] = ["1000,10000", "10,100", "100"];
/// The option that makes the program a host which has set flush-to-zero; without, it has not.
const HOSTS: [Option<&str>; 2] = [None, Some("--strange-host")];

/// One run's lines, by the name of where it ran.
struct Digests {
    place: String,
    kernels: String,
    lines: Vec<String>,
}

/// The task.
pub fn run(workspace: &Workspace, args: &ParityArgs) -> Result<()> {
    measure(workspace, args.native, args.json)
}

/// Runs the program everywhere, or only natively, and compares what it prints.
pub fn measure(workspace: &Workspace, only_native: bool, json: bool) -> Result<()> {
    let mut all = native(workspace)?;
    if !only_native {
        all.extend(emulated(workspace)?);
        all.extend(wasm(workspace)?);
    }
    report(&all, json)
}

/// What the program is told: bundle, key, applications, and marks or what to decide.
pub fn arguments(counts: &[&str]) -> Result<Vec<String>> {
    let key = Path::new(GOLDEN).join("key.txt");
    let key = std::fs::read_to_string(&key).map_err(Failure::at(key.display()))?;
    let files = [
        format!("{GOLDEN}/credit.fsb"),
        key.trim().to_owned(),
        format!("{GOLDEN}/applications.csv"),
    ];
    let counts = counts.iter().map(|&count| count.to_owned());
    Ok(files.into_iter().chain(counts).collect())
}

/// What a run is called.
fn place(machine: &str, path: &str, host: Option<&str>) -> String {
    let host = host.map_or("", |_| ", flush to zero");
    format!("{machine} {path}{host}")
}

fn collect(place: &str, command: &mut Command) -> Result<Digests> {
    eprintln!("  {place}");
    let text = run::output(command)?;
    let mut lines = text.lines().map(str::to_owned);
    let kernels = lines.next().unwrap_or_default();
    let kernels = kernels
        .strip_prefix("kernels ")
        .ok_or_else(|| Failure::new(format!("{place}: {kernels}")))?;
    Ok(Digests {
        place: place.to_owned(),
        kernels: kernels.to_owned(),
        lines: lines.collect(),
    })
}

/// The paths that a program says its processor has.
fn paths(mut command: Command) -> Result<Vec<String>> {
    Ok(run::output(command.arg("--list"))?
        .lines()
        .map(str::to_owned)
        .collect())
}

fn native(workspace: &Workspace) -> Result<Vec<Digests>> {
    run::run(cargo().args(["build", "--release", "-p", PACKAGE]))?;
    let program = workspace.program("release", PACKAGE);
    let mut all = Vec::new();
    for path in paths(Command::new(&program))? {
        // The emulated marks too: with them the others' digests are compared.
        for marks in [EMULATED, NATIVE] {
            for host in HOSTS {
                let mut command = Command::new(&program);
                command.args(["--kernels", &path]).args(host);
                command.args(arguments(&marks)?);
                let place = place(std::env::consts::ARCH, &path, host);
                all.push(collect(&place, &mut command)?);
            }
        }
    }
    Ok(all)
}

fn emulated(workspace: &Workspace) -> Result<Vec<Digests>> {
    debian("qemu-aarch64", &["qemu-user"])?;
    let mut all = Vec::new();
    let machines: [(&str, &str, &str, &[&str]); 2] = [
        // Cortex-A53 has no dot product; qemu's richest processor has.
        (
            "aarch64-unknown-linux-gnu",
            "qemu-aarch64",
            "/usr/aarch64-linux-gnu",
            &["max", "cortex-a53"],
        ),
        (
            "armv7-unknown-linux-gnueabihf",
            "qemu-arm",
            "/usr/arm-linux-gnueabihf",
            &["max"],
        ),
    ];
    for (target, qemu, root, processors) in machines {
        let program = program(workspace, target)?;
        for processor in processors {
            let machine = || {
                let mut command = Command::new(qemu);
                command.args(["-cpu", processor, "-L", root]).arg(&program);
                command
            };
            for path in paths(machine())? {
                for host in HOSTS {
                    let mut command = machine();
                    command.args(["--kernels", &path]).args(host);
                    command.args(arguments(&EMULATED)?);
                    let place = place(&format!("{target} {processor}"), &path, host);
                    all.push(collect(&place, &mut command)?);
                }
            }
        }
    }
    Ok(all)
}

fn wasm(workspace: &Workspace) -> Result<Vec<Digests>> {
    debian("node", &["nodejs"])?;
    let python = cross::python(workspace, "wasmtime", &[])?;
    let mut all = Vec::new();
    for (name, flags) in [("scalar", ""), ("simd128", "-Ctarget-feature=+simd128")] {
        let folder = build(workspace, "wasm32-unknown-unknown", flags, &["--lib"])?;
        let module = folder.join("fieldscore_parity.wasm");
        let hosts: [(&str, &Path, &str); 2] = [
            ("node", Path::new("node"), "tests/parity/hosts/run.mjs"),
            ("wasmtime", &python, "tests/parity/hosts/run.py"),
        ];
        for (host, program, script) in hosts {
            let mut command = Command::new(program);
            command.arg(script).arg(&module).args(arguments(&EMULATED)?);
            all.push(collect(&format!("wasm32 {name} {host}"), &mut command)?);
        }
    }
    Ok(all)
}

/// Builds the program for another target and gives its path.
pub fn program(workspace: &Workspace, target: &str) -> Result<PathBuf> {
    Ok(build(workspace, target, "", &["--bin", PACKAGE])?.join(PACKAGE))
}

/// Builds the program for another target and gives the folder that it lies in.
fn build(workspace: &Workspace, target: &str, flags: &str, what: &[&str]) -> Result<PathBuf> {
    let toolchain = Toolchain::of(target)?;
    // Flags of their own get a folder of their own: std is not built again each time.
    let name = if flags.is_empty() {
        "parity".to_owned()
    } else {
        "parity-simd".to_owned()
    };
    let folder = workspace.folder(&name)?;
    let mut command = toolchain.cargo();
    command
        .args(["build", "--release", "-p", PACKAGE])
        .args(what);
    command
        .args(["--target", target])
        .args(toolchain.arguments());
    command.arg("--target-dir").arg(&folder);
    if !flags.is_empty() {
        command.env("RUSTFLAGS", flags);
    }
    run::run(&mut command)?;
    Ok(folder.join(target).join("release"))
}

/// Prints digests, compares those of one mark with each other and with what is recorded.
fn report(all: &[Digests], json: bool) -> Result<()> {
    let recorded = Path::new(GOLDEN).join("digests.txt");
    let recorded = std::fs::read_to_string(&recorded).map_err(Failure::at(recorded.display()))?;
    let mut wrong = Vec::new();
    let mut first: std::collections::BTreeMap<String, (String, String)> =
        std::collections::BTreeMap::new();
    for line in recorded.lines() {
        if let Some((mark, digest)) = line.rsplit_once(' ') {
            first.insert(mark.to_owned(), (digest.to_owned(), "recorded".to_owned()));
        }
    }
    for digests in all {
        for line in &digests.lines {
            let Some((mark, digest)) = line.rsplit_once(' ') else {
                continue;
            };
            let (known, by) = first
                .entry(mark.to_owned())
                .or_insert_with(|| (digest.to_owned(), digests.place.clone()));
            let same = known == digest;
            if json {
                let place = &digests.place;
                let value = serde_json::json!({
                    "target": place, "kernels": digests.kernels, "mark": mark, "digest": digest, "same": same,
                });
                println!("{value}");
            } else {
                let verdict = if same { "same" } else { "DIFFERS" };
                println!(
                    "{:<58} {mark:<16} {} {verdict}",
                    digests.place,
                    &digest[..16.min(digest.len())]
                );
            }
            if !same {
                wrong.push(format!("{} at {mark} (against {by})", digests.place));
            }
        }
    }
    let places = all.len();
    if wrong.is_empty() {
        eprintln!("{places} runs, the same digests everywhere");
        Ok(())
    } else {
        Err(Failure::new(format!(
            "digests differ: {}",
            wrong.join("; ")
        )))
    }
}
