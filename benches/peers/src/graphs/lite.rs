//! The nets as files for TensorFlow Lite, of the operators that its
//! converter makes of them: a convolution of series is one over places of two axes, a GRU is unrolled.
//!
//! While the recurrent and the convolutional net are written, they are run on rows, so that every value has
//! its range for int8. The Transformer's values stay in f32.

use fieldscore_models::compile::net::{Layer, Rows};

use super::{CHANNELS, FEATURES, HEADS, MODEL, Norm, PLACES, STEPS, Transformer, UNITS, WIDTH};
use crate::quantised::{Codes, QuantisedLayer};
use crate::tflite_file as lite;
use crate::tflite_file::{File, Options};

/// What bytes of a sigmoid and a tanh are in TensorFlow Lite: it fixes them.
const LOGISTIC: Codes = Codes {
    scale: 1.0 / 256.0,
    zero: 0,
};
const TANH: Codes = Codes {
    scale: 1.0 / 128.0,
    zero: 128,
};

/// A value that the net computes.
#[derive(Debug, Clone)]
struct Value {
    tensor: i32,
    shape: Vec<i32>,
    codes: Codes,
    /// What it is on each row.
    rows: Vec<Vec<f32>>,
}

/// Smaller layers keep their weights in f32, where only weights become bytes.
const LEAST_BYTES: usize = 1024;

/// How numbers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// In f32.
    Float,
    /// Weights as bytes, values in f32, whose ranges are found in each call: "dynamic range".
    WeightBytes,
    /// All as bytes, but the features and the output: "full integer".
    Bytes,
}

/// A net under construction.
struct Writer<'b> {
    file: File<'b>,
    numbers: Numbers,
    count: usize,
}

impl Writer<'_> {
    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}{}", self.count)
    }

    /// A value of `rows`, in codes that fit them unless they are given.
    fn value(&mut self, shape: &[i32], rows: Vec<Vec<f32>>, codes: Option<Codes>) -> Value {
        let codes = codes.unwrap_or_else(|| Codes::fit(&rows.concat()));
        let name = self.name("v");
        let tensor = match self.numbers {
            Numbers::Bytes => self.file.bytes(&name, shape, codes),
            _ => self.file.floats(&name, shape),
        };
        Value {
            tensor,
            shape: shape.to_vec(),
            codes,
            rows,
        }
    }

    /// The features: their tensor, and the value that the net reads.
    fn features(&mut self, rows: &Rows) -> (i32, Value) {
        let shape = [1, rows.width as i32];
        let all = rows.values.chunks_exact(rows.width);
        let all: Vec<Vec<f32>> = all.map(<[f32]>::to_vec).collect();
        let value = self.value(&shape, all, None);
        if self.numbers != Numbers::Bytes {
            return (value.tensor, value);
        }
        let floats = self.file.floats("features", &shape);
        self.file
            .operator(lite::QUANTIZE, &[floats], &[value.tensor], Options::None);
        (floats, value)
    }

    /// A node of f32 whose values nobody needs to know.
    fn node(&mut self, operator: i32, inputs: &[i32], shape: &[i32], options: Options) -> Value {
        let y = self.value(shape, Vec::new(), None);
        self.file.operator(operator, inputs, &[y.tensor], options);
        y
    }

    /// A node of a value and a list of whole numbers.
    fn listed(&mut self, operator: i32, x: &Value, lists: &[&[i32]], shape: &[i32]) -> Value {
        let mut inputs = vec![x.tensor];
        for list in lists {
            let name = self.name("list");
            inputs.push(self.file.whole(&name, list, false));
        }
        self.node(operator, &inputs, shape, Options::None)
    }

    /// A constant of f32.
    fn constant(&mut self, values: &[f32], shape: &[i32]) -> i32 {
        let name = self.name("c");
        self.file.constant(&name, values, shape)
    }

    /// A norm over columns, as its parts.
    fn layer_norm(&mut self, x: &Value, norm: &Norm) -> Value {
        let (places, width) = (x.shape[0], MODEL as i32);
        let (all, each) = ([places, width], [places, 1]);
        let mean = |net: &mut Self, x: i32| {
            let axes = net.file.whole("axes", &[1], false);
            net.node(lite::MEAN, &[x, axes], &each, Options::KeepAxes)
        };
        let middle = mean(self, x.tensor);
        let inputs = [x.tensor, middle.tensor];
        let squares = self.node(lite::SQUARED_DIFFERENCE, &inputs, &all, Options::None);
        let variance = mean(self, squares.tensor);
        let least = self.constant(&[1e-5], &[1]);
        let inputs_of_sum = [variance.tensor, least];
        let sum = self.node(lite::ADD, &inputs_of_sum, &each, Options::None);
        let factor = self.node(lite::RSQRT, &[sum.tensor], &each, Options::None);
        let mut y = self.node(lite::SUB, &inputs, &all, Options::None);
        y = self.node(lite::MUL, &[y.tensor, factor.tensor], &all, Options::None);
        let scale = self.constant(&norm.scale, &[width]);
        y = self.node(lite::MUL, &[y.tensor, scale], &all, Options::None);
        let bias = self.constant(&norm.bias, &[width]);
        self.node(lite::ADD, &[y.tensor, bias], &all, Options::None)
    }

    fn reshape(&mut self, x: &Value, shape: &[i32]) -> Value {
        let name = self.name("shape");
        let list = self.file.whole(&name, shape, false);
        let y = self.value(shape, x.rows.clone(), Some(x.codes));
        self.file
            .operator(lite::RESHAPE, &[x.tensor, list], &[y.tensor], Options::None);
        y
    }

    /// A layer over the places of `x`, each of which reads `taps` of them; a ReLU is the lower end of the
    /// bytes.
    fn layer(&mut self, x: &Value, layer: &Layer, taps: usize) -> Value {
        let run = |row: &Vec<f32>| convolved(row, layer, taps);
        let rows = x.rows.iter().map(run).collect();
        let mut shape = x.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = layer.outputs as i32;
        }
        let y = self.value(&shape, rows, None);
        let (outputs, inputs) = (layer.outputs as i32, (layer.inputs / taps) as i32);
        let (operator, shape, options) = match taps {
            1 => (
                lite::FULLY_CONNECTED,
                vec![outputs, inputs],
                Options::Dense(layer.relu),
            ),
            taps => (
                lite::CONV_2D,
                vec![outputs, 1, taps as i32, inputs],
                Options::Convolution(layer.relu),
            ),
        };
        let name = self.name("");
        let bytes = QuantisedLayer::of(layer, x.codes, y.codes);
        let [weights, bias] = match self.numbers {
            Numbers::Float => self.file.layer(&name, layer, &shape),
            Numbers::WeightBytes if layer.weights.len() >= LEAST_BYTES => {
                self.file.weight_bytes(&name, layer, &bytes, &shape)
            }
            Numbers::WeightBytes => self.file.layer(&name, layer, &shape),
            Numbers::Bytes => self.file.quantised(&name, &bytes, &shape),
        };
        self.file
            .operator(operator, &[x.tensor, weights, bias], &[y.tensor], options);
        y
    }

    /// The mean over places.
    fn mean(&mut self, x: &Value, channels: usize) -> Value {
        let places = |row: &Vec<f32>| (row.len() / channels) as f32;
        let mean = |row: &Vec<f32>| {
            let sum = |c| row.iter().skip(c).step_by(channels).sum::<f32>();
            (0..channels).map(|c| sum(c) / places(row)).collect()
        };
        let y = self.value(
            &[1, channels as i32],
            x.rows.iter().map(mean).collect(),
            None,
        );
        let axes = self.file.whole("axes", &[1, 2], false);
        self.file
            .operator(lite::MEAN, &[x.tensor, axes], &[y.tensor], Options::None);
        y
    }

    fn two(&mut self, operator: i32, a: &Value, b: &Value) -> Value {
        let one = |a: f32, b: f32| match operator {
            lite::ADD => a + b,
            lite::SUB => a - b,
            _ => a * b,
        };
        let both = |(a, b): (&Vec<f32>, &Vec<f32>)| {
            let pairs = a.iter().zip(b);
            pairs.map(|(&a, &b)| one(a, b)).collect()
        };
        let rows = a.rows.iter().zip(&b.rows).map(both).collect();
        let y = self.value(&a.shape, rows, None);
        self.file
            .operator(operator, &[a.tensor, b.tensor], &[y.tensor], Options::None);
        y
    }

    fn each(&mut self, operator: i32, x: &Value) -> Value {
        let (codes, one): (Codes, fn(f32) -> f32) = match operator {
            lite::TANH => (TANH, f32::tanh),
            _ => (LOGISTIC, |x| 1.0 / (1.0 + (-x).exp())),
        };
        let run = |row: &Vec<f32>| row.iter().copied().map(one).collect();
        let y = self.value(&x.shape, x.rows.iter().map(run).collect(), Some(codes));
        self.file
            .operator(operator, &[x.tensor], &[y.tensor], Options::None);
        y
    }

    /// Equal parts along the first axis of two if `axis` is 0, along the last if it is 1.
    fn split(&mut self, x: &Value, axis: usize, parts: usize) -> Vec<Value> {
        let mut shape = x.shape.clone();
        shape[axis] /= parts as i32;
        let part =
            |row: &Vec<f32>, at: usize| row[row.len() / parts * at..][..row.len() / parts].to_vec();
        let values: Vec<Value> = (0..parts)
            .map(|at| {
                let rows = x.rows.iter().map(|row| part(row, at)).collect();
                self.value(&shape, rows, Some(x.codes))
            })
            .collect();
        let outputs: Vec<i32> = values.iter().map(|value| value.tensor).collect();
        let axis = self.file.whole("axis", &[axis as i32], true);
        let options = Options::Split(parts as i32);
        self.file
            .operator(lite::SPLIT, &[axis, x.tensor], &outputs, options);
        values
    }

    /// Sigmoids of the sums of both gates, apart.
    fn gates(&mut self, sums: &Value) -> Vec<Value> {
        let gates = self.each(lite::LOGISTIC, sums);
        self.split(&gates, 1, 2)
    }

    fn finish(mut self, input: i32, x: &Value) -> Vec<u8> {
        let mut output = x.tensor;
        if self.numbers == Numbers::Bytes {
            output = self.file.floats("output", &[1, 1]);
            self.file
                .operator(lite::DEQUANTIZE, &[x.tensor], &[output], Options::None);
        }
        self.file.finish(input, output)
    }
}

/// A layer over places whose channels are innermost, `taps` of them read by each, zeros around.
fn convolved(row: &[f32], layer: &Layer, taps: usize) -> Vec<f32> {
    let channels = layer.inputs / taps;
    let places = row.len() / channels;
    let mut out = Vec::with_capacity(places * layer.outputs);
    for place in 0..places {
        for (weights, bias) in layer.weights.chunks_exact(layer.inputs).zip(&layer.bias) {
            let mut sum = *bias;
            for (tap, weights) in weights.chunks_exact(channels).enumerate() {
                let read = (place + tap)
                    .checked_sub(taps / 2)
                    .filter(|at| *at < places);
                let values = read.map_or(&[][..], |at| &row[at * channels..][..channels]);
                sum += values.iter().zip(weights).map(|(x, w)| x * w).sum::<f32>();
            }
            out.push(if layer.relu { sum.max(0.0) } else { sum });
        }
    }
    out
}

fn writer<'b>(numbers: Numbers) -> Writer<'b> {
    Writer {
        file: File::new(),
        numbers,
        count: 0,
    }
}

/// The Transformer, whose values stay in f32.
pub fn transformer(weights: &Transformer, numbers: Numbers) -> Vec<u8> {
    let mut net = writer(numbers);
    let (features, tokens) = (FEATURES as i32, FEATURES as i32 + 1);
    let (width, heads, head) = (MODEL as i32, HEADS as i32, (MODEL / HEADS) as i32);
    let (input, x) = net.features(&Rows::new(FEATURES, Vec::new()));
    let x = net.reshape(&x, &[features, 1]);
    let w = net.constant(&weights.features, &[features, width]);
    let x = net.node(lite::MUL, &[x.tensor, w], &[features, width], Options::None);
    let all = [tokens, width];
    let name = net.name("pads");
    let pads = net.file.pairs(&name, &[1, 0, 0, 0]);
    let x = net.node(lite::PAD, &[x.tensor, pads], &all, Options::None);
    let own = net.constant(&weights.tokens, &all);
    let mut x = net.node(lite::ADD, &[x.tensor, own], &all, Options::None);
    for block in &weights.blocks {
        let normed = net.layer_norm(&x, &block.norms[0]);
        let parts = [0, 1, 2].map(|part| {
            let part = net.layer(&normed, &block.attention[part], 1);
            let part = net.reshape(&part, &[tokens, heads, head]);
            let shape = [heads, tokens, head];
            net.listed(lite::TRANSPOSE, &part, &[&[1, 0, 2]], &shape)
        });
        let [queries, keys, values] = parts.each_ref().map(|part| part.tensor);
        let shape = [heads, tokens, tokens];
        let scores = Options::Product { turned: true };
        let scores = net.node(lite::BATCH_MATMUL, &[queries, keys], &shape, scores);
        let factor = net.constant(&[1.0 / (head as f32).sqrt()], &[1]);
        let inputs = [scores.tensor, factor];
        let scores = net.node(lite::MUL, &inputs, &shape, Options::None);
        let shares = net.node(lite::SOFTMAX, &[scores.tensor], &shape, Options::Softmax);
        let mixed = net.node(
            lite::BATCH_MATMUL,
            &[shares.tensor, values],
            &[heads, tokens, head],
            Options::Product { turned: false },
        );
        let shape = [tokens, heads, head];
        let mixed = net.listed(lite::TRANSPOSE, &mixed, &[&[1, 0, 2]], &shape);
        let mixed = net.reshape(&mixed, &all);
        let mixed = net.layer(&mixed, &block.attention[3], 1);
        x = net.node(lite::ADD, &[x.tensor, mixed.tensor], &all, Options::None);
        let mut hidden = net.layer_norm(&x, &block.norms[1]);
        for layer in &block.hidden {
            hidden = net.layer(&hidden, layer, 1);
        }
        x = net.node(lite::ADD, &[x.tensor, hidden.tensor], &all, Options::None);
    }
    let own = net.listed(lite::SLICE, &x, &[&[0, 0], &[1, width]], &[1, width]);
    let own = net.layer_norm(&own, &weights.norm);
    let x = net.layer(&own, &weights.last, 1);
    net.finish(input, &x)
}

/// The convolutional net; its layers' weights as `[output][tap][channel]`, features channels innermost.
pub fn convolutional(layers: &[Layer; 3], rows: &Rows, numbers: Numbers) -> Vec<u8> {
    let mut net = writer(numbers);
    let (input, x) = net.features(rows);
    let x = net.reshape(&x, &[1, 1, PLACES as i32, CHANNELS as i32]);
    let x = net.layer(&x, &layers[0], 3);
    let x = net.layer(&x, &layers[1], 3);
    let x = net.mean(&x, layers[1].outputs);
    let x = net.layer(&x, &layers[2], 1);
    net.finish(input, &x)
}

/// The recurrent net, `gates` of the features and of the state in the order z, r, n (Cho et al. 2014, with
/// the reset behind the product): all steps' products with features are one layer.
pub fn recurrent(gates: &[Layer; 2], last: &Layer, rows: &Rows, numbers: Numbers) -> Vec<u8> {
    let mut net = writer(numbers);
    let (input, x) = net.features(rows);
    let x = net.reshape(&x, &[STEPS as i32, WIDTH as i32]);
    let [of_features, of_state] = gates
        .each_ref()
        .map(|layer| [part(layer, 0..2 * UNITS), part(layer, 2 * UNITS..3 * UNITS)]);
    let all = of_features.map(|layer| net.layer(&x, &layer, 1));
    let [gates, new] = all.map(|x| net.split(&x, 0, STEPS));
    let mut state: Option<Value> = None;
    for (gates, new) in gates.iter().zip(&new) {
        state = Some(match state {
            // Of zeros, whose products are zeros too: they have no bias.
            None => {
                let gates = net.gates(gates);
                let new = net.each(lite::TANH, new);
                let change = net.two(lite::MUL, &gates[0], &new);
                net.two(lite::SUB, &new, &change)
            }
            Some(before) => {
                let of_gates = net.layer(&before, &of_state[0], 1);
                let gates = net.two(lite::ADD, gates, &of_gates);
                let gates = net.gates(&gates);
                let of_new = net.layer(&before, &of_state[1], 1);
                let of_new = net.two(lite::MUL, &gates[1], &of_new);
                let new = net.two(lite::ADD, new, &of_new);
                let new = net.each(lite::TANH, &new);
                let change = net.two(lite::SUB, &before, &new);
                let change = net.two(lite::MUL, &gates[0], &change);
                net.two(lite::ADD, &new, &change)
            }
        });
    }
    let x = net.layer(&state.unwrap_or(x), last, 1);
    net.finish(input, &x)
}

/// Some outputs of a layer.
fn part(layer: &Layer, outputs: std::ops::Range<usize>) -> Layer {
    let weights = outputs.start * layer.inputs..outputs.end * layer.inputs;
    Layer {
        name: layer.name.clone(),
        inputs: layer.inputs,
        outputs: outputs.len(),
        weights: layer.weights[weights].to_vec(),
        bias: layer.bias[outputs].to_vec(),
        relu: layer.relu,
    }
}
