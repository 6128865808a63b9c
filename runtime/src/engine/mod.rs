//! The seam between decisions and what executes a model. The plan engine is on every device;
//! others execute whole model files on native builds.
#![forbid(unsafe_code)]

use crate::bundle::EngineKind;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::Kernels;
use crate::plan::{Arena, Executable, MAX_ROWS, PartialRows, Partials};

/// What executes a bundle's models.
#[derive(Debug)]
pub(crate) enum Engine {
    /// The plan engine.
    Plan {
        executable: Executable,
        kernels: Kernels,
    },
}

/// The memory that one evaluation at a time works in.
pub(crate) struct Memory {
    pub arena: Arena,
}

impl Engine {
    /// The engine that the bundle asks for.
    pub fn open(kind: EngineKind, plan: &[u8], weights: &[u8], kernels: Kernels) -> Result<Self> {
        match kind {
            EngineKind::Plan => {
                let executable = Executable::decode(plan, weights)?;
                let model = executable.model(0)?;
                // Nothing would ever write a second one.
                if model.inputs.len() != 1 || model.outputs.len() != 1 {
                    return Err(Error::malformed(
                        "section PLAN",
                        "a first model with one input and one output",
                    ));
                }
                Ok(Self::Plan {
                    executable,
                    kernels,
                })
            }
            EngineKind::Tract | EngineKind::Tflite => Err(Error::new(
                ErrorKind::Unsupported,
                "section META",
                format!("a runtime with the {kind} engine built in"),
            )),
        }
    }

    /// The feature bits that a bundle of its plan must require.
    pub fn features(&self) -> u64 {
        let Self::Plan { executable, .. } = self;
        executable.plan().features()
    }

    /// Features of the model's input and how many outputs it has.
    pub fn input_len(&self) -> Result<usize> {
        let Self::Plan { executable, .. } = self;
        let model = executable.model(0)?;
        let port = model
            .inputs
            .first()
            .map_or(0, |port| usize::from(port.buffer));
        Ok(model
            .buffers
            .get(port)
            .map_or(0, |buffer| buffer.len as usize))
    }

    /// Multiply-adds of one row.
    pub fn multiply_adds(&self) -> u64 {
        let Self::Plan { executable, .. } = self;
        executable.multiply_adds(0)
    }

    /// Memory for `rows` rows at a time, at most [`MAX_ROWS`].
    pub fn memory(&self, rows: usize) -> Memory {
        let Self::Plan { executable, .. } = self;
        Memory {
            arena: executable.arena(rows.min(MAX_ROWS)),
        }
    }

    /// Writes features into row `row` from feature `start` on.
    #[inline]
    pub fn write(
        &self,
        memory: &mut Memory,
        row: usize,
        start: usize,
        features: &[f64],
    ) -> Result<()> {
        let Self::Plan { executable, .. } = self;
        let model = executable.model(0)?;
        let buffer = &model.buffers[usize::from(model.inputs[0].buffer)];
        memory.arena.write(buffer, row, start, features);
        Ok(())
    }

    /// Runs the first `rows` rows.
    pub fn run(&self, weights: &[u8], rows: usize, memory: &mut Memory) -> Result<()> {
        let Self::Plan {
            executable,
            kernels,
        } = self;
        executable.run(0, kernels, weights, rows, &mut memory.arena)
    }

    /// The bias of a model that only adds its inputs up: see [`Executable::adds_up`].
    pub fn adds_up(&self, weights: &[u8]) -> Option<f32> {
        let Self::Plan { executable, .. } = self;
        executable.adds_up(0, weights)
    }

    /// How the model's first layer comes in parts: see [`Executable::partials`].
    pub fn partials(&self) -> Option<Partials> {
        let Self::Plan { executable, .. } = self;
        executable.partials(0)
    }

    /// The parts of the first rows.
    pub fn run_partials(
        &self,
        weights: &[u8],
        rows: PartialRows<'_>,
        memory: &mut Memory,
        out: &mut [i32],
    ) -> Result<()> {
        let Self::Plan {
            executable,
            kernels,
        } = self;
        executable.run_partials(0, kernels, weights, rows, &mut memory.arena, out)
    }

    /// Runs `rows` rows from joined parts on.
    pub fn run_joined(
        &self,
        weights: &[u8],
        rows: usize,
        joined: &[i32],
        memory: &mut Memory,
    ) -> Result<()> {
        let Self::Plan {
            executable,
            kernels,
        } = self;
        executable.run_joined(0, kernels, weights, rows, joined, &mut memory.arena)
    }

    /// The first number of the first output of row `row`.
    #[inline]
    pub fn output(&self, memory: &Memory, row: usize) -> Result<f64> {
        let Self::Plan { executable, .. } = self;
        let model = executable.model(0)?;
        let buffer = &model.buffers[usize::from(model.outputs[0].buffer)];
        Ok(memory.arena.number(buffer, row, 0))
    }
}
