//! Ensembles of decision trees: features to integer ranks, ranks to leaves, leaves to sums.
//!
//! A slot of features is compared once with all thresholds that any tree has for it; what comes of it
//! is its *rank*: how many thresholds lie before it. A split then compares integers: left where the
//! rank is at most the split's own.
//!
//! # Layout
//! All numbers are little-endian. A node is eight bytes:
//!
//! ```text
//! slot: u16 | rank: u16 | step: u16 | leaf: u16
//! ```
//!
//! A tree's nodes lie breadth first: the children of a split lie side by side, the left one `step`
//! nodes further on. A leaf has the rank [`LEAF`] and no step, so that walking on stays there; `leaf` is
//! its number from left to right, and of a split the number of the first leaf to its right. Walking is therefore free of branches: `node + step + (rank >
//! node's rank)`, as often as the tree is deep.
//!
//! # Leaves that remain
//! A split at which a row goes right rules out the leaves on its left. Of what all splits leave, the
//! first leaf is the one that the row reaches (Lucchese et al. 2015, "QuickScorer", theorem 1): so that
//! a forest can be evaluated group of features by group, each a set of leaves that remain, and all of
//! them joined by AND.
#![forbid(unsafe_code)]

use std::ops::{Add, Div, Mul, Range};

/// The rank of a leaf's node: no slot's rank is above it. Also the rank of what always goes right.
pub const LEAF: u16 = u16::MAX;
/// Bytes of a node.
pub const NODE_BYTES: usize = 8;
/// How many trees are walked side by side: their loads wait for memory at the same time.
pub const ABREAST: usize = 8;
/// How many trees are walked before their leaves are added: within these, trees of like depth go
/// together.
pub const WINDOW: usize = 64;
/// How many thresholds are compared at once.
pub const BLOCK: usize = 16;

/// LightGBM's `kZeroThreshold`: numbers of at most this magnitude count as zero.
const ZERO: f64 = 1e-35_f32 as f64;

/// What stands for a number that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It goes left at every split.
    Left,
    /// It goes right at every split.
    Right,
    /// 0.
    Zero,
}

/// What a slot compares its feature with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Thresholds t, rising: left where x ≤ t.
    AtMost,
    /// Thresholds t, rising: left where x < t.
    Below,
    /// Bits of 32-bit words: left where x, without its fraction, is the number of a bit that is set.
    /// Where it has no bit it goes left if `outside`.
    Set {
        /// Whether numbers without a bit go left.
        outside: bool,
        /// Whether a number with a fraction has no bit.
        exact: bool,
    },
}

/// One feature in one way of comparing it.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// The feature's index.
    pub feature: usize,
    /// What is done with NaN.
    pub missing: Missing,
    /// Whether numbers of magnitude at most 1e-35 are missing as NaN is.
    pub zero_is_missing: bool,
    /// What it compares with.
    pub comparison: Comparison,
    /// Where the table has its thresholds or words, in bytes.
    pub values: Range<usize>,
    /// The last threshold of each whole [`BLOCK`], to look there first.
    pub pivots: Vec<f64>,
}

/// One tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// The index of its root among all nodes.
    pub root: u32,
    /// The index of its first leaf among all leaves.
    pub leaf: u32,
    /// The index of the first word of its leaves that remain, among those of all trees.
    pub word: u32,
    /// How many splits there are on the longest way down.
    pub depth: u16,
    /// The output that its leaves are added to.
    pub output: u16,
    /// Its place within its [`WINDOW`].
    pub place: u8,
}

/// Features of the type that the thresholds have.
#[derive(Debug, Clone, Copy)]
pub enum Features<'a> {
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 64-bit floats.
    F64(&'a [f64]),
}

/// Ranks one row: its slots, their table, its features, the ranks to write.
pub type Rank = fn(&[Slot], &[u8], Features<'_>, &mut [u16]);

/// The definition of a [`Rank`].
pub fn rank(slots: &[Slot], table: &[u8], features: Features<'_>, ranks: &mut [u16]) {
    if !cfg!(any(test, feature = "trees")) {
        return;
    }
    for (slot, rank) in slots.iter().zip(ranks) {
        let x = match features {
            Features::F32(all) => f64::from(all[slot.feature]),
            Features::F64(all) => all[slot.feature],
        };
        *rank = slot.rank(x, &table[slot.values.clone()], features);
    }
}

impl Slot {
    /// The number to compare, or the rank of one that is missing.
    #[inline(always)]
    pub(crate) fn given(&self, x: f64) -> Result<f64, u16> {
        let nan = x.is_nan();
        if nan || (self.zero_is_missing && x.abs() <= ZERO) {
            match self.missing {
                Missing::Left => return Err(0),
                Missing::Right => return Err(LEAF),
                Missing::Zero => {}
            }
        }
        Ok(if nan { 0.0 } else { x })
    }

    #[inline(always)]
    pub(crate) fn rank(&self, x: f64, values: &[u8], of: Features<'_>) -> u16 {
        let x = match self.given(x) {
            Ok(x) => x,
            Err(rank) => return rank,
        };
        if let Comparison::Set { outside, exact } = self.comparison {
            let (words, _) = values.as_chunks::<4>();
            // Towards zero; what an i32 does not hold has no bit.
            let at = x as i32;
            let word = words.get((at >> 5) as usize);
            let word = word.filter(|_| !exact || f64::from(at) == x);
            let left = word.map_or(outside, |word| {
                u32::from_le_bytes(*word) >> (at & 31) & 1 == 1
            });
            return u16::from(!left);
        }
        // t ≤ x where t < the next number above x: thresholds are finite. An f32 is exact in both types.
        let (wide, short) = (x, x as f32);
        let (wide, short) = match self.comparison {
            Comparison::Below => (wide.next_up(), short.next_up()),
            _ => (wide, short),
        };
        let blocks = count(&self.pivots, |&pivot| pivot < wide);
        match of {
            Features::F32(_) => {
                count_from(blocks, values, |t: &[u8; 4]| f32::from_le_bytes(*t) < short)
            }
            Features::F64(_) => {
                count_from(blocks, values, |t: &[u8; 8]| f64::from_le_bytes(*t) < wide)
            }
        }
    }
}

/// How many of the rising thresholds lie before a number, of which `blocks` whole blocks do.
#[inline(always)]
fn count_from<const N: usize>(
    blocks: usize,
    values: &[u8],
    before: impl Fn(&[u8; N]) -> bool,
) -> u16 {
    let (values, _) = values.as_chunks::<N>();
    // The last whole block where less than one is left: what lies before it is counted already.
    let start = (blocks * BLOCK).min(values.len().saturating_sub(BLOCK));
    (start + count(&values[start..values.len().min(start + BLOCK)], before)) as u16
}

/// How many of the rising values lie before something: all compared where they are few, else a search
/// by halves; without branches that depend on them.
#[inline(always)]
fn count<T>(mut values: &[T], before: impl Fn(&T) -> bool) -> usize {
    let mut base = 0;
    while values.len() > BLOCK {
        let half = values.len() / 2;
        let more = usize::from(before(&values[half - 1])).wrapping_neg();
        base += half & more;
        values = &values[half & more..][..values.len() - half];
    }
    let few = |values: &[T]| values.iter().map(|t| u16::from(before(t))).sum::<u16>();
    let rest = match values.first_chunk::<BLOCK>() {
        Some(block) => few(block),
        None => few(values),
    };
    base + usize::from(rest)
}

/// A step's tables, as validation has found them.
#[derive(Debug, Clone, Copy)]
pub struct Forest<'a> {
    /// The trees.
    pub trees: &'a [Tree],
    /// The same, within each [`WINDOW`] the deepest last.
    pub walks: &'a [Tree],
    /// Nodes of all trees.
    pub nodes: Nodes<'a>,
    /// A number for each output to start from, a divisor, a factor.
    pub constants: &'a [u8],
    /// The leaves' values, tree by tree, from left to right.
    pub values: &'a [u8],
    /// Whether the first of the constants are added after the division and the multiplication.
    pub last: bool,
}

/// The floats that sums are made in.
pub trait Real: Copy + Add<Output = Self> + Mul<Output = Self> + Div<Output = Self> {
    /// 0.
    const ZERO: Self;

    /// The number at an index.
    fn at(bytes: &[u8], index: usize) -> Self;
}

impl Real for f32 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn at(bytes: &[u8], index: usize) -> Self {
        Self::from_le_bytes(bytes.as_chunks().0[index])
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn at(bytes: &[u8], index: usize) -> Self {
        Self::from_le_bytes(bytes.as_chunks().0[index])
    }
}

/// The rows of a call: how many, and how many elements lie from one to the next.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// How many rows.
    pub rows: usize,
    /// Elements from one input row to the next.
    pub input_stride: usize,
    /// Elements from one output row to the next.
    pub output_stride: usize,
    /// Outputs of a row.
    pub outputs: usize,
}

/// Finds the leaves of a row in a window of trees, told by its start and how many they are.
type FindLeaves<'a> = dyn Fn(usize, usize, usize, &mut [u32; WINDOW]) + 'a;

impl Forest<'_> {
    /// Ranks to sums.
    pub fn sum<T: Real>(&self, walk: Walk, rows: Rows, ranks: &[u16], output: &mut [T]) {
        self.add(rows, output, &|row, start, count, leaves| {
            let ranks = &ranks[row * rows.input_stride..][..rows.input_stride];
            walk(self.nodes, &self.walks[start..start + count], ranks, leaves);
        });
    }

    /// As [`Forest::sum`], from the leaves that remain: for each row `rows.input_stride` words.
    pub fn sum_remaining<T: Real>(&self, rows: Rows, words: &[i32], output: &mut [T]) {
        self.add(rows, output, &|row, start, count, leaves| {
            let words = &words[row * rows.input_stride..];
            for (leaf, tree) in leaves.iter_mut().zip(&self.trees[start..start + count]) {
                *leaf = tree.leaf + first(&words[tree.word as usize..]);
            }
        });
    }

    /// Adds up the leaves that `leaves` finds, strictly in the order of the trees.
    fn add<T: Real>(&self, rows: Rows, output: &mut [T], leaves: &FindLeaves<'_>) {
        let constant = |index| T::at(self.constants, index);
        let (divisor, factor) = (constant(rows.outputs), constant(rows.outputs + 1));
        for row in output.chunks_mut(rows.output_stride).take(rows.rows) {
            for (index, sum) in row[..rows.outputs].iter_mut().enumerate() {
                *sum = if self.last { T::ZERO } else { constant(index) };
            }
        }
        let mut found = [0; WINDOW];
        for (window, trees) in self.trees.chunks(WINDOW).enumerate() {
            for row in 0..rows.rows {
                let sums = &mut output[row * rows.output_stride..][..rows.outputs];
                leaves(row, window * WINDOW, trees.len(), &mut found);
                if let [sum] = sums {
                    // Additions wait for each other: read beforehand, the values take so few
                    // instructions that the next walk begins meanwhile.
                    let mut values = [T::ZERO; WINDOW];
                    for (value, leaf) in values.iter_mut().zip(&found[..trees.len()]) {
                        *value = T::at(self.values, *leaf as usize);
                    }
                    *sum = values[..trees.len()].iter().fold(*sum, |sum, x| sum + *x);
                    continue;
                }
                let mut own = usize::from(trees[0].output);
                let mut sum = sums[own];
                for (tree, leaf) in trees.iter().zip(found) {
                    let next = usize::from(tree.output);
                    if next != own {
                        sums[own] = sum;
                        (own, sum) = (next, sums[next]);
                    }
                    sum = sum + T::at(self.values, leaf as usize);
                }
                sums[own] = sum;
            }
        }
        for row in output.chunks_mut(rows.output_stride).take(rows.rows) {
            for (index, sum) in row[..rows.outputs].iter_mut().enumerate() {
                *sum = *sum / divisor * factor;
                if self.last {
                    *sum = *sum + constant(index);
                }
            }
        }
    }
}

/// The first leaf that remains.
#[inline(always)]
fn first(words: &[i32]) -> u32 {
    let mut before = 0;
    for word in words {
        if *word != 0 {
            return before + word.trailing_zeros();
        }
        before += 32;
    }
    // Of every tree a leaf remains.
    0
}

/// A split as a set of leaves to rule out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The index of its tree's first word.
    pub word: u32,
    /// Its rank.
    pub rank: u16,
    /// The first leaf below it.
    pub from: u16,
    /// The first leaf to its right.
    pub to: u16,
}

/// Rules out what a slot's splits, by rising rank, rule out for a row with this rank.
pub fn rule_out(cuts: &[Cut], rank: u16, words: &mut [i32]) {
    for cut in cuts {
        if rank <= cut.rank {
            break;
        }
        let (mut from, to) = (u32::from(cut.from), u32::from(cut.to));
        while from < to {
            let end = to.min((from | 31) + 1);
            let bits = (u32::MAX >> (32 - (end - from))) << (from % 32);
            words[(cut.word + from / 32) as usize] &= !bits as i32;
            from = end;
        }
    }
}

/// The nodes of all trees.
#[derive(Debug, Clone, Copy)]
pub struct Nodes<'a> {
    /// As the bundle has them.
    pub whole: &'a [[u8; NODE_BYTES]],
    /// Each as [`small`] makes it, to be found in nearer caches; or none.
    pub small: &'a [u32],
}

/// A node in four bytes, `slot or leaf: u8 | step: u8 | rank: u16`, where it has room in them.
pub fn small(node: [u8; NODE_BYTES]) -> Option<u32> {
    let [slot, rank, step, leaf] =
        [0, 2, 4, 6].map(|at| u16::from_le_bytes([node[at], node[at + 1]]));
    let first = u8::try_from(if step == 0 { leaf } else { slot }).ok()?;
    let [low, high] = rank.to_le_bytes();
    Some(u32::from_le_bytes([
        first,
        u8::try_from(step).ok()?,
        low,
        high,
    ]))
}

/// Walks down a [`WINDOW`] of trees, the deepest last: all nodes, the trees, a row's ranks; writes
/// the leaf that the row reaches in each, numbered over all trees, to the tree's place.
pub type Walk = fn(Nodes<'_>, &[Tree], &[u16], &mut [u32; WINDOW]);

/// The definition of a [`Walk`]: [`ABREAST`] trees at a time.
pub fn walk(nodes: Nodes<'_>, walks: &[Tree], ranks: &[u16], leaves: &mut [u32; WINDOW]) {
    if !cfg!(any(test, feature = "trees")) {
        return;
    }
    for trees in walks.chunks(ABREAST) {
        for (tree, leaf) in trees.iter().zip(abreast(nodes.whole, trees, ranks)) {
            leaves[usize::from(tree.place) % WINDOW] = leaf;
        }
    }
}

/// The leaves that a row reaches in at most [`ABREAST`] trees, numbered over all trees.
#[inline(always)]
fn abreast(nodes: &[[u8; NODE_BYTES]], trees: &[Tree], ranks: &[u16]) -> [u32; ABREAST] {
    let mut at = [0; ABREAST];
    let mut first = [0; ABREAST];
    let mut depth = 0;
    for ((at, first), tree) in at.iter_mut().zip(&mut first).zip(trees) {
        // A walk that is short of a tree goes down the first one again.
        *at = tree.root as usize;
        *first = tree.leaf;
        depth = depth.max(tree.depth);
    }
    let node = |at: usize| u64::from_le_bytes(nodes[at]);
    for _ in 0..depth {
        for at in &mut at {
            let node = node(*at);
            let right = ranks[usize::from(node as u16)] > (node >> 16) as u16;
            *at += usize::from((node >> 32) as u16) + usize::from(right);
        }
    }
    for (first, at) in first.iter_mut().zip(at) {
        *first += (node(at) >> 48) as u32;
    }
    first
}
