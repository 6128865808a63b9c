//! The walk over tract's graph: node by node, each becomes steps or another view of a value.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fieldscore_runtime::plan::TensorOperation;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{
    Gather, MultiBroadcastTo, OneHot, Pad, PadMode, Slice, TypedConcat,
};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{Conv, MaxPool, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::gru_cell::GruEpilogue;
use tract_onnx::tract_core::ops::gru_seq::GruSeq;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::logic::Iff;
use tract_onnx::tract_core::ops::lstm_cell::LstmEpilogue;
use tract_onnx::tract_core::ops::nn::{Reduce, RmsNorm, Softmax, SoftmaxKind};
use tract_onnx::tract_core::ops::quant::{
    DequantizeLinearF32, LookupTable, QuantizeLinearI8, QuantizeLinearU8,
};
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_core::ops::source::TypedSource;
use tract_onnx::tract_hir::internal::DimLike;

use super::emit::{Draft, Emitter, Right, lines, number};
use super::pattern::{self, Pattern};
use super::view::{Fixed, Value, View};
use crate::compile::import::refused;
use crate::error::{Error, Result};

/// Why a node is refused.
pub(super) type Lowered<T> = std::result::Result<T, String>;

/// What is said where a step would need more axes than there are.
pub(super) const AXES: &str = "more axes than a step can have";

/// Lowers a graph.
pub(super) struct Walk<'p> {
    pub emitter: Emitter,
    /// The file, for errors.
    pub place: &'p str,
    /// The plan's input: held from the start.
    pub input: View,
    /// Buffers of signed bytes, which are held 128 higher.
    pub signed: HashSet<u16>,
}

/// A model's constants and computed values.
pub(super) type Values = HashMap<OutletId, Value>;

impl Walk<'_> {
    /// Lowers `model`, whose inputs are `inputs`, and returns the values of all its outlets.
    pub fn model(&mut self, model: &TypedModel, inputs: Vec<Value>) -> Result<Values> {
        let mut values: Values = model.inputs.iter().copied().zip(inputs).collect();
        let (patterns, inside) = pattern::find(model);
        let mut taken: HashSet<usize> = HashSet::new();
        let order = model
            .eval_order()
            .map_err(|e| Error::input(self.place, format!("a graph without cycles ({e})")))?;
        for id in order {
            let node = &model.nodes[id];
            for (slot, outlet) in node.outputs.iter().enumerate() {
                if let Some(fixed) = outlet.fact.konst.as_ref().and_then(fixed) {
                    values.insert(OutletId::new(id, slot), Value::Fixed(fixed));
                }
            }
            if node.op_is::<TypedSource>()
                || node.op_is::<Const>()
                || taken.contains(&id)
                || inside.contains(&id)
            {
                continue;
            }
            if node
                .outputs
                .iter()
                .all(|outlet| outlet.fact.konst.is_some())
            {
                continue;
            }
            self.emitter.node.clone_from(&node.name);
            if let Some(pattern) = patterns.get(&id) {
                let view = self
                    .pattern(*pattern, &values)
                    .map_err(|why| self.refuse(model, node, &why))?;
                values.insert(OutletId::new(id, 0), Value::Held(view));
                continue;
            }
            let inputs: Option<Vec<Value>> = node
                .inputs
                .iter()
                .map(|at| values.get(at).cloned())
                .collect();
            let lowered = match inputs {
                Some(inputs) => self.node(model, node, &inputs, &mut taken),
                None => Err("it reads values that are no numbers".to_owned()),
            };
            let outputs = lowered.map_err(|why| self.refuse(model, node, &why))?;
            // Where a product has taken up a bias, the value is the sum's.
            let successor = node
                .outputs
                .first()
                .and_then(|outlet| outlet.successors.first());
            let sum = successor
                .map(|next| next.node)
                .filter(|next| taken.contains(next));
            let id = sum.unwrap_or(id);
            for (slot, value) in outputs.into_iter().enumerate() {
                values.insert(OutletId::new(id, slot), value);
            }
        }
        Ok(values)
    }

    /// The error of a node that the plan cannot express.
    pub fn refuse(&self, model: &TypedModel, node: &TypedNode, why: &str) -> Error {
        refused(self.place, model, node, why)
        .hint(
            "the plan takes dense, convolutional, recurrent and attention layers, norms, pooling, \
             embeddings and the usual activations, in float32 and of fixed shapes; on native builds with \
             tract the file runs as it is: [compile] engine = \"tract\"",
        )
    }

    fn node(
        &mut self,
        model: &TypedModel,
        node: &TypedNode,
        inputs: &[Value],
        taken: &mut HashSet<usize>,
    ) -> Lowered<Vec<Value>> {
        if let Some(op) = node.op_as::<EinSum>() {
            let bias = following_bias(model, node, op);
            taken.extend(bias.as_ref().map(|(next, _)| *next));
            return self.einsum(op, inputs, bias.map(|(_, bias)| bias)).map(one);
        }
        if let Some(op) = node.op_as::<GruSeq>() {
            return self.gru_sequence(op, inputs);
        }
        if let Some(op) = node.op_as::<Scan>() {
            return self.scan(op, inputs);
        }
        if let Some(op) = node.op_as::<TypedBinOp>() {
            return self.binary(op.0.name(), inputs).map(one);
        }
        let x = self.hold(inputs.first().ok_or("it reads nothing")?)?;
        let moves = node.op_is::<AxisOp>()
            || node.op_is::<Slice>()
            || node.op_is::<Cast>()
            || node.op_is::<TypedConcat>()
            || node.op_is::<Gather>()
            || node.op_is::<OneHot>();
        if x.whole && !moves {
            return Err("whole numbers serve as indices alone".to_owned());
        }
        if let Some(op) = node.op_as::<DequantizeLinearF32>() {
            return self.dequantise(op, &x, node).map(one);
        }
        if let Some(ElementWiseOp(op, _)) = node.op_as()
            && let Some(op) = op.downcast_ref::<LookupTable>()
        {
            return self.look_up(op.table.table(), &x).map(one);
        }
        if self.emitter.is_bytes(&x) && !node.op_is::<AxisOp>() && !node.op_is::<Slice>() {
            return Err("arithmetic of whole numbers other than QuantizeLinear and \
                        DequantizeLinear around float operators"
                .to_owned());
        }
        if let Some(op) = node.op_as::<ElementWiseOp>() {
            if let Some(quantised) = self.quantise(op, &x) {
                return quantised.map(one);
            }
            return self.element_wise(op, &x).map(one);
        }
        if let Some(op) = node.op_as::<AxisOp>() {
            return self.axes(op, x).map(one);
        }
        if let Some(op) = node.op_as::<Conv>() {
            return self.convolution(op, inputs).map(one);
        }
        if let Some(op) = node.op_as::<MaxPool>() {
            return self.greatest_pool(op, &x).map(one);
        }
        if let Some(op) = node.op_as::<SumPool>() {
            return self.sum_pool(op, &x).map(one);
        }
        if let Some(op) = node.op_as::<Reduce>() {
            return self.reduce(op, &x).map(one);
        }
        if let Some(op) = node.op_as::<Softmax>() {
            if op.quant_output_dt.is_some() || op.kind != SoftmaxKind::Softmax {
                return Err("a softmax of another kind".to_owned());
            }
            return self
                .norm(TensorOperation::Softmax, &op.axes, 0.0, &x)
                .map(one);
        }
        if let Some(op) = node.op_as::<RmsNorm>() {
            return self.rms_norm(op, &x).map(one);
        }
        if let Some(op) = node.op_as::<Slice>() {
            let (Ok(start), Ok(end)) = (op.start.to_usize(), op.end.to_usize()) else {
                return Err("a slice of no fixed length".to_owned());
            };
            return Ok(one(x.slice(op.axis, start, end)));
        }
        if let Some(op) = node.op_as::<MultiBroadcastTo>() {
            let dims: Option<Vec<usize>> = op.shape.iter().map(|d| d.to_usize().ok()).collect();
            return Ok(one(x.broadcast(&dims.ok_or("a shape that is not fixed")?)));
        }
        if let Some(op) = node.op_as::<Cast>() {
            let whole = op.to.is_integer() || op.to == TDim::datum_type();
            if !whole && op.to != f32::datum_type() {
                return Err(format!("numbers as {:?}", op.to));
            }
            if !whole && x.whole && is_cut_off(model, node) {
                return Err(
                    "a number cut off to a whole one, which only an index may be".to_owned(),
                );
            }
            return Ok(one(View { whole, ..x }));
        }
        if node.op_is::<Identity>() {
            return Ok(one(x));
        }
        self.others(node, inputs, &x)
    }

    fn others(&mut self, node: &TypedNode, inputs: &[Value], x: &View) -> Lowered<Vec<Value>> {
        if let Some(op) = node.op_as::<TypedConcat>() {
            return self.concat(op.axis, inputs).map(one);
        }
        if let Some(op) = node.op_as::<Pad>() {
            let PadMode::Constant(with) = &op.mode else {
                return Err("padding with other than a constant".to_owned());
            };
            let with = fixed(with)
                .and_then(|fixed| fixed.single())
                .ok_or("no number to pad with")?;
            return self.pad(x, &op.pads, with).map(one);
        }
        if let Some(op) = node.op_as::<Gather>() {
            return self.gather(op.axis, inputs).map(one);
        }
        if let Some(op) = node.op_as::<OneHot>() {
            return self.one_hot(op, x).map(one);
        }
        if node.op_is::<Iff>() {
            return self.select(inputs).map(one);
        }
        if let Some(op) = node.op_as::<GruEpilogue>() {
            let [_, recurrent, state] = inputs else {
                return Err("other than three operands".to_owned());
            };
            let (recurrent, state) = (self.hold(recurrent)?, self.hold(state)?);
            return self.gru_cell(op.hidden, x, &recurrent, &state).map(one);
        }
        if let Some(op) = node.op_as::<LstmEpilogue>() {
            let cell = self.hold(inputs.get(1).ok_or("no cell state")?)?;
            let (hidden, cell) = self.lstm_cell(op.hidden, x, &cell)?;
            return Ok(vec![Value::Held(hidden), Value::Held(cell)]);
        }
        Err("the plan has no step for it".to_owned())
    }

    /// A QuantizeLinear; signed bytes are held 128 higher.
    fn quantise(&mut self, op: &ElementWiseOp, x: &View) -> Option<Lowered<View>> {
        let unsigned = op.0.downcast_ref::<QuantizeLinearU8>();
        let unsigned = unsigned.map(|op| (op.scale, op.zero_point));
        let signed = op.0.downcast_ref::<QuantizeLinearI8>();
        let signed = signed.map(|op| (op.scale, op.zero_point.wrapping_add(i8::MIN) as u8));
        let (factor, zero) = unsigned.or(signed)?;
        let view = self.emitter.quantise(x, factor, zero);
        if let Some(view) = view.as_ref().filter(|_| signed.is_some()) {
            self.signed.insert(view.buffer);
        }
        Some(view.ok_or_else(|| AXES.to_owned()))
    }

    fn dequantise(
        &mut self,
        op: &DequantizeLinearF32,
        x: &View,
        node: &TypedNode,
    ) -> Lowered<View> {
        if !self.emitter.is_bytes(x) {
            return Err("a DequantizeLinear of other than a QuantizeLinear's bytes".to_owned());
        }
        // Signed or not, the zero point is one of 256 bytes: of which type the values are decides.
        let zero = if self.signed.contains(&x.buffer) {
            op.zero_point + 128
        } else {
            op.zero_point
        };
        let zero = u8::try_from(zero)
            .map_err(|_| format!("a zero point that {} cannot have", node.name))?;
        let view = self.emitter.dequantise(x, op.scale, zero);
        view.ok_or_else(|| AXES.to_owned())
    }

    /// What tract makes of a function between codes: the code of each code.
    fn look_up(&mut self, table: &[u8], x: &View) -> Lowered<View> {
        let signed = self.signed.contains(&x.buffer);
        let turn = if signed { 128 } else { 0 };
        let code = |held: u8| Some(f32::from(table.get(usize::from(held ^ turn))? ^ turn));
        let codes: Option<Vec<f32>> = (0..=u8::MAX).map(code).collect();
        let table = Fixed {
            dims: vec![256, 1],
            values: Arc::new(codes.ok_or("a table of fewer than 256 codes")?),
        };
        let mut index = self.emitter.dequantise(x, 1.0, 0).ok_or(AXES)?;
        index.whole = true;
        let mut found = self.gather(0, &[Value::Fixed(table), Value::Held(index)])?;
        found.dims.pop();
        found.strides.pop();
        let view = self.emitter.quantise(&found, 1.0, 0).ok_or(AXES)?;
        if signed {
            self.signed.insert(view.buffer);
        }
        Ok(view)
    }

    fn pattern(&mut self, pattern: Pattern, values: &Values) -> Lowered<View> {
        let held = |at| values.get(&at).cloned().ok_or("it reads no numbers");
        let (x, operation, parameters) = match pattern {
            Pattern::Elu(x, a) => (x, TensorOperation::Elu, vec![a, 0.0]),
            Pattern::Softplus(x) => (x, TensorOperation::Softplus, Vec::new()),
            Pattern::Normalise(x, axis, epsilon) => {
                let x = self.hold(&held(x)?)?;
                return self.norm(TensorOperation::Normalise, &[axis], epsilon, &x);
            }
        };
        let x = self.hold(&held(x)?)?;
        self.map(operation, &parameters, &x)
    }

    /// A value in a buffer.
    pub fn hold(&mut self, value: &Value) -> Lowered<View> {
        match value {
            Value::Held(view) => Ok(view.clone()),
            Value::Fixed(fixed) => self
                .emitter
                .held(fixed, &self.input)
                .ok_or_else(|| AXES.to_owned()),
        }
    }

    pub fn map(
        &mut self,
        operation: TensorOperation,
        parameters: &[f32],
        x: &View,
    ) -> Lowered<View> {
        self.emitter
            .map(operation, parameters, x)
            .ok_or_else(|| AXES.to_owned())
    }

    pub fn zip(&mut self, operation: TensorOperation, x: &View, y: &Value) -> Lowered<View> {
        self.emitter
            .zip(operation, x, y)
            .ok_or_else(|| AXES.to_owned())
    }

    fn axes(&mut self, op: &AxisOp, x: View) -> Lowered<View> {
        match op {
            AxisOp::Add(at) => Ok(x.with(*at)),
            AxisOp::Rm(at) => Ok(x.without(*at)),
            AxisOp::Move(from, to) => Ok(x.moved(*from, *to)),
            AxisOp::Reshape(at, from, to) => {
                let to: Option<Vec<usize>> = to.iter().map(|d| d.to_usize().ok()).collect();
                let to = to.ok_or("a shape that is not fixed")?;
                let mut dims = x.dims.clone();
                dims.splice(*at..*at + from.len(), to);
                self.reshape(&x, &dims)
            }
        }
    }

    pub fn reshape(&mut self, x: &View, dims: &[usize]) -> Lowered<View> {
        if let Some(view) = x.reshaped(dims) {
            return Ok(view);
        }
        let dense = self.emitter.dense(x).ok_or(AXES)?;
        dense
            .reshaped(dims)
            .ok_or_else(|| "a shape of other size".to_owned())
    }

    pub(super) fn concat(&mut self, axis: usize, inputs: &[Value]) -> Lowered<View> {
        let mut dims = inputs
            .first()
            .map(|v| v.dims().to_vec())
            .unwrap_or_default();
        dims[axis] = inputs.iter().map(|value| value.dims()[axis]).sum();
        let mut output = self.emitter.fresh(&dims);
        output.whole = inputs.iter().any(Value::is_whole);
        let any = self.input.clone();
        // What parts are written to must hold something before.
        self.emitter.fill(&number(0.0), &any, &output).ok_or(AXES)?;
        let mut at = 0;
        for value in inputs {
            let part = output.clone().slice(axis, at, at + value.dims()[axis]);
            at += value.dims()[axis];
            match value {
                Value::Held(x) => {
                    self.emitter
                        .write(TensorOperation::Copy, x, Right::None, &[], &part)
                }
                Value::Fixed(fixed) => self.emitter.fill(fixed, &any, &part),
            }
            .ok_or(AXES)?;
        }
        Ok(output)
    }

    /// With a constant around it.
    pub fn pad(&mut self, x: &View, pads: &[(usize, usize)], with: f32) -> Lowered<View> {
        if pads.iter().all(|pads| *pads == (0, 0)) {
            return Ok(x.clone());
        }
        let axes = x.dims.iter().zip(pads);
        let dims: Vec<usize> = axes.map(|(dim, (a, b))| dim + a + b).collect();
        let output = self.emitter.fresh(&dims);
        self.emitter
            .fill(&number(with), &self.input, &output)
            .ok_or(AXES)?;
        let part = (0..dims.len()).fold(output.clone(), |part, axis| {
            part.slice(axis, pads[axis].0, pads[axis].0 + x.dims[axis])
        });
        self.emitter
            .write(TensorOperation::Copy, x, Right::None, &[], &part)
            .ok_or(AXES)?;
        Ok(output)
    }

    pub(super) fn gather(&mut self, axis: usize, inputs: &[Value]) -> Lowered<View> {
        match inputs {
            [Value::Fixed(table), Value::Held(index)] => {
                let ([rows, width], 0, true) = (&table.dims[..], axis, index.whole) else {
                    return Err("a table of other than rows".to_owned());
                };
                let mut dims = index.dims.clone();
                dims.push(*width);
                let output = self.emitter.fresh(&dims);
                let mut outer = lines(&dims);
                for (at, line) in outer.iter_mut().enumerate().take(index.dims.len()) {
                    line.left = index.stride(at);
                }
                let draft = Draft {
                    operation: TensorOperation::Gather,
                    left: index,
                    right: Right::None,
                    output: &output,
                    outer,
                    inner: Vec::new(),
                    weights: table.values.iter().flat_map(|x| x.to_le_bytes()).collect(),
                    rows: *rows,
                };
                self.emitter.step(draft).ok_or(AXES)?;
                Ok(output)
            }
            [Value::Held(x), Value::Fixed(index)] => {
                let len = x.dims[axis] as f32;
                let at = |i: f32| (if i < 0.0 { i + len } else { i }) as usize;
                let indices: Vec<usize> = index.values.iter().map(|&i| at(i)).collect();
                if indices.iter().any(|&i| i >= x.dims[axis]) {
                    return Err("an index outside its axis".to_owned());
                }
                if let ([i], true) = (&indices[..], index.dims.is_empty()) {
                    return Ok(x.clone().slice(axis, *i, i + 1).without(axis));
                }
                let parts = indices
                    .iter()
                    .map(|&i| Value::Held(x.clone().slice(axis, i, i + 1)));
                let joined = self.concat(axis, &parts.collect::<Vec<_>>())?;
                let mut dims = joined.dims.clone();
                dims.splice(axis..=axis, index.dims.iter().copied());
                self.reshape(&joined, &dims)
            }
            _ => Err("rows of a computed table".to_owned()),
        }
    }
}

/// One computed value.
fn one(view: View) -> Vec<Value> {
    vec![Value::Held(view)]
}

/// A constant's numbers as f32, where it has some.
pub(super) fn fixed(tensor: &Arc<Tensor>) -> Option<Fixed> {
    let cast = tensor.cast_to::<f32>().ok()?;
    let values = cast
        .to_plain_array_view::<f32>()
        .ok()?
        .iter()
        .copied()
        .collect();
    Some(Fixed {
        dims: tensor.shape().to_vec(),
        values: Arc::new(values),
    })
}

/// A constant that the one node behind a product with constant weights adds to it: the node, and the
/// constant in the product's shape.
fn following_bias(model: &TypedModel, node: &TypedNode, op: &EinSum) -> Option<(usize, Fixed)> {
    let [next] = node.outputs[0].successors.as_slice() else {
        return None;
    };
    if op.q_params.is_some() || model.outputs.contains(&OutletId::new(node.id, 0)) {
        return None;
    }
    let next_node = &model.nodes[next.node];
    let sum = next_node
        .op_as::<TypedBinOp>()
        .filter(|op| op.0.name() == "Add")?;
    let other = next_node.inputs.get(1 - next.slot)?;
    let konst = model.nodes[other.node].outputs[other.slot]
        .fact
        .konst
        .as_ref()?;
    let constant = |at: &OutletId| model.nodes[at.node].outputs[at.slot].fact.konst.is_some();
    let same = next_node.outputs[0].fact.shape == node.outputs[0].fact.shape;
    let weighted = node.inputs.iter().filter(|at| constant(at)).count() == 1;
    (same && weighted && sum.1.is_none()).then(|| Some((next.node, fixed(konst)?)))?
}

/// Whether the whole number that a node reads is one that a cast has cut off.
fn is_cut_off(model: &TypedModel, node: &TypedNode) -> bool {
    let mut from = node.inputs.first();
    while let Some(outlet) = from {
        let node = &model.nodes[outlet.node];
        from = node.inputs.first();
        if node.op_is::<Cast>() {
            let fact = from.map(|read| &model.nodes[read.node].outputs[read.slot].fact);
            return fact.is_some_and(|fact| fact.datum_type.is_float());
        }
    }
    false
}
