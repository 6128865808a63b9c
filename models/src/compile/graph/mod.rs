//! Nets beyond chains of dense layers: tract's decluttered graph, lowered node by node to tensor steps in
//! f32. The batch axis is one element: a plan scores a row at a time.

mod direct;
mod dynamic;
mod element;
mod emit;
mod fold;
mod form;
mod fuse;
mod hold;
mod linear;
mod narrow;
mod own;
mod pattern;
mod quantise;
mod recurrent;
mod view;
mod walk;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use fieldscore_runtime::plan::{Executable, Step};
use sha2::{Digest, Sha256};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::Conv;
use tract_onnx::tract_core::ops::element_wise::ElementWiseOp;
use tract_onnx::tract_core::ops::gru_seq::GruSeq;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::scan::Scan;
use tract_onnx::tract_core::plan::eval;
use tract_onnx::tract_hir::internal::{DimLike, Factoid, InferenceFact};

use crate::compile::Size;
use crate::compile::lower::Lowered;
use crate::compile::net::Rows;
use crate::compile::tflite;
use crate::error::{Error, Result};
use emit::Emitter;
pub use quantise::Quantiser;
use view::{Value, View};
use walk::{Values, Walk};

use super::faults;
use super::guard::guarded;
use super::import::{UNFIT, short};

/// How far tract's answer and ours may lie apart, relative to max(1, |tract's|).
const TOLERANCE: f32 = 1e-5;
/// The same for recurrent nets and convolutions of images, in which errors add up.
const TOLERANCE_DEEP: f32 = 1e-4;
/// The same for models that come quantised: two steps of 127, where a last bit tips a rounding.
const TOLERANCE_BYTES: f32 = 2.0 / 127.0;

/// A net of any shape that the plan can express.
#[derive(Debug, Clone)]
pub struct Graph {
    /// tract's own, decluttered, with a batch of one: the oracle.
    typed: TypedModel,
    /// An ONNX file's as tract reads it, nothing simplified.
    read: Option<TypedModel>,
    /// The same without a sigmoid at its end.
    bare: TypedModel,
    place: String,
    widths: Vec<usize>,
    lowered: Lowered,
    /// The node that each dense step's weights came from, by their place.
    names: HashMap<u64, String>,
    /// Whether a sigmoid at the end was taken off, so that the output is log-odds.
    pub sigmoid_removed: bool,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

impl Graph {
    /// Reads an ONNX or `.tflite` file.
    ///
    /// # Errors
    /// Where it is neither, or has an operator that the plan cannot express: with the node, its
    /// operator, its shapes and what to do.
    pub fn import(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| crate::error::io(path, &e))?;
        Self::of_bytes(&bytes, path.display().to_string())
    }

    /// As [`Graph::import`], of bytes; `place` is said in errors.
    ///
    /// # Errors
    /// As [`Graph::import`].
    pub fn of_bytes(bytes: &[u8], place: String) -> Result<Self> {
        let (typed, read) = read(bytes, &place)?;
        let mut widths = Vec::new();
        for input in &typed.inputs {
            widths.push(width(&typed, *input, &place)?);
        }
        let mut bare = typed.clone();
        let sigmoid = final_sigmoid(&typed);
        if let Some(id) = sigmoid {
            bare.nodes[id].op = Box::new(Identity);
        }
        let (lowered, _, names) = lower(&bare, &widths, &place, false)?;
        // What is too large for a plan is known now, not when a bundle is opened.
        Executable::new(lowered.plan.clone(), &lowered.weights).map_err(|e| {
            Error::input(
                &place,
                format!("a net that a plan can hold ({})", e.expected()),
            )
            .hint("take a smaller net, or a shorter sequence")
        })?;
        Ok(Self {
            typed,
            read,
            bare,
            place,
            widths,
            lowered,
            names,
            sigmoid_removed: sigmoid.is_some(),
            sha256: Sha256::digest(bytes).into(),
        })
    }

    /// How many features it reads, over all of its inputs in their order.
    pub fn inputs(&self) -> usize {
        self.widths.iter().sum()
    }

    /// The names and sizes of its inputs, where it has several.
    pub fn named_inputs(&self) -> Vec<(String, usize)> {
        let name = |outlet: &OutletId| self.typed.nodes[outlet.node].name.clone();
        let inputs = self
            .typed
            .inputs
            .iter()
            .map(name)
            .zip(self.widths.iter().copied());
        match self.widths.len() {
            0 | 1 => Vec::new(),
            _ => inputs.collect(),
        }
    }

    /// Its plan in f32.
    pub fn lowered(&self) -> &Lowered {
        &self.lowered
    }

    /// That it gives one number for a row.
    ///
    /// # Errors
    /// Where it gives more.
    pub fn check_output(&self) -> Result<()> {
        let model = &self.lowered.plan.models[0];
        let lens = model
            .outputs
            .iter()
            .map(|port| model.buffers[usize::from(port.buffer)].len);
        let lens: Vec<u32> = lens.collect();
        if lens == [1] {
            return Ok(());
        }
        let counts: Vec<String> = lens.iter().map(ToString::to_string).collect();
        Err(Error::input(
            &self.place,
            format!(
                "one output per row, the bad class, not {}",
                counts.join(" and ")
            ),
        )
        .hint("export the logit or the probability of the bad class alone, or name [outputs]"))
    }

    /// How large it is.
    pub fn size(&self, bytes: usize) -> Size {
        let model = &self.lowered.plan.models[0];
        let constants = |node: &TypedNode| {
            let facts = node
                .outputs
                .iter()
                .filter_map(|outlet| outlet.fact.konst.as_ref());
            facts
                .filter(|t| t.datum_type().is_float())
                .map(|t| t.len())
                .sum::<usize>()
        };
        let executable = Executable::new(self.lowered.plan.clone(), &self.lowered.weights);
        Size {
            shape: format!("{} features, {} steps", self.inputs(), model.steps.len()),
            parameters: self.typed.nodes.iter().map(constants).sum(),
            bytes,
            multiply_adds: executable.map_or(0, |plan| plan.multiply_adds(0) as usize),
        }
    }

    /// Holds our plan against tract, row by row, at every edge that both have.
    ///
    /// # Errors
    /// Where tract cannot run the model, or the two differ by more than the family allows: with the
    /// node.
    pub fn check(&self, rows: &Rows) -> Result<()> {
        let fault = |e: TractError| Error::input("model", format!("a model that tract runs ({e})"));
        let deep = self.typed.nodes.iter().any(|node| {
            node.op_is::<GruSeq>()
                || node.op_is::<Scan>()
                || node
                    .op_as::<Conv>()
                    .is_some_and(|op| op.pool_spec.kernel_shape.len() > 1)
        });
        let steps = &self.lowered.plan.models[0].steps;
        let bytes = steps
            .iter()
            .any(|step| matches!(step, Step::TensorQuantise { .. }));
        let tolerance = match (bytes, deep) {
            (true, _) => TOLERANCE_BYTES,
            (false, true) => TOLERANCE_DEEP,
            (false, false) => TOLERANCE,
        };
        let runnable = self.bare.clone().into_runnable().map_err(fault)?;
        let read = self.read.clone().map(TypedModel::into_runnable);
        let read = read.transpose().map_err(fault)?;
        // All edges, where an arena has room for them all; else the outputs.
        let (lowered, edges) = lower(&self.bare, &self.widths, &self.place, true)
            .ok()
            .map(|(lowered, edges, _)| (lowered, edges))
            .filter(|(all, _)| Executable::new(all.plan.clone(), &all.weights).is_ok())
            .unwrap_or_else(|| (self.lowered.clone(), self.bare.outputs.to_vec()));
        // The plan itself leaves out what no output needs: its answers are those of the plan of all edges.
        let mut answers = Vec::new();
        self.lowered.observe(rows, |_, ours| {
            answers.push(ours.iter().map(|own| own.to_vec()).collect::<Vec<_>>());
            Ok(())
        })?;
        lowered.observe(rows, |row, ours| {
            let same = |(ours, own): (&&[f32], &Vec<f32>)| near(own, ours, tolerance, !bytes);
            if !ours.iter().zip(&answers[row]).all(same) {
                return Err(Error::check(
                    &self.place,
                    "a plan with the answers of all that it leaves out",
                ));
            }
            let mut inputs = tvec![];
            let mut at = row * rows.width;
            for (outlet, &width) in self.bare.inputs.iter().zip(&self.widths) {
                let fact = &self.bare.nodes[outlet.node].outputs[outlet.slot].fact;
                let shape: Vec<usize> = fact
                    .shape
                    .iter()
                    .filter_map(|d| d.to_usize().ok())
                    .collect();
                let values = &rows.values[at..at + width];
                let tensor = Tensor::from_shape(&shape, values).map_err(fault)?;
                let tensor = tensor
                    .cast_to_dt(fact.datum_type)
                    .map_err(fault)?
                    .into_owned();
                inputs.push(tensor.into_tvalue());
                at += width;
            }
            let kept = inputs.clone();
            let mut apart: Option<usize> = None;
            // A recurrent operator keeps its state from call to call: each row has its own.
            let mut state = runnable.spawn().map_err(fault)?;
            state
                .run_plan_with_eval(inputs, |context, op_state, node, inputs| {
                    let outputs = eval(context, op_state, node, inputs)?;
                    for (edge, ours) in edges.iter().zip(ours) {
                        if edge.node == node.id && apart.is_none() {
                            let view = outputs[edge.slot].to_plain_array_view::<f32>()?;
                            let theirs: Vec<f32> = view.iter().copied().collect();
                            let last = self.bare.outputs.contains(edge) && !bytes;
                            if !near(ours, &theirs, tolerance, last) {
                                apart = Some(node.id);
                            }
                        }
                    }
                    TractResult::Ok(outputs)
                })
                .map_err(fault)?;
            if let (Some(read), None) = (&read, apart) {
                let outputs = read.run(kept).map_err(fault)?;
                for (edge, ours) in edges.iter().zip(ours) {
                    let Some(at) = self.bare.outputs.iter().position(|own| own == edge) else {
                        continue;
                    };
                    let view = outputs[at].to_plain_array_view::<f32>().map_err(fault)?;
                    let theirs: Vec<f32> = view.iter().copied().collect();
                    let own: Vec<f32> = ours.iter().map(|&x| self.as_read(x)).collect();
                    if !near(&own, &theirs, tolerance, !bytes) {
                        apart = Some(edge.node);
                    }
                }
            }
            match apart {
                None => Ok(()),
                Some(id) => Err(Error::check(
                    format!("{}, node {}", self.place, self.bare.nodes[id].name),
                    format!("the plan's values within {tolerance} of tract's"),
                )),
            }
        })
    }
}

impl Graph {
    /// An output of the plan as the file gives it.
    fn as_read(&self, x: f32) -> f32 {
        match self.sigmoid_removed {
            true => 1.0 / (1.0 + (-x).exp()),
            false => x,
        }
    }
}

/// Whether two lists are the same but for rounding. Inside a net large terms may cancel later: there the
/// greatest of an edge is the measure.
fn near(ours: &[f32], theirs: &[f32], tolerance: f32, last: bool) -> bool {
    let most = theirs.iter().fold(1.0f32, |most, x| most.max(x.abs()));
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(a, b)| {
            let scale = if last { b.abs().max(1.0) } else { most };
            (a - b).abs() <= tolerance * scale || (a.is_nan() && b.is_nan())
        })
}

/// tract's reading of a file, its batch axis set to one: decluttered, and of an ONNX file as it is as well.
fn read(bytes: &[u8], place: &str) -> Result<(TypedModel, Option<TypedModel>)> {
    let fault = |what: &str, e: &TractError| Error::input(place, format!("{what} ({})", short(e)));
    if tflite::is_tflite(bytes) {
        return Ok((tflite::typed(bytes, place)?, None));
    }
    let onnx = onnx()
        .with_ignore_output_shapes(true)
        .with_ignore_value_info(true);
    let proto = onnx
        .proto_model_for_read(&mut std::io::Cursor::new(bytes))
        .map_err(|e| fault("a readable ONNX model", &e))?;
    faults::refuse(&proto, place)?;
    let proto = dynamic::in_float(proto, place)?;
    let mut model = onnx
        .model_for_proto_model(&proto)
        .map_err(|e| fault("a readable ONNX model", &e))?;
    for at in 0..model.inputs.len() {
        let outlet = model.inputs[at];
        let fact = &model.nodes[outlet.node].outputs[outlet.slot].fact;
        let dims: Vec<Option<usize>> = fact
            .shape
            .dims()
            .map(|dim| dim.concretize().and_then(|dim| dim.to_usize().ok()))
            .collect();
        let Some(kind) = fact.datum_type.concretize() else {
            return Err(Error::input(place, "inputs of a known type"));
        };
        let mut shape = Vec::new();
        for (axis, dim) in dims.iter().enumerate() {
            match (axis, dim) {
                (0, None | Some(1)) => shape.push(1usize),
                (1.., Some(dim)) => shape.push(*dim),
                _ => {
                    return Err(Error::input(
                        format!("{place}, input {}", model.nodes[outlet.node].name),
                        "a batch axis, then axes of fixed length",
                    )
                    .hint(
                        "export with a dynamic batch axis, or a batch of one, and all else fixed",
                    ));
                }
            }
        }
        let fact = InferenceFact::dt_shape(kind, &shape);
        model
            .set_input_fact(at, fact)
            .map_err(|e| fault("inputs of fixed shape", &e))?;
    }
    let typed = guarded(|| {
        let read = model.into_typed().map_err(|e| short(&e))?;
        let mut simple = read.clone();
        hold::softmaxes(&mut simple);
        simple.declutter().map_err(|e| short(&e))?;
        hold::release(&mut simple);
        Ok((simple, Some(read)))
    });
    typed.unwrap_or_else(|| Err(UNFIT.to_owned())).map_err(|e| {
        Error::input(
            place,
            format!("an ONNX model whose operators and shapes tract knows ({e})"),
        )
        .hint("export with fixed shapes but for the batch axis, or to another opset")
    })
}

/// Features of an input.
fn width(model: &TypedModel, input: OutletId, place: &str) -> Result<usize> {
    let node = &model.nodes[input.node];
    let fact = &node.outputs[input.slot].fact;
    let len = fact
        .shape
        .iter()
        .try_fold(1usize, |n, d| Some(n * d.to_usize().ok()?));
    let number = fact.datum_type == f32::datum_type() || fact.datum_type.is_integer();
    len.filter(|_| number).ok_or_else(|| {
        Error::input(
            format!("{place}, input {}", node.name),
            format!("float32 or whole numbers of a fixed count, not {fact:?}"),
        )
    })
}

/// The sigmoid that the only output comes from, with nothing but reshapes behind it.
fn final_sigmoid(model: &TypedModel) -> Option<usize> {
    let [output] = model.outputs.as_slice() else {
        return None;
    };
    let mut node = &model.nodes[output.node];
    while node.op_is::<AxisOp>() || node.op_is::<Identity>() {
        node = &model.nodes[node.inputs.first()?.node];
    }
    let op = node.op_as::<ElementWiseOp>()?;
    let alone = node.outputs[0].successors.len() <= 1;
    (op.0.name() == "Sigmoid" && alone).then_some(node.id)
}

/// The plan of a model, the outlets that its outputs are (the model's own, or `all` that are whole
/// buffers), and the nodes that dense steps came from.
fn lower(
    model: &TypedModel,
    widths: &[usize],
    place: &str,
    all: bool,
) -> Result<(Lowered, Vec<OutletId>, HashMap<u64, String>)> {
    let mut emitter = Emitter::default();
    let total = widths.iter().sum();
    let input = emitter.fresh(&[total]);
    let mut walk = Walk {
        emitter,
        place,
        input,
        signed: HashSet::new(),
    };
    let mut inputs = Vec::new();
    let mut start = 0;
    for (outlet, &width) in model.inputs.iter().zip(widths) {
        let fact = &model.nodes[outlet.node].outputs[outlet.slot].fact;
        let dims: Vec<usize> = fact
            .shape
            .iter()
            .filter_map(|d| d.to_usize().ok())
            .collect();
        let mut view = View {
            start,
            ..View::whole(0, &dims)
        };
        view.whole = fact.datum_type.is_integer();
        inputs.push(Value::Held(view));
        start += width;
    }
    let values = walk.model(model, inputs)?;
    let mut outputs = Vec::new();
    for outlet in &model.outputs {
        let view = output(&mut walk, model, &values, *outlet)?;
        outputs.push((*outlet, view));
    }
    if all {
        let whole = |outlet: &OutletId, view: &View| {
            let fact = &model.nodes[outlet.node].outputs[outlet.slot].fact;
            walk.emitter.is_all(view) && view.buffer != 0 && fact.datum_type == f32::datum_type()
        };
        for (outlet, value) in &values {
            if let Value::Held(view) = value
                && whole(outlet, view)
                && outputs.iter().all(|(other, _)| other != outlet)
            {
                outputs.push((*outlet, view.clone()));
            }
        }
    }
    let several = model.outputs.len() > 1;
    let name = |outlet: &OutletId| match model.outlet_label(*outlet).filter(|_| several) {
        Some(label) => label.to_owned(),
        None => format!("{}.{}", model.nodes[outlet.node].name, outlet.slot),
    };
    let named: Vec<(String, &View)> = outputs
        .iter()
        .map(|(outlet, view)| (name(outlet), view))
        .collect();
    let names = std::mem::take(&mut walk.emitter.names);
    let lowered = walk.emitter.finish(&named).ok_or_else(|| {
        let most = fieldscore_runtime::plan::MAX_STEPS;
        Error::input(place, format!("a net of at most {most} steps"))
            .hint("shorten the sequence, or take fewer layers: recurrence is unrolled")
    })?;
    Ok((
        lowered,
        outputs.into_iter().map(|(outlet, _)| outlet).collect(),
        names,
    ))
}

/// An output in a buffer of its own.
fn output(
    walk: &mut Walk<'_>,
    model: &TypedModel,
    values: &Values,
    outlet: OutletId,
) -> Result<View> {
    let node = &model.nodes[outlet.node];
    let view = match values.get(&outlet) {
        Some(Value::Held(view)) if !view.whole => view,
        _ => return Err(walk.refuse(model, node, "it gives the same for every row")),
    };
    // The input's own buffer is no output, nor is a part of a larger one: a copy is.
    let dense = if view.buffer != 0 && walk.emitter.is_all(view) {
        Some(view.clone())
    } else {
        walk.emitter
            .map(fieldscore_runtime::plan::TensorOperation::Copy, &[], view)
    };
    dense.ok_or_else(|| walk.refuse(model, node, walk::AXES))
}
