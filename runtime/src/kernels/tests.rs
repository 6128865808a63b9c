//! Every path against the definition, byte for byte.

use proptest::prelude::*;

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

fn agrees(case: &Case) {
    let Case {
        shape,
        panels,
        input,
        to,
    } = case;
    let len = shape.rows * shape.output_stride;
    let scalar = Kernels::scalar();
    let (mut bytes, mut floats) = (vec![0u8; len], vec![0f32; len]);
    (scalar.dense_u8)(*shape, panels, input, *to, &mut bytes);
    (scalar.dense_f32)(*shape, panels, input, to.zero == 0, &mut floats);
    for path in Kernels::available() {
        let (mut own_bytes, mut own_floats) = (vec![0u8; len], vec![0f32; len]);
        (path.dense_u8)(*shape, panels, input, *to, &mut own_bytes);
        assert_eq!(own_bytes, bytes, "{} {shape:?}", path.name);
        (path.dense_f32)(*shape, panels, input, to.zero == 0, &mut own_floats);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&own_floats), bits(&floats), "{} {shape:?}", path.name);
    }
}

proptest! {
    #[test]
    fn every_path_equals_the_definition(
        rows in 1usize..10, inputs in 1usize..150, outputs in 1usize..150,
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
        let mut expected = vec![0; input.len()];
        (Kernels::scalar().quantise)(&input, &constants, &mut expected);
        for path in Kernels::available() {
            let mut own = vec![0; input.len()];
            (path.quantise)(&input, &constants, &mut own);
            prop_assert_eq!(&own, &expected, "{}", path.name);
        }
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
    let mut expected = vec![0; 64];
    (Kernels::scalar().quantise)(&input, &constants, &mut expected);
    for path in Kernels::available() {
        let mut own = vec![0; 64];
        (path.quantise)(&input, &constants, &mut own);
        assert_eq!(own, expected, "{}", path.name);
    }
}
