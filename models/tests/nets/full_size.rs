//! MobileNetV3-small and EfficientNet-B0 in their true shapes, 224 by 224, with random weights that follow
//! from their names: `models/train/fixtures/full_size.py` has the same generator.

use std::path::Path;

use fieldscore_models::compile::graph::Graph;
use fieldscore_models::compile::net::Rows;
use fieldscore_runtime::plan::{Executable, MAX_ARENA_BYTES};

use super::{floats, folder, outputs};

/// Numbers in −1..1: SplitMix64 (Steele, Lea, Flood 2014) from the FNV-1a hash of a name.
fn random(name: &str, count: usize) -> impl Iterator<Item = f32> {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    let next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) >> 40) as f32 / 8_388_608.0 - 1.0
    };
    std::iter::repeat_with(next).take(count)
}

/// A field of a protocol buffer: whole numbers, or bytes behind their length.
fn varint(mut value: usize, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn bytes(field: u8, bytes: &[u8], to: &mut Vec<u8>) {
    to.push(field << 3 | 2);
    varint(bytes.len(), to);
    to.extend_from_slice(bytes);
}

/// The model with its weights: what stands behind a message is merged into it.
fn model(folder: &Path) -> Vec<u8> {
    let mut graph = Vec::new();
    let list = std::fs::read_to_string(folder.join("weights.csv")).unwrap();
    for line in list.lines().skip(1) {
        let [name, shape, spread] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let dims: Vec<usize> = shape.split('x').map(|dim| dim.parse().unwrap()).collect();
        let spread: f32 = spread.parse().unwrap();
        let values = random(name, dims.iter().product());
        let values: Vec<u8> = values.flat_map(|x| (x * spread).to_le_bytes()).collect();
        // TensorProto: dims, data_type (float), name, raw_data.
        let mut tensor = Vec::new();
        for dim in dims {
            tensor.push(1 << 3);
            varint(dim, &mut tensor);
        }
        tensor.extend([2 << 3, 1]);
        bytes(8, name.as_bytes(), &mut tensor);
        bytes(9, &values, &mut tensor);
        // GraphProto.initializer
        bytes(5, &tensor, &mut graph);
    }
    let mut model = std::fs::read(folder.join("model.onnx")).unwrap();
    // ModelProto.graph
    bytes(7, &graph, &mut model);
    model
}

/// Holds a net against ONNX Runtime and against tract; it has so many weights and does so many million
/// multiply-adds.
fn holds(case: &str, parameters: usize, millions: u64) {
    let folder = folder(&format!("nets/{case}"));
    let graph = Graph::of_bytes(&model(&folder), case.to_owned())
        .unwrap_or_else(|e| panic!("{case}: {e} {:?}", e.hint_text()));
    let rows = Rows::new(graph.inputs(), random("image", graph.inputs()).collect());
    assert_eq!((rows.len(), rows.width), (1, 3 * 224 * 224));
    let theirs = floats(&folder.join("outputs.f32"));
    let ours = outputs(graph.lowered(), &rows);
    assert_eq!((ours.len(), theirs.len()), (1000, 1000));
    for (at, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let apart = (ours - theirs).abs() / theirs.abs().max(1.0);
        assert!(apart <= 1e-4, "{case}, {at}: {ours} beside {theirs}");
    }
    let spread = theirs.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    assert!(spread > 0.5, "{case}: nothing comes out of it");
    graph.check(&rows).unwrap_or_else(|e| panic!("{case}: {e}"));
    let plan = &graph.lowered().plan;
    let executable = Executable::new(plan.clone(), &graph.lowered().weights).unwrap();
    let arena = plan.models[0].arena_bytes as usize;
    let work = executable.multiply_adds(0);
    // Beside its weights, the numbers of its functions.
    let others = graph.size(0).parameters.checked_sub(parameters);
    assert!(others.is_some_and(|others| others < 100), "{others:?}");
    assert!((millions..=millions * 11 / 10).contains(&(work / 1_000_000)));
    // Rows that take megabytes each are run fewer at a time.
    assert!(arena > 1 << 20 && arena <= MAX_ARENA_BYTES);
    let rows = executable.rows();
    assert!((1..64).contains(&rows) && rows * arena <= 1 << 26);
    assert_eq!(executable.arena(64).rows(), rows);
}

#[test]
fn mobilenet_v3_small() {
    holds("full_mobilenet", 2_536_800, 57);
}

#[test]
fn efficientnet_b0() {
    holds("full_efficientnet", 5_267_540, 386);
}
