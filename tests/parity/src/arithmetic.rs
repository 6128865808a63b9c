//! The kernels themselves: one path's answers to generated layers, digested. The definition gives
//! the same digest on every target, and so must every path.

use fieldscore_runtime::kernels::arch::fp_state::DefaultFpState;
use fieldscore_runtime::kernels::{Kernels, Requantise, Shape, pack_dense_i8};
use sha2::{Digest, Sha256};

/// Rows, inputs and outputs that generated ones miss: one of each, not a multiple of any block, the
/// longest.
const EDGES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (1, 4, 16),
    (1, 3, 17),
    (5, 5, 15),
    (4, 64, 64),
    (32, 7, 65),
    (33, 65, 129),
    (1, 4096, 33),
    (3, 33, 4096),
];

/// xorshift64 (Marsaglia 2003).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((self.next() >> 16) % limit as u64) as usize
    }

    /// Every value of a weight, and the extreme ones often.
    pub(crate) fn weight(&mut self) -> i8 {
        match self.below(8) {
            0 => -127,
            1 => 127,
            _ => (self.below(255) as i16 - 127) as i8,
        }
    }

    /// Numbers of all sizes, subnormal ones and what is not a number among them.
    fn float(&mut self) -> f32 {
        match self.below(8) {
            0 => f32::from_bits(self.next() as u32),
            1 => f32::MIN_POSITIVE / 64.0 * self.below(64) as f32,
            2 => self.below(256) as f32 + 0.5,
            _ => self.below(1 << 16) as f32 / 256.0 - 128.0,
        }
    }

    fn finite(&mut self) -> f32 {
        Some(self.float()).filter(|x| x.is_finite()).unwrap_or(1.0)
    }
}

/// The digest of a path's answers to the first `cases` layers.
pub fn digest(path: &Kernels, cases: usize) -> [u8; 32] {
    // As a plan's run sets it, whatever the host has set.
    let _state = DefaultFpState::enter();
    let mut random = Random::new(0x5bd1_e995_9e37_79b9);
    let mut hash = Sha256::new();
    for case in 0..cases {
        let (rows, inputs, outputs) = EDGES.get(case / 2).copied().unwrap_or_else(|| {
            let large = case % 16 == 0;
            let limit = if large { 300 } else { 100 };
            (
                1 + random.below(if large { 70 } else { 6 }),
                1 + random.below(limit),
                1 + random.below(limit),
            )
        });
        layer(
            path,
            rows,
            inputs,
            outputs,
            case % 2 == 1,
            &mut random,
            &mut hash,
        );
    }
    hash.finalize().into()
}

fn layer(
    path: &Kernels,
    rows: usize,
    inputs: usize,
    outputs: usize,
    wide: bool,
    random: &mut Random,
    hash: &mut Sha256,
) {
    let shape = Shape {
        rows,
        inputs,
        outputs,
        input_stride: inputs.next_multiple_of(64),
        output_stride: outputs.next_multiple_of(64),
        wide,
    };
    let high: u8 = if wide { 255 } else { 127 };
    let weights: Vec<i8> = (0..inputs * outputs).map(|_| random.weight()).collect();
    let bias: Vec<i32> = (0..outputs)
        .map(|_| random.below(2_000_001) as i32 - 1_000_000)
        .collect();
    let scale: Vec<f32> = (0..outputs)
        .map(|_| 1e-6 + random.below(1000) as f32 * 1e-6)
        .collect();
    let panels = pack_dense_i8(inputs, &weights, &bias, &scale);
    // What rows hold behind their last input must not matter: there is something.
    let input: Vec<u8> = (0..rows * shape.input_stride)
        .map(|_| match random.below(4) {
            0 => high,
            _ => random.below(usize::from(high) + 1) as u8,
        })
        .collect();
    let zero = if random.below(2) == 0 {
        0
    } else {
        random.below(100) as u8
    };
    let low = if random.below(2) == 0 { zero } else { 0 };
    let to = Requantise { zero, low, high };
    let relu = random.below(2) == 0;
    let features: Vec<f32> = (0..rows * shape.input_stride)
        .map(|_| random.float())
        .collect();
    let constants: Vec<u8> = (0..inputs * 2)
        .flat_map(|_| random.finite().to_le_bytes())
        .collect();

    let len = rows * shape.output_stride;
    let (mut bytes, mut floats, mut sums) = (vec![0u8; len], vec![0f32; len], vec![0i32; len]);
    let (mut bytes_again, mut floats_again) = (vec![0u8; len], vec![0f32; len]);
    let mut quantised = vec![0u8; rows * shape.input_stride];
    let from_sums = Shape {
        input_stride: shape.output_stride,
        ..shape
    };
    let conversion = Shape {
        outputs: inputs,
        output_stride: shape.input_stride,
        ..shape
    };
    (path.dense_u8)(shape, &panels, &input, to, &mut bytes);
    (path.dense_f32)(shape, &panels, &input, relu, &mut floats);
    (path.sums)(shape, &panels, &input, &mut sums);
    (path.requantise)(from_sums, &panels, &sums, to, &mut bytes_again);
    (path.dequantise)(from_sums, &panels, &sums, relu, &mut floats_again);
    (path.quantise)(conversion, &constants, &features, &mut quantised);
    let used = |row: usize| row * shape.output_stride..row * shape.output_stride + outputs;
    for row in 0..rows {
        hash.update(&bytes[used(row)]);
        hash.update(&bytes_again[used(row)]);
        for values in [&floats, &floats_again] {
            for value in &values[used(row)] {
                hash.update(value.to_bits().to_le_bytes());
            }
        }
        for sum in &sums[used(row)] {
            hash.update(sum.to_le_bytes());
        }
        hash.update(&quantised[row * shape.input_stride..][..inputs]);
    }
}
