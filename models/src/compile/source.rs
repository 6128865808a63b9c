//! A model as it was handed in: the family that its file holds, and its plan before anything is
//! compressed.

use std::path::Path;

use sha2::{Digest, Sha256};
use tract_onnx::prelude::Framework;

use crate::compile::import::{self, Imported};
use crate::compile::lines::{Family, Lines};
use crate::compile::lower::{self, Lowered};
use crate::compile::net::{Net, Rows};
use crate::compile::pipeline::Pipeline;
use crate::compile::{Size, calibrate, onnx_ml, scorecard};
use crate::error::{Result, io};
use crate::recipe::Precision;

/// A model of one of the families that the compiler takes.
#[derive(Debug, Clone)]
pub enum Source {
    /// A chain of dense layers, from ONNX.
    Net(Imported),
    /// A scorecard's points as CSV, or a scikit-learn pipeline as ONNX.
    Lines(Lines),
}

impl Source {
    /// Reads a model file.
    ///
    /// # Errors
    /// Where it is no file of a family, or has something that the plan cannot express: with the
    /// place and what to do.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| io(path, &e))?;
        let place = path.display().to_string();
        let sha256 = Sha256::digest(&bytes).into();
        if scorecard::is_one(&bytes) {
            let card = scorecard::read(&place, &bytes)?;
            return Ok(Self::Lines(Lines { sha256, ..card }));
        }
        let mut read = std::io::Cursor::new(&bytes);
        if let Ok(model) = tract_onnx::onnx().proto_model_for_read(&mut read)
            && onnx_ml::is_one(&model)
        {
            let lines = onnx_ml::read(&model, &place)?;
            return Ok(Self::Lines(Lines { sha256, ..lines }));
        }
        import::import(path).map(Self::Net)
    }

    /// The model whose output is the bad class's, where the file names its classes.
    #[must_use]
    pub fn toward(self, bad: &str) -> Self {
        match self {
            Self::Lines(lines) => Self::Lines(lines.toward(bad)),
            net @ Self::Net(_) => net,
        }
    }

    /// The preprocessing that it brings.
    pub fn pipeline(&self) -> Option<&Pipeline> {
        match self {
            Self::Net(_) => None,
            Self::Lines(lines) => Some(&lines.pipeline),
        }
    }

    /// Whether its output is the score itself.
    pub fn gives_points(&self) -> bool {
        matches!(self, Self::Lines(lines) if lines.family == Family::Scorecard)
    }

    /// What people call its family.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Net(_) => "net",
            Self::Lines(lines) => match lines.family {
                Family::Scorecard => "scorecard",
                Family::Pipeline => "linear pipeline",
            },
        }
    }

    /// How many features it reads.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Net(imported) => imported.net.inputs(),
            Self::Lines(lines) => lines.net.inputs(),
        }
    }

    /// Whether the file gives a probability and the plan the log-odds under it.
    pub fn sigmoid_removed(&self) -> bool {
        match self {
            Self::Net(imported) => imported.sigmoid_removed,
            Self::Lines(lines) => lines.sigmoid_removed,
        }
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &[u8; 32] {
        match self {
            Self::Net(imported) => &imported.sha256,
            Self::Lines(lines) => &lines.sha256,
        }
    }

    /// Holds our reading of it against the library that owns its format, on real rows. Lines have
    /// none that could be linked in: `tests/families` holds them against their libraries' outputs.
    ///
    /// # Errors
    /// Where the two differ by more than the family allows, with the place.
    pub fn check(&self, rows: &Rows) -> Result<()> {
        match self {
            Self::Net(imported) => calibrate::observe(imported, rows).map(drop),
            Self::Lines(_) => Ok(()),
        }
    }

    /// Its plan in its own arithmetic: nothing pruned, nothing quantised.
    ///
    /// # Errors
    /// Where it cannot be lowered.
    pub fn lower(&self) -> Result<Lowered> {
        match self {
            Self::Net(imported) => float(&imported.net),
            Self::Lines(lines) => float(&lines.net),
        }
    }

    /// How large it is as handed in.
    pub fn size(&self) -> Size {
        match self {
            Self::Net(imported) => Size::of_net(&imported.net, imported.initialiser_bytes),
            Self::Lines(lines) => Size::of_net(&lines.net, lines.net.parameters() * 4),
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
