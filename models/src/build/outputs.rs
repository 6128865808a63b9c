//! What the score is made of, and the probabilities beside it.

use fieldscore_runtime::decide::{
    Blend, LOG_ODDS_ONE, Member, Other, OutputKind, POINT, ScoreScale,
};

use super::calibration;
use crate::compile::blend::Number;
use crate::compile::net::Rows;
use crate::compile::{Program, Source, stack};
use crate::error::{Error, Result};
use crate::recipe::{CalibrationMethod, Label, NamedOutput, Recipe};

/// A model and the validation part.
pub(super) struct Trial<'t> {
    pub recipe: &'t Recipe,
    pub source: &'t Source,
    pub float: &'t Program,
    pub rows: &'t Rows<f64>,
}

/// Log-odds of what a model gives.
pub(super) fn log_odds(values: &[f64], kind: OutputKind, scale: ScoreScale) -> Vec<f64> {
    let odds = |&y: &f64| match kind {
        OutputKind::Logit => y,
        // A sum of leaves may exceed 1 by a rounding.
        OutputKind::Probability => {
            let p = y.clamp(0.0, 1.0);
            (p / (1.0 - p)).ln().clamp(-40.0, 40.0)
        }
        OutputKind::Points => {
            let exact = (y * POINT as f64).round_ties_even() as i64;
            f64::from(scale.log_odds(exact)) / f64::from(LOG_ODDS_ONE)
        }
    };
    values.iter().map(odds).collect()
}

/// The sum that is one number as it is.
fn single(number: Number, kind: OutputKind) -> Blend {
    Blend {
        members: vec![Member {
            output: number.output,
            element: number.element,
            kind,
            weight: 1.0,
        }],
        bias: 0.0,
        probabilities: kind == OutputKind::Probability,
    }
}

impl Trial<'_> {
    /// What the score is made of, and how, where it is not the model's first number.
    pub fn score(&self, bad: &[bool]) -> Result<(OutputKind, Option<Blend>)> {
        if let Source::Blend(blend) = self.source {
            let sum = match blend.given() {
                Some(sum) => sum,
                None => {
                    let count = self.recipe.models.len();
                    let columns = (0..count).map(|at| {
                        let mut alone = vec![0.0; count];
                        alone[at] = 1.0;
                        let alone = blend.weighing(&alone, 0.0);
                        self.float.run(self.rows, Some(&alone))
                    });
                    let columns: Vec<Vec<f64>> = columns.collect::<Result<_>>()?;
                    let (weights, bias) = stack::fit(bad, &columns)?;
                    blend.weighing(&weights, bias)
                }
            };
            return Ok((blend.kind(), Some(sum)));
        }
        let mut named = self.recipe.outputs.iter();
        let Some((name, output)) = named.find(|(_, output)| output.score) else {
            let kind = self.source.kind(self.recipe.model.output, "model.output")?;
            return Ok((kind, None));
        };
        let (number, kind) = self.find(name, output)?;
        let first = Number {
            output: 0,
            element: 0,
        };
        let blend = (number != first).then(|| single(number, kind));
        Ok((kind, blend))
    }

    /// The probabilities beside the score's; `labels` gives the validation part's labels of a column.
    pub fn others(&self, labels: impl Fn(&Label) -> Result<Vec<bool>>) -> Result<Vec<Other>> {
        let others = self.recipe.outputs.iter().filter(|(_, o)| !o.score);
        let others = others.map(|(name, output)| {
            let (number, kind) = self.find(name, output)?;
            let calibration = match &output.label {
                Some(label) if output.calibration != CalibrationMethod::None => {
                    let values = self.float.run(self.rows, Some(&single(number, kind)))?;
                    // Points are no further output's.
                    let scale = ScoreScale::new(0.0, 1.0, 1.0, 0, 1);
                    let odds = log_odds(&values, kind, scale);
                    calibration::fit(output.calibration, &labels(label)?, &odds)
                        .map_err(|e| e.within(format!("outputs.{name}")))?
                }
                _ => calibration::fit(CalibrationMethod::None, &[], &[])?,
            };
            Ok(Other {
                name: name.clone(),
                output: number.output,
                element: number.element,
                kind,
                calibration,
            })
        });
        others.collect()
    }

    /// Which number an output of the recipe is, and what that is.
    fn find(&self, name: &str, output: &NamedOutput) -> Result<(Number, OutputKind)> {
        let place = format!("outputs.{name}");
        let (first, source, said) = match (self.source, &output.model) {
            (Source::Blend(blend), Some(model)) => {
                let (first, source) = blend.member(model).ok_or_else(|| {
                    Error::input(format!("{place}.model"), "the name of one of [[models]]")
                })?;
                let table = self.recipe.models.iter().find(|m| m.name == *model);
                (first, source, table.map(|table| table.output))
            }
            (source, _) => (0, source, None),
        };
        let said = output.kind.or(said).unwrap_or(self.recipe.model.output);
        let kind = source.kind(said, &format!("{place}.kind"))?;
        let number = Number::find(source, output.from.as_deref(), output.element, &place)?;
        Ok((
            Number {
                output: first + number.output,
                ..number
            },
            kind,
        ))
    }
}
