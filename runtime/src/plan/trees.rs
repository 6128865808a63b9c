//! Steps of tree ensembles as bundles have them: what is checked when one is opened, and how they
//! run. [`ensemble`](crate::plan::ensemble) is the other side: what compilers hand over.

use crate::error::{Error, Result};
use crate::kernels::trees::{
    BLOCK, Comparison, Cut, Features, Forest, LEAF, Missing, NODE_BYTES, Nodes, Rows, Slot, Tree,
    WINDOW, rule_out, small,
};
use crate::kernels::{Kernels, Shape};
use crate::plan::program::{Buffer, ElementType, Step};
use crate::plan::validate::Spent;

/// No step has more slots: nodes name them in 16 bits.
pub const MAX_SLOTS: usize = 1 << 16;
/// No slot has more thresholds: ranks have 16 bits, and the highest is a leaf's.
pub const MAX_THRESHOLDS: usize = LEAF as usize - 1;
/// No slot's set has numbers from here on.
pub const MAX_CATEGORIES: usize = 1 << 16;
/// No step has more trees.
pub const MAX_TREES: usize = 1 << 16;
/// No tree has more splits: nodes are counted in 16 bits.
pub const MAX_SPLITS: usize = (1 << 15) - 1;

/// Bytes of a slot's description.
pub(crate) const SLOT_BYTES: usize = 12;
/// Bytes of a tree's description.
pub(crate) const TREE_BYTES: usize = 4;

/// The tables of a step, decoded; `None` for steps that have none.
#[derive(Debug, Clone)]
pub(crate) enum Table {
    None,
    Ranks(Vec<Slot>),
    Trees(Trees),
}

/// The tables of a step of trees. Nodes, constants and leaves stay in the bundle's bytes.
#[derive(Debug, Clone)]
pub(crate) struct Trees {
    trees: Vec<Tree>,
    /// In the order in which they are walked.
    walks: Vec<Tree>,
    /// Bytes of all nodes, and where they start.
    nodes: [usize; 2],
    /// Nodes in half the room, or none.
    small: Vec<u32>,
    /// Bytes of one float.
    float: usize,
    outputs: usize,
    last: bool,
    /// Words of the leaves that remain of a row.
    words: usize,
}

/// What checking a step found: its tables, how many of the weights' bytes they take, what a row costs
/// in comparisons and additions.
#[derive(Debug)]
pub(crate) struct Found {
    pub table: Table,
    pub bytes: usize,
    pub cost: u64,
}

fn fault<T>(what: &str) -> Result<T> {
    Err(Error::malformed("section PLAN", what.to_owned()))
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word[..N].copy_from_slice(&bytes[at..at + N]);
    u32::from_le_bytes(word)
}

/// Takes `count` items of `size` bytes from the front of `bytes`.
fn take<'b>(bytes: &mut &'b [u8], count: usize, size: usize) -> Result<&'b [u8]> {
    let len = count.checked_mul(size);
    match len.and_then(|len| bytes.split_at_checked(len)) {
        Some((front, rest)) => {
            *bytes = rest;
            Ok(front)
        }
        None => fault("weights inside section WGTS"),
    }
}

/// Checks a step's `weights`, which start where its own do. `spent` counts what checking costs.
pub(crate) fn check(
    step: &Step,
    input: &Buffer,
    output: &Buffer,
    weights: &[u8],
    spent: &mut Spent,
) -> Result<Found> {
    if !cfg!(feature = "trees") {
        return fault("known steps");
    }
    let mut rest = weights;
    let (table, cost) = match *step {
        Step::Trees { trees, last, .. } => {
            let float = output.element.size();
            check_trees(
                trees as usize,
                last,
                input,
                output.len as usize,
                float,
                &mut rest,
                spent,
            )?
        }
        _ => check_slots(input, output.len as usize, &mut rest, spent)?,
    };
    Ok(Found {
        table,
        bytes: weights.len() - rest.len(),
        cost,
    })
}

/// What a slot or a tree counts for, beyond its thresholds and nodes: so many fit into memory.
const ENTRY: usize = 512;
/// What a node or a threshold counts for.
const NODE: usize = 8;

fn check_slots(
    input: &Buffer,
    count: usize,
    rest: &mut &[u8],
    spent: &mut Spent,
) -> Result<(Table, u64)> {
    if count > MAX_SLOTS {
        return fault("at most 65536 slots");
    }
    spent.on_tables(count * ENTRY)?;
    let whole = rest.len();
    let size = input.element.size();
    let described = take(rest, count, SLOT_BYTES)?;
    let mut slots = Vec::with_capacity(count);
    let mut cost = 0;
    for slot in described.chunks_exact(SLOT_BYTES) {
        let (feature, count) = (number::<4>(slot, 0), number::<4>(slot, 4) as usize);
        let missing = match slot[9] {
            0 => Missing::Left,
            1 => Missing::Right,
            2 => Missing::Zero,
            _ => return fault("a known way with missing values"),
        };
        let [comparison, _, zero, outside] = [slot[8], slot[9], slot[10], slot[11]];
        let set = comparison >= 2;
        let comparison = match comparison {
            0 => Comparison::AtMost,
            1 => Comparison::Below,
            2 | 3 => Comparison::Set {
                outside: outside == 1,
                exact: comparison == 3,
            },
            _ => return fault("a known comparison"),
        };
        let flags = zero <= 1 && outside <= u8::from(set);
        if !flags || (zero == 1 && missing == Missing::Zero) || feature >= input.len {
            return fault("a feature of the input and sound flags in every slot");
        }
        let most = if set {
            MAX_CATEGORIES / 32
        } else {
            MAX_THRESHOLDS
        };
        if count > most {
            return fault("at most 65534 thresholds or 65536 categories in every slot");
        }
        spent.on_tables(count * NODE)?;
        let start = whole - rest.len();
        let values = take(rest, count, if set { 4 } else { size })?;
        if !set && !rising(values, size) {
            return fault("finite thresholds that rise");
        }
        cost += u64::from(count.checked_ilog2().unwrap_or(0)) + 1;
        slots.push(Slot {
            feature: feature as usize,
            missing,
            zero_is_missing: zero == 1,
            comparison,
            pivots: match set {
                true => Vec::new(),
                false => values
                    .chunks_exact(size * BLOCK)
                    .map(|block| float(&block[block.len() - size..], size))
                    .collect(),
            },
            values: start..start + values.len(),
        });
    }
    Ok((Table::Ranks(slots), cost))
}

/// The float at `at`, whichever of the two it is; exact.
fn float(bytes: &[u8], size: usize) -> f64 {
    match bytes.first_chunk() {
        Some(&wide) if size == 8 => f64::from_le_bytes(wide),
        _ => f32::from_bits(number::<4>(bytes, 0)).into(),
    }
}

fn rising(values: &[u8], size: usize) -> bool {
    let mut before = f64::NEG_INFINITY;
    values.chunks_exact(size).all(|value| {
        let value = float(value, size);
        let rises = value > before && value < f64::INFINITY;
        before = value;
        rises
    })
}

fn check_trees(
    count: usize,
    last: bool,
    input: &Buffer,
    outputs: usize,
    size: usize,
    rest: &mut &[u8],
    spent: &mut Spent,
) -> Result<(Table, u64)> {
    if count == 0 || count > MAX_TREES {
        return fault("1 to 65536 trees");
    }
    spent.on_tables(count * ENTRY + outputs)?;
    let described = take(rest, count, TREE_BYTES)?;
    let mut trees = Vec::with_capacity(count);
    let (mut nodes, mut leaves, mut words) = (0_u32, 0, 0);
    for tree in described.chunks_exact(TREE_BYTES) {
        let (splits, output) = (number::<2>(tree, 0), number::<2>(tree, 2));
        if splits as usize > MAX_SPLITS || output as usize >= outputs {
            return fault("at most 32767 splits and an output that exists in every tree");
        }
        trees.push(Tree {
            root: nodes,
            leaf: leaves,
            word: words,
            depth: 0,
            output: output as u16,
            place: (trees.len() % WINDOW) as u8,
        });
        let more = nodes.checked_add(2 * splits + 1);
        nodes = more.map_or_else(|| fault("weights inside section WGTS"), Ok)?;
        leaves += splits + 1;
        words += (splits + 1).div_ceil(32);
    }
    spent.on_tables((nodes as usize).saturating_mul(NODE))?;
    let bytes = take(rest, nodes as usize, NODE_BYTES)?;
    let mut cost = 0;
    let mut rooms = Vec::new();
    for index in 0..count {
        let end = trees.get(index + 1).map_or(nodes, |next| next.root) as usize;
        let tree = &mut trees[index];
        let nodes = &bytes[tree.root as usize * NODE_BYTES..end * NODE_BYTES];
        match shape(nodes, input.len, &mut rooms) {
            Some(depth) => tree.depth = depth,
            None => return fault("trees whose nodes lie breadth first, over slots that exist"),
        }
        cost += u64::from(tree.depth) + 1;
    }
    let floats = take(rest, outputs + 2 + leaves as usize, size)?;
    spent.on_tables(leaves as usize)?;
    let sound = floats
        .chunks_exact(size)
        .all(|value| float(value, size).is_finite());
    if !sound || float(&floats[outputs * size..], size) == 0.0 {
        return fault("finite constants and leaves, and a divisor other than 0");
    }
    let mut walks = trees.clone();
    for window in walks.chunks_mut(WINDOW) {
        window.sort_unstable_by_key(|tree| (tree.depth, tree.place));
    }
    let trees = Trees {
        trees,
        walks,
        nodes: [described.len(), bytes.len()],
        small: small_nodes(bytes),
        float: size,
        outputs,
        last,
        words: words as usize,
    };
    Ok((Table::Trees(trees), cost))
}

/// The nodes in half the room, where a path has a use for them and all fit; at most 1 MB.
fn small_nodes(bytes: &[u8]) -> Vec<u32> {
    let (nodes, _) = bytes.as_chunks();
    if !cfg!(target_arch = "x86_64") || nodes.len() > 1 << 18 {
        return Vec::new();
    }
    let nodes: Option<Vec<u32>> = nodes.iter().map(|&node| small(node)).collect();
    nodes.unwrap_or_default()
}

/// No forest whose leaves that remain take more words is explained by them: what an explanation needs
/// of memory stays within some megabytes.
const MAX_WORDS: usize = 1 << 14;

/// The splits of a forest by slot, for explanations: see [`Forest::sum_remaining`].
#[derive(Debug)]
pub(crate) struct Cuts {
    /// By slot, then by rank.
    cuts: Vec<Cut>,
    /// The features of the slots, and where each one's cuts end.
    slots: Vec<(u32, u32)>,
    /// Words of one row.
    pub len: usize,
}

impl Cuts {
    /// The cuts of a forest over slots; `None` where it is too large.
    pub fn new(slots: &[Slot], trees: &Trees, weights: &[u8]) -> Option<Self> {
        let nodes = trees.forest(weights).nodes.whole;
        if trees.words > MAX_WORDS {
            return None;
        }
        let mut found: Vec<(u16, Cut)> = Vec::with_capacity(nodes.len() / 2);
        let mut firsts: Vec<u16> = Vec::new();
        for (index, tree) in trees.trees.iter().enumerate() {
            let end = trees.trees.get(index + 1);
            let end = end.map_or(nodes.len(), |next| next.root as usize);
            let nodes = &nodes[tree.root as usize..end];
            firsts.clear();
            firsts.resize(nodes.len(), 0);
            for (at, node) in nodes.iter().enumerate() {
                let [slot, rank, step, to] =
                    [0, 2, 4, 6].map(|which| u16::from_le_bytes([node[which], node[which + 1]]));
                if rank == LEAF {
                    continue;
                }
                let left = at + usize::from(step);
                let from = firsts[at];
                firsts[left] = from;
                firsts[left + 1] = to;
                let word = tree.word;
                let cut = Cut {
                    word,
                    rank,
                    from,
                    to,
                };
                found.push((slot, cut));
            }
        }
        found.sort_unstable_by_key(|(slot, cut)| (*slot, cut.rank, cut.word, cut.from));
        let ends = slots.iter().enumerate().map(|(index, slot)| {
            let end = found.partition_point(|(of, _)| usize::from(*of) <= index);
            (slot.feature as u32, end as u32)
        });
        Some(Self {
            slots: ends.collect(),
            cuts: found.into_iter().map(|(_, cut)| cut).collect(),
            len: trees.words,
        })
    }

    /// The leaves that remain of a row, given the slots of the features that are `wanted`.
    pub fn remaining(&self, ranks: &[u16], wanted: impl Fn(usize) -> bool, words: &mut [i32]) {
        words.fill(-1);
        let mut start = 0;
        for (&(feature, end), &rank) in self.slots.iter().zip(ranks) {
            let cuts = &self.cuts[start..end as usize];
            start = end as usize;
            if wanted(feature as usize) {
                rule_out(cuts, rank, words);
            }
        }
    }
}

/// A node while its tree is checked.
#[derive(Clone, Copy, Default)]
struct Room {
    depth: u16,
    leaves: u16,
}

/// The depth of a tree; `None` where its nodes are not a tree that lies breadth first, with leaves
/// numbered from left to right.
fn shape(nodes: &[u8], slots: u32, rooms: &mut Vec<Room>) -> Option<u16> {
    let (nodes, _) = nodes.as_chunks::<NODE_BYTES>();
    let field =
        |at: usize, which: usize| u16::from_le_bytes([nodes[at][which], nodes[at][which + 1]]);
    rooms.clear();
    rooms.resize(nodes.len(), Room::default());
    // The next left child's place: children lie in the order of their parents.
    let mut next = 1;
    let mut deepest = 0;
    for at in 0..nodes.len() {
        let depth = rooms[at].depth;
        deepest = deepest.max(depth);
        if at >= next || u32::from(field(at, 0)) >= slots {
            return None;
        }
        if field(at, 2) == LEAF {
            if field(at, 4) != 0 {
                return None;
            }
            continue;
        }
        if next - at != usize::from(field(at, 4)) {
            return None;
        }
        for child in rooms.get_mut(next..next + 2)? {
            child.depth = depth + 1;
        }
        next += 2;
    }
    if next != nodes.len() {
        return None;
    }
    // From the last to the first: how many leaves are below each.
    for at in (0..nodes.len()).rev() {
        rooms[at].leaves = match usize::from(field(at, 4)) {
            0 => 1,
            step => rooms[at + step].leaves + rooms[at + step + 1].leaves,
        };
    }
    // And from the first to the last: how many are to the left of each.
    rooms[0].leaves = 0;
    for at in 0..nodes.len() {
        let before = rooms[at].leaves;
        match usize::from(field(at, 4)) {
            0 if field(at, 6) != before => return None,
            0 => {}
            step => {
                let left = std::mem::replace(&mut rooms[at + step].leaves, before);
                if field(at, 6) != before + left {
                    return None;
                }
                rooms[at + step + 1].leaves = before + left;
            }
        }
    }
    Some(deepest)
}

impl Table {
    /// Runs a step over rows.
    pub fn run(
        &self,
        kernels: &Kernels,
        shape: Shape,
        element: ElementType,
        weights: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) {
        // Checking has refused these steps then.
        if !cfg!(feature = "trees") {
            return;
        }
        match self {
            Self::None => {}
            Self::Ranks(slots) => {
                let ranks: &mut [u16] = bytemuck::cast_slice_mut(output);
                for (row, ranks) in ranks
                    .chunks_mut(shape.output_stride)
                    .take(shape.rows)
                    .enumerate()
                {
                    let at = row * shape.input_stride;
                    let features = match element {
                        ElementType::F64 => Features::F64(&bytemuck::cast_slice(input)[at..]),
                        _ => Features::F32(&bytemuck::cast_slice(input)[at..]),
                    };
                    (kernels.rank)(slots, weights, features, ranks);
                }
            }
            Self::Trees(trees) => {
                let forest = trees.forest(weights);
                let rows = trees.rows(shape);
                let (walk, ranks) = (kernels.walk, bytemuck::cast_slice(input));
                match trees.float {
                    8 => forest.sum::<f64>(walk, rows, ranks, bytemuck::cast_slice_mut(output)),
                    _ => forest.sum::<f32>(walk, rows, ranks, bytemuck::cast_slice_mut(output)),
                }
            }
        }
    }
}

impl Trees {
    fn rows(&self, shape: Shape) -> Rows {
        Rows {
            rows: shape.rows,
            input_stride: shape.input_stride,
            output_stride: shape.output_stride,
            outputs: self.outputs,
        }
    }

    /// Sums from the leaves that remain; the shape's input stride is theirs.
    pub fn sum_remaining(&self, shape: Shape, weights: &[u8], words: &[i32], output: &mut [u8]) {
        let forest = self.forest(weights);
        let rows = self.rows(shape);
        match self.float {
            8 => forest.sum_remaining::<f64>(rows, words, bytemuck::cast_slice_mut(output)),
            _ => forest.sum_remaining::<f32>(rows, words, bytemuck::cast_slice_mut(output)),
        }
    }

    fn forest<'a>(&'a self, weights: &'a [u8]) -> Forest<'a> {
        let [start, len] = self.nodes;
        let (nodes, rest) = weights[start..].split_at(len);
        let (constants, values) = rest.split_at((self.outputs + 2) * self.float);
        Forest {
            trees: &self.trees,
            walks: &self.walks,
            nodes: Nodes {
                whole: nodes.as_chunks().0,
                small: &self.small,
            },
            constants,
            values,
            last: self.last,
        }
    }
}
