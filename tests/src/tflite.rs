//! Small `.tflite` files of one row at a time: dense layers, and operators of one input.
//!
//! Fields are numbered as in `schema.fbs` (schema version 3); a field's place in its table's vtable
//! is 4 + 2 · its number.

use flatbuffers::{FlatBufferBuilder, TableFinishedWIPOffset, UnionWIPOffset, WIPOffset};

type Table = WIPOffset<TableFinishedWIPOffset>;

const FLOAT32: i8 = 0;
const FULLY_CONNECTED: i32 = 9;
/// Of the union BuiltinOptions: FullyConnectedOptions.
const FULLY_CONNECTED_OPTIONS: u8 = 8;

const fn slot(field: u16) -> u16 {
    4 + 2 * field
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
}

impl Tflite<'_> {
    /// A model that reads `features`, `[1, width]`.
    pub fn new(width: usize) -> Self {
        let mut file = Self {
            builder: FlatBufferBuilder::new(),
            buffers: Vec::new(),
            tensors: Vec::new(),
            operators: Vec::new(),
            codes: Vec::new(),
            last: (0, width as i32),
        };
        // Buffer 0 is empty: what computed tensors have.
        let start = file.builder.start_table();
        file.buffers.push(file.builder.end_table(start));
        file.tensor("features", &[1, width as i32], None);
        file
    }

    fn tensor(&mut self, name: &str, shape: &[i32], data: Option<&[f32]>) -> i32 {
        let builder = &mut self.builder;
        let buffer = data.map_or(0, |data| {
            let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
            let data = builder.create_vector(&bytes);
            let start = builder.start_table();
            builder.push_slot_always(slot(0), data);
            self.buffers.push(builder.end_table(start));
            self.buffers.len() as u32 - 1
        });
        let (shape, name) = (builder.create_vector(shape), builder.create_string(name));
        let start = builder.start_table();
        builder.push_slot_always(slot(0), shape);
        builder.push_slot_always(slot(1), FLOAT32);
        builder.push_slot_always(slot(2), buffer);
        builder.push_slot_always(slot(3), name);
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
    pub fn dense(mut self, name: &str, weights: &[f32], bias: &[f32], relu: bool) -> Self {
        let (last, width) = self.last;
        let outputs = bias.len() as i32;
        let w = self.tensor(&format!("{name}_w"), &[outputs, width], Some(weights));
        let b = self.tensor(&format!("{name}_b"), &[outputs], Some(bias));
        let output = self.tensor(name, &[1, outputs], None);
        self.operator(FULLY_CONNECTED, &[last, w, b], output, Some(i8::from(relu)));
        self.last = (output, outputs);
        self
    }

    /// An operator of one input, by its code.
    #[must_use]
    pub fn node(mut self, name: &str, code: i32) -> Self {
        let (last, width) = self.last;
        let output = self.tensor(name, &[1, width], None);
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
