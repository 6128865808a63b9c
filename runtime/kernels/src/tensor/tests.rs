#![allow(clippy::unwrap_used)]
use super::*;
use crate::Kernels;
use proptest::prelude::*;

/// A function of sixteen numbers, of one.
fn of(function: fn([f32; LANES]) -> [f32; LANES], x: f32) -> f32 {
    function([x; LANES])[LANES - 1]
}

fn near(ours: f32, theirs: f64, of: f32) {
    let apart = (f64::from(ours) - theirs).abs();
    assert!(
        apart <= 6e-7 * theirs.abs().max(1.0),
        "of {of}: {ours} beside {theirs}"
    );
}

#[test]
fn functions_are_near_their_definitions() {
    for i in -4000..=4000 {
        let x = i as f32 / 200.0;
        let wide = f64::from(x);
        let sigmoid = 1.0 / (1.0 + libm::exp(-wide));
        let phi = 0.5 * (1.0 + libm::erf(wide / std::f64::consts::SQRT_2));
        near(of(math::exp, x), libm::exp(wide), x);
        near(of(math::sigmoid, x), sigmoid, x);
        near(of(math::tanh, x), libm::tanh(wide), x);
        near(of(math::erf, x), libm::erf(wide), x);
        near(of(math::gelu, x), wide * phi, x);
        near(of(math::softplus, x), libm::log1p(libm::exp(wide)), x);
        near(of(math::exp_less_one, x), libm::expm1(wide), x);
    }
}

#[test]
fn ends_and_nan() {
    assert_eq!(of(math::exp, f32::NEG_INFINITY), 0.0);
    assert!(of(math::exp, f32::INFINITY).is_finite());
    assert_eq!(of(math::sigmoid, f32::INFINITY), 1.0);
    assert_eq!(of(math::tanh, -200.0), -1.0);
    for function in [
        math::exp::<[f32; LANES]>,
        math::sigmoid,
        math::tanh,
        math::erf,
        math::gelu,
        math::gelu_tanh,
        math::softplus,
        math::exp_less_one,
    ] {
        assert!(of(function, f32::NAN).is_nan());
    }
}

proptest! {
    #[test]
    fn sines_are_those_of_f64_rounded(bits in any::<u32>(), near_by in -700.0f32..700.0) {
        for x in [f32::from_bits(bits), near_by] {
            if x.is_nan() || x.abs() >= 268_435_456.0 {
                continue;
            }
            for (own, exact) in [
                (math::sine(x), libm::sin(f64::from(x))),
                (math::cosine(x), libm::cos(f64::from(x))),
            ] {
                // One unit in the last place: half of it is what rounding leaves.
                let unit = f64::from(f32::EPSILON) * f64::from(exact as f32).abs().max(1e-30);
                prop_assert!((f64::from(own) - exact).abs() <= unit, "{x}: {own} for {exact}");
            }
        }
    }
}

#[test]
fn angles_that_say_nothing_are_those_of_0() {
    for far in [268_435_456.0, -3e38, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!((math::sine(far), math::cosine(far)), (0.0, 1.0));
    }
    assert!(math::sine(f32::NAN).is_nan() && math::cosine(f32::NAN).is_nan());
}

#[test]
fn what_is_no_number_is_missing_and_may_be_left_out() {
    let x = [
        0.0,
        -0.0,
        1e-40,
        0.5,
        -2.0,
        f32::MAX,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let axes = [axis(9, 1, 1, 1)];
    let missing = go(Operation::Missing, &axes, 0, &x, &[], 9);
    assert_eq!(missing, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    let present: Vec<f32> = missing.iter().map(|missing| 1.0 - missing).collect();
    let kept = go(Operation::Keep, &axes, 0, &present, &x, 9);
    let bits = |all: &[f32]| all.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&kept[..8]), bits(&x[..8]));
    assert_eq!(kept[8], 0.0);
}

fn axis(count: usize, left: isize, right: isize, output: isize) -> Axis {
    Axis {
        count,
        left,
        right,
        output,
    }
}

fn go(
    operation: Operation,
    axes: &[Axis],
    inner: usize,
    left: &[f32],
    right: &[f32],
    len: usize,
) -> Vec<f32> {
    let start = At {
        left: 0,
        right: 0,
        output: 0,
    };
    let mut output = vec![f32::NAN; len];
    let from = Operands {
        left,
        right,
        weights: &[],
        parameters: [1.0, 0.0],
    };
    run(operation, &Nest::new(axes, inner, start), from, &mut output);
    output
}

#[test]
fn a_copy_transposes() {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let axes = [axis(2, 3, 0, 1), axis(3, 1, 0, 2)];
    let turned = go(Operation::Copy, &axes, 0, &x, &[], 6);
    assert_eq!(turned, [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
}

#[test]
fn a_product_is_a_matrix_product() {
    let (m, k, n) = (3, 5, 20);
    let left: Vec<f32> = (0..m * k).map(|i| i as f32 - 4.0).collect();
    let right: Vec<f32> = (0..k * n).map(|i| (i % 7) as f32).collect();
    let axes = [
        axis(m, k as isize, 0, n as isize),
        axis(n, 0, 1, 1),
        axis(k, 1, n as isize, 0),
    ];
    let ours = go(Operation::Product, &axes, 1, &left, &right, m * n);
    for (at, ours) in ours.iter().enumerate() {
        let (i, j) = (at / n, at % n);
        let sum: f32 = (0..k).map(|k_| left[i * k + k_] * right[k_ * n + j]).sum();
        assert_eq!(*ours, sum);
    }
    // Through other strides it is the same.
    let turned: Vec<f32> = (0..n * k).map(|i| right[i % k * n + i / k]).collect();
    let axes = [
        axis(m, k as isize, 0, n as isize),
        axis(n, 0, k as isize, 1),
        axis(k, 1, 1, 0),
    ];
    assert_eq!(
        go(Operation::Product, &axes, 1, &left, &turned, m * n),
        ours
    );
}

#[test]
fn a_dense_step_slides_over_positions() {
    // Two channels of five places, three taps: a convolution to 18 channels.
    let (channels, places, taps, outputs) = (2, 5, 3, 18);
    let x: Vec<f32> = (0..channels * places).map(|i| i as f32).collect();
    let weights: Vec<f32> = (0..outputs * channels * taps)
        .map(|i| (i % 5) as f32 - 2.0)
        .collect();
    let bias: Vec<f32> = (0..outputs).map(|i| i as f32).collect();
    let packed = crate::pack_dense_float(channels * taps, &weights, &bias, false);
    let axes = [
        axis(3, 1, 0, 1),
        axis(outputs, 0, 0, 3),
        axis(channels, places as isize, 0, 0),
        axis(taps, 1, 0, 0),
    ];
    let start = At {
        left: 0,
        right: 0,
        output: 0,
    };
    let mut output = vec![f32::NAN; outputs * 3];
    let from = Operands {
        left: &x,
        right: &[],
        weights: &packed,
        parameters: [0.0; 2],
    };
    run(
        Operation::Dense,
        &Nest::new(&axes, 2, start),
        from,
        &mut output,
    );
    for n in 0..outputs {
        for t in 0..3 {
            let mut sum = bias[n];
            for c in 0..channels {
                for k in 0..taps {
                    sum += x[c * places + t + k] * weights[(n * channels + c) * taps + k];
                }
            }
            assert_eq!(output[n * 3 + t], sum);
        }
    }
}

#[test]
fn rows_are_normed() {
    let x: Vec<f32> = (0..40).map(|i| (i * i % 23) as f32 / 3.0).collect();
    let axes = [axis(2, 20, 0, 20), axis(20, 1, 0, 1)];
    for row in go(Operation::Softmax, &axes, 1, &x, &[], 40).chunks(20) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
    let axes = [axis(2, 20, 0, 1), axis(20, 1, 0, 0)];
    let most = go(Operation::Max, &axes, 1, &x, &[], 2);
    let sum = go(Operation::Sum, &axes, 1, &x, &[], 2);
    for (at, row) in x.chunks(20).enumerate() {
        assert_eq!(most[at], row.iter().copied().fold(f32::MIN, f32::max));
        assert!((sum[at] - row.iter().sum::<f32>()).abs() < 1e-3);
    }
}

#[test]
fn an_index_finds_its_row() {
    let table: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let left = [0.0, 2.9, -1.0, 99.0, -99.0, f32::NAN];
    let axes = [axis(6, 1, 0, 2), axis(2, 0, 0, 1)];
    let start = At {
        left: 0,
        right: 0,
        output: 0,
    };
    let mut output = [f32::NAN; 12];
    let from = Operands {
        left: &left,
        right: &[],
        weights: &table,
        parameters: [0.0; 2],
    };
    run(
        Operation::Gather,
        &Nest::new(&axes, 0, start),
        from,
        &mut output,
    );
    let firsts: Vec<f32> = output.chunks(2).map(|row| row[0]).collect();
    assert_eq!(firsts, [0.0, 4.0, 4.0, 4.0, 0.0, 0.0]);
}

#[test]
fn numbers_are_places_in_the_list() {
    for (at, operation) in Operation::ALL.iter().enumerate() {
        assert_eq!(*operation as usize, at);
    }
}

/// A step with operands of random numbers.
#[derive(Debug)]
struct Case {
    operation: Operation,
    nest: Nest,
    left: Vec<f32>,
    right: Vec<f32>,
    weights: Vec<u8>,
    parameters: [f32; 2],
    len: usize,
}

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        // xorshift64 (Marsaglia 2003)
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }

    fn float(&mut self) -> f32 {
        match self.next(24) {
            0 => 0.0,
            1 => -0.0,
            2 => -90.0,
            3 => 95.0,
            _ => (self.next(20_001) as f32 - 10_000.0) / 2000.0,
        }
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }

    /// Strides of a value with these axes in some order; where `repeats`, some are 0.
    fn strides(&mut self, counts: &[usize], repeats: bool) -> (Vec<isize>, usize) {
        let mut order: Vec<usize> = (0..counts.len()).collect();
        if self.next(3) == 0 {
            (1..order.len()).for_each(|at| order.swap(at, self.next(at + 1)));
        }
        let (mut strides, mut len) = (vec![0; counts.len()], 1);
        for &axis in order.iter().rev() {
            if !(repeats && self.next(4) == 0) {
                strides[axis] = len as isize;
                len *= counts[axis];
            }
        }
        (strides, len)
    }
}

fn case(operation: Operation, seed: u64) -> Case {
    let mut random = Random(seed | 1);
    let inner = match operation.gates() {
        Some(_) => 2,
        None if operation.folds() || operation.norms() => 1 + random.next(2),
        None => 0,
    };
    let mut counts = vec![1 + random.next(3), 1 + random.next(7), 1 + random.next(70)];
    if inner > 0 {
        counts[2] = 1 + random.next(40);
    }
    if let Some((gates, states)) = operation.gates() {
        counts[0] = 1;
        counts.extend([states, gates]);
    } else {
        counts.extend((0..inner).map(|_| 1 + random.next(20)));
    }
    if inner == 1 && random.next(4) == 0 {
        counts[3] = 150;
    }
    let split = counts.len() - inner;
    let (mut left, mut left_len) = random.strides(&counts, true);
    let (mut right, mut right_len) = random.strides(&counts, true);
    let written = match operation.gates() {
        Some(_) => 4,
        None if operation.folds() => split,
        None => counts.len(),
    };
    let (mut output, len) = random.strides(&counts[..written], false);
    output.resize(counts.len(), 0);
    match operation {
        // As the compiler writes them, half of the time: sixteen results read the same on their left.
        Operation::Product | Operation::Dense if random.next(2) == 0 => left[split - 1] = 0,
        // The first state has no time, and no gates.
        Operation::Gru | Operation::Lstm => {
            left[3] = 0;
            (right[1], right[4]) = (0, 0);
        }
        _ => {}
    }
    left_len = left_len.max(1) + 3;
    right_len = right_len.max(1) + 3;
    let axes: Vec<Axis> = (0..counts.len())
        .map(|at| axis(counts[at], left[at], right[at], output[at]))
        .collect();
    let depth: usize = counts[split..].iter().product();
    let (last, gates) = (counts[split - 1], operation.gates());
    let mut weights = Vec::new();
    match gates {
        Some((gates, _)) => (0..gates).for_each(|_| {
            let (matrix, bias) = (random.floats(last * last), random.floats(last));
            weights.extend(crate::pack_dense_float(last, &matrix, &bias, false));
        }),
        None if operation == Operation::Dense => {
            let (matrix, bias) = (random.floats(last * depth), random.floats(last));
            weights = crate::pack_dense_float(depth, &matrix, &bias, false);
        }
        None => weights.extend((0..last * 5).flat_map(|_| random.float().to_le_bytes())),
    }
    let start = At {
        left: random.next(3),
        right: random.next(3),
        output: 0,
    };
    Case {
        operation,
        nest: Nest::new(&axes, inner, start),
        left: random.floats(left_len),
        right: random.floats(right_len),
        weights,
        parameters: [random.float(), random.float().abs()],
        len,
    }
}

/// What one path makes of a case, every NaN the same.
fn outcome(path: Run, case: &Case) -> Vec<u32> {
    let from = Operands {
        left: &case.left,
        right: &case.right,
        weights: &case.weights,
        parameters: case.parameters,
    };
    let mut output = vec![7.0; case.len];
    path(case.operation, &case.nest, from, &mut output);
    let bits = |x: &f32| if x.is_nan() { u32::MAX } else { x.to_bits() };
    output.iter().map(bits).collect()
}

proptest! {
    #[test]
    fn every_path_equals_the_definition(seed: u64) {
        for operation in Operation::ALL {
            let case = case(operation, seed);
            let expected = outcome(run, &case);
            for path in Kernels::available() {
                prop_assert_eq!(&outcome(path.tensor, &case), &expected, "{} {:?}", path.name, case);
            }
        }
    }
}

/// A cell over time, gate by gate and unit by unit.
#[test]
fn cells_are_sums_and_functions() {
    let (time, units) = (5, 18);
    for operation in [Operation::Gru, Operation::Lstm] {
        let (gates, states) = operation.gates().unwrap();
        let mut random = Random(7);
        let (left, first) = (
            random.floats(time * gates * units),
            random.floats(states * units),
        );
        let matrix: Vec<f32> = random.floats(gates * units * units);
        let matrix: Vec<f32> = matrix.iter().map(|w| w / 8.0).collect();
        let bias = random.floats(gates * units);
        let panels = matrix
            .chunks(units * units)
            .zip(bias.chunks(units))
            .flat_map(|(matrix, bias)| crate::pack_dense_float(units, matrix, bias, false));
        let axes = [
            axis(time, (gates * units) as isize, 0, (states * units) as isize),
            axis(units, 1, 1, 1),
            axis(states, 0, units as isize, units as isize),
            axis(gates, units as isize, 0, 0),
        ];
        let start = At {
            left: 0,
            right: 0,
            output: 0,
        };
        let from = Operands {
            left: &left,
            right: &first,
            weights: &panels.collect::<Vec<u8>>(),
            parameters: [0.0; 2],
        };
        let mut output = vec![f32::NAN; time * states * units];
        run(operation, &Nest::new(&axes, 2, start), from, &mut output);
        let mut state = first;
        for (x, output) in left
            .chunks(gates * units)
            .zip(output.chunks(states * units))
        {
            let mut next = state.clone();
            for unit in 0..units {
                let sum = |gate: usize| {
                    let row = &matrix[(gate * units + unit) * units..][..units];
                    let products = state.iter().zip(row).map(|(h, w)| h * w);
                    products.fold(bias[gate * units + unit], |sum, product| sum + product)
                };
                let x = |gate: usize| x[gate * units + unit];
                let sigmoid = |gate: usize| of(math::sigmoid, x(gate) + sum(gate));
                if operation == Operation::Gru {
                    let new = of(math::tanh, x(2) + sigmoid(1) * sum(2));
                    next[unit] = new + sigmoid(0) * (state[unit] - new);
                } else {
                    let new = of(math::tanh, x(3) + sum(3));
                    let cell = sigmoid(2) * state[units + unit] + sigmoid(0) * new;
                    next[units + unit] = cell;
                    next[unit] = sigmoid(1) * of(math::tanh, cell);
                }
            }
            assert_eq!(output, next, "{operation:?}");
            state = next;
        }
    }
}
