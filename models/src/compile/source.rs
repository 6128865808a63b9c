//! A model as it was handed in: the family that its file holds, and its plan before anything is
//! compressed.

use std::path::Path;

use sha2::{Digest, Sha256};
use tract_onnx::prelude::Framework;

use crate::compile::file::File;
use crate::compile::graph::Graph;
use crate::compile::import::{self, Imported};
use crate::compile::lines::{Family, Lines};
use crate::compile::lower::{self, Lowered};
use crate::compile::net::{Net, Rows};
use crate::compile::pipeline::Pipeline;
use crate::compile::trees::{self, Described, Grown, Link};
use crate::compile::{Program, Size, calibrate, onnx_ml, scorecard};
use crate::error::{Result, io};
use crate::recipe::{Engine, Precision};

/// A model of one of the families that the compiler takes.
#[derive(Debug, Clone)]
pub enum Source {
    /// A chain of dense layers, from ONNX.
    Net(Imported),
    /// Any other net, from ONNX.
    Graph(Box<Graph>),
    /// A scorecard's points as CSV, or a scikit-learn pipeline as ONNX.
    Lines(Lines),
    /// An ensemble of trees, from LightGBM, XGBoost or ONNX.
    Trees(Grown),
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
            Engine::Tract | Engine::Tflite => File::read(path, engine.into()).map(Self::File),
        }
    }

    /// Reads a model file that is to become a plan.
    ///
    /// # Errors
    /// Where it is no file of a family, or has something that the plan cannot express: with the
    /// place and what to do.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| io(path, &e))?;
        let place = path.display().to_string();
        if let Some(forest) = trees::of_bytes(&bytes, &place)? {
            return Ok(Self::Trees(Grown::new(forest, &bytes)));
        }
        if let Some(grown) = trees::of_model(&bytes, &place)? {
            return Ok(Self::Trees(grown));
        }
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
        match import::import(path) {
            Ok(imported) => Ok(Self::Net(imported)),
            // No chain of dense layers; what is at fault in a graph is what counts.
            Err(_) => {
                let graph = Graph::import(path)?;
                graph.check_output()?;
                Ok(Self::Graph(Box::new(graph)))
            }
        }
    }

    /// The model whose output is the bad class's, where the file names its classes.
    #[must_use]
    pub fn toward(self, bad: &str) -> Self {
        match self {
            Self::Lines(lines) => Self::Lines(lines.toward(bad)),
            other @ (Self::Net(_) | Self::Graph(_) | Self::Trees(_) | Self::File(_)) => other,
        }
    }

    /// The preprocessing that it brings.
    pub fn pipeline(&self) -> Option<&Pipeline> {
        match self {
            Self::Net(_) | Self::Graph(_) | Self::Trees(_) | Self::File(_) => None,
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
            Self::Net(_) | Self::Graph(_) => "net",
            Self::Lines(lines) => match lines.family {
                Family::Scorecard => "scorecard",
                Family::Pipeline => "linear pipeline",
            },
            Self::Trees(_) => "trees",
            Self::File(_) => "model file",
        }
    }

    /// What the file says of its features, one entry each; nothing where it says nothing.
    pub fn described(&self) -> &[Described] {
        match self {
            Self::Net(_) | Self::Graph(_) | Self::Lines(_) | Self::File(_) => &[],
            Self::Trees(grown) => &grown.forest.features,
        }
    }

    /// Whether missing values may reach it as NaN.
    pub fn takes_missing(&self) -> bool {
        match self {
            Self::Net(_) | Self::Graph(_) | Self::Lines(_) | Self::File(_) => false,
            Self::Trees(_) => true,
        }
    }

    /// How many features it reads.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Net(imported) => imported.net.inputs(),
            Self::Graph(graph) => graph.inputs(),
            Self::Lines(lines) => lines.net.inputs(),
            Self::Trees(grown) => grown.forest.features.len(),
            Self::File(file) => file.inputs(),
        }
    }

    /// Whether the file gives a probability and the plan the log-odds under it.
    pub fn sigmoid_removed(&self) -> bool {
        match self {
            Self::Net(imported) => imported.sigmoid_removed,
            Self::Graph(graph) => graph.sigmoid_removed,
            Self::Lines(lines) => lines.sigmoid_removed,
            Self::Trees(grown) => grown.forest.link == Link::Logistic,
            Self::File(_) => false,
        }
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &[u8; 32] {
        match self {
            Self::Net(imported) => &imported.sha256,
            Self::Graph(graph) => &graph.sha256,
            Self::Lines(lines) => &lines.sha256,
            Self::Trees(grown) => &grown.sha256,
            Self::File(file) => file.sha256(),
        }
    }

    /// Holds our reading of it against the library that owns its format, on real rows. Lines have
    /// none that could be linked in: `tests/families` holds them against their libraries' outputs.
    ///
    /// # Errors
    /// Where the two differ by more than the family allows, with the place.
    pub fn check(&self, rows: &Rows<f64>) -> Result<()> {
        match self {
            Self::Net(imported) => calibrate::observe(imported, &rows.narrow()).map(drop),
            Self::Graph(graph) => graph.check(&rows.narrow()),
            Self::Lines(_) => Ok(()),
            Self::Trees(grown) => trees::check(&grown.forest, rows),
            Self::File(file) => file.check(&rows.narrow()),
        }
    }

    /// What executes it in its own arithmetic: nothing pruned, nothing quantised.
    ///
    /// # Errors
    /// Where it cannot be lowered.
    pub fn lower(&self) -> Result<Program> {
        match self {
            Self::Net(imported) => float(&imported.net).map(Program::Plan),
            Self::Graph(graph) => Ok(graph.lowered().clone().into()),
            Self::Lines(lines) => float(&lines.net).map(Program::Plan),
            Self::Trees(grown) => trees::lower(&grown.forest).map(Program::Plan),
            Self::File(file) => Ok(Program::File(file.clone())),
        }
    }

    /// How large it is as handed in.
    pub fn size(&self) -> Size {
        match self {
            Self::Net(imported) => Size::of_net(&imported.net, imported.initialiser_bytes),
            Self::Graph(graph) => graph.size(graph.lowered().weights.len()),
            Self::Lines(lines) => Size::of_net(&lines.net, lines.net.parameters() * 4),
            Self::Trees(grown) => grown.size(),
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
