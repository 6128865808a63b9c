//! What is measured: random dense nets of given widths, and the credit model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fieldscore_models::applications::{Batch, ReadOptions, Reader, Source};
use fieldscore_models::compile::import::import;
use fieldscore_models::compile::lower::Lowered;
use fieldscore_models::compile::net::{Layer, Net, Rows};
use fieldscore_models::keys::Signing;
use fieldscore_models::recipe::Precision;
use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::plan::Plan;
use fieldscore_runtime::schema::transform::Encoding;
use fieldscore_runtime::schema::{FieldKind, Group, TextEntry};
use fieldscore_runtime::{DecimalMark, Scorer};
use fieldscore_tests::fixture::{self, Parts};
use fieldscore_tests::random::Random;

use crate::engines::ours::{Program, compile};
use crate::failure::{Failure, Result};
use crate::quantised::Quantised;
use crate::runs::BATCHES;
use crate::{forest, graphs, onnx, tflite_file};

/// The random nets: name and widths, ReLU between.
const NETS: [(&str, &[usize]); 3] = [
    ("mlp_s", &[32, 64, 32, 1]),
    ("mlp_l", &[128, 256, 128, 64, 1]),
    ("mlp_xl", &[512, 1024, 1024, 512, 1]),
];
/// Rows that int8 ranges are fitted on, and that are run.
const ROWS: usize = 512;

/// A model in every form that an engine wants.
pub struct Subject {
    /// What it is called in the results.
    pub name: &'static str,
    /// Multiply-adds of a row.
    pub multiply_adds: u64,
    /// Rows in a call.
    pub batches: &'static [usize],
    /// Features to run it on.
    pub rows: Rows,
    /// Our plan in f32.
    pub f32: Arc<Program>,
    /// Our plan in int8.
    pub int8: Arc<Program>,
    /// The plan of the bundle that ships, where there is one: int8, pruned.
    pub shipped: Option<Arc<Program>>,
    /// For ONNX Runtime, tract and rten: f32.
    pub onnx: Arc<Vec<u8>>,
    /// The same in int8.
    pub onnx_int8: Arc<Vec<u8>>,
    /// For TensorFlow Lite.
    pub tflite: Lite,
    /// A signed bundle of it.
    pub bundle: Vec<u8>,
    /// The key that the bundle is signed with.
    pub key: [u8; 32],
}

/// A model for TensorFlow Lite.
pub struct Lite {
    /// In f32.
    pub f32: Arc<Vec<u8>>,
    /// In int8.
    pub int8: Arc<Vec<u8>>,
    /// The features in its own order, where that is another.
    pub rows: Option<Arc<Rows>>,
}

impl Lite {
    /// The files, each with its precision.
    pub fn files(&self) -> [(&'static str, &Arc<Vec<u8>>); 2] {
        [("f32", &self.f32), ("int8", &self.int8)]
    }
}

/// The names of the subjects that are asked for; of all, if none is.
///
/// # Errors
/// Where one is asked for that there isn't.
pub fn chosen(asked: &[String]) -> Result<Vec<&'static str>> {
    let mut names: Vec<&str> = NETS
        .iter()
        .map(|net| net.0)
        .chain(["credit", forest::NAME])
        .chain(graphs::NAMES)
        .collect();
    if let Some(name) = asked.iter().find(|name| !names.contains(&name.as_str())) {
        let known = names.join(", ");
        return Err(Failure::new(format!(
            "--models {name}: expected one of {known}"
        )));
    }
    names.retain(|name| asked.is_empty() || asked.iter().any(|asked| asked == name));
    Ok(names)
}

/// The subject of that name.
///
/// # Errors
/// Where a file is missing or the compiler refuses the net.
pub fn subject(name: &str) -> Result<Subject> {
    if let Some(name) = graphs::NAMES.into_iter().find(|known| *known == name) {
        return graphs::subject(name);
    }
    match NETS.iter().find(|net| net.0 == name) {
        Some((name, widths)) => random(name, widths, widths[0]),
        None => credit(),
    }
}

/// As [`subject`], with int8 ranges for the features that a form's few fields become.
///
/// # Errors
/// As [`subject`].
pub fn of_form(name: &str) -> Result<Subject> {
    match NETS.iter().find(|net| net.0 == name) {
        Some((name, widths)) => random(name, widths, FORM_FIELDS),
        None => credit(),
    }
}

/// A net of random weights that keep values at their size (He et al. 2015, "Delving deep into
/// rectifiers", section 2.2), for features that repeat `fields` values.
fn random(name: &'static str, widths: &[usize], fields: usize) -> Result<Subject> {
    let mut random = Random::new(20_260_901);
    let last = widths.len() - 2;
    let layers = widths.windows(2).enumerate().map(|(at, pair)| {
        let (inputs, outputs) = (pair[0], pair[1]);
        let spread = (6.0 / inputs as f32).sqrt();
        let mut draw = |count: usize, spread: f32| -> Vec<f32> {
            (0..count).map(|_| random.float(-spread, spread)).collect()
        };
        Layer {
            name: format!("layer{at}"),
            inputs,
            outputs,
            weights: draw(inputs * outputs, spread),
            bias: draw(outputs, 0.1),
            relu: at != last,
        }
    });
    let written = Net {
        layers: layers.collect(),
    };
    let width = written.inputs();
    let mut values = Vec::with_capacity(ROWS * width);
    for _ in 0..ROWS {
        let given: Vec<f32> = (0..fields).map(|_| random.float(-2.0, 2.0)).collect();
        values.extend(given.iter().cycle().take(width));
    }
    let rows = Rows::new(width, values);
    let onnx = onnx::float(&written);
    // Through the file, as any model comes.
    let folder = tempfile::tempdir().map_err(Failure::at("temporary folder"))?;
    let path = folder.path().join("net.onnx");
    std::fs::write(&path, &onnx).map_err(Failure::at("temporary folder"))?;
    let net = import(&path)?.net;
    let int8 = compile(&net, &rows, Precision::Int8)?;
    let (bundle, key) = bundle(width, &int8);
    assemble(name, &net, rows, onnx, int8, bundle, key)
}

/// A signed bundle of a plan that reads `width` features, and its key.
pub fn bundle(width: usize, plan: &Lowered) -> (Vec<u8>, [u8; 32]) {
    let mut parts = of_features(width);
    (parts.plan, parts.weights) = (plan.plan.clone(), plan.weights.clone());
    (parts.bundle(), fixture::key().public())
}

/// The parts of a bundle with one field, whose value becomes each of `width` features.
fn of_features(width: usize) -> Parts {
    let mut parts = fixture::linear(&[("x", "R1", 1.0)]);
    parts.transforms.blocks = (0..width)
        .map(|at| fixture::block(&format!("x{at}"), 0, Encoding::Plain))
        .collect();
    parts
}

/// The fields of a form's bundle, in groups of two: as many as the credit bundle has, about.
const FORM_FIELDS: usize = 12;
/// As many as `fieldscore build` puts into a bundle.
const KNOWN_ANSWERS: usize = 16;

/// The bundle's plan.
fn plan_of(scorer: &Scorer) -> Result<Plan> {
    let executable = scorer.executable();
    let executable = executable.ok_or_else(|| Failure::new("bundle: expected a plan"))?;
    Ok(executable.plan().clone())
}

/// The subject in a bundle as it would ship: with a form's fields, where the subject's own has one
/// field alone, and with known answers, which a browser runs when it opens the bundle.
///
/// # Errors
/// Where the subject's bundle is refused.
pub fn shipped(subject: &Subject) -> Result<Vec<u8>> {
    if subject.shipped.is_some() {
        return Ok(subject.bundle.clone());
    }
    let scorer = Scorer::open(subject.bundle.clone(), &[subject.key])?;
    let mut parts = fixture::linear(&[("x", "R1", 1.0)]);
    parts.plan = plan_of(&scorer)?;
    parts.weights = subject.int8.weights().to_vec();
    let (name, code) = (|at| format!("x{at}"), |at| format!("R{at}"));
    let decimal = FieldKind::Decimal { decimals: 3 };
    parts.schema.fields = (0..FORM_FIELDS)
        .map(|at| {
            let mut field = fixture::field(&name(at), decimal.clone(), at as u16 / 2, &code(at));
            field.range = Some((-2000, 2000));
            field
        })
        .collect();
    parts.schema.groups = (0..FORM_FIELDS / 2)
        .map(|at| Group {
            name: format!("group{at}"),
            code: format!("G{at}"),
        })
        .collect();
    parts.transforms.blocks = (0..subject.rows.width)
        .map(|at| {
            let source = (at % FORM_FIELDS) as u16;
            fixture::block(&format!("f{at}"), source, Encoding::Plain)
        })
        .collect();
    let system = |entry: &TextEntry| entry.key.starts_with("system.");
    parts.texts.entries.retain(system);
    for at in 0..FORM_FIELDS {
        for what in ["label", "reason"] {
            parts.texts.entries.push(TextEntry {
                key: format!("field.{}.{what}", name(at)),
                texts: vec![format!("{} {what}", name(at)), String::new()],
            });
        }
    }
    parts.texts.entries.sort_by(|a, b| a.key.cmp(&b.key));
    let mut reference = parts.application("reference");
    for at in 0..FORM_FIELDS {
        reference.set(&name(at), 0)?;
    }
    parts.set_reference(&reference);
    Ok(parts.with_answers(KNOWN_ANSWERS).bundle())
}

/// The float model that the credit bundle was made of, and the bundle.
fn credit() -> Result<Subject> {
    let path = root().join("models/zoo/credit/splits/1/model.onnx");
    let bundle = read(&root().join("tests/golden/credit/credit.fsb"))?;
    let key = Signing::development().public();
    let scorer = Scorer::open(bundle.clone(), &[key])?;
    let net = import(&path)?.net;
    let mut values = Vec::new();
    for application in applications(&scorer)?.applications().iter().take(ROWS) {
        values.extend(scorer.features(application)?);
    }
    let rows = Rows::new(net.inputs(), values);
    let int8 = compile(&net, &rows, Precision::Int8)?;
    let weights = scorer.section(SectionKind::WEIGHTS);
    let weights = weights.ok_or_else(|| Failure::new("credit bundle: expected weights"))?;
    let shipped = Program::new(plan_of(&scorer)?, weights.to_vec())?;
    let mut subject = assemble("credit", &net, rows, read(&path)?, int8, bundle, key)?;
    subject.shipped = Some(shipped);
    Ok(subject)
}

/// Where the golden applications of the credit bundle are.
pub fn applications_file() -> PathBuf {
    root().join("tests/golden/credit/applications.csv")
}

/// The first of the golden applications of the credit bundle.
///
/// # Errors
/// Where the file is missing or doesn't fit the bundle.
pub fn applications(scorer: &Scorer) -> Result<Batch> {
    let path = applications_file();
    let file = std::fs::File::open(&path).map_err(Failure::at(path.display()))?;
    let options = ReadOptions {
        mark: DecimalMark::Point,
        separator: b',',
        as_of: fixture::today(),
        strict: true,
    };
    let source = Source::new("applications.csv", file)?;
    let mut reader = Reader::new(source, None, Arc::clone(scorer.schema()), options)?;
    let mut batch = Batch::default();
    reader.fill(&mut batch)?;
    Ok(batch)
}

/// The folder of the project's workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(Failure::at(path.display()))
}

fn assemble(
    name: &'static str,
    net: &Net,
    rows: Rows,
    onnx: Vec<u8>,
    int8: Lowered,
    bundle: Vec<u8>,
    key: [u8; 32],
) -> Result<Subject> {
    let float = compile(net, &rows, Precision::F32)?;
    let quantised = Quantised::of(net, &rows);
    Ok(Subject {
        name,
        multiply_adds: net.multiply_adds() as u64,
        batches: &BATCHES,
        f32: Program::new(float.plan, float.weights)?,
        int8: Program::new(int8.plan, int8.weights)?,
        shipped: None,
        onnx: Arc::new(onnx),
        onnx_int8: Arc::new(onnx::quantised(&quantised)),
        tflite: Lite {
            f32: Arc::new(tflite_file::float(net)),
            int8: Arc::new(tflite_file::quantised(&quantised)),
            rows: None,
        },
        rows,
        bundle,
        key,
    })
}
