//! Nets beyond chains of dense layers, as their exporters write them: the plan gives what ONNX Runtime
//! gives. `models/train/fixtures/nets.py` wrote the fixtures, and `tflite_cases.py` those of TensorFlow Lite.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

use std::path::{Path, PathBuf};

use fieldscore_models::compile::graph::Graph;
use fieldscore_models::compile::net::Rows;

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/families")
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
    let file = if case.starts_with("tflite") {
        "model.tflite"
    } else {
        "model.onnx"
    };
    let graph = Graph::import(&folder.join(file))
        .unwrap_or_else(|e| panic!("{case}: {e} {:?}", e.hint_text()));
    let rows = Rows::new(graph.inputs(), floats(&folder.join("rows.f32")));
    let theirs = floats(&folder.join("outputs.f32"));
    assert_eq!(rows.len(), 24, "{case}");
    let mut ours = Vec::new();
    let collect = |_: usize, outputs: &[&[f32]]| {
        ours.extend(outputs.concat());
        Ok(())
    };
    graph.lowered().observe(&rows, collect).unwrap();
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

macro_rules! cases {
    ($folder:literal: $($case:ident: $tolerance:literal),* $(,)?) => {$(
        #[test]
        fn $case() {
            holds(concat!($folder, "/", stringify!($case)), $tolerance);
        }
    )*};
}

#[test]
fn what_tract_computes_otherwise_is_refused() {
    let error = Graph::import(&folder("nets/celu").join("model.onnx")).unwrap_err();
    assert!(error.to_string().contains("node /Celu_"), "{error}");
    assert!(error.hint_text().unwrap().contains("Elu"));
}

cases! { "nets":
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

mod tflite {
    use super::holds;

    cases! { "tflite":
        dense: 1e-5,
        residual: 1e-5,
        relu_chain: 1e-5,
        conv_1d: 1e-5,
        depthwise_2d: 1e-4,
    }
}
