//! Ensembles of trees, from the files of the libraries that grew them. [`Forest`] is the compiler's
//! own reading: it keeps the library's thresholds, missing directions, leaf numbers, number type
//! and order of sums, and evaluates them one node at a time, as the oracle of what
//! `ensemble` makes of it for the runtime.

mod ensemble;
mod json;
mod lightgbm;
mod lightgbm_dump;
mod native;
mod onnx;
mod ubjson;
mod xgboost;

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::compile::Size;
use crate::compile::net::Rows;
use crate::compile::pipeline::Pipeline;
use crate::error::{Error, Result, io};

pub use ensemble::{check, lower};
pub use native::Native;
pub use onnx::{Class, classes, is_ensemble, of_model, of_node};

/// No forest has more trees.
const MAX_TREES: usize = 1 << 16;

/// No forest has more nodes, leaves included.
const MAX_NODES: usize = 1 << 22;

/// No model reads more features: the runtime's own bound.
const MAX_FEATURES: usize = fieldscore_runtime::schema::transform::MAX_FEATURES;

/// What LightGBM takes for zero: |x| up to its `kZeroThreshold` (include/LightGBM/meta.h), an f32
/// there.
pub const ZERO: f64 = 1e-35_f32 as f64;

/// The library that a forest's arithmetic follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// LightGBM.
    LightGbm,
    /// XGBoost.
    Xgboost,
    /// ONNX Runtime.
    OnnxRuntime,
}

impl Library {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LightGbm => "LightGBM",
            Self::Xgboost => "XGBoost",
            Self::OnnxRuntime => "ONNX Runtime",
        }
    }
}

/// The type that features, thresholds and sums have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
}

/// When what every sum has is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// Before the first leaf (XGBoost's base margin).
    First,
    /// To the sum, divided already (ONNX Runtime's base value).
    Last,
}

/// What the library predicts from a margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The margin itself.
    Identity,
    /// 1 / (1 + e^−margin): the margin is log-odds.
    Logistic,
}

/// A feature, as far as the file describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: Option<String>,
    /// Its categories' own names, in the order of their codes.
    pub categories: Option<Vec<String>>,
    /// Whether the model takes its values for category codes.
    pub coded: bool,
}

/// Which way a missing value (NaN) goes at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// Left.
    Left,
    /// Right.
    Right,
    /// Where 0.0 goes.
    AsZero,
    /// Left; and |x| ≤ [`ZERO`] is missing too.
    LeftWithZero,
    /// Right; and |x| ≤ [`ZERO`] is missing too.
    RightWithZero,
}

/// What a node asks: where it holds, a value goes left.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// x ≤ threshold.
    AtMost(f64),
    /// x < threshold.
    Below(f64),
    /// x is exactly one of these numbers, which rise.
    Equal(Vec<f64>),
    /// x, cut off towards zero, is one of these codes, which rise.
    Code(Vec<u32>),
}

/// A node of a tree; children are indices of the tree's nodes.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// A question.
    Split {
        /// The feature asked.
        feature: u32,
        /// What is asked of it.
        test: Test,
        /// Where it goes that is missing.
        missing: Missing,
        /// Where it goes that passes.
        left: u32,
        /// Where the rest goes.
        right: u32,
    },
    /// An answer.
    Leaf {
        /// What is added to the sum.
        value: f64,
        /// The library's own number of this leaf.
        index: u32,
    },
}

/// A tree, its root first.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// Its nodes; every one but the root is the child of exactly one other.
    pub nodes: Vec<Node>,
}

/// An ensemble of trees with one output.
///
/// The margin is `((initial + Σ leaves) / divisor) · factor` or `(Σ leaves / divisor + initial) ·
/// factor`, leaves added in the order of trees; sum, initial and divisor in `number`.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    /// Whose arithmetic it follows.
    pub library: Library,
    /// What is known of the features; as many as the model reads.
    pub features: Vec<Described>,
    /// The trees, in order.
    pub trees: Vec<Tree>,
    /// What every sum has.
    pub initial: f64,
    /// When that is added.
    pub when: Initial,
    /// The type of features, thresholds and sums.
    pub number: Number,
    /// What sums are divided by; above 0.
    pub divisor: f64,
    /// From the library's raw margin to log-odds, in f64 (LightGBM's `sigmoid`); above 0.
    pub factor: f64,
    /// What the library predicts from it.
    pub link: Link,
}

/// A forest and the file that it is from.
#[derive(Debug, Clone)]
pub struct Grown {
    /// The forest; a classifier's is the second class's.
    pub forest: Forest,
    /// The preprocessing that the file brings.
    pub pipeline: Option<Pipeline>,
    /// Of a classifier whose file names its two classes, these and the first one's forest.
    pub classes: Option<Box<(Vec<String>, Forest)>>,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Bytes of the file.
    pub bytes: usize,
}

/// Reads a model file of LightGBM or XGBoost, if the bytes look like one.
///
/// # Errors
/// Where it is one and has something that the plan cannot express.
pub fn read(path: &Path) -> Result<Option<Grown>> {
    let bytes = std::fs::read(path).map_err(|e| io(path, &e))?;
    let place = path.display().to_string();
    Ok(of_bytes(&bytes, &place)?.map(|forest| Grown::new(forest, &bytes)))
}

/// As [`read`], of bytes; `place` is said in errors.
///
/// # Errors
/// As [`read`].
pub fn of_bytes(bytes: &[u8], place: &str) -> Result<Option<Forest>> {
    let forest = match bytes {
        [b't', b'r', b'e', b'e', b'\n' | b'\r', ..] => lightgbm::parse(text(bytes, place)?, place)?,
        [b'b', b'i', b'n', b'f', ..] => {
            return Err(
                Error::input(place, "XGBoost's JSON or UBJSON, not its old binary form")
                    .hint("load it with the XGBoost that wrote it and save_model(\"model.json\")"),
            );
        }
        [b'{', after, ..] if after.is_ascii_whitespace() || *after == b'"' => {
            of_json(&json::parse(bytes, place)?, place)?
        }
        [b'{', b'L' | b'l' | b'I' | b'i' | b'U' | b'#' | b'$', ..] => {
            of_json(&ubjson::parse(bytes, place)?, place)?
        }
        _ => return Ok(None),
    };
    forest.validate(place)?;
    Ok(Some(forest))
}

fn text<'b>(bytes: &'b [u8], place: &str) -> Result<&'b str> {
    std::str::from_utf8(bytes).map_err(|_| Error::input(place, "a text in UTF-8"))
}

fn of_json(value: &serde_json::Value, place: &str) -> Result<Forest> {
    if value.get("learner").is_some() {
        xgboost::parse(value, place)
    } else if value.get("tree_info").is_some() {
        lightgbm_dump::parse(value, place)
    } else {
        Err(Error::input(
            place,
            "XGBoost's model (with the key learner) or LightGBM's dump (with tree_info)",
        ))
    }
}

impl Grown {
    /// A forest and the bytes of its file.
    pub fn new(forest: Forest, bytes: &[u8]) -> Self {
        Self {
            forest,
            pipeline: None,
            classes: None,
            sha256: Sha256::digest(bytes).into(),
            bytes: bytes.len(),
        }
    }

    /// The model whose output is that of the class `bad`: of a classifier that has a first class of
    /// this name the first, else the second.
    #[must_use]
    pub fn toward(mut self, bad: &str) -> Self {
        if let Some(classes) = &mut self.classes
            && classes.0.first().is_some_and(|first| first == bad)
        {
            std::mem::swap(&mut self.forest, &mut classes.1);
            classes.0.swap(0, 1);
        }
        self
    }

    /// How large the model is as handed in.
    pub fn size(&self) -> Size {
        self.forest.size(self.bytes)
    }
}

impl Test {
    /// Whether a value that is not missing goes left.
    fn holds(&self, x: f64) -> bool {
        match self {
            Self::AtMost(threshold) => x <= *threshold,
            Self::Below(threshold) => x < *threshold,
            Self::Equal(numbers) => numbers.contains(&x),
            Self::Code(codes) => {
                let code = x.trunc();
                // As `static_cast<int>` of what fits.
                (0.0..=f64::from(i32::MAX)).contains(&code)
                    && codes.binary_search(&(code as u32)).is_ok()
            }
        }
    }
}

impl Missing {
    /// Missing goes to one side.
    fn side(left: bool) -> Self {
        if left { Self::Left } else { Self::Right }
    }
}

impl Tree {
    /// The index of the leaf that a row ends in.
    fn walk(&self, row: &[f64]) -> Option<(f64, u32)> {
        let mut at = 0;
        // A tree without cycles takes fewer steps than it has nodes.
        for _ in 0..self.nodes.len() {
            match self.nodes.get(at as usize)? {
                Node::Leaf { value, index } => return Some((*value, *index)),
                Node::Split {
                    feature,
                    test,
                    missing,
                    left,
                    right,
                } => {
                    let x = *row.get(*feature as usize)?;
                    let zero = x.is_nan() || x.abs() <= ZERO;
                    let goes_left = match missing {
                        Missing::LeftWithZero if zero => true,
                        Missing::RightWithZero if zero => false,
                        Missing::Left if x.is_nan() => true,
                        Missing::Right if x.is_nan() => false,
                        Missing::AsZero if x.is_nan() => test.holds(0.0),
                        _ => test.holds(x),
                    };
                    at = if goes_left { *left } else { *right };
                }
            }
        }
        None
    }

    fn leaves(&self) -> usize {
        let leaf = |node: &&Node| matches!(node, Node::Leaf { .. });
        self.nodes.iter().filter(leaf).count()
    }

    /// Questions on the longest way.
    fn depth(&self) -> usize {
        let mut deepest = 0;
        let mut open = vec![(0_u32, 0)];
        while let Some((at, depth)) = open.pop() {
            if let Some(Node::Split { left, right, .. }) = self.nodes.get(at as usize) {
                open.extend([(*left, depth + 1), (*right, depth + 1)]);
            }
            deepest = deepest.max(depth);
        }
        deepest
    }
}

impl Forest {
    /// Whether no row's sum can lie outside of 0 and 1 (but for f32's rounding): leaves that are probabilities.
    pub fn gives_probability(&self) -> bool {
        let leaves = |tree: &Tree| {
            tree.nodes
                .iter()
                .fold((f64::MAX, f64::MIN), |most, node| match node {
                    Node::Leaf { value, .. } => (most.0.min(*value), most.1.max(*value)),
                    Node::Split { .. } => most,
                })
        };
        let bounds = self.trees.iter().map(leaves);
        let (low, high) = bounds.fold((0.0, 0.0), |sum, tree| (sum.0 + tree.0, sum.1 + tree.1));
        let bound = |sum: f64| self.initial + sum / self.divisor;
        self.link == Link::Identity && bound(low) >= -1e-4 && bound(high) <= 1.0 + 1e-4
    }

    /// A row as the library sees it.
    fn row(&self, row: &[f64]) -> Vec<f64> {
        match self.number {
            Number::F32 => row.iter().map(|&x| f64::from(x as f32)).collect(),
            Number::F64 => row.to_vec(),
        }
    }

    /// The number of the leaf that a row ends in, for each tree.
    pub fn leaves(&self, row: &[f64]) -> Vec<u32> {
        let row = self.row(row);
        let leaf = |tree: &Tree| tree.walk(&row).map_or(u32::MAX, |(_, index)| index);
        self.trees.iter().map(leaf).collect()
    }

    /// The margin of a row, in the library's own types and order, times [`Forest::factor`].
    pub fn margin(&self, row: &[f64]) -> f64 {
        let row = self.row(row);
        let values = self.trees.iter().map(|tree| tree.walk(&row));
        let values = values.map(|leaf| leaf.map_or(f64::NAN, |(value, _)| value));
        let first = self.when == Initial::First;
        let raw = match self.number {
            Number::F32 => {
                let (initial, divisor) = (self.initial as f32, self.divisor as f32);
                let start = if first { initial } else { 0.0 };
                let sum = values.fold(start, |sum, value| sum + value as f32) / divisor;
                f64::from(if first { sum } else { sum + initial })
            }
            Number::F64 => {
                let start = if first { self.initial } else { 0.0 };
                let sum = values.fold(start, |sum, value| sum + value) / self.divisor;
                if first { sum } else { sum + self.initial }
            }
        };
        raw * self.factor
    }

    /// The margins of rows.
    pub fn margins(&self, rows: &Rows<f64>) -> Vec<f64> {
        rows.iter().map(|row| self.margin(row)).collect()
    }

    /// How large it is, where its file has `bytes`.
    pub fn size(&self, bytes: usize) -> Size {
        let leaves = |tree: &Tree| tree.leaves();
        let most = self.trees.iter().map(leaves).max().unwrap_or(0);
        let nodes: usize = self.trees.iter().map(|tree| tree.nodes.len()).sum();
        let trees = match self.trees.len() {
            1 => "1 tree".to_owned(),
            count => format!("{count} trees"),
        };
        Size {
            shape: format!("{trees}, {most} leaves at most"),
            parameters: nodes,
            bytes,
            multiply_adds: self.trees.iter().map(Tree::depth).sum(),
        }
    }

    /// Holds it to what every reader promises: sound trees, features that exist, finite numbers.
    fn validate(&self, place: &str) -> Result<()> {
        let fault = |what: String| Err(Error::input(place, what));
        let nodes: usize = self.trees.iter().map(|tree| tree.nodes.len()).sum();
        if self.trees.is_empty() || self.trees.len() > MAX_TREES || nodes > MAX_NODES {
            return fault(format!(
                "1 to {MAX_TREES} trees with at most {MAX_NODES} nodes in all"
            ));
        }
        if self.features.is_empty() || self.features.len() > MAX_FEATURES {
            return fault(format!("1 to {MAX_FEATURES} features"));
        }
        let sums = [self.initial, self.divisor, self.factor];
        if !sums.iter().all(|x| x.is_finite()) || self.divisor <= 0.0 || self.factor <= 0.0 {
            return fault("a finite base score and a sigmoid parameter above 0".to_owned());
        }
        for (number, tree) in self.trees.iter().enumerate() {
            if let Err(what) = self.validate_tree(tree) {
                return Err(Error::input(format!("{place}, tree {number}"), what));
            }
        }
        Ok(())
    }

    fn validate_tree(&self, tree: &Tree) -> std::result::Result<(), String> {
        let mut parents = vec![0_u8; tree.nodes.len()];
        let finite =
            |x: &f64| x.is_finite() && (self.number == Number::F64 || (*x as f32).is_finite());
        for (at, node) in tree.nodes.iter().enumerate() {
            match node {
                Node::Leaf { value, .. } if !finite(value) => {
                    return Err(format!("a finite value for the leaf at node {at}"));
                }
                Node::Leaf { .. } => {}
                Node::Split {
                    feature,
                    test,
                    left,
                    right,
                    ..
                } => {
                    let sound = match test {
                        Test::AtMost(threshold) | Test::Below(threshold) => finite(threshold),
                        Test::Equal(numbers) => numbers.iter().all(finite),
                        Test::Code(codes) => codes.windows(2).all(|pair| pair[0] < pair[1]),
                    };
                    if !sound {
                        return Err(format!("a finite threshold at node {at}"));
                    }
                    if *feature as usize >= self.features.len() {
                        return Err(format!(
                            "one of the {} features at node {at}, not number {feature}",
                            self.features.len()
                        ));
                    }
                    for child in [*left, *right] {
                        match parents.get_mut(child as usize) {
                            Some(parent) if child != 0 && *parent == 0 => *parent = 1,
                            _ => return Err(format!("children of its own at node {at}")),
                        }
                    }
                }
            }
        }
        // Every node but the root has one parent; without a cycle all of them hang on the root.
        let mut seen = 0;
        let mut open = vec![0_u32];
        while let Some(at) = open.pop() {
            seen += 1;
            match tree.nodes.get(at as usize) {
                Some(Node::Split { left, right, .. }) => open.extend([*left, *right]),
                Some(Node::Leaf { .. }) => {}
                None => return Err("a root".to_owned()),
            }
        }
        if seen == tree.nodes.len() {
            Ok(())
        } else {
            Err("nodes that all hang on the root".to_owned())
        }
    }
}
