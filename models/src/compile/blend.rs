//! Blends: several models in one plan, one behind the other, and how their outputs make one.

use std::path::PathBuf;

use fieldscore_runtime::decide::{self, OutputKind};
use fieldscore_runtime::plan::{
    Buffer, CONSTANT, ElementType, Executable, Model, PLAN_VERSION, Plan, Port, Step,
};
use sha2::{Digest, Sha256};

use crate::compile::lower::{self, Lowered, plan_inputs};
use crate::compile::net::Rows;
use crate::compile::pipeline::Step as Chained;
use crate::compile::{Size, Source, stack};
use crate::error::{Error, Result};
use crate::recipe::{self, BlendKind, BlendOf, Output, Precision, Reads, Recipe};

/// How far the bundle's probability and that of the members' own references, combined in f64, may
/// lie apart.
const TOLERANCE: f64 = 1e-6;

/// Several models that make one.
#[derive(Debug, Clone)]
pub struct Blend {
    members: Vec<Member>,
    /// The plan's inputs: members that read the same features in the same type share one.
    inputs: Vec<(ElementType, u32)>,
    kind: OutputKind,
    probabilities: bool,
    /// Weights and bias; none where they are to be fitted.
    given: Option<(Vec<f64>, f64)>,
    lowered: Lowered,
    sha256: [u8; 32],
}

/// One of them.
#[derive(Debug, Clone)]
struct Member {
    name: String,
    file: PathBuf,
    features: Vec<String>,
    source: Source,
    lowered: Lowered,
    kind: OutputKind,
    /// Which of the plan's inputs it reads.
    input: usize,
    /// Which of its own outputs, and which number of that.
    output: u16,
    element: u32,
    /// The plan's number of its first output.
    first: u16,
}

impl Blend {
    /// Reads the models of a recipe.
    ///
    /// # Errors
    /// As [`Source::read`]; where a model is no member of the kind that the recipe says.
    pub fn open(recipe: &Recipe) -> Result<Self> {
        let Some(how) = &recipe.blend else {
            return Err(Error::input(
                "blend",
                "[blend], because there are [[models]]",
            ));
        };
        let mut members: Vec<Member> = Vec::new();
        let mut inputs: Vec<(ElementType, u32)> = Vec::new();
        for table in &recipe.models {
            let mut member = Member::open(recipe, table)?;
            let model = &member.lowered.plan.models[0];
            let own = model.buffers[usize::from(model.inputs[0].buffer)];
            let own = (own.element, own.len);
            let twin = members.iter().find(|other| {
                let same = other.source.pipeline().is_none() && member.source.pipeline().is_none();
                same && other.features == member.features && inputs[other.input] == own
            });
            member.input = twin.map_or(inputs.len(), |twin| twin.input);
            if member.input == inputs.len() {
                inputs.push(own);
            }
            let before = members.last();
            member.first = before.map_or(0, |m| m.first + m.source.outputs().len() as u16);
            members.push(member);
        }
        let mut given = None;
        let mut kind = match how.of {
            BlendOf::LogOdds => OutputKind::Logit,
            BlendOf::Probability => OutputKind::Probability,
        };
        match (how.kind, &how.file) {
            (BlendKind::Average | BlendKind::Weighted, _) => {
                let weights = recipe.models.iter().map(|m| m.weight.unwrap_or(1.0));
                let sum: f64 = weights.clone().sum();
                given = Some((weights.map(|weight| weight / sum).collect(), 0.0));
            }
            (BlendKind::Stacking, Some(file)) => {
                let names: Vec<&str> = members.iter().map(|m| m.name.as_str()).collect();
                let line = stack::read(file, &names, &recipe.data.label.bad)?;
                kind = line.kind(how.output)?;
                given = Some((line.weights, line.bias));
            }
            (BlendKind::Stacking, None) => kind = OutputKind::Logit,
        }
        let mut sha256 = Sha256::new();
        for member in &members {
            sha256.update(member.source.sha256());
        }
        let mut blend = Self {
            lowered: members[0].lowered.clone(),
            members,
            inputs,
            kind,
            probabilities: how.of == BlendOf::Probability,
            given,
            sha256: sha256.finalize().into(),
        };
        blend.lowered = blend.merge(blend.members.iter().map(|m| &m.lowered))?;
        // What is too large for a plan is known now, not when a bundle is opened.
        Executable::new(blend.lowered.plan.clone(), &blend.lowered.weights).map_err(|e| {
            Error::input(
                "models",
                format!("models that one plan can hold ({})", e.expected()),
            )
            .hint("take fewer models, or smaller ones")
        })?;
        Ok(blend)
    }

    /// What each input of the plan reads.
    pub fn reads(&self) -> Vec<Reads<'_>> {
        let readers = (0..self.inputs.len()).filter_map(|input| {
            let member = self.members.iter().find(|member| member.input == input)?;
            Some(Reads {
                file: &member.file,
                features: &member.features,
                pipeline: member.source.pipeline(),
                inputs: member.source.named_inputs(),
            })
        });
        readers.collect()
    }

    /// The plan of all of them, each in its own arithmetic: inputs one behind the other, outputs too.
    pub fn lowered(&self) -> &Lowered {
        &self.lowered
    }

    /// How many features they read.
    pub fn inputs(&self) -> usize {
        self.inputs.iter().map(|&(_, len)| len as usize).sum()
    }

    /// Names of features that may not be missing.
    pub fn never_missing(&self) -> impl Iterator<Item = &String> {
        let whole = self.members.iter().filter(|m| !m.source.takes_missing());
        whole.flat_map(|member| &member.features)
    }

    /// SHA-256 over those of the files, in their order.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// How large they are together.
    pub fn size(&self) -> Size {
        self.size_as(&self.lowered)
    }

    /// How large they are together where `lowered` is their plan.
    pub fn size_as(&self, lowered: &Lowered) -> Size {
        let sizes: Vec<Size> = self.members.iter().map(|m| m.source.size()).collect();
        let shapes: Vec<String> = sizes.iter().map(|size| size.shape.clone()).collect();
        Size {
            shape: shapes.join(" and "),
            parameters: sizes.iter().map(|size| size.parameters).sum(),
            bytes: lowered.bytes(),
            multiply_adds: sizes.iter().map(|size| size.multiply_adds).sum(),
        }
    }

    /// What the sum is.
    pub fn kind(&self) -> OutputKind {
        self.kind
    }

    /// The blend as a bundle has it, where its weights are given.
    pub fn given(&self) -> Option<decide::Blend> {
        let (weights, bias) = self.given.as_ref()?;
        Some(self.weighing(weights, *bias))
    }

    /// The blend with these weights.
    pub fn weighing(&self, weights: &[f64], bias: f64) -> decide::Blend {
        let members = self.members.iter().zip(weights);
        let members = members.map(|(member, &weight)| decide::Member {
            output: member.first + member.output,
            element: member.element,
            kind: member.kind,
            weight,
        });
        decide::Blend {
            members: members.collect(),
            bias,
            probabilities: self.probabilities,
        }
    }

    /// Where the outputs of the model `name` start among the plan's, and what they are.
    pub fn member(&self, name: &str) -> Option<(u16, &Source)> {
        let member = self.members.iter().find(|member| member.name == name)?;
        Some((member.first, &member.source))
    }

    /// The plan with its chains of dense layers in another arithmetic, their ranges fitted on `rows`;
    /// none where there is no such member.
    ///
    /// # Errors
    /// Where the rows are too degenerate to fit int8 layers.
    pub fn compressed(&self, rows: &Rows, precision: Precision) -> Result<Option<Lowered>> {
        let precision = match precision {
            Precision::Auto => Precision::Int8,
            other => other,
        };
        let is_net = |member: &Member| matches!(member.source, Source::Net(_));
        if precision == Precision::F32 || !self.members.iter().any(is_net) {
            return Ok(None);
        }
        let all: Vec<Lowered> = self
            .members
            .iter()
            .map(|member| match &member.source {
                Source::Net(imported) => {
                    let precisions = vec![precision; imported.net.layers.len()];
                    lower::lower(
                        &imported.net,
                        &self.columns(rows, member.input),
                        &precisions,
                    )
                }
                _ => Ok(member.lowered.clone()),
            })
            .collect::<Result<_>>()?;
        self.merge(all.iter()).map(Some)
    }

    /// Holds each member against its own library, on real rows.
    ///
    /// # Errors
    /// Where one differs by more than its family allows.
    pub fn check(&self, rows: &Rows<f64>) -> Result<()> {
        for member in &self.members {
            let own = self.columns(rows, member.input);
            member
                .source
                .check(&own)
                .map_err(|e| e.within(format!("model {}", member.name)))?;
        }
        Ok(())
    }

    /// Holds the plan and its blend against the members' own references, combined in f64.
    ///
    /// # Errors
    /// Where a row's probabilities differ by more than 10⁻⁶.
    pub fn hold(&self, rows: &Rows<f64>, blend: &decide::Blend) -> Result<()> {
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        let mut sums = vec![blend.bias; rows.len()];
        for (member, weighed) in self.members.iter().zip(&blend.members) {
            let own = member.reference(&self.columns(rows, member.input))?;
            for (sum, x) in sums.iter_mut().zip(own) {
                let part = match (member.kind, self.probabilities) {
                    (OutputKind::Logit, true) => logistic(x),
                    (OutputKind::Probability, false) => (x / (1.0 - x)).ln().clamp(-40.0, 40.0),
                    _ => x,
                };
                *sum += weighed.weight * part;
            }
        }
        let probability = |x: f64| match self.kind {
            OutputKind::Probability => x,
            _ => logistic(x),
        };
        let found = self.lowered.run_each(rows, |number| blend.of(number))?;
        let apart = |(a, b): &(f64, f64)| (probability(*a) - probability(*b)).abs();
        let mut pairs = found.into_iter().zip(sums).enumerate();
        match pairs.find(|(_, pair)| apart(pair).is_nan() || apart(pair) > TOLERANCE) {
            None => Ok(()),
            Some((row, _)) => Err(Error::check(
                format!("calibration row {}", row + 1),
                format!("the probability that the models make together, within {TOLERANCE}"),
            )),
        }
    }

    /// The part of each row that an input reads.
    fn columns<T: Copy>(&self, rows: &Rows<T>, input: usize) -> Rows<T> {
        let len = |&(_, len): &(ElementType, u32)| len as usize;
        let start: usize = self.inputs[..input].iter().map(len).sum();
        let width = len(&self.inputs[input]);
        let values = rows.iter().flat_map(|row| &row[start..start + width]);
        Rows::new(width, values.copied().collect())
    }

    /// One plan of the members' own.
    fn merge<'l>(&self, plans: impl Iterator<Item = &'l Lowered>) -> Result<Lowered> {
        let mut buffers = self.inputs.clone();
        let mut steps = Vec::new();
        let mut outputs = Vec::new();
        let mut weights: Vec<u8> = Vec::new();
        for (member, plan) in self.members.iter().zip(plans) {
            let model = &plan.plan.models[0];
            weights.resize(weights.len().next_multiple_of(64), 0);
            let start = weights.len() as u64;
            weights.extend(&plan.weights);
            let mut places = Vec::with_capacity(model.buffers.len());
            for (at, buffer) in model.buffers.iter().enumerate() {
                if at == usize::from(model.inputs[0].buffer) {
                    places.push(member.input as u16);
                    continue;
                }
                let place = u16::try_from(buffers.len())
                    .ok()
                    .filter(|&at| at != CONSTANT);
                places.push(place.ok_or_else(|| {
                    Error::input("models", "models with fewer steps, which one plan can hold")
                })?);
                buffers.push((buffer.element, buffer.len));
            }
            let moved = |step: &Step| moved(*step, &places, start);
            steps.extend(model.steps.iter().map(moved));
            outputs.extend(model.outputs.iter().map(|port| Port {
                name: match model.outputs.len() {
                    1 => member.name.clone(),
                    _ => format!("{}.{}", member.name, port.name),
                },
                buffer: places[usize::from(port.buffer)],
            }));
        }
        let kept: Vec<u16> = outputs.iter().map(|port| port.buffer).collect();
        let count = self.inputs.len();
        let (buffers, arena_bytes): (Vec<Buffer>, u32) =
            plan_inputs(&buffers, count, &steps, &kept);
        let inputs = (0..count as u16).map(|buffer| Port {
            name: format!("features {}", buffer + 1),
            buffer,
        });
        Ok(Lowered {
            plan: Plan {
                version: PLAN_VERSION,
                models: vec![Model {
                    name: "blend".to_owned(),
                    inputs: inputs.collect(),
                    outputs,
                    buffers,
                    arena_bytes,
                    steps,
                }],
            },
            weights,
            precisions: Vec::new(),
        })
    }
}

impl Member {
    fn open(recipe: &Recipe, table: &recipe::Member) -> Result<Self> {
        let place = format!("models {}", table.name);
        let several = table.from.is_some() || !recipe.outputs.is_empty();
        let source = if several {
            Source::read_several(&table.file)
        } else {
            Source::read(&table.file)
        };
        let mut source = source?.toward(&recipe.data.label.bad);
        let mut kind = source.kind(table.output, &format!("{place}, output"))?;
        if let (OutputKind::Points, Source::Lines(lines)) = (kind, &mut source) {
            // Points are linear in the log-odds: `ScoreScale::new` has the formula.
            let score = &recipe.score;
            let factor = score.points_to_double_odds / 2f64.ln();
            let even = score.base_score - factor * score.base_odds.ln();
            if let Some(last) = lines.net.layers.last_mut() {
                for weight in &mut last.weights {
                    *weight = (-f64::from(*weight) / factor) as f32;
                }
                for bias in &mut last.bias {
                    *bias = ((even - f64::from(*bias)) / factor) as f32;
                }
            }
            kind = OutputKind::Logit;
        }
        let number = Number::find(&source, table.from.as_deref(), table.element, &place)?;
        let lowered = match source.lower()? {
            super::Program::Plan(lowered) => lowered,
            super::Program::File(_) => {
                return Err(Error::input(place, "a model that becomes a plan"));
            }
        };
        Ok(Self {
            name: table.name.clone(),
            file: table.file.clone(),
            features: table.features.clone(),
            source,
            lowered,
            kind,
            input: 0,
            output: number.output,
            element: number.element,
            first: 0,
        })
    }

    /// What the compiler's own reading of the model makes of rows. A graph's is its plan, which
    /// [`Source::check`] holds against tract edge by edge.
    fn reference(&self, rows: &Rows<f64>) -> Result<Vec<f64>> {
        let of_net = |net: &crate::compile::net::Net| {
            let outputs = net.forward(&rows.narrow());
            outputs
                .column(self.element as usize)
                .map(f64::from)
                .collect()
        };
        match &self.source {
            Source::Net(imported) => Ok(of_net(&imported.net)),
            Source::Lines(lines) => Ok(of_net(&lines.net)),
            Source::Trees(grown) => Ok(grown.forest.margins(rows)),
            _ => self
                .lowered
                .run_each(rows, |number| number(self.output, self.element)),
        }
    }
}

/// One number of a model's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// Which output.
    pub output: u16,
    /// Which number of that.
    pub element: u32,
}

impl Number {
    /// The number that a recipe means.
    ///
    /// # Errors
    /// Where the model has no such output, or several and none is named.
    pub fn find(source: &Source, from: Option<&str>, element: u32, place: &str) -> Result<Self> {
        let outputs = source.outputs();
        let output = match from {
            Some(name) => outputs.iter().position(|(own, _)| own == name),
            None if outputs.len() == 1 => Some(0),
            None => None,
        };
        let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
        let output = output.ok_or_else(|| {
            let what = format!("one of the model's outputs: {}", names.join(", "));
            Error::input(format!("{place}, from"), what)
        })?;
        let len = outputs[output].1;
        if element >= len {
            return Err(Error::input(
                format!("{place}, element"),
                format!("a number below {len}: the output has so many"),
            ));
        }
        Ok(Self {
            output: output as u16,
            element,
        })
    }
}

/// A step whose buffers have other places and whose weights start later.
fn moved(mut step: Step, places: &[u16], start: u64) -> Step {
    let place = |at: &mut u16| {
        if *at != CONSTANT {
            *at = places[usize::from(*at)];
        }
    };
    match &mut step {
        Step::Quantise {
            input,
            output,
            weights,
        }
        | Step::DenseU8 {
            input,
            output,
            weights,
            ..
        }
        | Step::DenseF32 {
            input,
            output,
            weights,
            ..
        }
        | Step::DenseFloat {
            input,
            output,
            weights,
            ..
        }
        | Step::Rank {
            input,
            output,
            weights,
        }
        | Step::Trees {
            input,
            output,
            weights,
            ..
        }
        | Step::TensorQuantise {
            input,
            output,
            weights,
            ..
        }
        | Step::TensorDense {
            input,
            output,
            weights,
            ..
        }
        | Step::TensorDequantise {
            input,
            output,
            weights,
            ..
        } => {
            [input, output].into_iter().for_each(place);
            *weights += start;
        }
        Step::Tensor {
            left,
            right,
            output,
            weights,
            ..
        } => {
            [left, right, output].into_iter().for_each(place);
            *weights += start;
        }
    }
    step
}

/// Whether a chain of preprocessing leaves numbers as they are, but for rounding.
pub(super) fn is_plain(steps: &[Chained]) -> bool {
    use fieldscore_runtime::schema::transform::Operation;
    let plain = |step: &Chained| matches!(step, Chained::Run(Operation::Single));
    steps.iter().all(plain)
}

/// What a recipe says that a model gives, as log-odds or a probability.
pub(super) fn plain_kind(said: Output) -> OutputKind {
    match said {
        Output::Probability => OutputKind::Probability,
        Output::Logit | Output::Points => OutputKind::Logit,
    }
}
