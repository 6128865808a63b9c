//! ONNX's ensembles: `TreeEnsembleClassifier` and `TreeEnsembleRegressor` of ai.onnx.ml 1 to 3, and
//! `TreeEnsemble` of 5, with the meaning that ONNX Runtime gives them
//! (onnxruntime/core/providers/cpu/ml/tree_ensemble_common.h and tree_ensemble_aggregator.h): leaves
//! are added up from zero in the order of trees, in the type of the input; the base value comes last.

use std::collections::BTreeMap;

use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, type_proto::Value,
};
use tract_onnx::pb::{tensor_proto::DataType, tensor_shape_proto::dimension::Value as Dimension};
use tract_onnx::prelude::Framework;

use super::{Described, Forest, Grown, Initial, Library, Link, Missing, Node, Number, Test, Tree};
use crate::error::{Error, Result};

/// Whether a node is an ensemble that [`of_node`] reads.
pub fn is_ensemble(node: &NodeProto) -> bool {
    node.domain == "ai.onnx.ml" && node.op_type.starts_with("TreeEnsemble")
}

/// Reads an ONNX file that holds nothing but an ensemble, its input's casts, and what shapes its
/// outputs (ZipMap, Cast, Identity, ArrayFeatureExtractor). `None` where it holds anything else.
///
/// # Errors
/// Where it is an ensemble alone, and has something that the plan cannot express.
pub fn of_model(bytes: &[u8], place: &str) -> Result<Option<Grown>> {
    let Ok(model) = tract_onnx::onnx().proto_model_for_read(&mut std::io::Cursor::new(bytes))
    else {
        return Ok(None);
    };
    let Some(graph) = model_graph(&model) else {
        return Ok(None);
    };
    let ensembles: Vec<&NodeProto> = graph.node.iter().filter(|node| is_ensemble(node)).collect();
    let [node] = ensembles.as_slice() else {
        return Ok(None);
    };
    let input = |node: &NodeProto| node.input.first().cloned().unwrap_or_default();
    // Back from the ensemble to the model's input, over casts.
    let (mut name, mut cast) = (input(node), None);
    let mut before = 0;
    while let Some(maker) = graph.node.iter().find(|n| n.output.first() == Some(&name)) {
        match maker.op_type.as_str() {
            "Identity" => {}
            "Cast" => cast = cast.or_else(|| Attributes::new(maker, place).int("to")),
            _ => return Ok(None),
        }
        before += 1;
        name = input(maker);
        if before > graph.node.len() {
            return Ok(None);
        }
    }
    let shapes = graph.node.iter().filter(|node| only_shapes(node, graph));
    let shapes = shapes.count();
    let inputs: Vec<_> = graph
        .input
        .iter()
        .filter(|value| graph.initializer.iter().all(|of| of.name != value.name))
        .collect();
    let [value] = inputs.as_slice() else {
        return Ok(None);
    };
    if shapes + 1 != graph.node.len() || value.name != name {
        return Ok(None);
    }
    let place_of = format!("{place}, input {name}");
    let tensor = value.r#type.as_ref().and_then(|of| of.value.as_ref());
    let Some(Value::TensorType(tensor)) = tensor else {
        return Err(Error::input(place_of, "one tensor [rows, features]"));
    };
    let shape = tensor.shape.as_ref().map(|shape| &shape.dim);
    let width = shape.and_then(|dims| match dims.as_slice() {
        [_, dim] => match dim.value {
            Some(Dimension::DimValue(width)) => usize::try_from(width).ok(),
            _ => None,
        },
        _ => None,
    });
    let width = width.ok_or_else(|| {
        Error::input(&place_of, "[rows, features] with a fixed count of features")
    })?;
    let double = DataType::Double as i64;
    let number = if cast.unwrap_or(i64::from(tensor.elem_type)) == double {
        Number::F64
    } else {
        Number::F32
    };
    let forest = of_node(node, width, number, Class::Second, place)?;
    let mut grown = Grown::new(forest, bytes);
    if let Some(classes) = classes(node) {
        let first = of_node(node, width, number, Class::First, place)?;
        grown.classes = Some(Box::new((classes, first)));
    }
    Ok(Some(grown))
}

/// Whether a node neither computes anything nor picks another class than the second.
fn only_shapes(node: &NodeProto, graph: &GraphProto) -> bool {
    let constant = |at: usize| {
        let name = node.input.get(at)?;
        graph.initializer.iter().find(|tensor| tensor.name == *name)
    };
    match node.op_type.as_str() {
        "ZipMap" | "Cast" | "Identity" => true,
        // Of constants, by the class that was found: a label. Of scores: the second.
        "ArrayFeatureExtractor" => match constant(1) {
            Some(at) => at.int64_data == [1] || at.raw_data == 1_i64.to_le_bytes(),
            None => constant(0).is_some(),
        },
        _ => false,
    }
}

fn model_graph(model: &ModelProto) -> Option<&GraphProto> {
    model.graph.as_ref()
}

/// Which of a classifier's two classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The first.
    First,
    /// The second.
    Second,
}

/// The names of a classifier's two classes; `None` of any other node.
pub fn classes(node: &NodeProto) -> Option<Vec<String>> {
    let attributes = Attributes::new(node, "");
    let texts = attributes.strings("classlabels_strings").iter();
    let texts = texts.map(|text| String::from_utf8_lossy(text).into_owned());
    let numbers = attributes.ints("classlabels_int64s").iter();
    let all: Vec<String> = texts.chain(numbers.map(ToString::to_string)).collect();
    (all.len() == 2).then_some(all)
}

/// One ensemble of an ONNX graph as a forest whose margin is that of `class`, or the regression's
/// value; [`Forest::link`] says whether the node makes a probability of it. `features` is how many
/// columns its input has, `number` their type: [`Number::F64`] for double, else [`Number::F32`].
///
/// # Errors
/// Where the node is not sound, or does what the plan cannot express: more than two classes, more
/// than one target, MIN and MAX, SOFTMAX and PROBIT.
pub fn of_node(
    node: &NodeProto,
    features: usize,
    number: Number,
    class: Class,
    place: &str,
) -> Result<Forest> {
    let name = if node.name.is_empty() {
        &node.op_type
    } else {
        &node.name
    };
    let place = format!("{place}, node {name}");
    if features == 0 || features > super::MAX_FEATURES {
        return Err(Error::input(
            place,
            format!("1 to {} features", super::MAX_FEATURES),
        ));
    }
    let attributes = Attributes::new(node, &place);
    let read = match node.op_type.as_str() {
        "TreeEnsembleClassifier" => classifier(&attributes, class)?,
        "TreeEnsembleRegressor" => regressor(&attributes)?,
        "TreeEnsemble" => five(&attributes)?,
        other => {
            return Err(Error::input(
                place,
                format!("an ensemble of trees, not {other}"),
            ));
        }
    };
    let trees = read.trees.len() as f64;
    let rounded = |x: f64| match number {
        Number::F32 => f64::from(x as f32),
        Number::F64 => x,
    };
    let mut forest = Forest {
        library: Library::OnnxRuntime,
        features: vec![Described::default(); features],
        trees: read.trees,
        initial: rounded(read.base),
        when: Initial::Last,
        number,
        divisor: if read.average { trees } else { 1.0 },
        factor: 1.0,
        link: read.link,
    };
    for node in forest.trees.iter_mut().flat_map(|tree| &mut tree.nodes) {
        match node {
            Node::Leaf { value, .. } => *value = rounded(*value),
            Node::Split { test, .. } => match test {
                Test::AtMost(threshold) | Test::Below(threshold) => {
                    *threshold = rounded(*threshold)
                }
                Test::Equal(numbers) => numbers.iter_mut().for_each(|x| *x = rounded(*x)),
                Test::Code(_) => {}
            },
        }
    }
    forest.validate(&place)?;
    Ok(forest)
}

/// What the three operators have in common.
struct Read {
    trees: Vec<Tree>,
    base: f64,
    average: bool,
    link: Link,
}

fn classifier(attributes: &Attributes<'_>, class: Class) -> Result<Read> {
    let labels = attributes.ints("classlabels_int64s").len()
        + attributes.strings("classlabels_strings").len();
    if labels != 2 {
        return Err(attributes
            .wrong(format!("two classes, not {labels}"))
            .hint("train good against bad"));
    }
    let ids = attributes.ints("class_ids");
    let weights = attributes.numbers("class_weights")?;
    if let Some(id) = ids.iter().find(|id| !(0..2).contains(*id)) {
        return Err(attributes.wrong(format!("class ids 0 and 1, not {id}")));
    }
    let both = ids.contains(&0) && ids.contains(&1);
    // With leaves for one class only the score is the second class's, whatever its id.
    let wanted = if both {
        1
    } else {
        ids.first().copied().unwrap_or(0)
    };
    let base = attributes.numbers("base_values")?;
    let base = match (base.as_slice(), wanted) {
        ([], _) => 0.0,
        ([one], 0) => *one,
        _ => {
            return Err(attributes
                .wrong("no base values, or one with leaves of class 0 only".to_owned())
                .hint("ONNX Runtime adds them to one class only: put them into the first tree's leaves"));
        }
    };
    // With one class and no weight below zero, ONNX Runtime takes the sum for a probability.
    let is_probability = wanted == 0 && weights.iter().all(|&weight| weight >= 0.0);
    let link = match attributes.text("post_transform").as_str() {
        "" | "NONE" => Link::Identity,
        "LOGISTIC" if is_probability => Link::Identity,
        "LOGISTIC" => Link::Logistic,
        other => return Err(attributes.transform(other)),
    };
    // What is said of one class is said of the other in reverse.
    let mirrored = class == Class::First && !both;
    let leaves = Leaves {
        trees: attributes.ints("class_treeids"),
        nodes: attributes.ints("class_nodeids"),
        ids,
        weights: match mirrored {
            true => weights.iter().map(|weight| -weight).collect(),
            false => weights,
        },
        wanted: if class == Class::First && both {
            0
        } else {
            wanted
        },
    };
    Ok(Read {
        trees: grow(attributes, &leaves)?,
        base: match (mirrored, is_probability) {
            (true, true) => 1.0 - base,
            (true, false) => -base,
            (false, _) => base,
        },
        average: false,
        link,
    })
}

fn regressor(attributes: &Attributes<'_>) -> Result<Read> {
    let targets = attributes.int("n_targets").unwrap_or(1);
    if targets != 1 {
        return Err(attributes.wrong(format!("one target, not {targets}")));
    }
    match attributes.text("post_transform").as_str() {
        "" | "NONE" => {}
        other => return Err(attributes.transform(other)),
    }
    let base = attributes.numbers("base_values")?;
    if base.len() > 1 {
        return Err(attributes.wrong("at most one base value".to_owned()));
    }
    let average = match attributes.text("aggregate_function").as_str() {
        "" | "SUM" => false,
        "AVERAGE" => true,
        other => return Err(attributes.aggregate(other)),
    };
    let leaves = Leaves {
        trees: attributes.ints("target_treeids"),
        nodes: attributes.ints("target_nodeids"),
        ids: attributes.ints("target_ids"),
        weights: attributes.numbers("target_weights")?,
        wanted: 0,
    };
    Ok(Read {
        trees: grow(attributes, &leaves)?,
        base: base.first().copied().unwrap_or(0.0),
        average,
        link: Link::Identity,
    })
}

/// What leaves add, as the older operators list it.
struct Leaves<'a> {
    trees: &'a [i64],
    nodes: &'a [i64],
    ids: &'a [i64],
    weights: Vec<f64>,
    /// The class or target whose sum is wanted.
    wanted: i64,
}

/// The trees of the older operators: lists over all nodes of all trees.
fn grow(attributes: &Attributes<'_>, leaves: &Leaves<'_>) -> Result<Vec<Tree>> {
    let (tree_ids, node_ids) = (
        attributes.ints("nodes_treeids"),
        attributes.ints("nodes_nodeids"),
    );
    let features = attributes.ints("nodes_featureids");
    let (yes, no) = (
        attributes.ints("nodes_truenodeids"),
        attributes.ints("nodes_falsenodeids"),
    );
    let modes = attributes.strings("nodes_modes");
    let tracks = attributes.ints("nodes_missing_value_tracks_true");
    let values = attributes.numbers("nodes_values")?;
    let count = tree_ids.len();
    let same = [
        node_ids.len(),
        features.len(),
        yes.len(),
        no.len(),
        modes.len(),
        values.len(),
    ];
    let tracked = tracks.is_empty() || tracks.len() == count;
    if !tracked || same.iter().any(|&len| len != count) || count > super::MAX_NODES {
        return Err(attributes.wrong("lists of nodes of one length".to_owned()));
    }
    let targets = leaves.weights.len();
    let same = [leaves.trees.len(), leaves.nodes.len(), leaves.ids.len()];
    if same.iter().any(|&len| len != targets) {
        return Err(attributes.wrong("lists of leaves of one length".to_owned()));
    }
    let mut added: BTreeMap<(i64, i64), f64> = BTreeMap::new();
    for at in 0..targets {
        let leaf = (leaves.trees[at], leaves.nodes[at]);
        if leaves.ids[at] == leaves.wanted && added.insert(leaf, leaves.weights[at]).is_some() {
            return Err(attributes.wrong("one weight a leaf and class".to_owned()));
        }
    }
    let mut trees: Vec<Tree> = Vec::new();
    let mut left = super::MAX_NODES;
    let mut start = 0;
    let mut seen = std::collections::BTreeSet::new();
    while start < count {
        let id = tree_ids[start];
        let len = tree_ids[start..].iter().take_while(|&&of| of == id).count();
        if !seen.insert(id) {
            return Err(attributes.wrong(format!("the nodes of tree {id} in one run")));
        }
        let places: BTreeMap<i64, u32> = (0..len)
            .map(|at| (node_ids[start + at], at as u32))
            .collect();
        let place = |id: i64| places.get(&id).copied().unwrap_or(u32::MAX);
        let mut nodes = Vec::with_capacity(len);
        for at in start..start + len {
            let mode = String::from_utf8_lossy(&modes[at]);
            if mode == "LEAF" {
                let value = added.get(&(id, node_ids[at])).copied();
                nodes.push(Node::Leaf {
                    value: value.unwrap_or(0.0),
                    index: u32::try_from(node_ids[at]).unwrap_or(u32::MAX),
                });
                continue;
            }
            let tracks = tracks.get(at).is_some_and(|&tracks| tracks != 0);
            let question = Question {
                mode: &mode,
                feature: u32::try_from(features[at]).unwrap_or(u32::MAX),
                numbers: vec![values[at]],
                tracks,
            };
            let node = question.node(place(yes[at]), place(no[at]));
            nodes.push(node.ok_or_else(|| {
                attributes.wrong(format!("a known mode for node {at}, not {mode}"))
            })?);
        }
        trees.push(unshared(&nodes, &mut left).ok_or_else(|| {
            attributes.wrong(format!(
                "a tree {id} whose branches exist and lead to leaves, of at most {MAX_UNSHARED} nodes"
            ))
        })?);
        start += len;
    }
    Ok(trees)
}

/// No tree has more nodes once each branch has nodes of its own.
const MAX_UNSHARED: usize = 1 << 16;

/// The tree that hangs on the first node. onnxmltools writes a set of categories as a chain of
/// equalities whose true branches are one and the same: here each gets its own. `left` is how many
/// nodes all trees may still have.
fn unshared(nodes: &[Node], left: &mut usize) -> Option<Tree> {
    let mut copied: Vec<Node> = vec![EMPTY];
    let mut open = vec![(0_u32, 0_usize)];
    while let Some((from, at)) = open.pop() {
        let mut node = nodes.get(from as usize)?.clone();
        if let Node::Split { left, right, .. } = &mut node {
            for child in [left, right] {
                open.push((*child, copied.len()));
                *child = copied.len() as u32;
                copied.push(EMPTY);
            }
        }
        copied[at] = node;
        if copied.len() > MAX_UNSHARED.min(*left) {
            return None;
        }
    }
    *left -= copied.len();
    Some(Tree { nodes: copied })
}

/// A node's question in ONNX's words.
struct Question<'a> {
    mode: &'a str,
    feature: u32,
    numbers: Vec<f64>,
    /// Whether a missing value takes the true branch.
    tracks: bool,
}

impl Question<'_> {
    /// As a split, where `yes` and `no` are the branches; `None` for a mode that is unknown.
    fn node(self, yes: u32, no: u32) -> Option<Node> {
        let number = self.numbers.first().copied()?;
        let mut numbers = self.numbers;
        numbers.sort_by(f64::total_cmp);
        // The plan knows "at most" and "below": for the opposites the branches change sides.
        let (test, turned) = match self.mode {
            "BRANCH_LEQ" => (Test::AtMost(number), false),
            "BRANCH_LT" => (Test::Below(number), false),
            "BRANCH_GTE" => (Test::Below(number), true),
            "BRANCH_GT" => (Test::AtMost(number), true),
            "BRANCH_EQ" | "BRANCH_MEMBER" => (Test::Equal(numbers), false),
            "BRANCH_NEQ" => (Test::Equal(numbers), true),
            _ => return None,
        };
        // No comparison with NaN holds but ≠.
        let takes_yes = self.tracks || self.mode == "BRANCH_NEQ";
        let (left, right) = if turned { (no, yes) } else { (yes, no) };
        Some(Node::Split {
            feature: self.feature,
            test,
            missing: Missing::side(takes_yes != turned),
            left,
            right,
        })
    }
}

/// `TreeEnsemble` of ai.onnx.ml 5.
fn five(attributes: &Attributes<'_>) -> Result<Read> {
    let targets = attributes.int("n_targets").unwrap_or(1);
    if targets != 1 {
        return Err(attributes.wrong(format!("one target, not {targets}")));
    }
    match attributes.int("post_transform").unwrap_or(0) {
        0 => {}
        other => return Err(attributes.transform(&format!("number {other}"))),
    }
    let average = match attributes.int("aggregate_function").unwrap_or(1) {
        0 => true,
        1 => false,
        2 => return Err(attributes.aggregate("MIN")),
        other => return Err(attributes.aggregate(if other == 3 { "MAX" } else { "unknown" })),
    };
    let nodes = Five {
        features: attributes.ints("nodes_featureids"),
        splits: attributes.numbers("nodes_splits")?,
        modes: attributes.numbers("nodes_modes")?,
        yes: attributes.ints("nodes_truenodeids"),
        no: attributes.ints("nodes_falsenodeids"),
        yes_leaf: attributes.ints("nodes_trueleafs"),
        no_leaf: attributes.ints("nodes_falseleafs"),
        tracks: attributes.ints("nodes_missing_value_tracks_true"),
        weights: attributes.numbers("leaf_weights")?,
        members: Vec::new(),
    };
    let nodes = nodes.with_members(&attributes.numbers("membership_values")?);
    let count = nodes.features.len();
    let same = [
        nodes.splits.len(),
        nodes.modes.len(),
        nodes.yes.len(),
        nodes.no.len(),
        nodes.yes_leaf.len(),
        nodes.no_leaf.len(),
    ];
    let tracked = nodes.tracks.is_empty() || nodes.tracks.len() == count;
    if !tracked || same.iter().any(|&len| len != count) {
        return Err(attributes.wrong("lists of nodes of one length".to_owned()));
    }
    let mut trees = Vec::new();
    let mut left = super::MAX_NODES;
    for &root in attributes.ints("tree_roots") {
        let tree = nodes.tree(root, &mut left);
        trees.push(tree.ok_or_else(|| {
            attributes.wrong(format!(
                "a sound tree at root {root}: known modes, nodes and leaves that exist, no cycle"
            ))
        })?);
    }
    Ok(Read {
        trees,
        base: 0.0,
        average,
        link: Link::Identity,
    })
}

/// The lists of `TreeEnsemble`.
struct Five<'a> {
    features: &'a [i64],
    splits: Vec<f64>,
    modes: Vec<f64>,
    yes: &'a [i64],
    no: &'a [i64],
    yes_leaf: &'a [i64],
    no_leaf: &'a [i64],
    tracks: &'a [i64],
    weights: Vec<f64>,
    /// The set of each node.
    members: Vec<Vec<f64>>,
}

/// The modes by their numbers.
const MODES: [&str; 7] = [
    "BRANCH_LEQ",
    "BRANCH_LT",
    "BRANCH_GTE",
    "BRANCH_GT",
    "BRANCH_EQ",
    "BRANCH_NEQ",
    "BRANCH_MEMBER",
];

impl Five<'_> {
    /// Sets stand one behind another, each ended by NaN, in the order of their nodes.
    fn with_members(mut self, values: &[f64]) -> Self {
        let mut sets = values.split(|value| value.is_nan());
        for &mode in &self.modes {
            let set = if mode == 6.0 { sets.next() } else { None };
            self.members.push(set.unwrap_or_default().to_vec());
        }
        self
    }

    /// The tree at a root; `left` is how many nodes all trees may still have.
    fn tree(&self, root: i64, left: &mut usize) -> Option<Tree> {
        let mut nodes: Vec<Node> = Vec::new();
        // What is to be written at a place: a node's or a leaf's number.
        let mut open = vec![(root, false, 0)];
        nodes.push(EMPTY);
        while let Some((from, is_leaf, at)) = open.pop() {
            *left = left.checked_sub(1)?;
            let from = usize::try_from(from).ok()?;
            if is_leaf {
                nodes[at] = Node::Leaf {
                    value: *self.weights.get(from)?,
                    index: from as u32,
                };
                continue;
            }
            let mode = *self.modes.get(from)?;
            let mode = MODES.get(mode as usize).filter(|_| mode >= 0.0)?;
            let numbers = if *mode == "BRANCH_MEMBER" {
                self.members.get(from)?.clone()
            } else {
                vec![*self.splits.get(from)?]
            };
            let question = Question {
                mode,
                feature: u32::try_from(*self.features.get(from)?).ok()?,
                numbers,
                tracks: self.tracks.get(from).is_some_and(|&tracks| tracks != 0),
            };
            let (yes, no) = (nodes.len(), nodes.len() + 1);
            nodes.extend([EMPTY, EMPTY]);
            open.push((self.yes[from], self.yes_leaf[from] != 0, yes));
            open.push((self.no[from], self.no_leaf[from] != 0, no));
            nodes[at] = question.node(yes as u32, no as u32)?;
        }
        Some(Tree { nodes })
    }
}

/// A node that is still to be written.
const EMPTY: Node = Node::Leaf {
    value: 0.0,
    index: 0,
};

/// A node's attributes by name.
struct Attributes<'a> {
    node: &'a NodeProto,
    place: &'a str,
}

impl<'a> Attributes<'a> {
    fn new(node: &'a NodeProto, place: &'a str) -> Self {
        Self { node, place }
    }

    fn named(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|of| of.name == name)
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.named(name).map(|of| of.i)
    }

    fn ints(&self, name: &str) -> &'a [i64] {
        self.named(name).map_or(&[], |of| &of.ints)
    }

    fn strings(&self, name: &str) -> &'a [Vec<u8>] {
        self.named(name).map_or(&[], |of| &of.strings)
    }

    fn text(&self, name: &str) -> String {
        let text = self.named(name).map(|of| String::from_utf8_lossy(&of.s));
        text.map(std::borrow::Cow::into_owned).unwrap_or_default()
    }

    /// Floats, or the tensor of the same name, or of that name with `_as_tensor`.
    fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let floats = self.named(name);
        let wide = self.named(&format!("{name}_as_tensor"));
        if let Some(tensor) = [wide, floats]
            .into_iter()
            .flatten()
            .find_map(|of| of.t.as_ref())
        {
            return numbers(tensor)
                .ok_or_else(|| self.wrong(format!("a tensor of numbers under {name}")));
        }
        let floats = floats.map(|of| of.floats.iter().map(|&x| f64::from(x)).collect());
        Ok(floats.unwrap_or_default())
    }

    fn wrong(&self, expected: String) -> Error {
        Error::input(self.place, expected)
    }

    fn transform(&self, name: &str) -> Error {
        self.wrong(format!(
            "post_transform NONE or, of a classifier, LOGISTIC, not {name}"
        ))
        .hint("export the raw score: the recipe's model.output says what it is")
    }

    fn aggregate(&self, name: &str) -> Error {
        self.wrong(format!("aggregate_function SUM or AVERAGE, not {name}"))
            .hint("the plan adds leaves up")
    }
}

/// The numbers of a tensor; `None` for a type that holds none.
fn numbers(tensor: &TensorProto) -> Option<Vec<f64>> {
    let raw = &tensor.raw_data;
    match DataType::try_from(tensor.data_type).ok()? {
        DataType::Float if raw.is_empty() => {
            Some(tensor.float_data.iter().map(|&x| f64::from(x)).collect())
        }
        DataType::Float => {
            let (all, rest) = raw.as_chunks();
            let float = |&bytes: &[u8; 4]| f64::from(f32::from_le_bytes(bytes));
            rest.is_empty().then(|| all.iter().map(float).collect())
        }
        DataType::Double if raw.is_empty() => Some(tensor.double_data.clone()),
        DataType::Double => {
            let (all, rest) = raw.as_chunks();
            let float = |&bytes: &[u8; 8]| f64::from_le_bytes(bytes);
            rest.is_empty().then(|| all.iter().map(float).collect())
        }
        DataType::Uint8 if raw.is_empty() => {
            Some(tensor.int32_data.iter().map(|&x| f64::from(x)).collect())
        }
        DataType::Uint8 => Some(raw.iter().map(|&byte| f64::from(byte)).collect()),
        _ => None,
    }
}
