//! A model as it was handed in: the family that its file holds, and its plan before anything is
//! compressed.

use std::path::Path;

use crate::compile::graph::Graph;
use crate::compile::import::{self, Imported};
use crate::compile::lower::{self, Lowered};
use crate::compile::net::{Net, Rows};
use crate::compile::{Size, calibrate};
use crate::error::Result;
use crate::recipe::Precision;

/// A model of one of the families that the compiler takes.
#[derive(Debug, Clone)]
pub enum Source {
    /// A chain of dense layers, from ONNX.
    Net(Imported),
    /// Any other net, from ONNX.
    Graph(Box<Graph>),
}

impl Source {
    /// Reads a model file.
    ///
    /// # Errors
    /// Where it is no file of a family, or has something that the plan cannot express: with the
    /// place and what to do.
    pub fn read(path: &Path) -> Result<Self> {
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

    /// What people call its family.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Net(_) | Self::Graph(_) => "net",
        }
    }

    /// How many features it reads.
    pub fn inputs(&self) -> usize {
        match self {
            Self::Net(imported) => imported.net.inputs(),
            Self::Graph(graph) => graph.inputs(),
        }
    }

    /// Whether the file gives a probability and the plan the log-odds under it.
    pub fn sigmoid_removed(&self) -> bool {
        match self {
            Self::Net(imported) => imported.sigmoid_removed,
            Self::Graph(graph) => graph.sigmoid_removed,
        }
    }

    /// SHA-256 of the file.
    pub fn sha256(&self) -> &[u8; 32] {
        match self {
            Self::Net(imported) => &imported.sha256,
            Self::Graph(graph) => &graph.sha256,
        }
    }

    /// Holds our reading of it against the library that owns its format, on real rows.
    ///
    /// # Errors
    /// Where the two differ by more than the family allows, with the place.
    pub fn check(&self, rows: &Rows) -> Result<()> {
        match self {
            Self::Net(imported) => calibrate::observe(imported, rows).map(drop),
            Self::Graph(graph) => graph.check(rows),
        }
    }

    /// Its plan in its own arithmetic: nothing pruned, nothing quantised.
    ///
    /// # Errors
    /// Where it cannot be lowered.
    pub fn lower(&self) -> Result<Lowered> {
        match self {
            Self::Net(imported) => float(&imported.net),
            Self::Graph(graph) => Ok(graph.lowered().clone()),
        }
    }

    /// How large it is as handed in.
    pub fn size(&self) -> Size {
        match self {
            Self::Net(imported) => Size::of_net(&imported.net, imported.initialiser_bytes),
            Self::Graph(graph) => graph.size(graph.lowered().weights.len()),
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
