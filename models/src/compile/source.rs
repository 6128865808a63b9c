//! A model as it was handed in: the family that its file holds, and its plan before anything is
//! compressed.

use std::path::Path;

use crate::compile::file::File;
use crate::compile::import::{self, Imported};
use crate::compile::lower::{self, Lowered};
use crate::compile::net::{Net, Rows};
use crate::compile::{Program, Size, calibrate};
use crate::error::Result;
use crate::recipe::{Engine, Precision};

/// A model of one of the families that the compiler takes.
#[derive(Debug, Clone)]
pub enum Source {
    /// A chain of dense layers, from ONNX.
    Net(Imported),
    /// Whatever an engine other than the plan's takes: it ships as it is.
    File(File),
}

impl Source {
    /// Reads a model file for the engine that is to execute it.
    ///
    /// # Errors
    /// As [`Self::read`]; for another engine, where that does not take the file.
    pub fn open(path: &Path, engine: Engine) -> Result<Self> {
        match engine {
            Engine::Plan => Self::read(path),
            Engine::Tract => File::read(path).map(Self::File),
        }
    }

    /// Reads a model file that is to become a plan.
    ///
    /// # Errors
    /// Where it is no file of a family, or has something that the plan cannot express: with the
    /// place and what to do.
    pub fn read(path: &Path) -> Result<Self> {
        import::import(path).map(Self::Net)
    }

    /// What people call its family.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Net(_) => "net",
            Self::File(_) => "model file",
        }
    }

    /// How many features it reads.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Net(imported) => imported.net.inputs(),
            Self::File(file) => file.inputs(),
        }
    }

    /// Whether the file gives a probability and the plan the log-odds under it.
    pub fn sigmoid_removed(&self) -> bool {
        match self {
            Self::Net(imported) => imported.sigmoid_removed,
            Self::File(_) => false,
        }
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &[u8; 32] {
        match self {
            Self::Net(imported) => &imported.sha256,
            Self::File(file) => file.sha256(),
        }
    }

    /// Holds our reading of it against the library that owns its format, on real rows.
    ///
    /// # Errors
    /// Where the two differ by more than the family allows, with the place.
    pub fn check(&self, rows: &Rows) -> Result<()> {
        match self {
            Self::Net(imported) => calibrate::observe(imported, rows).map(drop),
            Self::File(file) => file.check(rows),
        }
    }

    /// What executes it in its own arithmetic: nothing pruned, nothing quantised.
    ///
    /// # Errors
    /// Where it cannot be lowered.
    pub fn lower(&self) -> Result<Program> {
        match self {
            Self::Net(imported) => float(&imported.net).map(Program::Plan),
            Self::File(file) => Ok(Program::File(file.clone())),
        }
    }

    /// How large it is as handed in.
    pub fn size(&self) -> Size {
        match self {
            Self::Net(imported) => Size::of_net(&imported.net, imported.initialiser_bytes),
            Self::File(file) => file.size(),
        }
    }
}

/// A net's plan in f32.
///
/// # Errors
/// Never: f32 has no ranges to fit.
pub fn float(net: &Net) -> Result<Lowered> {
    let no_rows = Rows::new(net.inputs(), Vec::new());
    lower::lower(net, &no_rows, &vec![Precision::F32; net.layers.len()])
}
