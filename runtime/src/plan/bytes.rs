//! Tensor steps in int8: their validation, and how they run.

#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::kernels::arch::gather::Taps;
use crate::kernels::tensor::{self, bytes};
use crate::kernels::{DEPTH, Kernels, LANES, Requantise, Shape, panel_bytes};
use crate::plan::program::{Axis, Buffer, ElementType, Model, Nest, Step};
use crate::plan::tensor::{MAX_CONSTANTS, axes, covers, fault, holds, points, prepared};
use crate::plan::trees::{Found, Table};
use crate::plan::validate::{Spent, Written, all_finite, check_panels};

/// Runs of bytes of a sum, how long they are, and how long when they are padded.
fn runs(nest: &Nest) -> (u64, u64, u64) {
    let inner = &nest.axes[tensor::AXES.saturating_sub(usize::from(nest.inner))..];
    let (run, axes) = inner
        .split_last()
        .map_or((1, inner), |(last, axes)| (last.count, axes));
    let runs = axes.iter().map(|axis| u64::from(axis.count)).product();
    let run = u64::from(run);
    (runs, run, run.next_multiple_of(DEPTH as u64))
}

/// The outer axes of a nest whose inner ones are at most five.
fn outer(nest: &Nest) -> &[Axis] {
    &nest.axes[..tensor::AXES - usize::from(nest.inner)]
}

/// How many of the last outer axis there are.
fn width(nest: &Nest) -> u64 {
    outer(nest).last().map_or(1, |axis| u64::from(axis.count))
}

/// A slice of WGTS.
fn slice(weights: &[u8], at: u64, len: u64) -> Option<&[u8]> {
    let end = usize::try_from(at.checked_add(len)?).ok()?;
    weights.get(usize::try_from(at).ok()?..end)
}

/// Checks one step: what it costs.
pub(super) fn check(
    step: &Step,
    written: &mut Written<'_>,
    constants: &mut usize,
    spent: &mut Spent,
    weights: &[u8],
) -> Result<Found> {
    let found = |bytes: u64, cost| Found {
        table: Table::None,
        bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        cost,
    };
    match *step {
        Step::TensorQuantise {
            input,
            output,
            weights: at,
            ref nest,
            ..
        }
        | Step::TensorDequantise {
            input,
            output,
            weights: at,
            ref nest,
            ..
        } => {
            let (types, floats, high) = match *step {
                Step::TensorQuantise { zero, high, .. } => {
                    if !(high == 127 || high == 255) || zero > high {
                        return fault("an output range of 127 or 255 that holds its zero point");
                    }
                    ([ElementType::F32, ElementType::Bytes], 2, high)
                }
                _ => ([ElementType::Bytes, ElementType::F32], 1, 0),
            };
            let from = written.read(input, types[0])?;
            let to = written.buffer(output)?;
            let points = points(nest)?;
            if nest.inner != 0 || !reaches(nest, from, to) {
                return fault("no inner axes, and operands that hold every place");
            }
            spent.on(width(nest) * floats, points)?;
            let len = width(nest) * 4 * floats;
            if !slice(weights, at, len).is_some_and(all_finite) {
                return fault("finite factors and offsets inside section WGTS");
            }
            written.write_part(
                &[(input, types[0])],
                (output, types[1]),
                (covers(&nest.axes, to.len)?, high),
            )?;
            Ok(found(len, points))
        }
        Step::TensorDense {
            input,
            output,
            weights: at,
            input_high,
            relu,
            zero,
            low,
            high,
            ref nest,
        } => {
            let from = written.read(input, ElementType::Bytes)?;
            let to = written.buffer(output)?;
            let points = points(nest)?;
            check_dense(nest, from, to)?;
            if written.high(input) > input_high {
                return fault("an input range that holds what the steps before write");
            }
            let as_bytes = to.element == ElementType::Bytes;
            let sound = if as_bytes {
                !relu && low <= high && (low..=high).contains(&zero)
            } else {
                (zero, low, high) == (0, 0, 0)
            };
            if !sound {
                return fault("an output range that holds its zero point");
            }
            let (taps, run, whole) = runs(nest);
            let width = width(nest);
            let positions = points / (taps * run * width);
            let lanes = width.next_multiple_of(LANES as u64);
            // Before a weight is looked at.
            let panels = taps * whole * lanes;
            spent.on(panels, panels.saturating_mul(positions))?;
            *constants += taps as usize;
            if *constants > MAX_CONSTANTS {
                return fault(&format!("at most {MAX_CONSTANTS} constants and taps"));
            }
            let depth = (taps * whole) as usize;
            let len = lanes / LANES as u64 * panel_bytes(depth) as u64;
            let Some(panels) = slice(weights, at, len) else {
                return fault("weights inside section WGTS");
            };
            check_panels(panels, depth, input_high)?;
            check_padding(panels, depth, run as usize, whole as usize)?;
            written.write_part(
                &[(input, ElementType::Bytes)],
                (
                    output,
                    if as_bytes {
                        ElementType::Bytes
                    } else {
                        ElementType::F32
                    },
                ),
                (covers(outer(nest), to.len)?, high),
            )?;
            Ok(found(len, points))
        }
        _ => fault("a tensor step"),
    }
}

/// Whether input and output hold every place of a nest.
fn reaches(nest: &Nest, from: &Buffer, to: &Buffer) -> bool {
    holds(nest, 0, from.len) && holds(nest, 2, to.len)
}

/// The axes of a dense step.
fn check_dense(nest: &Nest, from: &Buffer, to: &Buffer) -> Result<()> {
    if !(1..tensor::AXES).contains(&usize::from(nest.inner)) || !reaches(nest, from, to) {
        return fault("inner axes and an outer one, and operands that hold every place");
    }
    let (outer, inner) = nest.axes.split_at(tensor::AXES - usize::from(nest.inner));
    let rising = inner.iter().all(|axis| axis.left >= 0 && axis.output == 0);
    let run = inner
        .last()
        .is_some_and(|axis| axis.left == 1 || axis.count == 1);
    let shared = outer
        .last()
        .is_some_and(|axis| axis.left == 0 || axis.count == 1);
    if !(rising && run && shared) {
        return fault("one result for all of the inner axes, the last of neighbouring bytes");
    }
    Ok(())
}

/// That what runs are padded with has no weight: its bytes may be anything.
fn check_padding(panels: &[u8], depth: usize, run: usize, whole: usize) -> Result<()> {
    if run == whole {
        return Ok(());
    }
    for panel in panels.chunks_exact(panel_bytes(depth)) {
        let weights = &panel[LANES * 4..][..depth * LANES];
        let lasts = weights
            .chunks_exact(whole * LANES)
            .map(|run| &run[run.len() - DEPTH * LANES..]);
        let mut lanes = lasts.flat_map(|last| last.chunks_exact(DEPTH));
        if lanes.any(|lane| lane[DEPTH - (whole - run)..].iter().any(|&w| w != 0)) {
            return fault("zero weights in the padding");
        }
    }
    Ok(())
}

/// A step, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Call {
    nest: tensor::Nest,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Quantise(Requantise),
    /// With the byte that stands for 0.0.
    Dequantise(u8),
    ToF32(Sums, bool),
    ToU8(Sums, Requantise),
}

#[derive(Debug, Clone)]
struct Sums {
    taps: Taps,
    wide: bool,
}

impl Sums {
    fn over<'a>(&'a self, nest: &'a tensor::Nest, panels: &'a [u8]) -> bytes::Dense<'a> {
        bytes::Dense {
            nest,
            taps: &self.taps,
            panels,
            wide: self.wide,
        }
    }
}

impl Call {
    /// Buffers are where validation has found them.
    pub fn new(step: &Step, model: &Model) -> Option<Self> {
        let (nest, kind) = match *step {
            Step::TensorQuantise {
                zero,
                high,
                ref nest,
                ..
            } => {
                let to = Requantise { zero, low: 0, high };
                (nest, Kind::Quantise(to))
            }
            Step::TensorDequantise { zero, ref nest, .. } => (nest, Kind::Dequantise(zero)),
            Step::TensorDense {
                output,
                input_high,
                relu,
                zero,
                low,
                high,
                ref nest,
                ..
            } => {
                let inner = tensor::AXES - usize::from(nest.inner);
                let sums = Sums {
                    taps: Taps::new(&axes(nest)[inner..]),
                    wide: input_high == 255,
                };
                let kind = match model.buffers[usize::from(output)].element {
                    ElementType::F32 => Kind::ToF32(sums, relu),
                    _ => Kind::ToU8(sums, Requantise { zero, low, high }),
                };
                (nest, kind)
            }
            _ => return None,
        };
        Some(Self {
            nest: prepared(nest),
            kind,
        })
    }

    /// Runs the shape's rows on the step's own weights.
    pub fn run(
        &self,
        kernels: &Kernels,
        shape: Shape,
        weights: &[u8],
        input: &[u8],
        output: &mut [u8],
    ) {
        let nest = &self.nest;
        for row in 0..shape.rows {
            let (from, to) = (row * shape.input_stride, row * shape.output_stride);
            match &self.kind {
                Kind::Quantise(range) => {
                    let input = &bytemuck::cast_slice(input)[from..];
                    bytes::quantise(kernels, nest, weights, *range, input, &mut output[to..]);
                }
                Kind::Dequantise(zero) => {
                    let output = &mut bytemuck::cast_slice_mut(output)[to..];
                    bytes::dequantise(nest, weights, *zero, &input[from..], output);
                }
                Kind::ToU8(sums, range) => {
                    sums.over(nest, weights).to_u8(
                        kernels,
                        *range,
                        &input[from..],
                        &mut output[to..],
                    );
                }
                Kind::ToF32(sums, relu) => {
                    let output = &mut bytemuck::cast_slice_mut(output)[to..];
                    sums.over(nest, weights)
                        .to_f32(kernels, *relu, &input[from..], output);
                }
            }
        }
    }
}
