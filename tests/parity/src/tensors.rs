//! Tensor steps: the answers of every operation to random nests, and of sums over bytes that lie apart,
//! digested. The definition is one for all paths; the digest must be the same on every target.

use fieldscore_runtime::kernels::arch::fp_state::DefaultFpState;
use fieldscore_runtime::kernels::arch::gather::Taps;
use fieldscore_runtime::kernels::tensor::{At, Axis, Nest, Operands, Operation, bytes};
use fieldscore_runtime::kernels::{Kernels, Requantise, pack_dense_float, pack_dense_i8};
use sha2::{Digest, Sha256};

use crate::arithmetic::Random;

/// The digest of the answers to `cases` nests of each operation, and to as many int8 convolutions.
pub fn digest(path: &Kernels, cases: usize) -> [u8; 32] {
    // As a plan's run sets it, whatever the host has set.
    let _state = DefaultFpState::enter();
    let mut random = Random::new(0x2545_f491_4f6c_dd1d);
    let mut hash = Sha256::new();
    for case in 0..cases {
        for operation in Operation::ALL {
            match operation.gates() {
                Some(gates) => cell(path, operation, gates, &mut random, &mut hash),
                None => walk(path, operation, &mut random, &mut hash),
            }
        }
        convolution(path, case % 2 == 1, &mut random, &mut hash);
    }
    hash.finalize().into()
}

/// A number where functions bend, and now and then at an end of theirs.
fn number(random: &mut Random) -> f32 {
    match random.below(24) {
        0 => 0.0,
        1 => -0.0,
        2 => -90.0,
        3 => 95.0,
        _ => random.below(1 << 16) as f32 / 8192.0 - 4.0,
    }
}

fn numbers(random: &mut Random, count: usize) -> Vec<f32> {
    (0..count).map(|_| number(random)).collect()
}

/// Numbers as a hash takes them; what is not a number is the same everywhere, whatever its bits.
fn update(hash: &mut Sha256, numbers: &[f32]) {
    for x in numbers {
        let bits = if x.is_nan() { u32::MAX } else { x.to_bits() };
        hash.update(bits.to_le_bytes());
    }
}

/// Strides of a value whose axes lie in some order, and its length; where `repeats`, some are 0.
fn strides(random: &mut Random, counts: &[usize], repeats: bool) -> (Vec<isize>, usize) {
    let mut order: Vec<usize> = (0..counts.len()).collect();
    if random.below(3) == 0 {
        (1..order.len()).for_each(|at| order.swap(at, random.below(at + 1)));
    }
    let (mut strides, mut len) = (vec![0; counts.len()], 1);
    for &axis in order.iter().rev() {
        if !(repeats && random.below(4) == 0) {
            strides[axis] = len as isize;
            len *= counts[axis];
        }
    }
    (strides, len)
}

/// One step: what it walks and reads.
struct Given {
    axes: Vec<Axis>,
    inner: usize,
    left: Vec<f32>,
    right: Vec<f32>,
    weights: Vec<u8>,
    parameters: [f32; 2],
    written: usize,
}

impl Given {
    fn run(&self, path: &Kernels, operation: Operation, hash: &mut Sha256) {
        let from = Operands {
            left: &self.left,
            right: &self.right,
            weights: &self.weights,
            parameters: self.parameters,
        };
        let nest = Nest::new(&self.axes, self.inner, START);
        let mut output = vec![0.0; self.written];
        (path.tensor)(operation, &nest, from, &mut output);
        update(hash, &output);
    }
}

const START: At = At {
    left: 0,
    right: 0,
    output: 0,
};

/// Any operation but a cell: through strides of every kind, repeated operands among them.
fn walk(path: &Kernels, operation: Operation, random: &mut Random, hash: &mut Sha256) {
    let inner = match operation.folds() || operation.norms() {
        true => 1 + random.below(2),
        false => 0,
    };
    let most = if inner > 0 { 40 } else { 70 };
    let mut counts = vec![1 + random.below(3), 1 + random.below(7)];
    counts.push(1 + random.below(most));
    counts.extend((0..inner).map(|_| 1 + random.below(20)));
    let (mut left, left_len) = strides(random, &counts, true);
    let (right, right_len) = strides(random, &counts, true);
    // As the compiler writes products, half of the time: neighbours read the same on their left.
    if matches!(operation, Operation::Product | Operation::Dense) && random.below(2) == 0 {
        left[2] = 0;
    }
    let outer = if operation.folds() { 3 } else { counts.len() };
    let (mut output, written) = strides(random, &counts[..outer], false);
    output.resize(counts.len(), 0);
    let axes = (0..counts.len()).map(|at| Axis {
        count: counts[at],
        left: left[at],
        right: right[at],
        output: output[at],
    });
    let (depth, last) = (counts[3..].iter().product(), counts[2]);
    let weights = match operation {
        Operation::Dense => panels(random, depth, last),
        _ => numbers(random, last * 5)
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect(),
    };
    let given = Given {
        axes: axes.collect(),
        inner,
        left: numbers(random, left_len),
        right: numbers(random, right_len),
        weights,
        parameters: [number(random), number(random).abs()],
        written,
    };
    given.run(path, operation, hash);
}

fn panels(random: &mut Random, inputs: usize, outputs: usize) -> Vec<u8> {
    let weights = numbers(random, inputs * outputs);
    pack_dense_float(inputs, &weights, &numbers(random, outputs), false)
}

/// A recurrent cell over some time.
fn cell(
    path: &Kernels,
    operation: Operation,
    (gates, states): (usize, usize),
    random: &mut Random,
    hash: &mut Sha256,
) {
    let (time, units) = (1 + random.below(7), 1 + random.below(40));
    let axis = |count, left: usize, right: usize, output: usize| Axis {
        count,
        left: left as isize,
        right: right as isize,
        output: output as isize,
    };
    let given = Given {
        axes: vec![
            axis(time, gates * units, 0, states * units),
            axis(units, 1, 1, 1),
            axis(states, 0, units, units),
            axis(gates, units, 0, 0),
        ],
        inner: 2,
        left: numbers(random, time * gates * units),
        right: numbers(random, states * units),
        weights: (0..gates)
            .flat_map(|_| panels(random, units, units))
            .collect(),
        parameters: [0.0; 2],
        written: time * states * units,
    };
    given.run(path, operation, hash);
}

/// A convolution over bytes that come of numbers; what it makes of them, as bytes, as numbers, and as
/// numbers again.
fn convolution(path: &Kernels, wide: bool, random: &mut Random, hash: &mut Sha256) {
    let (places, stride) = (1 + random.below(30), 1 + random.below(2));
    let (taps, dilation) = (1 + random.below(5), 1 + random.below(3));
    let (channels, outputs) = (1 + random.below(40), 1 + random.below(70));
    let axis = |count, left: usize, output: usize| Axis {
        count,
        left: left as isize,
        right: 0,
        output: output as isize,
    };
    let inner = [axis(taps, dilation * channels, 0), axis(channels, 1, 0)];
    let (by_place, by_output) = match random.below(2) {
        0 => (outputs, 1),
        _ => (1, places),
    };
    let outer = [
        axis(places, stride * channels, by_place),
        axis(outputs, 0, by_output),
    ];
    let nest = Nest::new(&[&outer[..], &inner].concat(), 2, START);
    // Runs are rounded up by weights of zero.
    let padded = channels.next_multiple_of(4);
    let weights: Vec<i8> = (0..outputs * taps * padded)
        .map(|at| match at % padded < channels {
            true => random.weight(),
            false => 0,
        })
        .collect();
    let bias: Vec<i32> = (0..outputs)
        .map(|_| random.below(200_001) as i32 - 100_000)
        .collect();
    let scale: Vec<f32> = (0..outputs)
        .map(|_| 1e-5 + random.below(1000) as f32 * 1e-6)
        .collect();
    let packed = pack_dense_i8(taps * padded, &weights, &bias, &scale);
    let high = if wide { 255 } else { 127 };
    let to = Requantise {
        zero: random.below(100) as u8,
        low: 0,
        high,
    };

    let length = (places - 1) * stride + (taps - 1) * dilation + 1;
    let values = numbers(random, length * channels);
    let constants: Vec<u8> = (0..channels * 2)
        .flat_map(|_| (random.below(4000) as f32 / 50.0 + 0.1).to_le_bytes())
        .collect();
    let straight = Nest::new(
        &[axis(length, channels, channels), axis(channels, 1, 1)],
        0,
        START,
    );
    // What lies behind the last byte must not matter: there is something.
    let mut input = vec![high; length * channels + 3];
    bytes::quantise(path, &straight, &constants, to, &values, &mut input);
    let dense = bytes::Dense {
        nest: &nest,
        taps: &Taps::new(&inner),
        panels: &packed,
        wide,
    };
    let (mut to_bytes, mut to_numbers) = (vec![0; places * outputs], vec![0.0; places * outputs]);
    dense.to_u8(path, to, &input, &mut to_bytes);
    dense.to_f32(path, random.below(2) == 0, &input, &mut to_numbers);
    let mut back = vec![0.0; length * channels];
    let factors = &constants[..channels * 4];
    bytes::dequantise(&straight, factors, to.zero, &input, &mut back);
    hash.update(&input[..length * channels]);
    hash.update(&to_bytes);
    update(hash, &to_numbers);
    update(hash, &back);
}
