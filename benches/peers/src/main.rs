//! Fieldscore side by side with tract, rten, ONNX Runtime and TensorFlow Lite, in one run on one
//! thread; forests beside ONNX Runtime and C code compiled from the trees. `cargo xtask bench` finds the libraries and starts it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that talks to whoever started it"
)]

mod engines;
mod export;
mod failure;
mod forest;
mod graphs;
mod memory;
mod onnx;
mod quantised;
mod reading;
mod report;
mod rounds;
mod runs;
mod subjects;
mod tflite_file;
mod vnni;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand, ValueEnum};
use fieldscore_tests::alloc::Counting;
use rten::ThreadPool;

use crate::engines::{onnxruntime, tflite};
use crate::failure::Result;
use crate::memory::Libraries;
use crate::report::Report;
use crate::runs::Peers;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A kind of figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// A call of each engine, and its allocations
    Running,
    /// From bytes to ready
    Opening,
    /// What opening and running take at their peak
    Memory,
    /// On the credit model's sample applications
    Decisions,
}

/// Fieldscore beside other inference runtimes
#[derive(Debug, Parser)]
#[command(name = "fieldscore-peers")]
struct Args {
    /// One JSON object per figure on stdout
    #[arg(long)]
    json: bool,
    /// How many rounds, at least 15
    #[arg(long, value_name = "N", default_value_t = 31, value_parser = clap::value_parser!(u64).range(15..))]
    rounds: u64,
    /// Only these models
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    models: Vec<String>,
    /// Only these kinds of figures; all without
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    only: Vec<Part>,
    /// ONNX Runtime's shared library; left out without
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    /// TensorFlow Lite's C library; left out without
    #[arg(long, value_name = "FILE")]
    tflite: Option<PathBuf>,
    #[command(subcommand)]
    child: Option<Child>,
}

/// What this program starts itself for.
#[derive(Debug, Subcommand)]
enum Child {
    /// Print the peak memory of one engine with one model
    #[command(hide = true)]
    MemoryOf(memory::One),
    /// Call our plan again and again, for a profiler
    Repeat(runs::Repeat),
    /// Write the models as files, with rows and their answers, for engines that run elsewhere
    Export(export::To),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let pool = Arc::new(ThreadPool::with_num_threads(1));
    // rten hands its work to this pool; from inside it there is nothing to hand over.
    match pool.run(|| run(&args, &pool)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, pool: &Arc<ThreadPool>) -> Result<()> {
    let libraries = Libraries {
        onnxruntime: args.onnxruntime.as_deref(),
        tflite: args.tflite.as_deref(),
    };
    match &args.child {
        Some(Child::MemoryOf(one)) => return one.run(libraries, pool),
        Some(Child::Repeat(repeat)) => return repeat.run(),
        Some(Child::Export(to)) => return to.run(&args.models),
        None => (),
    }
    let wanted = |part: Part| args.only.is_empty() || args.only.contains(&part);
    let mut report = Report::new(args.json);
    let mut peers = Peers {
        pool: Arc::clone(pool),
        onnxruntime: false,
        tflite: None,
    };
    match &args.onnxruntime {
        Some(library) => {
            onnxruntime::load(library)?;
            eprintln!("{}", ort::info());
            peers.onnxruntime = true;
        }
        None => report.missing("onnxruntime", "no --onnxruntime FILE"),
    }
    match &args.tflite {
        Some(library) => {
            let api = tflite::Api::load(library)?;
            eprintln!("TensorFlow Lite {}", api.version());
            peers.tflite = Some(api);
        }
        None => report.missing("tflite", "no --tflite FILE"),
    }
    let rounds = args.rounds as usize;
    for name in subjects::chosen(&args.models)? {
        if name == forest::NAME {
            if wanted(Part::Running) {
                runs::forest(&peers, rounds, &mut report)?;
            }
            continue;
        }
        eprintln!("{name}: compiling");
        let subject = subjects::subject(name)?;
        eprintln!("{name}: measuring");
        if wanted(Part::Running) {
            runs::inference(&subject, &peers, rounds, &mut report)?;
        }
        if wanted(Part::Opening) {
            runs::opening(&subject, &peers, rounds, &mut report)?;
        }
        if wanted(Part::Memory) {
            memory::memory(&subject, libraries, &mut report)?;
        }
        if wanted(Part::Decisions) && name == "credit" {
            runs::decisions(&subject, rounds, &mut report)?;
        }
    }
    report.finish()
}
