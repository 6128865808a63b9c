//! The tract engine: ONNX files. tract's types stay in here.

use std::sync::Arc;

use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, TensorProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::Cost;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::{DimLike, TractErrorContext};

use super::file::{Facts, fault};
use crate::error::Result;
use crate::plan::MAX_STEPS;

/// A row's intermediate values are at most so many, all told.
const MAX_VALUES: usize = 1 << 22;

/// An ONNX model, ready to run on rows of one shape.
#[derive(Debug)]
pub(super) struct Model {
    runnable: Arc<TypedRunnableModel>,
    /// The input's shape, of one row.
    shape: Vec<usize>,
}

impl Model {
    pub fn open(bytes: &[u8]) -> Result<(Facts, Self)> {
        // What a file says of shapes behind its input may be out of date.
        let onnx = onnx()
            .with_ignore_output_shapes(true)
            .with_ignore_value_info(true);
        let proto = onnx
            .proto_model_for_read(&mut std::io::Cursor::new(bytes))
            .map_err(|_| fault("an ONNX model"))?;
        check(&proto)?;
        let mut model = onnx
            .model_for_proto_model(&proto)
            .map_err(|_| fault("an ONNX model whose operators tract knows"))?;
        let shape = one_row(&mut model)?;
        let model = model
            .into_typed()
            .and_then(TypedModel::into_decluttered)
            .map_err(|_| fault("an ONNX model whose shapes tract can work out"))?;
        let (output, multiply_adds) = measure(&model)?;
        if output != (f32::datum_type(), 1) {
            return Err(fault("one output of float32, one number a row"));
        }
        let runnable = model
            .into_optimized()
            .and_then(|model| model.into_runnable())
            .map_err(|_| fault("an ONNX model that tract can prepare"))?;
        let facts = Facts {
            inputs: shape.iter().product(),
            multiply_adds,
        };
        Ok((facts, Self { runnable, shape }))
    }

    /// Each row has a state of its own: recurrent operators keep theirs from call to call.
    pub fn run(&self, features: &[f32]) -> Result<f32> {
        let answer = || -> TractResult<f32> {
            let input = Tensor::from_shape(&self.shape, features)?;
            let outputs = self.runnable.spawn()?.run(tvec![input.into_tvalue()])?;
            let view = outputs[0].to_plain_array_view::<f32>()?;
            view.iter().next().copied().context("no value")
        };
        // What tract says of a failure may show values.
        answer().map_err(|_| fault("a model that tract can run on a row"))
    }
}

/// Fixes the batch of the one input to the one row that scoring needs: the input's shape.
fn one_row(model: &mut InferenceModel) -> Result<Vec<usize>> {
    let expected = || fault("one input of float32 [batch, features], and one output");
    let (1, 1) = (model.inputs.len(), model.outputs.len()) else {
        return Err(expected());
    };
    let fact = model.input_fact(0).map_err(|_| expected())?;
    let float = fact.datum_type.concretize() == Some(f32::datum_type());
    let mut dims = fact
        .shape
        .dims()
        .map(|dim| dim.concretize()?.to_usize().ok());
    let (Some(None | Some(1)), true) = (dims.next(), float) else {
        return Err(expected());
    };
    let shape = match dims.collect::<Option<Vec<usize>>>() {
        Some(rest) if !rest.is_empty() && rest.len() < 8 => [vec![1], rest].concat(),
        _ => return Err(expected()),
    };
    let elements = shape.iter().try_fold(1usize, |all, &d| all.checked_mul(d));
    if elements.is_none_or(|elements| elements > MAX_VALUES) {
        return Err(expected());
    }
    model
        .set_input_fact(0, f32::fact(&shape).into())
        .map_err(|_| expected())?;
    Ok(shape)
}

/// The output's type and length, and the multiply-adds and divisions of a row.
fn measure(model: &TypedModel) -> Result<((DatumType, usize), u64)> {
    let unknown = || fault("shapes that depend on nothing but the batch");
    let (mut values, mut work) = (0usize, 0u64);
    let volume = |fact: &TypedFact| fact.shape.volume().to_usize().map_err(|_| unknown());
    for node in &model.nodes {
        let inputs = model.node_input_facts(node.id).map_err(|_| unknown())?;
        for (cost, count) in node.op.cost(&inputs).map_err(|_| unknown())? {
            if matches!(cost, Cost::FMA(_) | Cost::Div(_)) {
                let count = count.to_i64().map_err(|_| unknown())?;
                work = work.saturating_add(count.unsigned_abs());
            }
        }
        for output in &node.outputs {
            if output.fact.konst.is_none() {
                values = values.saturating_add(volume(&output.fact)?);
            }
        }
    }
    if values > MAX_VALUES {
        return Err(fault(format!("at most {MAX_VALUES} values of a row")));
    }
    let output = model.output_fact(0).map_err(|_| unknown())?;
    Ok((
        (output.datum_type, volume(output)?),
        // What tract does not count takes one for each value.
        work.saturating_add(values as u64),
    ))
}

/// Refuses what would make tract read other files, loop without end, or believe a tensor to be larger
/// than its bytes.
fn check(proto: &ModelProto) -> Result<()> {
    let mut nodes = 0;
    proto
        .graph
        .as_ref()
        .map_or(Ok(()), |graph| check_graph(graph, &mut nodes))
}

/// The reader of protobuf has a limit to how deep messages nest.
fn check_graph(graph: &GraphProto, nodes: &mut usize) -> Result<()> {
    *nodes += graph.node.len();
    if *nodes > MAX_STEPS {
        return Err(fault(format!("at most {MAX_STEPS} nodes")));
    }
    graph.initializer.iter().try_for_each(check_tensor)?;
    for node in &graph.node {
        if node.op_type == "Loop" {
            return Err(fault("no loops"));
        }
        for attribute in &node.attribute {
            check_attribute(attribute, nodes)?;
        }
    }
    Ok(())
}

fn check_attribute(attribute: &AttributeProto, nodes: &mut usize) -> Result<()> {
    attribute
        .t
        .iter()
        .chain(&attribute.tensors)
        .try_for_each(check_tensor)?;
    let mut graphs = attribute.g.iter().chain(&attribute.graphs);
    graphs.try_for_each(|graph| check_graph(graph, nodes))
}

fn check_tensor(tensor: &TensorProto) -> Result<()> {
    if !tensor.external_data.is_empty() {
        return Err(fault("weights inside the model file"));
    }
    let elements = tensor.dims.iter().try_fold(1usize, |all, &dim| {
        all.checked_mul(usize::try_from(dim).ok()?)
    });
    let stored = [
        tensor.raw_data.len(),
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
        tensor.string_data.len(),
    ];
    match elements {
        // Two elements of four bits share a byte.
        Some(elements) if stored.iter().any(|&stored| elements.div_ceil(2) <= stored) => Ok(()),
        _ => Err(fault("tensors as large as their bytes")),
    }
}
