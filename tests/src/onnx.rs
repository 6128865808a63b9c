//! Small ONNX files, written byte by byte: protobuf needs no library for so little.
//!
//! Field numbers are those of `onnx.proto` (ONNX 1.16, IR version 8).

/// A protobuf message under construction.
#[derive(Debug, Clone, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(&mut self, mut x: u64) {
        while x >= 0x80 {
            self.0.push(x as u8 | 0x80);
            x >>= 7;
        }
        self.0.push(x as u8);
    }

    /// Appends a number field.
    #[must_use]
    pub fn number(mut self, field: u64, x: u64) -> Self {
        self.varint(field << 3);
        self.varint(x);
        self
    }

    /// Appends a field of bytes.
    #[must_use]
    pub fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends a text field.
    #[must_use]
    pub fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// Appends a message field.
    #[must_use]
    pub fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }
}

/// A model of one input `features` and one output `output`, both float32.
#[derive(Debug, Clone)]
pub struct Onnx {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    input: Vec<Option<u64>>,
    last: String,
}

impl Onnx {
    /// A model that reads `[batch, width]`.
    pub fn new(width: usize) -> Self {
        Self::of_shape(&[width])
    }

    /// A model that reads `[batch, shape…]`.
    pub fn of_shape(shape: &[usize]) -> Self {
        let rest = shape.iter().map(|&d| Some(d as u64));
        Self {
            nodes: Vec::new(),
            constants: Vec::new(),
            input: [None].into_iter().chain(rest).collect(),
            last: "features".to_owned(),
        }
    }

    /// Adds a constant.
    #[must_use]
    pub fn constant(mut self, name: &str, shape: &[usize], values: &[f32]) -> Self {
        let raw: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut tensor = Message::default();
        for &d in shape {
            tensor = tensor.number(1, d as u64);
        }
        // data_type FLOAT, name, raw_data
        self.constants
            .push(tensor.number(2, 1).text(8, name).bytes(9, &raw));
        self
    }

    /// Adds a node that reads what the last one wrote, then `more`.
    #[must_use]
    pub fn node(mut self, name: &str, operator: &str, more: &[&str]) -> Self {
        let mut node = Message::default().text(1, &self.last);
        for input in more {
            node = node.text(1, input);
        }
        let output = format!("{name}_out");
        self.nodes
            .push(node.text(2, &output).text(3, name).text(4, operator));
        self.last = output;
        self
    }

    /// A dense layer `x · weights + bias`, `weights[k][n]`.
    #[must_use]
    pub fn dense(self, name: &str, weights: &[f32], bias: &[f32]) -> Self {
        let (w, b) = (format!("{name}_w"), format!("{name}_b"));
        let (inputs, outputs) = (weights.len() / bias.len(), bias.len());
        self.constant(&w, &[inputs, outputs], weights)
            .constant(&b, &[outputs], bias)
            .node(name, "MatMul", &[&w])
            .node(&format!("{name}_add"), "Add", &[&b])
    }

    /// The file, whose output has this shape behind the batch.
    pub fn finish(&self, output: &[usize]) -> Vec<u8> {
        let shape: Vec<Option<u64>> = [None]
            .into_iter()
            .chain(output.iter().map(|&d| Some(d as u64)))
            .collect();
        let mut graph = Message::default();
        for node in &self.nodes {
            graph = graph.message(1, node);
        }
        graph = graph.text(2, "graph");
        for constant in &self.constants {
            graph = graph.message(5, constant);
        }
        graph = graph
            .message(11, &value("features", &self.input))
            .message(12, &value(&self.last, &shape));
        let operators = Message::default().text(1, "").number(2, 13);
        Message::default()
            .number(1, 8)
            .text(2, "fieldscore-tests")
            .message(7, &graph)
            .message(8, &operators)
            .0
    }
}

/// ValueInfoProto: name and float tensor type; `None` is the symbolic batch.
fn value(name: &str, shape: &[Option<u64>]) -> Message {
    let mut dims = Message::default();
    for d in shape {
        let dim = match d {
            Some(d) => Message::default().number(1, *d),
            None => Message::default().text(2, "batch"),
        };
        dims = dims.message(1, &dim);
    }
    let tensor = Message::default().number(1, 1).message(2, &dims);
    let kind = Message::default().message(1, &tensor);
    Message::default().text(1, name).message(2, &kind)
}
