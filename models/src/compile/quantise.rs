//! Quantising: f32 layers become int8 with static ranges.
//!
//! - **Inputs** get a scale and an offset each; both are folded into the first layer's weights and
//!   bias, so a feature in millions and one in hundredths keep the same relative precision.
//! - **Activations** of a ReLU get a scale for each unit: the requantisation has one for each output
//!   anyway, and the next layer's weights take it up (a ReLU commutes with positive factors).
//! - **Ranges** are the candidate percentile with the least squared error on calibration rows.
//! - **Weights** get a scale for each output. Each layer is first fitted, by least squares on the
//!   integers that it will really read, to what the float layer made of the same rows; then its
//!   weights are rounded one after another, each rounding's error taken up by those that follow
//!   (Frantar, Alistarh 2022, "Optimal brain compression"; Frantar et al. 2022, "GPTQ", section 3).
//! - **Biases** take up the mean error that is left (Nagel et al. 2019, section 4.2).

use nalgebra::DMatrix;

use crate::compile::net::{Layer, Net, Rows};
use crate::compile::prune;
use crate::error::{Error, Result};

/// The greatest byte of our own activations.
pub const HIGH: f32 = 127.0;

/// Percentiles that are tried as the end of a range.
const PERCENTILES: [f64; 6] = [1.0, 0.9999, 0.9995, 0.999, 0.995, 0.99];

/// Affine codes of a layer's inputs: `x ≈ low[k] + step[k] · q`, q in 0..=127.
#[derive(Debug, Clone, PartialEq)]
pub struct Codes {
    /// What byte 0 stands for.
    pub low: Vec<f32>,
    /// What one byte more adds.
    pub step: Vec<f32>,
}

/// A quantised layer in integers: `acc[n] = bias[n] + Σ_k weights[n][k] · q[k]`,
/// `y[n] = acc[n] · scale[n]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Int8Layer {
    /// How many inputs.
    pub inputs: usize,
    /// How many outputs.
    pub outputs: usize,
    /// `weights[n * inputs + k]`, −127..=127
    pub weights: Vec<i8>,
    /// With the inputs' offsets folded in.
    pub bias: Vec<i32>,
    /// From accumulators to real values.
    pub scale: Vec<f32>,
    /// The integers that it reads.
    pub codes: Codes,
}

impl Codes {
    /// Codes for the columns of `rows`.
    pub fn fit(rows: &Rows) -> Self {
        let (mut low, mut step) = (
            Vec::with_capacity(rows.width),
            Vec::with_capacity(rows.width),
        );
        for k in 0..rows.width {
            let mut column: Vec<f32> = rows.column(k).collect();
            column.sort_by(f32::total_cmp);
            let (l, s) = range(&column);
            low.push(l);
            step.push(s);
        }
        Self { low, step }
    }

    /// The byte of value `x` of input `k`, by the runtime's definition.
    pub fn byte(&self, k: usize, x: f32) -> u8 {
        let (factor, offset) = self.constants(k);
        (x * factor + offset).clamp(0.0, HIGH).round_ties_even() as u8
    }

    /// The runtime's factor and offset for input `k`.
    pub fn constants(&self, k: usize) -> (f32, f32) {
        let factor = 1.0 / self.step[k];
        (factor, -self.low[k] * factor)
    }

    /// The bytes of some rows.
    pub fn bytes(&self, rows: &Rows) -> Vec<u8> {
        rows.iter()
            .flat_map(|row| row.iter().enumerate().map(|(k, &x)| self.byte(k, x)))
            .collect()
    }
}

/// Low end and step of a column, sorted: the candidate with the least squared error.
fn range(sorted: &[f32]) -> (f32, f32) {
    let (Some(&least), Some(&greatest)) = (sorted.first(), sorted.last()) else {
        return (0.0, 1.0);
    };
    // Zero is a code of its own wherever the range touches it: a missing flag, an idle unit.
    let anchor = |x: f32| {
        if x > 0.0 && x < 0.1 * greatest {
            0.0
        } else {
            x
        }
    };
    let mut best = (anchor(least), 1.0, f64::INFINITY);
    for percentile in PERCENTILES {
        let cut = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
        let low = anchor(if least >= 0.0 {
            least
        } else {
            cut(1.0 - percentile)
        });
        let high = cut(percentile);
        let step = (high - low) / HIGH;
        if !(step.is_normal() && step > 0.0) {
            continue;
        }
        let error: f64 = sorted
            .iter()
            .map(|&x| {
                let q = ((x - low) / step).clamp(0.0, HIGH).round_ties_even();
                f64::from(x - (low + q * step)).powi(2)
            })
            .sum();
        if error < best.2 {
            best = (low, step, error);
        }
    }
    // A constant column: any step serves, the value is the offset.
    if best.2.is_infinite() {
        (least, greatest.abs().max(1.0) / HIGH)
    } else {
        (best.0, best.1)
    }
}

/// Quantises one layer that reads `inputs` (as the layers before it really give them) towards
/// `target`, the float layer's sums on the same rows.
///
/// # Errors
/// Where the rows are too degenerate to fit.
pub fn quantise_layer(
    layer: &Layer,
    codes: &Codes,
    bytes: &[u8],
    target: &Rows,
) -> Result<Int8Layer> {
    let width = layer.inputs;
    let read = Rows::new(width, bytes.iter().map(|&b| f32::from(b)).collect());
    // In the units of the bytes: weights take up the steps, the bias takes up the offsets.
    let mut fitted = layer.clone();
    for n in 0..layer.outputs {
        for k in 0..width {
            let weight = layer.weights[n * width + k];
            fitted.weights[n * width + k] = weight * codes.step[k];
            fitted.bias[n] += weight * codes.low[k];
        }
    }
    prune::refit(&mut fitted, &read, target)?;
    let (weights, mut scale) = round_weights(&fitted, &read)?;
    let mut bias = Vec::with_capacity(layer.outputs);
    for n in 0..layer.outputs {
        let row = &weights[n * width..(n + 1) * width];
        // What the mean row still lacks.
        let mut lack = 0.0f64;
        for (x, t) in read.iter().zip(target.iter()) {
            let sum: f64 = x
                .iter()
                .zip(row)
                .map(|(x, w)| f64::from(*x) * f64::from(*w))
                .sum();
            lack += f64::from(t[n]) - sum * f64::from(scale[n]);
        }
        let mut b = lack / read.len() as f64 / f64::from(scale[n]);
        let bound = f64::from(i32::MAX) - 127.0 * 127.0 * width as f64 - 1.0;
        if b.abs() > bound {
            // Only where the output hardly varies beside its bias: a coarser scale holds it.
            let coarser = (b.abs() / bound) as f32 * 2.0;
            scale[n] *= coarser;
            b /= f64::from(coarser);
        }
        bias.push(b.round() as i32);
    }
    Ok(Int8Layer {
        inputs: width,
        outputs: layer.outputs,
        weights,
        bias,
        scale,
        codes: codes.clone(),
    })
}

/// Rounds each output's weights to −127..=127, errors passed on to the weights that follow.
fn round_weights(layer: &Layer, read: &Rows) -> Result<(Vec<i8>, Vec<f32>)> {
    let width = layer.inputs;
    let design = DMatrix::from_fn(read.len(), width, |r, k| {
        f64::from(read.values[r * width + k])
    });
    let mut hessian = design.tr_mul(&design);
    let damp = 0.01 * hessian.trace() / width as f64 + f64::MIN_POSITIVE;
    for k in 0..width {
        hessian[(k, k)] += damp;
    }
    let degenerate = || {
        Error::check(
            "quantising",
            "calibration rows on which the layers' activations are finite",
        )
    };
    let inverse = hessian.clone().cholesky().ok_or_else(degenerate)?.inverse();
    let upper = inverse.cholesky().ok_or_else(degenerate)?.l().transpose();
    let mut all = vec![0i8; layer.weights.len()];
    let mut scales = vec![1.0f32; layer.outputs];
    for n in 0..layer.outputs {
        let row = &layer.weights[n * width..(n + 1) * width];
        let greatest = row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
        if greatest == 0.0 {
            continue;
        }
        let mut best = f64::INFINITY;
        // A scale below the greatest weight's own lets the others be finer.
        for shrink in [1.0f32, 0.98, 0.95, 0.92, 0.88, 0.84, 0.8] {
            let scale = greatest * shrink / 127.0;
            if !scale.is_normal() {
                continue;
            }
            let rounded = round_row(row, scale, &upper);
            let lost = DMatrix::from_fn(width, 1, |k, _| {
                f64::from(row[k]) - f64::from(rounded[k]) * f64::from(scale)
            });
            let error = (lost.transpose() * &hessian * &lost)[(0, 0)];
            if error < best {
                best = error;
                all[n * width..(n + 1) * width].copy_from_slice(&rounded);
                scales[n] = scale;
            }
        }
    }
    Ok((all, scales))
}

fn round_row(row: &[f32], scale: f32, upper: &DMatrix<f64>) -> Vec<i8> {
    let mut left: Vec<f64> = row.iter().map(|&w| f64::from(w)).collect();
    let mut rounded = Vec::with_capacity(row.len());
    for k in 0..row.len() {
        let q = (left[k] / f64::from(scale)).round().clamp(-127.0, 127.0);
        rounded.push(q as i8);
        let error = (left[k] - q * f64::from(scale)) / upper[(k, k)];
        for j in k + 1..row.len() {
            left[j] -= error * upper[(k, j)];
        }
    }
    rounded
}

/// What a quantised layer makes of bytes, by the runtime's definition: accumulator times scale.
pub fn forward(layer: &Int8Layer, bytes: &[u8], relu: bool) -> Rows {
    let mut values = Vec::new();
    for row in bytes.chunks_exact(layer.inputs) {
        for n in 0..layer.outputs {
            let weights = &layer.weights[n * layer.inputs..(n + 1) * layer.inputs];
            let dot: i32 = row
                .iter()
                .zip(weights)
                .map(|(&x, &w)| i32::from(x) * i32::from(w))
                .sum();
            let y = (layer.bias[n] + dot) as f32 * layer.scale[n];
            values.push(if relu && y < 0.0 { 0.0 } else { y });
        }
    }
    Rows::new(layer.outputs, values)
}

/// The sums of a float layer before its activation.
pub fn sums(net: &Net, activations: &[Rows], rows: &Rows, at: usize) -> Rows {
    let linear = Layer {
        relu: false,
        ..net.layers[at].clone()
    };
    linear.forward(if at == 0 { rows } else { &activations[at - 1] })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn features_of_any_magnitude_keep_their_precision() {
        let rows: Vec<f32> = (0..200)
            .flat_map(|i| [i as f32 * 1e6, i as f32 * 1e-4, 5.0])
            .collect();
        let rows = Rows::new(3, rows);
        let codes = Codes::fit(&rows);
        for row in rows.iter() {
            for (k, &x) in row.iter().enumerate() {
                let back = codes.low[k] + codes.step[k] * f32::from(codes.byte(k, x));
                assert!(
                    (back - x).abs() <= codes.step[k] * 0.51,
                    "input {k}: {x} became {back}"
                );
            }
        }
    }

    #[test]
    fn an_indicator_is_exact() {
        let codes = Codes::fit(&Rows::new(1, [vec![0.0; 95], vec![1.0; 5]].concat()));
        assert_eq!((codes.byte(0, 0.0), codes.byte(0, 1.0)), (0, 127));
        assert_eq!(codes.low[0] + 127.0 * codes.step[0], 1.0);
    }

    #[test]
    fn a_rare_indicator_keeps_its_one() {
        let codes = Codes::fit(&Rows::new(1, [vec![0.0; 999], vec![1.0]].concat()));
        assert_eq!(codes.byte(0, 1.0), 127);
    }
}
