//! Gates: what compression may cost, held against what it did cost.

use fieldscore_runtime::Outcome;
use serde::Serialize;

use crate::error::Result;
use crate::evaluate::bootstrap::Difference;
use crate::evaluate::curves::{Flips, flips, greatest_flips};
use crate::evaluate::metrics::MetricsError;
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

/// Whether `candidate` keeps to the limits on AUC and KS, and to that on flips whatever two cut-offs
/// the policy has: choices of the compiler go by this, so that the model does not change with the
/// policy.
///
/// # Errors
/// Where the rows have one class only.
pub fn holds_at_any_cut_offs(
    limits: Limits,
    bad: &[bool],
    reference: &Scored,
    candidate: &Scored,
) -> Result<bool> {
    let difference = difference(bad, reference, candidate)?;
    let divided = greatest_flips(&reference.score, &candidate.score).map_err(fault)?;
    Ok(difference.auc.value.abs() <= limits.auc
        && difference.ks.value.abs() <= limits.ks
        && 2.0 * divided as f64 <= limits.flips * bad.len() as f64)
}

fn difference(bad: &[bool], reference: &Scored, candidate: &Scored) -> Result<Difference> {
    Difference::measure(bad, &reference.probability, &candidate.probability).map_err(fault)
}

pub(super) fn fault(what: MetricsError) -> crate::Error {
    crate::Error::input("data", format!("rows that can be measured ({what})"))
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
    let difference = difference(bad, reference, candidate)?;
    let (mut a, mut b) = (reference.outcome.clone(), candidate.outcome.clone());
    let unlabelled = unlabelled.filter(|_| too_few(bad.len(), limits));
    if let Some((more_a, more_b)) = unlabelled {
        a.extend(more_a);
        b.extend(more_b);
    }
    let flips = flips(&a, &b).map_err(fault)?;
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
