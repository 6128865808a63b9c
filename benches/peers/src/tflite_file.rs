//! TensorFlow Lite files, in float and in full-integer int8 between QUANTIZE and DEQUANTIZE: what they
//! are put together from, and chains of FULLY_CONNECTED.
//!
//! Fields are numbered as in `schema.fbs` (schema version 3); a field's place in its table's vtable
//! is 4 + 2 · its number.

use fieldscore_models::compile::net::{Layer, Net};
use flatbuffers::{
    FlatBufferBuilder, Push, PushAlignment, TableFinishedWIPOffset, UnionWIPOffset, WIPOffset,
};

use crate::quantised::{Codes, Quantised, QuantisedLayer};

const FLOAT32: i8 = 0;
const INT32: i8 = 2;
const INT8: i8 = 9;

/// Operators, as BuiltinOperator numbers them.
pub const ADD: i32 = 0;
/// Over places of two axes.
pub const CONV_2D: i32 = 3;
/// From bytes.
pub const DEQUANTIZE: i32 = 6;
/// A dense layer.
pub const FULLY_CONNECTED: i32 = 9;
/// The sigmoid.
pub const LOGISTIC: i32 = 14;
/// Of two values.
pub const MUL: i32 = 18;
/// The same values in another shape.
pub const RESHAPE: i32 = 22;
/// Element by element.
pub const TANH: i32 = 28;
/// The exponential's shares of the last axis.
pub const SOFTMAX: i32 = 25;
/// With zeros around.
pub const PAD: i32 = 34;
/// With axes in another order.
pub const TRANSPOSE: i32 = 39;
/// Over some axes.
pub const MEAN: i32 = 40;
/// Of two values.
pub const SUB: i32 = 41;
/// Into equal parts.
pub const SPLIT: i32 = 49;
/// A part, by its start and size.
pub const SLICE: i32 = 65;
/// `1 / √x`
pub const RSQRT: i32 = 76;
/// `(a − b)²`
pub const SQUARED_DIFFERENCE: i32 = 99;
/// To bytes.
pub const QUANTIZE: i32 = 114;
/// Of two computed values, matrix by matrix.
pub const BATCH_MATMUL: i32 = 126;
/// The operators in the order of their codes in the file, each with its version: where int8 is written,
/// the one that takes it.
const OPERATORS: [(i32, i32); 19] = [
    (FULLY_CONNECTED, 4),
    (QUANTIZE, 1),
    (DEQUANTIZE, 2),
    (CONV_2D, 3),
    (ADD, 2),
    (SUB, 2),
    (MUL, 2),
    (LOGISTIC, 2),
    (TANH, 2),
    (RESHAPE, 1),
    (MEAN, 2),
    (SPLIT, 2),
    (SOFTMAX, 1),
    (PAD, 1),
    (TRANSPOSE, 1),
    (SLICE, 1),
    (RSQRT, 1),
    (SQUARED_DIFFERENCE, 1),
    (BATCH_MATMUL, 1),
];
const RELU: i8 = 1;
/// Of a convolution: zeros around, so that there are as many places as before.
const SAME: i8 = 0;

/// What is said with an operator, of the union BuiltinOptions.
#[derive(Debug, Clone, Copy)]
pub enum Options {
    /// Nothing.
    None,
    /// FullyConnectedOptions, whether a ReLU follows.
    Dense(bool),
    /// Conv2DOptions of one place a step, with zeros around, whether a ReLU follows.
    Convolution(bool),
    /// SplitOptions: into how many.
    Split(i32),
    /// SoftmaxOptions of one.
    Softmax,
    /// ReducerOptions: what is reduced stays as an axis of one.
    KeepAxes,
    /// BatchMatMulOptions.
    Product {
        /// Whether the second's matrices are transposed.
        turned: bool,
    },
}

type Table = WIPOffset<TableFinishedWIPOffset>;

/// A byte of a buffer, which readers want to begin at a multiple of 16.
#[derive(Debug, Clone, Copy)]
struct Byte(u8);

impl Push for Byte {
    type Output = u8;

    unsafe fn push(&self, to: &mut [u8], _: usize) {
        to[0] = self.0;
    }

    fn alignment() -> PushAlignment {
        PushAlignment::new(16)
    }
}

const fn slot(field: u16) -> u16 {
    4 + 2 * field
}

/// A file under construction.
pub struct File<'b> {
    builder: FlatBufferBuilder<'b>,
    /// Buffer 0 is empty: what computed tensors have.
    buffers: Vec<Table>,
    tensors: Vec<Table>,
    operators: Vec<Table>,
}

impl File<'_> {
    /// An empty one.
    pub fn new() -> Self {
        let mut file = Self {
            builder: FlatBufferBuilder::new(),
            buffers: Vec::new(),
            tensors: Vec::new(),
            operators: Vec::new(),
        };
        let start = file.builder.start_table();
        file.buffers.push(file.builder.end_table(start));
        file
    }

    /// A tensor: its number.
    fn tensor(
        &mut self,
        name: &str,
        shape: &[i32],
        kind: i8,
        data: Option<&[u8]>,
        codes: Option<(&[f32], &[i64])>,
    ) -> i32 {
        let builder = &mut self.builder;
        let buffer = data.map_or(0, |data| {
            let data: Vec<Byte> = data.iter().copied().map(Byte).collect();
            let data = builder.create_vector(&data);
            let start = builder.start_table();
            builder.push_slot_always(slot(0), data);
            self.buffers.push(builder.end_table(start));
            self.buffers.len() as u32 - 1
        });
        let codes = codes.map(|(scale, zero)| {
            let (scale, zero) = (builder.create_vector(scale), builder.create_vector(zero));
            let start = builder.start_table();
            builder.push_slot_always(slot(2), scale);
            builder.push_slot_always(slot(3), zero);
            builder.push_slot_always(slot(6), 0i32);
            builder.end_table(start)
        });
        let (shape, name) = (builder.create_vector(shape), builder.create_string(name));
        let start = builder.start_table();
        builder.push_slot_always(slot(0), shape);
        builder.push_slot_always(slot(1), kind);
        builder.push_slot_always(slot(2), buffer);
        builder.push_slot_always(slot(3), name);
        if let Some(codes) = codes {
            builder.push_slot_always(slot(4), codes);
        }
        self.tensors.push(builder.end_table(start));
        self.tensors.len() as i32 - 1
    }

    /// An operator that reads and writes tensors.
    pub fn operator(&mut self, code: i32, inputs: &[i32], outputs: &[i32], options: Options) {
        let index = OPERATORS.iter().position(|(known, _)| *known == code);
        let builder = &mut self.builder;
        let start = builder.start_table();
        let kind: u8 = match options {
            Options::None => 0,
            Options::Dense(relu) => {
                builder.push_slot_always(slot(0), if relu { RELU } else { 0 });
                8
            }
            Options::Convolution(relu) => {
                builder.push_slot_always(slot(0), SAME);
                builder.push_slot_always(slot(1), 1i32);
                builder.push_slot_always(slot(2), 1i32);
                builder.push_slot_always(slot(3), if relu { RELU } else { 0 });
                1
            }
            Options::Split(parts) => {
                builder.push_slot_always(slot(0), parts);
                35
            }
            Options::Softmax => {
                builder.push_slot_always(slot(0), 1f32);
                9
            }
            Options::KeepAxes => {
                builder.push_slot_always(slot(0), true);
                27
            }
            Options::Product { turned } => {
                builder.push_slot_always(slot(1), turned);
                101
            }
        };
        let options = builder.end_table(start);
        let inputs = builder.create_vector(inputs);
        let outputs = builder.create_vector(outputs);
        let start = builder.start_table();
        builder.push_slot_always(slot(0), index.unwrap_or(0) as u32);
        builder.push_slot_always(slot(1), inputs);
        builder.push_slot_always(slot(2), outputs);
        if kind != 0 {
            builder.push_slot_always(slot(3), kind);
            let options: WIPOffset<UnionWIPOffset> = options.as_union_value();
            builder.push_slot_always(slot(4), options);
        }
        self.operators.push(builder.end_table(start));
    }

    /// Numbers of f32 that the net reads or computes.
    pub fn floats(&mut self, name: &str, shape: &[i32]) -> i32 {
        self.tensor(name, shape, FLOAT32, None, None)
    }

    /// Bytes that the net computes: signed, where [`Codes`] has unsigned ones.
    pub fn bytes(&mut self, name: &str, shape: &[i32], codes: Codes) -> i32 {
        let zero = [i64::from(codes.zero) - 128];
        let codes = (&[codes.scale][..], &zero[..]);
        self.tensor(name, shape, INT8, None, Some(codes))
    }

    /// A list of whole numbers; one alone without a shape, if `scalar`.
    pub fn whole(&mut self, name: &str, values: &[i32], scalar: bool) -> i32 {
        let shape = [values.len() as i32];
        let shape = if scalar { &[][..] } else { &shape[..] };
        let data = le(values, i32::to_le_bytes);
        self.tensor(name, shape, INT32, Some(&data), None)
    }

    /// Pairs of whole numbers.
    pub fn pairs(&mut self, name: &str, values: &[i32]) -> i32 {
        let data = le(values, i32::to_le_bytes);
        let shape = [values.len() as i32 / 2, 2];
        self.tensor(name, &shape, INT32, Some(&data), None)
    }

    /// A constant of f32.
    pub fn constant(&mut self, name: &str, values: &[f32], shape: &[i32]) -> i32 {
        let data = le(values, f32::to_le_bytes);
        self.tensor(name, shape, FLOAT32, Some(&data), None)
    }

    /// A layer's weights, in a shape whose first axis are the outputs, and its bias.
    pub fn layer(&mut self, name: &str, layer: &Layer, shape: &[i32]) -> [i32; 2] {
        let outputs = [layer.outputs as i32];
        [
            self.constant(&format!("w{name}"), &layer.weights, shape),
            self.constant(&format!("b{name}"), &layer.bias, &outputs),
        ]
    }

    /// The same in int8.
    pub fn quantised(&mut self, name: &str, layer: &QuantisedLayer, shape: &[i32]) -> [i32; 2] {
        let bias = le(&layer.bias, i32::to_le_bytes);
        let zeros = vec![0i64; layer.bias.len()];
        let outputs = [layer.bias.len() as i32];
        let weights = self.weights(name, layer, shape);
        let codes = Some((&layer.bias_scale[..], &zeros[..]));
        let bias = self.tensor(&format!("b{name}"), &outputs, INT32, Some(&bias), codes);
        [weights, bias]
    }

    /// The same with only the weights in int8.
    pub fn weight_bytes(
        &mut self,
        name: &str,
        layer: &Layer,
        bytes: &QuantisedLayer,
        shape: &[i32],
    ) -> [i32; 2] {
        let outputs = [layer.outputs as i32];
        [
            self.weights(name, bytes, shape),
            self.constant(&format!("b{name}"), &layer.bias, &outputs),
        ]
    }

    fn weights(&mut self, name: &str, layer: &QuantisedLayer, shape: &[i32]) -> i32 {
        let weights = le(&layer.weights, i8::to_le_bytes);
        let zeros = vec![0i64; layer.bias.len()];
        let codes = Some((&layer.scale[..], &zeros[..]));
        self.tensor(&format!("w{name}"), shape, INT8, Some(&weights), codes)
    }

    /// The file, from what it reads to what it gives.
    pub fn finish(mut self, input: i32, output: i32) -> Vec<u8> {
        let builder = &mut self.builder;
        let codes: Vec<Table> = OPERATORS
            .iter()
            .map(|&(code, version)| {
                let start = builder.start_table();
                builder.push_slot_always(slot(0), code as i8);
                builder.push_slot_always(slot(2), version);
                builder.push_slot_always(slot(3), code);
                builder.end_table(start)
            })
            .collect();
        let codes = builder.create_vector(&codes);
        let tensors = builder.create_vector(&self.tensors);
        let (inputs, outputs) = (
            builder.create_vector(&[input]),
            builder.create_vector(&[output]),
        );
        let operators = builder.create_vector(&self.operators);
        let start = builder.start_table();
        builder.push_slot_always(slot(0), tensors);
        builder.push_slot_always(slot(1), inputs);
        builder.push_slot_always(slot(2), outputs);
        builder.push_slot_always(slot(3), operators);
        let graph = builder.end_table(start);
        let graphs = builder.create_vector(&[graph]);
        let buffers = builder.create_vector(&self.buffers);
        let start = builder.start_table();
        builder.push_slot_always(slot(0), 3u32);
        builder.push_slot_always(slot(1), codes);
        builder.push_slot_always(slot(2), graphs);
        builder.push_slot_always(slot(4), buffers);
        let model = builder.end_table(start);
        builder.finish(model, Some("TFL3"));
        self.builder.finished_data().to_vec()
    }
}

fn le<const N: usize, T: Copy>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().copied().flat_map(bytes).collect()
}

/// The net in f32.
pub fn float(net: &Net) -> Vec<u8> {
    let mut file = File::new();
    let input = file.floats("features", &[1, net.inputs() as i32]);
    let mut last = input;
    for (at, layer) in net.layers.iter().enumerate() {
        let (inputs, outputs) = (layer.inputs as i32, layer.outputs as i32);
        let [weights, bias] = file.layer(&at.to_string(), layer, &[outputs, inputs]);
        let output = file.floats(&format!("y{at}"), &[1, outputs]);
        let (all, options) = ([last, weights, bias], Options::Dense(layer.relu));
        file.operator(FULLY_CONNECTED, &all, &[output], options);
        last = output;
    }
    file.finish(input, last)
}

/// The net in int8, features and output in f32.
pub fn quantised(net: &Quantised) -> Vec<u8> {
    let mut file = File::new();
    let width = net.inputs() as i32;
    let input = file.floats("features", &[1, width]);
    let mut last = file.bytes("x", &[1, width], net.input);
    file.operator(QUANTIZE, &[input], &[last], Options::None);
    for (at, layer) in net.layers.iter().enumerate() {
        let (inputs, outputs) = (layer.inputs as i32, layer.bias.len() as i32);
        let [weights, bias] = file.quantised(&at.to_string(), layer, &[outputs, inputs]);
        let output = file.bytes(&format!("y{at}"), &[1, outputs], layer.output);
        // A ReLU is the lower end of the bytes.
        let (all, options) = ([last, weights, bias], Options::Dense(false));
        file.operator(FULLY_CONNECTED, &all, &[output], options);
        last = output;
    }
    let output = file.floats("output", &[1, 1]);
    file.operator(DEQUANTIZE, &[last], &[output], Options::None);
    file.finish(input, output)
}
