//! TensorFlow Lite files of dense nets: chains of FULLY_CONNECTED, in float and in full-integer
//! int8 between QUANTIZE and DEQUANTIZE.
//!
//! Fields are numbered as in `schema.fbs` (schema version 3); a field's place in its table's vtable
//! is 4 + 2 · its number.

use fieldscore_models::compile::net::Net;
use flatbuffers::{
    FlatBufferBuilder, Push, PushAlignment, TableFinishedWIPOffset, UnionWIPOffset, WIPOffset,
};

use crate::quantised::{Codes, Quantised};

const FLOAT32: i8 = 0;
const INT32: i8 = 2;
const INT8: i8 = 9;

const DEQUANTIZE: i32 = 6;
const FULLY_CONNECTED: i32 = 9;
const QUANTIZE: i32 = 114;
/// The operators in the order of their codes in the file, each with its version.
const OPERATORS: [(i32, i32); 3] = [(FULLY_CONNECTED, 4), (QUANTIZE, 1), (DEQUANTIZE, 2)];
/// Of the union BuiltinOptions: FullyConnectedOptions.
const FULLY_CONNECTED_OPTIONS: u8 = 8;
const RELU: i8 = 1;

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
struct File<'b> {
    builder: FlatBufferBuilder<'b>,
    /// Buffer 0 is empty: what computed tensors have.
    buffers: Vec<Table>,
    tensors: Vec<Table>,
    operators: Vec<Table>,
}

impl File<'_> {
    fn new() -> Self {
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

    /// Bytes that the net computes: signed, where [`Codes`] has unsigned ones.
    fn bytes(&mut self, name: &str, width: usize, codes: Codes) -> i32 {
        let zero = [i64::from(codes.zero) - 128];
        let codes = (&[codes.scale][..], &zero[..]);
        self.tensor(name, &[1, width as i32], INT8, None, Some(codes))
    }

    fn operator(&mut self, code: i32, inputs: &[i32], output: i32, relu: Option<bool>) {
        let index = OPERATORS.iter().position(|(known, _)| *known == code);
        let builder = &mut self.builder;
        let options = relu.map(|relu| {
            let start = builder.start_table();
            builder.push_slot_always(slot(0), if relu { RELU } else { 0 });
            builder.end_table(start)
        });
        let inputs = builder.create_vector(inputs);
        let outputs = builder.create_vector(&[output]);
        let start = builder.start_table();
        builder.push_slot_always(slot(0), index.unwrap_or(0) as u32);
        builder.push_slot_always(slot(1), inputs);
        builder.push_slot_always(slot(2), outputs);
        if let Some(options) = options {
            builder.push_slot_always(slot(3), FULLY_CONNECTED_OPTIONS);
            let options: WIPOffset<UnionWIPOffset> = options.as_union_value();
            builder.push_slot_always(slot(4), options);
        }
        self.operators.push(builder.end_table(start));
    }

    fn finish(mut self, input: i32, output: i32) -> Vec<u8> {
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
    let input = file.tensor("features", &[1, net.inputs() as i32], FLOAT32, None, None);
    let mut last = input;
    for (at, layer) in net.layers.iter().enumerate() {
        let (inputs, outputs) = (layer.inputs as i32, layer.outputs as i32);
        let weights = le(&layer.weights, f32::to_le_bytes);
        let bias = le(&layer.bias, f32::to_le_bytes);
        let name = |what: &str| format!("{what}{at}");
        let weights = file.tensor(
            &name("w"),
            &[outputs, inputs],
            FLOAT32,
            Some(&weights),
            None,
        );
        let bias = file.tensor(&name("b"), &[outputs], FLOAT32, Some(&bias), None);
        let output = file.tensor(&name("y"), &[1, outputs], FLOAT32, None, None);
        let all = [last, weights, bias];
        file.operator(FULLY_CONNECTED, &all, output, Some(layer.relu));
        last = output;
    }
    file.finish(input, last)
}

/// The net in int8, features and output in f32.
pub fn quantised(net: &Quantised) -> Vec<u8> {
    let mut file = File::new();
    let input = file.tensor("features", &[1, net.inputs() as i32], FLOAT32, None, None);
    let mut last = file.bytes("x", net.inputs(), net.input);
    file.operator(QUANTIZE, &[input], last, None);
    for (at, layer) in net.layers.iter().enumerate() {
        let (inputs, outputs) = (layer.inputs as i32, layer.bias.len() as i32);
        let weights = le(&layer.weights, i8::to_le_bytes);
        let bias = le(&layer.bias, i32::to_le_bytes);
        let zeros = vec![0i64; layer.bias.len()];
        let name = |what: &str| format!("{what}{at}");
        let codes = Some((&layer.scale[..], &zeros[..]));
        let weights = file.tensor(&name("w"), &[outputs, inputs], INT8, Some(&weights), codes);
        let codes = Some((&layer.bias_scale[..], &zeros[..]));
        let bias = file.tensor(&name("b"), &[outputs], INT32, Some(&bias), codes);
        let output = file.bytes(&name("y"), layer.bias.len(), layer.output);
        // A ReLU is the lower end of the bytes.
        file.operator(FULLY_CONNECTED, &[last, weights, bias], output, Some(false));
        last = output;
    }
    let output = file.tensor("output", &[1, 1], FLOAT32, None, None);
    file.operator(DEQUANTIZE, &[last], output, None);
    file.finish(input, output)
}
