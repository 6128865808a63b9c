//! What a graph's values are for one applicant.

use std::collections::HashMap;

use fieldscore_runtime::schema::transform::Operation;
use tract_onnx::pb::{GraphProto, NodeProto};

use super::proto::{self, element};
use super::{bend, operators};
use crate::compile::net::Layer;
use crate::compile::pipeline::{Feature, Input, Joined, Step};
use crate::compile::trees::Forest;
use crate::error::{Error, Result};

/// What a value is for one applicant.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Columns, before any model.
    Columns(Columns),
    /// The same for everyone.
    Constant(Constant),
    /// The output of dense layers.
    Dense(Dense),
    /// Probabilities or margins of two classes.
    Scores(Scores),
    /// A class: nobody reads it.
    Label,
    /// Something that an operator was refused for.
    Refused(Box<Error>),
}

/// The type of columns' numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Single,
    Double,
    Whole,
    Text,
}

/// Some columns of one type.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub kind: Kind,
    pub columns: Vec<Column>,
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    /// What is made of one input.
    Of(Feature),
    /// A number.
    Number(f64),
}

/// A constant tensor.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    pub dims: Vec<usize>,
    pub numbers: Vec<f64>,
}

/// Dense layers over some columns.
#[derive(Debug, Clone)]
pub(super) struct Dense {
    pub columns: Vec<Column>,
    pub layers: Vec<Layer>,
}

/// Trees over some columns.
#[derive(Debug, Clone)]
pub(super) struct Forests {
    pub columns: Vec<Column>,
    /// The second class's, or the regression's.
    pub second: Forest,
    /// The first class's, where the classes have names.
    pub first: Option<Forest>,
}

/// What gives scores.
#[derive(Debug, Clone)]
pub(super) enum Model {
    Dense(Dense),
    Trees(Box<Forests>),
}

/// What a classifier says, or a regression of trees: `model` is the second class's.
#[derive(Debug, Clone)]
pub(super) struct Scores {
    pub model: Model,
    /// Whether these are probabilities, by a sigmoid of what `model` gives.
    pub sigmoid: bool,
    /// The two classes, where the graph names them.
    pub classes: Vec<String>,
    /// The class that the one column is of; `None` where there are both.
    pub only: Option<usize>,
}

impl Column {
    /// Its number, if it is the same for everyone.
    pub fn constant(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Of(_) => None,
        }
    }

    /// Itself as a feature, if it is one.
    pub fn feature(self) -> Option<Feature> {
        match self {
            Self::Of(feature) => Some(feature),
            Self::Number(_) => None,
        }
    }

    /// What one more operation makes of it; `None` where that cannot be said.
    pub fn then(&self, operation: Operation) -> Option<Self> {
        match (self, operation) {
            (Self::Number(x), Operation::Affine { offset, factor }) => {
                let single = |x: f64| f64::from(x as f32);
                Some(Self::Number(single(single(x - offset) * factor)))
            }
            (Self::Number(x), Operation::Single) => Some(Self::Number(f64::from(*x as f32))),
            (Self::Number(_), _) => None,
            (Self::Of(_), Operation::Affine { factor: 0.0, .. }) => Some(Self::Number(0.0)),
            (Self::Of(feature), operation) => {
                // 0 and 1 are what they are in f32.
                let is = matches!(feature.steps.last(), Some(Step::Is(_)));
                if is && operation == Operation::Single {
                    return Some(self.clone());
                }
                let mut feature = counted(feature.clone());
                feature.steps.push(Step::Run(operation));
                Some(Self::Of(feature))
            }
        }
    }

    /// The same followed by any step.
    pub fn step(&self, step: Step) -> Option<Self> {
        match self {
            Self::Of(feature) if !matches!(feature.steps.last(), Some(Step::Is(_))) => {
                let mut feature = feature.clone();
                feature.steps.push(step);
                Some(Self::Of(feature))
            }
            _ => None,
        }
    }
}

/// A feature whose last step is no indicator: an indicator ends its chain, so that bins say the same.
pub(super) fn counted(mut feature: Feature) -> Feature {
    if let Some(&Step::Is(value)) = feature.steps.last() {
        feature.steps.pop();
        let is_text = matches!(feature.steps.first(), Some(Step::Words(_)));
        feature.steps.push(Step::Run(Operation::Bins {
            edges: vec![value, value.next_up()],
            values: vec![0.0, 1.0, 0.0],
        }));
        // Of a text that is missing no category is its own.
        if is_text {
            let none = Operation::Impute { value: 0.0 };
            feature.steps.push(Step::Run(none));
        }
    }
    feature
}

/// A graph on the way.
pub(super) struct Walk<'g> {
    pub place: &'g str,
    /// Which node writes a value.
    pub makers: HashMap<&'g str, &'g NodeProto>,
    pub inputs: Vec<Input>,
    pub joined: Vec<Joined>,
    pub values: HashMap<String, Value>,
}

impl<'g> Walk<'g> {
    pub fn new(graph: &'g GraphProto, place: &'g str) -> Result<Self> {
        let made = graph.node.iter().flat_map(|node| {
            let names = node.output.iter();
            names.map(move |name| (name.as_str(), node))
        });
        let mut walk = Self {
            place,
            makers: made.collect(),
            inputs: Vec::new(),
            joined: Vec::new(),
            values: HashMap::new(),
        };
        for tensor in &graph.initializer {
            let dims = tensor.dims.iter().map(|&d| usize::try_from(d).unwrap_or(0));
            let value = match proto::numbers(tensor) {
                Some(numbers) => Value::Constant(Constant {
                    dims: dims.collect(),
                    numbers,
                }),
                // Class names, which only labels are made of.
                None => Value::Label,
            };
            walk.values.insert(tensor.name.clone(), value);
        }
        for info in &graph.input {
            if walk.values.contains_key(&info.name) {
                continue;
            }
            let at = format!("{place}, input {}", info.name);
            let Some((elements, width)) = proto::input(info) else {
                return Err(Error::input(
                    at,
                    "a tensor [batch, columns] of a fixed count of columns",
                ));
            };
            let columns = walk.input(&info.name, elements, width).ok_or_else(|| {
                Error::input(
                    at,
                    "a tensor of float, double, int64, int32, bool or string",
                )
            })?;
            walk.values
                .insert(info.name.clone(), Value::Columns(columns));
        }
        Ok(walk)
    }

    /// The columns of one more input.
    fn input(&mut self, name: &str, elements: i32, width: usize) -> Option<Columns> {
        let kind = match elements {
            element::FLOAT => Kind::Single,
            element::DOUBLE => Kind::Double,
            element::INT64 | element::INT32 | element::BOOL => Kind::Whole,
            element::STRING => Kind::Text,
            _ => return None,
        };
        let steps = match kind {
            Kind::Single => vec![Step::Run(Operation::Single)],
            _ => Vec::new(),
        };
        let first = self.inputs.len();
        let input = Input {
            name: (width == 1).then(|| name.to_owned()),
            text: kind == Kind::Text,
            categories: Vec::new(),
        };
        self.inputs.extend(std::iter::repeat_n(input, width));
        let column = |input| {
            Column::Of(Feature {
                input,
                steps: steps.clone(),
            })
        };
        Some(Columns {
            kind,
            columns: (first..first + width).map(column).collect(),
        })
    }

    /// Notes what a node's outputs are.
    pub fn take(&mut self, node: &NodeProto) {
        let missing = || {
            Value::Refused(Box::new(self.refuse(
                node,
                "it reads what nothing writes",
                "",
            )))
        };
        let read = node.input.iter().map(|name| match self.values.get(name) {
            Some(value) => value.clone(),
            None if name.is_empty() => Value::Label,
            None => missing(),
        });
        let read: Vec<Value> = read.collect();
        let refused = read.iter().find(|value| matches!(value, Value::Refused(_)));
        let written = match refused {
            Some(refused) => bend::of(self, node).unwrap_or_else(|| refused.clone()),
            None => operators::apply(self, node, &read)
                .unwrap_or_else(|error| Value::Refused(Box::new(error))),
        };
        for (at, name) in node.output.iter().enumerate() {
            // A classifier's first output of two is its label.
            let label = node.output.len() == 2 && at == 0 && matches!(written, Value::Scores(_));
            let value = if label { Value::Label } else { written.clone() };
            self.values.insert(name.clone(), value);
        }
    }

    /// An error about a node.
    pub fn refuse(&self, node: &NodeProto, why: &str, hint: &str) -> Error {
        let name = if node.name.is_empty() {
            node.output.first().map_or("", String::as_str)
        } else {
            &node.name
        };
        let reads = node.input.join(", ");
        let error = Error::input(
            format!("{}, node {name}", self.place),
            format!(
                "an operator that the plan can express, not {} of {reads} ({why})",
                node.op_type
            ),
        );
        error.hint(if hint.is_empty() {
            "the plan takes imputers, scalers, encoders, binarisers and bins of scikit-learn, then a linear model or trees"
        } else {
            hint
        })
    }
}
