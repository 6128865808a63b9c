//! Tensor steps: their validation, and how they run.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::kernels::LANES;
use crate::kernels::tensor::{self, At, Operands, Operation};
use crate::plan::arena::{Arena, Place};
use crate::plan::program::{Buffer, CONSTANT, Model, Nest, Step};
use crate::plan::validate::{MAX_MULTIPLY_ADDS, all_finite};

/// No model has more elements in constant operands, which an opening copies.
pub const MAX_CONSTANTS: usize = 1 << 18;

/// A step's operation, for the kernels.
const fn operation(step: &Step) -> Option<Operation> {
    match step {
        Step::Tensor { operation, .. } => Some(Operation::ALL[*operation as usize]),
        _ => None,
    }
}

/// What validation learned of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    /// Multiply-adds of one row.
    pub multiply_adds: u64,
    /// The same as they count against [`MAX_MULTIPLY_ADDS`].
    pub padded: u64,
    /// Elements that an opening copies.
    pub constants: usize,
    /// Whether every element of the output is written.
    pub covers: bool,
}

pub(super) fn fault<T>(what: &str) -> Result<T> {
    Err(Error::malformed("section PLAN", what.to_owned()))
}

/// Whether `len` elements hold all that an operand reaches.
pub(super) fn holds(nest: &Nest, operand: usize, len: u32) -> bool {
    let (low, high) = nest.reach(operand);
    low >= 0 && high < i64::from(len)
}

/// Whether the places of an output that holds them are, in some order, those of a whole buffer.
///
/// # Errors
/// Where one is written twice, as paths differ in what comes last: each axis has to go on behind those of
/// smaller steps.
pub(super) fn covers(axes: &[crate::plan::Axis], len: u32) -> Result<bool> {
    let mut axes: Vec<_> = axes.iter().filter(|axis| axis.count > 1).collect();
    axes.sort_by_key(|axis| axis.output.unsigned_abs());
    let (mut end, mut next) = (1u64, 1u64);
    let mut once = true;
    for axis in axes {
        let (count, stride) = (u64::from(axis.count), u64::from(axis.output.unsigned_abs()));
        once &= stride >= end;
        end = end.saturating_add((count - 1).saturating_mul(stride));
        next = next.saturating_mul(count);
    }
    if !once {
        return fault("an output whose places are written once");
    }
    // As many places as there are, none of them twice, and none outside: all of them.
    Ok(next == u64::from(len))
}

/// How many places a nest has.
pub(super) fn points(nest: &Nest) -> Result<u64> {
    let points = nest.axes.iter().try_fold(1u64, |points, axis| {
        let points = points.checked_mul(u64::from(axis.count))?;
        (1..=MAX_MULTIPLY_ADDS).contains(&points).then_some(points)
    });
    match points {
        Some(points) => Ok(points),
        None => fault("axes of at least one element, and at most 2^30 places"),
    }
}

/// What does not depend on weights: sizes, strides, cost. Nothing that follows can overflow.
pub(super) fn check_shape(
    step: &Step,
    left: &Buffer,
    right: &Buffer,
    output: &Buffer,
) -> Result<Checked> {
    let (
        Step::Tensor {
            right: other,
            left: own,
            size,
            nest,
            ..
        },
        Some(operation),
    ) = (step, operation(step))
    else {
        return fault("a tensor step");
    };
    let inner = usize::from(nest.inner);
    let allowed = operation.folds() || operation.norms();
    if inner >= tensor::AXES || (inner > 0) != allowed {
        return fault("inner axes where the operation has some, and an outer one");
    }
    let points = points(nest)?;
    let (outer, inner) = nest.axes.split_at(tensor::AXES - inner);
    if let Some((gates, states)) = operation.gates() {
        let earlier = outer.iter().rev().skip(2).any(|axis| axis.count != 1);
        let counts = |axis: &crate::plan::Axis| axis.count as usize;
        if earlier || *other == CONSTANT || !inner.iter().map(counts).eq([states, gates]) {
            return fault("time, units, states and gates of a recurrent cell");
        }
    }
    let written = match (operation.gates(), inner) {
        (None, _) if operation.folds() => outer,
        // Gates write nothing.
        (Some(_), [_, gates]) if gates.output == 0 => &nest.axes[..tensor::AXES - 1],
        (Some(_), _) => return fault("one result for all gates"),
        _ => &nest.axes,
    };
    let covers = covers(written, output.len)?;
    if operation.folds() && inner.iter().any(|axis| axis.output != 0) {
        return fault("one result for all of the inner axes");
    }
    let constant = *other == CONSTANT;
    let right_len = if constant { *size } else { right.len };
    let two = operation.is_binary();
    let table = operation == Operation::Gather;
    if (!two && other != own) || (!(constant || table) && *size != 0) {
        return fault("a right operand and a size where the operation has them");
    }
    if !holds(nest, 0, left.len) || (two && !holds(nest, 1, right_len)) {
        return fault("operands that hold every place");
    }
    if !holds(nest, 2, output.len) {
        return fault("an output that holds every place");
    }
    let last = outer.last().map_or(1, |axis| u64::from(axis.count));
    let padded = match operation {
        Operation::Dense | Operation::Product => {
            points / last * last.next_multiple_of(LANES as u64)
        }
        // Each unit of each gate reads all units of the state, and counts as several for its functions.
        Operation::Gru | Operation::Lstm => {
            let each = last.next_multiple_of(LANES as u64).saturating_add(64);
            (points / last).saturating_mul(each).saturating_mul(each)
        }
        // What opening reads of it.
        Operation::Gather => points.saturating_add(u64::from(*size) * last),
        // Some functions take as long as so many multiply-adds.
        _ => points.saturating_mul(16),
    };
    Ok(Checked {
        multiply_adds: match operation.gates() {
            Some((_, states)) => (points / states as u64).saturating_mul(last),
            None => points,
        },
        padded,
        constants: if constant { *size as usize } else { 0 },
        covers,
    })
}

/// How many bytes of WGTS a step reads; below 2^61.
pub(super) fn weight_bytes(step: &Step) -> u64 {
    let (
        Step::Tensor {
            right, size, nest, ..
        },
        Some(operation),
    ) = (step, operation(step))
    else {
        return 0;
    };
    let (outer, inner) = nest.axes.split_at(tensor::AXES - usize::from(nest.inner));
    let last = outer.last().map_or(1, |axis| u64::from(axis.count));
    let depth = inner
        .iter()
        .map(|axis| u64::from(axis.count))
        .product::<u64>();
    match operation {
        Operation::Dense => last.next_multiple_of(LANES as u64) * (1 + depth) * 4,
        Operation::Gather => u64::from(*size) * last * 4,
        Operation::Gru | Operation::Lstm => {
            let gates = inner.last().map_or(1, |axis| u64::from(axis.count));
            last.next_multiple_of(LANES as u64) * gates * (1 + last) * 4
        }
        _ if *right == CONSTANT => u64::from(*size) * 4,
        _ if operation.has_parameters() => 8,
        _ => 0,
    }
}

/// Where a step's weights lie, and they.
fn weights_of<'w>(step: &Step, weights: &'w [u8]) -> Option<(Range<usize>, &'w [u8])> {
    let Step::Tensor { weights: at, .. } = step else {
        return None;
    };
    let end = at.checked_add(weight_bytes(step))?;
    let range = usize::try_from(*at).ok()?..usize::try_from(end).ok()?;
    Some((range.clone(), weights.get(range)?))
}

/// That all weights are there and finite.
pub(super) fn check_weights(step: &Step, weights: &[u8]) -> Result<()> {
    let Some((range, bytes)) = weights_of(step, weights) else {
        return fault("weights inside section WGTS");
    };
    if operation(step) == Some(Operation::Gather) && range.is_empty() {
        return fault("a table with a row");
    }
    if !all_finite(bytes) {
        return fault("finite weights");
    }
    Ok(())
}

/// The axes of a nest, for the kernels.
pub(super) fn axes(nest: &Nest) -> [tensor::Axis; tensor::AXES] {
    nest.axes.map(|axis| tensor::Axis {
        count: axis.count as usize,
        left: axis.left as isize,
        right: axis.right as isize,
        output: axis.output as isize,
    })
}

/// A nest, for the kernels.
pub(super) fn prepared(nest: &Nest) -> tensor::Nest {
    let start = At {
        left: nest.start[0] as usize,
        right: nest.start[1] as usize,
        output: nest.start[2] as usize,
    };
    tensor::Nest::new(&axes(nest), usize::from(nest.inner), start)
}

/// A tensor step, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Call {
    operation: Operation,
    nest: tensor::Nest,
    /// A right operand from WGTS; empty where it is a buffer.
    constant: Vec<f32>,
    parameters: [f32; 2],
    places: [Place; 3],
    strides: [usize; 3],
}

impl Call {
    /// Buffers and weights are where validation has found them.
    pub fn new(step: &Step, model: &Model, weights: &[u8]) -> Option<Self> {
        let Step::Tensor {
            left,
            right,
            output,
            nest,
            ..
        } = *step
        else {
            return None;
        };
        let operation = operation(step)?;
        let (_, bytes) = weights_of(step, weights)?;
        let floats = bytes
            .as_chunks()
            .0
            .iter()
            .map(|&float| f32::from_le_bytes(float));
        let mut call = Self {
            operation,
            nest: prepared(&nest),
            constant: Vec::new(),
            parameters: [0.0; 2],
            places: [left, if right == CONSTANT { left } else { right }, output]
                .map(|at| Place::of(&model.buffers[usize::from(at)])),
            strides: [left, if right == CONSTANT { left } else { right }, output]
                .map(|at| model.buffers[usize::from(at)].stride()),
        };
        if right == CONSTANT {
            call.constant = floats.collect();
        } else if operation.has_parameters() {
            call.parameters
                .iter_mut()
                .zip(floats)
                .for_each(|(to, from)| *to = from);
        }
        Some(call)
    }

    /// Runs the first `rows` rows on the step's own weights.
    pub fn run(&self, kernel: tensor::Run, weights: &[u8], rows: usize, arena: &mut Arena) {
        let [left, right, output] = &self.places;
        let (left, right, output) = arena.three(left, right, output);
        for row in 0..rows {
            let [l, r, o] = self.strides.map(|stride| row * stride);
            let from = Operands {
                left: &left[l..],
                right: if self.constant.is_empty() {
                    &right[r..]
                } else {
                    &self.constant
                },
                weights,
                parameters: self.parameters,
            };
            kernel(self.operation, &self.nest, from, &mut output[o..]);
        }
    }
}
