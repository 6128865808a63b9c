//! The measurements: running, opening, deciding.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use ::rten::ThreadPool;
use fieldscore_models::compile::net::Rows;
use fieldscore_runtime::plan::ensemble::Ensemble;
use fieldscore_runtime::plan::{PLAN_VERSION, Plan};
use fieldscore_runtime::{Explanation, OpenOptions, Scorer};
use fieldscore_tests::alloc;

use crate::engines::compiled::Compiled;
use crate::engines::{Candidate, Engine, onnxruntime, ours, rten, tflite, tract};
use crate::failure::{Failure, Result};
use crate::report::{Allocations, Decision, Opening, Peak, Reading, Report, Running};
use crate::rounds::{Work, medians};
use crate::subjects::{Subject, applications, subject};
use crate::{forest, reading, vnni};

/// Rows at a time.
pub const BATCHES: [usize; 2] = [1, 256];
/// How far an f32 answer may lie from tract's, relative to the spread of the answers.
const CLOSE_F32: f64 = 1e-3;
/// The same for int8: root mean square.
const CLOSE_INT8: f64 = 0.3;

/// What there is to compare with.
pub struct Peers {
    /// rten's, of one thread.
    pub pool: Arc<ThreadPool>,
    /// Whether ONNX Runtime is loaded.
    pub onnxruntime: bool,
    /// TensorFlow Lite, if there is one.
    pub tflite: Option<Arc<tflite::Api>>,
}

impl Peers {
    /// Every peer in every precision.
    fn candidates(&self, subject: &Subject) -> Vec<Candidate> {
        let mut out = Vec::new();
        let both = [("f32", &subject.onnx), ("int8", &subject.onnx_int8)];
        for (precision, onnx) in both {
            out.push(tract::candidate(precision, onnx, subject.rows.width));
            out.push(rten::candidate(precision, onnx, &self.pool));
            if self.onnxruntime {
                out.push(onnxruntime::candidate(precision, onnx, subject.rows.width));
            }
        }
        if let Some(api) = &self.tflite {
            for (precision, file) in subject.tflite.files() {
                let candidates = tflite::candidates(precision, file, api);
                out.extend(candidates.map(|candidate| Candidate {
                    rows: subject.tflite.rows.clone(),
                    ..candidate
                }));
            }
        }
        out
    }
}

/// Runs the model in every engine, batch by batch.
///
/// # Errors
/// Where our own engine fails, or an engine gives another model's answers.
pub fn inference(
    subject: &Subject,
    peers: &Peers,
    rounds: usize,
    report: &mut Report,
) -> Result<()> {
    for &batch in subject.batches {
        let mut candidates = ours::candidates("fieldscore", "int8", &subject.int8, true);
        candidates.extend(ours::candidates("fieldscore", "f32", &subject.f32, false));
        if let Some(shipped) = &subject.shipped {
            candidates.extend(ours::candidates(
                "fieldscore/bundle",
                "int8",
                shipped,
                false,
            ));
        }
        candidates.extend(peers.candidates(subject));
        let mut running = opened(subject.name, candidates, batch, report)?;
        agree(subject.name, &subject.rows, batch, &mut running)?;
        if batch == 1 {
            for (candidate, engine) in &mut running {
                let rows = &subject.rows;
                allocations(subject.name, rows, candidate, engine.as_mut(), report)?;
            }
        }
        // A row alone waits for its weights: only batches can come near the peak.
        let peaks = match batch {
            1 => Vec::new(),
            _ => vnni::Peak::available(),
        };
        let (names, mut works) = calls(&subject.rows, batch, running);
        for peak in &peaks {
            works.push(Work::new(move |_| {
                peak.run();
                Ok(())
            }));
        }
        if batch == 1 {
            let program = Arc::clone(&subject.int8);
            works.push(Work::new(move |_| {
                reading::read(program.weights());
                Ok(())
            }));
        }
        let mut found = medians(works, rounds)?;
        let peak_ns = found.split_off(names.len());
        let (mut ours, mut ours_ns) = (0.0, 0.0);
        for (candidate, median_ns) in names.into_iter().zip(found) {
            let row = candidate.multiply_adds.unwrap_or(subject.multiply_adds);
            let multiply_adds = row * batch as u64;
            if (candidate.engine.as_str(), candidate.precision) == ("fieldscore", "int8") {
                ours = multiply_adds as f64 / median_ns;
                ours_ns = median_ns;
            }
            report.running(Running {
                model: subject.name,
                batch,
                engine: candidate.engine,
                precision: candidate.precision,
                median_ns,
                ours: candidate.ours,
                multiply_adds: Some(multiply_adds),
            })?;
        }
        if let (1, [median_ns]) = (batch, &peak_ns[..]) {
            report.reading(Reading {
                model: subject.name,
                bytes: subject.int8.weights().len(),
                median_ns: *median_ns,
                share: median_ns / ours_ns,
            })?;
        }
        for (peak, ns) in peaks.iter().zip(peak_ns) {
            let multiply_adds_per_ns = peak.multiply_adds as f64 / ns;
            report.peak(Peak {
                vnni: peak.name,
                model: subject.name,
                batch,
                multiply_adds_per_ns,
                share: ours / multiply_adds_per_ns,
            })?;
        }
    }
    Ok(())
}

/// Our plan alone.
#[derive(Debug, clap::Args)]
pub struct Repeat {
    /// A net's name
    model: String,
    /// f32 or int8
    precision: String,
    /// How often
    calls: usize,
}

impl Repeat {
    /// Calls it a row at a time, and prints the mean time of a call.
    ///
    /// # Errors
    /// Where there is no such net.
    pub fn run(&self) -> Result<()> {
        let subject = subject(&self.model)?;
        let (precision, program) = match self.precision.as_str() {
            "f32" => ("f32", &subject.f32),
            _ => ("int8", &subject.int8),
        };
        for candidate in ours::candidates("fieldscore", precision, program, false) {
            let mut engine = (candidate.open)(1)?;
            let start = Instant::now();
            for call in 0..self.calls {
                engine.run(rows(&subject.rows, 1, call), black_box(&mut [0.0]))?;
            }
            let mean = start.elapsed().as_secs_f64() * 1e6 / self.calls as f64;
            println!("{} {precision}: {mean:.3} µs", self.model);
        }
        Ok(())
    }
}

/// Opens the candidates; peers that can't open the model are reported as missing.
fn opened(
    model: &str,
    candidates: Vec<Candidate>,
    batch: usize,
    report: &mut Report,
) -> Result<Vec<(Candidate, Box<dyn Engine>)>> {
    let mut running = Vec::new();
    for candidate in candidates {
        match (candidate.open)(batch) {
            Ok(engine) => running.push((candidate, engine)),
            Err(failure) if !candidate.ours => {
                let what = format!("{model} {} {}", candidate.engine, candidate.precision);
                report.missing(&what, &failure.to_string());
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(running)
}

/// Calls of each engine, one after the other over all rows.
fn calls(
    all: &Rows,
    batch: usize,
    running: Vec<(Candidate, Box<dyn Engine>)>,
) -> (Vec<Candidate>, Vec<Work<'_>>) {
    let (mut names, mut works) = (Vec::new(), Vec::new());
    for (candidate, mut engine) in running {
        let own = candidate.rows.clone();
        names.push(candidate);
        let mut outputs = vec![0.0; batch];
        works.push(Work::new(move |call| {
            let all = own.as_deref().unwrap_or(all);
            engine.run(rows(all, batch, call), &mut outputs)?;
            black_box(&mut outputs);
            Ok(())
        }));
    }
    (names, works)
}

/// The rows that the `call`-th call reads: others than the last call's.
fn rows(all: &Rows, batch: usize, call: usize) -> &[f32] {
    let size = batch * all.width;
    let places = all.values.len() / size;
    &all.values[call % places * size..][..size]
}

/// Runs the forest in our plan, in ONNX Runtime and as compiled C, batch by batch.
///
/// # Errors
/// Where our own engine fails, or an engine gives another forest's answers.
pub fn forest(peers: &Peers, rounds: usize, report: &mut Report) -> Result<()> {
    let ensemble = forest::ensemble();
    let all = forest::rows();
    let packed = fieldscore_runtime::plan::ensemble::pack(&ensemble)?;
    let (model, weights) = packed.model(forest::NAME, all.width as u32);
    let plan = Plan {
        version: PLAN_VERSION,
        models: vec![model],
    };
    let program = ours::Program::new(plan, weights)?;
    let compiled = Compiled::new(&forest::c_source(&ensemble), all.width);
    if let Err(failure) = &compiled {
        report.missing("lightgbm compiled-c", &failure.to_string());
    }
    let onnx = Arc::new(forest::onnx(&ensemble));
    for batch in BATCHES {
        let mut candidates = ours::candidates("fieldscore", "f32", &program, false);
        candidates.extend(compiled.as_ref().ok().map(Compiled::candidate));
        if peers.onnxruntime {
            candidates.push(onnxruntime::candidate("f32", &onnx, all.width));
        }
        let mut running = opened(forest::NAME, candidates, batch, report)?;
        for (candidate, engine) in &mut running {
            same(&ensemble, &all, batch, candidate, engine.as_mut())?;
            if batch == 1 {
                allocations(forest::NAME, &all, candidate, engine.as_mut(), report)?;
            }
        }
        let (names, works) = calls(&all, batch, running);
        for (candidate, median_ns) in names.into_iter().zip(medians(works, rounds)?) {
            report.running(Running {
                model: forest::NAME,
                batch,
                engine: candidate.engine,
                precision: candidate.precision,
                median_ns,
                ours: candidate.ours,
                multiply_adds: None,
            })?;
        }
    }
    Ok(())
}

/// Whether an engine gives for every row the sum, to the bit, that the forest's description gives:
/// all add up leaves in f32, tree by tree.
fn same(
    ensemble: &Ensemble,
    all: &Rows,
    batch: usize,
    candidate: &Candidate,
    engine: &mut dyn Engine,
) -> Result<()> {
    let mut answers = vec![0.0; batch];
    for call in 0..all.len() / batch {
        let features = rows(all, batch, call);
        engine.run(features, &mut answers)?;
        for (row, answer) in features.chunks_exact(all.width).zip(&answers) {
            let row: Vec<f64> = row.iter().copied().map(f64::from).collect();
            let expected = ensemble.outputs(&row).unwrap_or_default();
            if expected != [f64::from(*answer)] {
                return Err(Failure::new(format!(
                    "{} in {}, batch {batch}: expected {expected:?}, not {answer}",
                    forest::NAME,
                    candidate.engine
                )));
            }
        }
    }
    Ok(())
}

/// Whether every engine runs the same model: a wrong file would be measured as well as a right one.
/// What the bundle ships is pruned and held against the float model by its own gates.
fn agree(
    model: &str,
    all: &Rows,
    batch: usize,
    running: &mut [(Candidate, Box<dyn Engine>)],
) -> Result<()> {
    let calls = 256 / batch;
    let mut expected: Option<Vec<f32>> = None;
    running
        .sort_by_key(|(candidate, _)| (candidate.precision != "f32", candidate.engine != "tract"));
    for (candidate, engine) in running.iter_mut() {
        let all = candidate.rows.as_deref().unwrap_or(all);
        let mut answers = vec![0.0; calls * batch];
        for (call, outputs) in answers.chunks_exact_mut(batch).enumerate() {
            engine.run(rows(all, batch, call), outputs)?;
        }
        let Some(expected) = &expected else {
            expected = Some(answers);
            continue;
        };
        if candidate.engine.starts_with("fieldscore/bundle") {
            continue;
        }
        let off = deviation(expected, &answers);
        let close = if candidate.precision == "f32" {
            CLOSE_F32
        } else {
            CLOSE_INT8
        };
        if off.is_nan() || off > close {
            return Err(Failure::new(format!(
                "{} in {} {}: expected answers within {close} of tract's, not {off:.4}",
                model, candidate.engine, candidate.precision
            )));
        }
    }
    Ok(())
}

/// Root mean square difference over the standard deviation of what is expected.
fn deviation(expected: &[f32], answers: &[f32]) -> f64 {
    let count = expected.len() as f64;
    let mean = expected.iter().copied().map(f64::from).sum::<f64>() / count;
    let square = |x: f64| x * x;
    let spread: f64 = expected.iter().map(|&e| square(f64::from(e) - mean)).sum();
    let pairs = expected.iter().zip(answers);
    let off: f64 = pairs
        .map(|(&e, &a)| square(f64::from(a) - f64::from(e)))
        .sum();
    (off / spread).sqrt()
}

fn allocations(
    model: &'static str,
    all: &Rows,
    candidate: &Candidate,
    engine: &mut dyn Engine,
    report: &mut Report,
) -> Result<()> {
    // What a C or C++ library allocates, this program's allocator doesn't see.
    let foreign = ["tflite", "onnx", "compiled"];
    if foreign
        .iter()
        .any(|name| candidate.engine.starts_with(name))
    {
        return Ok(());
    }
    const CALLS: usize = 64;
    let mut outputs = [0.0];
    let (count, done) = alloc::calls(|| {
        (0..CALLS).try_for_each(|call| engine.run(rows(all, 1, call), &mut outputs))
    });
    done?;
    report.allocations(Allocations {
        model,
        engine: candidate.engine.clone(),
        precision: candidate.precision,
        per_run: count as f64 / CALLS as f64,
    })
}

/// Opens the model in every engine: until it is ready, and until it has answered for a row, since
/// some put off to the first run what others do at once. Ours is a bundle, with all that a decision
/// needs; the bytes are in memory.
///
/// # Errors
/// Where our own engine fails.
pub fn opening(subject: &Subject, peers: &Peers, rounds: usize, report: &mut Report) -> Result<()> {
    let keys = [subject.key];
    let bytes = || subject.bundle.clone();
    let verified = |bytes| Ok(Scorer::open(bytes, &keys)?);
    let unverified = |bytes| {
        let options = OpenOptions::default().dangerously_unverified();
        Ok(options.open(bytes, &[])?)
    };
    let scored = |scorer: Scorer| -> Result<(Scorer, fieldscore_runtime::Decision)> {
        let (_, decision) = scorer.reference()?;
        Ok((scorer, decision))
    };
    let (mut names, mut works) = (Vec::new(), Vec::new());
    names.push(("fieldscore".to_owned(), "int8", true));
    works.push(Work::making(bytes, verified));
    works.push(Work::making(bytes, move |bytes| scored(verified(bytes)?)));
    names.push(("fieldscore/unverified".to_owned(), "int8", true));
    works.push(Work::making(bytes, unverified));
    works.push(Work::making(bytes, move |bytes| scored(unverified(bytes)?)));
    for candidate in peers.candidates(subject) {
        if (candidate.open)(1).is_err() {
            continue;
        }
        names.push((candidate.engine, candidate.precision, false));
        let open = std::rc::Rc::new(candidate.open);
        let again = std::rc::Rc::clone(&open);
        works.push(Work::making(|| (), move |()| open(1)));
        works.push(Work::making(
            || (),
            move |()| {
                let mut engine = again(1)?;
                engine.run(rows(&subject.rows, 1, 0), &mut [0.0])?;
                Ok(engine)
            },
        ));
    }
    let found = medians(works, rounds)?;
    for ((engine, precision, ours), ns) in names.into_iter().zip(found.chunks_exact(2)) {
        report.opening(Opening {
            model: subject.name,
            engine,
            precision,
            bytes: ours.then_some(subject.bundle.len()),
            median_ns: ns[0],
            first_answer_ns: ns[1],
            ours,
        })?;
    }
    Ok(())
}

/// Decides on the credit model's sample applications.
///
/// # Errors
/// Where one is refused.
pub fn decisions(subject: &Subject, rounds: usize, report: &mut Report) -> Result<()> {
    let scorer = Scorer::open(subject.bundle.clone(), &[subject.key])?;
    let batch = applications(&scorer)?;
    let sample = batch.applications();
    let mut explanation = Explanation::empty(*scorer.bundle_id());
    let mut explain = |call: usize| -> Result<()> {
        Ok(scorer.explain_into(&sample[call % sample.len()], &mut explanation)?)
    };
    let score = |call: usize| -> Result<()> {
        black_box(scorer.score(&sample[call % sample.len()])?);
        Ok(())
    };
    let mut counts = [0.0; 2];
    let calls = 2 * sample.len();
    (0..calls).try_for_each(|call| score(call).and_then(|()| explain(call)))?;
    let (count, done) = alloc::calls(|| (0..calls).try_for_each(score));
    counts[0] = count as f64 / calls as f64;
    done?;
    let (count, done) = alloc::calls(|| (0..calls).try_for_each(&mut explain));
    counts[1] = count as f64 / calls as f64;
    done?;
    let found = medians(vec![Work::new(score), Work::new(explain)], rounds)?;
    for ((what, median_ns), allocations) in ["score", "explain"].into_iter().zip(found).zip(counts)
    {
        report.decision(Decision {
            model: subject.name,
            decision: what,
            median_ns,
            allocations,
        })?;
    }
    Ok(())
}
