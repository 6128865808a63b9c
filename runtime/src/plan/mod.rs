//! The program: what steps there are, their validation, and the loop that walks them.
#![forbid(unsafe_code)]

mod arena;
pub mod ensemble;
mod program;
mod trees;
mod validate;

pub use arena::Arena;
use arena::Place;
pub use program::{Buffer, ElementType, Model, PLAN_VERSION, Plan, Port, Step};
pub use trees::{MAX_CATEGORIES, MAX_SLOTS, MAX_SPLITS, MAX_THRESHOLDS, MAX_TREES};
pub use validate::{MAX_ARENA_BYTES, MAX_MODELS, MAX_MULTIPLY_ADDS, MAX_STEPS};

use crate::bundle::cbor;
use crate::error::{Error, Result};
use crate::kernels::arch::{fp_state::DefaultFpState, scalar};
use crate::kernels::{Kernels, LANES, Requantise, Shape, panel_bytes};
use std::ops::Range;
use trees::Table;
use validate::Cost;

/// How many rows one walk over the steps serves at most.
pub const MAX_ROWS: usize = 64;

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
    /// Whether the second step is linear in what the first one writes, and nothing else reads that.
    linear: bool,
}

/// One step, ready to run.
#[derive(Debug, Clone)]
struct Call {
    operation: Operation,
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
            .map(|(model, cost)| Prepared::new(model, cost))
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

    /// An arena for `rows` rows of any of the models.
    pub fn arena(&self, rows: usize) -> Arena {
        let bytes = self
            .plan
            .models
            .iter()
            .map(|m| m.arena_bytes as usize)
            .max()
            .unwrap_or(0);
        Arena::new(bytes, rows.clamp(1, MAX_ROWS))
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

    /// How many sums of a row the first dense step of model `index` adds up, where that step is
    /// linear in the row's quantised features and nothing else reads those: then sums of rows can
    /// be added and subtracted, exactly, and [`Self::run_from_sums`] goes on from there.
    pub(crate) fn sums_len(&self, index: usize) -> Option<usize> {
        let model = self.models.get(index).filter(|model| model.linear)?;
        Some(model.calls[1].shape.outputs.next_multiple_of(LANES))
    }

    /// Writes the first dense step's sums for the first `rows` rows of `arena`, whose inputs the
    /// caller has written: [`Self::sums_len`] of them for each row.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where there is no such model.
    pub(crate) fn sums(
        &self,
        index: usize,
        kernels: &Kernels,
        weights: &[u8],
        rows: usize,
        arena: &mut Arena,
        sums: &mut [i32],
    ) -> Result<()> {
        let _state = DefaultFpState::enter();
        let calls = &self.prepared(index)?.calls;
        run_calls(&calls[..1], kernels, weights, rows, arena);
        let (input, _) = arena.two(&calls[1].input, &calls[1].output);
        let shape = calls[1].summing(rows);
        (kernels.sums)(shape, &weights[calls[1].weights.clone()], input, sums);
        Ok(())
    }

    /// Runs model `index` from the sums of its first dense step on, as [`Self::sums`] writes them.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) where there is no such model.
    pub(crate) fn run_from_sums(
        &self,
        index: usize,
        kernels: &Kernels,
        weights: &[u8],
        rows: usize,
        sums: &[i32],
        arena: &mut Arena,
    ) -> Result<()> {
        let _state = DefaultFpState::enter();
        let calls = &self.prepared(index)?.calls;
        let first = &calls[1];
        let panels = &weights[first.weights.clone()];
        let (_, output) = arena.two(&first.input, &first.output);
        let shape = Shape {
            input_stride: first.shape.outputs.next_multiple_of(LANES),
            ..first.shape.of(rows)
        };
        match first.operation {
            Operation::DenseU8(to) => (kernels.requantise)(shape, panels, sums, to, output),
            Operation::DenseF32 { relu } => {
                let output = bytemuck::cast_slice_mut(output);
                (kernels.dequantise)(shape, panels, sums, relu, output);
            }
            // `linear` is false for these.
            Operation::Quantise | Operation::DenseFloat { .. } | Operation::Table(..) => {}
        }
        run_calls(&calls[2..], kernels, weights, rows, arena);
        Ok(())
    }
}

fn no_model(index: usize) -> Error {
    Error::malformed("section PLAN", format!("a model {index}"))
}

impl Prepared {
    fn new(model: &Model, cost: Cost) -> Self {
        let linear = match model.steps.as_slice() {
            [first @ Step::Quantise { .. }, second, rest @ ..] => {
                let dense = matches!(second, Step::DenseU8 { .. } | Step::DenseF32 { .. });
                let spent = [first.input(), first.output()];
                dense
                    && model.inputs.len() == 1
                    && first.input() == model.inputs[0].buffer
                    && second.input() == first.output()
                    && rest.iter().all(|step| !spent.contains(&step.input()))
                    && model
                        .outputs
                        .iter()
                        .all(|port| !spent.contains(&port.buffer))
            }
            _ => false,
        };
        Self {
            multiply_adds: cost.multiply_adds,
            calls: model
                .steps
                .iter()
                .zip(cost.tables)
                .map(|(step, (table, bytes))| Call::new(step, model, table, bytes))
                .collect(),
            linear,
        }
    }
}

impl Call {
    /// Buffers and weights are where validation has found them.
    fn new(step: &Step, model: &Model, table: Table, bytes: usize) -> Self {
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
            Step::Rank { weights, .. } | Step::Trees { weights, .. } => {
                (Operation::Table(table, input.element), weights, bytes, 0)
            }
        };
        Self {
            operation,
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

    /// The shape of a call that writes sums: row behind row.
    fn summing(&self, rows: usize) -> Shape {
        Shape {
            output_stride: self.shape.outputs.next_multiple_of(LANES),
            ..self.shape.of(rows)
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
        let (input, output) = arena.two(&call.input, &call.output);
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
                table.run(shape, element, weights, input, output);
            }
        }
    }
}
