//! Importing: tract reads and normalises an ONNX or `.tflite` file; its graph becomes a [`Net`], or is refused
//! with the node that the plan cannot express.

use std::path::Path;

use sha2::{Digest, Sha256};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_hir::internal::{Axis, DimLike, InOut};

use crate::compile::guard::guarded;
use crate::compile::net::{Layer, Net};
use crate::compile::tflite;
use crate::error::{Error, Result, io};

/// An imported model.
#[derive(Debug, Clone)]
pub struct Imported {
    /// tract's own, decluttered: the oracle.
    pub typed: TypedModel,
    /// As the plan engine will run it.
    pub net: Net,
    /// The edge in `typed` that each layer's output is.
    pub edges: Vec<OutletId>,
    /// Whether a sigmoid at the end was taken off, so that the net's output is log-odds.
    pub sigmoid_removed: bool,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Bytes of the float weights and biases in the model.
    pub initialiser_bytes: usize,
}

/// Reads an ONNX or `.tflite` file with one output for each row.
///
/// # Errors
/// Where it is neither, or has an operator that the plan cannot express: with the node, its
/// operator, its shapes and what to do.
pub fn import(path: &Path) -> Result<Imported> {
    let imported = import_several(path)?;
    match imported.net.layers.last() {
        Some(last) if last.outputs != 1 => Err(Error::input(
            format!("{}, node {}", path.display(), last.name),
            format!("one output per row, the bad class, not {}", last.outputs),
        )
        .hint("export the logit or the probability of the bad class alone, or name [outputs]")),
        _ => Ok(imported),
    }
}

/// As [`import`], with any number of outputs.
///
/// # Errors
/// As [`import`].
pub fn import_several(path: &Path) -> Result<Imported> {
    let bytes = std::fs::read(path).map_err(|e| io(path, &e))?;
    let place = path.display().to_string();
    let typed = typed(&bytes, &place)?;
    let mut walk = Walk::new(&typed, &place)?;
    walk.run()?;
    let (layers, edges): (Vec<Layer>, Vec<OutletId>) = walk.layers.into_iter().unzip();
    let net = Net { layers };
    let initialiser_bytes = net.parameters() * 4;
    let sigmoid_removed = walk.sigmoid;
    Ok(Imported {
        typed,
        net,
        edges,
        sigmoid_removed,
        sha256: Sha256::digest(&bytes).into(),
        initialiser_bytes,
    })
}

/// Reads the bytes of an ONNX or `.tflite` file into tract's decluttered form.
///
/// # Errors
/// Where tract does not read them.
pub(super) fn typed(bytes: &[u8], place: &str) -> Result<TypedModel> {
    if tflite::is_tflite(bytes) {
        return tflite::typed(bytes, place);
    }
    let unknown = |why: &str| {
        Error::input(
            place,
            format!("an ONNX model whose operators and shapes tract knows ({why})"),
        )
        .hint("export with a fixed feature count and a dynamic batch axis")
    };
    let read = guarded(|| {
        let model = onnx()
            .model_for_read(&mut std::io::Cursor::new(bytes))
            .map_err(|e| Error::input(place, format!("a readable ONNX model ({})", short(&e))))?;
        let typed = model.into_typed().and_then(TypedModel::into_decluttered);
        typed.map_err(|e| unknown(&short(&e)))
    });
    read.unwrap_or_else(|| Err(unknown(UNFIT)))
}

/// What is said of a file that a reader panicked over.
pub(super) const UNFIT: &str = "its parts do not fit together";

/// The first lines of what tract says.
pub(super) fn short(e: &TractError) -> String {
    let chain: Vec<String> = e
        .chain()
        .map(|cause| cause.to_string().replace('\n', " "))
        .collect();
    chain.join(": ").chars().take(300).collect()
}

/// Follows the one path from the model's input to its output.
struct Walk<'m> {
    model: &'m TypedModel,
    place: &'m str,
    at: OutletId,
    /// Features at `at`.
    width: usize,
    layers: Vec<(Layer, OutletId)>,
    /// An affine map of the values at `at` that no layer has taken up yet: factor and offset.
    pending: Option<(Vec<f32>, Vec<f32>)>,
    sigmoid: bool,
}

impl<'m> Walk<'m> {
    fn new(model: &'m TypedModel, place: &'m str) -> Result<Self> {
        let (inputs, outputs) = (&model.inputs, &model.outputs);
        let ([input], [_]) = (inputs.as_slice(), outputs.as_slice()) else {
            return Err(Error::input(
                place,
                format!(
                    "one input and one output, not {} and {}",
                    inputs.len(),
                    outputs.len()
                ),
            )
            .hint("export the net alone, without label outputs or post-processing"));
        };
        let fact = &model.nodes[input.node].outputs[input.slot].fact;
        let width = fact
            .shape
            .iter()
            .skip(1)
            .try_fold(1usize, |sum, d| Some(sum * d.to_usize().ok()?));
        let (Some(width), 2.., true) = (width, fact.rank(), fact.datum_type == f32::datum_type())
        else {
            return Err(Error::input(
                format!("{place}, input {}", model.nodes[input.node].name),
                format!("float32 [batch, features] with a fixed count of features, not {fact:?}"),
            ));
        };
        Ok(Self {
            model,
            place,
            at: *input,
            width,
            layers: Vec::new(),
            pending: None,
            sigmoid: false,
        })
    }

    fn run(&mut self) -> Result<()> {
        while self.at != self.model.outputs[0] {
            let successors = &self.model.nodes[self.at.node].outputs[self.at.slot].successors;
            let [next] = successors.as_slice() else {
                let node = &self.model.nodes[self.at.node];
                return Err(self.refuse(node, "its value is used in more than one place"));
            };
            let node = &self.model.nodes[next.node];
            if self.sigmoid {
                return Err(self.refuse(node, "nothing may follow the final sigmoid"));
            }
            self.take(node)?;
            self.at = OutletId::new(node.id, 0);
        }
        let Some((last, _)) = self.layers.last() else {
            return Err(Error::input(self.place, "at least one dense layer"));
        };
        if last.relu {
            return Err(Error::input(
                format!("{}, node {}", self.place, last.name),
                "a last layer without ReLU",
            )
            .hint("export the logit or the probability of the bad class"));
        }
        if self.pending.is_some() {
            self.flush_into_last()?;
        }
        Ok(())
    }

    fn take(&mut self, node: &TypedNode) -> Result<()> {
        if let Some(op) = node.op_as::<EinSum>() {
            return self.take_einsum(node, op);
        }
        if let Some(op) = node.op_as::<TypedBinOp>() {
            return self.take_binary(node, op.0.name());
        }
        if let Some(op) = node.op_as::<ElementWiseOp>()
            && op.0.name() == "Sigmoid"
        {
            self.sigmoid = true;
            return Ok(());
        }
        let reshapes = node.op_is::<AxisOp>() || node.op_is::<Cast>();
        let fact = &node.outputs[0].fact;
        let rest = |skip: usize| {
            let mut dims = fact.shape.iter().skip(skip);
            dims.try_fold(1usize, |sum, d| Some(sum * d.to_usize().ok()?))
        };
        // Of a batch that is fixed to one row, all of its values.
        let width = rest(0).or_else(|| rest(1));
        if reshapes && fact.datum_type == f32::datum_type() && width == Some(self.width) {
            return Ok(());
        }
        Err(self.refuse(node, "the plan has no step for it"))
    }

    /// A matrix product with constant weights.
    fn take_einsum(&mut self, node: &TypedNode, op: &EinSum) -> Result<()> {
        let [a, b] = node.inputs.as_slice() else {
            return Err(self.refuse(node, "a product of more than two values"));
        };
        let (slot, constant) = if *a == self.at { (0, *b) } else { (1, *a) };
        let Some(weights) = self.constant(constant) else {
            return Err(self.refuse(node, "a product of two computed values"));
        };
        let data_axes = op.axes.axes(InOut::In(slot));
        let data = &self.model.nodes[self.at.node].outputs[self.at.slot].fact;
        // A batch that is fixed to one row may be left out of the product.
        let is_unit = |axis: &&Axis| {
            let dims = axis.inputs[slot].iter();
            axis.inputs[1 - slot].is_empty() && dims.clone().all(|&at| data.shape[at].is_one())
        };
        let summed: Vec<_> = data_axes
            .filter(|axis| axis.outputs[0].is_empty() && !is_unit(axis))
            .collect();
        let [summed] = summed.as_slice() else {
            return Err(self.refuse(node, "a product that sums over other than one axis"));
        };
        let Some(&k) = summed.inputs[1 - slot].first() else {
            return Err(self.refuse(node, "a sum that the weights take no part in"));
        };
        let view = weights
            .to_plain_array_view::<f32>()
            .map_err(|e| self.refuse(node, &short(&e)))?;
        let inputs = view.shape().get(k).copied().unwrap_or(0);
        if inputs == 0 || inputs != self.width || weights.len() % inputs != 0 {
            return Err(self.refuse(node, "weights that do not fit the features"));
        }
        let outputs = weights.len() / inputs;
        // Whatever other axes the weights have are outputs, in their order.
        let mut order: Vec<usize> = (0..view.ndim()).filter(|&axis| axis != k).collect();
        order.push(k);
        let packed: Vec<f32> = view.permuted_axes(order).iter().copied().collect();
        let mut layer = Layer {
            name: node.name.clone(),
            inputs,
            outputs,
            weights: packed,
            bias: vec![0.0; outputs],
            relu: false,
        };
        if let Some((factor, offset)) = self.pending.take() {
            for (weights, bias) in layer.weights.chunks_exact_mut(inputs).zip(&mut layer.bias) {
                for ((weight, factor), offset) in weights.iter_mut().zip(&factor).zip(&offset) {
                    *bias += *weight * offset;
                    *weight *= factor;
                }
            }
        }
        self.width = outputs;
        self.layers.push((layer, OutletId::new(node.id, 0)));
        Ok(())
    }

    /// An element-wise step with a constant: part of an affine map, or a ReLU.
    fn take_binary(&mut self, node: &TypedNode, op: &str) -> Result<()> {
        let [a, b] = node.inputs.as_slice() else {
            return Err(self.refuse(node, "more than two operands"));
        };
        let data_first = *a == self.at;
        let Some(constant) = self.constant(if data_first { *b } else { *a }) else {
            return Err(self.refuse(node, "two computed operands"));
        };
        let constant = constant
            .cast_to::<f32>()
            .and_then(|c| {
                Ok(c.to_plain_array_view::<f32>()?
                    .iter()
                    .copied()
                    .collect::<Vec<f32>>())
            })
            .map_err(|e| self.refuse(node, &short(&e)))?;
        if constant.len() != 1 && constant.len() != self.width {
            return Err(self.refuse(
                node,
                "an operand that is neither one number nor one a feature",
            ));
        }
        let at = |i: usize| constant[if constant.len() == 1 { 0 } else { i }];
        let (mut factor, mut offset) = (vec![1.0; self.width], vec![0.0; self.width]);
        for i in 0..self.width {
            match op {
                "Add" => offset[i] = at(i),
                "Sub" if data_first => offset[i] = -at(i),
                "Sub" => (factor[i], offset[i]) = (-1.0, at(i)),
                "Mul" => factor[i] = at(i),
                "Div" if data_first => factor[i] = 1.0 / at(i),
                "Max" if constant.iter().all(|&c| c == 0.0) => {}
                _ => return Err(self.refuse(node, "the plan has no step for it")),
            }
        }
        if op == "Max" {
            return self.take_relu(node);
        }
        match (self.pending.as_mut(), self.layers.last_mut()) {
            // Directly behind a product: part of the layer.
            (None, Some((layer, edge))) if !layer.relu => {
                for n in 0..layer.outputs {
                    let weights = &mut layer.weights[n * layer.inputs..(n + 1) * layer.inputs];
                    weights.iter_mut().for_each(|weight| *weight *= factor[n]);
                    layer.bias[n] = layer.bias[n] * factor[n] + offset[n];
                }
                *edge = OutletId::new(node.id, 0);
            }
            (Some((f, o)), _) => {
                for i in 0..f.len() {
                    f[i] *= factor[i];
                    o[i] = o[i] * factor[i] + offset[i];
                }
            }
            // On the features, or behind a ReLU: part of the next layer.
            _ => self.pending = Some((factor, offset)),
        }
        Ok(())
    }

    fn take_relu(&mut self, node: &TypedNode) -> Result<()> {
        match self.layers.last_mut() {
            Some((layer, edge)) if self.pending.is_none() => {
                layer.relu = true;
                *edge = OutletId::new(node.id, 0);
                Ok(())
            }
            _ => Err(self.refuse(node, "a ReLU that does not follow a dense layer")),
        }
    }

    fn flush_into_last(&mut self) -> Result<()> {
        let Some((layer, _)) = self.layers.last() else {
            return Ok(());
        };
        Err(Error::input(
            format!("{}, node {}", self.place, layer.name),
            "a model that ends with its last dense layer or a sigmoid",
        ))
    }

    fn constant(&self, outlet: OutletId) -> Option<Arc<Tensor>> {
        self.model.nodes[outlet.node].outputs[outlet.slot]
            .fact
            .konst
            .clone()
    }

    fn refuse(&self, node: &TypedNode, why: &str) -> Error {
        refused(self.place, self.model, node, why)
        .hint(
            "the plan takes chains of dense layers with ReLU, element-wise scaling by constants, and a final \
             sigmoid; on native builds with tract the file runs as it is: [compile] engine = \"tract\"",
        )
    }
}

/// The error of a node that the plan cannot express, with its operator and the shapes that it reads;
/// the way out is the caller's to say.
pub(crate) fn refused(place: &str, model: &TypedModel, node: &TypedNode, why: &str) -> Error {
    let shapes: Vec<String> = node
        .inputs
        .iter()
        .map(|input| {
            let fact = &model.nodes[input.node].outputs[input.slot].fact;
            let dims: Vec<String> = fact.shape.iter().map(ToString::to_string).collect();
            format!("{:?} [{}]", fact.datum_type, dims.join(", "))
        })
        .collect();
    Error::input(
        format!("{place}, node {}", node.name),
        format!(
            "an operator that the plan can express, not {} of {} ({why})",
            node.op.name(),
            shapes.join(" and ")
        ),
    )
}
