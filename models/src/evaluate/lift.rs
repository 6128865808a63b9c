//! Lift by decile: how much of the bad the riskiest tenths of the rows hold.

use serde::Serialize;

use super::curves::calibration_bins;
use super::intervals::Interval;
use super::metrics::MetricsError;

/// A tenth of the rows, by probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Decile {
    /// Its rows.
    pub rows: usize,
    /// Bad rows among them.
    pub bad: usize,
    /// Their share, with Wilson's interval.
    pub bad_rate: Interval,
    /// That share divided by the share of bad among all rows.
    pub lift: f64,
    /// Share of all the bad in this decile and the riskier ones.
    pub captured: f64,
    /// `captured` divided by the share of all rows in these deciles.
    pub cumulative_lift: f64,
}

/// The deciles, the riskiest first: the bins of [`calibration_bins`], which never part equal
/// probabilities, so that ties make fewer of them.
///
/// Source: N. Siddiqi, *Credit Risk Scorecards* (2006), chapter 7.
///
/// # Errors
///
/// As [`calibration_bins`], and [`MetricsError::OneClass`] where no row is bad.
///
/// ```
/// use fieldscore_models::evaluate::lift::lift;
///
/// let bad: Vec<bool> = (0..100).map(|at| at >= 80).collect();
/// let probability: Vec<f64> = (0..100).map(|at| f64::from(at) / 100.0).collect();
/// let deciles = lift(&bad, &probability)?;
/// assert_eq!((deciles[0].lift, deciles[1].captured), (5.0, 1.0));
/// # Ok::<(), fieldscore_models::evaluate::metrics::MetricsError>(())
/// ```
pub fn lift(bad: &[bool], probability: &[f64]) -> Result<Vec<Decile>, MetricsError> {
    let bins = calibration_bins(bad, probability)?;
    let all = bad.len() as f64;
    let all_bad = bad.iter().filter(|&&bad| bad).count() as f64;
    if all_bad == 0.0 {
        return Err(MetricsError::OneClass { bad: false });
    }
    let (mut rows, mut bads) = (0, 0);
    let decile = |bin: super::curves::CalibrationBin| {
        rows += bin.count;
        bads += bin.bad;
        let captured = bads as f64 / all_bad;
        Decile {
            rows: bin.count,
            bad: bin.bad,
            bad_rate: bin.observed,
            lift: (bin.bad as f64 * all) / (bin.count as f64 * all_bad),
            captured,
            cumulative_lift: captured * all / rows as f64,
        }
    };
    Ok(bins.into_iter().rev().map(decile).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lift_by_hand() {
        // Two probabilities make two bins: of the riskier four rows three are bad, of the others one.
        let probability = [0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5, 0.5];
        let bad = [true, false, false, false, true, true, true, false];
        let deciles = lift(&bad, &probability).unwrap();
        assert_eq!(deciles.len(), 2);
        assert_eq!((deciles[0].lift, deciles[0].captured), (1.5, 0.75));
        assert_eq!((deciles[1].lift, deciles[1].cumulative_lift), (0.5, 1.0));
        let none = MetricsError::OneClass { bad: false };
        assert_eq!(lift(&[false], &[0.5]), Err(none));
    }

    proptest! {
        #[test]
        fn deciles_hold_every_row(rows in prop::collection::vec((any::<bool>(), 0u32..50), 1..200)) {
            let (bad, probability): (Vec<bool>, Vec<f64>) =
                rows.into_iter().map(|(bad, p)| (bad, f64::from(p) / 50.0)).unzip();
            prop_assume!(bad.contains(&true));
            let deciles = lift(&bad, &probability).unwrap();
            prop_assert_eq!(deciles.iter().map(|d| d.rows).sum::<usize>(), bad.len());
            let last = deciles.last().unwrap();
            prop_assert!((last.captured - 1.0).abs() < 1e-12);
            prop_assert!((last.cumulative_lift - 1.0).abs() < 1e-12);
        }
    }
}
