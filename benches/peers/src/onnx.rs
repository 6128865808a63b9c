//! ONNX files, of dense nets and of any operators, in float and with Quantize/Dequantize pairs.
//!
//! Field numbers are those of `onnx.proto` (ONNX 1.12: IR version 8, operator set 17).

use fieldscore_models::compile::net::Net;
use fieldscore_tests::onnx::Message;

use crate::quantised::{Codes, Quantised, QuantisedLayer};

const FLOAT: u64 = 1;
const UINT8: u64 = 2;
const INT8: u64 = 3;
const INT32: u64 = 6;
const INT64: u64 = 7;

/// GraphProto: nodes, name, initialisers, inputs, outputs.
#[derive(Debug, Default)]
struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
}

impl Graph {
    fn constant(&mut self, name: &str, kind: u64, shape: &[usize], raw: &[u8]) {
        let tensor = shape
            .iter()
            .fold(Message::default(), |tensor, &d| tensor.number(1, d as u64));
        self.constants
            .push(tensor.number(2, kind).text(8, name).bytes(9, raw));
    }

    /// A scale and a zero point, as `name_scale` and `name_zero`.
    fn codes(&mut self, name: &str, scale: f32, zero: u8) {
        self.constant(&format!("{name}_scale"), FLOAT, &[], &scale.to_le_bytes());
        self.constant(&format!("{name}_zero"), UINT8, &[], &[zero]);
    }

    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, axis: Option<u64>) {
        let node = inputs
            .iter()
            .fold(Message::default(), |node, input| node.text(1, input));
        let mut node = node.text(2, output).text(3, output).text(4, operator);
        if let Some(axis) = axis {
            // name, i, type INT
            let attribute = Message::default().text(1, "axis").number(3, axis);
            node = node.message(5, &attribute.number(20, 2));
        }
        self.nodes.push(node);
    }

    /// Quantises `input` and dequantises it again, with the codes named `codes`.
    fn pair(&mut self, input: &str, codes: &str, output: &str) {
        let (scale, zero) = (format!("{codes}_scale"), format!("{codes}_zero"));
        let bytes = format!("{output}_bytes");
        self.node("QuantizeLinear", &[input, &scale, &zero], &bytes, None);
        self.node("DequantizeLinear", &[&bytes, &scale, &zero], output, None);
    }

    /// A layer's weights through bytes, in a shape whose axis `axis`, the first or the last, are the outputs.
    fn weights(&mut self, name: &str, layer: &QuantisedLayer, (shape, axis): (&[usize], usize)) {
        let weights: Vec<u8> = match axis {
            0 => layer.weights.iter().map(|w| *w as u8).collect(),
            _ => transposed(&layer.weights, layer.inputs)
                .map(|w| w as u8)
                .collect(),
        };
        let outputs = layer.bias.len();
        let names = ["bytes", "scale", "zero"].map(|what| format!("{name}_{what}"));
        let [bytes, scale, zero] = names.each_ref().map(String::as_str);
        self.constant(bytes, INT8, shape, &weights);
        self.constant(scale, FLOAT, &[outputs], &floats(&layer.scale));
        self.constant(zero, INT8, &[outputs], &vec![0; outputs]);
        let inputs = [bytes, scale, zero];
        self.node("DequantizeLinear", &inputs, name, Some(axis as u64));
    }

    /// Its bias, in steps of the sums.
    fn bias(&mut self, name: &str, layer: &QuantisedLayer) {
        let bias: Vec<u8> = layer.bias.iter().flat_map(|x| x.to_le_bytes()).collect();
        let outputs = layer.bias.len();
        let names = ["sums", "scale", "zero"].map(|what| format!("{name}_{what}"));
        let [sums, scale, zero] = names.each_ref().map(String::as_str);
        self.constant(sums, INT32, &[outputs], &bias);
        self.constant(scale, FLOAT, &[outputs], &floats(&layer.bias_scale));
        self.constant(zero, INT32, &[outputs], &vec![0; outputs * 4]);
        self.node("DequantizeLinear", &[sums, scale, zero], name, Some(0));
    }

    fn finish(self, inputs: usize) -> Vec<u8> {
        let mut graph = Message::default();
        for node in &self.nodes {
            graph = graph.message(1, node);
        }
        graph = graph.text(2, "net");
        for constant in &self.constants {
            graph = graph.message(5, constant);
        }
        graph = graph
            .message(11, &value("features", inputs))
            .message(12, &value("output", 1));
        let operators = Message::default().text(1, "").number(2, 17);
        Message::default()
            .number(1, 8)
            .text(2, "fieldscore-peers")
            .message(7, &graph)
            .message(8, &operators)
            .0
    }
}

/// ValueInfoProto: float32 `[batch, width]`.
fn value(name: &str, width: usize) -> Message {
    let batch = Message::default().text(2, "batch");
    let width = Message::default().number(1, width as u64);
    let shape = Message::default().message(1, &batch).message(1, &width);
    let tensor = Message::default().number(1, FLOAT).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().text(1, name).message(2, &kind)
}

/// An operator's attribute.
#[derive(Debug, Clone, Copy)]
pub enum Attribute<'a> {
    /// A whole number.
    Number(u64),
    /// Several.
    Whole(&'a [u64]),
}

/// A file of any operators, from `features` to `output`.
#[derive(Debug, Default)]
pub struct File(Graph);

impl File {
    /// A constant of f32.
    pub fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        self.0.constant(name, FLOAT, shape, &floats(values));
    }

    /// A list of whole numbers.
    pub fn whole(&mut self, name: &str, values: &[i64]) {
        let raw: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.0.constant(name, INT64, &[values.len()], &raw);
    }

    /// One whole number.
    pub fn index(&mut self, name: &str, value: i64) {
        self.0.constant(name, INT64, &[], &value.to_le_bytes());
    }

    /// Quantises `input` and dequantises it again.
    pub fn pair(&mut self, input: &str, codes: Codes, output: &str) {
        self.0.codes(output, codes.scale, codes.zero);
        self.0.pair(input, output, output);
    }

    /// A layer's weights through bytes, in a shape whose axis `axis`, the first or the last, are the outputs.
    pub fn weights(&mut self, name: &str, layer: &QuantisedLayer, shape: (&[usize], usize)) {
        self.0.weights(name, layer, shape);
    }

    /// Its bias, in steps of the sums.
    pub fn bias(&mut self, name: &str, layer: &QuantisedLayer) {
        self.0.bias(name, layer);
    }

    /// A node; what it writes is named.
    pub fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let mut node = Message::default();
        for input in inputs {
            node = node.text(1, input);
        }
        for output in outputs {
            node = node.text(2, output);
        }
        node = node.text(3, outputs[0]).text(4, operator);
        for (name, value) in attributes {
            // name; i or ints; type INT or INTS
            let attribute = Message::default().text(1, name);
            let attribute = match value {
                Attribute::Number(value) => attribute.number(3, *value).number(20, 2),
                Attribute::Whole(values) => values
                    .iter()
                    .fold(attribute, |attribute, value| attribute.number(8, *value))
                    .number(20, 7),
            };
            node = node.message(5, &attribute);
        }
        self.0.nodes.push(node);
    }

    /// The file, for that many features.
    pub fn finish(self, inputs: usize) -> Vec<u8> {
        self.0.finish(inputs)
    }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// `[n][k]` as the operator Gemm wants it: `[k][n]`.
pub fn transposed<T: Copy>(weights: &[T], inputs: usize) -> impl Iterator<Item = T> + '_ {
    (0..inputs).flat_map(move |k| weights.iter().skip(k).step_by(inputs).copied())
}

/// The net in f32: Gemm and Relu.
pub fn float(net: &Net) -> Vec<u8> {
    let mut graph = Graph::default();
    let mut last = "features".to_owned();
    for (at, layer) in net.layers.iter().enumerate() {
        let (w, b) = (format!("w{at}"), format!("b{at}"));
        let weights: Vec<u8> = transposed(&layer.weights, layer.inputs)
            .flat_map(f32::to_le_bytes)
            .collect();
        graph.constant(&w, FLOAT, &[layer.inputs, layer.outputs], &weights);
        graph.constant(&b, FLOAT, &[layer.outputs], &floats(&layer.bias));
        let end = at + 1 == net.layers.len();
        let sums = if end {
            "output".to_owned()
        } else {
            format!("sums{at}")
        };
        graph.node("Gemm", &[&last, &w, &b], &sums, None);
        last = sums;
        if layer.relu {
            let relu = format!("relu{at}");
            graph.node("Relu", &[&last], &relu, None);
            last = relu;
        }
    }
    graph.finish(net.inputs())
}

/// The net in int8 as a static quantiser leaves it: every product between Dequantize and Quantize,
/// weights for each output; a ReLU is the lower end of the bytes behind it.
pub fn quantised(net: &Quantised) -> Vec<u8> {
    let mut graph = Graph::default();
    graph.codes("x0", net.input.scale, net.input.zero);
    graph.pair("features", "x0", "values0");
    for (at, layer) in net.layers.iter().enumerate() {
        let (w, b) = (format!("w{at}"), format!("b{at}"));
        graph.weights(&w, layer, (&[layer.inputs, layer.bias.len()], 1));
        graph.bias(&b, layer);
        let (input, sums) = (format!("values{at}"), format!("sums{at}"));
        graph.node("Gemm", &[&input, &w, &b], &sums, None);
        let codes = format!("x{}", at + 1);
        graph.codes(&codes, layer.output.scale, layer.output.zero);
        let end = at + 1 == net.layers.len();
        let output = if end {
            "output".to_owned()
        } else {
            format!("values{}", at + 1)
        };
        graph.pair(&sums, &codes, &output);
    }
    graph.finish(net.inputs())
}
