//! Graphs with operators of ai.onnx.ml, as skl2onnx writes scikit-learn's pipelines: the
//! preprocessing becomes the bundle's transforms, what follows a dense layer or a few, or trees.
//!
//! A graph is walked once, in its order. Every value is known as what it is for one applicant: some
//! columns, each a chain of operations on one input; a constant; the sums of dense layers; the
//! probabilities of two classes. What an operator cannot be said to do is refused only where the
//! output needs it: labels are computed in ways that nobody reads.

mod bend;
mod operators;
mod proto;
mod value;

use tract_onnx::pb;

use crate::compile::lines::{Family, Lines};
use crate::compile::net::Net;
use crate::compile::pipeline::{Feature, Pipeline, Step};
use crate::compile::trees::Grown;
use crate::error::{Error, Result};
use fieldscore_runtime::schema::transform::Operation;
use value::{Column, Dense, Forests, Model, Scores, Value, Walk};

/// A model with its preprocessing; the file's digest and length are the caller's to fill in.
#[derive(Debug, Clone)]
pub enum Read {
    /// Dense layers.
    Lines(Lines),
    /// Trees.
    Trees(Grown),
}

/// Whether a graph has operators of ai.onnx.ml.
pub fn is_one(model: &pb::ModelProto) -> bool {
    let graph = model.graph.as_ref();
    graph.is_some_and(|graph| graph.node.iter().any(|node| node.domain == "ai.onnx.ml"))
}

/// Reads a graph; `place` is what errors call its file.
///
/// # Errors
/// Where the output needs what the plan cannot express: with the node, its operator and what to do.
pub fn read(model: &pb::ModelProto, place: &str) -> Result<Read> {
    let Some(graph) = &model.graph else {
        return Err(Error::input(place, "a graph"));
    };
    let mut walk = Walk::new(graph, place)?;
    for node in &graph.node {
        walk.take(node);
    }
    let pipeline = Pipeline {
        inputs: std::mem::take(&mut walk.inputs),
        joined: std::mem::take(&mut walk.joined),
        ..Pipeline::default()
    };
    let (mut refused, mut first) = (None, None);
    for output in &graph.output {
        match walk.values.remove(&output.name) {
            // A later output may be the second class's.
            Some(Value::Scores(scores)) if scores.only == Some(0) => first = Some(scores),
            Some(Value::Scores(scores)) => return scored(scores, pipeline, place),
            Some(Value::Dense(dense)) => return finish(dense, pipeline, place).map(Read::Lines),
            Some(Value::Refused(error)) => refused = refused.or(Some(*error)),
            _ => {}
        }
    }
    if let Some(scores) = first {
        return scored(scores, pipeline, place);
    }
    Err(refused.unwrap_or_else(|| {
        Error::input(
            place,
            "an output with probabilities of two classes, or a score",
        )
        .hint("the plan takes linear models and trees behind scikit-learn's preprocessing")
    }))
}

/// The model of a classifier, or of trees.
fn scored(scores: Scores, pipeline: Pipeline, place: &str) -> Result<Read> {
    // Whether the one column there is says how likely the first class is.
    let first = scores.only == Some(0);
    match scores.model {
        Model::Dense(dense) => {
            let mut lines = finish(dense, pipeline, place)?;
            lines.sigmoid_removed = scores.sigmoid;
            lines.classes = scores.classes;
            if first {
                let first = lines.classes.first().cloned().unwrap_or_default();
                lines.classes.resize(2, first.clone());
                lines = lines.toward(&first);
            }
            Ok(Read::Lines(lines))
        }
        Model::Trees(forests) => {
            let Forests {
                columns,
                second,
                first: other,
            } = *forests;
            let mut grown = Grown::new(second, &[]);
            let all = columns.into_iter().map(column);
            grown.pipeline = Some(Pipeline {
                features: all.collect(),
                keeps_missing: true,
                ..pipeline
            });
            grown.classes = other.map(|other| Box::new((scores.classes, other)));
            if first && let Some(name) = grown.classes.as_ref().and_then(|of| of.0.first().cloned())
            {
                grown = grown.toward(&name);
            }
            Ok(Read::Trees(grown))
        }
    }
}

/// A column as a feature: one that is the same for everyone is what any input's number becomes.
fn column(column: Column) -> Feature {
    match column {
        Column::Of(feature) => feature,
        Column::Number(value) => {
            let bin = Operation::Bins {
                edges: Vec::new(),
                values: vec![value],
            };
            Feature {
                input: 0,
                steps: vec![Step::Run(Operation::Impute { value }), Step::Run(bin)],
            }
        }
    }
}

/// The model of some layers on some features: constant features go into the first bias.
fn finish(mut dense: Dense, pipeline: Pipeline, place: &str) -> Result<Lines> {
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
        pipeline: Pipeline {
            features,
            ..pipeline
        },
        net: Net {
            layers: dense.layers,
        },
        sigmoid_removed: false,
        classes: Vec::new(),
        sha256: [0; 32],
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use pb::tensor_shape_proto::{Dimension, dimension::Value as Size};

    use super::*;

    fn words(name: &str, all: &[&str]) -> pb::AttributeProto {
        pb::AttributeProto {
            name: name.to_owned(),
            strings: all.iter().map(|word| word.as_bytes().to_vec()).collect(),
            ..pb::AttributeProto::default()
        }
    }

    fn node(
        kind: &str,
        input: &str,
        output: &str,
        attribute: Vec<pb::AttributeProto>,
    ) -> pb::NodeProto {
        pb::NodeProto {
            op_type: kind.to_owned(),
            domain: "ai.onnx.ml".to_owned(),
            input: vec![input.to_owned()],
            output: vec![output.to_owned()],
            attribute,
            ..pb::NodeProto::default()
        }
    }

    /// One input of text, `[batch, 1]`.
    fn text(name: &str) -> pb::ValueInfoProto {
        let dim = |value| Dimension {
            value,
            ..Dimension::default()
        };
        let tensor = pb::type_proto::Tensor {
            elem_type: 8,
            shape: Some(pb::TensorShapeProto {
                dim: vec![dim(None), dim(Some(Size::DimValue(1)))],
            }),
        };
        pb::ValueInfoProto {
            name: name.to_owned(),
            r#type: Some(pb::TypeProto {
                value: Some(pb::type_proto::Value::TensorType(tensor)),
                ..pb::TypeProto::default()
            }),
            ..pb::ValueInfoProto::default()
        }
    }

    /// One-hot categories and a line of them.
    fn one_hot(categories: &[&str]) -> Vec<Vec<Step>> {
        let coefficients = pb::AttributeProto {
            name: "coefficients".to_owned(),
            floats: vec![0.5; categories.len()],
            ..pb::AttributeProto::default()
        };
        let graph = pb::GraphProto {
            node: vec![
                node(
                    "OneHotEncoder",
                    "home",
                    "hot",
                    vec![words("cats_strings", categories)],
                ),
                node("LinearRegressor", "hot", "score", vec![coefficients]),
            ],
            input: vec![text("home")],
            output: vec![pb::ValueInfoProto {
                name: "score".to_owned(),
                ..pb::ValueInfoProto::default()
            }],
            ..pb::GraphProto::default()
        };
        let model = pb::ModelProto {
            graph: Some(graph),
            ..pb::ModelProto::default()
        };
        match read(&model, "model") {
            Ok(Read::Lines(lines)) => lines
                .pipeline
                .features
                .into_iter()
                .map(|own| own.steps)
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_blank_that_an_encoder_knows_is_a_value_that_is_missing() {
        let plain = one_hot(&["own", "rent"]);
        assert!(
            plain
                .iter()
                .flatten()
                .all(|step| !matches!(step, Step::Run(_)))
        );
        let blank = one_hot(&["own", "rent", ""]);
        for (at, steps) in blank.iter().enumerate() {
            let [
                Step::Words(_),
                Step::Run(Operation::Impute { value }),
                Step::Is(own),
            ] = &steps[..]
            else {
                panic!("{steps:?}");
            };
            assert!(*value == 2.0 && *own == at as f64);
        }
    }
}
