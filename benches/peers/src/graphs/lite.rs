//! The recurrent and the convolutional net as files for TensorFlow Lite, of the operators that its
//! converter makes of them: a convolution of series is one over places of two axes, a GRU is unrolled.
//!
//! While a net is written it is run on rows, so that every value has its range for int8.

use fieldscore_models::compile::net::{Layer, Rows};

use super::{CHANNELS, PLACES, STEPS, UNITS, WIDTH};
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

/// A net under construction.
struct Writer<'b> {
    file: File<'b>,
    int8: bool,
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
        let tensor = match self.int8 {
            true => self.file.bytes(&name, shape, codes),
            false => self.file.floats(&name, shape),
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
        if !self.int8 {
            return (value.tensor, value);
        }
        let floats = self.file.floats("features", &shape);
        self.file
            .operator(lite::QUANTIZE, &[floats], &[value.tensor], Options::None);
        (floats, value)
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
        let [weights, bias] = match self.int8 {
            true => {
                let layer = QuantisedLayer::of(layer, x.codes, y.codes);
                self.file.quantised(&name, &layer, &shape)
            }
            false => self.file.layer(&name, layer, &shape),
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
        if self.int8 {
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

fn writer<'b>(int8: bool) -> Writer<'b> {
    Writer {
        file: File::new(),
        int8,
        count: 0,
    }
}

/// The convolutional net; its layers' weights as `[output][tap][channel]`, features channels innermost.
pub fn convolutional(layers: &[Layer; 3], rows: &Rows, int8: bool) -> Vec<u8> {
    let mut net = writer(int8);
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
pub fn recurrent(gates: &[Layer; 2], last: &Layer, rows: &Rows, int8: bool) -> Vec<u8> {
    let mut net = writer(int8);
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
