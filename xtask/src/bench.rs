//! `cargo xtask bench`: side by side with other runtimes, in one run.

use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;

use crate::libraries::{ONNXRUNTIME, TFLITE};
use crate::run::{self, Result, cargo};
use crate::workspace::Workspace;
use crate::{android, browser, instructions, million};

/// A package of its own workspace: the peers are heavy.
const MANIFEST: &str = "benches/peers/Cargo.toml";

/// The nets, as the measuring program knows them: only they are measured in the browser.
const NETS: [&str; 4] = ["mlp_s", "mlp_l", "mlp_xl", CREDIT];
/// The forest, and nets beyond chains of dense layers, which are not measured in the browser.
const NATIVE: [&str; 4] = ["lightgbm", "ft", "gru", "cnn"];
/// The model that bundles, decisions and instructions are measured on.
const CREDIT: &str = "credit";
/// Applications for `fieldscore score`: so many that opening the bundle doesn't count.
const ROWS: u64 = 200_000;

/// A kind of figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A call of each engine, batch 1 and 256, and its allocations
    Running,
    /// From bytes to ready
    Opening,
    /// What opening and running take at their peak
    Memory,
    /// Microseconds, allocations and decisions a second on the credit model
    Decisions,
    /// Of a decision on ARM, under qemu
    Instructions,
    /// Beside onnxruntime-web in Chromium: to load, to the first score, a score, memory
    Browser,
    /// A decision through the Kotlin binding, on a JVM
    Kotlin,
}

/// Measure side by side with tract, rten, ONNX Runtime and TensorFlow Lite, forests with compiled C, in the
/// browser with onnxruntime-web
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Ratios within one run count: absolute times move with whatever else the machine \
                  does.\nThe libraries of ONNX Runtime and TensorFlow Lite are downloaded with pip, \
                  unless they are named; onnxruntime-web comes with npm (150 MB)."
)]
pub struct BenchArgs {
    /// One JSON object per figure on stdout
    #[arg(long)]
    json: bool,
    /// Only these models: mlp_s, mlp_l, mlp_xl, credit, lightgbm, ft, gru, cnn
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    models: Vec<String>,
    /// Only these kinds of figures; all without
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    only: Vec<Part>,
    /// How many rounds, at least 15; in the browser any count
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// ONNX Runtime's shared library
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    /// TensorFlow Lite's C library
    #[arg(long, value_name = "FILE")]
    tflite: Option<PathBuf>,
}

/// The task.
pub fn run(workspace: &Workspace, args: &BenchArgs) -> Result<()> {
    let wanted = |part: &Part| args.only.is_empty() || args.only.contains(part);
    let (elsewhere, mut here): (Vec<Part>, Vec<Part>) = Part::value_variants()
        .iter()
        .copied()
        .filter(wanted)
        .partition(|part| matches!(part, Part::Instructions | Part::Browser | Part::Kotlin));
    let credit = args.models.is_empty() || args.models.iter().any(|model| model == CREDIT);
    if !credit {
        here.retain(|part| *part != Part::Decisions);
    }
    if !here.is_empty() {
        peers(workspace, args, &here)?;
    }
    if credit && here.contains(&Part::Decisions) {
        million::throughput(workspace, ROWS, args.json)?;
    }
    if credit && elsewhere.contains(&Part::Instructions) {
        instructions::measure(workspace, args.json)?;
    }
    if credit && elsewhere.contains(&Part::Kotlin) {
        android::bench(workspace, args.json)?;
    }
    let mut models = match args.models.as_slice() {
        [] => NETS.map(str::to_owned).to_vec(),
        some => some.to_vec(),
    };
    models.retain(|model| !NATIVE.contains(&model.as_str()));
    if elsewhere.contains(&Part::Browser) && !models.is_empty() {
        browser::measure(workspace, &models, args.rounds, args.json, |folder| {
            let mut command = measuring(workspace, &models);
            run::run(command.arg("export").arg(folder))
        })?;
    }
    Ok(())
}

/// The measuring program, for some models.
fn measuring(workspace: &Workspace, models: &[String]) -> Command {
    let mut command = cargo();
    command.args(["run", "--locked", "--release", "--manifest-path", MANIFEST]);
    command.arg("--target-dir").arg(&workspace.target).arg("--");
    if !models.is_empty() {
        command.arg(format!("--models={}", models.join(",")));
    }
    command
}

/// Starts the measuring program for some kinds of figures.
fn peers(workspace: &Workspace, args: &BenchArgs, parts: &[Part]) -> Result<()> {
    let given = [(ONNXRUNTIME, &args.onnxruntime), (TFLITE, &args.tflite)];
    let mut command = measuring(workspace, &args.models);
    for (library, given) in given {
        let path = match given {
            Some(path) => path.clone(),
            None => library.file(workspace)?,
        };
        command.arg(library.option()).arg(path);
    }
    if args.json {
        command.arg("--json");
    }
    if let Some(rounds) = args.rounds {
        command.arg(format!("--rounds={rounds}"));
    }
    let names: Vec<String> = parts
        .iter()
        .filter_map(Part::to_possible_value)
        .map(|value| value.get_name().to_owned())
        .collect();
    command.arg(format!("--only={}", names.join(",")));
    run::run(&mut command)
}
