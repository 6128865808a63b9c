//! Every path against the definition, byte for byte.

mod forests;

use proptest::prelude::*;

use super::arch::fp_state::{DefaultFpState, in_a_strange_host};
use super::*;

/// One dense layer with its input, packed.
#[derive(Debug)]
struct Case {
    shape: Shape,
    panels: Vec<u8>,
    input: Vec<u8>,
    to: Requantise,
}

fn case(rows: usize, inputs: usize, outputs: usize, wide: bool, seed: u64, extreme: bool) -> Case {
    let mut state = seed | 1;
    let mut next = move || {
        // xorshift64 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let high = if wide { 255 } else { 127 };
    let weight = |random: u64| match (extreme, random % 4) {
        (true, 0) => -127,
        (true, 1) => 127,
        _ => ((random >> 8) % 255) as i16 as i8,
    };
    let weights: Vec<i8> = (0..inputs * outputs)
        .map(|_| weight(next()).max(-127))
        .collect();
    let bias: Vec<i32> = (0..outputs)
        .map(|_| (next() % 2_000_001) as i32 - 1_000_000)
        .collect();
    let scale: Vec<f32> = (0..outputs)
        .map(|_| 1e-6 + (next() % 1000) as f32 * 1e-6)
        .collect();
    let shape = Shape {
        rows,
        inputs,
        outputs,
        input_stride: inputs.next_multiple_of(64),
        output_stride: outputs.next_multiple_of(64),
        wide,
    };
    // Bytes behind the last input are not zeroed at run time: they must not matter.
    let input = (0..rows * shape.input_stride)
        .map(|_| match (extreme, next()) {
            (true, random) if random % 3 > 0 => high,
            (_, random) => (random % (u64::from(high) + 1)) as u8,
        })
        .collect();
    let zero = if seed.is_multiple_of(2) {
        0
    } else {
        (seed % 100) as u8
    };
    let to = Requantise {
        zero,
        low: if seed.is_multiple_of(3) { zero } else { 0 },
        high,
    };
    Case {
        shape,
        panels: pack_dense_i8(inputs, &weights, &bias, &scale),
        input,
        to,
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// What one path makes of a case: bytes, floats, and both again by way of the sums.
fn outputs(path: &Kernels, case: &Case) -> (Vec<u8>, Vec<u32>, Vec<i32>) {
    let Case {
        shape,
        panels,
        input,
        to,
    } = case;
    let len = shape.rows * shape.output_stride;
    let relu = to.zero == 0;
    let (mut bytes, mut floats, mut sums) = (vec![0u8; len], vec![0f32; len], vec![0i32; len]);
    (path.dense_u8)(*shape, panels, input, *to, &mut bytes);
    (path.dense_f32)(*shape, panels, input, relu, &mut floats);
    (path.sums)(*shape, panels, input, &mut sums);
    let from_sums = Shape {
        input_stride: shape.output_stride,
        ..*shape
    };
    let (mut bytes_again, mut floats_again) = (vec![0u8; len], vec![0f32; len]);
    (path.requantise)(from_sums, panels, &sums, *to, &mut bytes_again);
    (path.dequantise)(from_sums, panels, &sums, relu, &mut floats_again);
    assert_eq!(bytes_again, bytes, "{} {shape:?}", path.name);
    assert_eq!(
        bits(&floats_again),
        bits(&floats),
        "{} {shape:?}",
        path.name
    );
    (bytes, bits(&floats), sums)
}

/// Every path gives the definition's bytes, also where the caller flushes subnormals to zero: the
/// plan sets the default state before it calls a kernel, and a kernel leaves it alone.
fn agrees(case: &Case) {
    let expected = outputs(&Kernels::scalar(), case);
    for path in Kernels::available() {
        let found = outputs(&path, case);
        assert_eq!(found, expected, "{} {:?}", path.name, case.shape);
        let found = in_a_strange_host(|| {
            let _state = DefaultFpState::enter();
            outputs(&path, case)
        });
        assert_eq!(found, expected, "{} {:?}", path.name, case.shape);
    }
}

fn quantised(path: &Kernels, rows: usize, input: &[f32], constants: &[u8]) -> Vec<u8> {
    let inputs = constants.len() / 8;
    let shape = Shape {
        rows,
        inputs,
        outputs: inputs,
        input_stride: input.len() / rows,
        output_stride: inputs.next_multiple_of(64),
        wide: false,
    };
    let mut output = vec![0; rows * shape.output_stride];
    (path.quantise)(shape, constants, input, &mut output);
    output
}

/// As [`agrees`], for the conversion of features.
fn quantise_alike(rows: usize, input: &[f32], constants: &[u8]) {
    let expected = quantised(&Kernels::scalar(), rows, input, constants);
    for path in Kernels::available() {
        let found = quantised(&path, rows, input, constants);
        assert_eq!(found, expected, "{}", path.name);
        let found = in_a_strange_host(|| {
            let _state = DefaultFpState::enter();
            quantised(&path, rows, input, constants)
        });
        assert_eq!(found, expected, "{}", path.name);
    }
}

proptest! {
    #[test]
    fn every_path_equals_the_definition(
        rows in 1usize..40, inputs in 1usize..150, outputs in 1usize..150,
        wide: bool, extreme: bool, seed: u64,
    ) {
        agrees(&case(rows, inputs, outputs, wide, seed, extreme));
    }

    #[test]
    fn every_path_quantises_alike(
        values in proptest::collection::vec(
            (any::<f32>(), prop_oneof![-200f32..200.0, any::<f32>()], -200f32..200.0), 1..70,
        ),
    ) {
        let constants: Vec<u8> = values
            .iter()
            .map(|v| if v.1.is_finite() { v.1 } else { 1.0 })
            .chain(values.iter().map(|v| v.2))
            .flat_map(f32::to_le_bytes)
            .collect();
        let input: Vec<f32> = values.iter().map(|v| v.0).collect();
        quantise_alike(1, &input, &constants);
        // The same features in two rows, with something between them.
        let rows: Vec<f32> = [&input[..], &[f32::NAN], &input, &[f32::NAN]].concat();
        quantise_alike(2, &rows, &constants);
    }
}

#[test]
fn edge_shapes() {
    for wide in [false, true] {
        for extreme in [false, true] {
            for (rows, inputs, outputs) in [
                (1, 1, 1),
                (1, 4, 16),
                (1, 3, 17),
                (5, 5, 15),
                (4, 64, 64),
                (32, 7, 65),
                (1, 4096, 33),
                (3, 33, 4096),
            ] {
                agrees(&case(
                    rows,
                    inputs,
                    outputs,
                    wide,
                    12_345 + inputs as u64,
                    extreme,
                ));
            }
        }
    }
}

#[test]
fn ties_and_not_a_number_quantise_alike() {
    let input: Vec<f32> = (0..64)
        .map(|i| match i % 8 {
            0 => f32::NAN,
            1 => f32::INFINITY,
            2 => f32::NEG_INFINITY,
            3 => -0.0,
            _ => i as f32 + 0.5,
        })
        .collect();
    let constants: Vec<u8> = [[1.0f32; 64], [0.0; 64]]
        .concat()
        .into_iter()
        .flat_map(f32::to_le_bytes)
        .collect();
    quantise_alike(1, &input, &constants);
}

/// Subnormal features, factors and products: what flushing to zero would change.
#[test]
fn subnormals_quantise_alike() {
    let tiny = f32::MIN_POSITIVE / 64.0;
    let input: Vec<f32> = (0..64).map(|i| tiny * (i as f32 - 32.0)).collect();
    let factors = (0..64).map(|i| {
        if i % 2 == 0 {
            3.0 / f32::MIN_POSITIVE
        } else {
            tiny
        }
    });
    let constants: Vec<u8> = factors
        .chain((0..64).map(|i| (i % 5) as f32 * 0.5))
        .flat_map(f32::to_le_bytes)
        .collect();
    let scalar = Kernels::scalar();
    let flushed = quantised(&scalar, 1, &[0.0; 64], &constants);
    assert_ne!(quantised(&scalar, 1, &input, &constants), flushed);
    quantise_alike(1, &input, &constants);
}
