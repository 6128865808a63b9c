//! What a bundle executes: a plan, or a model file as it is.

use fieldscore_runtime::bundle::EngineKind;
use fieldscore_runtime::decide::Blend;

use crate::compile::file::File;
use crate::compile::lower::Lowered;
use crate::compile::net::Rows;
use crate::error::Result;

/// What a bundle executes.
#[derive(Debug, Clone)]
pub enum Program {
    /// A plan, everywhere.
    Plan(Lowered),
    /// A model file, by the engine that takes it.
    File(File),
}

impl Program {
    /// The engine that executes it.
    pub fn engine(&self) -> EngineKind {
        match self {
            Self::Plan(_) => EngineKind::Plan,
            Self::File(file) => file.engine(),
        }
    }

    /// Bytes of plan and weights, or of the file.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Plan(lowered) => lowered.bytes(),
            Self::File(file) => file.bytes().len(),
        }
    }

    /// What the score of every row is made of, from the runtime itself: the first number of the first
    /// output, or the blend.
    ///
    /// # Errors
    /// Where the runtime refuses the plan, or the engine fails on a row.
    pub fn run(&self, rows: &Rows<f64>, blend: Option<&Blend>) -> Result<Vec<f64>> {
        match self {
            Self::Plan(lowered) => lowered.run_each(rows, |number| match blend {
                Some(blend) => blend.of(number),
                None => number(0, 0),
            }),
            Self::File(file) => {
                let outputs = file.run(&rows.narrow())?;
                Ok(outputs.into_iter().map(f64::from).collect())
            }
        }
    }
}

impl From<Lowered> for Program {
    fn from(lowered: Lowered) -> Self {
        Self::Plan(lowered)
    }
}
