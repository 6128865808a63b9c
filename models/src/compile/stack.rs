//! Stacking: the linear model that members of a blend go into, from a file or fitted.

use std::path::Path;

use fieldscore_runtime::decide::OutputKind;
use nalgebra::{DMatrix, DVector};

use super::blend::{is_plain, plain_kind};
use crate::compile::Source;
use crate::compile::net::Net;
use crate::data::Table;
use crate::error::{Error, Result};
use crate::recipe::Output;

/// A linear model of the members.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// One for each member, in their order.
    pub weights: Vec<f64>,
    /// What the sum starts with.
    pub bias: f64,
    /// Whether a sigmoid at its end was taken off; `None` of a table, which cannot say.
    sigmoid: Option<bool>,
}

impl Line {
    /// What its sum is, where the recipe says `said` of its output.
    ///
    /// # Errors
    /// Where the two do not go together.
    pub fn kind(&self, said: Option<Output>) -> Result<OutputKind> {
        match (said, self.sigmoid) {
            (None, Some(false) | None) => Ok(OutputKind::Logit),
            (None | Some(Output::Probability), Some(true)) => Ok(OutputKind::Logit),
            (Some(said), Some(false) | None) => Ok(plain_kind(said)),
            (Some(_), Some(true)) => Err(Error::input(
                "blend.output",
                "\"probability\", because the model ends with a sigmoid",
            )),
        }
    }
}

/// Reads a linear model of the members `names`: a table with the columns `model` and `weight`, one of
/// its rows `intercept`, or a linear or logistic model as ONNX whose inputs are the members in order; of
/// named classes `bad` is the one meant.
///
/// # Errors
/// Where it is neither.
pub fn read(file: &Path, names: &[&str], bad: &str) -> Result<Line> {
    if file.extension().is_some_and(|end| end == "csv") {
        return of_table(&Table::read(file)?, names);
    }
    let place = file.display().to_string();
    let wrong = || {
        Error::input(
            &place,
            format!("a linear or logistic model of {} numbers", names.len()),
        )
        .hint("a CSV with the columns model and weight does as well")
    };
    let (net, sigmoid) = match Source::read(file)?.toward(bad) {
        Source::Net(imported) => (imported.net, imported.sigmoid_removed),
        Source::Lines(lines) => {
            let features = lines.pipeline.features.iter().enumerate();
            let plain = features
                .clone()
                .all(|(at, feature)| feature.input == at && is_plain(&feature.steps));
            if !plain {
                return Err(wrong());
            }
            (lines.net, lines.sigmoid_removed)
        }
        _ => return Err(wrong()),
    };
    match &net {
        Net { layers } if layers.len() == 1 && layers[0].inputs == names.len() => Ok(Line {
            weights: layers[0].weights.iter().map(|&w| f64::from(w)).collect(),
            bias: layers[0].bias.first().map_or(0.0, |&bias| f64::from(bias)),
            sigmoid: Some(sigmoid),
        }),
        _ => Err(wrong()),
    }
}

fn of_table(table: &Table, names: &[&str]) -> Result<Line> {
    let (model, weight) = (table.column("model")?, table.column("weight")?);
    let (mut weights, mut bias) = (vec![None; names.len()], None);
    for (number, row) in table.rows().iter().enumerate() {
        let place = |column: &str| table.place(number, column);
        let at = names.iter().position(|name| *name == &row[model]);
        let slot = match at {
            Some(at) => &mut weights[at],
            None if &row[model] == "intercept" => &mut bias,
            None => {
                return Err(Error::input(
                    place("model"),
                    format!("intercept or one of {}", names.join(", ")),
                ));
            }
        };
        let value: Option<f64> = row[weight].parse().ok().filter(|w: &f64| w.is_finite());
        let value = value.ok_or_else(|| Error::input(place("weight"), "a number"))?;
        if slot.replace(value).is_some() {
            return Err(Error::input(place("model"), "each name only once"));
        }
    }
    let weights: Option<Vec<f64>> = weights.into_iter().collect();
    Ok(Line {
        weights: weights.ok_or_else(|| {
            Error::input(
                table.name(),
                format!("a row for each of {}", names.join(", ")),
            )
        })?,
        bias: bias.unwrap_or(0.0),
        sigmoid: None,
    })
}

/// A logistic regression of labels on the members' columns by Newton's method (Hastie, Tibshirani,
/// Friedman 2009, "The Elements of Statistical Learning", section 4.4.1), with a ridge of 10⁻³ on the
/// weights: weights, and what the sum starts with.
///
/// # Errors
/// Where the columns do not determine it.
pub fn fit(bad: &[bool], columns: &[Vec<f64>]) -> Result<(Vec<f64>, f64)> {
    const RIDGE: f64 = 1e-3;
    let (rows, width) = (bad.len(), columns.len() + 1);
    let x = DMatrix::from_fn(rows, width, |row, at| match at.checked_sub(1) {
        None => 1.0,
        Some(at) => columns[at][row],
    });
    let y = DVector::from_iterator(rows, bad.iter().map(|&bad| f64::from(u8::from(bad))));
    let mut ridge = DMatrix::identity(width, width) * RIDGE;
    ridge[(0, 0)] = 0.0;
    let mut at = DVector::zeros(width);
    let unfit = || {
        Error::check(
            "blend",
            "models whose validation part determines the weights of a stack",
        )
        .hint("give blend.file, or take \"average\"")
    };
    for _ in 0..50 {
        let p = (&x * &at).map(|sum: f64| 1.0 / (1.0 + (-sum).exp()));
        let gradient = x.transpose() * (&p - &y) + &ridge * &at;
        let mut weighted = x.clone();
        for (mut row, p) in weighted.row_iter_mut().zip(p.iter()) {
            row *= p * (1.0 - p);
        }
        let hessian = x.transpose() * weighted + &ridge;
        let step = hessian.lu().solve(&gradient).ok_or_else(unfit)?;
        at -= &step;
        if !at.iter().all(|w| w.is_finite()) {
            return Err(unfit());
        }
        if step.amax() < 1e-10 {
            break;
        }
    }
    Ok((at.iter().skip(1).copied().collect(), at[0]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_stack_finds_the_weights_that_made_the_labels() {
        let (mut bad, mut columns) = (Vec::new(), vec![Vec::new(), Vec::new()]);
        for a in -3..=3 {
            for b in -3..=3 {
                let (a, b) = (f64::from(a), f64::from(b));
                let p = 1.0 / (1.0 + (-(0.8 * a - 0.3 * b + 0.5)).exp());
                for i in 0..1000 {
                    bad.push(f64::from(i) < p * 1000.0);
                    columns[0].push(a);
                    columns[1].push(b);
                }
            }
        }
        let (weights, bias) = fit(&bad, &columns).unwrap();
        for (found, made) in weights.iter().chain([&bias]).zip([0.8, -0.3, 0.5]) {
            assert!((found - made).abs() < 0.01, "{weights:?} {bias}");
        }
    }
}
