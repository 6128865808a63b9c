//! The seam between decisions and what executes a model. The plan engine is on every device;
//! others execute whole model files on native builds.
#![forbid(unsafe_code)]

#[cfg(feature = "files")]
mod file;
#[cfg(feature = "tflite")]
mod tflite;
#[cfg(feature = "tract")]
mod tract;

#[cfg(feature = "files")]
pub use file::{MAX_MODEL_FILE_BYTES, ModelFile};

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
    /// A library of a model file's own.
    #[cfg(feature = "files")]
    File(ModelFile),
}

/// The memory that one evaluation at a time works in.
pub(crate) struct Memory {
    arena: Arena,
    /// Rows of features and their outputs.
    #[cfg(feature = "files")]
    rows: (Vec<f32>, Vec<f32>),
}

impl Memory {
    /// Leaves nothing of an applicant in it.
    pub fn wipe(&mut self) {
        self.arena.zeroize();
        #[cfg(feature = "files")]
        {
            crate::memory::wipe(&mut self.rows.0, 0.0);
            crate::memory::wipe(&mut self.rows.1, 0.0);
        }
    }
}

/// Where a model file lies.
#[cfg(feature = "files")]
const MODEL: &str = "section MODL";

/// The bundle asks for an engine that this runtime was built without.
fn not_built_in(kind: EngineKind) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "section META",
        format!("a runtime with the {kind} engine built in"),
    )
}

impl Engine {
    /// The plan engine.
    pub fn plan(plan: &[u8], weights: &[u8], kernels: Kernels) -> Result<Self> {
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

    /// Another engine, if it is built in; `bytes` gives its model file.
    #[cfg(feature = "files")]
    pub fn file<'b>(kind: EngineKind, bytes: impl FnOnce() -> Result<&'b [u8]>) -> Result<Self> {
        match kind {
            #[cfg(feature = "tract")]
            EngineKind::Tract => ModelFile::open(kind, bytes()?).map(Self::File),
            #[cfg(feature = "tflite")]
            EngineKind::Tflite => ModelFile::open(kind, bytes()?).map(Self::File),
            _ => Err(not_built_in(kind)),
        }
    }

    /// Another engine: none is built in.
    #[cfg(not(feature = "files"))]
    pub fn file<'b>(kind: EngineKind, _: impl FnOnce() -> Result<&'b [u8]>) -> Result<Self> {
        Err(not_built_in(kind))
    }

    /// The section that says what is executed.
    pub fn place(&self) -> &'static str {
        match self {
            Self::Plan { .. } => "section PLAN",
            #[cfg(feature = "files")]
            Self::File(_) => MODEL,
        }
    }

    /// The plan, of the plan engine.
    pub fn executable(&self) -> Option<&Executable> {
        match self {
            Self::Plan { executable, .. } => Some(executable),
            #[cfg(feature = "files")]
            Self::File(_) => None,
        }
    }

    /// The feature bits that a bundle of its plan must require.
    pub fn features(&self) -> u64 {
        match self {
            Self::Plan { executable, .. } => executable.plan().features(),
            #[cfg(feature = "files")]
            Self::File(_) => 0,
        }
    }

    /// Features of the model's input and how many outputs it has.
    pub fn input_len(&self) -> Result<usize> {
        let executable = match self {
            Self::Plan { executable, .. } => executable,
            #[cfg(feature = "files")]
            Self::File(file) => return Ok(file.inputs()),
        };
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
        match self {
            Self::Plan { executable, .. } => executable.multiply_adds(0),
            #[cfg(feature = "files")]
            Self::File(file) => file.multiply_adds(),
        }
    }

    /// Memory for `rows` rows at a time, at most [`MAX_ROWS`].
    pub fn memory(&self, rows: usize) -> Memory {
        let rows = rows.min(MAX_ROWS);
        match self {
            Self::Plan { executable, .. } => Memory {
                arena: executable.arena(rows),
                #[cfg(feature = "files")]
                rows: (Vec::new(), Vec::new()),
            },
            #[cfg(feature = "files")]
            Self::File(file) => Memory {
                arena: Arena::new(0, rows),
                rows: (vec![0.0; file.inputs() * rows], vec![0.0; rows]),
            },
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
        let executable = match self {
            Self::Plan { executable, .. } => executable,
            #[cfg(feature = "files")]
            Self::File(file) => {
                let row = &mut memory.rows.0[row * file.inputs()..][..file.inputs()];
                for (to, from) in row[start..].iter_mut().zip(features) {
                    *to = *from as f32;
                }
                return Ok(());
            }
        };
        let model = executable.model(0)?;
        let buffer = &model.buffers[usize::from(model.inputs[0].buffer)];
        memory.arena.write(buffer, row, start, features);
        Ok(())
    }

    /// Runs the first `rows` rows. `weights` are the bytes of WGTS; a model file has its own.
    pub fn run(&self, weights: &[u8], rows: usize, memory: &mut Memory) -> Result<()> {
        match self {
            Self::Plan {
                executable,
                kernels,
            } => executable.run(0, kernels, weights, rows, &mut memory.arena),
            #[cfg(feature = "files")]
            Self::File(file) => {
                let (features, outputs) = &mut memory.rows;
                let features = features.chunks_exact(file.inputs()).take(rows);
                for (features, output) in features.zip(outputs) {
                    *output = file.run(features)?;
                }
                Ok(())
            }
        }
    }

    /// The bias of a model that only adds its inputs up: see [`Executable::adds_up`].
    pub fn adds_up(&self, weights: &[u8]) -> Option<f32> {
        self.executable()?.adds_up(0, weights)
    }

    /// How the model's first layer comes in parts: see [`Executable::partials`].
    pub fn partials(&self) -> Option<Partials> {
        self.executable()?.partials(0)
    }

    /// The parts of the first rows.
    pub fn run_partials(
        &self,
        weights: &[u8],
        rows: PartialRows<'_>,
        memory: &mut Memory,
        out: &mut [i32],
    ) -> Result<()> {
        match self {
            Self::Plan {
                executable,
                kernels,
            } => executable.run_partials(0, kernels, weights, rows, &mut memory.arena, out),
            // It comes in no parts.
            #[cfg(feature = "files")]
            Self::File(_) => Ok(()),
        }
    }

    /// Runs `rows` rows from joined parts on.
    pub fn run_joined(
        &self,
        weights: &[u8],
        rows: usize,
        joined: &[i32],
        memory: &mut Memory,
    ) -> Result<()> {
        match self {
            Self::Plan {
                executable,
                kernels,
            } => executable.run_joined(0, kernels, weights, rows, joined, &mut memory.arena),
            // It comes in no parts.
            #[cfg(feature = "files")]
            Self::File(_) => Ok(()),
        }
    }

    /// The first number of the first output of row `row`.
    #[inline]
    pub fn output(&self, memory: &Memory, row: usize) -> Result<f64> {
        let executable = match self {
            Self::Plan { executable, .. } => executable,
            #[cfg(feature = "files")]
            Self::File(_) => return Ok(f64::from(memory.rows.1[row])),
        };
        let model = executable.model(0)?;
        let buffer = &model.buffers[usize::from(model.outputs[0].buffer)];
        Ok(memory.arena.number(buffer, row, 0))
    }
}
