//! Ensembles of trees as compilers hand them over, and their packing into the steps `Rank` and
//! `Trees`: `docs/bundle-format.md` has the layout.

use crate::error::{Error, Result};
use crate::kernels::trees::{LEAF, Missing, NODE_BYTES};
use crate::plan::program::{Buffer, ElementType, Model, Port, Step};
use crate::plan::trees::{
    MAX_CATEGORIES, MAX_SLOTS, MAX_SPLITS, MAX_THRESHOLDS, MAX_TREES, SLOT_BYTES, TREE_BYTES,
};

/// An ensemble of trees. Output k is `(initial[k] + Σ leaves of the trees with output k, in their
/// order) / divisor · factor`, or with [`last`](Self::last) `Σ / divisor · factor + initial[k]`, every
/// operation rounded to [`sum`](Self::sum).
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// The type that features are compared in: [`ElementType::F32`] or [`ElementType::F64`].
    pub input: ElementType,
    /// The type that leaves are added up in: [`ElementType::F32`] or [`ElementType::F64`].
    pub sum: ElementType,
    /// What splits compare.
    pub slots: Vec<Slot>,
    /// The trees, in the order of their sums.
    pub trees: Vec<Tree>,
    /// A number for each output.
    pub initial: Vec<f64>,
    /// Whether these are added at the end, not at the beginning.
    pub last: bool,
    /// What sums are divided by; 1 for most.
    pub divisor: f64,
    /// What they are multiplied by then; 1 for most.
    pub factor: f64,
}

/// One feature in one way of comparing it. A feature may have several slots.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// The feature's index.
    pub feature: u32,
    /// What is done with NaN.
    pub missing: Missing,
    /// Whether numbers of magnitude at most 1e-35 (as an f32) are missing as NaN is; not with
    /// [`Missing::Zero`].
    pub zero_is_missing: bool,
    /// What it is compared with.
    pub split: Split,
}

/// What a slot compares its feature with.
#[derive(Debug, Clone, PartialEq)]
pub enum Split {
    /// Left where x ≤ threshold, or, if `strict`, where x < threshold.
    Thresholds {
        /// Finite, strictly rising, at most [`MAX_THRESHOLDS`]; exact in the ensemble's input type.
        values: Vec<f64>,
        /// Whether equality goes right.
        strict: bool,
    },
    /// Left where x, without its fraction, is one of the members, else right.
    Set {
        /// Categories that go left, each below [`MAX_CATEGORIES`].
        members: Vec<u32>,
        /// Where negative numbers and those above the greatest member go.
        outside: Side,
        /// Whether numbers with a fraction are outside too, instead of losing it.
        exact: bool,
    },
}

/// A side of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// To the left child.
    Left,
    /// To the right child.
    Right,
}

/// One tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// The output that its leaves are added to.
    pub output: u16,
    /// Its nodes, the root first, each but the root the child of one split.
    pub nodes: Vec<Node>,
}

/// One node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// A comparison.
    Split {
        /// The slot.
        slot: u16,
        /// The index of its threshold; 0 for a set.
        rank: u16,
        /// The index of the left child.
        left: u32,
        /// The index of the right child.
        right: u32,
    },
    /// An end.
    Leaf {
        /// What it adds; exact in the ensemble's sum type.
        value: f64,
        /// The training library's own number of it.
        index: u32,
    },
}

/// An ensemble as steps have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    /// The weights of the step `Rank`.
    pub ranks: Vec<u8>,
    /// The weights of the step `Trees`.
    pub trees: Vec<u8>,
    /// The type of the features.
    pub input: ElementType,
    /// The type of the outputs.
    pub sum: ElementType,
    /// How many slots there are.
    pub slots: u32,
    /// How many trees there are.
    pub count: u32,
    /// How many outputs there are.
    pub outputs: u32,
    /// As [`Ensemble::last`].
    pub last: bool,
}

fn fault<T>(place: String, what: &str) -> Result<T> {
    Err(Error::malformed(place, what.to_owned()))
}

/// Packs an ensemble.
///
/// # Errors
/// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), naming the slot or tree that is beyond a
/// limit, is not sound, or has a number that its type does not hold.
pub fn pack(ensemble: &Ensemble) -> Result<Packed> {
    let whole = || "ensemble".to_owned();
    let float = |element| matches!(element, ElementType::F32 | ElementType::F64);
    if !float(ensemble.input) || !float(ensemble.sum) {
        return fault(whole(), "features and sums of f32 or f64");
    }
    if ensemble.slots.len() > MAX_SLOTS || !(1..=MAX_TREES).contains(&ensemble.trees.len()) {
        return fault(whole(), "1 to 65536 trees and at most 65536 slots");
    }
    if ensemble.initial.is_empty() || ensemble.divisor == 0.0 {
        return fault(whole(), "an output, and a divisor other than 0");
    }
    let mut slots = ensemble.slots.clone();
    if slots.is_empty() {
        // Trees that are leaves only; a step has at least one slot all the same.
        slots.push(Slot {
            feature: 0,
            missing: Missing::Left,
            zero_is_missing: false,
            split: Split::Thresholds {
                values: Vec::new(),
                strict: false,
            },
        });
    }
    Ok(Packed {
        ranks: pack_slots(&slots, ensemble.input)?,
        trees: pack_trees(ensemble)?,
        input: ensemble.input,
        sum: ensemble.sum,
        slots: slots.len() as u32,
        count: ensemble.trees.len() as u32,
        outputs: ensemble.initial.len() as u32,
        last: ensemble.last,
    })
}

fn pack_slots(slots: &[Slot], element: ElementType) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(slots.len() * SLOT_BYTES);
    let mut values = Vec::new();
    for (index, slot) in slots.iter().enumerate() {
        let place = || format!("slot {index}");
        let before = values.len();
        let size = match &slot.split {
            Split::Thresholds { values: all, .. } => {
                let rising = all.windows(2).all(|pair| pair[0] < pair[1]);
                if all.len() > MAX_THRESHOLDS || !rising {
                    return fault(place(), "at most 65534 thresholds that rise");
                }
                for &value in all {
                    push(&mut values, value, element).map_err(|e| at(place(), &e))?;
                }
                element.size()
            }
            Split::Set {
                members, outside, ..
            } => {
                let words = set_words(members, *outside);
                let Some(words) = words.filter(|_| members.len() <= MAX_CATEGORIES) else {
                    return fault(place(), "categories below 65536");
                };
                values.extend(words.iter().flat_map(|word| word.to_le_bytes()));
                4
            }
        };
        if slot.zero_is_missing && slot.missing == Missing::Zero {
            return fault(
                place(),
                "zeros that are missing, or missing values that are zero",
            );
        }
        out.extend(slot.feature.to_le_bytes());
        out.extend((((values.len() - before) / size) as u32).to_le_bytes());
        let (comparison, outside) = match &slot.split {
            Split::Thresholds { strict, .. } => (u8::from(*strict), 0),
            Split::Set { outside, exact, .. } => {
                (2 + u8::from(*exact), u8::from(*outside == Side::Left))
            }
        };
        let missing = match slot.missing {
            Missing::Left => 0,
            Missing::Right => 1,
            Missing::Zero => 2,
        };
        let zero = u8::from(slot.zero_is_missing);
        out.extend([comparison, missing, zero, outside]);
    }
    out.extend(values);
    Ok(out)
}

/// Members as bits; where what is outside goes left, so does what is above the greatest member.
fn set_words(members: &[u32], outside: Side) -> Option<Vec<u32>> {
    let len = members.iter().max().map_or(0, |&most| most as usize + 1);
    if len > MAX_CATEGORIES {
        return None;
    }
    let mut words = vec![0; len.div_ceil(32)];
    let above = (len..words.len() * 32).filter(|_| outside == Side::Left);
    for bit in members.iter().map(|&member| member as usize).chain(above) {
        words[bit / 32] |= 1 << (bit % 32);
    }
    Some(words)
}

fn at(place: String, error: &Error) -> Error {
    Error::malformed(place, error.expected().to_owned())
}

/// Appends a finite number that `element` holds exactly.
fn push(out: &mut Vec<u8>, value: f64, element: ElementType) -> Result<()> {
    let short = value as f32;
    match element {
        ElementType::F64 if value.is_finite() => out.extend(value.to_le_bytes()),
        ElementType::F32 if short.is_finite() && f64::from(short) == value => {
            out.extend(short.to_le_bytes());
        }
        _ => return fault(String::new(), "finite numbers of the ensemble's types"),
    }
    Ok(())
}

fn pack_trees(ensemble: &Ensemble) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(ensemble.trees.len() * TREE_BYTES);
    let (mut nodes, mut floats) = (Vec::new(), Vec::new());
    let sum = ensemble.sum;
    let constants = [ensemble.divisor, ensemble.factor];
    for &value in ensemble.initial.iter().chain(&constants) {
        push(&mut floats, value, sum).map_err(|e| at("ensemble".to_owned(), &e))?;
    }
    for (index, tree) in ensemble.trees.iter().enumerate() {
        let place = || format!("tree {index}");
        if usize::from(tree.output) >= ensemble.initial.len() {
            return fault(place(), "an output that exists");
        }
        let Some((splits, leaves)) = pack_tree(ensemble, tree, &mut nodes) else {
            return fault(
                place(),
                "a tree of at most 32767 splits, over slots and thresholds that exist",
            );
        };
        out.extend(splits.to_le_bytes());
        out.extend(tree.output.to_le_bytes());
        for value in leaves {
            push(&mut floats, value, sum).map_err(|e| at(place(), &e))?;
        }
    }
    out.extend(nodes);
    out.extend(floats);
    Ok(out)
}

/// Appends a tree's nodes, breadth first; gives how many are splits, and the leaves from left to right.
fn pack_tree(ensemble: &Ensemble, tree: &Tree, out: &mut Vec<u8>) -> Option<(u16, Vec<f64>)> {
    let leaves = numbered(tree)?;
    let mut number = vec![0; tree.nodes.len()];
    for (rank, &leaf) in leaves.iter().enumerate() {
        number[leaf] = rank as u16;
    }
    let splits = (tree.nodes.len() - 1) / 2;
    let mut queue = vec![0];
    for place in 0..tree.nodes.len() {
        let node = *queue.get(place)?;
        let (slot, rank, step, leaf) = match tree.nodes[node] {
            Node::Split {
                slot,
                rank,
                left,
                right,
            } => {
                let ranks = match &ensemble.slots.get(usize::from(slot))?.split {
                    Split::Thresholds { values, .. } => values.len(),
                    Split::Set { .. } => 1,
                };
                if usize::from(rank) >= ranks {
                    return None;
                }
                let step = queue.len() - place;
                queue.extend([left as usize, right as usize]);
                let mut first = right as usize;
                while let Node::Split { left, .. } = tree.nodes[first] {
                    first = left as usize;
                }
                (slot, rank, step as u16, number[first])
            }
            Node::Leaf { .. } => (0, LEAF, 0, number[node]),
        };
        for field in [slot, rank, step, leaf] {
            out.extend(field.to_le_bytes());
        }
    }
    debug_assert_eq!(out.len() % NODE_BYTES, 0);
    let value = |&leaf: &usize| match tree.nodes[leaf] {
        Node::Leaf { value, .. } => Some(value),
        Node::Split { .. } => None,
    };
    Some((splits as u16, leaves.iter().filter_map(value).collect()))
}

/// The leaves' indices from left to right; `None` where the nodes are not one tree.
fn numbered(tree: &Tree) -> Option<Vec<usize>> {
    let count = tree.nodes.len();
    if count == 0 || count > 2 * MAX_SPLITS + 1 {
        return None;
    }
    let mut seen = vec![false; count];
    let mut leaves = Vec::with_capacity(count / 2 + 1);
    let mut stack = vec![0];
    while let Some(node) = stack.pop() {
        if std::mem::replace(seen.get_mut(node)?, true) {
            return None;
        }
        match tree.nodes[node] {
            Node::Split { left, right, .. } => stack.extend([right as usize, left as usize]),
            Node::Leaf { .. } => leaves.push(node),
        }
    }
    seen.iter().all(|&seen| seen).then_some(leaves)
}

impl Packed {
    /// The model that is this ensemble over `features` features, and its weights: steps `Rank` and
    /// `Trees`.
    pub fn model(&self, name: &str, features: u32) -> (Model, Vec<u8>) {
        let mut weights = self.ranks.clone();
        weights.resize(weights.len().next_multiple_of(64), 0);
        let trees = weights.len() as u64;
        weights.extend(&self.trees);
        let mut buffers: Vec<Buffer> = Vec::new();
        let mut arena_bytes = 0;
        for (element, len) in [
            (self.input, features),
            (ElementType::U16, self.slots),
            (self.sum, self.outputs),
        ] {
            let buffer = Buffer {
                element,
                len,
                offset: arena_bytes,
            };
            arena_bytes += buffer.row_bytes() as u32;
            buffers.push(buffer);
        }
        let port = |name: &str, buffer| {
            vec![Port {
                name: name.to_owned(),
                buffer,
            }]
        };
        let model = Model {
            name: name.to_owned(),
            inputs: port("features", 0),
            outputs: port("output", 2),
            buffers,
            arena_bytes,
            steps: vec![
                Step::Rank {
                    input: 0,
                    output: 1,
                    weights: 0,
                },
                Step::Trees {
                    input: 1,
                    output: 2,
                    weights: trees,
                    trees: self.count,
                    last: self.last,
                },
            ],
        };
        (model, weights)
    }
}

impl Ensemble {
    /// The leaf that a row of features reaches in each tree, by the training library's own numbers:
    /// node by node, as the description says. What tests compare.
    ///
    /// `None` where a node names what does not exist.
    pub fn leaves(&self, row: &[f64]) -> Option<Vec<u32>> {
        let all = self.trees.iter().map(|tree| Some(self.leaf(tree, row)?.1));
        all.collect()
    }

    /// The outputs for a row of features, by the same walk.
    ///
    /// `None` where a node or a tree names what does not exist.
    pub fn outputs(&self, row: &[f64]) -> Option<Vec<f64>> {
        let round = |x: f64| match self.sum {
            ElementType::F32 => f64::from(x as f32),
            _ => x,
        };
        let start = |&x: &f64| if self.last { 0.0 } else { x };
        let mut sums: Vec<f64> = self.initial.iter().map(start).collect();
        for tree in &self.trees {
            let sum = sums.get_mut(usize::from(tree.output))?;
            // Rounding a sum, product or quotient of two f32 from f64 is rounding it once
            // (Figueroa 1995, "When is double rounding innocuous?").
            *sum = round(*sum + self.leaf(tree, row)?.0);
        }
        for (sum, &initial) in sums.iter_mut().zip(&self.initial) {
            *sum = round(round(*sum / self.divisor) * self.factor);
            if self.last {
                *sum = round(*sum + initial);
            }
        }
        Some(sums)
    }

    fn leaf(&self, tree: &Tree, row: &[f64]) -> Option<(f64, u32)> {
        let mut at = 0;
        // No way down is longer than there are nodes.
        for _ in 0..tree.nodes.len() {
            match *tree.nodes.get(at)? {
                Node::Leaf { value, index } => return Some((value, index)),
                Node::Split {
                    slot,
                    rank,
                    left,
                    right,
                } => {
                    let slot = self.slots.get(usize::from(slot))?;
                    let x = *row.get(slot.feature as usize)?;
                    let side = slot.side(x, usize::from(rank))?;
                    at = if side == Side::Left { left } else { right } as usize;
                }
            }
        }
        None
    }
}

impl Slot {
    /// The side on which a number goes at the split of this slot and rank.
    fn side(&self, x: f64, rank: usize) -> Option<Side> {
        let side = |left| if left { Side::Left } else { Side::Right };
        let zero = self.zero_is_missing && x.abs() <= f64::from(1e-35_f32);
        let x = match self.missing {
            Missing::Left if x.is_nan() || zero => return Some(Side::Left),
            Missing::Right if x.is_nan() || zero => return Some(Side::Right),
            Missing::Zero if x.is_nan() => 0.0,
            _ => x,
        };
        Some(match &self.split {
            Split::Thresholds { values, strict } => {
                let threshold = *values.get(rank)?;
                side(x < threshold || (!strict && x == threshold))
            }
            Split::Set {
                members,
                outside,
                exact,
            } => {
                let most = members.iter().max().map_or(-1.0, |&most| f64::from(most));
                let whole = x.trunc();
                if whole < 0.0 || whole > most || (*exact && whole != x) {
                    *outside
                } else {
                    side(members.iter().any(|&member| f64::from(member) == whole))
                }
            }
        })
    }
}
