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
        };
        for (row, result) in results.into_iter().enumerate() {
            let decision = result.map_err(|e| crate::Error::from(e).within(place(row)))?;
            all.probability
                .push(f64::from(decision.probability_ppm) / 1e6);
            all.score.push(decision.score);
            all.outcome.push(decision.outcome);
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
        }
    }

    /// Discrimination and calibration on labelled rows.
    ///
    /// # Errors
    /// Where the rows have one class only.
    pub fn measure(&self, bad: &[bool]) -> Result<Discrimination> {
        Discrimination::measure(bad, &self.probability)
            .map_err(|e| crate::Error::input("data", format!("rows that can be measured ({e})")))
    }
}
