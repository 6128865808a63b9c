//! Nets beyond chains of dense layers, of random weights: a Transformer over features, a recurrent and a
//! convolutional one. Written as PyTorch's exporter has them, with flat features.

use std::sync::Arc;

use fieldscore_models::compile::graph::Graph;
use fieldscore_models::compile::net::Rows;
use fieldscore_tests::random::Random;

use crate::engines::ours::Program;
use crate::failure::{Failure, Result};
use crate::onnx::{Attribute, File};

/// What they are called.
pub const NAMES: [&str; 3] = ["ft", "gru", "cnn"];
/// Rows that are run.
const ROWS: usize = 512;

/// A net for every engine that reads ONNX.
pub struct GraphNet {
    /// What it is called in the results.
    pub name: &'static str,
    /// Features to run it on.
    pub rows: Rows,
    /// Our plan in f32.
    pub f32: Arc<Program>,
    /// For ONNX Runtime, tract and rten: f32.
    pub onnx: Arc<Vec<u8>>,
}

/// The net of that name.
///
/// # Errors
/// Where the compiler refuses it.
pub fn net(name: &'static str) -> Result<GraphNet> {
    let (width, onnx) = match name {
        "ft" => (24, transformer()),
        "gru" => (12 * 16, recurrent()),
        _ => (8 * 24, convolutional()),
    };
    let mut random = Random::new(20_261_122);
    let values = (0..ROWS * width).map(|_| random.float(-2.0, 2.0));
    let rows = Rows::new(width, values.collect());
    let folder = tempfile::tempdir().map_err(Failure::at("temporary folder"))?;
    let path = folder.path().join("net.onnx");
    std::fs::write(&path, &onnx).map_err(Failure::at("temporary folder"))?;
    let graph = Graph::import(&path)?;
    let lowered = graph.lowered().clone();
    Ok(GraphNet {
        name,
        rows,
        f32: Program::new(lowered.plan, lowered.weights)?,
        onnx: Arc::new(onnx),
    })
}

/// A file whose weights are drawn as they are needed.
struct Drawn {
    file: File,
    random: Random,
    count: usize,
}

impl Drawn {
    fn new() -> Self {
        Self {
            file: File::default(),
            random: Random::new(20_260_903),
            count: 0,
        }
    }

    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}{}", self.count)
    }

    /// Numbers of a spread that keeps values at their size (Glorot, Bengio 2010) with `inputs` to sum.
    fn weights(&mut self, shape: &[usize], inputs: usize) -> String {
        let spread = (3.0 / inputs as f32).sqrt();
        let count = shape.iter().product();
        let values: Vec<f32> = (0..count)
            .map(|_| self.random.float(-spread, spread))
            .collect();
        let name = self.name("w");
        self.file.floats(&name, shape, &values);
        name
    }

    fn whole(&mut self, values: &[i64]) -> String {
        let name = self.name("n");
        self.file.whole(&name, values);
        name
    }

    fn node(&mut self, operator: &str, inputs: &[&str], attributes: &[(&str, Attribute<'_>)]) -> String {
        let name = self.name(operator);
        self.file.node(operator, inputs, &[&name], attributes);
        name
    }

    fn reshape(&mut self, x: &str, shape: &[i64]) -> String {
        let shape = self.whole(shape);
        self.node("Reshape", &[x, &shape], &[])
    }

    /// A linear layer over a sequence: MatMul and Add.
    fn linear(&mut self, x: &str, inputs: usize, outputs: usize) -> String {
        let w = self.weights(&[inputs, outputs], inputs);
        let b = self.weights(&[outputs], 300);
        let product = self.node("MatMul", &[x, &w], &[]);
        self.node("Add", &[&product, &b], &[])
    }

    fn layer_norm(&mut self, x: &str, width: usize) -> String {
        let (scale, bias) = (self.weights(&[width], 3), self.weights(&[width], 300));
        self.node("LayerNormalization", &[x, &scale, &bias], &[])
    }

    fn finish(mut self, x: &str, inputs: usize, width: usize) -> Vec<u8> {
        let (w, b) = (self.weights(&[width, 1], width), self.weights(&[1], 300));
        self.file.node("Gemm", &[x, &w, &b], &["output"], &[]);
        self.file.finish(inputs)
    }
}

/// FT-Transformer (Gorishniy et al. 2021): 24 features, 64 wide, 4 heads, 2 layers with 128 hidden units
/// and ReLU; the answer is read from a token of its own.
fn transformer() -> Vec<u8> {
    const FEATURES: usize = 24;
    const WIDTH: usize = 64;
    const HEADS: usize = 4;
    const HIDDEN: usize = 128;
    let tokens = FEATURES as i64 + 1;
    let (width, heads) = (WIDTH as i64, HEADS as i64);
    let mut net = Drawn::new();
    let each = net.reshape("features", &[-1, FEATURES as i64, 1]);
    let w = net.weights(&[FEATURES, WIDTH], 3);
    let x = net.node("Mul", &[&each, &w], &[]);
    let pads = net.whole(&[0, 1, 0, 0, 0, 0]);
    let x = net.node("Pad", &[&x, &pads], &[]);
    let own = net.weights(&[FEATURES + 1, WIDTH], 3);
    let mut x = net.node("Add", &[&x, &own], &[]);
    for _ in 0..2 {
        let normed = net.layer_norm(&x, WIDTH);
        let mut parts = Vec::new();
        for perm in [[0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]] {
            let part = net.linear(&normed, WIDTH, WIDTH);
            let part = net.reshape(&part, &[-1, tokens, heads, width / heads]);
            parts.push(net.node("Transpose", &[&part], &[("perm", Attribute::Whole(&perm))]));
        }
        let scores = net.node("MatMul", &[&parts[0], &parts[1]], &[]);
        let root = net.name("w");
        net.file.floats(&root, &[], &[((WIDTH / HEADS) as f32).sqrt()]);
        let scores = net.node("Div", &[&scores, &root], &[]);
        let shares = net.node("Softmax", &[&scores], &[("axis", Attribute::Number(3))]);
        let mixed = net.node("MatMul", &[&shares, &parts[2]], &[]);
        let perm = [("perm", Attribute::Whole(&[0, 2, 1, 3]))];
        let mixed = net.node("Transpose", &[&mixed], &perm);
        let mixed = net.reshape(&mixed, &[-1, tokens, width]);
        let mixed = net.linear(&mixed, WIDTH, WIDTH);
        x = net.node("Add", &[&x, &mixed], &[]);
        let normed = net.layer_norm(&x, WIDTH);
        let hidden = net.linear(&normed, WIDTH, HIDDEN);
        let hidden = net.node("Relu", &[&hidden], &[]);
        let hidden = net.linear(&hidden, HIDDEN, WIDTH);
        x = net.node("Add", &[&x, &hidden], &[]);
    }
    let first = net.name("n");
    net.file.index(&first, 0);
    let own = net.node("Gather", &[&x, &first], &[("axis", Attribute::Number(1))]);
    let own = net.layer_norm(&own, WIDTH);
    net.finish(&own, FEATURES, WIDTH)
}

/// Twelve steps of sixteen numbers, a GRU of 32 units.
fn recurrent() -> Vec<u8> {
    const UNITS: usize = 32;
    let mut net = Drawn::new();
    let x = net.reshape("features", &[-1, 12, 16]);
    let x = net.node("Transpose", &[&x], &[("perm", Attribute::Whole(&[1, 0, 2]))]);
    let w = net.weights(&[1, 3 * UNITS, 16], 16);
    let r = net.weights(&[1, 3 * UNITS, UNITS], UNITS);
    let b = net.weights(&[1, 6 * UNITS], 300);
    let attributes = [
        ("hidden_size", Attribute::Number(UNITS as u64)),
        ("linear_before_reset", Attribute::Number(1)),
    ];
    net.file.node("GRU", &[&x, &w, &r, &b], &["all", "last"], &attributes);
    let axes = net.whole(&[0]);
    let last = net.node("Squeeze", &["last", &axes], &[]);
    net.finish(&last, 12 * 16, UNITS)
}

/// Eight series of 24 places: two convolutions of three taps, 32 and 64 channels, ReLU, the mean.
fn convolutional() -> Vec<u8> {
    let mut net = Drawn::new();
    let mut x = net.reshape("features", &[-1, 8, 24]);
    for (inputs, outputs) in [(8, 32), (32, 64)] {
        let w = net.weights(&[outputs, inputs, 3], 3 * inputs);
        let b = net.weights(&[outputs], 300);
        let taps = [
            ("kernel_shape", Attribute::Whole(&[3][..])),
            ("pads", Attribute::Whole(&[1, 1])),
        ];
        x = net.node("Conv", &[&x, &w, &b], &taps);
        x = net.node("Relu", &[&x], &[]);
    }
    let x = net.node("GlobalAveragePool", &[&x], &[]);
    let x = net.node("Flatten", &[&x], &[]);
    net.finish(&x, 8 * 24, 64)
}
