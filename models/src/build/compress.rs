//! Compressing: what each family loses on its way into the bundle. Nets are pruned and quantised;
//! whatever is exact already goes in as it is.

use serde::Serialize;

use super::{Bench, Stages, gate};
use crate::compile::lower;
use crate::compile::net::{Layer, Net};
use crate::compile::source;
use crate::compile::{Program, Size, Source, prune};
use crate::error::{Error, Result};
use crate::evaluate::scored::Scored;
use crate::recipe::Precision;

/// What int8 costs in one layer alone, the others in f32.
#[derive(Debug, Clone, Serialize)]
pub struct LayerCost {
    /// The layer's name, as `compile.layers` takes it.
    pub name: String,
    /// Its inputs and outputs.
    pub shape: [usize; 2],
    /// Its arithmetic in the bundle.
    pub precision: &'static str,
    /// AUC lost or won on the validation part.
    pub auc: f64,
    /// Outcomes that flip on the validation part.
    pub flips: f64,
}

/// The stages that follow the model handed in.
pub(super) struct Compressed {
    pub pruned: Option<Program>,
    pub quantised: Option<Program>,
    /// What int8 costs, layer by layer, on the validation part.
    pub layers: Vec<LayerCost>,
    /// Size of the bundle's plan, or of its model file.
    pub size: Size,
}

impl Compressed {
    /// What the bundle executes.
    pub fn bundle<'a>(&'a self, float: &'a Program) -> &'a Program {
        let pruned = self.pruned.as_ref().unwrap_or(float);
        self.quantised.as_ref().unwrap_or(pruned)
    }

    /// All stages.
    pub fn stages<'a>(&'a self, float: &'a Program) -> Stages<&'a Program> {
        Stages {
            float,
            pruned: self.pruned.as_ref(),
            bundle: self.bundle(float),
        }
    }
}

/// Compresses a model as its recipe says, ranges and corrections fitted on the bench's rows.
pub(super) fn compress(
    bench: &Bench<'_>,
    source: &Source,
    progress: &mut dyn FnMut(&str),
) -> Result<Compressed> {
    match source {
        Source::Net(imported) => net(bench, &imported.net, progress),
        Source::File(file) => Ok(Compressed {
            pruned: None,
            quantised: None,
            layers: Vec::new(),
            size: file.size(),
        }),
        // In the arithmetic that it came in.
        Source::Graph(graph) => Ok(Compressed {
            pruned: None,
            quantised: None,
            layers: Vec::new(),
            size: graph.size(graph.lowered().bytes()),
        }),
        Source::Lines(lines) => Ok(Compressed {
            pruned: None,
            quantised: None,
            layers: Vec::new(),
            size: Size::of_net(&lines.net, source.lower()?.bytes()),
        }),
        // The exact families stay as they are; chains of dense layers are quantised.
        Source::Blend(blend) => {
            let precision = bench.workshop.recipe.compile.precision;
            let quantised = blend.compressed(bench.rows, precision)?;
            Ok(Compressed {
                pruned: None,
                size: blend.size_as(quantised.as_ref().unwrap_or(blend.lowered())),
                quantised: quantised.map(Program::Plan),
                layers: Vec::new(),
            })
        }
        // In the library's own arithmetic already.
        Source::Trees(grown) => Ok(Compressed {
            pruned: None,
            quantised: None,
            layers: Vec::new(),
            size: Size {
                bytes: source.lower()?.bytes(),
                ..grown.size()
            },
        }),
    }
}

fn net(bench: &Bench<'_>, net: &Net, progress: &mut dyn FnMut(&str)) -> Result<Compressed> {
    progress("pruning");
    let pruned = prune::prune(net, bench.rows, bench.workshop.recipe.compile.prune)?;
    let trial = NetTrial {
        bench,
        net: &pruned,
        float: source::float(&pruned)?.into(),
    };
    progress("quantising");
    let layers = trial.layer_costs()?;
    let precisions = trial.precisions(&layers)?;
    let quantised = trial.lower(&precisions)?;
    let layers = layers.into_iter().zip(&precisions);
    Ok(Compressed {
        layers: layers
            .map(|(cost, &precision)| LayerCost {
                precision: name_of(precision),
                ..cost
            })
            .collect(),
        size: Size::of_net(&pruned, quantised.bytes()),
        pruned: Some(trial.float),
        quantised: Some(quantised),
    })
}

fn name_of(precision: Precision) -> &'static str {
    match precision {
        Precision::Int8 | Precision::Auto => "int8",
        Precision::F16 => "f16",
        Precision::F32 => "f32",
    }
}

/// A pruned net, tried in several precisions.
struct NetTrial<'b> {
    bench: &'b Bench<'b>,
    net: &'b Net,
    float: Program,
}

impl NetTrial<'_> {
    fn lower(&self, precisions: &[Precision]) -> Result<Program> {
        lower::lower(self.net, self.bench.rows, precisions).map(Program::Plan)
    }

    /// What it says of the validation part.
    fn score(&self, model: &Program) -> Result<Scored> {
        let workshop = self.bench.workshop;
        workshop.score(&self.bench.scorer(model)?, &workshop.validation)
    }

    /// What int8 costs in each layer alone, on the validation part.
    fn layer_costs(&self) -> Result<Vec<LayerCost>> {
        let bad = self.bench.workshop.labels(&self.bench.workshop.validation);
        let all_float = vec![Precision::F32; self.net.layers.len()];
        let float = self.score(&self.float)?;
        let auc = |scored: &Scored| Ok::<_, Error>(scored.measure(&bad)?.auc.value);
        let mut costs = Vec::new();
        for (at, layer) in self.net.layers.iter().enumerate() {
            let mut precisions = all_float.clone();
            precisions[at] = Precision::Int8;
            let int8 = self.score(&self.lower(&precisions)?)?;
            let flipped = int8
                .outcome
                .iter()
                .zip(&float.outcome)
                .filter(|(a, b)| a != b)
                .count();
            costs.push(LayerCost {
                name: layer.name.clone(),
                shape: [layer.inputs, layer.outputs],
                precision: "int8",
                auc: auc(&int8)? - auc(&float)?,
                flips: flipped as f64 / bad.len() as f64,
            });
        }
        Ok(costs)
    }

    /// The arithmetic of each layer: as the recipe says, and with `auto` f16 for the costliest
    /// layers until the int8 gate holds on the validation part.
    fn precisions(&self, costs: &[LayerCost]) -> Result<Vec<Precision>> {
        let compile = &self.bench.workshop.recipe.compile;
        if let Some(name) = compile
            .layers
            .keys()
            .find(|name| !self.net.layers.iter().any(|l| l.name == **name))
        {
            let names: Vec<&str> = self.net.layers.iter().map(|l| l.name.as_str()).collect();
            return Err(Error::input(
                format!("compile.layers.{name}"),
                format!("a layer of the model: {}", names.join(", ")),
            ));
        }
        let start = if compile.precision == Precision::Auto {
            Precision::Int8
        } else {
            compile.precision
        };
        let given = |layer: &Layer| compile.layers.get(&layer.name).copied();
        let mut precisions: Vec<Precision> = self
            .net
            .layers
            .iter()
            .map(|layer| given(layer).unwrap_or(start))
            .collect();
        if compile.precision != Precision::Auto {
            return Ok(precisions);
        }
        let bad = self.bench.workshop.labels(&self.bench.workshop.validation);
        let float = self.score(&self.float)?;
        let mut order: Vec<usize> = (0..costs.len())
            .filter(|&at| given(&self.net.layers[at]).is_none())
            .collect();
        order.sort_by(|&a, &b| costs[b].flips.total_cmp(&costs[a].flips));
        let steps = order
            .iter()
            .map(|&at| (at, Precision::F16))
            .chain(order.iter().map(|&at| (at, Precision::F32)));
        for (at, precision) in steps {
            let scored = self.score(&self.lower(&precisions)?)?;
            let limits = self.bench.workshop.recipe.gates.int8;
            if gate::compare("int8", limits, &bad, (&float, &scored), None)?.passed {
                break;
            }
            precisions[at] = precision;
        }
        Ok(precisions)
    }
}
