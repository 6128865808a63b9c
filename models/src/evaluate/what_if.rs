//! What other cut-offs would have meant: approvals, bad rate, and money.

use serde::{Deserialize, Serialize};

use super::curves::{CutOff, cut_off_table};
use super::metrics::MetricsError;

/// What an approved loan brings, in any one currency's units of money; below 0 where it costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profit {
    /// A good one.
    pub good: f64,
    /// A bad one.
    pub bad: f64,
}

/// What a cut-off would have meant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WhatIf {
    /// Approvals and bad rate.
    #[serde(flatten)]
    pub at: CutOff,
    /// What the loans approved bring, all together; none where nobody says what a loan brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profit: Option<f64>,
    /// The same divided by all applications, approved or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profit_per_application: Option<f64>,
    /// Whether no other cut-off of the table brings more, and none above it as much.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub best: bool,
}

/// [`cut_off_table`], with the profit at each cut-off.
///
/// # Errors
///
/// As [`cut_off_table`].
///
/// ```
/// use fieldscore_models::evaluate::what_if::{Profit, what_if};
///
/// let (bad, score) = ([true, false, true, false], [480, 520, 610, 700]);
/// let profit = Profit { good: 100.0, bad: -800.0 };
/// let table = what_if(&bad, &score, &[500, 650], Some(profit))?;
/// assert_eq!((table[0].profit, table[1].profit), (Some(-600.0), Some(100.0)));
/// assert!(table[1].best && !table[0].best);
/// # Ok::<(), fieldscore_models::evaluate::metrics::MetricsError>(())
/// ```
pub fn what_if(
    bad: &[bool],
    score: &[i32],
    cut_offs: &[i32],
    profit: Option<Profit>,
) -> Result<Vec<WhatIf>, MetricsError> {
    let brings = |at: &CutOff| {
        let good = (at.approved - at.approved_bad) as f64;
        profit.map(|each| good * each.good + at.approved_bad as f64 * each.bad)
    };
    let table = cut_off_table(bad, score, cut_offs)?;
    let best = table
        .iter()
        .filter_map(|at| Some((brings(at)?, at.cut_off)));
    let best = best.max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let rows = table.into_iter().map(|at| WhatIf {
        profit: brings(&at),
        profit_per_application: brings(&at).map(|all| all / bad.len() as f64),
        best: best.is_some_and(|(_, cut_off)| cut_off == at.cut_off),
        at,
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_best_of_equals_is_the_strictest() {
        let profit = Profit {
            good: 1.0,
            bad: -1.0,
        };
        let table = what_if(&[false, true], &[700, 600], &[600, 610, 700], Some(profit)).unwrap();
        let profits: Vec<_> = table.iter().map(|row| row.profit).collect();
        assert_eq!(profits, [Some(0.0), Some(1.0), Some(1.0)]);
        let best: Vec<_> = table.iter().map(|row| row.best).collect();
        assert_eq!(best, [false, false, true]);
        assert_eq!(table[1].profit_per_application, Some(0.5));
    }

    #[test]
    fn without_a_profit_there_is_none() {
        let table = what_if(&[false, true], &[700, 600], &[600], None).unwrap();
        assert_eq!((table[0].profit, table[0].best), (None, false));
        let json = serde_json::to_value(table[0]).unwrap();
        assert!(json.get("profit").is_none() && json["approved"] == 2);
    }
}
