//! The program: what steps there are, their validation, and the loop that walks them.
#![forbid(unsafe_code)]

mod arena;
mod program;
mod validate;

pub use arena::Arena;
pub(crate) use arena::wipe;
pub use program::{Buffer, ElementType, Model, PLAN_VERSION, Plan, Port, Step};
pub use validate::{MAX_ARENA_BYTES, MAX_MODELS, MAX_MULTIPLY_ADDS, MAX_STEPS};

use crate::bundle::cbor;
use crate::error::{Error, Result};
use crate::kernels::arch::{fp_state::DefaultFpState, scalar};
use crate::kernels::{Kernels, LANES, Requantise, Shape, panel_bytes};

/// How many rows one walk over the steps serves at most.
pub const MAX_ROWS: usize = 32;

/// A validated plan. Weights stay in the bundle's own bytes.
#[derive(Debug)]
pub struct Executable {
    plan: Plan,
    costs: Vec<validate::Cost>,
}

impl Executable {
    pub(crate) fn decode(bytes: &[u8], weights: &[u8]) -> Result<Self> {
        Self::new(cbor::decode(bytes, "section PLAN")?, weights)
    }

    /// Validates `plan` against the bytes of WGTS.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), with the step at fault.
    pub fn new(plan: Plan, weights: &[u8]) -> Result<Self> {
        let costs = validate::check(&plan, weights)?;
        Ok(Self { plan, costs })
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
        self.plan
            .models
            .get(index)
            .ok_or_else(|| Error::malformed("section PLAN", format!("a model {index}")))
    }

    /// Multiply-adds of one row of the model at `index`.
    pub fn multiply_adds(&self, index: usize) -> u64 {
        self.costs.get(index).map_or(0, |cost| cost.multiply_adds)
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
        let model = self.model(index)?;
        let rows = rows.min(arena.rows());
        if rows == 0 {
            return Ok(());
        }
        for step in &model.steps {
            let input = &model.buffers[usize::from(step.input())];
            let output = &model.buffers[usize::from(step.output())];
            run_step(step, input, output, kernels, weights, rows, arena);
        }
        Ok(())
    }
}

fn run_step(
    step: &Step,
    input: &Buffer,
    output: &Buffer,
    kernels: &Kernels,
    weights: &[u8],
    rows: usize,
    arena: &mut Arena,
) {
    let shape = Shape {
        rows,
        inputs: input.len as usize,
        outputs: output.len as usize,
        input_stride: input.stride(),
        output_stride: output.stride(),
        wide: matches!(
            *step,
            Step::DenseU8 {
                input_high: 255,
                ..
            } | Step::DenseF32 {
                input_high: 255,
                ..
            }
        ),
    };
    let panels = shape.outputs.div_ceil(LANES);
    let (from, to) = arena.two(input, output);
    match *step {
        Step::Quantise { weights: at, .. } => {
            let constants = &weights[at as usize..][..shape.inputs * 8];
            let from: &[f32] = bytemuck::cast_slice(from);
            for row in 0..rows {
                let values = &from[row * shape.input_stride..][..shape.inputs];
                let bytes = &mut to[row * shape.output_stride..][..shape.outputs];
                (kernels.quantise)(values, constants, bytes);
            }
        }
        Step::DenseU8 {
            weights: at,
            zero,
            low,
            high,
            ..
        } => {
            let panels = &weights[at as usize..][..panels * panel_bytes(shape.inputs)];
            (kernels.dense_u8)(shape, panels, from, Requantise { zero, low, high }, to);
        }
        Step::DenseF32 {
            weights: at, relu, ..
        } => {
            let panels = &weights[at as usize..][..panels * panel_bytes(shape.inputs)];
            (kernels.dense_f32)(shape, panels, from, relu, bytemuck::cast_slice_mut(to));
        }
        Step::DenseFloat {
            weights: at,
            half,
            relu,
            ..
        } => {
            let size = if half { 2 } else { 4 };
            let panels = &weights[at as usize..][..panels * LANES * (4 + shape.inputs * size)];
            let (from, to) = (bytemuck::cast_slice(from), bytemuck::cast_slice_mut(to));
            scalar::dense_float(shape, panels, from, half, relu, to);
        }
    }
}
