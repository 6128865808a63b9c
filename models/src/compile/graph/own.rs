//! Models that come quantised: the numbers that a file says its values and weights have, found again in
//! the float plan, in which its QuantizeLinear and DequantizeLinear are steps.

use fieldscore_runtime::plan::{CONSTANT, Model, Step, TensorOperation};

use super::form::Form;
use super::fuse;
use super::quantise::{ByteCodes, DenseLayer};
use crate::compile::lower::Lowered;
use crate::compile::net::Layer;
use crate::compile::quantise::Int8Layer;

/// No value is followed further back.
const FAR: usize = 16;
/// How far a weight may lie from its whole number, in steps: what rounding to f32 leaves.
const NEAR: f32 = 2e-3;

/// A value's codes: it is `(q − zero) · step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Own {
    step: f32,
    zero: u8,
}

/// What a value may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Holds {
    /// Zeros alone, which all codes have.
    Zeros,
    /// Values of codes.
    Codes(Own),
}

/// The f32 of some bytes.
pub(super) fn floats(bytes: &[u8]) -> Vec<f32> {
    let all = bytes.as_chunks().0.iter();
    all.map(|&x| f32::from_le_bytes(x)).collect()
}

/// The codes of what all steps of a layer read, where the file gives it some.
pub(super) fn codes(float: &Lowered, forms: &[(usize, Form)]) -> Option<Own> {
    let model = &float.plan.models[0];
    let mut all = forms
        .iter()
        .map(|(at, _)| of(model, &float.weights, model.steps[*at].input(), FAR));
    let first = all.next()??;
    match first {
        Holds::Codes(own) => all.all(|other| other == Some(first)).then_some(own),
        Holds::Zeros => None,
    }
}

/// What a buffer holds, from all steps that write it.
fn of(model: &Model, weights: &[u8], buffer: u16, far: usize) -> Option<Holds> {
    let far = far.checked_sub(1)?;
    let mut held = None;
    for step in model.steps.iter().filter(|step| step.output() == buffer) {
        let own = match *step {
            Step::TensorDequantise {
                weights: at,
                zero,
                ref nest,
                ..
            } => {
                let width = nest.axes.last().map_or(1, |axis| axis.count as usize);
                let factors = floats(weights.get(at as usize..)?.get(..width * 4)?);
                let first = *factors.first()?;
                let same = factors.iter().all(|factor| *factor == first);
                same.then_some(Holds::Codes(Own { step: first, zero }))?
            }
            Step::Tensor {
                operation: TensorOperation::Copy | TensorOperation::Max,
                left,
                ..
            } => of(model, weights, left, far)?,
            Step::Tensor {
                operation: TensorOperation::Right,
                right: CONSTANT,
                weights: at,
                size,
                ..
            } => {
                let bytes = weights.get(at as usize..)?.get(..size as usize * 4)?;
                let zeros = floats(bytes).iter().all(|x| *x == 0.0);
                zeros.then_some(Holds::Zeros)?
            }
            // Zero has a code of its own.
            Step::Tensor { left, .. } if fuse::relu(step, weights) => {
                of(model, weights, left, far)?
            }
            _ => return None,
        };
        held = match (held, own) {
            (None | Some(Holds::Zeros), own) => Some(own),
            (held, Holds::Zeros) => held,
            (Some(held), own) if held == own => Some(held),
            _ => return None,
        };
    }
    held
}

/// The bytes that a dense step may read as they are: those that its float input was made of.
pub(super) fn bytes(model: &Model, input: u16, form: &Form) -> Option<u16> {
    let len = |at: u16| model.buffers[usize::from(at)].len;
    let mut writers = model.steps.iter().filter(|step| step.output() == input);
    match (writers.next()?, writers.next()) {
        (
            Step::TensorDequantise {
                input: bytes, nest, ..
            },
            None,
        ) => {
            let same = fuse::straight(nest, len(input))
                && fuse::straight(&form.quantise, len(input))
                && len(*bytes) == len(input);
            same.then_some(*bytes)
        }
        _ => None,
    }
}

/// A layer whose weights are whole numbers of a step for each output, or for all of them.
pub(super) fn layer(layer: &Layer, own: Own) -> Option<DenseLayer> {
    let mut weights = Vec::with_capacity(layer.weights.len());
    let mut bias = Vec::with_capacity(layer.outputs);
    let mut scale = Vec::with_capacity(layer.outputs);
    for (row, &b) in layer.weights.chunks_exact(layer.inputs).zip(&layer.bias) {
        let (whole, step) = whole_numbers(row)?;
        let unit = match step {
            Some(step) => step * own.step,
            None => b.abs().max(1.0) / 1_048_576.0,
        };
        let sum: i64 = whole.iter().map(|&w| i64::from(w)).sum();
        let most: i64 = whole.iter().map(|&w| i64::from(w).abs()).sum();
        let exact = (f64::from(b) / f64::from(unit)).round();
        if exact.abs() > f64::from(i32::MAX) {
            return None;
        }
        let added = exact as i64 - i64::from(own.zero) * sum;
        if !(f32::MIN_POSITIVE..1e20).contains(&unit)
            || added.abs() + most * i64::from(u8::MAX) > i64::from(i32::MAX)
        {
            return None;
        }
        weights.extend(whole);
        bias.push(i32::try_from(added).ok()?);
        scale.push(unit);
    }
    Some(DenseLayer {
        layer: layer.clone(),
        int8: Int8Layer {
            inputs: layer.inputs,
            outputs: layer.outputs,
            weights,
            bias,
            scale,
            codes: crate::compile::quantise::Codes {
                low: vec![-f32::from(own.zero) * own.step; layer.inputs],
                step: vec![own.step; layer.inputs],
            },
        },
        codes: ByteCodes {
            constants: vec![(1.0 / own.step, 0.0)],
            zero: own.zero,
            high: u8::MAX,
        },
        own: true,
    })
}

/// A row's weights as whole numbers of one step, where they are some; no step where all are zero.
fn whole_numbers(row: &[f32]) -> Option<(Vec<i8>, Option<f32>)> {
    let most = row.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    if most == 0.0 {
        return Some((vec![0; row.len()], None));
    }
    // The greatest is mostly 127, where steps were chosen for each output.
    (1..=127u8).rev().find_map(|greatest| {
        let step = most / f32::from(greatest);
        let near = |w: &f32| (w / step - (w / step).round()).abs() <= NEAR;
        let whole = || row.iter().map(|w| (w / step).round() as i8).collect();
        row.iter().all(near).then(|| (whole(), Some(step)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_a_step_are_found_again() {
        for greatest in [127i8, 100, 3, -127] {
            let whole: Vec<i8> = vec![greatest, 1, -2, 0, greatest / 2, 3];
            let row: Vec<f32> = whole.iter().map(|&w| f32::from(w) * 0.012_345).collect();
            let Some((found, Some(step))) = whole_numbers(&row) else {
                unreachable!("weights of a step");
            };
            let again = found.iter().map(|&w| f32::from(w) * step);
            assert!(
                again.zip(&row).all(|(a, b)| (a - b).abs() < 1e-6),
                "{greatest}"
            );
        }
        let row: Vec<f32> = (1..12u8).map(|i| f32::from(i).sqrt()).collect();
        assert_eq!(whole_numbers(&row), None);
        assert_eq!(whole_numbers(&[0.0; 3]), Some((vec![0; 3], None)));
    }
}
