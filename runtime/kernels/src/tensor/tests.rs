#![allow(clippy::unwrap_used)]
use super::*;

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
        near(math::exp(x), libm::exp(wide), x);
        near(math::sigmoid(x), sigmoid, x);
        near(math::tanh(x), libm::tanh(wide), x);
        near(math::erf(x), libm::erf(wide), x);
        near(math::gelu(x), wide * phi, x);
        near(math::softplus(x), libm::log1p(libm::exp(wide)), x);
        near(math::exp_less_one(x), libm::expm1(wide), x);
    }
}

#[test]
fn ends_and_nan() {
    assert_eq!(math::exp(f32::NEG_INFINITY), 0.0);
    assert!(math::exp(f32::INFINITY).is_finite());
    assert_eq!(math::sigmoid(f32::INFINITY), 1.0);
    assert_eq!(math::tanh(-200.0), -1.0);
    for of in [
        math::exp,
        math::sigmoid,
        math::tanh,
        math::erf,
        math::gelu,
        math::gelu_tanh,
        math::softplus,
        math::exp_less_one,
    ] {
        assert!(of(f32::NAN).is_nan());
    }
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
