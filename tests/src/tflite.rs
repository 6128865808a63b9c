//! Small `.tflite` files of one row at a time: dense layers, and operators of one input.
//!
//! Fields are numbered as in `schema.fbs` (schema version 3); a field's place in its table's vtable
//! is 4 + 2 · its number.

use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, UnionWIPOffset, WIPOffset};

type Table = WIPOffset<TableFinishedWIPOffset>;

const FLOAT32: i8 = 0;
const INT32: i8 = 2;
const INT8: i8 = 9;
const FULLY_CONNECTED: i32 = 9;
/// Of the union BuiltinOptions: FullyConnectedOptions.
const FULLY_CONNECTED_OPTIONS: u8 = 8;

const fn slot(field: u16) -> u16 {
    4 + 2 * field
}

/// What one of a tensor of 8 bits stands for, and which of them for 0.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// A step, in real numbers.
    pub step: f32,
    /// The number that stands for 0.
    pub zero: i64,
}

/// The type of a tensor, and its numbers where it is a constant.
struct Contents<'a> {
    kind: i8,
    scale: Option<Scale>,
    bytes: Option<&'a [u8]>,
}

/// Computed, or the input: float32 without a scale.
const fn computed(scale: Option<Scale>) -> Contents<'static> {
    Contents {
        kind: if scale.is_some() { INT8 } else { FLOAT32 },
        scale,
        bytes: None,
    }
}

/// A file under construction.
pub struct Tflite<'b> {
    builder: FlatBufferBuilder<'b>,
    buffers: Vec<Table>,
    tensors: Vec<Table>,
    operators: Vec<Table>,
    codes: Vec<i32>,
    /// The tensor that comes out so far, and its width.
    last: (i32, i32),
    /// Its scale, in a model of 8 bits.
    scale: Option<Scale>,
}

impl Tflite<'_> {
    /// A model that reads `features`, `[1, width]`.
    pub fn new(width: usize) -> Self {
        Self::reading(width, None)
    }

    /// The same in int8.
    pub fn of_int8(width: usize, scale: Scale) -> Self {
        Self::reading(width, Some(scale))
    }

    fn reading(width: usize, scale: Option<Scale>) -> Self {
        let mut file = Self {
            builder: FlatBufferBuilder::new(),
            buffers: Vec::new(),
            tensors: Vec::new(),
            operators: Vec::new(),
            codes: Vec::new(),
            last: (0, width as i32),
            scale,
        };
        // Buffer 0 is empty: what computed tensors have.
        let start = file.builder.start_table();
        file.buffers.push(file.builder.end_table(start));
        file.tensor("features", &[1, width as i32], &computed(scale));
        file
    }

    fn tensor(&mut self, name: &str, shape: &[i32], contents: &Contents<'_>) -> i32 {
        let builder = &mut self.builder;
        let buffer = contents.bytes.map_or(0, |bytes| {
            let data = builder.create_vector(bytes);
            let start = builder.start_table();
            builder.push_slot_always(slot(0), data);
            self.buffers.push(builder.end_table(start));
            self.buffers.len() as u32 - 1
        });
        let (shape, name) = (builder.create_vector(shape), builder.create_string(name));
        let scale = contents.scale.map(|scale| {
            let step = builder.create_vector(&[scale.step]);
            let zero = builder.create_vector(&[scale.zero]);
            let start = builder.start_table();
            builder.push_slot_always(slot(2), step);
            builder.push_slot_always(slot(3), zero);
            builder.end_table(start)
        });
        let start = builder.start_table();
        builder.push_slot_always(slot(0), shape);
        builder.push_slot_always(slot(1), contents.kind);
        builder.push_slot_always(slot(2), buffer);
        builder.push_slot_always(slot(3), name);
        if let Some(scale) = scale {
            builder.push_slot_always(slot(4), scale);
        }
        self.tensors.push(builder.end_table(start));
        self.tensors.len() as i32 - 1
    }

    fn operator(&mut self, code: i32, inputs: &[i32], output: i32, activation: Option<i8>) {
        let index = self.codes.len() as u32;
        self.codes.push(code);
        let builder = &mut self.builder;
        let options = activation.map(|activation| {
            let start = builder.start_table();
            builder.push_slot_always(slot(0), activation);
            builder.end_table(start)
        });
        let inputs = builder.create_vector(inputs);
        let outputs = builder.create_vector(&[output]);
        let start = builder.start_table();
        builder.push_slot_always(slot(0), index);
        builder.push_slot_always(slot(1), inputs);
        builder.push_slot_always(slot(2), outputs);
        if let Some(options) = options {
            builder.push_slot_always(slot(3), FULLY_CONNECTED_OPTIONS);
            let options: WIPOffset<UnionWIPOffset> = options.as_union_value();
            builder.push_slot_always(slot(4), options);
        }
        self.operators.push(builder.end_table(start));
    }

    /// A dense layer, `weights[n][k]`.
    #[must_use]
    pub fn dense(self, name: &str, weights: &[f32], bias: &[f32], relu: bool) -> Self {
        let bytes =
            |floats: &[f32]| -> Vec<u8> { floats.iter().flat_map(|x| x.to_le_bytes()).collect() };
        let (weights, biases) = (bytes(weights), bytes(bias));
        let constant = |bytes| Contents {
            bytes: Some(bytes),
            ..computed(None)
        };
        self.layer(name, [constant(&weights), constant(&biases)], None, relu)
    }

    /// A dense layer in int8; a number of the bias stands for a step of the input times one of the
    /// weights.
    #[must_use]
    pub fn dense_int8(
        self,
        name: &str,
        (weights, step): (&[i8], f32),
        bias: &[i32],
        output: Scale,
        relu: bool,
    ) -> Self {
        let of_input = self.scale.map_or(1.0, |scale| scale.step);
        let scaled = |kind, step, bytes| Contents {
            kind,
            scale: Some(Scale { step, zero: 0 }),
            bytes: Some(bytes),
        };
        let weights: Vec<u8> = weights.iter().map(|w| *w as u8).collect();
        let biases: Vec<u8> = bias.iter().flat_map(|b| b.to_le_bytes()).collect();
        let constants = [
            scaled(INT8, step, weights.as_slice()),
            scaled(INT32, step * of_input, biases.as_slice()),
        ];
        self.layer(name, constants, Some(output), relu)
    }

    fn layer(
        mut self,
        name: &str,
        [weights, bias]: [Contents<'_>; 2],
        scale: Option<Scale>,
        relu: bool,
    ) -> Self {
        let (last, width) = self.last;
        let outputs = bias.bytes.map_or(0, <[u8]>::len) as i32 / 4;
        let w = self.tensor(&format!("{name}_w"), &[outputs, width], &weights);
        let b = self.tensor(&format!("{name}_b"), &[outputs], &bias);
        let output = self.tensor(name, &[1, outputs], &computed(scale));
        self.operator(FULLY_CONNECTED, &[last, w, b], output, Some(i8::from(relu)));
        (self.last, self.scale) = ((output, outputs), scale);
        self
    }

    /// An operator of one input, by its code.
    #[must_use]
    pub fn node(mut self, name: &str, code: i32) -> Self {
        let (last, width) = self.last;
        let output = self.tensor(name, &[1, width], &computed(self.scale));
        self.operator(code, &[last], output, None);
        self.last = (output, width);
        self
    }

    /// The file.
    pub fn finish(mut self) -> Vec<u8> {
        let builder = &mut self.builder;
        let codes: Vec<Table> = self
            .codes
            .iter()
            .map(|&code| {
                let start = builder.start_table();
                builder.push_slot_always(slot(0), code.min(127) as i8);
                builder.push_slot_always(slot(2), 1i32);
                builder.push_slot_always(slot(3), code);
                builder.end_table(start)
            })
            .collect();
        let codes = builder.create_vector(&codes);
        let tensors = builder.create_vector(&self.tensors);
        let inputs = builder.create_vector(&[0i32]);
        let outputs = builder.create_vector(&[self.last.0]);
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
