//! The operators: what each makes of what it reads.

use fieldscore_runtime::schema::transform::Operation;
use tract_onnx::pb::NodeProto;

use super::proto::{self, element, float, floats, int, ints, text, texts};
use super::value::{
    Column, Columns, Constant, Dense, Forests, Kind, Model, Scores, Value, Walk, counted,
};
use crate::compile::net::Layer;
use crate::compile::pipeline::{Feature, Joined, Step, Words};
use crate::compile::trees::{self, Class, Link, Number};
use crate::error::{Error, Result};

/// A node and what it reads.
struct Call<'w, 'g> {
    walk: &'w mut Walk<'g>,
    node: &'w NodeProto,
    read: &'w [Value],
}

/// What a node writes.
pub(super) fn apply(walk: &mut Walk<'_>, node: &NodeProto, read: &[Value]) -> Result<Value> {
    let mut call = Call { walk, node, read };
    match (node.op_type.as_str(), read) {
        ("Identity" | "ZipMap", [value]) => call.pass(value),
        ("Normalizer", [value @ Value::Scores(_)]) => Ok(value.clone()),
        ("ArgMax", [Value::Scores(_) | Value::Dense(_)])
        | ("Cast" | "Reshape" | "ArrayFeatureExtractor" | "Identity", [Value::Label, ..]) => {
            Ok(Value::Label)
        }
        ("ArrayFeatureExtractor" | "Gather" | "LabelEncoder", [.., Value::Label]) => {
            Ok(Value::Label)
        }
        ("Cast", [value]) => call.cast(value),
        ("Constant", []) => call.constant(),
        ("Reshape" | "Flatten" | "Squeeze" | "Unsqueeze", [value, ..]) => call.reshape(value),
        ("Concat" | "FeatureVectorizer", [_, ..]) => call.concat(),
        ("Gather" | "ArrayFeatureExtractor", [Value::Columns(columns), Value::Constant(which)]) => {
            call.select(columns, which)
        }
        ("Gather" | "ArrayFeatureExtractor", [Value::Scores(scores), Value::Constant(which)]) => {
            call.one_class(scores, &which.numbers)
        }
        (
            "Slice",
            [
                Value::Scores(scores),
                Value::Constant(from),
                Value::Constant(to),
                axes @ ..,
            ],
        ) if matches!(axes, [Value::Constant(axes)] if axes.numbers == [1.0])
            && matches!((&from.numbers[..], &to.numbers[..]), ([from], [to]) if from + 1.0 == *to) =>
        {
            call.one_class(scores, &from.numbers)
        }
        ("Normalizer", [Value::Columns(columns)]) => call.normalizer(columns),
        ("Scaler", [Value::Columns(columns)]) => call.scaler(columns),
        ("Imputer", [Value::Columns(columns)]) => call.imputer(columns),
        ("Binarizer", [Value::Columns(columns)]) => {
            let threshold = f64::from(float(node, "threshold").unwrap_or(0.0));
            call.each(columns, Kind::Single, &[threshold], |_, t| {
                step(t.next_up(), 0.0)
            })
        }
        ("OneHotEncoder", [Value::Columns(columns)]) => call.one_hot(columns),
        ("LabelEncoder", [Value::Columns(columns)]) => call.label_encoder(columns),
        ("Clip", [Value::Columns(columns), ..]) => call.clip(columns),
        ("Relu", [Value::Columns(columns)]) => {
            let (low, high) = (0.0, f64::MAX);
            call.each(columns, columns.kind, &[0.0], |_, _| Operation::Clip {
                low,
                high,
            })
        }
        ("Neg", [Value::Columns(columns)]) => {
            call.each(columns, columns.kind, &[0.0], |_, offset| {
                affine(offset, -1.0)
            })
        }
        ("Relu", [Value::Dense(dense)]) => call.relu(dense),
        ("Sigmoid", [Value::Dense(dense)]) if call.outputs(dense) == 1 => {
            Ok(Value::Scores(Scores {
                model: Model::Dense(dense.clone()),
                sigmoid: true,
                classes: Vec::new(),
                only: Some(1),
            }))
        }
        ("Sigmoid", [Value::Dense(dense)]) => call.mirrored(dense),
        // Probabilities of two classes are not negative, and their sum is 1.
        ("Abs", [value @ Value::Scores(Scores { sigmoid: true, .. })]) => Ok(value.clone()),
        ("ReduceSum", [Value::Scores(scores), ..]) if scores.sigmoid && scores.only.is_none() => {
            Ok(Value::Constant(Constant {
                dims: vec![1, 1],
                numbers: vec![1.0],
            }))
        }
        // onnxmltools gives LightGBM's probabilities a name of their own so.
        ("Div" | "Mul", [value @ Value::Scores(_), Value::Constant(one)])
            if one.numbers == [1.0] =>
        {
            Ok(value.clone())
        }
        ("ArgMax", [Value::Columns(columns)]) => call.arg_max(columns),
        ("MatMul" | "Gemm", [value, Value::Constant(weights), bias @ ..]) => {
            call.dense(value, weights, bias)
        }
        (
            "Add",
            [Value::Dense(dense), Value::Constant(bias)]
            | [Value::Constant(bias), Value::Dense(dense)],
        ) => call.bias(dense, bias),
        ("Sub", [Value::Constant(one), Value::Scores(scores)])
            if scores.sigmoid && one.numbers == [1.0] && scores.only.is_some() =>
        {
            let only = scores.only.map(|class| 1 - class);
            Ok(Value::Scores(Scores {
                only,
                ..scores.clone()
            }))
        }
        (operator, [Value::Columns(columns), Value::Constant(constant)]) => {
            call.binary(operator, columns, constant, false)
        }
        (operator, [Value::Constant(constant), Value::Columns(columns)]) => {
            call.binary(operator, columns, constant, true)
        }
        ("LinearClassifier", [Value::Columns(columns)]) => call.classifier(columns),
        (_, [Value::Columns(columns)]) if trees::is_ensemble(node) => call.trees(columns),
        ("LinearRegressor", [Value::Columns(columns)]) => call.regressor(columns),
        _ => Err(call.unknown()),
    }
}

/// `below` under the edge, 1 − `below` from it on.
fn step(edge: f64, below: f64) -> Operation {
    Operation::Bins {
        edges: vec![edge],
        values: vec![below, 1.0 - below],
    }
}

fn affine(offset: f64, factor: f64) -> Operation {
    Operation::Affine { offset, factor }
}

impl Call<'_, '_> {
    fn refuse(&self, why: &str) -> Error {
        self.walk.refuse(self.node, why, "")
    }

    /// An operator with no arm of its own.
    fn unknown(&self) -> Error {
        let hint = match self.node.op_type.as_str() {
            "SVMClassifier" | "SVMRegressor" => {
                "support vectors have no step in the plan: LinearSVC and SGDClassifier are linear and have one"
            }
            "Where" | "IsNaN" | "Pow" | "Log" | "Not" | "Equal" | "Or" => {
                "the plan takes QuantileTransformer and PowerTransformer (yeo-johnson) in float32, as skl2onnx writes them; [columns.*] may derive numbers before the model"
            }
            "ReduceProd" => "products of fields join them: state them as [columns.*] of the recipe",
            _ => "",
        };
        self.walk
            .refuse(self.node, "the plan has no step for it", hint)
    }

    /// The value with the classes that a ZipMap names.
    fn pass(&self, value: &Value) -> Result<Value> {
        let Value::Scores(scores) = value else {
            return Ok(value.clone());
        };
        let mut scores = scores.clone();
        let named = self.classes();
        if named.len() == 2 {
            scores.classes = named;
        }
        Ok(Value::Scores(scores))
    }

    /// The classes that a node names.
    fn classes(&self) -> Vec<String> {
        let node = self.node;
        let mut named = texts(node, "classlabels_strings");
        for list in ["classlabels_int64s", "classlabels_ints"] {
            named.extend(ints(node, list).iter().map(ToString::to_string));
        }
        named
    }

    fn cast(&self, value: &Value) -> Result<Value> {
        let to = int(self.node, "to").and_then(|to| i32::try_from(to).ok());
        let columns = match value {
            Value::Columns(columns) => columns,
            Value::Scores(_) | Value::Dense(_)
                if matches!(to, Some(element::FLOAT | element::DOUBLE)) =>
            {
                return Ok(value.clone());
            }
            Value::Constant(_) => return Ok(value.clone()),
            _ => return Err(self.unknown()),
        };
        match (columns.kind, to) {
            (Kind::Text, Some(element::STRING))
            | (Kind::Single, Some(element::FLOAT | element::DOUBLE))
            | (Kind::Double, Some(element::DOUBLE))
            | (Kind::Whole, Some(element::INT64 | element::DOUBLE)) => Ok(value.clone()),
            (Kind::Double | Kind::Whole, Some(element::FLOAT)) => {
                self.each(columns, Kind::Single, &[0.0], |_, _| Operation::Single)
            }
            (Kind::Single | Kind::Double, Some(element::INT64))
                if columns.columns.iter().all(is_whole) =>
            {
                Ok(Value::Columns(Columns {
                    kind: Kind::Whole,
                    ..columns.clone()
                }))
            }
            (_, Some(element::INT64)) => Err(self.walk.refuse(
                self.node,
                "a cast that changes numbers",
                "convert the pipeline with Int64TensorType for columns of whole numbers",
            )),
            _ => Err(self.refuse("a cast that changes numbers")),
        }
    }

    fn constant(&self) -> Result<Value> {
        let tensor = proto::tensor(self.node, "value");
        let numbers = tensor.and_then(|tensor| Some((tensor, proto::numbers(tensor)?)));
        let Some((tensor, numbers)) = numbers else {
            return Err(self.refuse("a constant of this type"));
        };
        let dims = tensor.dims.iter().map(|&d| usize::try_from(d).unwrap_or(0));
        Ok(Value::Constant(Constant {
            dims: dims.collect(),
            numbers,
        }))
    }

    /// Columns stay columns where a row keeps its numbers.
    fn reshape(&self, value: &Value) -> Result<Value> {
        let Value::Columns(columns) = value else {
            return match value {
                Value::Scores(_) | Value::Dense(_) => Ok(value.clone()),
                _ => Err(self.unknown()),
            };
        };
        let width = columns.columns.len();
        let kept = match (self.node.op_type.as_str(), self.read) {
            ("Reshape", [_, Value::Constant(shape)]) => {
                let known = shape.numbers.iter().filter(|dim| **dim > 0.0);
                let product: f64 = known.product();
                product == width as f64
            }
            ("Flatten", _) => int(self.node, "axis").unwrap_or(1) == 1,
            _ => width == 1,
        };
        if kept {
            Ok(value.clone())
        } else {
            Err(self.refuse("a row does not keep its columns"))
        }
    }

    fn concat(&self) -> Result<Value> {
        if let [Value::Scores(first), Value::Scores(second)] = self.read
            && (first.only, second.only) == (Some(0), Some(1))
        {
            return Ok(Value::Scores(Scores {
                only: None,
                ..second.clone()
            }));
        }
        let mut kind = None;
        let mut all = Vec::new();
        for value in self.read {
            let Value::Columns(columns) = value else {
                return Err(self.refuse("it joins other than columns"));
            };
            let own = columns.kind;
            // FeatureVectorizer makes floats of what it reads.
            let vectors = self.node.op_type == "FeatureVectorizer" && own != Kind::Text;
            if *kind.get_or_insert(own) != own && !vectors {
                return Err(self.refuse("it joins columns of different types"));
            }
            for column in &columns.columns {
                let single = vectors && own != Kind::Single;
                let column = if single {
                    column.then(Operation::Single)
                } else {
                    Some(column.clone())
                };
                all.push(column.ok_or_else(|| self.refuse("a constant goes no further"))?);
            }
            if vectors {
                kind = Some(Kind::Single);
            }
        }
        let kind = kind.unwrap_or(Kind::Single);
        Ok(Value::Columns(Columns { kind, columns: all }))
    }

    fn select(&self, columns: &Columns, which: &Constant) -> Result<Value> {
        let axis = int(self.node, "axis").unwrap_or(0);
        if self.node.op_type == "Gather" && axis != 1 && axis != -1 {
            return Err(self.refuse("it selects rows"));
        }
        let of = |&at: &f64| {
            let column = columns.columns.get(at as usize);
            column.filter(|_| at >= 0.0).cloned()
        };
        let selected: Option<Vec<Column>> = which.numbers.iter().map(of).collect();
        let columns = selected.ok_or_else(|| self.refuse("columns that there are not"))?;
        let kind = self.kind_of_first();
        Ok(Value::Columns(Columns { kind, columns }))
    }

    /// The column of one class.
    fn one_class(&self, scores: &Scores, which: &[f64]) -> Result<Value> {
        match which {
            [class @ (0.0 | 1.0)] if scores.only.is_none() => Ok(Value::Scores(Scores {
                only: Some(*class as usize),
                ..scores.clone()
            })),
            _ => Err(self.refuse("it selects other than one of two classes")),
        }
    }

    fn kind_of_first(&self) -> Kind {
        match self.read.first() {
            Some(Value::Columns(columns)) => columns.kind,
            _ => Kind::Single,
        }
    }

    /// One more operation on each column, with its own of `numbers` or the one there is.
    fn each(
        &self,
        columns: &Columns,
        kind: Kind,
        numbers: &[f64],
        operation: impl Fn(usize, f64) -> Operation,
    ) -> Result<Value> {
        let count = columns.columns.len();
        if numbers.len() != 1 && numbers.len() != count {
            return Err(self.refuse("a count of numbers that is not that of the columns"));
        }
        if columns.kind == Kind::Text {
            return Err(self.refuse("it reckons with text"));
        }
        let each = columns.columns.iter().enumerate().map(|(at, column)| {
            let number = numbers[if numbers.len() == 1 { 0 } else { at }];
            let next = column.then(operation(at, number));
            next.ok_or_else(|| self.refuse("a constant goes no further"))
        });
        Ok(Value::Columns(Columns {
            kind,
            columns: each.collect::<Result<_>>()?,
        }))
    }

    /// The columns in f32.
    fn single(&self, columns: &Columns) -> Result<Columns> {
        if columns.kind == Kind::Single {
            return Ok(columns.clone());
        }
        match self.each(columns, Kind::Single, &[0.0], |_, _| Operation::Single)? {
            Value::Columns(columns) => Ok(columns),
            _ => Err(self.unknown()),
        }
    }

    fn scaler(&self, columns: &Columns) -> Result<Value> {
        let columns = self.single(columns)?;
        let wide = |name| {
            floats(self.node, name)
                .iter()
                .map(|&x| f64::from(x))
                .collect()
        };
        let (offsets, scales): (Vec<f64>, Vec<f64>) = (wide("offset"), wide("scale"));
        let count = columns.columns.len();
        let at = |of: &[f64], at: usize| of.get(if of.len() == 1 { 0 } else { at }).copied();
        if ![1, count].contains(&scales.len()) {
            return Err(self.refuse("a count of scales that is not that of the columns"));
        }
        self.each(&columns, Kind::Single, &offsets, |column, offset| {
            affine(offset, at(&scales, column).unwrap_or(1.0))
        })
    }

    fn imputer(&self, columns: &Columns) -> Result<Value> {
        let replaces_nan = float(self.node, "replaced_value_float").is_some_and(f32::is_nan);
        if !replaces_nan {
            return Err(self.walk.refuse(
                self.node,
                "it replaces other than NaN",
                "let missing values be missing: SimpleImputer(missing_values=np.nan)",
            ));
        }
        let values = floats(self.node, "imputed_value_floats");
        let values: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
        self.each(columns, columns.kind, &values, |_, value| {
            Operation::Impute { value }
        })
    }

    fn one_hot(&mut self, columns: &Columns) -> Result<Value> {
        let words = texts(self.node, "cats_strings");
        let numbers = ints(self.node, "cats_int64s");
        let takes_others = int(self.node, "zeros").unwrap_or(1) != 0;
        let mut all = Vec::new();
        for column in &columns.columns {
            let (column, values): (_, Vec<f64>) = match columns.kind {
                Kind::Text if !words.is_empty() => {
                    let values = (0..words.len()).map(|at| at as f64);
                    let values: Vec<f64> = values.collect();
                    let words = Words {
                        values: words.iter().cloned().zip(values.iter().copied()).collect(),
                        rest: takes_others.then_some(-1.0),
                    };
                    (self.words(column, words)?, values)
                }
                Kind::Text => return Err(self.refuse("it encodes text by numbers")),
                _ if words.is_empty() => {
                    (column.clone(), numbers.iter().map(|&x| x as f64).collect())
                }
                _ => return Err(self.refuse("it encodes numbers by texts")),
            };
            for value in values {
                let indicator = column.step(Step::Is(value));
                all.push(indicator.ok_or_else(|| self.refuse("it encodes an indicator"))?);
            }
        }
        Ok(Value::Columns(Columns {
            kind: Kind::Single,
            columns: all,
        }))
    }

    /// Each column's share of their norm.
    fn normalizer(&mut self, columns: &Columns) -> Result<Value> {
        let columns = self.single(columns)?.columns;
        let norm = match text(self.node, "norm").as_str() {
            "L1" => 0,
            "L2" => 1,
            "" | "MAX" => 2,
            _ => return Err(self.refuse("a norm that ONNX does not have")),
        };
        let first = self.walk.joined.len();
        for column in &columns {
            let Column::Of(feature) = column else {
                return Err(self.refuse("it normalises a constant"));
            };
            let made = Joined::Made(counted(feature.clone()));
            self.walk.joined.push(made);
        }
        let all = first..first + columns.len();
        self.walk
            .joined
            .push(Joined::Norm(norm, all.clone().collect()));
        let shares = all.clone().map(|one| {
            self.walk
                .joined
                .push(Joined::Share(one, all.end, norm == 1));
            Column::Of(Feature {
                input: self.walk.inputs.len() + self.walk.joined.len() - 1,
                steps: Vec::new(),
            })
        });
        Ok(Value::Columns(Columns {
            kind: Kind::Single,
            columns: shares.collect(),
        }))
    }

    /// A text column looked up; its input learns the categories.
    fn words(&mut self, column: &Column, words: Words) -> Result<Column> {
        let Column::Of(feature) = column else {
            return Err(self.unknown());
        };
        if !feature.steps.is_empty() {
            return Err(self.refuse("texts that are no input's own"));
        }
        let known = &mut self.walk.inputs[feature.input].categories;
        for (word, _) in &words.values {
            if !known.contains(word) {
                known.push(word.clone());
            }
        }
        // A blank is what a value that is missing looks like in text.
        let blank = words.values.iter().find(|(word, _)| word.is_empty());
        let blank = blank.map(|&(_, value)| Step::Run(Operation::Impute { value }));
        Ok(Column::Of(Feature {
            input: feature.input,
            steps: [Step::Words(words)].into_iter().chain(blank).collect(),
        }))
    }

    fn label_encoder(&mut self, columns: &Columns) -> Result<Value> {
        let node = self.node;
        let whole = ints(node, "values_int64s");
        let (values, kind, rest): (Vec<f64>, _, _) = if whole.is_empty() {
            let values = floats(node, "values_floats").iter().map(|&x| f64::from(x));
            let rest = f64::from(float(node, "default_float").unwrap_or(-0.0));
            (values.collect(), Kind::Single, rest)
        } else {
            let rest = int(node, "default_int64").unwrap_or(-1) as f64;
            (whole.iter().map(|&x| x as f64).collect(), Kind::Whole, rest)
        };
        let words = texts(node, "keys_strings");
        let mut keys: Vec<f64> = ints(node, "keys_int64s")
            .iter()
            .map(|&x| x as f64)
            .collect();
        keys.extend(floats(node, "keys_floats").iter().map(|&x| f64::from(x)));
        let count = if columns.kind == Kind::Text {
            words.len()
        } else {
            keys.len()
        };
        if values.is_empty() || values.len() != count {
            return Err(self.refuse("keys and values of these types"));
        }
        let mut all = Vec::new();
        for column in &columns.columns {
            let column = if columns.kind == Kind::Text {
                let words = Words {
                    values: words.iter().cloned().zip(values.iter().copied()).collect(),
                    rest: Some(rest),
                };
                let column = self.words(column, words)?;
                column.step(Step::Run(Operation::Impute { value: rest }))
            } else {
                let operation = exactly(&keys, &values, rest);
                operation.and_then(|operation| column.then(operation))
            };
            all.push(column.ok_or_else(|| self.refuse("keys that differ and are finite"))?);
        }
        Ok(Value::Columns(Columns { kind, columns: all }))
    }

    fn clip(&self, columns: &Columns) -> Result<Value> {
        let bound = |at: usize, name: &str| match self.read.get(at) {
            Some(Value::Constant(constant)) => constant.numbers.first().copied(),
            _ => float(self.node, name).map(f64::from),
        };
        let low = bound(1, "min")
            .filter(|x| x.is_finite())
            .unwrap_or(f64::MIN);
        let high = bound(2, "max")
            .filter(|x| x.is_finite())
            .unwrap_or(f64::MAX);
        self.each(columns, columns.kind, &[0.0], |_, _| Operation::Clip {
            low,
            high,
        })
    }

    /// Arithmetic and comparisons of columns with constants; `swapped` where the constant is first.
    fn binary(
        &self,
        operator: &str,
        columns: &Columns,
        constant: &Constant,
        swapped: bool,
    ) -> Result<Value> {
        let numbers = &constant.numbers;
        if !numbers.iter().all(|x| x.is_finite()) {
            return Err(self.refuse("a constant that is not finite"));
        }
        // One column against many constants is many columns.
        let repeated = Columns {
            kind: columns.kind,
            columns: match columns.columns.as_slice() {
                [one] => vec![one.clone(); numbers.len().max(1)],
                all => all.to_vec(),
            },
        };
        let with = |operation: &dyn Fn(f64) -> Operation| {
            self.each(&repeated, columns.kind, numbers, |_, number| {
                operation(number)
            })
        };
        match (operator, swapped) {
            ("Add", _) => with(&|x| affine(-x, 1.0)),
            ("Sub", false) => with(&|x| affine(x, 1.0)),
            ("Sub", true) => with(&|x| affine(x, -1.0)),
            ("Mul", _) => with(&|x| affine(0.0, x)),
            ("Div", false) if !numbers.contains(&0.0) => with(&|x| affine(0.0, 1.0 / x)),
            ("Max", _) => with(&|low| Operation::Clip {
                low,
                high: f64::MAX,
            }),
            ("Min", _) => with(&|high| Operation::Clip {
                low: f64::MIN,
                high,
            }),
            ("Less", false) | ("Greater", true) => with(&|x| step(x, 1.0)),
            ("GreaterOrEqual", false) | ("LessOrEqual", true) => with(&|x| step(x, 0.0)),
            ("Greater", false) | ("Less", true) => with(&|x| step(x.next_up(), 0.0)),
            ("LessOrEqual", false) | ("GreaterOrEqual", true) => with(&|x| step(x.next_up(), 1.0)),
            _ => Err(self.unknown()),
        }
    }

    /// KBinsDiscretizer, as skl2onnx writes it: the first of the edges that a number lies below, by
    /// ArgMax of comparisons and a last 1.
    fn arg_max(&self, columns: &Columns) -> Result<Value> {
        let fault = || self.refuse("it finds the largest of other than comparisons with edges");
        let Some((last, below)) = columns.columns.split_last() else {
            return Err(fault());
        };
        let mut edges: Vec<f64> = Vec::new();
        let mut values = Vec::new();
        let mut base: Option<Feature> = None;
        for (at, column) in below.iter().enumerate() {
            let Column::Of(feature) = column else {
                return Err(fault());
            };
            let mut before = feature.clone();
            let edge = match before.steps.pop() {
                Some(Step::Run(Operation::Bins { edges, values })) if values == [1.0, 0.0] => {
                    edges[0]
                }
                _ => return Err(fault()),
            };
            if *base.get_or_insert_with(|| before.clone()) != before {
                return Err(fault());
            }
            // An edge that is not above the one before is the first of nothing.
            if edges.last().is_none_or(|last| *last < edge) {
                edges.push(edge);
                values.push(at as f64);
            }
        }
        let (Some(mut feature), Some(1.0)) = (base, last.constant()) else {
            return Err(fault());
        };
        values.push(below.len() as f64);
        feature
            .steps
            .push(Step::Run(Operation::Bins { edges, values }));
        Ok(Value::Columns(Columns {
            kind: Kind::Whole,
            columns: vec![Column::Of(feature)],
        }))
    }

    fn outputs(&self, dense: &Dense) -> usize {
        dense.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// A sigmoid of two sums that are each other's negative: of two classes.
    fn mirrored(&self, dense: &Dense) -> Result<Value> {
        let mut dense = dense.clone();
        let last = dense.layers.last_mut().filter(|last| last.outputs == 2);
        let last = last.filter(|last| {
            let (first, second) = last.weights.split_at(last.weights.len() / 2);
            let mut pairs = first
                .iter()
                .zip(second)
                .chain([(&last.bias[0], &last.bias[1])]);
            !last.relu && pairs.all(|(a, b)| *a == -*b)
        });
        let Some(last) = last else {
            return Err(self.unknown());
        };
        last.weights.drain(..last.inputs);
        last.bias.remove(0);
        last.outputs = 1;
        Ok(Value::Scores(Scores {
            model: Model::Dense(dense),
            sigmoid: true,
            classes: Vec::new(),
            only: None,
        }))
    }

    /// A product with constant weights.
    fn dense(&self, value: &Value, weights: &Constant, bias: &[Value]) -> Result<Value> {
        let mut dense = match value {
            Value::Columns(columns) => Dense {
                columns: self.single(columns)?.columns,
                layers: Vec::new(),
            },
            Value::Dense(dense) => dense.clone(),
            _ => return Err(self.unknown()),
        };
        let inputs = match dense.layers.last() {
            Some(layer) => layer.outputs,
            None => dense.columns.len(),
        };
        let [rows, columns] = weights.dims[..] else {
            return Err(self.refuse("weights that are no matrix"));
        };
        let flag = |name| int(self.node, name).unwrap_or(0) != 0;
        let (inputs_of, outputs) = if flag("transB") {
            (columns, rows)
        } else {
            (rows, columns)
        };
        let plain = |name| float(self.node, name).is_none_or(|x| x == 1.0);
        if inputs_of != inputs || flag("transA") || !plain("alpha") || !plain("beta") {
            return Err(self.refuse("weights that do not fit what it reads"));
        }
        let at = |n: usize, k: usize| match flag("transB") {
            true => weights.numbers[n * inputs + k],
            false => weights.numbers[k * outputs + n],
        };
        let all = (0..outputs).flat_map(|n| (0..inputs).map(move |k| (n, k)));
        dense.layers.push(Layer {
            name: self.node.name.clone(),
            inputs,
            outputs,
            weights: all.map(|(n, k)| at(n, k) as f32).collect(),
            bias: vec![0.0; outputs],
            relu: false,
        });
        match bias {
            [] => Ok(Value::Dense(dense)),
            [Value::Constant(bias)] => self.bias(&dense, bias),
            _ => Err(self.refuse("a bias that is computed")),
        }
    }

    fn bias(&self, dense: &Dense, bias: &Constant) -> Result<Value> {
        let mut dense = dense.clone();
        let Some(last) = dense.layers.last_mut().filter(|layer| !layer.relu) else {
            return Err(self.unknown());
        };
        let numbers = &bias.numbers;
        if numbers.len() != 1 && numbers.len() != last.outputs {
            return Err(self.refuse("a bias that is not one number for each output"));
        }
        for (at, own) in last.bias.iter_mut().enumerate() {
            *own += numbers[if numbers.len() == 1 { 0 } else { at }] as f32;
        }
        Ok(Value::Dense(dense))
    }

    fn relu(&self, dense: &Dense) -> Result<Value> {
        let mut dense = dense.clone();
        if let Some(last) = dense.layers.last_mut() {
            last.relu = true;
        }
        Ok(Value::Dense(dense))
    }

    /// A layer of one output over columns.
    fn linear(&self, columns: &Columns, weights: Vec<f32>, bias: f32) -> Result<Dense> {
        let columns = self.single(columns)?.columns;
        if weights.len() != columns.len() {
            return Err(self.refuse("coefficients that do not fit its columns"));
        }
        let layer = Layer {
            name: self.node.op_type.clone(),
            inputs: columns.len(),
            outputs: 1,
            weights,
            bias: vec![bias],
            relu: false,
        };
        Ok(Dense {
            columns,
            layers: vec![layer],
        })
    }

    fn classifier(&self, columns: &Columns) -> Result<Value> {
        let node = self.node;
        let (all, intercepts) = (floats(node, "coefficients"), floats(node, "intercepts"));
        let classes = self.classes();
        let width = columns.columns.len();
        let post = text(node, "post_transform");
        let bias = |at: usize| intercepts.get(at).copied().unwrap_or(0.0);
        let opposite = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| *a == -*b);
        if classes.len() != 2 || !(all.len() == width || all.len() == 2 * width) {
            return Err(self.walk.refuse(
                node,
                "it tells other than two classes apart",
                "train it on good and bad alone",
            ));
        }
        let (first, second) = all.split_at(all.len() - width);
        let one_row = first.is_empty();
        let (weights, bias) = match post.as_str() {
            // Of one row, or of two that mirror each other, the second class's is the whole answer.
            "" | "NONE" | "LOGISTIC" if one_row => (second.to_vec(), bias(0)),
            "" | "NONE" | "LOGISTIC" if opposite(first, second) && bias(0) == -bias(1) => {
                (second.to_vec(), bias(1))
            }
            // The log-odds of a softmax are the difference of its sums.
            "SOFTMAX" if !one_row => {
                let difference = first.iter().zip(second).map(|(a, b)| b - a);
                (difference.collect(), bias(1) - bias(0))
            }
            _ => {
                return Err(self.walk.refuse(
                    node,
                    "its two classes are scored apart",
                    "LogisticRegression of two classes gives one line",
                ));
            }
        };
        Ok(Value::Scores(Scores {
            model: Model::Dense(self.linear(columns, weights, bias)?),
            sigmoid: post == "LOGISTIC" || post == "SOFTMAX",
            classes,
            only: None,
        }))
    }

    /// An ensemble of trees, in the type of what it reads.
    fn trees(&self, columns: &Columns) -> Result<Value> {
        let (columns, number) = match columns.kind {
            Kind::Double => (columns.clone(), Number::F64),
            _ => (self.single(columns)?, Number::F32),
        };
        let bends = |feature: &Feature| {
            let steps = feature.steps.iter();
            steps
                .into_iter()
                .any(|step| matches!(step, Step::Run(one) if one.bends()))
        };
        let own = columns.columns.iter().filter_map(|column| match column {
            Column::Of(feature) => Some(feature),
            Column::Number(_) => None,
        });
        let joined = self.walk.joined.iter().filter_map(|joined| match joined {
            Joined::Made(feature) => Some(feature),
            Joined::Norm(..) | Joined::Share(..) => None,
        });
        if own.chain(joined).any(bends) {
            return Err(self.walk.refuse(
                self.node,
                "trees behind a quantile or power transform, whose last digits decide",
                "leave the transform out: trees ask only which of two numbers is greater",
            ));
        }
        let width = columns.columns.len();
        let forest =
            |class: Class| trees::of_node(self.node, width, number, class, self.walk.place);
        let second = forest(Class::Second)?;
        let classes = trees::classes(self.node);
        let first = classes.as_ref().map(|_| forest(Class::First)).transpose()?;
        Ok(Value::Scores(Scores {
            sigmoid: second.link == Link::Logistic,
            only: first.is_none().then_some(1),
            model: Model::Trees(Box::new(Forests {
                columns: columns.columns,
                second,
                first,
            })),
            classes: classes.unwrap_or_default(),
        }))
    }

    fn regressor(&self, columns: &Columns) -> Result<Value> {
        let node = self.node;
        let post = text(node, "post_transform");
        if int(node, "targets").unwrap_or(1) != 1 {
            return Err(self.refuse("more than one target"));
        }
        let weights = floats(node, "coefficients").to_vec();
        let bias = floats(node, "intercepts").first().copied().unwrap_or(0.0);
        let dense = self.linear(columns, weights, bias)?;
        match post.as_str() {
            "" | "NONE" => Ok(Value::Dense(dense)),
            "LOGISTIC" => Ok(Value::Scores(Scores {
                model: Model::Dense(dense),
                sigmoid: true,
                classes: Vec::new(),
                only: Some(1),
            })),
            _ => Err(self.refuse("this post_transform")),
        }
    }
}

/// Whether every number that a column may hold is whole.
fn is_whole(column: &Column) -> bool {
    match column {
        Column::Number(x) => x.fract() == 0.0,
        Column::Of(feature) => match feature.steps.last() {
            Some(Step::Is(_)) => true,
            Some(Step::Run(Operation::Bins { values, .. })) => {
                values.iter().all(|x| x.fract() == 0.0)
            }
            _ => false,
        },
    }
}

/// Of each key its value, of any other number `rest`: a bin for each key that holds nothing else.
fn exactly(keys: &[f64], values: &[f64], rest: f64) -> Option<Operation> {
    let mut pairs: Vec<(f64, f64)> = keys.iter().copied().zip(values.iter().copied()).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut edges, mut numbers) = (Vec::new(), vec![rest]);
    for (key, value) in pairs {
        match edges.last() {
            // A neighbour: its bin ends where this one begins.
            Some(&last) if last == key => {
                numbers.pop();
                numbers.push(value);
            }
            Some(&last) if last > key => return None,
            _ => {
                edges.push(key);
                numbers.push(value);
            }
        }
        edges.push(key.next_up());
        numbers.push(rest);
    }
    edges
        .iter()
        .all(|edge| edge.is_finite())
        .then_some(Operation::Bins {
            edges,
            values: numbers,
        })
}
