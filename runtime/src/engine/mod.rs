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
#[cfg(feature = "outputs")]
use crate::decide::Blend;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::Kernels;
use crate::memory::Line;
use crate::plan::{
    Arena, Buffer, Executable, JoinedRows, MAX_ROWS, Model, PartialRows, Partials, Port,
};

/// What executes a bundle's models.
#[derive(Debug)]
pub(crate) enum Engine {
    /// The plan engine.
    Plan {
        executable: Executable,
        kernels: Kernels,
        /// What is made of the numbers of its outputs.
        #[cfg(feature = "outputs")]
        blend: Option<Blend>,
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
        // Nothing would ever write a second one, nor read it.
        if !cfg!(feature = "outputs") && (model.inputs.len() != 1 || model.outputs.len() != 1) {
            return Err(Error::malformed(
                "section PLAN",
                "a first model with one input and one output",
            ));
        }
        Ok(Self::Plan {
            executable,
            kernels,
            #[cfg(feature = "outputs")]
            blend: None,
        })
    }

    /// What is made of the numbers of a plan's outputs from now on.
    ///
    /// # Errors
    /// Where there is a blend of another engine's one number.
    #[cfg(feature = "outputs")]
    pub fn set_blend(&mut self, of: Option<&Blend>) -> Result<()> {
        match (self, of) {
            (Self::Plan { blend, .. }, of) => *blend = of.cloned(),
            #[cfg(feature = "files")]
            (Self::File(_), None) => {}
            #[cfg(feature = "files")]
            (Self::File(_), Some(_)) => {
                return Err(Error::malformed(
                    "section DCDE",
                    "a blend only of a plan's outputs",
                ));
            }
        }
        Ok(())
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

    /// Features of the model's inputs.
    pub fn input_len(&self) -> Result<usize> {
        let executable = match self {
            Self::Plan { executable, .. } => executable,
            #[cfg(feature = "files")]
            Self::File(file) => return Ok(file.inputs()),
        };
        let model = executable.model(0)?;
        let inputs = model.inputs.iter();
        Ok(inputs.map(|port| buffer(model, port).len as usize).sum())
    }

    /// How many numbers an output has, if there is one.
    pub fn output_len(&self, output: u16) -> Option<u32> {
        let executable = match self {
            Self::Plan { executable, .. } => executable,
            #[cfg(feature = "files")]
            Self::File(_) => return (output == 0).then_some(1),
        };
        let model = executable.model(0).ok()?;
        let port = model.outputs.get(usize::from(output))?;
        Some(buffer(model, port).len)
    }

    /// Multiply-adds of one row.
    pub fn multiply_adds(&self) -> u64 {
        match self {
            Self::Plan { executable, .. } => executable.multiply_adds(0),
            #[cfg(feature = "files")]
            Self::File(file) => file.multiply_adds(),
        }
    }

    /// How many rows are run at a time, at most [`MAX_ROWS`].
    pub fn rows(&self) -> usize {
        self.executable().map_or(MAX_ROWS, Executable::rows)
    }

    /// Memory for `rows` rows at a time, at most [`Self::rows`].
    pub fn memory(&self, rows: usize) -> Memory {
        let rows = rows.min(self.rows());
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
        if cfg!(feature = "outputs") && model.inputs.len() > 1 {
            // One behind the other: `start` is where in the next one.
            let (mut start, mut features) = (start, features);
            for port in &model.inputs {
                let buffer = buffer(model, port);
                let Some(room) = (buffer.len as usize).checked_sub(start) else {
                    start -= buffer.len as usize;
                    continue;
                };
                let (own, rest) = features.split_at(room.min(features.len()));
                memory.arena.write(buffer, row, start, own);
                (start, features) = (0, rest);
            }
            return Ok(());
        }
        memory
            .arena
            .write(buffer(model, &model.inputs[0]), row, start, features);
        Ok(())
    }

    /// Runs the first `rows` rows. `weights` are the bytes of WGTS; a model file has its own.
    pub fn run(&self, weights: &[u8], rows: usize, memory: &mut Memory) -> Result<()> {
        match self {
            Self::Plan {
                executable,
                kernels,
                ..
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
        #[cfg(feature = "outputs")]
        if let Self::Plan { blend: Some(_), .. } = self {
            return None;
        }
        self.executable()?.adds_up(0, weights)
    }

    /// Bias and weights of a linear model in f32: see [`Executable::linear`].
    pub fn linear(&self, weights: &[u8]) -> Option<(f32, Vec<f32>)> {
        #[cfg(feature = "outputs")]
        if let Self::Plan { blend: Some(_), .. } = self {
            return None;
        }
        self.executable()?.linear(0, weights)
    }

    /// The model in parts: see [`Executable::partials`].
    pub fn partials(
        &self,
        weights: &[u8],
        owners: &[u16],
        fields: &[usize],
        limit: usize,
    ) -> Option<Partials> {
        let wanted: &[u16] = &[0];
        #[cfg(feature = "outputs")]
        let members: Vec<u16>;
        #[cfg(feature = "outputs")]
        let wanted = match self {
            Self::Plan {
                blend: Some(blend), ..
            } => {
                members = blend.members.iter().map(|member| member.output).collect();
                &members[..]
            }
            _ => wanted,
        };
        self.executable()?
            .partials(0, weights, owners, fields, wanted, limit)
    }

    /// Keeps what depends on one group alone: see [`Executable::keep`].
    pub fn keep(
        &self,
        weights: &[u8],
        group: (&Partials, usize),
        rows: (usize, usize),
        memory: &mut Memory,
        kept: &mut [Line],
    ) -> Result<()> {
        match self {
            Self::Plan {
                executable,
                kernels,
                ..
            } => executable.keep(kernels, weights, group, rows, &mut memory.arena, kept),
            // It comes in no parts.
            #[cfg(feature = "files")]
            Self::File(_) => Ok(()),
        }
    }

    /// The parts of the first rows.
    pub fn run_partials(
        &self,
        weights: &[u8],
        partials: &Partials,
        rows: PartialRows<'_>,
        memory: &mut Memory,
        out: &mut [i32],
    ) -> Result<()> {
        match self {
            Self::Plan {
                executable,
                kernels,
                ..
            } => executable.run_partials(kernels, weights, partials, rows, &mut memory.arena, out),
            // It comes in no parts.
            #[cfg(feature = "files")]
            Self::File(_) => Ok(()),
        }
    }

    /// Runs rows from what is joined or kept of them on.
    pub fn run_joined(
        &self,
        weights: &[u8],
        partials: &Partials,
        rows: JoinedRows<'_>,
        memory: &mut Memory,
    ) -> Result<()> {
        match self {
            Self::Plan {
                executable,
                kernels,
                ..
            } => executable.run_joined(kernels, weights, partials, rows, &mut memory.arena),
            // It comes in no parts.
            #[cfg(feature = "files")]
            Self::File(_) => Ok(()),
        }
    }

    /// What the score of row `row` is made of: the first number of the first output, or the blend.
    #[inline]
    pub fn output(&self, memory: &Memory, row: usize) -> Result<f64> {
        #[cfg(feature = "outputs")]
        if let Self::Plan {
            blend: Some(blend), ..
        } = self
        {
            return blend.of(|output, element| self.number(memory, row, output, element));
        }
        self.number(memory, row, 0, 0)
    }

    /// A number of row `row`: one that there is, by [`Self::output_len`].
    #[inline]
    pub fn number(&self, memory: &Memory, row: usize, output: u16, element: u32) -> Result<f64> {
        let executable = match self {
            Self::Plan { executable, .. } => executable,
            #[cfg(feature = "files")]
            Self::File(_) => return Ok(f64::from(memory.rows.1[row])),
        };
        let model = executable.model(0)?;
        let buffer = buffer(model, &model.outputs[usize::from(output)]);
        Ok(memory.arena.number(buffer, row, element as usize))
    }
}

/// The buffer of one of a model's inputs or outputs, which validation has found to exist.
fn buffer<'m>(model: &'m Model, port: &Port) -> &'m Buffer {
    &model.buffers[usize::from(port.buffer)]
}
