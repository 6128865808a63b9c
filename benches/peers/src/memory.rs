//! Peak memory: each engine opens and runs a model in a process of its own.
//!
//! That process is this program again. It loads the engine's library, reads the model's file and
//! some rows, sets the kernel's record of its peak back to what is resident then, opens the model
//! and runs it. What the peak has risen by is the engine's: its own copies of the weights, its
//! scratch, what it throws away again while it opens, and those pages of its code that this touches
//! first. The file's bytes, which every engine is handed alike, are not in it.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use ::rten::ThreadPool;
use clap::Args;
use fieldscore_models::keys::Signing;
use fieldscore_runtime::Scorer;

use crate::engines::{Candidate, onnxruntime, rten, tflite, tract};
use crate::failure::{Failure, Result};
use crate::report::{Memory, Report};
use crate::rounds::median;
use crate::runs::BATCHES;
use crate::subjects::Subject;

/// Processes for a figure, whose median is kept: where the loader puts things moves it by pages.
const PROCESSES: usize = 3;
/// Calls after opening: some engines make their scratch in the first ones.
const CALLS: usize = 8;

/// What a process of its own is told.
#[derive(Debug, Args)]
pub struct One {
    engine: String,
    precision: String,
    batch: usize,
    /// The model.
    file: PathBuf,
    /// Rows of f32, as many as the largest batch has.
    features: PathBuf,
}

/// The libraries that peers are loaded from.
#[derive(Debug, Clone, Copy)]
pub struct Libraries<'a> {
    /// ONNX Runtime's.
    pub onnxruntime: Option<&'a Path>,
    /// TensorFlow Lite's.
    pub tflite: Option<&'a Path>,
}

/// Measures a model in every engine and precision, and ours as the bundle that it ships in.
///
/// # Errors
/// Where our own engine fails, or the system says nothing of a process's peak.
pub fn memory(subject: &Subject, libraries: Libraries<'_>, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir().map_err(Failure::at("temporary folder"))?;
    let write = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).map_err(Failure::at(path.display()))?;
        Ok(path)
    };
    let most = BATCHES.into_iter().max().unwrap_or(1) * subject.rows.width;
    let values: Vec<u8> = subject.rows.values[..most]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let features = write("features", &values)?;
    let bundle = write("bundle.fsb", &subject.bundle)?;
    let onnx = [
        ("f32", write("f32.onnx", &subject.onnx)?),
        ("int8", write("int8.onnx", &subject.onnx_int8)?),
    ];
    let mut lite = Vec::new();
    for (precision, file) in subject.tflite.files() {
        lite.push((precision, write(&format!("{precision}.tflite"), file)?));
    }
    let mut engines = vec![("fieldscore", "int8", &bundle, None)];
    for (precision, file) in &onnx {
        engines.push(("tract", precision, file, None));
        engines.push(("rten", precision, file, None));
        if let Some(library) = libraries.onnxruntime {
            let library = Some(("--onnxruntime", library));
            engines.push(("onnxruntime", precision, file, library));
        }
    }
    for (precision, file) in &lite {
        if let Some(library) = libraries.tflite {
            let library = Some(("--tflite", library));
            engines.push(("tflite", precision, file, library));
            engines.push(("tflite/xnnpack", precision, file, library));
        }
    }
    let program = std::env::current_exe().map_err(Failure::at("this program"))?;
    for &batch in subject.batches {
        for &(engine, precision, file, library) in &engines {
            let mut command = Command::new(&program);
            if let Some((option, library)) = library {
                command.arg(option).arg(library);
            }
            command.args(["memory-of", engine, precision, &batch.to_string()]);
            command.arg(file).arg(&features);
            let figures: Result<Vec<(f64, f64)>> =
                (0..PROCESSES).map(|_| figures(&mut command)).collect();
            let figures = match figures {
                Ok(figures) => figures,
                Err(failure) if engine != "fieldscore" => {
                    let what = format!("{} {engine} {precision} memory", subject.name);
                    report.missing(&what, &failure.to_string());
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            let (peak, process): (Vec<f64>, Vec<f64>) = figures.into_iter().unzip();
            report.memory(Memory {
                model: subject.name,
                batch,
                engine,
                precision,
                peak_bytes: median(peak) as u64,
                process_bytes: median(process) as u64,
            })?;
        }
    }
    Ok(())
}

/// Runs one process: what it printed.
fn figures(command: &mut Command) -> Result<(f64, f64)> {
    let output = command.output().map_err(Failure::at("memory"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(str::parse);
    match (output.status.success(), numbers.next(), numbers.next()) {
        (true, Some(Ok(peak)), Some(Ok(process))) => Ok((peak, process)),
        _ => {
            let error = String::from_utf8_lossy(&output.stderr);
            let error = error.lines().last().unwrap_or("");
            Err(Failure::new(format!("{}: {error}", output.status)))
        }
    }
}

impl One {
    /// Opens and runs, and prints by how much the peak rose, and the peak.
    ///
    /// # Errors
    /// Where the engine fails, or the system says nothing of the peak.
    pub fn run(&self, libraries: Libraries<'_>, pool: &Arc<ThreadPool>) -> Result<()> {
        let read = |path: &Path| std::fs::read(path).map_err(Failure::at(path.display()));
        let file = read(&self.file)?;
        let features: Vec<f32> = read(&self.features)?
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        let width = features.len() / BATCHES.into_iter().max().unwrap_or(1);
        let features = features
            .get(..self.batch * width)
            .ok_or_else(|| Failure::new(format!("--batch {}: expected {BATCHES:?}", self.batch)))?;
        let engine = self.engine.as_str();
        let (before, after) = if engine == "fieldscore" {
            let before = forget_peak()?;
            let scorer = decide(file, self.batch)?;
            let after = high_water()?;
            drop(black_box(scorer));
            (before, after)
        } else {
            let candidate = self.candidate(engine, file, width, libraries, pool)?;
            let mut outputs = vec![0.0; self.batch];
            let before = forget_peak()?;
            let mut running = (candidate.open)(self.batch)?;
            for _ in 0..CALLS {
                running.run(features, &mut outputs)?;
            }
            let after = high_water()?;
            drop(black_box(running));
            (before, after)
        };
        println!("{} {after}", after.saturating_sub(before));
        Ok(())
    }

    /// The peer, with its library loaded.
    fn candidate(
        &self,
        engine: &str,
        file: Vec<u8>,
        width: usize,
        libraries: Libraries<'_>,
        pool: &Arc<ThreadPool>,
    ) -> Result<Candidate> {
        let precision = if self.precision == "f32" {
            "f32"
        } else {
            "int8"
        };
        let file = Arc::new(file);
        let candidate = match engine {
            "tract" => Some(tract::candidate(precision, &file, width)),
            "rten" => Some(rten::candidate(precision, &file, pool)),
            "onnxruntime" => {
                if let Some(library) = libraries.onnxruntime {
                    onnxruntime::load(library)?;
                }
                Some(onnxruntime::candidate(precision, &file, width))
            }
            name => match libraries.tflite {
                Some(library) => tflite::candidates(precision, &file, &tflite::Api::load(library)?)
                    .into_iter()
                    .find(|candidate| candidate.engine == name),
                None => None,
            },
        };
        candidate.ok_or_else(|| {
            Failure::new(format!(
                "{engine}: expected an engine whose library is named"
            ))
        })
    }
}

/// Opens a bundle with its signature and scores its reference applicant, `batch` at a time.
fn decide(bundle: Vec<u8>, batch: usize) -> Result<Scorer> {
    let scorer = Scorer::open(bundle, &[Signing::development().public()])?;
    let (_, decision) = scorer.reference()?;
    black_box(decision);
    if batch > 1 {
        let rows: Result<Vec<_>> = (0..batch).map(|_| Ok(scorer.reference()?.0)).collect();
        let rows = rows?;
        let mut out = Vec::new();
        for _ in 0..CALLS {
            out.clear();
            scorer.score_many(&rows, &mut out);
        }
        for decision in out {
            decision?;
        }
    }
    Ok(scorer)
}

/// Sets the peak back to what is resident now, and gives that (proc_pid_clear_refs(5): 5).
fn forget_peak() -> Result<u64> {
    let file = "/proc/self/clear_refs";
    std::fs::write(file, "5").map_err(Failure::at(file))?;
    high_water()
}

/// The greatest resident size of this process, in bytes (proc_pid_status(5): VmHWM).
fn high_water() -> Result<u64> {
    let file = "/proc/self/status";
    let status = std::fs::read_to_string(file).map_err(Failure::at(file))?;
    let kibibytes: Option<u64> = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kibibytes
        .map(|kibibytes| kibibytes * 1024)
        .ok_or_else(|| Failure::new(format!("{file}: expected VmHWM, which Linux has")))
}
