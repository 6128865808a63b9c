//! Compressing: what each family loses on its way into the bundle. Nets are pruned and quantised;
//! whatever is exact already goes in as it is.

use serde::Serialize;

use super::{Bench, Stages, gate};
use crate::compile::graph::Graph;
use crate::compile::lower::{self, Lowered};
use crate::compile::net::{Layer, Net};
use crate::compile::source;
use crate::compile::{Program, Size, Source, prune};
use crate::error::{Error, Result};
use crate::evaluate::curves::greatest_flips;
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
    /// Share of outcomes that flip on the validation part.
    pub flips: f64,
    /// Share of rows of the validation part that the worst cut-off would decide otherwise: what
    /// `auto` goes by, because it does not change with the policy.
    pub any_cut_off: f64,
}

/// The stages that follow the model handed in.
pub(super) struct Compressed {
    pub pruned: Option<Program>,
    pub quantised: Option<Program>,
    /// What int8 costs, layer by layer, on the validation part.
    pub layers: Vec<LayerCost>,
    /// Size of the bundle's plan, or of its model file.
    pub size: Size,
    /// The chain of dense layers that the bundle executes, where none of them is in int8.
    pub float_net: Option<Net>,
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
            float_net: None,
        }),
        Source::Graph(graph) => self::graph(bench, graph, progress),
        Source::Lines(lines) => Ok(Compressed {
            pruned: None,
            quantised: None,
            layers: Vec::new(),
            size: Size::of_net(&lines.net, source.lower()?.bytes()),
            float_net: None,
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
                float_net: None,
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
            float_net: None,
        }),
    }
}

fn net(bench: &Bench<'_>, net: &Net, progress: &mut dyn FnMut(&str)) -> Result<Compressed> {
    progress("pruning");
    let pruned = prune::prune(net, bench.rows, bench.workshop.recipe.compile.prune)?;
    progress("quantising");
    let layers: Vec<&Layer> = pruned.layers.iter().collect();
    let trial = Trial {
        bench,
        layers: &layers,
        float: source::float(&pruned)?.into(),
        others: &[Precision::F16, Precision::F32],
        lower: &|precisions| lower::lower(&pruned, bench.rows, precisions),
    };
    let (quantised, layers) = trial.run()?;
    let in_float = layers.iter().all(|layer| layer.precision != "int8");
    Ok(Compressed {
        layers,
        size: Size::of_net(&pruned, quantised.bytes()),
        float_net: in_float.then(|| pruned.clone()),
        pruned: Some(trial.float),
        quantised: Some(quantised),
    })
}

/// A graph is not pruned; its dense layers go to int8 where the recipe does not keep them in f32.
fn graph(bench: &Bench<'_>, graph: &Graph, progress: &mut dyn FnMut(&str)) -> Result<Compressed> {
    let compile = &bench.workshop.recipe.compile;
    let float = Compressed {
        pruned: None,
        quantised: None,
        layers: Vec::new(),
        size: graph.size(graph.lowered().bytes()),
        float_net: None,
    };
    if compile.precision == Precision::F32 && compile.layers.is_empty() {
        return Ok(float);
    }
    progress("quantising");
    let quantiser = graph.quantiser(bench.rows)?;
    if quantiser.layers.is_empty() {
        return Ok(float);
    }
    let layers: Vec<&Layer> = quantiser.layers.iter().map(|own| &own.layer).collect();
    let trial = Trial {
        bench,
        layers: &layers,
        float: graph.lowered().clone().into(),
        others: &[Precision::F32],
        lower: &|precisions| quantiser.lower(precisions),
    };
    let (quantised, layers) = trial.run()?;
    Ok(Compressed {
        layers,
        size: graph.size(quantised.bytes()),
        quantised: Some(quantised),
        ..float
    })
}

fn name_of(precision: Precision) -> &'static str {
    match precision {
        Precision::Int8 | Precision::Auto => "int8",
        Precision::F16 => "f16",
        Precision::F32 => "f32",
    }
}

/// A net, tried in several precisions.
struct Trial<'b> {
    bench: &'b Bench<'b>,
    layers: &'b [&'b Layer],
    float: Program,
    /// What a layer may have instead of int8, the lesser change first.
    others: &'b [Precision],
    /// The plan of layers in these precisions.
    lower: &'b dyn Fn(&[Precision]) -> Result<Lowered>,
}

impl Trial<'_> {
    /// The plan in the precisions that the recipe asks for, and what int8 costs in each layer.
    fn run(&self) -> Result<(Program, Vec<LayerCost>)> {
        let costs = self.layer_costs()?;
        let precisions = self.precisions(&costs)?;
        let quantised = self.lower(&precisions)?;
        let layers = costs.into_iter().zip(&precisions);
        let named = layers.map(|(cost, &precision)| LayerCost {
            precision: name_of(precision),
            ..cost
        });
        Ok((quantised, named.collect()))
    }

    fn lower(&self, precisions: &[Precision]) -> Result<Program> {
        (self.lower)(precisions).map(Program::Plan)
    }

    /// What it says of the validation part.
    fn score(&self, model: &Program) -> Result<Scored> {
        let workshop = self.bench.workshop;
        workshop.score(&self.bench.scorer(model)?, &workshop.validation)
    }

    /// What int8 costs in each layer alone, on the validation part.
    fn layer_costs(&self) -> Result<Vec<LayerCost>> {
        let bad = self.bench.workshop.labels(&self.bench.workshop.validation);
        let all_float = vec![Precision::F32; self.layers.len()];
        let float = self.score(&self.float)?;
        let auc = |scored: &Scored| Ok::<_, Error>(scored.measure(&bad)?.auc.value);
        let mut costs = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            let mut precisions = all_float.clone();
            precisions[at] = Precision::Int8;
            let int8 = self.score(&self.lower(&precisions)?)?;
            let flipped = int8
                .outcome
                .iter()
                .zip(&float.outcome)
                .filter(|(a, b)| a != b)
                .count();
            let divided = greatest_flips(&int8.score, &float.score).map_err(gate::fault)?;
            costs.push(LayerCost {
                name: layer.name.clone(),
                shape: [layer.inputs, layer.outputs],
                precision: "int8",
                auc: auc(&int8)? - auc(&float)?,
                flips: flipped as f64 / bad.len() as f64,
                any_cut_off: divided as f64 / bad.len() as f64,
            });
        }
        Ok(costs)
    }

    /// The arithmetic of each layer: as the recipe says, and with `auto` a finer one for the
    /// costliest layers until the int8 gate holds on the validation part, whatever the cut-offs.
    fn precisions(&self, costs: &[LayerCost]) -> Result<Vec<Precision>> {
        let compile = &self.bench.workshop.recipe.compile;
        if let Some(name) = compile
            .layers
            .keys()
            .find(|name| !self.layers.iter().any(|l| l.name == **name))
        {
            let names: Vec<&str> = self.layers.iter().map(|l| l.name.as_str()).collect();
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
            .layers
            .iter()
            .map(|layer| given(layer).unwrap_or(start))
            .collect();
        let can = |precision: &Precision| {
            *precision == Precision::Int8 || self.others.contains(precision)
        };
        if !precisions.iter().all(can) {
            return Err(Error::input(
                "compile.precision",
                "int8, f32 or auto, because the model is more than a chain of dense layers",
            ));
        }
        if compile.precision != Precision::Auto {
            return Ok(precisions);
        }
        let bad = self.bench.workshop.labels(&self.bench.workshop.validation);
        let float = self.score(&self.float)?;
        let mut order: Vec<usize> = (0..costs.len())
            .filter(|&at| given(self.layers[at]).is_none())
            .collect();
        order.sort_by(|&a, &b| costs[b].any_cut_off.total_cmp(&costs[a].any_cut_off));
        let steps = self
            .others
            .iter()
            .flat_map(|&other| order.iter().map(move |&at| (at, other)));
        for (at, precision) in steps {
            let scored = self.score(&self.lower(&precisions)?)?;
            let limits = self.bench.workshop.recipe.gates.int8;
            if gate::holds_at_any_cut_offs(limits, &bad, &float, &scored)? {
                break;
            }
            precisions[at] = precision;
        }
        Ok(precisions)
    }
}
