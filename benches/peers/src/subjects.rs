//! What is measured: random dense nets of given widths, and the credit model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fieldscore_models::applications::{Batch, ReadOptions, Reader, Source};
use fieldscore_models::compile::import::import;
use fieldscore_models::compile::net::{Layer, Net, Rows};
use fieldscore_models::keys::Signing;
use fieldscore_models::recipe::Precision;
use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::schema::transform::Encoding;
use fieldscore_runtime::{DecimalMark, Scorer};
use fieldscore_tests::fixture::{self, Parts};
use fieldscore_tests::random::Random;

use crate::engines::ours::{Program, compile};
use crate::failure::{Failure, Result};
use crate::quantised::Quantised;
use crate::{onnx, tflite_file};

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
    /// For TensorFlow Lite: f32.
    pub tflite: Arc<Vec<u8>>,
    /// The same in int8.
    pub tflite_int8: Arc<Vec<u8>>,
    /// A signed bundle of it.
    pub bundle: Vec<u8>,
    /// The key that the bundle is signed with.
    pub key: [u8; 32],
}

/// The names of all subjects.
pub fn names() -> impl Iterator<Item = &'static str> {
    NETS.iter().map(|net| net.0).chain(["credit"])
}

/// The subject of that name.
///
/// # Errors
/// Where a file is missing or the compiler refuses the net.
pub fn subject(name: &str) -> Result<Subject> {
    match NETS.iter().find(|net| net.0 == name) {
        Some((name, widths)) => random(name, widths),
        None => credit(),
    }
}

/// A net of random weights that keep values at their size (He et al. 2015, "Delving deep into
/// rectifiers", section 2.2).
fn random(name: &'static str, widths: &[usize]) -> Result<Subject> {
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
    let values = (0..ROWS * width).map(|_| random.float(-2.0, 2.0));
    let rows = Rows::new(width, values.collect());
    let onnx = onnx::float(&written);
    // Through the file, as any model comes.
    let folder = tempfile::tempdir().map_err(Failure::at("temporary folder"))?;
    let path = folder.path().join("net.onnx");
    std::fs::write(&path, &onnx).map_err(Failure::at("temporary folder"))?;
    let net = import(&path)?.net;
    let int8 = compile(&net, &rows, Precision::Int8)?;
    let mut parts = of_features(width);
    (parts.plan, parts.weights) = (int8.plan.clone(), int8.weights.clone());
    let key = fixture::key().public();
    assemble(name, &net, rows, onnx, int8, parts.bundle(), key)
}

/// The parts of a bundle with one field, whose value becomes each of `width` features.
fn of_features(width: usize) -> Parts {
    let mut parts = fixture::linear(&[("x", "R1", 1.0)]);
    parts.transforms.blocks = (0..width)
        .map(|at| fixture::block(&format!("x{at}"), 0, Encoding::Plain))
        .collect();
    parts
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
    let shipped = Program::new(scorer.executable().plan().clone(), weights.to_vec())?;
    let mut subject = assemble("credit", &net, rows, read(&path)?, int8, bundle, key)?;
    subject.shipped = Some(shipped);
    Ok(subject)
}

/// The first of the golden applications of the credit bundle.
///
/// # Errors
/// Where the file is missing or doesn't fit the bundle.
pub fn applications(scorer: &Scorer) -> Result<Batch> {
    let path = root().join("tests/golden/credit/applications.csv");
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
    int8: fieldscore_models::compile::lower::Lowered,
    bundle: Vec<u8>,
    key: [u8; 32],
) -> Result<Subject> {
    let float = compile(net, &rows, Precision::F32)?;
    let quantised = Quantised::of(net, &rows);
    Ok(Subject {
        name,
        multiply_adds: net.multiply_adds() as u64,
        f32: Program::new(float.plan, float.weights)?,
        int8: Program::new(int8.plan, int8.weights)?,
        shipped: None,
        onnx: Arc::new(onnx),
        onnx_int8: Arc::new(onnx::quantised(&quantised)),
        tflite: Arc::new(tflite_file::float(net)),
        tflite_int8: Arc::new(tflite_file::quantised(&quantised)),
        rows,
        bundle,
        key,
    })
}
