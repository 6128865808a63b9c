//! The nets as ONNX files, as PyTorch's exporter writes them, in float and with pairs of Quantize and
//! Dequantize as ONNX Runtime's static quantiser puts them in.

use std::collections::HashMap;

use fieldscore_models::compile::net::{Layer, Rows};
use tract_onnx::prelude::*;

use super::{CHANNELS, FEATURES, HEADS, MODEL, Norm, PLACES, STEPS, Transformer, UNITS, WIDTH};
use crate::engines::tract;
use crate::failure::Result;
use crate::onnx::{Attribute, File, transposed};
use crate::quantised::{Codes, QuantisedLayer};

/// Ranges of values as bytes, by their names.
type Ranges = HashMap<String, Codes>;

/// The operators that the quantiser puts between pairs.
const QUANTISED: [&str; 5] = ["MatMul", "Gemm", "Conv", "Add", "GlobalAveragePool"];

/// A net under construction.
#[derive(Default)]
struct Writer {
    file: File,
    count: usize,
    /// Of what is quantised, in int8.
    ranges: Option<Ranges>,
    /// What is quantised, or would be.
    observed: Vec<String>,
    /// The names of values behind their pair.
    pairs: HashMap<String, String>,
    /// Constants that may be quantised.
    constants: HashMap<String, Vec<f32>>,
}

/// A net in float and int8.
pub struct Files {
    /// In f32.
    pub float: Vec<u8>,
    /// With ranges that it has on some rows.
    pub int8: Vec<u8>,
}

impl Files {
    /// Writes a net twice.
    fn new(rows: &Rows, write: impl Fn(&mut Writer)) -> Result<Self> {
        let mut float = Writer::default();
        write(&mut float);
        let onnx = float.file.finish(rows.width);
        let mut int8 = Writer {
            ranges: Some(ranges(&onnx, &float.observed, rows)?),
            ..Writer::default()
        };
        write(&mut int8);
        Ok(Self {
            float: onnx,
            int8: int8.file.finish(rows.width),
        })
    }
}

/// The ranges of some values of a net, as tract runs it.
fn ranges(onnx: &[u8], names: &[String], rows: &Rows) -> Result<Ranges> {
    let computed: Vec<&String> = names.iter().filter(|name| *name != "features").collect();
    let plan = tract::read(onnx, 1, rows.width)
        .and_then(|model| model.with_outputs_by_name(&computed))
        .and_then(InferenceModelExt::into_optimized)
        .and_then(TypedModel::into_runnable)
        .map_err(tract::fault)?;
    let mut values = vec![Vec::new(); computed.len()];
    for row in rows.values.chunks_exact(rows.width) {
        let input = Tensor::from_shape(&[1, rows.width], row).map_err(tract::fault)?;
        let outputs = plan.run(tvec![input.into_tvalue()]).map_err(tract::fault)?;
        for (values, output) in values.iter_mut().zip(outputs.iter()) {
            let view = output.to_plain_array_view::<f32>().map_err(tract::fault)?;
            values.extend(view.iter().copied());
        }
    }
    let found = computed.into_iter().zip(&values);
    let mut ranges: Ranges = found
        .map(|(name, values)| (name.clone(), Codes::fit(values)))
        .collect();
    ranges.insert("features".to_owned(), Codes::fit(&rows.values));
    Ok(ranges)
}

impl Writer {
    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}{}", self.count)
    }

    fn floats(&mut self, shape: &[usize], values: &[f32]) -> String {
        let name = self.name("w");
        self.file.floats(&name, shape, values);
        self.constants.insert(name.clone(), values.to_vec());
        name
    }

    fn whole(&mut self, values: &[i64]) -> String {
        let name = self.name("n");
        self.file.whole(&name, values);
        name
    }

    /// The codes of a value, in int8.
    fn codes(&mut self, x: &str) -> Option<Codes> {
        if let Some(values) = self.constants.get(x) {
            return self.ranges.as_ref().map(|_| Codes::fit(values));
        }
        if !self.observed.iter().any(|name| name == x) {
            self.observed.push(x.to_owned());
        }
        self.ranges.as_ref()?.get(x).copied()
    }

    /// A value as a quantised node reads it: as bytes and back.
    fn read(&mut self, x: &str) -> String {
        if let Some(there) = self.pairs.get(x) {
            return there.clone();
        }
        let Some(codes) = self.codes(x) else {
            return x.to_owned();
        };
        let read = format!("{x}_read");
        self.file.pair(x, codes, &read);
        self.pairs.insert(x.to_owned(), read.clone());
        read
    }

    /// A quantised node, whose inputs are ready, and a ReLU if `relu`: what it gives goes through bytes too.
    fn quantised(
        &mut self,
        operator: &str,
        inputs: &[&str],
        (y, relu): (&str, bool),
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let sums = format!("{y}_sums");
        match (self.codes(y), relu) {
            // A ReLU is the lower end of the bytes.
            (Some(codes), _) => {
                self.file.node(operator, inputs, &[&sums], attributes);
                self.file.pair(&sums, codes, y);
                self.pairs.insert(y.to_owned(), y.to_owned());
            }
            (None, false) => self.file.node(operator, inputs, &[y], attributes),
            (None, true) => {
                self.file.node(operator, inputs, &[&sums], attributes);
                self.file.node("Relu", &[&sums], &[y], &[]);
            }
        }
    }

    /// A node of computed values and float constants.
    fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute<'_>)],
    ) -> String {
        let name = self.name(operator);
        if QUANTISED.contains(&operator) {
            let inputs = inputs.iter().map(|x| self.read(x)).collect::<Vec<_>>();
            self.quantised(operator, &refs(&inputs), (&name, false), attributes);
        } else {
            self.file.node(operator, inputs, &[&name], attributes);
        }
        name
    }

    fn reshape(&mut self, x: &str, shape: &[i64]) -> String {
        let shape = self.whole(shape);
        self.node("Reshape", &[x, &shape], &[])
    }

    /// A node with a layer's weights, of a shape whose axis `axis` are the outputs, and its bias if `bias`.
    fn product(
        &mut self,
        operator: &str,
        (x, layer, y): (&str, &Layer, &str),
        (shape, axis): (&[usize], usize),
        bias: bool,
        attributes: &[(&str, Attribute<'_>)],
    ) {
        let w = self.name("w");
        let b = format!("{w}_bias");
        match (self.codes(x), self.codes(y)) {
            (Some(input), Some(output)) => {
                let layer = QuantisedLayer::of(layer, input, output);
                self.file.weights(&w, &layer, (shape, axis));
                if bias {
                    self.file.bias(&b, &layer);
                }
            }
            _ => {
                let weights = match axis {
                    0 => layer.weights.clone(),
                    _ => transposed(&layer.weights, layer.inputs).collect(),
                };
                self.file.floats(&w, shape, &weights);
                if bias {
                    self.file.floats(&b, &[layer.outputs], &layer.bias);
                }
            }
        }
        let x = self.read(x);
        let inputs = [x.as_str(), &w, &b];
        let inputs = &inputs[..if bias { 3 } else { 2 }];
        // Behind a MatMul comes the bias before the ReLU.
        let relu = layer.relu && bias;
        self.quantised(operator, inputs, (y, relu), attributes);
    }

    /// A linear layer over a sequence: MatMul and Add.
    fn linear(&mut self, x: &str, layer: &Layer) -> String {
        let shape = [layer.inputs, layer.outputs];
        let product = self.name("product");
        self.product("MatMul", (x, layer, &product), (&shape, 1), false, &[]);
        let bias = self.floats(&[layer.outputs], &layer.bias);
        let inputs = [product, bias].map(|x| self.read(&x));
        let y = self.name("Add");
        self.quantised("Add", &refs(&inputs), (&y, layer.relu), &[]);
        y
    }

    fn layer_norm(&mut self, x: &str, norm: &Norm) -> String {
        let scale = self.floats(&[MODEL], &norm.scale);
        let bias = self.floats(&[MODEL], &norm.bias);
        self.node("LayerNormalization", &[x, &scale, &bias], &[])
    }

    /// The last layer, which gives the output.
    fn finish(&mut self, x: &str, layer: &Layer) {
        let shape = [layer.inputs, layer.outputs];
        self.product("Gemm", (x, layer, "output"), (&shape, 1), true, &[]);
    }
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// The Transformer.
pub fn transformer(weights: &Transformer, rows: &Rows) -> Result<Files> {
    Files::new(rows, |net| {
        let tokens = FEATURES as i64 + 1;
        let (width, heads) = (MODEL as i64, HEADS as i64);
        let each = net.reshape("features", &[-1, FEATURES as i64, 1]);
        let w = net.floats(&[FEATURES, MODEL], &weights.features);
        let x = net.node("Mul", &[&each, &w], &[]);
        let pads = net.whole(&[0, 1, 0, 0, 0, 0]);
        let x = net.node("Pad", &[&x, &pads], &[]);
        let own = net.floats(&[FEATURES + 1, MODEL], &weights.tokens);
        let mut x = net.node("Add", &[&x, &own], &[]);
        for block in &weights.blocks {
            let normed = net.layer_norm(&x, &block.norms[0]);
            let mut parts = Vec::new();
            let perms = [[0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]];
            for (perm, layer) in perms.iter().zip(&block.attention) {
                let part = net.linear(&normed, layer);
                let part = net.reshape(&part, &[-1, tokens, heads, width / heads]);
                let perm = [("perm", Attribute::Whole(&perm[..]))];
                parts.push(net.node("Transpose", &[&part], &perm));
            }
            let scores = net.node("MatMul", &[&parts[0], &parts[1]], &[]);
            let root = net.floats(&[], &[((MODEL / HEADS) as f32).sqrt()]);
            let scores = net.node("Div", &[&scores, &root], &[]);
            let shares = net.node("Softmax", &[&scores], &[("axis", Attribute::Number(3))]);
            let mixed = net.node("MatMul", &[&shares, &parts[2]], &[]);
            let perm = [("perm", Attribute::Whole(&[0, 2, 1, 3][..]))];
            let mixed = net.node("Transpose", &[&mixed], &perm);
            let mixed = net.reshape(&mixed, &[-1, tokens, width]);
            let mixed = net.linear(&mixed, &block.attention[3]);
            x = net.node("Add", &[&x, &mixed], &[]);
            let mut hidden = net.layer_norm(&x, &block.norms[1]);
            for layer in &block.hidden {
                hidden = net.linear(&hidden, layer);
            }
            x = net.node("Add", &[&x, &hidden], &[]);
        }
        let first = net.name("n");
        net.file.index(&first, 0);
        let own = net.node("Gather", &[&x, &first], &[("axis", Attribute::Number(1))]);
        let own = net.layer_norm(&own, &weights.norm);
        net.finish(&own, &weights.last);
    })
}

/// The recurrent net; its gates in the order z, r, n.
pub fn recurrent([features, state]: &[Layer; 2], last: &Layer, rows: &Rows) -> Result<Files> {
    Files::new(rows, |net| {
        let x = net.reshape("features", &[-1, STEPS as i64, WIDTH as i64]);
        let perm = [("perm", Attribute::Whole(&[1, 0, 2][..]))];
        let x = net.node("Transpose", &[&x], &perm);
        let w = net.floats(&[1, 3 * UNITS, WIDTH], &features.weights);
        let r = net.floats(&[1, 3 * UNITS, UNITS], &state.weights);
        let b = net.floats(&[1, 6 * UNITS], &[&features.bias[..], &state.bias].concat());
        let attributes = [
            ("hidden_size", Attribute::Number(UNITS as u64)),
            ("linear_before_reset", Attribute::Number(1)),
        ];
        let outputs = ["all", "last"];
        net.file
            .node("GRU", &[&x, &w, &r, &b], &outputs, &attributes);
        let axes = net.whole(&[0]);
        let x = net.node("Squeeze", &["last", &axes], &[]);
        net.finish(&x, last);
    })
}

/// The convolutional net; its layers' weights as `[output][channel][tap]`.
pub fn convolutional(layers: &[Layer; 3], rows: &Rows) -> Result<Files> {
    Files::new(rows, |net| {
        let mut x = net.reshape("features", &[-1, CHANNELS as i64, PLACES as i64]);
        for layer in &layers[..2] {
            let taps = [
                ("kernel_shape", Attribute::Whole(&[3][..])),
                ("pads", Attribute::Whole(&[1, 1])),
            ];
            let shape = [layer.outputs, layer.inputs / 3, 3];
            let y = net.name("Conv");
            net.product("Conv", (&x, layer, &y), (&shape, 0), true, &taps);
            x = y;
        }
        let x = net.node("GlobalAveragePool", &[&x], &[]);
        let x = net.node("Flatten", &[&x], &[]);
        net.finish(&x, &layers[2]);
    })
}
