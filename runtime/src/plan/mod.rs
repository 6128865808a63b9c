//! The program: what steps there are, their validation, and the loop that walks them.
#![forbid(unsafe_code)]

mod arena;
#[cfg(feature = "tensors")]
mod bytes;
pub mod ensemble;
mod operation;
mod partial;
mod program;
mod stages;
#[cfg(feature = "tensors")]
mod tensor;
mod trees;
mod validate;

pub use arena::Arena;
use arena::Place;
pub use operation::TensorOperation;
pub(crate) use partial::{JoinedRows, Masks, PartialRows, Partials};
pub use program::{
    Axis, Buffer, CONSTANT, ElementType, Model, Nest, PLAN_VERSION, Plan, Port, Step,
};
pub(crate) use stages::{MAX_LINES, STAGED, masks};
pub use trees::{MAX_CATEGORIES, MAX_SLOTS, MAX_SPLITS, MAX_THRESHOLDS, MAX_TREES};
pub use validate::{MAX_ARENA_BYTES, MAX_CHECKED, MAX_MODELS, MAX_MULTIPLY_ADDS, MAX_STEPS};

use crate::bundle::cbor;
use crate::error::{Error, Result};
use crate::kernels::arch::{fp_state::DefaultFpState, scalar};
use crate::kernels::{Kernels, LANES, Requantise, Shape, panel_bytes};
use std::ops::Range;
use trees::{Found, Table};
use validate::Cost;

/// How many rows one walk over the steps serves at most.
pub const MAX_ROWS: usize = 64;
/// Nor do the arenas of all rows of a walk take more bytes, but for that of a single one.
const MAX_WALK_BYTES: usize = 1 << 26;

/// A validated plan. Weights stay in the bundle's own bytes.
#[derive(Debug)]
pub struct Executable {
    plan: Plan,
    models: Vec<Prepared>,
}

/// A model with everything looked up that its steps need.
#[derive(Debug)]
struct Prepared {
    multiply_adds: u64,
    calls: Vec<Call>,
}

/// One step, ready to run.
#[derive(Debug, Clone)]
struct Call {
    operation: Operation,
    /// Multiply-adds of one row.
    cost: u64,
    /// Of one row.
    shape: Shape,
    weights: Range<usize>,
    input: Place,
    output: Place,
}

#[derive(Debug, Clone)]
enum Operation {
    Quantise,
    DenseU8(Requantise),
    DenseF32 {
        relu: bool,
    },
    DenseFloat {
        half: bool,
        relu: bool,
    },
    /// A step with tables of its own, and what its input is made of.
    Table(Table, ElementType),
    /// A tensor step; none where this runtime has none.
    #[cfg(feature = "tensors")]
    Tensor(Option<Box<tensor::Call>>),
    /// A tensor step in int8.
    #[cfg(feature = "tensors")]
    Bytes(Option<Box<bytes::Call>>),
}

impl Executable {
    /// Reads PLAN and validates it against the bytes of WGTS.
    ///
    /// # Errors
    /// As [`Executable::new`], and where `bytes` are not a plan as a bundle has it.
    pub fn decode(bytes: &[u8], weights: &[u8]) -> Result<Self> {
        Self::new(cbor::decode(bytes, "section PLAN")?, weights)
    }

    /// Validates `plan` against the bytes of WGTS.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the step at fault.
    pub fn new(plan: Plan, weights: &[u8]) -> Result<Self> {
        let costs = validate::check(&plan, weights)?;
        let models = plan
            .models
            .iter()
            .zip(costs)
            .map(|(model, cost)| Prepared::new(model, cost, weights))
            .collect();
        Ok(Self { plan, models })
    }

    /// The plan as stored.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The model at `index`.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where there is none.
    pub fn model(&self, index: usize) -> Result<&Model> {
        self.plan.models.get(index).ok_or_else(|| no_model(index))
    }

    fn prepared(&self, index: usize) -> Result<&Prepared> {
        self.models.get(index).ok_or_else(|| no_model(index))
    }

    /// Multiply-adds of one row of the model at `index`.
    pub fn multiply_adds(&self, index: usize) -> u64 {
        self.models
            .get(index)
            .map_or(0, |model| model.multiply_adds)
    }

    /// For each step of the model at `index` the bytes of its weights and the multiply-adds of one
    /// row; of trees, comparisons and additions.
    pub fn costs(&self, index: usize) -> impl Iterator<Item = (usize, u64)> {
        let calls = self.models.get(index).map_or(&[][..], |model| &model.calls);
        calls.iter().map(|call| (call.weights.len(), call.cost))
    }

    /// How many bytes of arena a row of any of the models takes.
    fn row_bytes(&self) -> usize {
        let models = self.plan.models.iter();
        models.map(|m| m.arena_bytes as usize).max().unwrap_or(0)
    }

    /// How many rows one walk over the steps serves at most: [`MAX_ROWS`], and fewer where they take
    /// megabytes each.
    pub fn rows(&self) -> usize {
        (MAX_WALK_BYTES / self.row_bytes().max(1)).clamp(1, MAX_ROWS)
    }

    /// An arena for `rows` rows of any of the models, at most [`Self::rows`].
    pub fn arena(&self, rows: usize) -> Arena {
        Arena::new(self.row_bytes(), rows.clamp(1, self.rows()))
    }

    /// Runs model `index` on the first `rows` rows of `arena`, whose inputs the caller has
    /// written with [`Arena::input`]; results are read with [`Arena::output`].
    ///
    /// `weights` must be the bytes that the plan was validated against. `rows` is at most what
    /// the arena holds.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where there is no such model.
    pub fn run(
        &self,
        index: usize,
        kernels: &Kernels,
        weights: &[u8],
        rows: usize,
        arena: &mut Arena,
    ) -> Result<()> {
        let _state = DefaultFpState::enter();
        run_calls(&self.prepared(index)?.calls, kernels, weights, rows, arena);
        Ok(())
    }

    /// The bias of model `index` where all that it does is to add its inputs to that, as a
    /// scorecard does.
    pub(crate) fn adds_up(&self, index: usize, weights: &[u8]) -> Option<f32> {
        let mut first = self.line(index, weights)?;
        let bias = first.next()?;
        first.all(|weight| weight == 1.0).then_some(bias)
    }

    /// Bias and weights of model `index` where all that it does is to add its inputs to that, each
    /// with a weight: one product after the other, in f32.
    pub(crate) fn linear(&self, index: usize, weights: &[u8]) -> Option<(f32, Vec<f32>)> {
        let mut first = self.line(index, weights)?;
        Some((first.next()?, first.collect()))
    }

    /// The bias of a linear model of one output in f32, then a weight for each input.
    fn line<'w>(
        &self,
        index: usize,
        weights: &'w [u8],
    ) -> Option<impl Iterator<Item = f32> + use<'w>> {
        let model = self.plan.models.get(index)?;
        let ([step], [input], [output]) = (&model.steps[..], &model.inputs[..], &model.outputs[..])
        else {
            return None;
        };
        let call = self.models.get(index)?.calls.first()?;
        let plain = matches!(
            call.operation,
            Operation::DenseFloat {
                half: false,
                relu: false
            }
        ) && call.shape.outputs == 1
            && (step.input(), step.output()) == (input.buffer, output.buffer);
        if !plain {
            return None;
        }
        // Of each 16 lanes the first.
        let lanes = weights[call.weights.clone()].as_chunks().0.iter();
        Some(lanes.step_by(LANES).map(|&float| f32::from_le_bytes(float)))
    }
}

fn no_model(index: usize) -> Error {
    Error::malformed("section PLAN", format!("a model {index}"))
}

impl Prepared {
    fn new(model: &Model, cost: Cost, weights: &[u8]) -> Self {
        let calls: Vec<Call> = model
            .steps
            .iter()
            .zip(cost.steps)
            .map(|(step, found)| Call::new(step, model, found, weights))
            .collect();
        Self {
            multiply_adds: cost.multiply_adds,
            calls,
        }
    }
}

impl Call {
    /// Buffers and weights are where validation has found them.
    fn new(step: &Step, model: &Model, found: Found, all: &[u8]) -> Self {
        #[cfg(not(feature = "tensors"))]
        let _ = all;
        let input = &model.buffers[usize::from(step.input())];
        let output = &model.buffers[usize::from(step.output())];
        let (inputs, outputs) = (input.len as usize, output.len as usize);
        let panels = outputs.div_ceil(LANES);
        let (operation, at, len, input_high) = match *step {
            Step::Quantise { weights, .. } => (Operation::Quantise, weights, inputs * 8, 0),
            Step::DenseU8 {
                weights,
                input_high,
                zero,
                low,
                high,
                ..
            } => {
                let to = Requantise { zero, low, high };
                let len = panels * panel_bytes(inputs);
                (Operation::DenseU8(to), weights, len, input_high)
            }
            Step::DenseF32 {
                weights,
                input_high,
                relu,
                ..
            } => {
                let len = panels * panel_bytes(inputs);
                (Operation::DenseF32 { relu }, weights, len, input_high)
            }
            Step::DenseFloat {
                weights,
                half,
                relu,
                ..
            } => {
                let size = if half { 2 } else { 4 };
                let len = panels * LANES * (4 + inputs * size);
                (Operation::DenseFloat { half, relu }, weights, len, 0)
            }
            Step::Rank { weights, .. } | Step::Trees { weights, .. } => (
                Operation::Table(found.table, input.element),
                weights,
                found.bytes,
                0,
            ),
            #[cfg(feature = "tensors")]
            Step::Tensor { weights, .. } => {
                let call = tensor::Call::new(step, model, all).map(Box::new);
                (Operation::Tensor(call), weights, found.bytes, 0)
            }
            #[cfg(feature = "tensors")]
            Step::TensorQuantise { weights, .. }
            | Step::TensorDense { weights, .. }
            | Step::TensorDequantise { weights, .. } => {
                let call = bytes::Call::new(step, model).map(Box::new);
                (Operation::Bytes(call), weights, found.bytes, 0)
            }
            // Validation has refused it.
            #[cfg(not(feature = "tensors"))]
            Step::Tensor { .. } => (Operation::Quantise, 0, 0, 0),
        };
        Self {
            operation,
            cost: found.cost,
            shape: Shape {
                rows: 1,
                inputs,
                outputs,
                input_stride: input.stride(),
                output_stride: output.stride(),
                wide: input_high == 255,
            },
            weights: at as usize..at as usize + len,
            input: Place::of(input),
            output: Place::of(output),
        }
    }
}

fn run_calls(calls: &[Call], kernels: &Kernels, weights: &[u8], rows: usize, arena: &mut Arena) {
    let rows = rows.min(arena.rows());
    if rows == 0 {
        return;
    }
    for call in calls {
        let shape = call.shape.of(rows);
        let weights = &weights[call.weights.clone()];
        #[cfg(feature = "tensors")]
        if let Operation::Tensor(call) = &call.operation {
            if let Some(call) = call {
                call.run(kernels.tensor, weights, rows, arena);
            }
            continue;
        }
        let (input, output) = arena.two(&call.input, &call.output);
        #[cfg(feature = "tensors")]
        if let Operation::Bytes(call) = &call.operation {
            if let Some(call) = call {
                call.run(kernels, shape, weights, input, output);
            }
            continue;
        }
        match call.operation {
            Operation::Quantise => {
                (kernels.quantise)(shape, weights, bytemuck::cast_slice(input), output);
            }
            Operation::DenseU8(to) => (kernels.dense_u8)(shape, weights, input, to, output),
            Operation::DenseF32 { relu } => {
                let output = bytemuck::cast_slice_mut(output);
                (kernels.dense_f32)(shape, weights, input, relu, output);
            }
            Operation::DenseFloat { half, relu } => {
                let (input, output) = (
                    bytemuck::cast_slice(input),
                    bytemuck::cast_slice_mut(output),
                );
                scalar::dense_float(shape, weights, input, half, relu, output);
            }
            Operation::Table(ref table, element) => {
                table.run(kernels, shape, element, weights, input, output);
            }
            #[cfg(feature = "tensors")]
            Operation::Tensor(_) | Operation::Bytes(_) => {}
        }
    }
}
