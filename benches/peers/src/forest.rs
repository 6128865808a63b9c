//! A random forest of LightGBM's shape: as our plan, as an ONNX file, and as C code.
//!
//! Field numbers are those of `onnx.proto`; the operator is `TreeEnsembleRegressor` of
//! `ai.onnx.ml` 1.

use std::fmt::Write;

use fieldscore_models::compile::net::Rows;
use fieldscore_runtime::kernels::trees::Missing;
use fieldscore_runtime::plan::ElementType;
use fieldscore_runtime::plan::ensemble::{Ensemble, Node, Slot, Split, Tree};
use fieldscore_tests::onnx::Message;
use fieldscore_tests::random::Random;

/// What it is called in the results.
pub const NAME: &str = "lightgbm";
/// Features of a row.
const FEATURES: usize = 32;
/// LightGBM's `n_estimators` of this forest; its `num_leaves` and `max_bin` as they are by default.
const TREES: usize = 200;
const LEAVES: usize = 31;
const BINS: usize = 255;
/// Rows: so many that no processor remembers the ways that they take.
const ROWS: usize = 8192;

/// Rows of numbers in −1..1, no two alike.
pub fn rows() -> Rows {
    let mut random = Random::new(20_260_902);
    let values = (0..ROWS * FEATURES).map(|_| random.float(-1.0, 1.0));
    Rows::new(FEATURES, values.collect())
}

/// The threshold after some bins, the same for each feature.
fn threshold(rank: u16) -> f32 {
    f32::from(rank + 1) / BINS as f32 * 2.0 - 1.0
}

/// A leaf while its tree grows: its node, its share of all rows, and within which thresholds of each
/// feature its rows lie.
struct Growing {
    node: usize,
    share: f64,
    bounds: [(usize, usize); FEATURES],
}

/// Trees that grow leaf by leaf, the larger leaves sooner; every way down is taken by some rows.
pub fn ensemble() -> Ensemble {
    let mut random = Random::new(20_260_901);
    let thresholds: Vec<f64> = (0..BINS as u16 - 1)
        .map(|rank| threshold(rank).into())
        .collect();
    let slots = (0..FEATURES).map(|feature| Slot {
        feature: feature as u32,
        missing: Missing::Left,
        zero_is_missing: false,
        split: Split::Thresholds {
            values: thresholds.clone(),
            strict: false,
        },
    });
    let trees = (0..TREES).map(|_| tree(&mut random));
    let trees = trees.collect();
    Ensemble {
        input: ElementType::F32,
        sum: ElementType::F32,
        slots: slots.collect(),
        trees,
        initial: vec![0.0],
        last: false,
        divisor: 1.0,
        factor: 1.0,
    }
}

fn tree(random: &mut Random) -> Tree {
    let leaf = |random: &mut Random, index: usize| Node::Leaf {
        value: f64::from(random.float(-0.05, 0.05)),
        index: index as u32,
    };
    let mut nodes = vec![leaf(random, 0)];
    let mut growing = vec![Growing {
        node: 0,
        share: 1.0,
        bounds: [(0, BINS - 1); FEATURES],
    }];
    for count in 1..LEAVES {
        let gain =
            |random: &mut Random, leaf: &Growing| leaf.share * f64::from(random.float(0.05, 1.0));
        let gains: Vec<f64> = growing.iter().map(|leaf| gain(random, leaf)).collect();
        let best = (0..gains.len()).max_by(|&a, &b| gains[a].total_cmp(&gains[b]));
        let parent = growing.swap_remove(best.unwrap_or(0));
        let (feature, low, high) = loop {
            let feature = random.below(FEATURES);
            let (low, high) = parent.bounds[feature];
            if high - low >= 8 {
                break (feature, low, high);
            }
        };
        let margin = (high - low) / 8;
        let rank = low + margin + random.below(high - low - 2 * margin);
        let left = nodes.len();
        nodes.extend([nodes[parent.node], leaf(random, count)]);
        nodes[parent.node] = Node::Split {
            slot: feature as u16,
            rank: rank as u16,
            left: left as u32,
            right: left as u32 + 1,
        };
        let part = (rank - low + 1) as f64 / (high - low + 1) as f64;
        for (node, share, bounds) in [
            (left, part, (low, rank)),
            (left + 1, 1.0 - part, (rank + 1, high)),
        ] {
            let mut child = Growing {
                node,
                share: parent.share * share,
                bounds: parent.bounds,
            };
            child.bounds[feature] = bounds;
            growing.push(child);
        }
    }
    Tree { output: 0, nodes }
}

/// The forest as C code, one function a tree, as m2cgen and TL2cgen write it: a comparison and a
/// branch for each split. `forest` takes a row and gives its sum.
pub fn c_source(ensemble: &Ensemble) -> String {
    let mut out = String::new();
    for (index, tree) in ensemble.trees.iter().enumerate() {
        let _ = writeln!(out, "static float tree{index}(const float *x) {{");
        branch(tree, 0, &mut out);
        out.push_str("}\n");
    }
    out.push_str("float forest(const float *x) {\n  float sum = 0.0f;\n");
    for index in 0..ensemble.trees.len() {
        let _ = writeln!(out, "  sum += tree{index}(x);");
    }
    out.push_str("  return sum;\n}\n");
    out
}

fn branch(tree: &Tree, node: usize, out: &mut String) {
    // Writing to a string does not fail; `{:e}` gives the digits that read back as the same float.
    let _ = match tree.nodes[node] {
        Node::Leaf { value, .. } => writeln!(out, "return {:e}f;", value as f32),
        Node::Split {
            slot,
            rank,
            left,
            right,
        } => {
            let _ = writeln!(out, "if (x[{slot}] <= {:e}f) {{", threshold(rank));
            branch(tree, left as usize, out);
            out.push_str("} else {\n");
            branch(tree, right as usize, out);
            writeln!(out, "}}")
        }
    };
}

/// An attribute: a number (type 2), floats (6), integers (7) or texts (8).
fn attribute(name: &str, kind: u64) -> Message {
    Message::default().text(1, name).number(20, kind)
}

fn integers(name: &str, values: &[u32]) -> Message {
    let empty = attribute(name, 7);
    values
        .iter()
        .fold(empty, |attribute, &value| attribute.number(8, value.into()))
}

fn floats(name: &str, values: &[f32]) -> Message {
    let packed: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    attribute(name, 6).bytes(7, &packed)
}

fn texts(name: &str, values: &[&str]) -> Message {
    let empty = attribute(name, 8);
    values
        .iter()
        .fold(empty, |attribute, value| attribute.text(9, value))
}

/// ValueInfoProto: float32 `[batch, width]`.
fn value(name: &str, width: usize) -> Message {
    let batch = Message::default().text(2, "batch");
    let width = Message::default().number(1, width as u64);
    let shape = Message::default().message(1, &batch).message(1, &width);
    let tensor = Message::default().number(1, 1).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().text(1, name).message(2, &kind)
}

/// The forest as an ONNX file.
pub fn onnx(ensemble: &Ensemble) -> Vec<u8> {
    let (mut trees, mut nodes, mut features) = (Vec::new(), Vec::new(), Vec::new());
    let (mut values, mut modes) = (Vec::new(), Vec::new());
    let (mut lefts, mut rights) = (Vec::new(), Vec::new());
    let (mut of_tree, mut of_node, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for (number, tree) in (0u32..).zip(&ensemble.trees) {
        for (index, &node) in (0u32..).zip(&tree.nodes) {
            let (feature, value, left, right, mode) = match node {
                Node::Split {
                    slot,
                    rank,
                    left,
                    right,
                } => (slot.into(), threshold(rank), left, right, "BRANCH_LEQ"),
                Node::Leaf { value, .. } => {
                    of_tree.push(number);
                    of_node.push(index);
                    weights.push(value as f32);
                    (0, 0.0, 0, 0, "LEAF")
                }
            };
            trees.push(number);
            nodes.push(index);
            features.push(feature);
            values.push(value);
            modes.push(mode);
            lefts.push(left);
            rights.push(right);
        }
    }
    let node = Message::default()
        .text(1, "features")
        .text(2, "output")
        .text(3, "forest")
        .text(4, "TreeEnsembleRegressor")
        .text(7, "ai.onnx.ml");
    let node = [
        attribute("n_targets", 2).number(3, 1),
        integers("nodes_treeids", &trees),
        integers("nodes_nodeids", &nodes),
        integers("nodes_featureids", &features),
        floats("nodes_values", &values),
        texts("nodes_modes", &modes),
        integers("nodes_truenodeids", &lefts),
        integers("nodes_falsenodeids", &rights),
        integers("target_treeids", &of_tree),
        integers("target_nodeids", &of_node),
        integers("target_ids", &vec![0; of_tree.len()]),
        floats("target_weights", &weights),
    ]
    .iter()
    .fold(node, |node, attribute| node.message(5, attribute));
    let graph = Message::default()
        .message(1, &node)
        .text(2, "forest")
        .message(11, &value("features", FEATURES))
        .message(12, &value("output", 1));
    let operators = |domain, version| Message::default().text(1, domain).number(2, version);
    Message::default()
        .number(1, 8)
        .text(2, "fieldscore-peers")
        .message(7, &graph)
        .message(8, &operators("", 17))
        .message(8, &operators("ai.onnx.ml", 1))
        .0
}
