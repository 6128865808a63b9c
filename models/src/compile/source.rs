//! A model as it was handed in: the family that its file holds, and its plan before anything is
//! compressed.

use std::path::Path;

use fieldscore_runtime::decide::OutputKind;
use sha2::{Digest, Sha256};
use tract_onnx::prelude::Framework;

use crate::compile::blend::Blend;
use crate::compile::file::File;
use crate::compile::graph::Graph;
use crate::compile::import::{self, Imported};
use crate::compile::lines::{Family, Lines};
use crate::compile::lower::{self, Lowered};
use crate::compile::net::{Net, Rows};
use crate::compile::pipeline::Pipeline;
use crate::compile::trees::{self, Described, Grown, Link};
use crate::compile::{Program, Size, calibrate, onnx_ml, scorecard};
use crate::error::{Error, Result, io};
use crate::recipe::{Engine, Output, Precision, Reads, Recipe};

/// A model of one of the families that the compiler takes.
#[derive(Debug, Clone)]
pub enum Source {
    /// A chain of dense layers, from ONNX.
    Net(Imported),
    /// Any other net, from ONNX.
    Graph(Box<Graph>),
    /// A scorecard's points as CSV, or a scikit-learn pipeline as ONNX.
    Lines(Lines),
    /// An ensemble of trees, from LightGBM, XGBoost or ONNX, there with its preprocessing.
    Trees(Grown),
    /// Several of these, and how they make one.
    Blend(Box<Blend>),
    /// Whatever an engine other than the plan's takes: it ships as it is.
    File(File),
}

impl Source {
    /// Reads a recipe's model or models for the engine that is to execute them.
    ///
    /// # Errors
    /// As [`Self::read`]; for another engine, where that does not take the file.
    pub fn open(recipe: &Recipe) -> Result<Self> {
        let (path, bad) = (&recipe.model.file, &recipe.data.label.bad);
        let source = match recipe.compile.engine {
            engine @ (Engine::Tract | Engine::Tflite) => {
                Self::File(File::read(path, engine.into())?)
            }
            Engine::Plan if !recipe.models.is_empty() => {
                Self::Blend(Box::new(Blend::open(recipe)?))
            }
            Engine::Plan if recipe.outputs.is_empty() => Self::read(path)?,
            Engine::Plan => Self::read_several(path)?,
        };
        Ok(source.toward(bad))
    }

    /// Reads a model file that is to become a plan, with one output for each row.
    ///
    /// # Errors
    /// Where it is no file of a family, or has something that the plan cannot express: with the
    /// place and what to do.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of_file(path, false)
    }

    /// As [`Self::read`], with any number of outputs.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_several(path: &Path) -> Result<Self> {
        Self::of_file(path, true)
    }

    fn of_file(path: &Path, several: bool) -> Result<Self> {
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
            return Ok(match onnx_ml::read(&model, &place)? {
                onnx_ml::Read::Lines(lines) => Self::Lines(Lines { sha256, ..lines }),
                onnx_ml::Read::Trees(grown) => Self::Trees(Grown {
                    sha256,
                    bytes: bytes.len(),
                    ..grown
                }),
            });
        }
        let import = if several {
            import::import_several
        } else {
            import::import
        };
        match import(path) {
            Ok(imported) => Ok(Self::Net(imported)),
            // No chain of dense layers; what is at fault in a graph is what counts.
            Err(_) => {
                let graph = Graph::import(path)?;
                if !several {
                    graph.check_output()?;
                }
                Ok(Self::Graph(Box::new(graph)))
            }
        }
    }

    /// The model whose output is the bad class's, where the file names its classes.
    #[must_use]
    pub fn toward(self, bad: &str) -> Self {
        match self {
            Self::Lines(lines) => Self::Lines(lines.toward(bad)),
            Self::Trees(grown) => Self::Trees(grown.toward(bad)),
            // A blend's models are turned when they are read.
            other @ (Self::Net(_) | Self::Graph(_) | Self::Blend(_) | Self::File(_)) => other,
        }
    }

    /// What each input of its plan reads, one behind the other.
    pub fn reads<'a>(&'a self, recipe: &'a Recipe) -> Vec<Reads<'a>> {
        match self {
            Self::Blend(blend) => blend.reads(),
            _ => vec![Reads {
                inputs: self.named_inputs(),
                ..Reads::model(recipe, self.pipeline())
            }],
        }
    }

    /// The numbers that it gives for a row: the names of its outputs, and how many each has.
    pub fn outputs(&self) -> Vec<(String, u32)> {
        let of_plan = |lowered: &Lowered| {
            let model = &lowered.plan.models[0];
            let ports = model.outputs.iter();
            ports
                .map(|port| {
                    let len = model.buffers[usize::from(port.buffer)].len;
                    (port.name.clone(), len)
                })
                .collect()
        };
        match self {
            Self::Graph(graph) => of_plan(graph.lowered()),
            Self::Blend(blend) => of_plan(blend.lowered()),
            Self::Net(imported) => {
                let last = imported.net.layers.last();
                vec![("output".to_owned(), last.map_or(0, |l| l.outputs as u32))]
            }
            Self::Lines(_) | Self::Trees(_) | Self::File(_) => vec![("output".to_owned(), 1)],
        }
    }

    /// The preprocessing that it brings; a blend's models have their own.
    pub fn pipeline(&self) -> Option<&Pipeline> {
        match self {
            Self::Net(_) | Self::Graph(_) | Self::Blend(_) | Self::File(_) => None,
            Self::Lines(lines) => Some(&lines.pipeline),
            Self::Trees(grown) => grown.pipeline.as_ref(),
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
            Self::Blend(_) => "blend",
            Self::File(_) => "model file",
        }
    }

    /// What the file says of its features, one entry each; nothing where it says nothing.
    pub fn described(&self) -> &[Described] {
        match self {
            Self::Net(_) | Self::Graph(_) | Self::Lines(_) | Self::Blend(_) | Self::File(_) => &[],
            Self::Trees(grown) => &grown.forest.features,
        }
    }

    /// Names of features of a recipe that may not reach it as NaN.
    pub fn never_missing<'a>(&'a self, recipe: &'a Recipe) -> Vec<&'a String> {
        match self {
            Self::Blend(blend) => blend.never_missing().collect(),
            source if source.takes_missing() => Vec::new(),
            _ => recipe.model.features.iter().collect(),
        }
    }

    /// Whether missing values may reach it as NaN; of a blend each model says so itself.
    pub fn takes_missing(&self) -> bool {
        match self {
            Self::Blend(_) => true,
            Self::Net(_) | Self::Graph(_) | Self::Lines(_) | Self::File(_) => false,
            Self::Trees(_) => true,
        }
    }

    /// The names and sizes of its inputs, where it has several.
    pub fn named_inputs(&self) -> Vec<(String, usize)> {
        match self {
            Self::Graph(graph) => graph.named_inputs(),
            // A blend's models have their own.
            Self::Net(_) | Self::Lines(_) | Self::Trees(_) | Self::Blend(_) | Self::File(_) => {
                Vec::new()
            }
        }
    }

    /// How many features it reads.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Net(imported) => imported.net.inputs(),
            Self::Graph(graph) => graph.inputs(),
            Self::Lines(lines) => lines.net.inputs(),
            Self::Trees(grown) => grown.forest.features.len(),
            Self::Blend(blend) => blend.inputs(),
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
            Self::Blend(_) | Self::File(_) => false,
        }
    }

    /// Whether the file gives a probability, by a sigmoid or by leaves that are one.
    pub fn gives_probability(&self) -> bool {
        let leaves = matches!(self, Self::Trees(grown) if grown.forest.gives_probability());
        leaves || self.sigmoid_removed()
    }

    /// What its output is to a bundle, where a recipe says `said` under `key`.
    ///
    /// # Errors
    /// Where the two do not go together.
    pub fn kind(&self, said: Output, key: &str) -> Result<OutputKind> {
        if (said == Output::Points) != self.gives_points() {
            let what = match self.gives_points() {
                true => "\"points\", because the model is a scorecard",
                false => "\"logit\" or \"probability\", because only a scorecard gives points",
            };
            return Err(Error::input(key, what));
        }
        match (said, self.sigmoid_removed()) {
            (Output::Points, _) => Ok(OutputKind::Points),
            (Output::Logit, false) | (Output::Probability, true) => Ok(OutputKind::Logit),
            (Output::Probability, false) => Ok(OutputKind::Probability),
            (Output::Logit, true) => Err(Error::input(
                key,
                "\"probability\", because the model ends with a sigmoid",
            )),
        }
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &[u8; 32] {
        match self {
            Self::Net(imported) => &imported.sha256,
            Self::Graph(graph) => &graph.sha256,
            Self::Lines(lines) => &lines.sha256,
            Self::Trees(grown) => &grown.sha256,
            Self::Blend(blend) => blend.sha256(),
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
            Self::Blend(blend) => blend.check(rows),
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
            Self::Blend(blend) => Ok(blend.lowered().clone().into()),
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
            Self::Blend(blend) => blend.size(),
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
