//! What a bundle says of many rows.

use fieldscore_runtime::{Application, Outcome, Scorer};

use crate::error::Result;
use crate::evaluate::bootstrap::Discrimination;

/// What a bundle says of some rows.
#[derive(Debug, Clone)]
pub struct Scored {
    /// Probability of default.
    pub probability: Vec<f64>,
    /// Score in points.
    pub score: Vec<i32>,
    /// Outcome.
    pub outcome: Vec<Outcome>,
    /// The probabilities beside it, row by row, as the bundle names them.
    pub others: Vec<Vec<f64>>,
}

impl Scored {
    /// Scores applications that were made for `scorer`; `place` is what an error calls one.
    ///
    /// # Errors
    /// Where a row cannot be scored.
    pub fn of(
        scorer: &Scorer,
        applications: &[Application],
        place: impl Fn(usize) -> String,
    ) -> Result<Self> {
        let mut results = Vec::new();
        scorer.score_many(applications, &mut results);
        let mut all = Self {
            probability: Vec::new(),
            score: Vec::new(),
            outcome: Vec::new(),
            others: vec![Vec::new(); scorer.decide().others().len()],
        };
        for (row, result) in results.into_iter().enumerate() {
            let decision = result.map_err(|e| crate::Error::from(e).within(place(row)))?;
            all.probability
                .push(f64::from(decision.probability_ppm) / 1e6);
            all.score.push(decision.score);
            all.outcome.push(decision.outcome);
            for (column, ppm) in all.others.iter_mut().zip(decision.others) {
                column.push(f64::from(ppm) / 1e6);
            }
        }
        Ok(all)
    }

    /// The rows at `indices`.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        Self {
            probability: indices.iter().map(|&i| self.probability[i]).collect(),
            score: indices.iter().map(|&i| self.score[i]).collect(),
            outcome: indices.iter().map(|&i| self.outcome[i]).collect(),
            others: self
                .others
                .iter()
                .map(|column| indices.iter().map(|&i| column[i]).collect())
                .collect(),
        }
    }

    /// Discrimination and calibration on labelled rows.
    ///
    /// # Errors
    /// Where the rows have one class only.
    pub fn measure(&self, bad: &[bool]) -> Result<Discrimination> {
        measure(bad, &self.probability)
    }

    /// The same of the probability `at` among those beside it.
    ///
    /// # Errors
    /// Where the rows have one class only.
    pub fn measure_other(&self, at: usize, bad: &[bool]) -> Result<Discrimination> {
        measure(bad, self.others.get(at).map_or(&[], Vec::as_slice))
    }
}

fn measure(bad: &[bool], probability: &[f64]) -> Result<Discrimination> {
    Discrimination::measure(bad, probability)
        .map_err(|e| crate::Error::input("data", format!("rows that can be measured ({e})")))
}
