//! `cargo xtask parity`: the digests of the golden bundles' decisions on every target and kernel
//! path.

use std::path::{Path, PathBuf};
use std::process::Command;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::bundle;
use crate::cross::{self, Toolchain, debian};
use crate::run::{self, Failure, Result, cargo};
use crate::workspace::Workspace;

/// Compare the golden bundles' decisions on every target and kernel path
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

/// A golden bundle with its applications, and what is decided of them.
#[derive(Debug)]
struct Suite {
    folder: PathBuf,
    native: [String; 3],
    emulated: [String; 3],
}

impl Suite {
    /// The credit bundle's suite, then one for each family of models: those decide everywhere what
    /// their digests were recorded of.
    fn all() -> Result<Vec<Self>> {
        let mut suites = vec![Self {
            folder: GOLDEN.into(),
            native: NATIVE.map(str::to_owned),
            emulated: EMULATED.map(str::to_owned),
        }];
        for folder in bundle::families()? {
            let mut suite = Self {
                folder,
                native: Default::default(),
                emulated: Default::default(),
            };
            let recorded = suite.recorded()?;
            let marks = |kind: &str| {
                let marks = recorded
                    .iter()
                    .filter_map(|(mark, _)| mark.strip_prefix(kind));
                marks.map(str::trim).collect::<Vec<_>>().join(",")
            };
            suite.native = [marks("plain"), marks("explained"), "0".to_owned()];
            suite.emulated = suite.native.clone();
            suites.push(suite);
        }
        Ok(suites)
    }

    fn name(&self) -> String {
        self.folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// The recorded digests by their marks.
    fn recorded(&self) -> Result<Vec<(String, String)>> {
        let mut text = String::new();
        let own = (self.name() == "credit").then_some("alternatives.txt");
        for file in ["digests.txt"].into_iter().chain(own) {
            let path = self.folder.join(file);
            text += &std::fs::read_to_string(&path).map_err(Failure::at(path.display()))?;
        }
        let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
        Ok(lines
            .map(|(mark, digest)| (mark.to_owned(), digest.to_owned()))
            .collect())
    }

    /// What the program is told: bundle, key, applications with their tables, and marks or what to decide.
    fn arguments(&self, counts: &[String]) -> Result<Vec<String>> {
        let key = self.folder.join("key.txt");
        let key = std::fs::read_to_string(&key).map_err(Failure::at(key.display()))?;
        let mut applications = self.folder.join("applications.csv").display().to_string();
        for (field, rows) in bundle::tables(&self.folder)? {
            applications += &format!(",{field}={}", rows.display());
        }
        let files = [
            bundle::golden_in(&self.folder).display().to_string(),
            key.trim().to_owned(),
            applications,
        ];
        Ok(files.into_iter().chain(counts.iter().cloned()).collect())
    }
}

/// One run of the program.
struct Run {
    /// The suite's name.
    suite: String,
    /// The name of where it runs.
    place: String,
    command: Command,
}

/// One run's lines.
struct Digests {
    suite: String,
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
    let suites = Suite::all()?;
    let mut runs = native(workspace, &suites)?;
    if !only_native {
        runs.extend(emulated(workspace, &suites)?);
        runs.extend(wasm(workspace, &suites)?);
    }
    // Nothing is timed: each core runs what is next.
    let all = runs.into_par_iter().map(Run::digests);
    let all = all.collect::<Result<Vec<_>>>()?;
    report(&suites, &all, json)
}

/// What the program is told about the credit bundle.
pub fn arguments(counts: &[&str]) -> Result<Vec<String>> {
    let counts: Vec<String> = counts.iter().map(|&count| count.to_owned()).collect();
    let none = Default::default();
    let credit = Suite {
        folder: GOLDEN.into(),
        native: none,
        emulated: Default::default(),
    };
    credit.arguments(&counts)
}

/// What a run is called.
fn place(machine: &str, path: &str, host: Option<&str>) -> String {
    let host = host.map_or("", |_| ", flush to zero");
    format!("{machine} {path}{host}")
}

impl Run {
    fn new(suite: &Suite, place: String, command: Command) -> Self {
        let suite = suite.name();
        Self {
            suite,
            place,
            command,
        }
    }

    fn digests(mut self) -> Result<Digests> {
        let Self { suite, place, .. } = self;
        eprintln!("  {suite}, {place}");
        let text = run::output(&mut self.command)?;
        let mut lines = text.lines().map(str::to_owned);
        let kernels = lines.next().unwrap_or_default();
        let kernels = kernels
            .strip_prefix("kernels ")
            .ok_or_else(|| Failure::new(format!("{place}: {kernels}")))?;
        Ok(Digests {
            kernels: kernels.to_owned(),
            lines: lines.collect(),
            suite,
            place,
        })
    }
}

/// The paths that a program says its processor has.
fn paths(mut command: Command) -> Result<Vec<String>> {
    Ok(run::output(command.arg("--list"))?
        .lines()
        .map(str::to_owned)
        .collect())
}

fn native(workspace: &Workspace, suites: &[Suite]) -> Result<Vec<Run>> {
    run::run(cargo().args(["build", "--release", "-p", PACKAGE]))?;
    let program = workspace.program("release", PACKAGE);
    let mut all = Vec::new();
    for path in paths(Command::new(&program))? {
        for suite in suites {
            // The emulated marks too: with them the others' digests are compared.
            let mut marks = vec![&suite.emulated, &suite.native];
            marks.dedup();
            for (marks, host) in marks
                .iter()
                .flat_map(|marks| HOSTS.map(|host| (marks, host)))
            {
                let mut command = Command::new(&program);
                command.args(["--kernels", &path]).args(host);
                command.args(suite.arguments(*marks)?);
                let place = place(std::env::consts::ARCH, &path, host);
                all.push(Run::new(suite, place, command));
            }
        }
    }
    Ok(all)
}

fn emulated(workspace: &Workspace, suites: &[Suite]) -> Result<Vec<Run>> {
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
                for (suite, host) in suites
                    .iter()
                    .flat_map(|suite| HOSTS.map(|host| (suite, host)))
                {
                    let mut command = machine();
                    command.args(["--kernels", &path]).args(host);
                    command.args(suite.arguments(&suite.emulated)?);
                    let place = place(&format!("{target} {processor}"), &path, host);
                    all.push(Run::new(suite, place, command));
                }
            }
        }
    }
    Ok(all)
}

fn wasm(workspace: &Workspace, suites: &[Suite]) -> Result<Vec<Run>> {
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
            for suite in suites {
                let mut command = Command::new(program);
                command
                    .arg(script)
                    .arg(&module)
                    .args(suite.arguments(&suite.emulated)?);
                let place = format!("wasm32 {name} {host}");
                all.push(Run::new(suite, place, command));
            }
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
fn report(suites: &[Suite], all: &[Digests], json: bool) -> Result<()> {
    let mut wrong = Vec::new();
    let mut first: std::collections::BTreeMap<(String, String), (String, String)> =
        std::collections::BTreeMap::new();
    for suite in suites {
        for (mark, digest) in suite.recorded()? {
            first.insert((suite.name(), mark), (digest, "recorded".to_owned()));
        }
    }
    for digests in all {
        for line in &digests.lines {
            let Some((mark, digest)) = line.rsplit_once(' ') else {
                continue;
            };
            let (known, by) = first
                .entry((digests.suite.clone(), mark.to_owned()))
                .or_insert_with(|| (digest.to_owned(), digests.place.clone()));
            let same = known == digest;
            if json {
                let (suite, place) = (&digests.suite, &digests.place);
                let value = serde_json::json!({
                    "bundle": suite, "target": place, "kernels": digests.kernels, "mark": mark, "digest": digest, "same": same,
                });
                println!("{value}");
            } else {
                let verdict = if same { "same" } else { "DIFFERS" };
                println!(
                    "{:<20} {:<58} {mark:<16} {} {verdict}",
                    digests.suite,
                    digests.place,
                    &digest[..16.min(digest.len())]
                );
            }
            if !same {
                let (suite, place) = (&digests.suite, &digests.place);
                wrong.push(format!("{suite}, {place} at {mark} (against {by})"));
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
