//! The ONNX standard's own tests of operators (onnx 1.16.2, Apache-2.0), through the graph compiler and
//! the plan: which of them pass, and with which words the rest is refused, is a list in the repository.
//! `models/train/fixtures/onnx_nodes.py` packed the cases.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fieldscore_models::compile::graph::Graph;
use fieldscore_models::compile::net::Rows;

/// A test of the standard.
struct Case {
    name: String,
    operator: String,
    /// Why no plan can be given it; empty where one can.
    outside: String,
    model: Vec<u8>,
    row: Vec<f32>,
    outputs: Vec<f32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/families/onnx-nodes")
}

/// The cases: six parts each, every part behind its length.
fn cases() -> Vec<Case> {
    let bytes = std::fs::read(folder().join("cases.bin")).unwrap();
    let mut rest = bytes.as_slice();
    let mut part = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        rest = after;
        Some(part.to_vec())
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let floats = |bytes: Vec<u8>| {
        let floats = bytes.as_chunks().0.iter();
        floats.map(|&float| f32::from_le_bytes(float)).collect()
    };
    let mut cases = Vec::new();
    while let Some(name) = part() {
        cases.push(Case {
            name: text(name),
            operator: text(part().unwrap()),
            outside: text(part().unwrap()),
            model: part().unwrap(),
            row: floats(part().unwrap()),
            outputs: floats(part().unwrap()),
        });
    }
    cases
}

/// The operators whose outputs may be further apart: errors add up.
const DEEP: [&str; 5] = ["Conv", "ConvTranspose", "GRU", "LSTM", "RNN"];

/// The operators that the plan has steps for, and that pass at least one of their tests.
const CLAIMED: [&str; 75] = [
    "Abs",
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Clip",
    "Concat",
    "Conv",
    "Cos",
    "DepthToSpace",
    "Div",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "GRU",
    "Gather",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "InstanceNormalization",
    "LSTM",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "MeanVarianceNormalization",
    "Min",
    "Mul",
    "Neg",
    "OneHot",
    "PRelu",
    "Pad",
    "Pow",
    "RNN",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Sin",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Tanh",
    "ThresholdedRelu",
    "Transpose",
    "Unsqueeze",
    "Where",
];

/// What becomes of a case.
fn verdict(case: &Case) -> String {
    if !case.outside.is_empty() {
        return format!("outside: {}", case.outside);
    }
    let graph = match Graph::of_bytes(&case.model, "case".to_owned()) {
        Ok(graph) => graph,
        Err(error) => return format!("refused: {error}"),
    };
    let rows = Rows::new(graph.inputs(), case.row.clone());
    assert_eq!(rows.len(), 1, "{}", case.name);
    let mut ours = Vec::new();
    let collect = |_: usize, outputs: &[&[f32]]| {
        ours.extend(outputs.concat());
        Ok(())
    };
    if let Err(error) = graph.lowered().observe(&rows, collect) {
        return format!("refused: {error}");
    }
    let deep = DEEP.contains(&case.operator.as_str());
    let tolerance = if deep { 1e-4 } else { 1e-5 };
    if ours.len() != case.outputs.len() {
        return format!("WRONG: {} numbers for {}", ours.len(), case.outputs.len());
    }
    for (at, (ours, theirs)) in ours.iter().zip(&case.outputs).enumerate() {
        // What the file gives as a probability the plan gives as log-odds.
        let ours = if graph.sigmoid_removed {
            1.0 / (1.0 + (-ours).exp())
        } else {
            *ours
        };
        let near = (ours - theirs).abs() <= tolerance * theirs.abs().max(1.0);
        if !near && ours.to_bits() != theirs.to_bits() {
            return format!("WRONG: {ours} for {theirs} at {at}");
        }
    }
    "pass".to_owned()
}

#[test]
fn the_standards_tests_of_operators_pass_or_are_refused_as_listed() {
    let cases = cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases of one name");
    let mut list = String::from("case,operator,verdict\n");
    let mut wrong = Vec::new();
    let mut passed: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &cases {
        let found = std::panic::catch_unwind(|| verdict(case));
        let verdict = found.unwrap_or_else(|_| "WRONG: it panics".to_owned());
        if verdict.starts_with("WRONG") {
            wrong.push(format!("{}: {verdict}", case.name));
        }
        *passed.entry(&case.operator).or_default() += usize::from(verdict == "pass");
        let verdict = verdict
            .replace('"', "'")
            .replace('\n', " ")
            .replace('🟰', "=");
        list += &format!("{},{},\"{verdict}\"\n", case.name, case.operator);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let path = folder().join("verdicts.csv");
    let listed = std::fs::read_to_string(&path).unwrap_or_default();
    if listed != list {
        let own = std::env::temp_dir().join("verdicts.csv");
        std::fs::write(&own, &list).unwrap();
        let changed = list
            .lines()
            .zip(listed.lines().chain(std::iter::repeat("")));
        let first = changed.into_iter().find(|(a, b)| a != b);
        panic!(
            "{} says otherwise, first in {first:?}; if what is found is right, copy {} there",
            path.display(),
            own.display()
        );
    }
    for operator in CLAIMED {
        let passed = passed.get(operator);
        assert!(passed.is_some_and(|&count| count > 0), "{operator}");
    }
}
