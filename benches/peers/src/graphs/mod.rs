//! Nets beyond chains of dense layers, of random weights: a Transformer over features, a recurrent and a
//! convolutional one.

mod lite;
mod onnx;

use std::sync::Arc;

use fieldscore_models::compile::graph::Graph;
use fieldscore_models::compile::net::{Layer, Rows};
use fieldscore_models::recipe::Precision;
use fieldscore_tests::random::Random;

use self::lite::Numbers;
use crate::engines::ours::Program;
use crate::failure::Result;
use crate::subjects::{Lite, Subject, bundle};

/// What they are called.
pub const NAMES: [&str; 3] = ["ft", "gru", "cnn"];
/// Rows that int8 ranges are fitted on, and that are run.
const ROWS: usize = 512;

/// The Transformer's features, width, heads and hidden units; it has two layers.
const FEATURES: usize = 24;
const MODEL: usize = 64;
const HEADS: usize = 4;
const HIDDEN: usize = 128;
/// The recurrent net's steps, the numbers of each, and its units.
const STEPS: usize = 12;
const WIDTH: usize = 16;
const UNITS: usize = 32;
/// The convolutional net's series and their places; its layers have 32 and 64 channels and three taps.
const CHANNELS: usize = 8;
const PLACES: usize = 24;

/// The net of that name.
///
/// # Errors
/// Where the compiler or tract refuses it.
pub fn subject(name: &'static str) -> Result<Subject> {
    let mut draw = Draw::new();
    let (rows, files, tflite) = match name {
        "ft" => {
            let (rows, net) = (rows(FEATURES), Transformer::new(&mut draw));
            let files = onnx::transformer(&net, &rows)?;
            // As its converter leaves a model that it has no rows for: norms stay in f32.
            let [f32, int8] = [Numbers::Float, Numbers::WeightBytes]
                .map(|numbers| Arc::new(lite::transformer(&net, numbers)));
            let lite = Lite {
                f32,
                int8,
                rows: None,
            };
            (rows, files, lite)
        }
        "gru" => {
            let rows = rows(STEPS * WIDTH);
            let mut gates = [WIDTH, UNITS].map(|inputs| draw.layer(inputs, 3 * UNITS, false));
            gates[1].bias.fill(0.0);
            let last = draw.layer(UNITS, 1, false);
            let files = onnx::recurrent(&gates, &last, &rows)?;
            let [f32, int8] = [Numbers::Float, Numbers::Bytes]
                .map(|numbers| Arc::new(lite::recurrent(&gates, &last, &rows, numbers)));
            let lite = Lite {
                f32,
                int8,
                rows: None,
            };
            (rows, files, lite)
        }
        _ => {
            let rows = rows(CHANNELS * PLACES);
            let mut layers = [
                draw.layer(3 * CHANNELS, 32, true),
                draw.layer(3 * 32, 64, true),
                draw.layer(64, 1, false),
            ];
            let files = onnx::convolutional(&layers, &rows)?;
            // TensorFlow has channels innermost, in features and weights.
            let series = |row| innermost(row, CHANNELS);
            let values = rows.values.chunks_exact(rows.width).flat_map(series);
            let turned = Rows::new(rows.width, values.collect());
            for layer in &mut layers[..2] {
                let rows = layer.weights.chunks_exact(layer.inputs);
                layer.weights = rows.flat_map(|row| innermost(row, row.len() / 3)).collect();
            }
            let [f32, int8] = [Numbers::Float, Numbers::Bytes]
                .map(|numbers| Arc::new(lite::convolutional(&layers, &turned, numbers)));
            let lite = Lite {
                f32,
                int8,
                rows: Some(Arc::new(turned)),
            };
            (rows, files, lite)
        }
    };
    let graph = Graph::of_bytes(&files.float, name.to_owned())?;
    let float = graph.lowered().clone();
    let quantiser = graph.quantiser(&rows)?;
    let int8 = quantiser.lower(&vec![Precision::Int8; quantiser.layers.len()])?;
    let (bundle, key) = bundle(rows.width, &int8);
    let f32 = Program::new(float.plan, float.weights)?;
    Ok(Subject {
        name,
        multiply_adds: f32.multiply_adds(),
        batches: &[1],
        f32,
        int8: Program::new(int8.plan, int8.weights)?,
        shipped: None,
        rows,
        onnx: Arc::new(files.float),
        onnx_int8: Arc::new(files.int8),
        tflite,
        bundle,
        key,
    })
}

fn rows(width: usize) -> Rows {
    let mut random = Random::new(20_261_122);
    let values = (0..ROWS * width).map(|_| random.float(-2.0, 2.0));
    Rows::new(width, values.collect())
}

/// `[channels][n]` as `[n][channels]`.
fn innermost(values: &[f32], channels: usize) -> Vec<f32> {
    let n = values.len() / channels;
    let at = |at: usize| values[at % channels * n + at / channels];
    (0..values.len()).map(at).collect()
}

/// FT-Transformer (Gorishniy et al. 2021) with ReLU; the answer is read from a token of its own.
struct Transformer {
    /// For each feature and column.
    features: Vec<f32>,
    /// What is added to each token, the answer's first.
    tokens: Vec<f32>,
    blocks: [Block; 2],
    norm: Norm,
    last: Layer,
}

/// Attention and a feed-forward layer, each behind a norm and added to what it reads.
struct Block {
    norms: [Norm; 2],
    /// Queries, keys, values, and what is made of the mixed values.
    attention: [Layer; 4],
    hidden: [Layer; 2],
}

/// A layer norm's factors and what is added, for each column.
struct Norm {
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Transformer {
    fn new(draw: &mut Draw) -> Self {
        Self {
            features: draw.list(FEATURES * MODEL, 3),
            tokens: draw.list((FEATURES + 1) * MODEL, 3),
            blocks: [(); 2].map(|()| Block {
                norms: [(); 2].map(|()| draw.norm()),
                attention: [(); 4].map(|()| draw.layer(MODEL, MODEL, false)),
                hidden: [
                    draw.layer(MODEL, HIDDEN, true),
                    draw.layer(HIDDEN, MODEL, false),
                ],
            }),
            norm: draw.norm(),
            last: draw.layer(MODEL, 1, false),
        }
    }
}

/// Random numbers for weights.
struct Draw(Random);

impl Draw {
    fn new() -> Self {
        Self(Random::new(20_260_903))
    }

    /// Numbers of a spread that keeps values at their size (Glorot, Bengio 2010) with `inputs` to sum.
    fn list(&mut self, count: usize, inputs: usize) -> Vec<f32> {
        let spread = (3.0 / inputs as f32).sqrt();
        (0..count).map(|_| self.0.float(-spread, spread)).collect()
    }

    fn norm(&mut self) -> Norm {
        Norm {
            scale: self.list(MODEL, 3),
            bias: self.list(MODEL, 300),
        }
    }

    fn layer(&mut self, inputs: usize, outputs: usize, relu: bool) -> Layer {
        Layer {
            name: String::new(),
            inputs,
            outputs,
            weights: self.list(inputs * outputs, inputs),
            bias: self.list(outputs, 300),
            relu,
        }
    }
}
