//! Graphs with operators of ai.onnx.ml, as skl2onnx writes scikit-learn's pipelines: the
//! preprocessing becomes the bundle's transforms, what follows a dense layer or a few.
//!
//! A graph is walked once, in its order. Every value is known as what it is for one applicant: some
//! columns, each a chain of operations on one input; a constant; the sums of dense layers; the
//! probabilities of two classes. What an operator cannot be said to do is refused only where the
//! output needs it: labels are computed in ways that nobody reads.

mod operators;
mod proto;
mod value;

use tract_onnx::pb;

use crate::compile::lines::{Family, Lines};
use crate::compile::net::Net;
use crate::compile::pipeline::Pipeline;
use crate::error::{Error, Result};
use value::{Column, Dense, Value, Walk};

/// Whether a graph has operators of ai.onnx.ml.
pub fn is_one(model: &pb::ModelProto) -> bool {
    let graph = model.graph.as_ref();
    graph.is_some_and(|graph| graph.node.iter().any(|node| node.domain == "ai.onnx.ml"))
}

/// Reads a graph; `place` is what errors call its file.
///
/// # Errors
/// Where the output needs what the plan cannot express: with the node, its operator and what to do.
pub fn read(model: &pb::ModelProto, place: &str) -> Result<Lines> {
    let Some(graph) = &model.graph else {
        return Err(Error::input(place, "a graph"));
    };
    let mut walk = Walk::new(graph, place)?;
    for node in &graph.node {
        walk.take(node);
    }
    let inputs = std::mem::take(&mut walk.inputs);
    let mut refused = None;
    for output in &graph.output {
        match walk.values.remove(&output.name) {
            Some(Value::Scores(scores)) => {
                let mut lines = finish(scores.dense, inputs, place)?;
                lines.sigmoid_removed = scores.sigmoid;
                lines.classes = scores.classes;
                return Ok(match scores.only {
                    // The one column there is says how likely the first class is.
                    Some(0) => {
                        let first = lines.classes.first().cloned().unwrap_or_default();
                        lines.classes.resize(2, first.clone());
                        lines.toward(&first)
                    }
                    _ => lines,
                });
            }
            Some(Value::Dense(dense)) => return finish(dense, inputs, place),
            Some(Value::Refused(error)) => refused = refused.or(Some(*error)),
            _ => {}
        }
    }
    Err(refused.unwrap_or_else(|| {
        Error::input(
            place,
            "an output with probabilities of two classes, or a score",
        )
        .hint("the plan takes linear models behind scikit-learn's preprocessing")
    }))
}

/// The model of some layers on some features: constant features go into the first bias.
fn finish(
    mut dense: Dense,
    inputs: Vec<crate::compile::pipeline::Input>,
    place: &str,
) -> Result<Lines> {
    let features = std::mem::take(&mut dense.columns);
    let Some(first) = dense.layers.first_mut() else {
        return Err(Error::input(place, "a linear model"));
    };
    let constants: Vec<Option<f64>> = features.iter().map(Column::constant).collect();
    let mut weights = Vec::with_capacity(first.weights.len());
    for (row, bias) in first
        .weights
        .chunks_exact(first.inputs)
        .zip(&mut first.bias)
    {
        let mut sum = f64::from(*bias);
        for (&weight, constant) in row.iter().zip(&constants) {
            match constant {
                Some(constant) => sum += f64::from(weight) * constant,
                None => weights.push(weight),
            }
        }
        *bias = sum as f32;
    }
    first.weights = weights;
    let features: Vec<_> = features.into_iter().filter_map(Column::feature).collect();
    first.inputs = features.len();
    if features.is_empty() {
        return Err(Error::input(place, "a model that reads an input"));
    }
    let finite = |layer: &crate::compile::net::Layer| {
        layer
            .weights
            .iter()
            .chain(&layer.bias)
            .all(|x| x.is_finite())
    };
    if dense
        .layers
        .last()
        .is_none_or(|last| last.outputs != 1 || last.relu)
        || !dense.layers.iter().all(finite)
    {
        return Err(Error::input(place, "finite coefficients of one output"));
    }
    Ok(Lines {
        family: Family::Pipeline,
        pipeline: Pipeline { inputs, features },
        net: Net {
            layers: dense.layers,
        },
        sigmoid_removed: false,
        classes: Vec::new(),
        sha256: [0; 32],
    })
}
