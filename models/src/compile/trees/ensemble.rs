//! From a [`Forest`] to what the runtime executes, and the proof that both say the same.

use std::collections::BTreeMap;

use fieldscore_runtime::kernels::trees::Missing as Gap;
use fieldscore_runtime::plan::ensemble::{self as packed, Ensemble, Side, Slot, Split};
use fieldscore_runtime::plan::{ElementType, MAX_CATEGORIES, PLAN_VERSION, Plan};

use super::{Forest, Initial, Missing, Node, Number, Test, Tree};
use crate::compile::lower::Lowered;
use crate::compile::net::Rows;
use crate::error::{Error, Result};

/// How many nodes may stand for one tree once equalities with arbitrary numbers are taken apart.
const MAX_PARTED: usize = 1 << 16;

/// A forest's plan: two steps, in the library's own arithmetic.
///
/// # Errors
/// Where it exceeds a limit of the plan.
pub fn lower(forest: &Forest) -> Result<Lowered> {
    let whole = |e: fieldscore_runtime::Error| Error::from(e).within("trees");
    let packed = packed::pack(&ensemble(forest)?).map_err(whole)?;
    let (model, weights) = packed.model("model", forest.features.len() as u32);
    Ok(Lowered {
        plan: Plan {
            version: PLAN_VERSION,
            models: vec![model],
        },
        weights,
        precisions: Vec::new(),
    })
}

/// Holds the runtime's margins against the library's on real rows: every bit.
///
/// # Errors
/// Where a row differs, with its number among `rows`.
pub fn check(forest: &Forest, rows: &Rows<f64>) -> Result<()> {
    let found = lower(forest)?.run(rows)?;
    let same = |(a, b): &(f64, f64)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    let pairs = found.into_iter().zip(forest.margins(rows));
    match pairs.enumerate().find(|(_, pair)| !same(pair)) {
        None => Ok(()),
        Some((row, _)) => Err(Error::check(
            format!("calibration row {}", row + 1),
            format!(
                "the margin that {} makes of it, bit by bit",
                forest.library.name()
            ),
        )),
    }
}

/// The runtime's description of a forest.
fn ensemble(forest: &Forest) -> Result<Ensemble> {
    let trees: Vec<Tree> = forest.trees.iter().map(parted).collect::<Result<_>>()?;
    let slots = Slots::new(&trees);
    let element = match forest.number {
        Number::F32 => ElementType::F32,
        Number::F64 => ElementType::F64,
    };
    let mut found = Vec::with_capacity(trees.len());
    for tree in &trees {
        let nodes = tree.nodes.iter().map(|node| slots.node(node));
        found.push(packed::Tree {
            output: 0,
            nodes: nodes.collect::<Result<_>>()?,
        });
    }
    Ok(Ensemble {
        input: element,
        sum: element,
        slots: slots.slots,
        trees: found,
        initial: vec![forest.initial],
        last: forest.when == Initial::Last,
        divisor: forest.divisor,
        factor: forest.factor,
    })
}

/// The codes of a set of numbers that are all codes.
fn codes(numbers: &[f64]) -> Option<Vec<u32>> {
    let code = |&x: &f64| {
        let code = x as u32;
        (f64::from(code) == x && (code as usize) < MAX_CATEGORIES).then_some(code)
    };
    numbers.iter().map(code).collect()
}

/// A tree without equalities of numbers that are no codes: x = t is x ≤ t and not x < t.
fn parted(tree: &Tree) -> Result<Tree> {
    let is_parted = |node: &Node| match node {
        Node::Split { test, .. } => matches!(test, Test::Equal(all) if codes(all).is_none()),
        Node::Leaf { .. } => false,
    };
    if !tree.nodes.iter().any(is_parted) {
        return Ok(tree.clone());
    }
    // Each entry: a node of `tree`, or a threshold still to be asked of one, and its place.
    let mut nodes: Vec<Node> = vec![tree.nodes[0].clone()];
    let mut open: Vec<(u32, usize, usize)> = vec![(0, 0, 0)];
    while let Some((from, at, asked)) = open.pop() {
        if nodes.len() > MAX_PARTED {
            return Err(Error::input(
                "trees",
                format!("at most {MAX_PARTED} nodes in a tree whose equalities are taken apart"),
            ));
        }
        let Some(Node::Split {
            feature,
            test,
            missing,
            left,
            right,
        }) = tree.nodes.get(from as usize)
        else {
            nodes[at] = tree.nodes[from as usize].clone();
            continue;
        };
        let mut child = |from: u32, asked: usize| {
            let at = nodes.len();
            nodes.push(Node::Leaf {
                value: 0.0,
                index: 0,
            });
            open.push((from, at, asked));
            at as u32
        };
        let (feature, missing) = (*feature, *missing);
        let is_exact = is_parted(&tree.nodes[from as usize]);
        let parts = match test {
            // Below the next number: none of those that are left. Then at most it: found.
            Test::Equal(numbers) if is_exact => match numbers.get(asked / 2) {
                Some(&number) if asked % 2 == 0 => {
                    let (left, right) = (child(*right, 0), child(from, asked + 1));
                    (Test::Below(number), left, right)
                }
                Some(&number) if asked / 2 + 1 < numbers.len() => {
                    let (left, right) = (child(*left, 0), child(from, asked + 1));
                    (Test::AtMost(number), left, right)
                }
                Some(&number) => {
                    let (left, right) = (child(*left, 0), child(*right, 0));
                    (Test::AtMost(number), left, right)
                }
                None => (Test::Code(Vec::new()), child(*left, 0), child(*right, 0)),
            },
            test => (test.clone(), child(*left, 0), child(*right, 0)),
        };
        let (test, left, right) = parts;
        // A gap goes at once where the equality sends it: left of "below" lies the right child.
        let below = is_exact && matches!(test, Test::Below(_));
        let missing = match missing {
            Missing::Left if below => Missing::Right,
            Missing::Right if below => Missing::Left,
            other => other,
        };
        nodes[at] = Node::Split {
            feature,
            test,
            missing,
            left,
            right,
        };
    }
    Ok(Tree { nodes })
}

/// What splits of one slot have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    feature: u32,
    missing: Missing,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    AtMost,
    Below,
    Set { members: Vec<u32>, exact: bool },
}

/// A key, and the threshold of a split that is no set's.
fn key(feature: u32, missing: Missing, test: &Test) -> (Key, Option<f64>) {
    let (kind, threshold) = match test {
        Test::AtMost(threshold) => (Kind::AtMost, Some(*threshold)),
        Test::Below(threshold) => (Kind::Below, Some(*threshold)),
        Test::Equal(numbers) => (
            Kind::Set {
                members: codes(numbers).unwrap_or_default(),
                exact: true,
            },
            None,
        ),
        Test::Code(codes) => (
            Kind::Set {
                members: codes.clone(),
                exact: false,
            },
            None,
        ),
    };
    let key = Key {
        feature,
        missing,
        kind,
    };
    (key, threshold)
}

struct Slots {
    slots: Vec<Slot>,
    places: BTreeMap<Key, usize>,
}

impl Slots {
    fn new(trees: &[Tree]) -> Self {
        let mut thresholds: BTreeMap<Key, Vec<f64>> = BTreeMap::new();
        for node in trees.iter().flat_map(|tree| &tree.nodes) {
            if let Node::Split {
                feature,
                test,
                missing,
                ..
            } = node
            {
                let (key, threshold) = key(*feature, *missing, test);
                thresholds.entry(key).or_default().extend(threshold);
            }
        }
        let mut slots = Vec::with_capacity(thresholds.len());
        let mut places = BTreeMap::new();
        for (key, mut values) in thresholds {
            // Unlike total_cmp: -0.0 and 0.0 are one threshold.
            values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
            values.dedup();
            let (missing, zero_is_missing) = match key.missing {
                Missing::Left => (Gap::Left, false),
                Missing::Right => (Gap::Right, false),
                Missing::AsZero => (Gap::Zero, false),
                Missing::LeftWithZero => (Gap::Left, true),
                Missing::RightWithZero => (Gap::Right, true),
            };
            slots.push(Slot {
                feature: key.feature,
                missing,
                zero_is_missing,
                split: match &key.kind {
                    Kind::AtMost => Split::Thresholds {
                        values,
                        strict: false,
                    },
                    Kind::Below => Split::Thresholds {
                        values,
                        strict: true,
                    },
                    Kind::Set { members, exact } => Split::Set {
                        members: members.clone(),
                        outside: Side::Right,
                        exact: *exact,
                    },
                },
            });
            places.insert(key, slots.len() - 1);
        }
        Self { slots, places }
    }

    fn node(&self, node: &Node) -> Result<packed::Node> {
        let (feature, test, missing, left, right) = match node {
            Node::Leaf { value, index } => {
                return Ok(packed::Node::Leaf {
                    value: *value,
                    index: *index,
                });
            }
            Node::Split {
                feature,
                test,
                missing,
                left,
                right,
            } => (*feature, test, *missing, *left, *right),
        };
        let limit = |what: &str| Error::input("trees", what.to_owned());
        let (key, threshold) = key(feature, missing, test);
        let at = self.places.get(&key).copied().unwrap_or(usize::MAX);
        let slot = u16::try_from(at).map_err(|_| {
            limit("at most 65536 kinds of comparison (features, directions, sets of categories)")
        })?;
        let rank = match (threshold, &self.slots[at].split) {
            (Some(threshold), Split::Thresholds { values, .. }) => {
                values.partition_point(|&value| value < threshold)
            }
            _ => 0,
        };
        Ok(packed::Node::Split {
            slot,
            rank: u16::try_from(rank)
                .map_err(|_| limit("at most 65534 thresholds of a feature"))?,
            left,
            right,
        })
    }
}
