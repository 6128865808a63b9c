//! Pruning: whole hidden units go, the next layer makes up for them by least squares on
//! calibration rows.
//!
//! One unit at a time, the one whose best replacement by the others costs least: with A the
//! activations of the units that are left (and a constant 1) and W the next layer's weights, the
//! least squared error that removing unit j adds to A·W is Σ_o g_o W_jo² / (H⁻¹)_jj with H = AᵀA,
//! and the correction is the surgeon's update (Hassibi, Stork, Wolff 1993, "Optimal brain surgeon
//! and general network pruning"). g_o weighs the next layer's outputs by their own weights onward.

use nalgebra::DMatrix;

use crate::compile::net::{Layer, Net, Rows};
use crate::error::{Error, Result};

/// Ridge on H, relative to its mean diagonal: keeps the inverse sound where units repeat others.
const RIDGE: f64 = 1e-6;

/// Hidden widths that are left when `share` of the units goes: kept to multiples of 16, the
/// kernels' block, where the layer has that many.
pub fn target_width(width: usize, share: f64) -> usize {
    let left = (width as f64 * (1.0 - share)).floor().max(1.0) as usize;
    if left >= 16 { left / 16 * 16 } else { left }
}

/// Removes `share` of every hidden layer's units.
///
/// # Errors
/// Where the activations are so degenerate that no least-squares solution exists.
pub fn prune(net: &Net, rows: &Rows, share: f64) -> Result<Net> {
    let original = net.activations(rows);
    let mut pruned = net.clone();
    if share <= 0.0 {
        return Ok(pruned);
    }
    // From the output backwards, so that a layer's targets are units that stay.
    let mut kept: Vec<Vec<usize>> = net
        .layers
        .iter()
        .map(|l| (0..l.outputs).collect())
        .collect();
    for hidden in (0..net.layers.len() - 1).rev() {
        let target = target_width(net.layers[hidden].outputs, share);
        let importance = importance(&pruned, hidden + 1);
        kept[hidden] = choose(
            &original[hidden],
            &pruned.layers[hidden + 1],
            target,
            &importance,
        )?;
        keep_units(&mut pruned, hidden, &kept[hidden]);
    }
    // Forwards: each layer is fitted to what the original made of the same rows.
    let mut inputs = rows.clone();
    for (at, kept) in kept.iter().enumerate() {
        if at > 0 {
            let target = before_activation(net, &original, rows, at, kept);
            refit(&mut pruned.layers[at], &inputs, &target)?;
        }
        inputs = pruned.layers[at].forward(&inputs);
    }
    Ok(pruned)
}

/// How much each output of layer `at` weighs: the square of its weights onward.
fn importance(net: &Net, at: usize) -> Vec<f64> {
    match net.layers.get(at + 1) {
        None => vec![1.0; net.layers[at].outputs],
        Some(next) => (0..next.inputs)
            .map(|k| {
                (0..next.outputs)
                    .map(|n| f64::from(next.weights[n * next.inputs + k]).powi(2))
                    .sum()
            })
            .collect(),
    }
}

/// The units that stay, rising.
fn choose(
    activations: &Rows,
    next: &Layer,
    target: usize,
    importance: &[f64],
) -> Result<Vec<usize>> {
    let units = activations.width;
    let mut inverse = gram_inverse(activations)?;
    let mut weights = DMatrix::from_fn(units + 1, next.outputs, |k, n| {
        if k < units {
            f64::from(next.weights[n * units + k])
        } else {
            f64::from(next.bias[n])
        }
    });
    let mut left: Vec<usize> = (0..units).collect();
    while left.len() > target {
        let cost = |&j: &usize| -> f64 {
            let effect: f64 = (0..next.outputs)
                .map(|o| importance[o] * weights[(j, o)].powi(2))
                .sum();
            effect / inverse[(j, j)]
        };
        let Some(j) = left
            .iter()
            .copied()
            .min_by(|a, b| cost(a).total_cmp(&cost(b)))
        else {
            break;
        };
        let column = inverse.column(j).clone_owned();
        let diagonal = column[j];
        for o in 0..next.outputs {
            let step = weights[(j, o)] / diagonal;
            for k in 0..=units {
                weights[(k, o)] -= step * column[k];
            }
        }
        inverse -= &column * column.transpose() / diagonal;
        left.retain(|&unit| unit != j);
    }
    Ok(left)
}

/// (AᵀA + ridge)⁻¹ with a constant 1 as the last column of A.
fn gram_inverse(activations: &Rows) -> Result<DMatrix<f64>> {
    let mut gram = gram(activations);
    add_ridge(&mut gram);
    gram.cholesky().map(|c| c.inverse()).ok_or_else(degenerate)
}

fn degenerate() -> Error {
    Error::check(
        "pruning",
        "calibration rows on which the layers' activations are finite",
    )
    .hint("lower compile.prune, or give more calibration_rows")
}

fn gram(rows: &Rows) -> DMatrix<f64> {
    let width = rows.width;
    let design = DMatrix::from_fn(rows.len(), width + 1, |r, k| {
        if k < width {
            f64::from(rows.values[r * width + k])
        } else {
            1.0
        }
    });
    design.tr_mul(&design)
}

fn add_ridge(gram: &mut DMatrix<f64>) {
    let ridge = RIDGE * (gram.trace() / gram.nrows() as f64).max(f64::MIN_POSITIVE);
    for i in 0..gram.nrows() {
        gram[(i, i)] += ridge;
    }
}

/// Drops the other units of layer `at`, and what the next layer reads of them.
fn keep_units(net: &mut Net, at: usize, kept: &[usize]) {
    let layer = &mut net.layers[at];
    let inputs = layer.inputs;
    layer.weights = kept
        .iter()
        .flat_map(|&n| layer.weights[n * inputs..(n + 1) * inputs].to_vec())
        .collect();
    layer.bias = kept.iter().map(|&n| layer.bias[n]).collect();
    layer.outputs = kept.len();
    let next = &mut net.layers[at + 1];
    let width = next.inputs;
    next.weights = (0..next.outputs)
        .flat_map(|n| kept.iter().map(move |&k| (n, k)))
        .map(|(n, k)| next.weights[n * width + k])
        .collect();
    next.inputs = kept.len();
}

/// The original layer's sums before its activation, for the units that stay.
fn before_activation(
    net: &Net,
    activations: &[Rows],
    rows: &Rows,
    at: usize,
    kept: &[usize],
) -> Rows {
    let linear = Layer {
        relu: false,
        ..net.layers[at].clone()
    };
    let all = linear.forward(if at == 0 { rows } else { &activations[at - 1] });
    let values = all
        .iter()
        .flat_map(|row| kept.iter().map(|&n| row[n]).collect::<Vec<_>>())
        .collect();
    Rows::new(kept.len(), values)
}

/// Fits a layer's weights and biases to `target` by least squares, drawn towards what they were.
pub(super) fn refit(layer: &mut Layer, inputs: &Rows, target: &Rows) -> Result<()> {
    let width = layer.inputs;
    let mut normal = gram(inputs);
    add_ridge(&mut normal);
    // The ridge pulls towards the weights as they are: solve for the correction.
    let mut right = DMatrix::<f64>::zeros(width + 1, layer.outputs);
    for (x, t) in inputs.iter().zip(target.iter()) {
        for (n, &t) in t.iter().enumerate() {
            let weights = &layer.weights[n * width..(n + 1) * width];
            let now: f64 = x
                .iter()
                .zip(weights)
                .map(|(x, w)| f64::from(*x) * f64::from(*w))
                .sum();
            let left = f64::from(t) - now - f64::from(layer.bias[n]);
            for (k, &x) in x.iter().enumerate() {
                right[(k, n)] += f64::from(x) * left;
            }
            right[(width, n)] += left;
        }
    }
    let correction = normal.cholesky().ok_or_else(degenerate)?.solve(&right);
    for n in 0..layer.outputs {
        for k in 0..width {
            layer.weights[n * width + k] += correction[(k, n)] as f32;
        }
        layer.bias[n] += correction[(width, n)] as f32;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rand::{Rng, SeedableRng};

    fn random_rows(rows: usize, width: usize, seed: u64) -> Rows {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let unit = |x: u32| f64::from(x) / f64::from(u32::MAX);
        Rows::new(
            width,
            (0..rows * width)
                .map(|_| unit(random.next_u32()) as f32)
                .collect(),
        )
    }

    fn layer(inputs: usize, outputs: usize, relu: bool, seed: u64) -> Layer {
        let weights = random_rows(outputs, inputs, seed)
            .values
            .iter()
            .map(|x| x - 0.5)
            .collect();
        Layer {
            name: format!("l{seed}"),
            inputs,
            outputs,
            weights,
            bias: vec![0.1; outputs],
            relu,
        }
    }

    #[test]
    fn copies_of_units_cost_nothing() {
        // 32 units, every second one the same as the one before: half can go without a trace.
        let mut first = layer(6, 32, true, 1);
        for n in (1..32).step_by(2) {
            let row = first.weights[(n - 1) * 6..n * 6].to_vec();
            first.weights[n * 6..(n + 1) * 6].copy_from_slice(&row);
        }
        let net = Net {
            layers: vec![first, layer(32, 1, false, 2)],
        };
        let rows = random_rows(400, 6, 3);
        let pruned = prune(&net, &rows, 0.5).unwrap();
        assert_eq!(pruned.widths(), [6, 16, 1]);
        for (a, b) in net
            .forward(&rows)
            .values
            .iter()
            .zip(&pruned.forward(&rows).values)
        {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }

    #[test]
    fn widths_stay_multiples_of_the_block() {
        assert_eq!(
            [
                target_width(64, 0.5),
                target_width(100, 0.5),
                target_width(20, 0.5)
            ],
            [32, 48, 10]
        );
    }
}
