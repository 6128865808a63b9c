//! Gates: what compression may cost, held against what it did cost.

use fieldscore_runtime::Outcome;
use serde::Serialize;

use crate::error::Result;
use crate::evaluate::bootstrap::Difference;
use crate::evaluate::curves::{Flips, flips};
use crate::evaluate::scored::Scored;
use crate::recipe::Limits;

/// One comparison of two models on the same rows.
#[derive(Debug, Clone, Serialize)]
pub struct Gate {
    /// What is compared.
    pub name: &'static str,
    /// The limits that the recipe sets.
    pub limits: LimitsShown,
    /// candidate − reference, with intervals.
    pub difference: Difference,
    /// Outcomes that differ.
    pub flips: Flips,
    /// Whether flips were counted on unlabelled rows as well.
    pub unlabelled: bool,
    /// Whether every limit holds.
    pub passed: bool,
}

/// Limits as a report shows them.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct LimitsShown {
    /// |ΔAUC|
    pub auc: f64,
    /// |ΔKS|
    pub ks: f64,
    /// Share of flips.
    pub flips: f64,
}

/// Below so many tolerated flips a limit cannot be told from chance.
const FEW: f64 = 5.0;

/// Whether so few labelled rows leave a limit on flips undecided.
pub fn too_few(rows: usize, limits: Limits) -> bool {
    rows as f64 * limits.flips < FEW
}

/// Compares `candidate` with `reference` on labelled rows, and flips on `unlabelled` outcomes too
/// where there are any.
///
/// # Errors
/// Where the rows have one class only.
pub fn compare(
    name: &'static str,
    limits: Limits,
    bad: &[bool],
    (reference, candidate): (&Scored, &Scored),
    unlabelled: Option<(&[Outcome], &[Outcome])>,
) -> Result<Gate> {
    let difference = Difference::measure(bad, &reference.probability, &candidate.probability)
        .map_err(|e| crate::Error::input("data", format!("rows that can be measured ({e})")))?;
    let (mut a, mut b) = (reference.outcome.clone(), candidate.outcome.clone());
    let unlabelled = unlabelled.filter(|_| too_few(bad.len(), limits));
    if let Some((more_a, more_b)) = unlabelled {
        a.extend(more_a);
        b.extend(more_b);
    }
    let flips = flips(&a, &b).map_err(|e| crate::Error::input("data", e.to_string()))?;
    let passed = difference.auc.value.abs() <= limits.auc
        && difference.ks.value.abs() <= limits.ks
        && flips.share.value <= limits.flips;
    Ok(Gate {
        name,
        limits: LimitsShown {
            auc: limits.auc,
            ks: limits.ks,
            flips: limits.flips,
        },
        difference,
        flips,
        unlabelled: unlabelled.is_some(),
        passed,
    })
}
