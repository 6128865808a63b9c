//! Nets beyond chains of dense layers, as their exporters write them: the plan gives what ONNX Runtime
//! gives. `models/train/fixtures/nets.py` wrote the fixtures.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

use std::path::{Path, PathBuf};

use fieldscore_models::compile::graph::Graph;
use fieldscore_models::compile::lower::Lowered;
use fieldscore_models::compile::net::Rows;
use fieldscore_models::recipe::Precision;
use fieldscore_runtime::plan::Step;

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/families/nets")
        .join(case)
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let floats = bytes.as_chunks().0.iter();
    floats.map(|&float| f32::from_le_bytes(float)).collect()
}

/// Holds the plan of a case against ONNX Runtime's outputs and against tract at every edge.
fn holds(case: &str, tolerance: f32) {
    let folder = folder(case);
    let graph = Graph::import(&folder.join("model.onnx"))
        .unwrap_or_else(|e| panic!("{case}: {e} {:?}", e.hint_text()));
    let rows = Rows::new(graph.inputs(), floats(&folder.join("rows.f32")));
    let theirs = floats(&folder.join("outputs.f32"));
    assert_eq!(rows.len(), 24, "{case}");
    let ours = outputs(graph.lowered(), &rows);
    assert_eq!(ours.len(), theirs.len(), "{case}");
    let mut most = 0.0f32;
    for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        // What the file gives as a probability the plan gives as log-odds.
        let ours = if graph.sigmoid_removed {
            1.0 / (1.0 + (-ours).exp())
        } else {
            *ours
        };
        let apart = (ours - theirs).abs() / theirs.abs().max(1.0);
        assert!(apart <= tolerance, "{case}, {at}: {ours} beside {theirs}");
        most = most.max(apart);
    }
    graph.check(&rows).unwrap_or_else(|e| panic!("{case}: {e}"));
    let spread = theirs.iter().copied().fold(f32::MIN, f32::max)
        - theirs.iter().copied().fold(f32::MAX, f32::min);
    assert!(spread > 1e-3, "{case}: its rows are all the same");
}

/// All outputs of a plan on some rows.
fn outputs(lowered: &Lowered, rows: &Rows) -> Vec<f32> {
    let mut all = Vec::new();
    let collect = |_: usize, outputs: &[&[f32]]| {
        all.extend(outputs.concat());
        Ok(())
    };
    lowered.observe(rows, collect).unwrap();
    all
}

/// Holds a case's plan in int8, fitted on its rows, against the one in f32; `share` is of the spread of
/// what that gives. So many layers are in int8.
fn int8_holds(case: &str, layers: usize, share: f32) {
    let folder = folder(case);
    let graph = Graph::import(&folder.join("model.onnx")).unwrap();
    let rows = Rows::new(graph.inputs(), floats(&folder.join("rows.f32")));
    let quantiser = graph.quantiser(&rows).unwrap();
    let names: Vec<&str> = quantiser
        .layers
        .iter()
        .map(|own| own.layer.name.as_str())
        .collect();
    assert_eq!(names.len(), layers, "{case}: {names:?}");
    let layers = names.len();
    let float = outputs(graph.lowered(), &rows);
    let spread = float.iter().copied().fold(f32::MIN, f32::max)
        - float.iter().copied().fold(f32::MAX, f32::min);
    let none = quantiser.lower(&vec![Precision::F32; layers]).unwrap();
    assert_eq!(outputs(&none, &rows), float, "{case}: no layer in int8");
    let all = quantiser.lower(&vec![Precision::Int8; layers]).unwrap();
    let int8 = |step: &&Step| matches!(step, Step::TensorDense { .. });
    let steps = &all.plan.models[0].steps;
    assert!(steps.iter().filter(int8).count() >= layers, "{case}");
    assert!(all.weights.len() < graph.lowered().weights.len(), "{case}");
    let apart = outputs(&all, &rows)
        .iter()
        .zip(&float)
        .fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(
        apart <= share * spread && apart > 0.0,
        "{case}: {apart} of {spread}, {} steps for {}",
        steps.len(),
        graph.lowered().plan.models[0].steps.len()
    );
}

macro_rules! int8_cases {
    ($($name:ident: $case:literal, $layers:literal, $share:literal;)*) => {$(
        #[test]
        fn $name() {
            int8_holds($case, $layers, $share);
        }
    )*};
}

int8_cases! {
    int8_mlp_activations: "mlp_activations", 3, 0.05;
    int8_mlp_opset20: "mlp_opset20", 3, 0.05;
    int8_embeddings: "embeddings_18", 2, 0.05;
    int8_ft_transformer: "ft_transformer_17", 5, 0.05;
    int8_tab_transformer: "tab_transformer", 5, 0.05;
    int8_tcn: "tcn", 5, 0.05;
    int8_gru: "gru", 4, 0.05;
    int8_lstm_two_ways: "lstm_two_ways", 5, 0.05;
    int8_cnn_2d: "cnn_2d", 5, 0.05;
    int8_multi_task: "multi_task", 5, 0.05;
}

macro_rules! cases {
    ($($case:ident: $tolerance:literal),* $(,)?) => {$(
        #[test]
        fn $case() {
            holds(stringify!($case), $tolerance);
        }
    )*};
}

#[test]
fn what_tract_computes_otherwise_is_refused() {
    let error = Graph::import(&folder("celu").join("model.onnx")).unwrap_err();
    assert!(error.to_string().contains("node /Celu_"), "{error}");
    assert!(error.hint_text().unwrap().contains("Elu"));
}

cases! {
    mlp_activations: 1e-5,
    mlp_opset20: 1e-5,
    embeddings_13: 1e-5,
    embeddings_18: 1e-5,
    ft_transformer_13: 1e-5,
    ft_transformer_17: 1e-5,
    ft_transformer_21: 1e-5,
    tab_transformer: 1e-5,
    tcn: 1e-5,
    gru: 1e-4,
    gru_two_ways: 1e-4,
    gru_keras: 1e-4,
    lstm: 1e-4,
    lstm_two_ways: 1e-4,
    cnn_2d: 1e-4,
    multi_task: 1e-5,
}
