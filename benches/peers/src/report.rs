//! What was measured: one JSON object a figure, or tables with ratios.

use serde::Serialize;

use crate::failure::{Failure, Result};
use crate::forest;
use crate::runs::BATCHES;

/// What issue-tracked targets ask of us against the fastest peer: model, batch, times as fast.
const TARGETS: [(&str, usize, f64); 8] = [
    ("mlp_s", 1, 6.0),
    ("mlp_l", 1, 4.0),
    ("mlp_xl", 1, 1.5),
    ("mlp_s", 256, 2.0),
    ("mlp_l", 256, 1.2),
    ("ft", 1, 4.0),
    ("gru", 1, 4.0),
    ("cnn", 1, 4.0),
];
/// What they ask of us on the forest against one engine: engine, batch, times as fast.
const FOREST_TARGETS: [(&str, usize, f64); 2] = [("onnxruntime", 1, 10.0), ("compiled-c", 1, 1.0)];
/// Opening without the signature check, against the fastest peer's load: times as fast.
const OPEN_TARGET: f64 = 10.0;
/// Opening with it: up to this many bytes within this time, and each further KB in its own.
const OPEN_BYTES: usize = 64 * 1024;
const OPEN_NS: f64 = 300e3;
const OPEN_NS_PER_KB: f64 = 1e3;
/// What a decision may take, without and with contributions.
const DECISION_NS: [(&str, f64); 2] = [("score", 2e3), ("explain", 50e3)];

/// One call of an engine on `batch` rows.
#[derive(Debug, Serialize)]
pub struct Running {
    /// The subject.
    pub model: &'static str,
    /// Rows in a call.
    pub batch: usize,
    /// The engine.
    pub engine: String,
    /// `f32` or `int8`.
    pub precision: &'static str,
    /// Of a call.
    pub median_ns: f64,
    /// Whether it is Fieldscore's.
    #[serde(skip)]
    pub ours: bool,
    /// Of a call; a forest has none.
    #[serde(skip)]
    pub multiply_adds: Option<u64>,
}

/// What this core's VNNI can do, in the same rounds as the running figures beside it.
#[derive(Debug, Serialize)]
pub struct Peak {
    /// The kernel path that uses this width of the instruction.
    pub vnni: &'static str,
    /// The subject.
    pub model: &'static str,
    /// Rows in a call.
    pub batch: usize,
    /// 10⁹ a second.
    pub multiply_adds_per_ns: f64,
    /// The part of it that our int8 plan reached.
    pub share: f64,
}

/// What it takes only to read the weights of our int8 plan, in the same rounds as a batch of one.
#[derive(Debug, Serialize)]
pub struct Reading {
    /// The subject.
    #[serde(rename = "reading")]
    pub model: &'static str,
    /// The weights.
    pub bytes: usize,
    /// Of one pass.
    pub median_ns: f64,
    /// The part of our int8 plan's time that this is.
    pub share: f64,
}

/// What opening and running take, in a process of their own.
#[derive(Debug, Serialize)]
pub struct Memory {
    /// The subject.
    #[serde(rename = "memory")]
    pub model: &'static str,
    /// Rows in a call.
    pub batch: usize,
    /// The engine.
    pub engine: &'static str,
    /// `f32` or `int8`.
    pub precision: &'static str,
    /// By how much the process's peak rose: the engine's own, without the model's file.
    pub peak_bytes: u64,
    /// The whole process's peak: with the libraries, this program's code, and the file.
    pub process_bytes: u64,
}

/// From bytes in memory to ready to run.
#[derive(Debug, Serialize)]
pub struct Opening {
    /// The subject.
    #[serde(rename = "open")]
    pub model: &'static str,
    /// The engine.
    pub engine: String,
    /// `f32` or `int8`.
    pub precision: &'static str,
    /// Of our bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// Of one opening.
    pub median_ns: f64,
    /// Of one opening and the first row.
    pub first_answer_ns: f64,
    /// Whether it is Fieldscore's.
    #[serde(skip)]
    pub ours: bool,
}

/// Calls of the Rust allocator.
#[derive(Debug, Serialize)]
pub struct Allocations {
    /// The subject.
    #[serde(rename = "allocations")]
    pub model: &'static str,
    /// The engine.
    pub engine: String,
    /// `f32` or `int8`.
    pub precision: &'static str,
    /// Of one row, once warm.
    pub per_run: f64,
}

/// A decision on an application.
#[derive(Debug, Serialize)]
pub struct Decision {
    /// The subject.
    pub model: &'static str,
    /// `score` or `explain`.
    pub decision: &'static str,
    /// Of one decision.
    pub median_ns: f64,
    /// Of one decision, once warm.
    pub allocations: f64,
}

/// Collects what is measured; as JSON it is printed at once, as tables at the end.
pub struct Report {
    json: bool,
    running: Vec<Running>,
    opening: Vec<Opening>,
    allocations: Vec<Allocations>,
    decisions: Vec<Decision>,
    peaks: Vec<Peak>,
    readings: Vec<Reading>,
    memory: Vec<Memory>,
    missing: Vec<String>,
}

impl Report {
    /// An empty one.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            running: Vec::new(),
            opening: Vec::new(),
            allocations: Vec::new(),
            decisions: Vec::new(),
            peaks: Vec::new(),
            readings: Vec::new(),
            memory: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Something that isn't measured, and why.
    pub fn missing(&mut self, what: &str, why: &str) {
        let line = format!("not measured: {what} ({why})");
        eprintln!("{line}");
        self.missing.push(line);
    }

    /// Takes a figure.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn running(&mut self, figure: Running) -> Result<()> {
        self.print(&figure)?;
        self.running.push(figure);
        Ok(())
    }

    /// Takes a figure.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn opening(&mut self, figure: Opening) -> Result<()> {
        self.print(&figure)?;
        self.opening.push(figure);
        Ok(())
    }

    /// Takes a figure.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn allocations(&mut self, figure: Allocations) -> Result<()> {
        self.print(&figure)?;
        self.allocations.push(figure);
        Ok(())
    }

    /// Takes a figure.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn decision(&mut self, figure: Decision) -> Result<()> {
        self.print(&figure)?;
        self.decisions.push(figure);
        Ok(())
    }

    /// Takes a figure.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn peak(&mut self, figure: Peak) -> Result<()> {
        self.print(&figure)?;
        self.peaks.push(figure);
        Ok(())
    }

    /// Takes a figure.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn reading(&mut self, figure: Reading) -> Result<()> {
        self.print(&figure)?;
        self.readings.push(figure);
        Ok(())
    }

    /// Takes a figure.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn memory(&mut self, figure: Memory) -> Result<()> {
        self.print(&figure)?;
        self.memory.push(figure);
        Ok(())
    }

    fn print(&self, figure: &impl Serialize) -> Result<()> {
        if self.json {
            let line = serde_json::to_string(figure).map_err(Failure::at("json"))?;
            println!("{line}");
        }
        Ok(())
    }

    /// Prints the tables, unless the figures went out as JSON.
    ///
    /// # Errors
    /// None so far.
    pub fn finish(&self) -> Result<()> {
        if self.json {
            return Ok(());
        }
        let mut seen: Vec<(&str, usize)> = Vec::new();
        for figure in &self.running {
            let key = (figure.model, figure.batch);
            if !seen.contains(&key) {
                seen.push(key);
                self.table(key);
            }
        }
        let mut seen: Vec<&str> = Vec::new();
        for figure in &self.opening {
            if !seen.contains(&figure.model) {
                seen.push(figure.model);
                self.openings(figure.model);
            }
        }
        let mut seen: Vec<&str> = Vec::new();
        for figure in &self.memory {
            if !seen.contains(&figure.model) {
                seen.push(figure.model);
                self.memories(figure.model);
            }
        }
        if !self.allocations.is_empty() {
            println!("\nallocations for a row, once warm (only Rust's allocator is seen)");
        }
        for a in &self.allocations {
            println!(
                "  {:<8} {:<26} {:<5} {:>9.1}",
                a.model, a.engine, a.precision, a.per_run
            );
        }
        if !self.decisions.is_empty() {
            println!("\ndecisions from an application");
        }
        for d in &self.decisions {
            let limit = DECISION_NS.iter().find(|(what, _)| *what == d.decision);
            let limit = limit.map_or(f64::INFINITY, |(_, ns)| *ns);
            println!(
                "  {:<8} {:<8} {:>9.3} µs  {:>4.1} allocations  at most {} µs: {}",
                d.model,
                d.decision,
                d.median_ns / 1e3,
                d.allocations,
                limit / 1e3,
                verdict(d.median_ns <= limit && d.allocations == 0.0)
            );
        }
        for line in &self.missing {
            println!("{line}");
        }
        Ok(())
    }

    /// One model at one batch, the fastest first.
    fn table(&self, (model, batch): (&str, usize)) {
        let of_key = |f: &&Running| f.model == model && f.batch == batch;
        let mut figures: Vec<&Running> = self.running.iter().filter(of_key).collect();
        figures.sort_by(|a, b| a.median_ns.total_cmp(&b.median_ns));
        let precision = if model == forest::NAME { "f32" } else { "int8" };
        let is_ours = |f: &&&Running| f.engine == "fieldscore" && f.precision == precision;
        let Some(ours) = figures.iter().find(is_ours) else {
            return;
        };
        let rate = match ours.multiply_adds {
            Some(_) => ", 10⁹ multiply-adds a second",
            None => "",
        };
        println!("\n{model}, batch {batch} (µs a call, times ours{rate})");
        for f in &figures {
            let rate = f.multiply_adds.map(|count| count as f64 / f.median_ns);
            let rate = rate.map(|rate| format!(" {rate:>8.1}"));
            println!(
                "  {:<26} {:<5} {:>11.3} {:>8.2}{}",
                f.engine,
                f.precision,
                f.median_ns / 1e3,
                f.median_ns / ours.median_ns,
                rate.unwrap_or_default()
            );
        }
        if model == forest::NAME {
            for f in figures.iter().filter(|f| !f.ours) {
                let ratio = f.median_ns / ours.median_ns;
                let of = |t: &&(&str, usize, f64)| (t.0, t.1) == (f.engine.as_str(), batch);
                if let Some(target) = FOREST_TARGETS.iter().find(of) {
                    let (least, met) = (target.2, verdict(ratio >= target.2));
                    println!("  {}: {ratio:.2}×, at least {least}×: {met}", f.engine);
                }
            }
            return;
        }
        if let Some(peer) = figures.iter().find(|f| !f.ours) {
            let ratio = peer.median_ns / ours.median_ns;
            let target = TARGETS.iter().find(|t| (t.0, t.1) == (model, batch));
            let judged = target.map(|t| format!(", at least {}×: {}", t.2, verdict(ratio >= t.2)));
            println!(
                "  fastest peer {} {}: {ratio:.2}×{}",
                peer.engine,
                peer.precision,
                judged.unwrap_or_default()
            );
        }
        if batch > 1 {
            self.share((model, batch));
        } else if let Some(reading) = self.readings.iter().find(|r| r.model == model) {
            println!(
                "  only to read its {} bytes of weights: {:.3} µs, {:.0} % of ours",
                reading.bytes,
                reading.median_ns / 1e3,
                reading.share * 100.0
            );
        }
    }

    /// Our part of what the core's VNNI can do.
    fn share(&self, key: (&str, usize)) {
        let of_key = |p: &&Peak| (p.model, p.batch) == key;
        let peaks: Vec<&Peak> = self.peaks.iter().filter(of_key).collect();
        if peaks.is_empty() {
            println!("  this processor has no VNNI: no share of its peak");
        }
        for peak in peaks {
            println!(
                "  {} peak {:.1}: fieldscore int8 reaches {:.1} %",
                peak.vnni,
                peak.multiply_adds_per_ns,
                peak.share * 100.0
            );
        }
    }

    /// What one model takes in each engine, the least first.
    fn memories(&self, model: &str) {
        println!(
            "\n{model}, peak memory to open and run (KiB beyond the model's file; in brackets the \
             whole process)"
        );
        let of_batch = |batch: usize| {
            let figures = self.memory.iter();
            figures.filter(move |f| (f.model, f.batch) == (model, batch))
        };
        let [one, many] = BATCHES;
        let mut figures: Vec<&Memory> = of_batch(one).collect();
        figures.sort_by_key(|figure| figure.peak_bytes);
        for f in figures {
            let same = |m: &&Memory| (m.engine, m.precision) == (f.engine, f.precision);
            let rest = of_batch(many).find(same);
            let cell = |m: &Memory| {
                let (peak, process) = (m.peak_bytes / 1024, m.process_bytes / 1024);
                format!("batch {:<3} {peak:>7} ({process:>6})", m.batch)
            };
            println!(
                "  {:<26} {:<5}  {}   {}",
                f.engine,
                f.precision,
                cell(f),
                rest.map(cell).unwrap_or_default()
            );
        }
    }

    /// How long one model takes to open.
    fn openings(&self, model: &str) {
        let mut figures: Vec<&Opening> = self.opening.iter().filter(|f| f.model == model).collect();
        figures.sort_by(|a, b| a.median_ns.total_cmp(&b.median_ns));
        println!("\n{model}, to open, and to open and answer once (µs)");
        for f in &figures {
            let bytes = f.bytes.map(|bytes| format!("  {bytes} bytes"));
            println!(
                "  {:<26} {:<5} {:>11.1} {:>11.1}{}",
                f.engine,
                f.precision,
                f.median_ns / 1e3,
                f.first_answer_ns / 1e3,
                bytes.unwrap_or_default()
            );
        }
        let named = |name: &str| figures.iter().find(|f| f.engine == name);
        for (what, answered) in [("to open", false), ("to open and answer", true)] {
            let ns = |f: &Opening| {
                if answered {
                    f.first_answer_ns
                } else {
                    f.median_ns
                }
            };
            let peers = figures.iter().filter(|f| !f.ours);
            let peer = peers.min_by(|a, b| ns(a).total_cmp(&ns(b)));
            if let (Some(bare), Some(peer)) = (named("fieldscore/unverified"), peer) {
                let ratio = ns(peer) / ns(bare);
                println!(
                    "  fastest peer {what} {} {}: {ratio:.2}× ours without the signature, \
                     at least {OPEN_TARGET}×: {}",
                    peer.engine,
                    peer.precision,
                    verdict(ratio >= OPEN_TARGET)
                );
            }
        }
        if let Some(full) = named("fieldscore") {
            let over = full.bytes.unwrap_or(0).saturating_sub(OPEN_BYTES);
            let limit = OPEN_NS + over as f64 / 1024.0 * OPEN_NS_PER_KB;
            println!(
                "  with the signature {:.1} µs, at most {:.0} µs: {}",
                full.median_ns / 1e3,
                limit / 1e3,
                verdict(full.median_ns <= limit)
            );
        }
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "not met" }
}
