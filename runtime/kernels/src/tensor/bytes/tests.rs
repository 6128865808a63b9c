//! Every path against a naive reading of the definition.

use proptest::prelude::*;

use super::*;
use crate::pack_dense_i8;

/// A convolution over `[length][channels]`, some places of it, with its bytes and panels.
#[derive(Debug)]
struct Case {
    nest: Nest,
    taps: Taps,
    /// `weights[n][tap][channel]`
    weights: Vec<i8>,
    bias: Vec<i32>,
    scale: Vec<f32>,
    panels: Vec<u8>,
    input: Vec<u8>,
    output: usize,
    wide: bool,
    to: Requantise,
}

#[derive(Debug, Clone, Copy)]
struct Sizes {
    places: usize,
    stride: usize,
    taps: usize,
    dilation: usize,
    channels: usize,
    outputs: usize,
    /// Outputs one behind the other, or places.
    channels_last: bool,
}

fn case(sizes: Sizes, wide: bool, seed: u64) -> Case {
    let mut state = seed | 1;
    let mut next = move || {
        // xorshift64 (Marsaglia 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let Sizes {
        places,
        stride,
        taps,
        dilation,
        channels,
        outputs,
        channels_last,
    } = sizes;
    let high = if wide { 255 } else { 127 };
    let axis = |count: usize, left: usize, output: usize| Axis {
        count,
        left: left as isize,
        right: 0,
        output: output as isize,
    };
    let (by_place, by_output) = if channels_last {
        (outputs, 1)
    } else {
        (1, places)
    };
    let inner = [axis(taps, dilation * channels, 0), axis(channels, 1, 0)];
    let outer = [
        axis(places, stride * channels, by_place),
        axis(outputs, 0, by_output),
    ];
    let start = At {
        left: 0,
        right: 0,
        output: 0,
    };
    let nest = Nest::new(&[&outer[..], &inner].concat(), 2, start);
    let extreme = seed.is_multiple_of(5);
    let weights: Vec<i8> = (0..outputs * taps * channels)
        .map(|_| match (extreme, next()) {
            (true, random) if random % 3 > 0 => 127,
            (_, random) => ((random % 255) as i16 - 127) as i8,
        })
        .collect();
    let bias: Vec<i32> = (0..outputs)
        .map(|_| (next() % 200_001) as i32 - 100_000)
        .collect();
    let scale: Vec<f32> = (0..outputs)
        .map(|_| 1e-5 + (next() % 1000) as f32 * 1e-6)
        .collect();
    let padded = channels.next_multiple_of(4);
    let spread: Vec<i8> = weights
        .chunks(channels)
        .flat_map(|run| (0..padded).map(|k| run.get(k).copied().unwrap_or(0)))
        .collect();
    let len = ((places - 1) * stride + (taps - 1) * dilation + 1) * channels + 3;
    let input = (0..len)
        .map(|_| match (extreme, next()) {
            (true, random) if random % 3 > 0 => high,
            (_, random) => (random % (u64::from(high) + 1)) as u8,
        })
        .collect();
    let zero = (seed % 100) as u8;
    Case {
        nest,
        taps: Taps::new(&inner),
        panels: pack_dense_i8(taps * padded, &spread, &bias, &scale),
        weights,
        bias,
        scale,
        input,
        output: places * outputs,
        wide,
        to: Requantise {
            zero,
            low: if seed.is_multiple_of(3) { zero } else { 0 },
            high,
        },
    }
}

/// What the definition says, sum by sum.
fn expected(case: &Case, sizes: Sizes) -> (Vec<u8>, Vec<u32>) {
    let (mut bytes, mut floats) = (vec![0; case.output], vec![0; case.output]);
    let depth = sizes.taps * sizes.channels;
    for place in 0..sizes.places {
        for n in 0..sizes.outputs {
            let mut sum = case.bias[n];
            for (k, w) in case.weights[n * depth..][..depth].iter().enumerate() {
                let (tap, channel) = (k / sizes.channels, k % sizes.channels);
                let at = place * sizes.stride + tap * sizes.dilation;
                sum += i32::from(case.input[at * sizes.channels + channel]) * i32::from(*w);
            }
            let y = sum as f32 * case.scale[n];
            let to = case.to;
            let zero = f32::from(to.zero);
            let clamped = y.clamp(f32::from(to.low) - zero, f32::from(to.high) - zero);
            let at = if sizes.channels_last {
                place * sizes.outputs + n
            } else {
                n * sizes.places + place
            };
            bytes[at] = (clamped.round_ties_even() + zero) as u8;
            floats[at] = y.max(0.0).to_bits();
        }
    }
    (bytes, floats)
}

fn agrees(sizes: Sizes, wide: bool, seed: u64) {
    let case = case(sizes, wide, seed);
    let dense = Dense {
        nest: &case.nest,
        taps: &case.taps,
        panels: &case.panels,
        wide: case.wide,
    };
    let expected = expected(&case, sizes);
    for path in Kernels::available() {
        let (mut bytes, mut floats) = (vec![0u8; case.output], vec![0f32; case.output]);
        dense.to_u8(&path, case.to, &case.input, &mut bytes);
        dense.to_f32(&path, true, &case.input, &mut floats);
        let floats: Vec<u32> = floats.iter().map(|y| y.to_bits()).collect();
        assert_eq!((bytes, floats), expected, "{} {sizes:?}", path.name);
    }
}

proptest! {
    #[test]
    fn every_path_gathers_alike(
        places in 1usize..30, stride in 1usize..3, taps in 1usize..6, dilation in 1usize..4,
        channels in 1usize..40, outputs in 1usize..70,
        channels_last: bool, wide: bool, seed: u64,
    ) {
        let sizes = Sizes { places, stride, taps, dilation, channels, outputs, channels_last };
        agrees(sizes, wide, seed);
    }

    #[test]
    fn every_path_quantises_through_strides_alike(
        rows in 1usize..9, width in 1usize..40, layout in 0usize..3,
        high in prop_oneof![Just(127u8), Just(255)], zero in prop_oneof![Just(0u8), 0u8..=127],
        values in proptest::collection::vec(prop_oneof![-400f32..400.0, any::<f32>()], 9 * 40),
        constants in proptest::collection::vec((0.001f32..3.0, -50f32..200.0), 40),
    ) {
        let axis = |count, left, output| Axis { count, left, right: 0, output };
        let (w, r) = (width as isize, rows as isize);
        // Row by row, turned, one number for all.
        let axes = match layout {
            0 => [axis(rows, w, w), axis(width, 1, 1)],
            1 => [axis(rows, 1, w), axis(width, r, 1)],
            _ => [axis(rows, 0, w), axis(width, 0, 1)],
        };
        let nest = Nest::new(&axes, 0, At { left: 0, right: 0, output: 0 });
        let constants = &constants[..width];
        let factors = constants.iter().map(|c| c.0).chain(constants.iter().map(|c| c.1));
        let packed: Vec<u8> = factors.flat_map(f32::to_le_bytes).collect();
        let mut expected = vec![0u8; rows * width];
        for row in 0..rows {
            for (k, (factor, offset)) in constants.iter().enumerate() {
                let x = values[[row * width + k, k * rows + row, 0][layout]];
                let y = x * factor + offset;
                let least = -f32::from(zero);
                let y = if y.is_nan() { least } else { y.clamp(least, f32::from(high) + least) };
                expected[row * width + k] = (y.round_ties_even() - least) as u8;
            }
        }
        for path in Kernels::available() {
            let mut found = vec![0u8; rows * width];
            let to = Requantise { zero, low: 0, high };
            quantise(&path, &nest, &packed, to, &values, &mut found);
            prop_assert_eq!(&found, &expected, "{}", path.name);
        }
        // Back again.
        let mut back = vec![0f32; rows * width];
        let factors: Vec<u8> = constants.iter().flat_map(|c| (1.0 / c.0).to_le_bytes()).collect();
        let straight = [axis(rows, w, w), axis(width, 1, 1)];
        let nest = Nest::new(&straight, 0, At { left: 0, right: 0, output: 0 });
        dequantise(&nest, &factors, zero, &expected, &mut back);
        for (at, (back, q)) in back.iter().zip(&expected).enumerate() {
            let step = 1.0 / constants[at % width].0;
            prop_assert_eq!(*back, (f32::from(*q) - f32::from(zero)) * step);
        }
    }
}

#[test]
fn edge_sizes() {
    for (places, taps, channels, outputs) in [
        (1, 1, 1, 1),
        (1, 1, 64, 33),
        (7, 3, 4, 16),
        (8, 3, 5, 17),
        (9, 1, 300, 32),
        (64, 9, 3, 48),
    ] {
        for wide in [false, true] {
            let sizes = Sizes {
                places,
                stride: 1,
                taps,
                dilation: 1,
                channels,
                outputs,
                channels_last: outputs % 2 == 0,
            };
            agrees(sizes, wide, 5 * outputs as u64);
        }
    }
}
