//! Nets beyond chains of dense layers, as their exporters write them: the plan gives what ONNX Runtime
//! gives. `models/train/fixtures/nets.py` wrote the fixtures, `torch_nets.py` those named `torch_…`, which PyTorch
//! itself exported, and `tflite_cases.py` those of TensorFlow Lite.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

#[path = "nets/full_size.rs"]
mod full_size;

use std::path::{Path, PathBuf};

use fieldscore_models::compile::graph::Graph;
use fieldscore_models::compile::lower::Lowered;
use fieldscore_models::compile::net::Rows;
use fieldscore_models::recipe::Precision;
use fieldscore_runtime::plan::Step;

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
    let graph = read(case, &folder);
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
    let folder = folder(&format!("nets/{case}"));
    let graph = Graph::import(&folder.join("model.onnx")).unwrap();
    let rows = Rows::new(graph.inputs(), floats(&folder.join("rows.f32")));
    let quantiser = graph.quantiser(&rows).unwrap();
    let names: Vec<&str> = quantiser
        .layers
        .iter()
        .map(|own| own.layer.name.as_str())
        .collect();
    assert_eq!(names.len(), layers, "{case}: {names:?}");
    let float = outputs(graph.lowered(), &rows);
    let spread = float.iter().copied().fold(f32::MIN, f32::max)
        - float.iter().copied().fold(f32::MAX, f32::min);
    let none = quantiser.lower(&vec![Precision::F32; layers]).unwrap();
    assert_eq!(outputs(&none, &rows), float, "{case}: no layer in int8");
    let all = quantiser.lower(&vec![Precision::Int8; layers]).unwrap();
    let int8 = |step: &&Step| matches!(step, Step::TensorDense { .. });
    let steps = &all.plan.models[0].steps;
    assert!(steps.iter().filter(int8).count() >= layers, "{case}");
    // Of small layers, what they are rounded up to weighs more than what int8 saves.
    let (bytes, in_f32) = (all.weights.len(), graph.lowered().weights.len());
    assert!(bytes * 8 < in_f32 * 9, "{case}: {bytes} bytes, {in_f32}");
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

/// The model in a case's folder, ONNX or `.tflite`.
fn read(case: &str, folder: &Path) -> Graph {
    let files = ["model.onnx", "model.tflite"].map(|file| folder.join(file));
    let file = files.iter().find(|file| file.exists()).unwrap();
    Graph::import(file).unwrap_or_else(|e| panic!("{case}: {e} {:?}", e.hint_text()))
}

/// Holds a case that comes quantised against the library that it is for, in f32 and on whole numbers: no further
/// apart than `most` steps of its output. So many layers run on the file's own bytes, so many steps are no
/// dense ones.
fn quantised_holds(case: &str, layers: usize, others: usize, most: f32) {
    let folder = folder(case);
    let graph = read(case, &folder);
    let rows = Rows::new(graph.inputs(), floats(&folder.join("rows.f32")));
    graph.check(&rows).unwrap_or_else(|e| panic!("{case}: {e}"));
    let theirs = floats(&folder.join("outputs.f32"));
    let [step] = floats(&folder.join("step.f32"))[..] else {
        panic!("{case}: a step");
    };
    // Fitted on one row of zeros: a file's own numbers need none.
    let none = Rows::new(rows.width, vec![0.0; rows.width]);
    let quantiser = graph.quantiser(&none).unwrap();
    let int8 = quantiser
        .lower(&vec![Precision::Int8; quantiser.layers.len()])
        .unwrap();
    for (name, plan) in [("f32", graph.lowered()), ("int8", &int8)] {
        let ours = outputs(plan, &rows);
        assert_eq!(ours.len(), theirs.len(), "{case}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert!(
                (ours - theirs).abs() <= (most + 1e-3) * step,
                "{case}, {name}: {ours} beside {theirs}, {step} a step"
            );
        }
    }
    let steps = &int8.plan.models[0].steps;
    let names: Vec<&str> = steps.iter().map(Step::name).collect();
    let bytes = |step: &&Step| {
        matches!(
            step,
            Step::TensorDense {
                input_high: 255,
                ..
            }
        )
    };
    let dense = steps.iter().filter(bytes).count();
    assert_eq!(
        (dense, steps.len() - dense),
        (layers, others),
        "{case}: {names:?}"
    );
    let integers = folder.join("integers.f32");
    if integers.exists() {
        let exact = floats(&integers);
        assert_eq!(outputs(&int8, &rows), exact, "{case}: whole numbers alone");
    }
}

#[test]
fn whole_numbers_of_a_chain_are_exact() {
    let integers = folder("nets/qdq_mlp").join("integers.f32");
    assert_eq!(floats(&integers).len(), 24);
    quantised_holds("nets/qdq_mlp", 3, 2, 2.0);
}

#[test]
fn a_convolution_keeps_its_own_bytes() {
    quantised_holds("nets/qdq_cnn", 3, 13, 2.0);
}

#[test]
fn one_scale_for_a_whole_tensor_of_weights_serves() {
    quantised_holds("nets/qdq_cnn_tensor", 3, 13, 2.0);
}

#[test]
fn a_softmax_between_codes_is_no_table() {
    quantised_holds("nets/qdq_attention", 4, 19, 2.0);
}

#[test]
fn weights_trained_for_their_codes_keep_them() {
    quantised_holds("nets/qat_mlp", 3, 5, 2.0);
}

#[test]
fn what_is_quantised_row_by_row_gets_ranges() {
    let folder = folder("nets/dynamic_mlp");
    let graph = Graph::import(&folder.join("model.onnx")).unwrap();
    let rows = Rows::new(graph.inputs(), floats(&folder.join("rows.f32")));
    graph.check(&rows).unwrap();
    let theirs = floats(&folder.join("outputs.f32"));
    let spread = theirs.iter().copied().fold(f32::MIN, f32::max)
        - theirs.iter().copied().fold(f32::MAX, f32::min);
    let quantiser = graph.quantiser(&rows).unwrap();
    let int8 = quantiser.lower(&[Precision::Int8; 3]).unwrap();
    assert_eq!(quantiser.layers.len(), 3);
    for plan in [graph.lowered(), &int8] {
        for (ours, theirs) in outputs(plan, &rows).iter().zip(&theirs) {
            assert!(
                (ours - theirs).abs() <= 0.03 * spread,
                "{ours} beside {theirs}"
            );
        }
    }
}

/// A net of every activation, in which errors grow from layer to layer: each layer by itself.
#[test]
fn int8_in_one_layer_at_a_time() {
    let folder = folder("nets/mlp_activations");
    let graph = Graph::import(&folder.join("model.onnx")).unwrap();
    let rows = Rows::new(graph.inputs(), floats(&folder.join("rows.f32")));
    let quantiser = graph.quantiser(&rows).unwrap();
    let float = outputs(graph.lowered(), &rows);
    let spread = float.iter().copied().fold(f32::MIN, f32::max)
        - float.iter().copied().fold(f32::MAX, f32::min);
    let apart: Vec<f32> = (0..quantiser.layers.len())
        .map(|at| {
            let mut precisions = vec![Precision::F32; quantiser.layers.len()];
            precisions[at] = Precision::Int8;
            let one = outputs(&quantiser.lower(&precisions).unwrap(), &rows);
            let pairs = one.iter().zip(&float);
            pairs.fold(0.0f32, |most, (a, b)| most.max((a - b).abs())) / spread
        })
        .collect();
    assert_eq!(apart.len(), 13);
    assert!(apart.iter().all(|apart| *apart < 0.3), "{apart:?}");
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
    int8_mlp_opset20: "mlp_opset20", 7, 0.05;
    int8_embeddings: "embeddings_18", 5, 0.05;
    int8_ft_transformer: "ft_transformer_17", 13, 0.05;
    int8_tab_transformer: "tab_transformer", 8, 0.05;
    int8_tcn: "tcn", 6, 0.05;
    int8_gru: "gru", 3, 0.05;
    int8_lstm_two_ways: "lstm_two_ways", 10, 0.05;
    int8_cnn_2d: "cnn_2d", 8, 0.05;
    int8_multi_task: "multi_task", 3, 0.05;
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
    periodic: 1e-5,
    gru: 1e-4,
    gru_two_ways: 1e-4,
    gru_hidden: 1e-4,
    gru_keras: 1e-4,
    lstm: 1e-4,
    lstm_cell_two_ways: 1e-4,
    lstm_hidden: 1e-4,
    lstm_two_ways: 1e-4,
    cnn_2d: 1e-4,
    multi_task: 1e-5,
    torch_efficientnet_dynamo_21: 1e-4,
    torch_efficientnet_script_17: 1e-4,
    torch_embeddings_dynamo_18: 1e-5,
    torch_embeddings_script_13: 1e-5,
    torch_ft_transformer_dynamo_18: 1e-5,
    torch_ft_transformer_dynamo_20: 1e-5,
    torch_ft_transformer_dynamo_21: 1e-5,
    torch_ft_transformer_script_13: 1e-5,
    torch_ft_transformer_script_17: 1e-5,
    torch_gated_dynamo_20: 1e-5,
    torch_gated_script_15: 1e-5,
    torch_gru_dynamo_18: 1e-4,
    torch_gru_script_13: 1e-4,
    torch_gru_two_ways_dynamo_20: 1e-4,
    torch_gru_two_ways_script_17: 1e-4,
    torch_lstm_dynamo_18: 1e-4,
    torch_lstm_script_13: 1e-4,
    torch_lstm_two_ways_dynamo_21: 1e-4,
    torch_lstm_two_ways_script_17: 1e-4,
    torch_many_inputs_dynamo_18: 1e-4,
    torch_many_inputs_script_16: 1e-4,
    torch_mlp_dynamo_18: 1e-5,
    torch_mlp_dynamo_21: 1e-5,
    torch_mlp_script_13: 1e-5,
    torch_mlp_script_17: 1e-5,
    torch_mobilenet_dynamo_18: 1e-4,
    torch_mobilenet_script_13: 1e-4,
    torch_series_transformer_dynamo_21: 1e-5,
    torch_series_transformer_script_17: 1e-5,
    torch_tab_transformer_dynamo_19: 1e-5,
    torch_tab_transformer_script_14: 1e-5,
    torch_codes_among_numbers_script_17: 1e-5,
    torch_masked_dynamo_20: 1e-5,
    torch_rounded_up_dynamo_20: 1e-4,
    torch_tcn_dynamo_18: 1e-5,
    torch_tcn_script_13: 1e-5,
}

mod tflite {
    use super::{holds, quantised_holds};

    #[test]
    fn full_integer_chains_are_exact() {
        quantised_holds("tflite/relu_chain_int8", 3, 2, 0.0);
    }

    #[test]
    fn full_integer_functions_are_tables() {
        quantised_holds("tflite/dense_int8", 3, 5, 1.0);
    }

    #[test]
    fn full_integer_sums_keep_their_codes() {
        quantised_holds("tflite/residual_int8", 3, 17, 1.0);
    }

    #[test]
    fn full_integer_series_keep_their_codes() {
        quantised_holds("tflite/conv_1d_int8", 3, 18, 2.0);
    }

    #[test]
    fn full_integer_images_keep_their_codes() {
        // A mean of int8 is rounded where the real one is not.
        quantised_holds("tflite/depthwise_2d_int8", 3, 21, 4.0);
    }

    cases! { "tflite":
        dense: 1e-5,
        residual: 1e-5,
        relu_chain: 1e-5,
        conv_1d: 1e-5,
        depthwise_2d: 1e-4,
    }
}
